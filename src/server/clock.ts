/**
 * The clock of a worker server: a thread that keeps CONTROL_NOW_MS up to date while anything runs, so that guarded code
 * can see a deadline pass with one load. The thread that runs the code cannot do it: it may be in an endless loop.
 * For the same reason the clock thread is the one that interrupts what was cancelled.
 *
 * It ticks while any executor is active and a little longer, since waking it costs microseconds; then it parks and uses no
 * time at all.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { CONTROL_CLOCK, CONTROL_NOW_MS, EXECUTOR_ACTIVE } from '../../core/layout.ts';
import type { AddressSpace, PrivLib } from './privlib.ts';
import { clockWord, monotonicMs } from './time.ts';

// CONTROL_CLOCK
export const CLOCK_TICKING = 0;
export const CLOCK_PARKED = 1;
export const CLOCK_STOPPED = 2;

export interface ClockWorkerData {
  readonly addressSpace: AddressSpace;
}

/** What an executor knows of the clock. Belongs to its thread. */
export class Activity {
  readonly #words: Int32Array;
  readonly #active: number;
  readonly #privLib: PrivLib;

  constructor(memory: WebAssembly.Memory, privLib: PrivLib, control: number) {
    this.#words = new Int32Array(memory.buffer, 0, 2 ** 29);
    this.#active = (control + EXECUTOR_ACTIVE) >>> 2;
    this.#privLib = privLib;
  }

  /** From now on the executor has something to do: the time is right and the clock awake. Returns the time as a clock word. */
  begin(): number {
    const words = this.#words;
    // In this order, and the clock the other way round: either it sees that this is active or this sees it parked.
    Atomics.store(words, this.#active, 1);
    const now = clockWord(monotonicMs());
    this.#privLib.clockAdvance(now);
    if (Atomics.load(words, CONTROL_CLOCK >>> 2) === CLOCK_PARKED) this.#wake();
    return now;
  }

  end(): void {
    Atomics.store(this.#words, this.#active, 0);
  }

  #wake(): void {
    const index = CONTROL_CLOCK >>> 2;
    if (Atomics.compareExchange(this.#words, index, CLOCK_PARKED, CLOCK_TICKING) !== CLOCK_PARKED) return;
    Atomics.notify(this.#words, index);
  }
}

/** One for an address space. Until it is started, time only passes at each `Activity.begin`. */
export class Clock {
  readonly #addressSpace: AddressSpace;
  readonly #words: Int32Array;
  #worker: Worker | undefined;

  constructor(addressSpace: AddressSpace) {
    this.#addressSpace = addressSpace;
    this.#words = new Int32Array(addressSpace.memory.buffer, 0, 2 ** 29);
    this.#words[CONTROL_NOW_MS >>> 2] = clockWord(monotonicMs());
  }

  /** Starts the thread. It ticks from the moment that this returns, whatever the calling thread does; it keeps no process alive. */
  async start(): Promise<void> {
    const workerData: ClockWorkerData = { addressSpace: this.#addressSpace };
    // Options of the process, such as --input-type, are not for the worker's file.
    const worker = new Worker(new URL('./clock-worker.ts', import.meta.url), { execArgv: [], workerData });
    this.#worker = worker;
    await once(worker, 'message');
    worker.unref();
  }

  /** Ends the thread, and returns when it has ended. */
  async stop(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#worker = undefined;
    const exited = once(worker, 'exit');
    worker.ref();
    Atomics.store(this.#words, CONTROL_CLOCK >>> 2, CLOCK_STOPPED);
    Atomics.notify(this.#words, CONTROL_CLOCK >>> 2);
    await exited;
  }
}
