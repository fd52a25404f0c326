import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LATENCY_MS_MAX, LatencyHistogram } from './latency-histogram.ts';

test('percentiles are those of the latencies, to 0.1 %', () => {
  const latencies = fc.array(fc.double({ min: 0.001, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(latencies, fc.constantFrom(1, 50, 99, 100), (values, percent) => {
      const histogram = new LatencyHistogram();
      for (const ms of values) histogram.record(ms);
      const sorted = values.toSorted((a, b) => a - b);
      const exactUs = (sorted[Math.max(1, Math.ceil((values.length * percent) / 100)) - 1] ?? Number.NaN) * 1000;
      const us = histogram.percentileUs(percent);
      assert.ok(Math.abs(us - exactUs) <= exactUs * 0.001 + 0.001, `${us} instead of ${exactUs}`);
      assert.equal(histogram.count, values.length);
    }),
  );
});

test('no latency is dropped: the shortest count as a nanosecond, the longest as an hour', () => {
  const histogram = new LatencyHistogram();
  histogram.record(0);
  histogram.record(LATENCY_MS_MAX * 10);
  assert.equal(histogram.count, 2);
  assert.equal(histogram.percentileUs(50), 0.001);
  assert.ok(Math.abs(histogram.percentileUs(100) / (LATENCY_MS_MAX * 1000) - 1) < 0.001);
});

test('without latencies there is no percentile', () => {
  assert.ok(Number.isNaN(new LatencyHistogram().percentileUs(50)));
});
