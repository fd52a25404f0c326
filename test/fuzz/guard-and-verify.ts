/** The one place where the fuzzers guard. */
import { JordError } from '../../src/errors.ts';
import { guardModule } from '../../src/guard/guard.ts';
import type { GuardedModule, GuardOptions } from '../../src/guard/types.ts';
import { verifyModule } from '../../src/guard/verify.ts';

/**
 * Guards with each access by itself, and proves the result. Throws JordErrors where the module is refused. What is not proven is a
 * mistake of the guard or of the verifier, which is no JordError; but some functions would take the verifier too long.
 *
 * By itself, since then it can be said of a module that faults what it has done before and which access it was. Accesses that share
 * checks are for src/guard/rewrite-programs.test.ts.
 */
export function guardAndVerify(bytes: Uint8Array, options: GuardOptions): GuardedModule {
  const guarded = guardModule(bytes, { ...options, alone: 'all' });
  try {
    verifyModule(guarded, { imports: options.imports });
  } catch (error) {
    if (error instanceof JordError && error.code === 'MODULE_TOO_LARGE') throw error;
    throw new Error(`the verifier refuses what the guard made: ${String(error)}`, { cause: error });
  }
  return guarded;
}
