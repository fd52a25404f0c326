/**
 * Measures variants of the same work against each other.
 *
 * A variant does `iterations` rounds of its work and returns a number made from what they computed, so that nothing is
 * optimised away and the variants can be compared. Batches of the variants alternate (A B, B A, A B, …): what slows the
 * machine for a while slows both halves of a pair.
 */

export interface Variant {
  readonly name: string;
  /** The same result for the same number of iterations, whatever ran before, and for every variant. */
  readonly run: (iterations: number) => number;
}

export interface MeasureOptions {
  /** Batches of each variant. */
  readonly rounds: number;
  /** Least length of a batch of the fastest variant. */
  readonly batchMs: number;
  /** Least time each variant runs before it is measured. It runs up to WARM_UP_FACTOR_MAX times as long while it still gets faster. */
  readonly warmUpMs: number;
  /** Milliseconds; for tests. */
  readonly clock?: () => number;
}

export interface Series {
  readonly name: string;
  /** Time of one iteration, one sample a batch; sample i of every variant was taken in round i. */
  readonly iterationUs: readonly number[];
}

export interface Measurement {
  readonly iterations: number;
  readonly checksum: number;
  readonly series: readonly Series[];
}

export const WARM_UP_FACTOR_MAX = 8;
/** Warm is: a stretch of batches was not faster than the one before by more than this. */
const STEADY_RATIO = 0.98;
const ITERATIONS_MAX = 2 ** 30;

interface Batch {
  readonly ms: number;
  readonly result: number;
}

function timeBatch(variant: Variant, iterations: number, clock: () => number): Batch {
  const start = clock();
  const result = variant.run(iterations);
  return { ms: clock() - start, result };
}

/**
 * The number of iterations that takes at least `batchMs`, found by growing a batch. Also the first part of warming up.
 * Throws a RangeError when no number does (a clock that stands still).
 */
export function calibrate(variant: Variant, batchMs: number, clock: () => number): number {
  let iterations = 1;
  for (;;) {
    const { ms } = timeBatch(variant, iterations, clock);
    if (ms >= batchMs) return iterations;
    if (iterations >= ITERATIONS_MAX) throw new RangeError(`${variant.name} takes no time`);
    const growth = ms > 0 ? (batchMs / ms) * 1.1 : 8;
    iterations = Math.min(ITERATIONS_MAX, Math.ceil(iterations * Math.min(8, Math.max(1.25, growth))));
  }
}

/** Runs until the compiler has done its work: see `warmUpMs`. Returns the milliseconds it took. */
export function warmUp(variant: Variant, options: MeasureOptions, clock: () => number): number {
  const start = clock();
  const limitMs = options.warmUpMs * WARM_UP_FACTOR_MAX;
  const stretchMs = options.warmUpMs / 4;
  let iterations = calibrate(variant, options.batchMs, clock);
  let bestBefore = Number.POSITIVE_INFINITY;
  for (;;) {
    const stretchEnd = clock() + stretchMs;
    let best = Number.POSITIVE_INFINITY;
    do {
      best = Math.min(best, timeBatch(variant, iterations, clock).ms / iterations);
    } while (clock() < stretchEnd);
    const elapsedMs = clock() - start;
    const steady = best > bestBefore * STEADY_RATIO;
    if ((steady && elapsedMs >= options.warmUpMs) || elapsedMs >= limitMs) return elapsedMs;
    bestBefore = Math.min(bestBefore, best);
    iterations = Math.max(1, Math.ceil(options.batchMs / best));
  }
}

/** Throws an Error when the variants' results differ, or one variant's from batch to batch. */
export function measure(variants: readonly Variant[], options: MeasureOptions): Measurement {
  const clock = options.clock ?? (() => performance.now());
  for (const variant of variants) warmUp(variant, options, clock);
  const iterations = Math.max(...variants.map((variant) => calibrate(variant, options.batchMs, clock)));
  const samples = variants.map(() => [] as number[]);
  let checksum: number | undefined;
  for (let round = 0; round < options.rounds; round++) {
    const order = variants.map((variant, index) => ({ variant, index }));
    if (round % 2 === 1) order.reverse();
    for (const { variant, index } of order) {
      const { ms, result } = timeBatch(variant, iterations, clock);
      checksum ??= result;
      if (!Object.is(result, checksum)) {
        throw new Error(`${variant.name} computed ${result} in round ${round}, expected ${checksum}`);
      }
      samples[index]?.push((ms * 1000) / iterations);
    }
  }
  if (checksum === undefined) throw new RangeError('nothing to measure: no variants or no rounds');
  return {
    iterations,
    checksum,
    series: variants.map(({ name }, index) => ({ name, iterationUs: samples[index] ?? [] })),
  };
}
