/** Latencies of many requests, in constant memory. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** Longer latencies count as this long. */
export const LATENCY_MS_MAX = 3_600_000;
const NS_PER_MS = 1e6;

/**
 * Node's own HDR histogram, in nanoseconds. It takes whole numbers from 1 on, and would drop what is beyond its highest
 * value. With three figures a percentile is exact to 0.1 %.
 */
export class LatencyHistogram {
  readonly #histogram: RecordableHistogram = createHistogram({
    lowest: 1,
    highest: LATENCY_MS_MAX * NS_PER_MS,
    figures: 3,
  });

  record(latencyMs: number): void {
    const limitedMs = Math.min(latencyMs, LATENCY_MS_MAX);
    this.#histogram.record(Math.max(1, Math.round(limitedMs * NS_PER_MS)));
  }

  get count(): number {
    return this.#histogram.count;
  }

  /** At most this long took `percent` of 100 latencies, in µs. NaN when there are none. */
  percentileUs(percent: number): number {
    return this.count === 0 ? Number.NaN : this.#histogram.percentile(percent) / 1000;
  }
}
