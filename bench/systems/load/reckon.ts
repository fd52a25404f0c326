/** From when requests were due and when they ended to latencies. */
import { LATENCY_MS_MAX, LatencyHistogram } from '../../harness/latency-histogram.ts';
import type { Load, Outcome, Schedule } from './generator.ts';

/** What was due before the warm-up is over does not count, but its end does as throughput. */
export function reckon({ warmUpMs, durationMs }: Load, { dueUs, endedUs }: Schedule): Outcome {
  const firstUs = warmUpMs * 1000;
  const lastUs = firstUs + durationMs * 1000;
  const histogram = new LatencyHistogram();
  let arrivals = 0;
  let lost = 0;
  let ended = 0;
  let sumUs = 0;
  let maxUs = 0;
  for (const [i, due] of dueUs.entries()) {
    const end = endedUs[i] ?? 0;
    const isGood = end > 0;
    if (isGood && end >= firstUs && end < lastUs) ended++;
    if (due < firstUs) continue;
    arrivals++;
    if (!isGood) {
      lost++;
      histogram.record(LATENCY_MS_MAX);
      continue;
    }
    const latencyUs = end - due;
    sumUs += latencyUs;
    maxUs = Math.max(maxUs, latencyUs);
    histogram.record(latencyUs / 1000);
  }
  const seconds = durationMs / 1000;
  return {
    arrivals,
    lost,
    offeredPerSecond: arrivals / seconds,
    throughputPerSecond: ended / seconds,
    latencies: {
      meanUs: sumUs / (arrivals - lost),
      p50Us: histogram.percentileUs(50),
      p90Us: histogram.percentileUs(90),
      p99Us: histogram.percentileUs(99),
      p999Us: histogram.percentileUs(99.9),
      maxUs,
    },
  };
}
