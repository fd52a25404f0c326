import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monotonicMs } from '../../../src/server/time.ts';
import type { Completion, System } from '../system.ts';
import { poissonArrivals } from './arrivals.ts';
import { type FrontResult, runFront } from './front.ts';
import type { Load, Outcome, Schedule } from './generator.ts';
import { reckon } from './reckon.ts';

const POOL = [{ function: 'f', body: new Uint8Array(4) }];
const LOAD: Load = { ratePerSecond: 2000, warmUpMs: 50, durationMs: 400, seed: 9 };

/** Ends requests when it is looked at, unless it stalls. */
class FakeSystem implements System {
  readonly #queue: Completion[] = [];
  readonly #startMs = monotonicMs();
  readonly #stall: readonly [fromMs: number, untilMs: number];
  readonly #outcome: () => Error | undefined;
  submitted = 0;

  constructor(stall: readonly [number, number] = [0, 0], outcome: () => Error | undefined = () => undefined) {
    this.#stall = stall;
    this.#outcome = outcome;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  submit(_: unknown, callback: Completion): void {
    this.submitted++;
    this.#queue.push(callback);
  }

  readonly poll = (): boolean => {
    const ms = monotonicMs() - this.#startMs;
    if (ms >= this.#stall[0] && ms < this.#stall[1]) return false;
    const callbacks = this.#queue.splice(0);
    for (const callback of callbacks) callback(this.#outcome(), new Uint8Array(0));
    return callbacks.length > 0;
  };

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

async function drive(system: FakeSystem): Promise<Outcome & FrontResult & { readonly schedule: Schedule }> {
  const arrivals = poissonArrivals({ ...LOAD, durationMs: LOAD.warmUpMs + LOAD.durationMs, poolSize: 1 });
  const schedule = { ...arrivals, endedUs: new Float64Array(arrivals.dueUs.length) };
  const front = await runFront(system, POOL, LOAD, schedule);
  return { ...reckon(LOAD, schedule), ...front, schedule };
}

test('each request is sent once, not before it is due, and ends after that', async () => {
  const system = new FakeSystem();
  const { lost, schedule } = await drive(system);
  assert.equal(lost, 0);
  assert.equal(system.submitted, schedule.dueUs.length);
  assert.ok(schedule.endedUs.every((ended, i) => ended >= (schedule.dueUs[i] ?? 0)));
});

test('a system that stalls is seen to stall by all that was due meanwhile', async () => {
  // Half of the measured time: without coordinated omission a quarter of the requests wait for more than half of the stall.
  const { latencies, lost } = await drive(new FakeSystem([150, 350]));
  assert.equal(lost, 0);
  assert.ok(latencies.maxUs > 150_000, `max ${latencies.maxUs} µs`);
  assert.ok(latencies.meanUs > 30_000, `mean ${latencies.meanUs} µs`);
});

test('errors are lost requests, and the first one is told', async () => {
  let count = 0;
  const system = new FakeSystem([0, 0], () => (count++ % 2 === 0 ? new Error(`number ${count}`) : undefined));
  const { arrivals, lost, error } = await drive(system);
  assert.ok(lost > 0.3 * arrivals && lost < 0.7 * arrivals);
  assert.equal(error, 'Error: number 1');
});

test('what never ends is lost, and the front goes on', async () => {
  const { arrivals, lost } = await drive(new FakeSystem([0, 1e9]));
  assert.equal(lost, arrivals);
});
