/**
 * The I/O thread, as the main thread sees it: one for a worker server, however many executors there are. It is made when
 * the first executor connects.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { JordError } from '../../errors.ts';
import { LINK_LOST, type Link, type OutboundWorkerData, type Registration, wakeExecutor } from './protocol.ts';

/** One thread from its beginning to its end. */
interface Life {
  readonly worker: Worker;
  /** That of all its links: protocol.ts. */
  readonly linkState: Int32Array;
  /** Control blocks of the executors that it was connected to. */
  readonly controls: Set<number>;
}

export class OutboundThread {
  readonly #onLost: (reason: unknown) => void;
  #memory: WebAssembly.Memory | undefined;
  #life: Life | undefined;

  /**
   * @param onLost the thread ended by itself, with what it threw. Requests that were under way fail with IO_FAILED, and so
   *   do new ones until the executors get new ports (`Outbound.reconnect`). Connecting at once, each time, would be an endless
   *   loop if it never comes up
   */
  constructor(onLost: (reason: unknown) => void) {
    this.#onLost = onLost;
  }

  /** Allows connections to executors of this address space. No thread is made yet. */
  start(memory: WebAssembly.Memory): void {
    this.#memory = memory;
  }

  /**
   * Connects an executor. Returns a port to transfer to its thread, for `Outbound` there. Makes the thread when there is
   * none, or none any more; it keeps no process alive. Throws INTERNAL before `start` and after `stop`.
   *
   * @param control address of the executor's control block, which is woken when answers come
   */
  connect(control: number): MessagePort {
    if (this.#memory === undefined) throw new JordError('INTERNAL', 'The I/O thread was not started, or was stopped.');
    this.#life ??= this.#begin(this.#memory);
    const { worker, linkState, controls } = this.#life;
    controls.add(control);
    const { port1, port2 } = new MessageChannel();
    const link: Link = { state: linkState };
    port2.postMessage(link);
    const registration: Registration = { port: port2, control };
    worker.postMessage(registration, [port2]);
    return port1;
  }

  #begin(memory: WebAssembly.Memory): Life {
    const workerData: OutboundWorkerData = { memory };
    // Nothing of the process's options and environment: both can send requests through a proxy, or switch off TLS's checks.
    const worker = new Worker(new URL('./outbound-worker.ts', import.meta.url), { execArgv: [], env: {}, workerData });
    worker.unref();
    const life = { worker, linkState: new Int32Array(new SharedArrayBuffer(4)), controls: new Set<number>() };
    let reason: unknown;
    worker.on('error', (error: unknown) => {
      reason = error;
    });
    worker.on('exit', () => this.#end(life, memory, reason));
    return life;
  }

  #end(life: Life, memory: WebAssembly.Memory, reason: unknown): void {
    Atomics.store(life.linkState, 0, LINK_LOST);
    const words = new Int32Array(memory.buffer);
    for (const control of life.controls) wakeExecutor(words, control);
    // Not after `stop`, which has taken it away.
    if (this.#life !== life) return;
    this.#life = undefined;
    this.#onLost(reason);
  }

  /** Ends the thread, and returns when it has ended. What is under way fails with IO_FAILED. */
  async stop(): Promise<void> {
    const life = this.#life;
    this.#memory = undefined;
    this.#life = undefined;
    if (life === undefined) return;
    life.worker.ref();
    await life.worker.terminate();
  }
}
