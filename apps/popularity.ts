import type { Random } from './random.ts';

/**
 * How likely each of `count` things, numbered from 1 on, is to be picked: that of the n-th most popular one goes with
 * (n + offset)^-exponent, a power law as in real networks and shops, where few are picked very often and most hardly ever. Which
 * are popular has nothing to do with their numbers.
 */
export class Popularity {
  readonly #byRank: readonly number[];
  /** Sums of the likelihoods up to each rank. */
  readonly #sums: Float64Array;

  constructor(random: Random, count: number, exponent: number, offset: number) {
    const byRank = Array.from({ length: count }, (_, index) => index + 1);
    for (let i = count - 1; i > 0; i -= 1) {
      const other = random.below(i + 1);
      [byRank[i], byRank[other]] = [byRank[other] ?? 0, byRank[i] ?? 0];
    }
    this.#byRank = byRank;
    this.#sums = new Float64Array(count);
    let sum = 0;
    for (let rank = 0; rank < count; rank += 1) {
      sum += (rank + offset) ** -exponent;
      this.#sums[rank] = sum;
    }
  }

  pick(random: Random): number {
    const wanted = random.next() * (this.#sums.at(-1) ?? 0);
    let low = 0;
    let high = this.#sums.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sums[middle] ?? 0) <= wanted) low = middle + 1;
      else high = middle;
    }
    return this.#byRank[low] ?? 1;
  }
}
