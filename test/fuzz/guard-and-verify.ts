/** The one place where the fuzzers guard. */
import { guardModule } from '../../src/guard/guard.ts';
import type { GuardedModule, GuardOptions } from '../../src/guard/types.ts';

/**
 * Guards as a deploy does. Whatever is to hold of guarded bytes before they are compiled is asked here, for the differential
 * fuzzer as well as for that of the decoder: a verifier of guarded bytes goes between the two lines.
 */
export function guardAndVerify(bytes: Uint8Array, options: GuardOptions): GuardedModule {
  const guarded = guardModule(bytes, options);
  return guarded;
}
