import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LATENCY_MS_MAX } from '../../harness/latency-histogram.ts';
import type { Schedule } from './generator.ts';
import { reckon } from './reckon.ts';

const LOAD = { ratePerSecond: 1000, warmUpMs: 100, durationMs: 1000, seed: 1 };

function schedule(due: readonly number[], ended: readonly number[]): Schedule {
  return { dueUs: Float64Array.from(due), which: new Uint32Array(due.length), endedUs: Float64Array.from(ended) };
}

test('latencies count from when requests were due, without those of the warm-up', () => {
  // One a millisecond; number i of the measured ones takes i + 1 µs.
  const due = Array.from({ length: 1100 }, (_, i) => i * 1000);
  const ended = due.map((at, i) => (i < 100 ? at + 50_000 : at + i - 99));
  const { arrivals, lost, offeredPerSecond, latencies } = reckon(LOAD, schedule(due, ended));
  assert.deepEqual([arrivals, lost, offeredPerSecond], [1000, 0, 1000]);
  assert.equal(latencies.meanUs, 500.5);
  assert.equal(latencies.maxUs, 1000);
  // The histogram is exact to 0.1 %.
  for (const [actual, expected] of [
    [latencies.p50Us, 500],
    [latencies.p99Us, 990],
    [latencies.p999Us, 999],
  ] as const) {
    assert.ok(Math.abs(actual / expected - 1) < 0.002, `${actual} instead of ${expected}`);
  }
});

test('throughput is what ended in the measured time, whenever it was due', () => {
  const due = [90_000, 200_000, 1_099_000];
  const ended = [100_000, 1_099_999, 1_100_000];
  assert.equal(reckon(LOAD, schedule(due, ended)).throughputPerSecond, 2);
});

test('what failed or did not end is the longest of all', () => {
  const due = Array.from({ length: 100 }, (_, i) => 100_000 + i);
  const ended = due.map((at, i) => (i === 7 ? 0 : i === 8 ? -at - 5 : at + 5));
  const { arrivals, lost, latencies } = reckon(LOAD, schedule(due, ended));
  assert.deepEqual([arrivals, lost], [100, 2]);
  assert.ok(latencies.p99Us > LATENCY_MS_MAX * 999, `${latencies.p99Us} µs`);
  assert.ok(Math.abs(latencies.meanUs - 5) < 1e-6);
});
