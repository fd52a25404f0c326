/** Encodes a module. The sections are written in the order of the format; custom ones only for branch hints and names. */
import type { HintWriter } from './branch-hints.ts';
import { LIMITS, tooLarge } from './errors.ts';
import {
  type DataSegment,
  type ElementSegment,
  EXTERNAL_KINDS,
  type Import,
  type Limits,
  type ModuleParts,
  type Table,
} from './module.ts';
import { encodeNames } from './names.ts';
import type { FunctionType } from './types.ts';
import { valueTypeByte } from './value-types.ts';
import { Writer } from './writer.ts';

/** Function bodies and what goes with them. */
export interface Code {
  readonly count: number;
  /**
   * `gap` bytes of nothing, then the bodies with their sizes. The module is finished in place, since a copy
   * of so many bytes costs more than all the rest: fresh memory is slow to touch.
   */
  readonly bodies: Writer;
  readonly gap: number;
  readonly hints: HintWriter;
  /** Whether an instruction names a data segment, so that there must be a data count. */
  readonly dataCount: boolean;
}

function moduleTooLarge(): Error {
  return tooLarge('bytes or more with its guards', LIMITS.guardedBytes, LIMITS.guardedBytes);
}

/** A writer for parts of a module, with the limit for all of it. */
export function moduleWriter(initialBytes: number): Writer {
  return new Writer(initialBytes, LIMITS.guardedBytes, moduleTooLarge);
}

/** A writer for `Code.bodies` with its gap: for a module that was `sizeBytes` large. */
export function codeWriter(sizeBytes: number): { bodies: Writer; gap: number } {
  const gap = sizeBytes + 65_536;
  const bodies = new Writer(gap + 8 * sizeBytes, gap + LIMITS.guardedBytes, moduleTooLarge);
  bodies.skip(gap);
  return { bodies, gap };
}

/** The bytes of a module: a view of a buffer that may be larger. `code.bodies` must not be used any more. */
export function encodeModule(parts: ModuleParts, code: Code): Uint8Array<ArrayBuffer> {
  const before = moduleWriter(65_536);
  encodeBeforeCode(parts, code, before);
  if (code.count > 0) {
    const count = moduleWriter(5);
    count.u32(code.count);
    before.byte(10);
    before.u32(count.length + code.bodies.length - code.gap);
    before.append(count);
  }
  const { list, section } = sections(code.bodies);
  list(11, parts.data, writeData);
  const named = parts.names.module !== undefined || parts.names.functions.size > 0;
  section(0, named, (out) => encodeNames(parts.names, parts.functions.length, out, moduleWriter(4096)));
  if (before.length <= code.gap) {
    const start = code.gap - before.length;
    code.bodies.put(before.written, start);
    return code.bodies.written.subarray(start);
  }
  before.bytes(code.bodies.written.subarray(code.gap));
  return before.written;
}

interface Sections {
  /** Writes a section, unless it is absent or has no content. */
  section(id: number, present: boolean, write: (out: Writer) => void): void;
  /** Writes a section that is a vector, unless it has no items. */
  list<T>(id: number, items: readonly T[], write: (out: Writer, item: T) => void): void;
}

function sections(out: Writer): Sections {
  const scratch = moduleWriter(4096);
  const section = (id: number, present: boolean, write: (out: Writer) => void): void => {
    if (!present) return;
    scratch.clear();
    write(scratch);
    if (scratch.length === 0) return;
    out.byte(id);
    out.u32(scratch.length);
    out.append(scratch);
  };
  const list = <T>(id: number, items: readonly T[], write: (out: Writer, item: T) => void): void =>
    section(id, items.length > 0, () => {
      scratch.u32(items.length);
      for (const item of items) write(scratch, item);
    });
  return { section, list };
}

function encodeBeforeCode(parts: ModuleParts, code: Code, out: Writer): void {
  const { list, section } = sections(out);
  const own = <T>(kind: Import['kind'], all: readonly T[]): readonly T[] =>
    all.slice(parts.imports.filter((item) => item.kind === kind).length);
  out.bytes(Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00));
  list(1, parts.types, writeType);
  list(2, parts.imports, (to, item) => writeImport(to, item, parts));
  list(3, own('function', parts.functions), (to, type) => to.u32(type));
  list(4, own('table', parts.tables), writeOwnTable);
  list(5, own('memory', parts.memories), writeLimits);
  list(13, own('tag', parts.tags), writeTag);
  list(6, own('global', parts.globals), (to, global) => {
    writeGlobalType(to, global);
    to.bytes(global.initial);
  });
  list(7, parts.exports, (to, item) => {
    to.name(item.name);
    to.byte(EXTERNAL_KINDS.indexOf(item.kind));
    to.u32(item.index);
  });
  section(8, parts.start !== undefined, (to) => to.u32(parts.start ?? 0));
  list(9, parts.elements, writeElements);
  section(12, code.dataCount, (to) => to.u32(parts.data.length));
  section(0, true, (to) => code.hints.encode(to));
}

function writeType(out: Writer, type: FunctionType): void {
  out.byte(0x60);
  for (const types of [type.parameters, type.results]) {
    out.u32(types.length);
    for (const valueType of types) out.byte(valueTypeByte(valueType));
  }
}

/** Flags as in the format: 1 has a maximum, 2 shared. */
function writeLimits(out: Writer, limits: Limits): void {
  out.byte((limits.maximum === undefined ? 0 : 1) | (limits.shared ? 2 : 0));
  out.u32(limits.minimum);
  if (limits.maximum !== undefined) out.u32(limits.maximum);
}

function writeTable(out: Writer, table: Table): void {
  out.byte(valueTypeByte(table.element));
  writeLimits(out, table);
}

function writeOwnTable(out: Writer, table: Table): void {
  if (table.initial !== undefined) {
    out.byte(0x40);
    out.byte(0x00);
  }
  writeTable(out, table);
  if (table.initial !== undefined) out.bytes(table.initial);
}

function writeTag(out: Writer, type: number): void {
  out.byte(0);
  out.u32(type);
}

function writeGlobalType(out: Writer, global: ModuleParts['globals'][number]): void {
  out.byte(valueTypeByte(global.type));
  out.byte(global.mutable ? 1 : 0);
}

function entry<T>(all: readonly T[], index: number): T {
  const found = all[index];
  if (found === undefined) throw new Error(`an import has no entry ${index}`);
  return found;
}

function writeImport(out: Writer, item: Import, parts: ModuleParts): void {
  out.name(item.module);
  out.name(item.name);
  out.byte(EXTERNAL_KINDS.indexOf(item.kind));
  switch (item.kind) {
    case 'function':
      out.u32(entry(parts.functions, item.index));
      return;
    case 'table':
      writeTable(out, entry(parts.tables, item.index));
      return;
    case 'memory':
      writeLimits(out, entry(parts.memories, item.index));
      return;
    case 'global':
      writeGlobalType(out, entry(parts.globals, item.index));
      return;
    case 'tag':
      writeTag(out, entry(parts.tags, item.index));
  }
}

function writeElements(out: Writer, segment: ElementSegment): void {
  const { flags } = segment;
  const active = (flags & 1) === 0;
  out.u32(flags);
  if (active && (flags & 2) !== 0) out.u32(segment.table);
  out.bytes(segment.place);
  if ((flags & 3) !== 0) out.byte((flags & 4) !== 0 ? valueTypeByte(segment.type) : 0);
  out.u32(segment.functions.length + segment.expressions.length);
  for (const index of segment.functions) out.u32(index);
  for (const expression of segment.expressions) out.bytes(expression);
}

function writeData(out: Writer, segment: DataSegment): void {
  if (segment.place === undefined) {
    out.u32(1);
  } else {
    out.u32(segment.memory === 0 ? 0 : 2);
    if (segment.memory !== 0) out.u32(segment.memory);
    out.bytes(segment.place);
  }
  out.u32(segment.content.length);
  out.bytes(segment.content);
}
