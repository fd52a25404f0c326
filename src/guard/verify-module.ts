/**
 * The parts of a guarded module that are not code: what it imports and exports, its tables, globals and segments. Nothing may
 * be there by which something outside is reached, or by which something happens before the server asks for it.
 */
import {
  ADDRESS_SPACE_PAGES,
  HOME_ALIGNMENT,
  HOME_GLOBALS,
  MEMORY_LIMIT_MAX,
  PAGE_SIZE,
  RED_ZONE,
} from '../../core/layout.ts';
import { BRANCH_HINT_SECTION } from './branch-hints.ts';
import { quoteName, unproven } from './errors.ts';
import { decodeExpression, InstructionList, WORD_A, WORDS } from './instructions.ts';
import type { Module } from './module.ts';
import { OP_REF_FUNC } from './opcodes.ts';
import { Reader } from './reader.ts';
import { type FunctionType, type GuardedModule, type HomeLayout, INIT_EXPORT, type ValueType } from './types.ts';

const PREAMBLE_BYTES = 8;
const CUSTOM_SECTION = 0;

function refuse(reason: string, offset = 0): Error {
  return unproven(reason, offset, 'the module');
}

function sameTypes(a: readonly ValueType[], b: readonly ValueType[]): boolean {
  return a.length === b.length && a.every((type, i) => type === b[i]);
}

/** Whether a type is that of another with `base` behind its parameters. */
export function isWithBase(guarded: FunctionType | undefined, own: FunctionType): boolean {
  return (
    guarded !== undefined &&
    sameTypes(guarded.parameters, [...own.parameters, 'i32']) &&
    sameTypes(guarded.results, own.results)
  );
}

/** What the algebra of access.ts takes for granted of a home, and what core/home.ts does when it restores one. */
export function verifyLayout(layout: HomeLayout): void {
  const { headerSize, memoryLimit, memoryInitialPages, memoryMaximumPages, chunkShift, mapOffset, mapSize } = layout;
  const { addressMask, globalsSize, homeSize } = layout;
  const end = headerSize + memoryLimit + RED_ZONE;
  const holds =
    Object.values(layout).every((value) => Number.isInteger(value) && value >= 0) &&
    headerSize % 64 === 0 &&
    headerSize < 2 ** 19 &&
    memoryLimit % PAGE_SIZE === 0 &&
    memoryLimit <= MEMORY_LIMIT_MAX &&
    (addressMask === 0
      ? memoryMaximumPages * PAGE_SIZE === memoryLimit
      : addressMask === memoryLimit - 1 &&
        (memoryLimit & addressMask) === 0 &&
        memoryMaximumPages * PAGE_SIZE <= memoryLimit) &&
    memoryInitialPages <= memoryMaximumPages &&
    globalsSize % 16 === 0 &&
    mapOffset === HOME_GLOBALS + globalsSize &&
    mapSize % 128 === 0 &&
    mapOffset + mapSize <= headerSize &&
    chunkShift >= 8 &&
    chunkShift <= 12 &&
    mapSize * 2 ** chunkShift >= memoryLimit + RED_ZONE &&
    mapSize * 2 ** chunkShift < 2 ** 30 &&
    homeSize >= end &&
    homeSize < end + HOME_ALIGNMENT;
  if (!holds) throw refuse('the layout of its homes is not one that the proof holds for');
}

/** All but the code. `addedFirst` is the index of the first function that the guard added. */
export function verifyParts(
  module: Module,
  guarded: GuardedModule,
  imports: ReadonlyMap<string, FunctionType>,
  addedFirst: number,
): void {
  verifyCustomSections(module.bytes);
  verifyImports(module, guarded, imports);
  verifyMemory(module);
  verifyExports(module, guarded, addedFirst);
  if (module.start !== undefined) throw refuse('a start function');
  for (const { mutable, offset } of module.globals) if (mutable) throw refuse('a mutable global', offset);
  for (const { place, offset } of module.data) {
    if (place !== undefined) throw refuse('a data segment that is written when the module is instantiated', offset);
  }
  verifyReferences(module, addedFirst);
}

/** Names and branch hints say nothing of what code does; what others might say is not known. */
function verifyCustomSections(bytes: Uint8Array): void {
  const reader = new Reader(bytes, PREAMBLE_BYTES, bytes.length);
  while (!reader.atEnd) {
    const offset = reader.position;
    const id = reader.byte();
    const section = reader.part(reader.u32());
    if (id !== CUSTOM_SECTION) continue;
    const name = section.name();
    if (name !== 'name' && name !== BRANCH_HINT_SECTION) throw refuse(`a section ${quoteName(name)}`, offset);
  }
}

/** `jord.memory`, and host functions that are offered, with `base` behind their parameters. */
function verifyImports(module: Module, guarded: GuardedModule, offered: ReadonlyMap<string, FunctionType>): void {
  const names = new Set<string>();
  for (const { module: from, name, kind, index, offset } of module.imports) {
    const full = `${from}.${name}`;
    if (kind === 'memory' && from === 'jord' && name === 'memory') continue;
    const own = kind === 'function' ? offered.get(full) : undefined;
    const isOffered = own !== undefined && isWithBase(module.types[module.functions[index] ?? -1], own);
    if (!isOffered) throw refuse(`an import of the ${kind} ${quoteName(full)}`, offset);
    names.add(full);
  }
  const isSame = names.size === guarded.imports.length && guarded.imports.every((name) => names.has(name));
  if (!isSame) throw refuse('other imports than it is said to have');
}

/** One, imported, and exactly the address space. */
function verifyMemory(module: Module): void {
  const [memory, second] = module.memories;
  const isImported = module.imports.some(({ kind }) => kind === 'memory');
  const isAddressSpace =
    memory?.minimum === ADDRESS_SPACE_PAGES && memory.maximum === ADDRESS_SPACE_PAGES && memory.shared;
  if (second !== undefined || !isImported || !isAddressSpace) throw refuse('a memory that is not the address space');
}

/** The server calls exports by what is said of them: functions, with the types of the original ones and `base`. */
function verifyExports(module: Module, guarded: GuardedModule, addedFirst: number): void {
  const said = new Map(guarded.exports.map(({ name, type }) => [name, type]));
  said.delete(INIT_EXPORT);
  let hasInit = false;
  for (const { name, kind, index, offset } of module.exports) {
    if (name === INIT_EXPORT && kind === 'function' && index === module.functions.length - 1) {
      hasInit = true;
      continue;
    }
    const own = kind === 'function' && index < addedFirst ? said.get(name) : undefined;
    if (own === undefined || !isWithBase(module.types[module.functions[index] ?? -1], own)) {
      throw refuse(`an export of the ${kind} ${quoteName(name)}`, offset);
    }
    said.delete(name);
  }
  if (!hasInit || said.size > 0) throw refuse('an export is missing');
}

/** No table, global or segment refers to a function that the guard added. */
function verifyReferences(module: Module, addedFirst: number): void {
  const list = new InstructionList();
  const verifyConstant = (expression: Uint8Array): void => {
    const reader = new Reader(expression, 0, expression.length);
    decodeExpression(reader, list, { typeCount: module.types.length, where: () => 'a constant expression' });
    for (let at = 0; at < list.count * WORDS; at += WORDS) {
      if (list.words[at] === OP_REF_FUNC) verifyReference(list.words[at + WORD_A] as number);
    }
  };
  const verifyReference = (index: number): void => {
    if (index < 0 || index >= addedFirst) throw refuse(`a reference to function ${index}, which the guard added`);
  };
  for (const { initial } of module.globals) if (initial.length > 0) verifyConstant(initial);
  for (const { initial } of module.tables) if (initial !== undefined) verifyConstant(initial);
  for (const { functions, expressions, place } of module.elements) {
    if (place.length > 0) verifyConstant(place);
    functions.forEach(verifyReference);
    expressions.forEach(verifyConstant);
  }
}
