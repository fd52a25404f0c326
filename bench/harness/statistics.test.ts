import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { geometricMean, geometricMeans, pairwiseRatios, quantile, summarize } from './statistics.ts';

const samples = fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 });

test('quantile interpolates between the nearest samples, in any order', () => {
  assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
  assert.equal(quantile([4, 1, 3, 2], 0), 1);
  assert.equal(quantile([4, 1, 3, 2], 1), 4);
  assert.equal(quantile([10, 20, 30, 40, 50], 0.25), 20);
  assert.equal(quantile([0, 1], 0.3), 0.3);
  assert.equal(quantile([7], 0.9), 7);
});

test('numbers are sorted as numbers', () => {
  assert.equal(quantile([10, 9, 100], 0.5), 10);
});

test('quantile does not change its samples', () => {
  const input = [3, 1, 2];
  quantile(input, 0.5);
  assert.deepEqual(input, [3, 1, 2]);
});

test('summarize gives median and quartiles', () => {
  assert.deepEqual(summarize([5, 1, 2, 4, 3]), { median: 3, low: 2, high: 4 });
  assert.deepEqual(summarize([8]), { median: 8, low: 8, high: 8 });
});

test('quartiles enclose the median, and at most a quarter of the samples lies outside on either side', () => {
  fc.assert(
    fc.property(samples, (values) => {
      const { median, low, high } = summarize(values);
      assert.ok(low <= median && median <= high);
      const below = values.filter((value) => value < low).length;
      const above = values.filter((value) => value > high).length;
      assert.ok(below <= Math.ceil(values.length / 4));
      assert.ok(above <= Math.ceil(values.length / 4));
    }),
  );
});

test('geometric mean', () => {
  assert.ok(Math.abs(geometricMean([1, 100]) - 10) < 1e-12);
  assert.ok(Math.abs(geometricMean([2, 0.5]) - 1) < 1e-12);
  assert.ok(Math.abs(geometricMean([3]) - 3) < 1e-12);
});

test('the geometric mean lies between least and greatest, and scales', () => {
  fc.assert(
    fc.property(samples, (values) => {
      const mean = geometricMean(values);
      const tolerance = 1e-9 * mean;
      assert.ok(mean >= Math.min(...values) - tolerance && mean <= Math.max(...values) + tolerance);
      const scaled = geometricMean(values.map((value) => value * 3));
      assert.ok(Math.abs(scaled / mean - 3) < 1e-9);
    }),
  );
});

test('ratios are taken pair by pair', () => {
  assert.deepEqual(pairwiseRatios([2, 9], [1, 3]), [2, 3]);
});

test('geometric means run across the series', () => {
  const means = geometricMeans([
    [1, 4, 1],
    [4, 1],
  ]);
  assert.equal(means.length, 2);
  assert.ok(means.every((mean) => Math.abs(mean - 2) < 1e-12));
});

test('samples without an answer are refused', () => {
  assert.throws(() => quantile([], 0.5), RangeError);
  assert.throws(() => quantile([1], 1.5), RangeError);
  assert.throws(() => quantile([1], Number.NaN), RangeError);
  assert.throws(() => geometricMean([]), RangeError);
  assert.throws(() => geometricMean([1, 0]), RangeError);
  assert.throws(() => geometricMean([Number.NaN]), RangeError);
  assert.throws(() => geometricMeans([]), RangeError);
  assert.throws(() => pairwiseRatios([1, 2], [1]), RangeError);
});
