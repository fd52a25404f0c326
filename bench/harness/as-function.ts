/**
 * Makes any module one that the worker server takes, with all of its code: host functions that it imports become
 * functions of its own that trap, and it gets a `handle` that returns 0. So real modules can be deployed for measuring,
 * though not invoked for what they do.
 */
import { Reader } from '../../src/guard/reader.ts';

const SECTION_TYPE = 1;
const SECTION_IMPORT = 2;
const SECTION_FUNCTION = 3;
const SECTION_EXPORT = 7;
const SECTION_CODE = 10;
const IMPORT_FUNCTION = 0;
const IMPORT_MEMORY = 2;
const HEADER_SIZE = 8;

/** (i32, i32) → i32 */
const HANDLE_TYPE = [0x60, 2, 0x7f, 0x7f, 1, 0x7f];
/** No locals; unreachable. */
const TRAP_BODY = [3, 0, 0x00, 0x0b];
/** No locals; i32.const 0. */
const HANDLE_BODY = [4, 0, 0x41, 0, 0x0b];
/** A further export of `handle`, whose name `distinguish` changes. */
const TAG = 'tag-00000000';

interface Section {
  readonly id: number;
  readonly content: Uint8Array;
}

function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

function concat(parts: readonly ArrayLike<number>[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

function readSections(bytes: Uint8Array): Section[] {
  const reader = new Reader(bytes, HEADER_SIZE, bytes.length);
  const sections: Section[] = [];
  while (!reader.atEnd) sections.push({ id: reader.byte(), content: reader.take(reader.u32()) });
  return sections;
}

/** The section with more entries at its start and end. */
function extend(content: Uint8Array, before: readonly number[][], after: readonly number[][]): Uint8Array {
  const reader = new Reader(content, 0, content.length);
  const count = reader.u32() + before.length + after.length;
  return concat([leb(count), before.flat(), content.subarray(reader.position), after.flat()]);
}

function entryCount(content: Uint8Array): number {
  return new Reader(content, 0, content.length).u32();
}

/** Splits the imports into the type indices of functions, and the entry of the memory as it is. */
function readImports(content: Uint8Array): { readonly types: number[]; readonly memories: Uint8Array[] } {
  const reader = new Reader(content, 0, content.length);
  const types: number[] = [];
  const memories: Uint8Array[] = [];
  for (let remaining = reader.u32(); remaining > 0; remaining--) {
    const start = reader.position;
    reader.name();
    reader.name();
    const kind = reader.byte();
    if (kind === IMPORT_FUNCTION) types.push(reader.u32());
    else if (kind === IMPORT_MEMORY) {
      const hasMaximum = (reader.byte() & 1) === 1;
      reader.u32();
      if (hasMaximum) reader.u32();
      memories.push(content.subarray(start, reader.position));
    } else throw new RangeError(`an import of kind ${kind} is nothing that this can handle`);
  }
  return { types, memories };
}

function exportEntry(name: string, functionIndex: number): number[] {
  return [...leb(name.length), ...Buffer.from(name), 0, ...leb(functionIndex)];
}

/**
 * The module must have types, functions, exports and code. Functions keep their indices, since imported ones come first
 * and their replacements do too.
 */
export function asFunction(bytes: Uint8Array): Uint8Array {
  const sections = readSections(bytes);
  const find = (id: number): Uint8Array | undefined => sections.find((section) => section.id === id)?.content;
  const typeCount = entryCount(find(SECTION_TYPE) ?? new Uint8Array(1));
  const { types, memories } = readImports(find(SECTION_IMPORT) ?? new Uint8Array(1));
  const handle = types.length + entryCount(find(SECTION_FUNCTION) ?? new Uint8Array(1));
  const change = ({ id, content }: Section): Uint8Array => {
    switch (id) {
      case SECTION_TYPE:
        return extend(content, [], [HANDLE_TYPE]);
      case SECTION_IMPORT:
        return concat([leb(memories.length), ...memories]);
      case SECTION_FUNCTION:
        return extend(content, types.map(leb), [leb(typeCount)]);
      case SECTION_EXPORT:
        return extend(content, [], [exportEntry('handle', handle), exportEntry(TAG, handle)]);
      case SECTION_CODE:
        return extend(
          content,
          types.map(() => TRAP_BODY),
          [HANDLE_BODY],
        );
      default:
        return content;
    }
  };
  const parts = sections.flatMap((section) => {
    const content = change(section);
    return [[section.id, ...leb(content.length)], content];
  });
  return concat([bytes.subarray(0, HEADER_SIZE), ...parts]);
}

/**
 * A copy of a module made by `asFunction` that differs from all others: V8 keeps what it compiled, and would find the
 * same bytes again. Numbers below 10^8.
 */
export function distinguish(bytes: Uint8Array, number: number): Uint8Array {
  const copy = Buffer.from(bytes);
  copy.write(`tag-${String(number).padStart(8, '0')}`, copy.indexOf(TAG));
  return copy;
}
