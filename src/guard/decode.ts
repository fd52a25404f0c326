/** Decodes a module. Knows only what it lists: any other section, type, kind or flag is refused. */
import { BRANCH_HINT_SECTION, decodeBranchHints } from './branch-hints.ts';
import { checkCount, LIMITS, type ModuleLimits, malformed, quoteName, unsupported } from './errors.ts';
import { decodeExpression, InstructionList } from './instructions.ts';
import {
  type Body,
  type BranchHints,
  type DataSegment,
  type ElementSegment,
  EXTERNAL_KINDS,
  type Export,
  type ExternalKind,
  type Global,
  type Import,
  type Limits,
  type Module,
  type Names,
  type Table,
} from './module.ts';
import { decodeNames } from './names.ts';
import { Reader } from './reader.ts';
import type { FunctionType, ValueType } from './types.ts';
import { isReference, readValueType } from './value-types.ts';

/** Section ids in the order in which they must come. */
const SECTION_ORDER = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
const NO_BYTES = new Uint8Array(0);

/** Section contents by id: what is decoded in a second step, when all others are known. */
interface Draft {
  types: FunctionType[];
  imports: Import[];
  functions: number[];
  importedFunctions: number;
  tables: Table[];
  memories: Limits[];
  tags: number[];
  globals: Global[];
  exports: Export[];
  start: number | undefined;
  elements: ElementSegment[];
  dataCount: number | undefined;
  bodies: Body[];
  data: DataSegment[];
  names: Names;
  branchHints: ReadonlyMap<number, BranchHints>;
  /** Reused for all constant expressions. */
  readonly constants: InstructionList;
  readonly limits: ModuleLimits;
}

/**
 * The module in `bytes`, which stay its property and must not change any more. Errors are JordErrors MODULE_MALFORMED,
 * MODULE_UNSUPPORTED and MODULE_TOO_LARGE. Bodies are not looked into, and it is not checked that the module is valid:
 * WebAssembly.validate does that.
 */
export function decodeModule(bytes: Uint8Array, limits: ModuleLimits = LIMITS): Module {
  const reader = new Reader(bytes, 0, bytes.length);
  readPreamble(reader);
  const draft: Draft = {
    types: [],
    imports: [],
    functions: [],
    importedFunctions: 0,
    tables: [],
    memories: [],
    tags: [],
    globals: [],
    exports: [],
    start: undefined,
    elements: [],
    dataCount: undefined,
    bodies: [],
    data: [],
    names: { module: undefined, functions: new Map() },
    branchHints: new Map(),
    constants: new InstructionList(),
    limits,
  };
  let last = -1;
  while (!reader.atEnd) {
    const offset = reader.position;
    const id = reader.byte();
    const section = reader.part(reader.u32());
    if (id === 0) {
      readCustom(section, draft);
      continue;
    }
    const rank = SECTION_ORDER.indexOf(id);
    if (rank < 0) throw unsupported(`a section of the unknown kind ${id}`, offset);
    if (rank <= last) throw malformed(`section ${id} is out of order`, offset);
    last = rank;
    readSection(id, section, draft);
    if (!section.atEnd) throw malformed(`section ${id} is longer than its content`, section.position);
  }
  if (draft.bodies.length !== draft.functions.length - draft.importedFunctions) {
    throw malformed('there are not as many function bodies as functions', reader.position);
  }
  if (draft.dataCount !== undefined && draft.dataCount !== draft.data.length) {
    throw malformed('there are not as many data segments as the data count says', reader.position);
  }
  const { dataCount, constants: _, limits: __, ...parts } = draft;
  return { ...parts, bytes, hasDataCount: dataCount !== undefined };
}

function readPreamble(reader: Reader): void {
  const preamble = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  for (const expected of preamble) {
    if (reader.byte() !== expected) throw malformed('it does not begin with the magic number and version 1', 0);
  }
}

function readSection(id: number, section: Reader, draft: Draft): void {
  if (id === 1) readTypes(section, draft);
  else if (id === 2) readImports(section, draft);
  else if (id === 3) readFunctions(section, draft);
  else if (id === 4) readTables(section, draft);
  else if (id === 5) readMemories(section, draft);
  else if (id === 13) readTags(section, draft);
  else if (id === 6) readGlobals(section, draft);
  else if (id === 7) readExports(section, draft);
  else if (id === 8) draft.start = readIndex(section, draft.functions.length, 'function');
  else if (id === 9) readElements(section, draft);
  else if (id === 12) draft.dataCount = checkCount('data segments', section.u32(), LIMITS.dataSegments);
  else if (id === 10) readBodies(section, draft);
  else readData(section, draft);
}

function readIndex(reader: Reader, count: number, what: string): number {
  const offset = reader.position;
  const index = reader.u32();
  if (index >= count) throw malformed(`there is no ${what} ${index}`, offset);
  return index;
}

const TYPE_FORMS: ReadonlyMap<number, string> = new Map([
  [0x4e, 'a recursive type group (garbage collection)'],
  [0x4f, 'a final subtype (garbage collection)'],
  [0x50, 'a subtype (garbage collection)'],
  [0x5d, 'a continuation type'],
  [0x5e, 'an array type (garbage collection)'],
  [0x5f, 'a struct type (garbage collection)'],
  [0x65, 'a shared type (shared-everything threads)'],
]);

function readTypes(section: Reader, draft: Draft): void {
  const count = checkCount('types', section.u32(), draft.limits.types);
  for (let i = 0; i < count; i += 1) {
    const offset = section.position;
    const form = section.byte();
    if (form !== 0x60) throw unsupported(TYPE_FORMS.get(form) ?? `a type of form 0x${form.toString(16)}`, offset);
    const parameters = readValueTypes(section, 'parameters of one type');
    const results = readValueTypes(section, 'results of one type');
    draft.types.push({ parameters, results });
  }
}

function readValueTypes(section: Reader, what: string): ValueType[] {
  const count = checkCount(what, section.u32(), LIMITS.results);
  return Array.from({ length: count }, () => readValueType(section));
}

function readImports(section: Reader, draft: Draft): void {
  const count = checkCount('imports', section.u32(), draft.limits.imports);
  for (let i = 0; i < count; i += 1) {
    const offset = section.position;
    const module = section.name();
    const name = section.name();
    const byte = section.byte();
    const kind = EXTERNAL_KINDS[byte];
    if (kind === undefined) throw unsupported(`an import of the unknown kind ${byte}, ${quoteName(module)}`, offset);
    draft.imports.push({ module, name, kind, index: readImported(section, kind, offset, draft), offset });
  }
  draft.importedFunctions = draft.functions.length;
}

/** Adds what is imported to its index space and returns its index. */
function readImported(section: Reader, kind: ExternalKind, offset: number, draft: Draft): number {
  switch (kind) {
    case 'function':
      return draft.functions.push(readIndex(section, draft.types.length, 'type')) - 1;
    case 'table': {
      const element = readElementType(section);
      return draft.tables.push({ ...readLimits(section, 'table'), element, initial: undefined }) - 1;
    }
    case 'memory':
      return draft.memories.push(readLimits(section, 'memory')) - 1;
    case 'global':
      return draft.globals.push({ ...readGlobalType(section), initial: NO_BYTES, offset }) - 1;
    case 'tag':
      return draft.tags.push(readTag(section, draft)) - 1;
  }
}

/** Bits of the flags: 1 has a maximum, 2 shared, 4 64-bit, 8 has a page size. */
function readLimits(section: Reader, what: 'table' | 'memory'): Limits {
  const offset = section.position;
  const flags = section.byte();
  if ((flags & 4) !== 0) throw unsupported(`a 64-bit ${what}`, offset);
  if ((flags & 8) !== 0) throw unsupported(`a ${what} with a page size of its own`, offset);
  if (flags > 3 || (what === 'table' && flags > 1))
    throw unsupported(`a ${what} with flags 0x${flags.toString(16)}`, offset);
  const minimum = section.u32();
  const maximum = (flags & 1) !== 0 ? section.u32() : undefined;
  return { minimum, maximum, shared: (flags & 2) !== 0, offset };
}

function readElementType(section: Reader): ValueType {
  const offset = section.position;
  const type = readValueType(section);
  if (!isReference(type)) throw malformed(`a table cannot hold ${type}`, offset);
  return type;
}

function readGlobalType(section: Reader): { type: ValueType; mutable: boolean } {
  const type = readValueType(section);
  const flags = section.byte();
  if (flags > 1) throw unsupported(`a global with flags 0x${flags.toString(16)}`, section.position - 1);
  return { type, mutable: flags === 1 };
}

function readTag(section: Reader, draft: Draft): number {
  if (section.byte() !== 0) throw unsupported('a tag that is no exception', section.position - 1);
  return readIndex(section, draft.types.length, 'type');
}

function readFunctions(section: Reader, draft: Draft): void {
  const count = checkCount('functions', section.u32(), draft.limits.functions);
  for (let i = 0; i < count; i += 1) draft.functions.push(readIndex(section, draft.types.length, 'type'));
}

function readTables(section: Reader, draft: Draft): void {
  const count = checkCount('tables', section.u32(), LIMITS.tables);
  for (let i = 0; i < count; i += 1) {
    const ownInitial = section.bytes[section.position] === 0x40;
    if (ownInitial) {
      section.byte();
      if (section.byte() !== 0) throw unsupported('a table of an unknown form', section.position - 1);
    }
    const element = readElementType(section);
    const limits = readLimits(section, 'table');
    draft.tables.push({ ...limits, element, initial: ownInitial ? readConstant(section, draft) : undefined });
  }
}

function readMemories(section: Reader, draft: Draft): void {
  const count = section.u32();
  for (let i = 0; i < count; i += 1) draft.memories.push(readLimits(section, 'memory'));
}

function readTags(section: Reader, draft: Draft): void {
  const count = checkCount('tags', section.u32(), LIMITS.tags);
  for (let i = 0; i < count; i += 1) draft.tags.push(readTag(section, draft));
}

function readGlobals(section: Reader, draft: Draft): void {
  const count = checkCount('globals', section.u32(), LIMITS.globals);
  for (let i = 0; i < count; i += 1) {
    const offset = section.position;
    const type = readGlobalType(section);
    draft.globals.push({ ...type, initial: readConstant(section, draft), offset });
  }
}

/** The bytes of a constant expression with its `end`. */
function readConstant(section: Reader, draft: Draft): Uint8Array {
  const start = section.position;
  decodeExpression(section, draft.constants, { typeCount: draft.types.length, where: () => 'a constant expression' });
  return section.bytes.subarray(start, section.position);
}

function readExports(section: Reader, draft: Draft): void {
  const count = checkCount('exports', section.u32(), draft.limits.exports);
  const spaces: Readonly<Record<ExternalKind, { readonly length: number }>> = {
    function: draft.functions,
    table: draft.tables,
    memory: draft.memories,
    global: draft.globals,
    tag: draft.tags,
  };
  for (let i = 0; i < count; i += 1) {
    const offset = section.position;
    const name = section.name();
    const byte = section.byte();
    const kind = EXTERNAL_KINDS[byte];
    if (kind === undefined) throw unsupported(`an export of the unknown kind ${byte}, ${quoteName(name)}`, offset);
    draft.exports.push({ name, kind, index: readIndex(section, spaces[kind].length, kind), offset });
  }
}

function readElements(section: Reader, draft: Draft): void {
  const count = checkCount('element segments', section.u32(), LIMITS.elementSegments);
  let elements = 0;
  for (let i = 0; i < count; i += 1) {
    const segment = readElementSegment(section, draft);
    elements += segment.functions.length + segment.expressions.length;
    checkCount('elements', elements, LIMITS.elements);
    draft.elements.push(segment);
  }
}

function readElementSegment(section: Reader, draft: Draft): ElementSegment {
  const offset = section.position;
  const flags = section.u32();
  if (flags > 7) throw unsupported(`an element segment with flags 0x${flags.toString(16)}`, offset);
  const active = (flags & 1) === 0;
  const table = active && (flags & 2) !== 0 ? readIndex(section, draft.tables.length, 'table') : 0;
  const place = active ? readConstant(section, draft) : NO_BYTES;
  const typed = (flags & 3) !== 0;
  const expressed = (flags & 4) !== 0;
  let type: ValueType = 'funcref';
  if (typed && expressed) type = readElementType(section);
  else if (typed && section.byte() !== 0) throw unsupported('elements that are no functions', section.position - 1);
  const count = checkCount('elements', section.u32(), LIMITS.elements);
  const functions: number[] = [];
  const expressions: Uint8Array[] = [];
  for (let i = 0; i < count; i += 1) {
    if (expressed) expressions.push(readConstant(section, draft));
    else functions.push(readIndex(section, draft.functions.length, 'function'));
  }
  return { flags, table, place, type, functions, expressions, offset };
}

function readBodies(section: Reader, draft: Draft): void {
  const count = checkCount('functions', section.u32(), draft.limits.functions);
  for (let i = 0; i < count; i += 1) {
    const size = section.u32();
    const start = section.position;
    section.skip(size);
    draft.bodies.push({ start, end: section.position });
  }
}

function readData(section: Reader, draft: Draft): void {
  const count = checkCount('data segments', section.u32(), LIMITS.dataSegments);
  for (let i = 0; i < count; i += 1) {
    const offset = section.position;
    const flags = section.u32();
    if (flags > 2) throw unsupported(`a data segment with flags 0x${flags.toString(16)}`, offset);
    const memory = flags === 2 ? readIndex(section, draft.memories.length, 'memory') : 0;
    const place = flags === 1 ? undefined : readConstant(section, draft);
    draft.data.push({ place, memory, content: section.take(section.u32()), offset });
  }
}

/** Names and branch hints; what else is in a custom section is nobody's business. */
function readCustom(section: Reader, draft: Draft): void {
  const name = section.name();
  if (name === 'name') draft.names = decodeNames(section);
  else if (name === BRANCH_HINT_SECTION) draft.branchHints = decodeBranchHints(section);
}
