/** Order statistics and means of samples. All functions refuse an empty sample with a RangeError. */

export interface Summary {
  readonly median: number;
  /** First and third quartile: half of the samples lie between them. */
  readonly low: number;
  readonly high: number;
}

/**
 * The value below which the fraction `fraction` (0 to 1) of the samples lies, interpolated linearly between the two
 * nearest ones. The samples need not be sorted and are not changed.
 */
export function quantile(samples: readonly number[], fraction: number): number {
  if (samples.length === 0) throw new RangeError('quantile of no samples');
  if (!(fraction >= 0 && fraction <= 1)) throw new RangeError(`fraction ${fraction} is not within 0 and 1`);
  const sorted = samples.toSorted((a, b) => a - b);
  const position = fraction * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** Median and interquartile range. */
export function summarize(samples: readonly number[]): Summary {
  return { median: quantile(samples, 0.5), low: quantile(samples, 0.25), high: quantile(samples, 0.75) };
}

/** Samples must be positive. */
export function geometricMean(samples: readonly number[]): number {
  if (samples.length === 0) throw new RangeError('geometric mean of no samples');
  let sum = 0;
  for (const sample of samples) {
    if (!(sample > 0)) throw new RangeError(`geometric mean of ${sample}, which is not positive`);
    sum += Math.log(sample);
  }
  return Math.exp(sum / samples.length);
}

/** `numerators[i] / denominators[i]`. The two must be of the same length. */
export function pairwiseRatios(numerators: readonly number[], denominators: readonly number[]): number[] {
  if (numerators.length !== denominators.length) {
    throw new RangeError(`${numerators.length} samples cannot be paired with ${denominators.length}`);
  }
  return numerators.map((numerator, index) => numerator / (denominators[index] ?? Number.NaN));
}

/**
 * The geometric mean over several series, sample by sample: element i is the mean of all series' sample i. Series
 * longer than the shortest are cut.
 */
export function geometricMeans(series: readonly (readonly number[])[]): number[] {
  if (series.length === 0) throw new RangeError('geometric means of no series');
  const length = Math.min(...series.map((samples) => samples.length));
  return Array.from({ length }, (_, index) => geometricMean(series.map((samples) => samples[index] ?? Number.NaN)));
}
