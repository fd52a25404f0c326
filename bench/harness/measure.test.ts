import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calibrate, measure, type Variant, WARM_UP_FACTOR_MAX, warmUp } from './measure.ts';

/** Variants that take a known time of a clock of our own, and a log of what ran. */
function laboratory(): {
  clock: () => number;
  variant: (name: string, iterationMs: () => number, result?: () => number) => Variant;
  log: { name: string; iterations: number }[];
} {
  let nowMs = 0;
  const log: { name: string; iterations: number }[] = [];
  return {
    clock: () => nowMs,
    log,
    variant: (name, iterationMs, result = () => 1) => ({
      name,
      run: (iterations) => {
        log.push({ name, iterations });
        nowMs += iterations * iterationMs();
        return iterations * result();
      },
    }),
  };
}

const OPTIONS = { rounds: 5, batchMs: 8, warmUpMs: 40 };

test('calibrate finds a batch that is long enough and not much longer', () => {
  for (const iterationMs of [0.0003, 0.01, 1, 30]) {
    const { clock, variant } = laboratory();
    const iterations = calibrate(
      variant('a', () => iterationMs),
      8,
      clock,
    );
    assert.ok(iterations * iterationMs >= 8);
    assert.ok(iterations === 1 || iterations * iterationMs <= 12, `${iterations} iterations of ${iterationMs} ms`);
  }
});

test('calibrate gives up on a clock that stands still', () => {
  const { variant } = laboratory();
  assert.throws(
    () =>
      calibrate(
        variant('a', () => 0),
        8,
        () => 0,
      ),
    RangeError,
  );
});

test('the time of an iteration is measured for each variant', () => {
  const { clock, variant } = laboratory();
  const measurement = measure([variant('a', () => 0.5), variant('b', () => 0.75)], { ...OPTIONS, clock });
  assert.deepEqual(
    measurement.series.map(({ name, iterationUs }) => [name, iterationUs.map(Math.round)]),
    [
      ['a', [500, 500, 500, 500, 500]],
      ['b', [750, 750, 750, 750, 750]],
    ],
  );
  assert.equal(measurement.checksum, measurement.iterations);
});

test('all variants run the same number of iterations, enough for the fastest', () => {
  const { clock, variant, log } = laboratory();
  const { iterations } = measure([variant('slow', () => 4), variant('fast', () => 0.1)], { ...OPTIONS, clock });
  assert.ok(iterations * 0.1 >= 8);
  assert.ok(log.slice(-10).every((batch) => batch.iterations === iterations));
});

test('batches alternate, and the order within a pair turns', () => {
  const { clock, variant, log } = laboratory();
  measure([variant('a', () => 1), variant('b', () => 1)], { ...OPTIONS, clock });
  const order = log
    .slice(-10)
    .map(({ name }) => name)
    .join('');
  assert.equal(order, 'abbaabbaab');
});

test('warming up goes on while the variant gets faster, and ends', () => {
  const { clock, variant } = laboratory();
  let iterationMs = 1;
  const tiering = variant('tiering', () => (clock() < 200 ? 1 : 0.25));
  const tookMs = warmUp(tiering, { ...OPTIONS, warmUpMs: 200 }, clock);
  assert.ok(tookMs >= 200 && tookMs < 200 * WARM_UP_FACTOR_MAX);
  const endless = variant('endless', () => {
    iterationMs *= 0.97;
    return iterationMs;
  });
  const endlessMs = warmUp(endless, OPTIONS, clock);
  assert.ok(endlessMs >= 40 * WARM_UP_FACTOR_MAX && endlessMs < 40 * WARM_UP_FACTOR_MAX + 40);
});

test('a variant that computes something else fails the measurement', () => {
  const { clock, variant } = laboratory();
  const right = variant(
    'right',
    () => 1,
    () => 7,
  );
  const wrong = variant(
    'wrong',
    () => 1,
    () => 8,
  );
  assert.throws(() => measure([right, wrong], { ...OPTIONS, clock }), /wrong computed/);
});

test('a variant that changes its result fails the measurement', () => {
  const { clock, variant, log } = laboratory();
  const drifting = variant(
    'drifting',
    () => 1,
    () => log.length,
  );
  assert.throws(() => measure([drifting], { ...OPTIONS, clock }), /drifting computed/);
});

test('measuring nothing is refused', () => {
  const { clock, variant } = laboratory();
  assert.throws(() => measure([variant('a', () => 1)], { ...OPTIONS, rounds: 0, clock }), RangeError);
  assert.throws(() => measure([], { ...OPTIONS, clock }), RangeError);
});
