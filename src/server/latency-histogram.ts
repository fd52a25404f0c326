/**
 * Latency histograms as plain words of a Float64Array, so that they can lie in memory that threads share.
 *
 * Buckets are log-linear over nanoseconds: 8 of equal width for each power of two, so that the upper bound of a bucket is at
 * most 12.5 % above what is in it. All words are f64, which counts exactly to 2^53: a u32 would wrap after 72 minutes at a
 * million a second.
 */
import type { LatencySummary } from './types.ts';

/** Times below 2^7 = 128 ns have one bucket. */
const NS_MIN_LOG2 = 7;
/** Times of 2^42 ns (1.2 h) and more have one bucket, without a bound. */
const NS_MAX_LOG2 = 42;
/** 8 buckets a power of two. */
const SUB_BUCKETS_LOG2 = 3;
const SUB_BUCKETS = 1 << SUB_BUCKETS_LOG2;
const BUCKETS = 1 + ((NS_MAX_LOG2 - NS_MIN_LOG2) << SUB_BUCKETS_LOG2) + 1;

/** A histogram has a head and buckets, at two places: many heads side by side are few pages to look through. */
export const HEAD_WORDS = 3;
const COUNT = 0;
const SUM_US = 1;
const MAX_US = 2;
export const BUCKET_WORDS: number = BUCKETS;

// The upper word of an f64 has its exponent and the first bits of its fraction. All platforms of Node 26 are little-endian.
const scratch = new Float64Array(1);
const scratchWords = new Int32Array(scratch.buffer);
const UPPER_WORD = 1;
const EXPONENT_BIAS = 1023;
const FRACTION_BITS = 20;

/** Index of the bucket for a time that is not negative. */
function bucketOf(us: number): number {
  scratch[0] = us * 1000;
  // Exponent and sub-bucket side by side count buckets from 2^-1023 ns on. With the sign, which -0 has, it is negative.
  const index = (scratchWords[UPPER_WORD] ?? 0) >> (FRACTION_BITS - SUB_BUCKETS_LOG2);
  const first = (EXPONENT_BIAS + NS_MIN_LOG2) << SUB_BUCKETS_LOG2;
  return Math.max(0, Math.min(index - first + 1, BUCKETS - 1));
}

/** What times in this bucket are below, in µs. */
function upperBoundUs(bucket: number): number {
  if (bucket === BUCKETS - 1) return Infinity;
  // The first bucket is as the last eighth of the power of two before: it ends where that ends.
  const index = bucket - 1 + SUB_BUCKETS;
  const power = 2 ** (NS_MIN_LOG2 - 1 + (index >> SUB_BUCKETS_LOG2));
  const eighths = SUB_BUCKETS + 1 + (index & (SUB_BUCKETS - 1));
  return (power * eighths) / SUB_BUCKETS / 1000;
}

/**
 * Records a time in the histogram with this head and these buckets. Does not allocate. Only one thread may record in a
 * histogram. A time that is NaN, negative or infinite counts as not measured and is not recorded.
 */
export function recordLatency(words: Float64Array, head: number, buckets: number, us: number): void {
  if (!(us >= 0 && us < Infinity)) return;
  const bucket = buckets + bucketOf(us);
  words[bucket] = (words[bucket] ?? 0) + 1;
  words[head + COUNT] = (words[head + COUNT] ?? 0) + 1;
  words[head + SUM_US] = (words[head + SUM_US] ?? 0) + us;
  if (us > (words[head + MAX_US] ?? 0)) words[head + MAX_US] = us;
}

/** Several histograms as one. */
export class MergedHistogram {
  readonly #buckets = new Float64Array(BUCKETS);
  /** Of all buckets. */
  #total = 0;
  #count = 0;
  #sumUs = 0;
  #maxUs = 0;

  /** Adds the histogram with this head and these buckets. */
  add(words: Float64Array, head: number, buckets: number): void {
    const count = words[head + COUNT] ?? 0;
    // Reading more would make the memory of the buckets resident.
    if (count === 0) return;
    this.#count += count;
    this.#sumUs += words[head + SUM_US] ?? 0;
    this.#maxUs = Math.max(this.#maxUs, words[head + MAX_US] ?? 0);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const inBucket = words[buckets + bucket] ?? 0;
      this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + inBucket;
      this.#total += inBucket;
    }
  }

  /** All zero when nothing was recorded. Where times below 128 ns are, a percentile says 128 ns, or the max if that is less. */
  summary(): LatencySummary {
    const [p50 = 0, p90 = 0, p99 = 0, p999 = 0] = this.#percentiles([500, 900, 990, 999]);
    const mean = this.#count === 0 ? 0 : this.#sumUs / this.#count;
    return { count: this.#count, mean, p50, p90, p99, p999, max: this.#maxUs };
  }

  /**
   * The least bounds that at least so many thousandths of the times are within, which must ascend. Of all that is in the
   * buckets: while somebody records, that can be another number than the count.
   */
  #percentiles(thousandths: readonly number[]): number[] {
    let bucket = 0;
    let within = this.#buckets[0] ?? 0;
    return thousandths.map((share) => {
      const rank = Math.ceil((this.#total * share) / 1000);
      while (within < rank) {
        bucket++;
        within += this.#buckets[bucket] ?? 0;
      }
      return Math.min(upperBoundUs(bucket), this.#maxUs);
    });
  }
}
