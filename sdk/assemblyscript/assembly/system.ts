import { refused } from './failure';
import * as abi from './jord';
import { Status } from './status';
import { View } from './view';

/** The most bytes that the server gives at once. */
const FILL_MAX: i32 = 65536;

/** Milliseconds since 1970, UTC, with a fraction. */
export function time(): f64 {
  return abi.time();
}

/**
 * Waits that long; the server does other work meanwhile. The function's deadline goes on: when it passes, the function
 * ends.
 */
export function sleep(milliseconds: i32): void {
  if (milliseconds < 0) throw new RangeError('no time to sleep is below 0');
  const status = abi.sleep(milliseconds);
  if (status != Status.OK) refused('cannot sleep', status);
}

/** Random numbers from the system's generator, good for secrets. `Math.random()` is faster, and is not. */
export abstract class random {
  /** Fills the bytes of a view. */
  static fill(bytes: View): void {
    for (let done: i32 = 0; done < bytes.length; done += FILL_MAX) {
      const status = abi.random(bytes.pointer + <usize>done, min(bytes.length - done, FILL_MAX));
      if (status != Status.OK) refused('no random bytes', status);
    }
  }

  static u32(): u32 {
    return <u32>random.u64();
  }

  static u64(): u64 {
    const scratch = memory.data(8);
    random.fill(new View(scratch, 8));
    return load<u64>(scratch);
  }

  /** From 0 to below 1, in steps of 2^-53. */
  static f64(): f64 {
    return <f64>(random.u64() >> 11) * (1.0 / 9007199254740992.0);
  }

  /** From 0 to below `limit`, each equally likely. */
  static below(limit: u32): u32 {
    if (limit == 0) throw new RangeError('no number is below 0');
    // What is left of the 2^32 numbers when `limit` is taken from them as often as possible would favour some results.
    const rest: u32 = (0 - limit) % limit;
    let value = random.u32();
    while (value < rest) value = random.u32();
    return value % limit;
  }
}
