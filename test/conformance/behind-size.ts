/** The one difference that every module can meet: memory behind `memory.size`, up to the limit and 4,096 bytes more. */
import { PAGE_SIZE, RED_ZONE } from '../../core/layout.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import { OP_I32_CONST, OP_MEMORY_SIZE } from '../../src/guard/opcodes.ts';
import type { ModuleExport } from '../../src/guard/types.ts';
import { adaptExports } from './adapter.ts';
import { rebuild } from './rebuild.ts';

const MEMORY_EXPORT = 'test:memory';
/** Behind what may be accessed. */
const CANARY = 0xa5;

/** An action that did not trap. Parameters and results are carriers. */
export interface Accessed {
  readonly name: string;
  readonly values: readonly unknown[];
  readonly results: readonly unknown[];
  /** What memory.size said. */
  readonly pages: number;
  /** Memory with its red zone, before and after. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/**
 * Whether what should have trapped did what it would do unguarded with so much memory more, and touched nothing behind that;
 * and whether it would trap with the memory that it has. The module must have no mutable globals that matter.
 */
export function isBehindSize(
  bytes: Uint8Array,
  exports: readonly ModuleExport[],
  host: WebAssembly.Imports,
  accessed: Accessed,
): boolean {
  const { results, pages, before, after } = accessed;
  const run = (memoryPages: number): Unguarded => runUnguarded(bytes, exports, host, memoryPages, accessed);
  if (run(pages).results !== undefined) return false;
  const roomy = run((before.length - RED_ZONE) / PAGE_SIZE + 1);
  const isSame = Buffer.compare(roomy.memory.subarray(0, after.length), after) === 0;
  const isIntact = roomy.memory.subarray(after.length).every((byte) => byte === CANARY);
  return isSame && isIntact && roomy.results?.every((value, i) => Object.is(value, results[i])) === true;
}

interface Unguarded {
  /** Undefined after a trap. */
  readonly results: readonly unknown[] | undefined;
  readonly memory: Uint8Array;
}

function runUnguarded(
  bytes: Uint8Array,
  exports: readonly ModuleExport[],
  host: WebAssembly.Imports,
  memoryPages: number,
  { name, values, pages, before }: Accessed,
): Unguarded {
  const instance = instantiate(bytes, memoryPages, pages, host);
  const memory = new Uint8Array(instance.memory.buffer);
  memory.set(before.subarray(0, memory.length));
  memory.fill(CANARY, before.length);
  const f = adaptExports(instance.exports, exports).get(name);
  if (f === undefined) throw new Error(`there is no export ${name}`);
  try {
    const result = f(...values);
    return { results: result === undefined ? [] : Array.isArray(result) ? result : [result], memory };
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return { results: undefined, memory };
    throw error;
  }
}

/** The module, unguarded, with a memory of `pages` pages, in which memory.size still says `size`. */
function instantiate(
  bytes: Uint8Array,
  pages: number,
  size: number,
  host: WebAssembly.Imports,
): { readonly exports: WebAssembly.Exports; readonly memory: WebAssembly.Memory } {
  const module = decodeModule(bytes);
  const memories = module.memories.map((memory) => ({ ...memory, minimum: pages, maximum: pages }));
  const memoryExport = { name: MEMORY_EXPORT, kind: 'memory', index: 0, offset: 0 } as const;
  const exports = [...module.exports, memoryExport];
  const imports = module.imports.filter(({ kind }) => kind !== 'memory');
  const rebuilt = rebuild(module, { imports, memories, exports }, (opcode, out) => {
    if (opcode !== OP_MEMORY_SIZE) return false;
    out.byte(OP_I32_CONST);
    out.s32(size);
    return true;
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(rebuilt), host);
  const memory = instance.exports[MEMORY_EXPORT];
  if (!(memory instanceof WebAssembly.Memory)) throw new Error('the module has no memory');
  return { exports: instance.exports, memory };
}
