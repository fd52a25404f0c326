/** `spectest` for modules that must have memory, tables and globals of their own: what a linker would make of them. */
import { JordError } from '../../src/errors.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import type { Global, Import, Module } from '../../src/guard/module.ts';
import { rebuild } from './rebuild.ts';

/** Constant expressions of the specification's own host. */
const GLOBALS: Readonly<Record<string, readonly number[]>> = {
  global_i32: [0x41, 0x9a, 0x05, 0x0b],
  global_i64: [0x42, 0x9a, 0x05, 0x0b],
  global_f32: [0x43, ...new Uint8Array(Float32Array.of(666.6).buffer), 0x0b],
  global_f64: [0x44, ...new Uint8Array(Float64Array.of(666.6).buffer), 0x0b],
};
const TABLE = { minimum: 10, maximum: 20 };
const MEMORY = { minimum: 1, maximum: 2 };

/**
 * The module with all but the functions that it imports from `spectest` as its own, which changes no index: imports come
 * first. Undefined when it imports nothing of that kind, or from others too, or has what the guard does not know.
 */
export function linkSpectest(bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  try {
    return link(decodeModule(bytes));
  } catch (error) {
    if (error instanceof JordError) return undefined;
    throw error;
  }
}

function link(module: Module): Uint8Array<ArrayBuffer> | undefined {
  const linked = module.imports.filter(({ kind }) => kind !== 'function');
  if (linked.length === 0 || !linked.every(isOfSpectest)) return undefined;
  return rebuild(module, {
    imports: module.imports.filter((entry) => !linked.includes(entry)),
    tables: module.tables.map((table, i) => (i < countOf(linked, 'table') ? { ...table, ...TABLE } : table)),
    memories: module.memories.map((memory, i) => (i < countOf(linked, 'memory') ? { ...memory, ...MEMORY } : memory)),
    globals: module.globals.map((global, i) => ownGlobal(global, linked, i)),
  });
}

function isOfSpectest({ module, name, kind }: Import): boolean {
  if (module !== 'spectest') return false;
  if (kind === 'global') return name in GLOBALS;
  return kind === 'table' ? name === 'table' : name === 'memory' || name === 'shared_memory';
}

function countOf(imports: readonly Import[], kind: Import['kind']): number {
  return imports.filter((entry) => entry.kind === kind).length;
}

function ownGlobal(global: Global, linked: readonly Import[], index: number): Global {
  const entry = linked.find((candidate) => candidate.kind === 'global' && candidate.index === index);
  const initial = entry === undefined ? undefined : GLOBALS[entry.name];
  return initial === undefined ? global : { ...global, initial: Uint8Array.from(initial) };
}
