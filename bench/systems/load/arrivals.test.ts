import assert from 'node:assert/strict';
import { test } from 'node:test';
import { poissonArrivals } from './arrivals.ts';

const LOAD = { ratePerSecond: 100_000, durationMs: 2000, seed: 5, poolSize: 10 };

test('arrivals ascend, within the time, at the rate that was asked for', () => {
  const { dueUs } = poissonArrivals(LOAD);
  // 200,000 expected, with a deviation of 447.
  assert.ok(Math.abs(dueUs.length - 200_000) < 5 * 447, `${dueUs.length} arrivals`);
  assert.ok(dueUs.every((due, i) => due >= (dueUs[i - 1] ?? 0) && due < 2e6));
});

test('times between arrivals are exponentially distributed', () => {
  const { dueUs } = poissonArrivals(LOAD);
  const gaps = dueUs.map((due, i) => due - (dueUs[i - 1] ?? 0)).sort();
  // The largest distance between the two distribution functions (Kolmogorov): above 1.95 / √n in one of 1,000 cases.
  const distance = gaps.reduce((largest, gap, i) => {
    const expected = 1 - Math.exp(-gap / 10);
    return Math.max(largest, Math.abs(expected - i / gaps.length), Math.abs(expected - (i + 1) / gaps.length));
  }, 0);
  assert.ok(distance < 1.95 / Math.sqrt(gaps.length), `distance ${distance}`);
});

test('numbers of arrivals in windows vary as they do in a Poisson process: variance and mean are the same', () => {
  const { dueUs } = poissonArrivals(LOAD);
  const windows = new Array<number>(2000).fill(0);
  for (const due of dueUs) windows[Math.floor(due / 1000)] = (windows[Math.floor(due / 1000)] ?? 0) + 1;
  const mean = windows.reduce((sum, count) => sum + count, 0) / windows.length;
  const variance = windows.reduce((sum, count) => sum + (count - mean) ** 2, 0) / (windows.length - 1);
  // The deviation of the ratio is √(2 / 2,000) = 0.032.
  assert.ok(Math.abs(variance / mean - 1) < 0.16, `variance ${variance}, mean ${mean}`);
});

test('each request of the pool comes about as often as any other', () => {
  const { which } = poissonArrivals(LOAD);
  const counts = new Array<number>(10).fill(0);
  for (const index of which) counts[index] = (counts[index] ?? 0) + 1;
  const expected = which.length / 10;
  assert.ok(
    counts.every((count) => Math.abs(count - expected) < 5 * Math.sqrt(expected)),
    counts.join(' '),
  );
});

test('a seed decides all of it', () => {
  assert.deepEqual(poissonArrivals(LOAD), poissonArrivals(LOAD));
  assert.notDeepEqual(poissonArrivals(LOAD).dueUs, poissonArrivals({ ...LOAD, seed: 6 }).dueUs);
});

test('what is no load is refused', () => {
  for (const ratePerSecond of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => poissonArrivals({ ...LOAD, ratePerSecond }), RangeError);
  }
  assert.throws(() => poissonArrivals({ ...LOAD, durationMs: 0 }), RangeError);
});
