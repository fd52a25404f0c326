import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BUCKET_WORDS, HEAD_WORDS, MergedHistogram, recordLatency } from './latency-histogram.ts';
import type { LatencySummary } from './types.ts';

const EMPTY: LatencySummary = { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
/** Below the first bound, and from the last one on, nothing is told apart. */
const US_MIN = 0.128;
const US_MAX = 2 ** 42 / 1000;
const BUCKET_WIDTH = 1.125;
/** For what the conversion between ns and µs rounds. */
const ROUNDING = 1 + 1e-12;

/** Where head and buckets are in the tests: apart, and neither at 0. */
const HEAD = 5;
const BUCKETS = HEAD + HEAD_WORDS + 7;

function record(times: readonly number[]): Float64Array {
  const words = new Float64Array(BUCKETS + BUCKET_WORDS);
  for (const us of times) recordLatency(words, HEAD, BUCKETS, us);
  return words;
}

function summarizeAll(histograms: readonly Float64Array[]): LatencySummary {
  const merged = new MergedHistogram();
  for (const words of histograms) merged.add(words, HEAD, BUCKETS);
  return merged.summary();
}

/** The least time that so many thousandths of all are not above. */
function exactPercentile(times: readonly number[], thousandths: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.ceil((times.length * thousandths) / 1000) - 1] ?? Number.NaN;
}

/** Bounds of buckets, and next to them. */
const bound = fc
  .tuple(fc.integer({ min: 6, max: 43 }), fc.nat(7), fc.constantFrom(-1e-9, 0, 1e-9))
  .map(([power, eighths, aside]) => ((2 ** power * (8 + eighths)) / 8 / 1000) * (1 + aside));
/** From a nanosecond to a day, all magnitudes alike. */
const anyMagnitude = fc.double({ min: -3, max: 11, noNaN: true }).map((log10) => 10 ** log10);
const time = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(0, -0) },
  { weight: 3, arbitrary: bound },
  { weight: 12, arbitrary: anyMagnitude },
);
const times = fc.array(time, { minLength: 1, maxLength: 2000, size: 'max' });

test('property: percentiles are at most 12.5 % above those of the sorted times, and never below them or above the max', () => {
  fc.assert(
    fc.property(times, (all) => {
      const { p50, p90, p99, p999, max } = summarizeAll([record(all)]);
      for (const [measured, thousandths] of [
        [p50, 500] as const,
        [p90, 900] as const,
        [p99, 990] as const,
        [p999, 999] as const,
      ]) {
        const exact = exactPercentile(all, thousandths);
        const highest = exact >= US_MAX / ROUNDING ? max : Math.max(exact * BUCKET_WIDTH, US_MIN) * ROUNDING;
        assert.ok(measured * ROUNDING >= exact, `p of ${thousandths}: ${measured} is below ${exact}`);
        assert.ok(measured <= highest, `p of ${thousandths}: ${measured} is too far above ${exact}`);
        assert.ok(measured <= max);
      }
    }),
    { numRuns: 300 },
  );
});

test('property: count, mean and max are exact', () => {
  fc.assert(
    fc.property(times, (all) => {
      const { count, mean, max } = summarizeAll([record(all)]);
      assert.equal(count, all.length);
      assert.equal(mean, all.reduce((sum, us) => sum + us, 0) / all.length);
      assert.equal(max, Math.max(0, ...all));
    }),
    { numRuns: 200 },
  );
});

test('property: several histograms merged are one with all times', () => {
  fc.assert(
    fc.property(fc.array(times, { maxLength: 6 }), (parts) => {
      const { mean, ...others } = summarizeAll(parts.map(record));
      const { mean: expectedMean, ...expected } = summarizeAll([record(parts.flat())]);
      assert.deepEqual(others, expected);
      // Another order of adding rounds otherwise.
      assert.ok(Math.abs(mean - expectedMean) <= expectedMean * 1e-9);
    }),
    { numRuns: 100 },
  );
});

test('property: recording writes nothing outside of the histogram', () => {
  fc.assert(
    fc.property(fc.oneof(time, fc.double()), (us) => {
      const words = record([us]);
      assert.ok(words.subarray(0, HEAD).every((word) => word === 0));
      assert.ok(words.subarray(HEAD + HEAD_WORDS, BUCKETS).every((word) => word === 0));
    }),
    { numRuns: 2000 },
  );
});

test('times below the first bound and above the last one are clamped, with their own max and mean', () => {
  const short = { count: 2, mean: 0.0505, p50: 0.1, p90: 0.1, p99: 0.1, p999: 0.1, max: 0.1 };
  assert.deepEqual(summarizeAll([record([0.001, 0.1])]), short);
  const [day, halfDay] = [86_400e6, 43_200e6];
  const long = { count: 2, mean: 64_800e6, p50: day, p90: day, p99: day, p999: day, max: day };
  assert.deepEqual(summarizeAll([record([halfDay, day])]), long);
  // With something longer beside it, a short time is no longer than the first bound.
  assert.equal(summarizeAll([record([-0, -0, 0.001, 9])]).p50, US_MIN);
});

test('what is not a time is not recorded', () => {
  const words = record([Number.NaN, -1, -Number.MIN_VALUE, Infinity, -Infinity]);
  assert.ok(words.every((word) => word === 0));
  assert.deepEqual(summarizeAll([words]), EMPTY);
});

test('of nothing, all is zero', () => {
  assert.deepEqual(summarizeAll([]), EMPTY);
});

test('counts go on beyond 2^32', () => {
  const words = record([500]);
  // As if it had been recorded 2^33 times; the maximum, the last word of the head, stays.
  for (let i = 0; i < words.length; i++) if (i !== HEAD + HEAD_WORDS - 1) words[i] = (words[i] ?? 0) * 2 ** 33;
  recordLatency(words, HEAD, BUCKETS, 1);
  recordLatency(words, HEAD, BUCKETS, 1000);
  const { count, p50, p999, max } = summarizeAll([words]);
  assert.equal(count, 2 ** 33 + 2);
  assert.deepEqual([p50, p999, max], [524.288, 524.288, 1000]);
});
