/** QuickJS, a JavaScript interpreter, as a guest: `@jitl/quickjs-wasmfile-release-sync` without its JavaScript side. */
import vm from 'node:vm';
import { functionType, type Guest, type GuestFunction, type MakeImports } from '../harness/guest.ts';
import { readBuild } from './build.ts';
import { emscriptenHost, nameImports, readText } from './emscripten.ts';

const MODULE = '@jitl/quickjs-wasmfile-release-sync/wasm';
const SHA256 = '105c3bed22d457e43e3d1c3c1c6959fda62a8fe06f0fc8a985303c3a2be72232';

/** Import names of this build. */
const IMPORTS: Readonly<Record<string, string>> = {
  b: 'assertFail',
  c: 'fdWrite',
  d: 'fdClose',
  e: 'environ',
  f: 'environSizes',
  j: 'setTimer',
  k: 'resizeHeap',
  l: 'keepaliveClear',
  m: 'localTime',
  n: 'timeZone',
  o: 'fdSeek',
  p: 'dateNow',
  q: 'abort',
  r: 'procExit',
};

/** What QuickJS calls back for functions and modules of the host, of which there are none. */
const UNUSED_IMPORTS: Readonly<Record<string, string>> = { g: 'iiii:i', h: 'iii:i', i: 'i:i', s: 'iiiii:i', t: 'ii:' };

/** Export names of this build. */
const EXPORTS = {
  initialize: 'u',
  malloc: 'v',
  free: 'M',
  newRuntime: 'K',
  newContext: 'N',
  getUndefined: 'E',
  eval: 'pa',
  call: 'ma',
  dump: 'oa',
  resolveException: 'na',
  getFloat64: 'Z',
  freeValue: 'P',
} as const;

export async function quickJsModule(): Promise<Uint8Array> {
  return await readBuild(MODULE, SHA256);
}

export const quickJsImports: MakeImports = (guest) => {
  const functions = nameImports(emscriptenHost(guest), IMPORTS);
  for (const [short, signature] of Object.entries(UNUSED_IMPORTS)) {
    const call = (): never => {
      throw new Error('QuickJS called a host function, and there is none');
    };
    functions.set(`a.${short}`, { type: functionType(signature), call });
  }
  return { functions, memory: { module: 'a', name: 'a', initialPages: 256, maximumPages: 32768 } };
};

type Functions = { readonly [Key in keyof typeof EXPORTS]: GuestFunction };

/** A script, loaded: returns what its `run()` computes. */
export type RunScript = () => number;

/** Throws an Error with the script's exception. */
function loadScript(guest: Guest, functions: Functions, runtime: number, source: string): RunScript {
  const { malloc, free, call, dump, resolveException, getFloat64, freeValue } = functions;
  const context = functions.newContext(runtime, 0);
  const check = (value: number): number => {
    const exception = resolveException(context, value);
    if (exception !== 0) throw new Error(`QuickJS: ${readText(guest, dump(context, exception))}`);
    return value;
  };
  const evaluate = (text: string): number => {
    const code = new TextEncoder().encode(`${text}\0`);
    const fileName = new TextEncoder().encode('bench\0');
    const address = malloc(code.length + fileName.length);
    guest.memory().set(code, address);
    guest.memory().set(fileName, address + code.length);
    const value = check(functions.eval(context, address, code.length - 1, address + code.length, 0, 0));
    free(address);
    return value;
  };
  freeValue(context, evaluate(source));
  const run = evaluate('run');
  const self = functions.getUndefined();
  return () => {
    const value = check(call(context, run, self, 0, 0));
    const result = getFloat64(context, value);
    freeValue(context, value);
    return result;
  };
}

/** One interpreter in a new guest; each script that it loads has a global object of its own. */
export function startInterpreter(guest: Guest): (source: string) => RunScript {
  const functions = Object.fromEntries(
    Object.entries(EXPORTS).map(([key, name]) => [key, guest.function(name)]),
  ) as Functions;
  functions.initialize();
  const runtime = functions.newRuntime();
  return (source) => loadScript(guest, functions, runtime, source);
}

/** What V8 computes for the same script. */
export function expectedResult(source: string): number {
  const result: unknown = vm.runInNewContext(`${source}\nrun()`);
  if (typeof result !== 'number') throw new TypeError(`the script computed ${String(result)}, which is not a number`);
  return result;
}
