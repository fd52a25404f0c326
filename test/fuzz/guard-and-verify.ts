/** The one place where the fuzzers guard. */
import { guardModule } from '../../src/guard/guard.ts';
import type { GuardedModule, GuardOptions } from '../../src/guard/types.ts';
import { verifyModule } from '../../src/guard/verify.ts';

/** Guards as a deploy does, and proves the result. What is not proven is a mistake of the guard or of the verifier. */
export function guardAndVerify(bytes: Uint8Array, options: GuardOptions): GuardedModule {
  const guarded = guardModule(bytes, options);
  verifyModule(guarded, { imports: options.imports });
  return guarded;
}
