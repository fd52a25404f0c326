/** Constructs that are valid WebAssembly, are understood, and are refused, because the guard cannot virtualise them. */
import { MEMORY_LIMIT_MAX, PAGE_SIZE } from '../../core/layout.ts';
import { checkCount, LIMITS, quoteName, refusal, unsupported } from './errors.ts';
import type { Module } from './module.ts';
import { type FunctionType, type GuardOptions, INIT_EXPORT } from './types.ts';
import { isReference } from './value-types.ts';

export function typeText(type: FunctionType): string {
  return `(${type.parameters.join(' ')}) → (${type.results.join(' ')})`;
}

export function sameType(a: FunctionType, b: FunctionType): boolean {
  return (
    a.parameters.length === b.parameters.length &&
    a.results.length === b.results.length &&
    a.parameters.every((type, i) => type === b.parameters[i]) &&
    a.results.every((type, i) => type === b.results[i])
  );
}

/** Refuses what the guard cannot virtualise outside of function bodies. */
export function refuseUnsupported(module: Module, options: GuardOptions): void {
  refuseImports(module, options);
  refuseMemories(module);
  refuseGlobals(module);
  refuseTables(module);
  refuseTypes(module);
  for (const { name, offset } of module.exports) {
    if (name === INIT_EXPORT)
      throw unsupported(`an export called ${quoteName(name)}, which the guard adds itself`, offset);
  }
}

function refuseImports(module: Module, options: GuardOptions): void {
  for (const entry of module.imports) {
    const name = `${entry.module}.${entry.name}`;
    if (entry.kind === 'memory') continue;
    if (entry.kind !== 'function') throw unsupported(`an imported ${entry.kind}, ${quoteName(name)}`, entry.offset);
    const offered = options.imports.get(name);
    const type = module.types[module.functions[entry.index] ?? -1];
    if (offered === undefined || type === undefined) {
      const what = `The module imports ${quoteName(name)}, which is not offered here`;
      throw refusal('MODULE_IMPORT_UNKNOWN', what, entry.offset);
    }
    if (!sameType(offered, type)) {
      const what = `The module imports ${quoteName(name)} as ${typeText(type)}, but it is ${typeText(offered)}`;
      throw refusal('MODULE_IMPORT_UNKNOWN', what, entry.offset);
    }
  }
}

function refuseMemories(module: Module): void {
  const second = module.memories[1];
  if (second !== undefined) throw unsupported('more than one memory', second.offset);
  const memory = module.memories[0];
  const most = MEMORY_LIMIT_MAX / PAGE_SIZE;
  if (memory !== undefined && memory.minimum > most) {
    const what = `The module asks for ${memory.minimum} pages of memory at its start; at most ${most} are allowed`;
    throw refusal('MODULE_TOO_LARGE', what, memory.offset);
  }
}

function refuseGlobals(module: Module): void {
  for (const [index, global] of module.globals.entries()) {
    if (global.mutable && isReference(global.type))
      throw unsupported(`a mutable global of type ${global.type} (global ${index})`, global.offset);
  }
}

function refuseTables(module: Module): void {
  let entries = 0;
  for (const table of module.tables) entries += table.minimum;
  checkCount('table entries', entries, LIMITS.tableEntries);
}

/** Every type gets a twin with a parameter more, so V8's limit is one less for the module. */
function refuseTypes(module: Module): void {
  for (const [index, type] of module.types.entries()) {
    checkCount(`parameters in type ${index}`, type.parameters.length, LIMITS.parameters);
  }
}
