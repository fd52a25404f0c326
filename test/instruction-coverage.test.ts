/**
 * No instruction that touches memory, globals or tables gets past the guard unseen: every encoding that V8 accepts is
 * tried, with its default features.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JordError } from '../src/errors.ts';
import { guardModule } from '../src/guard/guard.ts';
import { accessOf, OPCODE_COUNT, opcodeName, prefixedOpcode } from '../src/guard/opcodes.ts';
import { BULK_FORMS, MEMORY_FORMS } from './memory-forms.ts';

test("the guard's table has each memory instruction, with its size and direction", () => {
  const known = new Map<string, { sizeBytes: number; access: string; kind: string; operands: readonly string[] }>();
  for (let opcode = 0; opcode < OPCODE_COUNT; opcode++) {
    const access = accessOf(opcode);
    if (access === undefined) continue;
    const { sizeBytes, write, kind, operands } = access;
    known.set(opcodeName(opcode) ?? '', { sizeBytes, access: write ? 'write' : 'read', kind, operands });
  }
  const expected = MEMORY_FORMS.map(({ name, sizeBytes, access, kind, operands }) => {
    return [name, { sizeBytes, access, kind, operands: [...operands] }] as const;
  });
  assert.deepEqual(new Map([...known].sort()), new Map(expected.sort(([a], [b]) => (a < b ? -1 : 1))));
});

/** Immediates to try, in bytes. Memory arguments come with each alignment, since atomics take only their own. */
const IMMEDIATES: readonly (readonly number[])[] = [
  [],
  [0],
  [0, 0],
  ...[0, 1, 2, 3, 4].map((alignment) => [alignment, 0]),
  ...[0, 1, 2, 3].map((alignment) => [alignment, 0, 0]),
  // Bit 6 of the alignment: the index of the memory follows.
  ...[0, 1, 2, 3, 4].map((alignment) => [alignment | 0x40, 0, 0]),
  ...[0, 1, 2, 3].map((alignment) => [alignment | 0x40, 0, 0, 0]),
  new Array<number>(16).fill(0),
];

interface Encoding {
  readonly prefix: number;
  readonly sub: number;
  readonly bytes: readonly number[];
}

function* encodings(): Generator<Encoding> {
  for (let byte = 0; byte < 0xfb; byte++) {
    // block, loop, if, else, try, catch, end, delegate, catch_all, try_table: structure, not instructions of their own.
    if ([0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0b, 0x18, 0x19, 0x1f].includes(byte)) continue;
    yield { prefix: 0, sub: byte, bytes: [byte] };
  }
  for (let prefix = 0xfb; prefix <= 0xff; prefix++) {
    for (let sub = 0; sub < 0x300; sub++) yield { prefix, sub, bytes: [prefix, ...leb(sub)] };
  }
}

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

function section(id: number, ...content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

interface Parts {
  readonly memory: boolean;
  readonly globals: boolean;
  readonly table: boolean;
}

const ALL: Parts = { memory: true, globals: true, table: true };

/** `unreachable, instruction, unreachable`: then operands and results may be anything. */
function moduleOf(instruction: readonly number[], parts: Parts): Uint8Array<ArrayBuffer> {
  const body = [0x00, 0x00, ...instruction, 0x00, 0x0b];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, 1, 0x60, 0, 0),
    ...section(3, 1, 0),
    ...(parts.table ? section(4, 1, 0x70, 0, 1) : []),
    ...(parts.memory ? section(5, 1, 3, 1, 1) : []),
    ...(parts.globals ? section(6, 1, 0x7f, 1, 0x41, 0, 0x0b) : []),
    ...(parts.table ? section(9, 1, 1, 0, 1, 0) : []),
    ...section(12, 1),
    ...section(10, 1, ...leb(body.length), ...body),
    ...section(11, 1, 1, 1, 0x78),
  ]);
}

/** The instructions of an encoding that V8 accepts, one for each of the immediates that fit. */
function accepted(encoding: Encoding): readonly (readonly number[])[] {
  const valid = (bytes: readonly number[]): boolean => WebAssembly.validate(moduleOf(bytes, ALL));
  // One without immediates: what is put behind it would be instructions of their own.
  if (valid(encoding.bytes)) return [encoding.bytes];
  return IMMEDIATES.map((immediates) => [...encoding.bytes, ...immediates]).filter(valid);
}

const ACCEPTED = [...encodings()].map((encoding) => ({ ...encoding, forms: accepted(encoding) }));

/** Names of the instructions that are valid with a part of a module and not without it. */
function dependentOn(part: keyof Parts): readonly string[] {
  const names = new Set<string>();
  for (const { prefix, sub, forms } of ACCEPTED) {
    if (forms.every((bytes) => WebAssembly.validate(moduleOf(bytes, { ...ALL, [part]: false })))) continue;
    const opcode = prefix === 0 ? sub : prefixedOpcode(prefix, sub);
    names.add(
      (opcode < 0 ? undefined : opcodeName(opcode)) ?? `unknown 0x${prefix.toString(16)} 0x${sub.toString(16)}`,
    );
  }
  return [...names].sort();
}

test('V8 has no other instruction that touches memory', () => {
  const expected = [...MEMORY_FORMS.map(({ name }) => name), ...BULK_FORMS, 'memory.size', 'memory.grow'];
  assert.deepEqual(dependentOn('memory'), expected.sort());
});

test('V8 has no other instruction that touches globals or tables', () => {
  assert.deepEqual(dependentOn('globals'), ['global.get', 'global.set']);
  const changing = ['table.copy', 'table.fill', 'table.grow', 'table.init', 'table.set'];
  const harmless = ['call_indirect', 'elem.drop', 'ref.func', 'return_call_indirect', 'table.get', 'table.size'];
  assert.deepEqual(dependentOn('table'), [...changing, ...harmless].sort());
});

test('what V8 accepts is guarded to a valid module or refused with an error of the table', () => {
  const counts = { guarded: 0, refused: 0 };
  for (const { bytes, forms } of ACCEPTED) {
    for (const form of forms) {
      try {
        const guarded = guardModule(moduleOf(form, ALL), { imports: new Map() });
        assert.ok(WebAssembly.validate(Uint8Array.from(guarded.bytes)), `${form}`);
        counts.guarded++;
      } catch (error) {
        assert.ok(error instanceof JordError && error.code === 'MODULE_UNSUPPORTED', `${bytes}: ${error}`);
        counts.refused++;
      }
    }
  }
  assert.ok(counts.guarded > 500 && counts.refused > 10, JSON.stringify(counts));
});
