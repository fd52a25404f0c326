/** One monotonic clock for all threads of a process, whose zero means nothing. */

const TRIES = 5;

/** `performance.now()` counts from the start of each thread; this is what to add, measured where the two reads were closest. */
function measureOriginMs(): number {
  let originMs = 0;
  let closestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < TRIES; i++) {
    const before = performance.now();
    const [seconds, nanoseconds] = process.hrtime();
    const after = performance.now();
    if (after - before >= closestMs) continue;
    closestMs = after - before;
    originMs = seconds * 1000 + nanoseconds / 1e6 - (before + after) / 2;
  }
  return originMs;
}

const ORIGIN_MS = measureOriginMs();

/** Milliseconds, with a fraction. */
export function monotonicMs(): number {
  return ORIGIN_MS + performance.now();
}

export function monotonicUs(): number {
  return monotonicMs() * 1000;
}

/** A time in ms as CONTROL_NOW_MS and the deadlines have it: rounded down, modulo 2^32. */
export function clockWord(ms: number): number {
  return Math.floor(ms) | 0;
}
