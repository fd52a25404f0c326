/** The only way in which a guarded module becomes one that executors run: proven, and compiled. */
import { JordError } from '../errors.ts';
import { ABI_IMPORTS } from '../functions/abi.ts';
import type { FunctionType, GuardedModule } from '../guard/types.ts';
import { verifyModule } from '../guard/verify.ts';

/**
 * Proves a guarded module while V8 compiles the same bytes on other threads. `imports` are what it may import, as for the guard.
 * Throws what `verifyModule` throws, or INTERNAL.
 */
export async function compileProven(
  guarded: GuardedModule,
  imports: ReadonlyMap<string, FunctionType> = ABI_IMPORTS,
): Promise<WebAssembly.Module> {
  // V8 has taken a copy when this returns.
  const compiling = compile(guarded.bytes);
  try {
    verifyModule(guarded, { imports });
  } catch (error) {
    // Nobody waits for it any more.
    compiling.catch(() => {});
    throw error;
  }
  return compiling;
}

/** Bytes that the guard has made; V8 refusing them would be an error of the guard. */
async function compile(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new JordError('INTERNAL', `The guarded module is not valid: ${reason}`, {}, { cause: error });
  }
}
