/**
 * The idealised insecure system for nested calls: the modules of nested-call.ts as they are, in one shared memory, without
 * guard, protection domains or permissions. What stays is what any system needs that survives a failing callee: a frame
 * with try and catch, and a list of functions by id.
 */

import { assembleWat } from '../harness/wat.ts';
import { CALLEE, CALLER, nestedCallWat } from './nested-call.ts';

export interface UnsafePair {
  /** Makes nested calls with an argument of this size and returns how many the callee counted. */
  readonly run: (calls: number, argumentBytes: number) => number;
}

const PAGES = 65536;
/** ArgBufs, one after the other; the request of the caller lies before them. */
const REQUEST = 0x80000000;
const ARGUMENTS = 0x81000000;
const ID_FIRST = 65536;

type Handle = (request: number, length: number) => number;

export async function unsafePair(): Promise<UnsafePair> {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const view = new DataView(memory.buffer);
  const functions: Handle[] = [];
  let next = ARGUMENTS;
  let argumentLength = 0;
  const jord = {
    memory,
    argbuf_new: (length: number): number => {
      const address = next;
      next += Math.max(128, length);
      argumentLength = length;
      return address;
    },
    argbuf_free: (): number => 0,
    resolve: (): number => ID_FIRST + 1,
    call: (id: number, request: number): number => {
      const handle = functions[id - ID_FIRST];
      if (handle === undefined) return 32;
      try {
        return handle(request, argumentLength);
      } catch {
        return 65;
      }
    },
  };
  for (const name of [CALLER, CALLEE] as const) functions.push(await instantiate(name, jord));
  const [caller] = functions;
  if (caller === undefined) throw new Error('no caller');
  return {
    run: (calls, argumentBytes) => {
      next = ARGUMENTS;
      view.setUint32(ARGUMENTS, 0, true);
      view.setUint32(REQUEST, calls, true);
      view.setUint32(REQUEST + 4, argumentBytes, true);
      return view.getUint32(caller(REQUEST, 8 + CALLEE.length) >>> 0, true);
    },
  };
}

async function instantiate(name: typeof CALLER | typeof CALLEE, jord: WebAssembly.ModuleImports): Promise<Handle> {
  const wat = (await nestedCallWat(name)).replace(
    '(memory 1)',
    `(import "jord" "memory" (memory ${PAGES} ${PAGES} shared))`,
  );
  const bytes = await assembleWat(name, wat, { threads: true });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { jord });
  return instance.exports['handle'] as Handle;
}
