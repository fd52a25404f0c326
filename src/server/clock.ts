/**
 * The clock of a worker server: a thread that keeps CONTROL_NOW_MS up to date while invocations run, so that guarded code
 * can see a deadline pass with one load. The thread that runs the code cannot do it: it may be in an endless loop.
 *
 * The clock thread waits on memory of its own. It ticks while anything runs and a little longer, since waking it costs
 * microseconds; then it parks and uses no time at all.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { CONTROL_NOW_MS } from '../../core/layout.ts';

// Words of the memory that the threads share beside the address space.
export const CLOCK_MODE = 0;
/** Root invocations begun and ended, modulo 2^32. */
export const CLOCK_BEGUN = 1;
export const CLOCK_ENDED = 2;
const CLOCK_WORDS = 3;
// CLOCK_MODE
export const MODE_TICKING = 0;
export const MODE_PARKED = 1;
export const MODE_STOPPED = 2;

export interface ClockWorkerData {
  readonly memory: WebAssembly.Memory;
  readonly words: Int32Array;
}

/** What CONTROL_NOW_MS gets: the same clock on every thread, whose zero means nothing. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return (seconds * 1000 + Math.floor(nanoseconds / 1e6)) | 0;
}

/** One for an address space. Until it is started, time only passes at each `begin`. */
export class Clock {
  readonly #memory: WebAssembly.Memory;
  readonly #now: Int32Array;
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * CLOCK_WORDS));
  #worker: Worker | undefined;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.#now = new Int32Array(memory.buffer, CONTROL_NOW_MS, 1);
    this.#now[0] = monotonicMs();
  }

  /** Starts the thread. It ticks from the moment that this returns, whatever the calling thread does; it keeps no process alive. */
  async start(): Promise<void> {
    const workerData: ClockWorkerData = { memory: this.#memory, words: this.#words };
    // Options of the process, such as --input-type, are not for the worker's file.
    const worker = new Worker(new URL('./clock-worker.ts', import.meta.url), { execArgv: [], workerData });
    this.#worker = worker;
    await once(worker, 'message');
    worker.unref();
  }

  /** Before a root invocation: the time is right and the thread awake. Returns the time; `end` must follow. */
  begin(): number {
    const words = this.#words;
    // In this order, and the worker the other way round: either it sees the invocation or this sees it parked.
    Atomics.add(words, CLOCK_BEGUN, 1);
    const now = monotonicMs();
    this.#now[0] = now;
    if (Atomics.load(words, CLOCK_MODE) === MODE_PARKED) this.#wake();
    return now;
  }

  /**
   * After it, however it ended. Not counted but set, which one executor can do, since its root invocations come one after
   * the other: should a stack overflow keep one `begin` or `end` from being called, the next `end` puts it right.
   */
  end(): void {
    Atomics.store(this.#words, CLOCK_ENDED, Atomics.load(this.#words, CLOCK_BEGUN));
  }

  #wake(): void {
    Atomics.compareExchange(this.#words, CLOCK_MODE, MODE_PARKED, MODE_TICKING);
    Atomics.notify(this.#words, CLOCK_MODE);
  }

  /** Ends the thread, and returns when it has ended. */
  async stop(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#worker = undefined;
    const exited = once(worker, 'exit');
    worker.ref();
    Atomics.store(this.#words, CLOCK_MODE, MODE_STOPPED);
    Atomics.notify(this.#words, CLOCK_MODE);
    await exited;
  }
}
