/**
 * The generator of the load, in a thread of its own, seen from the thread at the front of a system (front.ts).
 *
 * When a request is due does not depend on how the system does: the generator decides all of it before the first one is
 * sent, and sleeps while the system works, so that it takes no core away from what is measured. The front hands each
 * request over when its time has come, as a network card would that it polls, and writes down when it ended. The generator
 * reckons afterwards.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ApplicationRequest } from '../../../apps/application.ts';

export interface Load {
  readonly ratePerSecond: number;
  /** Requests that are due in this time before are sent, and not counted. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly seed: number;
}

/** What the front is to send, and where it writes what came of it. All in memory that both threads share. */
export interface Schedule {
  /** In µs from the begin. */
  readonly dueUs: Float64Array;
  /** Index in the pool of requests. */
  readonly which: Uint32Array;
  /** When it ended, in the same time; 0: it has not; negative: it failed then. */
  readonly endedUs: Float64Array;
}

/** Latencies count from when a request was due. */
export interface Latencies {
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

export interface Outcome {
  /** Requests that were due in the measured time. */
  readonly arrivals: number;
  /** Those of them that failed, or had not ended when the front gave up. In percentiles they are the longest. */
  readonly lost: number;
  readonly offeredPerSecond: number;
  /** Requests that ended well within the measured time, whenever they were due, per second. */
  readonly throughputPerSecond: number;
  readonly latencies: Latencies;
}

/** Pool of requests as bytes that threads share. */
export interface PoolMessage {
  readonly functions: readonly string[];
  /** Bodies one behind the other. */
  readonly bodies: SharedArrayBuffer;
  /** Where each ends. */
  readonly ends: Uint32Array;
}

export interface GeneratorData {
  /** Module that exports the application as `application`. */
  readonly applicationUrl: string;
  readonly dataSeed: number;
  readonly requestSeed: number;
  readonly poolSize: number;
}

export type ToGenerator =
  | { readonly kind: 'schedule'; readonly load: Load }
  | { readonly kind: 'reckon'; readonly load: Load; readonly schedule: Schedule };

export class Generator {
  /** Requests of the application's mix. */
  readonly pool: readonly ApplicationRequest[];
  readonly #worker: Worker;

  private constructor(worker: Worker, pool: readonly ApplicationRequest[]) {
    this.#worker = worker;
    this.pool = pool;
  }

  static async start(data: GeneratorData): Promise<Generator> {
    const worker = new Worker(new URL('./generator-thread.ts', import.meta.url), { workerData: data, execArgv: [] });
    const { functions, bodies, ends } = (await once(worker, 'message'))[0] as PoolMessage;
    const pool = functions.map((name, i) => {
      const start = i === 0 ? 0 : (ends[i - 1] ?? 0);
      return { function: name, body: new Uint8Array(bodies, start, (ends[i] ?? 0) - start) };
    });
    return new Generator(worker, pool);
  }

  /** Decides when which request is due. */
  async schedule(load: Load): Promise<Schedule> {
    return (await this.#ask({ kind: 'schedule', load })) as Schedule;
  }

  /** What came of it. */
  async reckon(load: Load, schedule: Schedule): Promise<Outcome> {
    return (await this.#ask({ kind: 'reckon', load, schedule })) as Outcome;
  }

  async #ask(message: ToGenerator): Promise<unknown> {
    this.#worker.postMessage(message);
    return (await once(this.#worker, 'message'))[0];
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
