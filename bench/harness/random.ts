/** Random numbers that a seed determines: the same on every machine, good enough for experiments, not for secrets. */

/**
 * Numbers above 0, up to and including 1, in steps of 2^-32: a xorshift generator. Any whole number is a seed; seeds that are
 * near each other give unrelated numbers.
 */
export function uniformSource(seed: number): () => number {
  // Spreads the seed over all bits. The state must not be 0.
  let state = Math.imul((seed >>> 0) + 0x9e3779b9, 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 15), 0xc2b2ae35);
  state = (state ^ (state >>> 13)) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 1) / 2 ** 32;
  };
}

/** 0 to count - 1, of a uniform source. */
export function below(uniform: () => number, count: number): number {
  return Math.floor((1 - uniform()) * count);
}
