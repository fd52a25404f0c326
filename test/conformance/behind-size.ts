/**
 * The one difference that every module can meet: memory behind `memory.size`, up to the limit and 4,096 bytes more.
 *
 * Whether an access is such a one is found out unguarded, in a memory of whole pages that ends where the red zone does: all
 * accesses are made so much higher that the end of the red zone comes to be the end of a page.
 */
import { PAGE_SIZE, RED_ZONE } from '../../core/layout.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import type { Module } from '../../src/guard/module.ts';
import {
  accessOf,
  IMMEDIATE_MEMORY_LANE,
  immediates,
  OP_I32_CONST,
  OP_MEMORY_COPY,
  OP_MEMORY_FILL,
  OP_MEMORY_INIT,
  OP_MEMORY_SIZE,
} from '../../src/guard/opcodes.ts';
import type { ModuleExport } from '../../src/guard/types.ts';
import { adaptExports, resultsOf } from './adapter.ts';
import { rebuild, uses } from './rebuild.ts';

const MEMORY_EXPORT = 'test:memory';
/** How much higher: what is missing between the red zone's end and that of a page. */
const SHIFT = PAGE_SIZE - RED_ZONE;

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
 * Whether what should have trapped did what it would do unguarded with so much memory more and no byte beyond; and whether it
 * would trap with the memory that it has. False where the module has bulk memory instructions. Mutable globals are as at
 * the beginning.
 */
export function isBehindSize(
  bytes: Uint8Array,
  exports: readonly ModuleExport[],
  host: WebAssembly.Imports,
  accessed: Accessed,
): boolean {
  const module = decodeModule(bytes);
  if ([OP_MEMORY_COPY, OP_MEMORY_FILL, OP_MEMORY_INIT].some((opcode) => uses(module, opcode))) return false;
  const { results, pages, before, after } = accessed;
  const tight = runUnguarded(module, exports, host, pages, 0, accessed);
  const roomy = runUnguarded(module, exports, host, (before.length + SHIFT) / PAGE_SIZE, SHIFT, accessed);
  return (
    tight.results === undefined &&
    roomy.results?.every((value, i) => Object.is(value, results[i])) === true &&
    Buffer.compare(roomy.memory, after) === 0
  );
}

interface Unguarded {
  /** Undefined after a trap. */
  readonly results: readonly unknown[] | undefined;
  /** From address 0 of the module on. */
  readonly memory: Uint8Array;
}

function runUnguarded(
  module: Module,
  exports: readonly ModuleExport[],
  host: WebAssembly.Imports,
  memoryPages: number,
  shift: number,
  { name, values, pages, before }: Accessed,
): Unguarded {
  const bytes = shifted(module, memoryPages, pages, shift);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), host);
  const exported = instance.exports[MEMORY_EXPORT];
  const f = adaptExports(instance.exports, exports).get(name);
  if (!(exported instanceof WebAssembly.Memory) || f === undefined) throw new Error(`there is no export ${name}`);
  const memory = new Uint8Array(exported.buffer).subarray(shift);
  memory.set(before.subarray(0, memory.length));
  try {
    return { results: resultsOf(f(...values)), memory };
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return { results: undefined, memory };
    throw error;
  }
}

/** The module with a memory of `pages` pages, in which memory.size still says `size` and all accesses are `shift` higher. */
function shifted(module: Module, pages: number, size: number, shift: number): Uint8Array<ArrayBuffer> {
  const memories = module.memories.map((memory) => ({ ...memory, minimum: pages, maximum: pages }));
  const memoryExport = { name: MEMORY_EXPORT, kind: 'memory', index: 0, offset: 0 } as const;
  const exports = [...module.exports, memoryExport];
  const imports = module.imports.filter(({ kind }) => kind !== 'memory');
  // They would be too low, and what they have written is in the memory that is put there.
  const data = module.data.map((segment) => ({ ...segment, place: undefined }));
  return rebuild(module, { imports, memories, exports, data, start: undefined }, (opcode, a, b, out) => {
    if (opcode === OP_MEMORY_SIZE) {
      out.byte(OP_I32_CONST);
      out.s32(size);
      return true;
    }
    if (accessOf(opcode) === undefined) return false;
    out.opcode(opcode);
    out.u32(b & 0xff);
    // An offset that cannot be so much higher is behind every end as it is.
    out.u32(Math.min((a >>> 0) + shift, 2 ** 32 - 1));
    if (immediates[opcode] === IMMEDIATE_MEMORY_LANE) out.byte(b >> 8);
    return true;
  });
}
