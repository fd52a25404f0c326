/** When the requests of an open loop are due. */
import { below, uniformSource } from '../../harness/random.ts';

export interface ArrivalOptions {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  /** The same seed gives the same arrivals. */
  readonly seed: number;
  /** Requests are drawn from a pool of so many. */
  readonly poolSize: number;
}

export interface Arrivals {
  /** In µs from the begin, ascending, all below the duration. In memory that threads share. */
  readonly dueUs: Float64Array;
  /** Which request of the pool each is. */
  readonly which: Uint32Array;
}

/** Times between arrivals of a Poisson process are exponentially distributed, each independent of all others. */
export function poissonArrivals({ ratePerSecond, durationMs, seed, poolSize }: ArrivalOptions): Arrivals {
  if (!(ratePerSecond > 0 && Number.isFinite(ratePerSecond) && durationMs > 0)) {
    throw new RangeError(`${ratePerSecond} requests/s for ${durationMs} ms are no load`);
  }
  const gaps = uniformSource(seed);
  const choices = uniformSource(seed ^ 0x5bd1e995);
  const meanUs = 1e6 / ratePerSecond;
  const endUs = durationMs * 1000;
  const times: number[] = [];
  for (let at = -Math.log(gaps()) * meanUs; at < endUs; at += -Math.log(gaps()) * meanUs) times.push(at);
  const dueUs = new Float64Array(new SharedArrayBuffer(times.length * 8));
  const which = new Uint32Array(new SharedArrayBuffer(times.length * 4));
  dueUs.set(times);
  for (let i = 0; i < which.length; i++) which[i] = below(choices, poolSize);
  return { dueUs, which };
}
