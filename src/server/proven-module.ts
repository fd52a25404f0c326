/** The only way in which a guarded module becomes one that executors run: proven, and compiled. */
import v8 from 'node:v8';
import { JordError } from '../errors.ts';
import { ABI_IMPORTS } from '../functions/abi.ts';
import type { FunctionType, GuardedModule } from '../guard/types.ts';
import { verifyModule } from '../guard/verify.ts';

/**
 * V8 puts a function in the place of a call where both are small, counted in bytes of WebAssembly, and guarded functions have more
 * than twice as many. So its limits are raised, from 500 and 5,000 bytes and a factor of 3, for all WebAssembly of the process.
 * `bench -- guard` without and with it: 1.44 and 1.39 for kernels, 2.7 and 1.9 for ArgBufs, no difference for applications.
 */
export function setInliningLimits(): void {
  v8.setFlagsFromString('--wasm-inlining-max-size=1200');
  v8.setFlagsFromString('--wasm-inlining-budget=50000');
  v8.setFlagsFromString('--wasm-inlining-factor=6');
}

setInliningLimits();

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
