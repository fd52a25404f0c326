import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OpenLoopOptions, type OpenLoopResult, type Outcome, runOpenLoop, type Send } from './open-loop.ts';
import { uniformSource } from './random.ts';

/** A clock that goes on by `stepMs` each time it is read. */
function steppingClock(stepMs: number): { readonly clock: () => number; readonly skip: (ms: number) => void } {
  let nowMs = 1000;
  return {
    clock: () => {
      nowMs += stepMs;
      return nowMs;
    },
    skip: (ms) => {
      nowMs += ms;
    },
  };
}

const STEP_MS = 0.02;
const OPTIONS = { ratePerSecond: 10_000, durationMs: 1000, seed: 1, drainMs: 10 };

/** Runs with a clock of its own; `send` gets the time since the start as well. */
function simulate(
  send: (nowMs: number, ...parameters: Parameters<Send>) => void,
  options: Partial<OpenLoopOptions> = {},
): Promise<OpenLoopResult> {
  const { clock } = steppingClock(STEP_MS);
  const startMs = clock() + STEP_MS;
  return runOpenLoop({
    ...OPTIONS,
    clock,
    send: (index, done) => send(clock() - startMs, index, done),
    ...options,
  });
}

test('arrivals are a Poisson process: mean and deviation of the gaps are 1 / rate', async () => {
  for (const seed of [0, 1, 12_345]) {
    const atMs: number[] = [];
    const result = await simulate(
      (nowMs, _index, done) => {
        atMs.push(nowMs);
        done('ok');
      },
      { seed, ratePerSecond: 5000 },
    );
    const gapsMs = atMs.slice(1).map((ms, index) => ms - (atMs[index] ?? Number.NaN));
    const mean = gapsMs.reduce((sum, gap) => sum + gap, 0) / gapsMs.length;
    const deviation = Math.sqrt(gapsMs.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gapsMs.length);
    assert.ok(Math.abs(mean / 0.2 - 1) < 0.05, `mean ${mean}`);
    assert.ok(Math.abs(deviation / 0.2 - 1) < 0.1, `deviation ${deviation}`);
    assert.ok(Math.abs(result.offeredPerSecond / 5000 - 1) < 0.05);
    assert.equal(result.arrivals, atMs.length);
  }
});

test('the seed decides when requests arrive', async () => {
  const times = async (seed: number): Promise<number[]> => {
    const atMs: number[] = [];
    await simulate((nowMs) => void atMs.push(nowMs), { seed, durationMs: 20 });
    return atMs;
  };
  assert.deepEqual(await times(7), await times(7));
  assert.notDeepEqual(await times(7), await times(8));
});

test('outcomes are counted, and only those of the measured time', async () => {
  const outcomes: readonly (Outcome | undefined)[] = ['ok', 'ok', 'refused', 'failed', undefined];
  let sent = 0;
  const result = await simulate(
    (nowMs, index, done) => {
      assert.equal(index, sent++);
      const outcome = nowMs < 200 ? 'failed' : outcomes[index % outcomes.length];
      if (outcome !== undefined) done(outcome);
    },
    { warmUpMs: 200 },
  );
  const { arrivals, ok, refused, failed, unanswered, goodputPerSecond } = result;
  assert.ok(Math.abs(arrivals / 10_000 - 1) < 0.05);
  assert.ok(sent - arrivals > 1500, 'the warm-up is not counted');
  assert.equal(ok + refused + failed + unanswered, arrivals);
  for (const [count, share] of [
    [ok, 0.4],
    [refused, 0.2],
    [failed, 0.2],
    [unanswered, 0.2],
  ] as const) {
    assert.ok(Math.abs(count / arrivals - share) < 0.01, `${count} of ${arrivals}`);
  }
  assert.equal(result.latency.count, ok);
  assert.ok(Math.abs(goodputPerSecond - ok) <= 1);
});

test('responses do not hold up arrivals, and those after the end are no goodput', async () => {
  const { clock } = steppingClock(STEP_MS);
  const endMs = clock() + 100;
  const pending: ((outcome: Outcome) => void)[] = [];
  const send: Send = (_index, done) => void pending.push(done);
  const run = runOpenLoop({ ...OPTIONS, durationMs: 100, drainMs: 5000, clock, send });
  const answerAll = (): void => {
    if (clock() > endMs + 50) for (const done of pending) done('ok');
    else setImmediate(answerAll);
  };
  answerAll();
  const result = await run;
  assert.ok(result.arrivals > 900);
  assert.equal(result.ok, result.arrivals);
  assert.equal(result.goodputPerSecond, 0);
  assert.equal(result.unanswered, 0);
});

test('a stall is seen by every request that was due in it, though the generator was stalled as well', async () => {
  const { clock, skip } = steppingClock(STEP_MS / 4);
  const result = await runOpenLoop({
    ...OPTIONS,
    clock,
    send: (index, done) => {
      if (index === 5000) skip(50);
      done('ok');
    },
  });
  // 50 of 1,000 ms: the latencies of that time fall from 50 ms to 0, all others are near 0.
  assert.ok(result.latency.percentileUs(94) < 1500, `${result.latency.percentileUs(94)}`);
  const p97 = result.latency.percentileUs(97.5);
  assert.ok(p97 > 20_000 && p97 < 30_000, `${p97}`);
  assert.ok(result.latency.percentileUs(100) > 49_000);
  assert.ok(result.latenessMaxMs > 48 && result.latenessMaxMs < 52);
  assert.ok(Math.abs(result.lateShare - 0.05) < 0.01, `${result.lateShare}`);
  assert.equal(result.keptUp, false);
});

test('a generator that is in time says so', async () => {
  const result = await simulate((_nowMs, _index, done) => done('ok'));
  assert.equal(result.keptUp, true);
  assert.equal(result.lateShare, 0);
  assert.ok(result.latenessMaxMs < 1);
});

test('in real time too, polling or resting', async () => {
  for (const restMs of [0, 0.05]) {
    const startMs = performance.now();
    const result = await runOpenLoop({
      ratePerSecond: 2000,
      durationMs: 150,
      seed: 3,
      restMs,
      send: (_index, done) => void setTimeout(done, 1, 'ok'),
    });
    assert.ok(performance.now() - startMs >= 140);
    assert.ok(Math.abs(result.arrivals / 300 - 1) < 0.3, `${result.arrivals} arrivals`);
    assert.equal(result.ok, result.arrivals);
  }
});

test('what send throws ends the run', async () => {
  const send = (): void => {
    throw new Error('broken');
  };
  await assert.rejects(simulate(send), /broken/);
});

test('a request cannot have two outcomes', async () => {
  const send: Send = (_index, done) => {
    done('ok');
    done('ok');
  };
  await assert.rejects(runOpenLoop({ ...OPTIONS, send }), /two outcomes/);
});

test('options that are no load are refused', async () => {
  for (const wrong of [
    { ratePerSecond: 0 },
    { ratePerSecond: Number.POSITIVE_INFINITY },
    { durationMs: 0 },
    { durationMs: Number.NaN },
    { warmUpMs: -1 },
  ]) {
    await assert.rejects(
      simulate(() => {}, wrong),
      RangeError,
    );
  }
});

test('uniform numbers fill the interval evenly, whatever the seed', () => {
  for (const seed of [0, 1, 2, 0xffffffff]) {
    const uniform = uniformSource(seed);
    const bins = new Array<number>(10).fill(0);
    for (let count = 0; count < 100_000; count++) {
      const value = uniform();
      assert.ok(value > 0 && value <= 1);
      const bin = Math.min(9, Math.floor(value * 10));
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    for (const count of bins) assert.ok(Math.abs(count - 10_000) < 500, `${bins}`);
  }
});
