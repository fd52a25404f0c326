/**
 * An open loop: requests arrive when a Poisson process says so, whether or not those before them are answered, as requests
 * of many independent clients do. Latency counts from the time at which a request was due, so that a stall is seen by
 * every request that was due in it.
 *
 * It polls the clock, so it keeps its thread, and one core, busy, unless it is told to rest between polls.
 */
import { LatencyHistogram } from './latency-histogram.ts';
import { uniformSource } from './random.ts';

export type Outcome = 'ok' | 'refused' | 'failed';

/** Sends request `index` and returns at once. `done` is called once, at any time, or never. */
export type Send = (index: number, done: (outcome: Outcome) => void) => void;

export interface OpenLoopOptions {
  readonly ratePerSecond: number;
  /** What is measured begins after `warmUpMs` and lasts this long. */
  readonly durationMs: number;
  /** Requests are sent at the same rate before, and not counted. Default: 0. */
  readonly warmUpMs?: number;
  /** How long it waits, after the end, for requests without an outcome. Default: 1,000. */
  readonly drainMs?: number;
  /**
   * How long the thread sleeps between polls, at most until the next request is due. 0, the default, polls all the time. Sleeping
   * leaves the core to the server, but the system adds tens of microseconds to it, and responses are seen that much later.
   */
  readonly restMs?: number;
  /** The same seed gives the same arrival times. */
  readonly seed: number;
  readonly send: Send;
  /** Milliseconds; for tests. */
  readonly clock?: () => number;
}

export interface OpenLoopResult {
  /** Requests that were due within the measured time. Each is in one of the next four. */
  readonly arrivals: number;
  readonly ok: number;
  readonly refused: number;
  readonly failed: number;
  /** Without an outcome when the wait for them ended. */
  readonly unanswered: number;
  /** `arrivals` by the measured time. */
  readonly offeredPerSecond: number;
  /** Good outcomes that came within the measured time, whenever they were due, by that time. */
  readonly goodputPerSecond: number;
  /** Of `ok`, from the time at which each was due. */
  readonly latency: LatencyHistogram;
  /** By how much a request was sent after it was due, at worst. This is the generator's fault, and part of the latencies. */
  readonly latenessMaxMs: number;
  /** Share of the arrivals that were sent more than LATE_MS after they were due. */
  readonly lateShare: number;
  /** Whether `lateShare` is at most LATE_SHARE_MAX. Where it is not, the latencies are not the server's alone. */
  readonly keptUp: boolean;
}

export const LATE_MS = 1;
export const LATE_SHARE_MAX = 0.01;
const DRAIN_MS_DEFAULT = 1000;
const SENT_AT_ONCE_MAX = 64;

/** Rejects with what `send` throws, and with a RangeError for options that are no load. */
export function runOpenLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const { ratePerSecond, durationMs, warmUpMs = 0 } = options;
  const isLoad = ratePerSecond > 0 && Number.isFinite(ratePerSecond) && durationMs > 0 && warmUpMs >= 0;
  if (!isLoad) {
    return Promise.reject(new RangeError(`${ratePerSecond} requests/s for ${warmUpMs} + ${durationMs} ms are no load`));
  }
  return new OpenLoop(options).run();
}

class OpenLoop {
  readonly #send: Send;
  readonly #clock: () => number;
  readonly #uniform: () => number;
  readonly #gapMeanMs: number;
  readonly #warmUpMs: number;
  readonly #endMs: number;
  readonly #drainMs: number;
  readonly #restMs: number;
  /** Nobody writes this or wakes who waits for it. */
  readonly #never = new Int32Array(new SharedArrayBuffer(4));
  readonly #finished = Promise.withResolvers<void>();
  readonly #counts = { ok: 0, refused: 0, failed: 0 };
  readonly #latency = new LatencyHistogram();
  /** Times are relative to this one. */
  #startMs = 0;
  /** When the next request is due. */
  #dueMs = 0;
  #sent = 0;
  #underWay = 0;
  #arrivals = 0;
  #late = 0;
  #latenessMaxMs = 0;
  #goodOutcomes = 0;
  #hasSentAll = false;
  #isOver = false;

  constructor(options: OpenLoopOptions) {
    const { ratePerSecond, durationMs, warmUpMs = 0, drainMs = DRAIN_MS_DEFAULT, restMs = 0, seed, send } = options;
    this.#send = send;
    this.#clock = options.clock ?? (() => performance.now());
    this.#uniform = uniformSource(seed);
    this.#gapMeanMs = 1000 / ratePerSecond;
    this.#warmUpMs = warmUpMs;
    this.#endMs = warmUpMs + durationMs;
    this.#drainMs = drainMs;
    this.#restMs = restMs;
  }

  async run(): Promise<OpenLoopResult> {
    this.#startMs = this.#clock();
    this.#dueMs = this.#gapMs();
    this.#poll();
    try {
      await this.#finished.promise;
    } finally {
      this.#isOver = true;
    }
    const { ok, refused, failed } = this.#counts;
    const arrivals = this.#arrivals;
    const lateShare = arrivals === 0 ? 0 : this.#late / arrivals;
    const seconds = (this.#endMs - this.#warmUpMs) / 1000;
    return {
      arrivals,
      ok,
      refused,
      failed,
      unanswered: arrivals - ok - refused - failed,
      offeredPerSecond: arrivals / seconds,
      goodputPerSecond: this.#goodOutcomes / seconds,
      latency: this.#latency,
      latenessMaxMs: this.#latenessMaxMs,
      lateShare,
      keptUp: lateShare <= LATE_SHARE_MAX,
    };
  }

  /** Times between arrivals of a Poisson process are exponentially distributed. */
  #gapMs(): number {
    return -Math.log(this.#uniform()) * this.#gapMeanMs;
  }

  #nowMs(): number {
    return this.#clock() - this.#startMs;
  }

  #poll(): void {
    try {
      this.#launchDue();
    } catch (error) {
      this.#finished.reject(error);
      return;
    }
    if (this.#dueMs >= this.#endMs) {
      this.#drain();
      return;
    }
    if (this.#restMs > 0) this.#rest();
    setImmediate(() => this.#poll());
  }

  #rest(): void {
    const freeMs = this.#dueMs - this.#nowMs();
    if (freeMs > 0) Atomics.wait(this.#never, 0, 0, Math.min(this.#restMs, freeMs));
  }

  /** Sends what is due now, but lets responses in between when that is much. */
  #launchDue(): void {
    for (let sent = 0; sent < SENT_AT_ONCE_MAX && this.#dueMs < this.#endMs; sent++) {
      const lateMs = this.#nowMs() - this.#dueMs;
      if (lateMs < 0) return;
      this.#launch(this.#dueMs, lateMs);
      this.#dueMs += this.#gapMs();
    }
  }

  #launch(dueMs: number, lateMs: number): void {
    const isMeasured = dueMs >= this.#warmUpMs;
    if (isMeasured) {
      this.#arrivals++;
      if (lateMs > LATE_MS) this.#late++;
      this.#latenessMaxMs = Math.max(this.#latenessMaxMs, lateMs);
    }
    this.#underWay++;
    let isDone = false;
    this.#send(this.#sent++, (outcome) => {
      if (isDone) throw new Error('a request has two outcomes');
      isDone = true;
      if (!this.#isOver) this.#onDone(outcome, dueMs, isMeasured);
    });
  }

  #onDone(outcome: Outcome, dueMs: number, isMeasured: boolean): void {
    const nowMs = this.#nowMs();
    this.#underWay--;
    if (outcome === 'ok' && nowMs >= this.#warmUpMs && nowMs < this.#endMs) this.#goodOutcomes++;
    if (isMeasured) {
      this.#counts[outcome]++;
      if (outcome === 'ok') this.#latency.record(nowMs - dueMs);
    }
    if (this.#hasSentAll && this.#underWay === 0) this.#finished.resolve();
  }

  #drain(): void {
    this.#hasSentAll = true;
    if (this.#underWay === 0) {
      this.#finished.resolve();
      return;
    }
    const waitMs = this.#endMs - this.#nowMs() + this.#drainMs;
    const timer = setTimeout(() => this.#finished.resolve(), Math.max(0, waitMs));
    void this.#finished.promise.finally(() => clearTimeout(timer));
  }
}
