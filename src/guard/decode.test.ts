import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { HintWriter } from './branch-hints.ts';
import { decodeModule } from './decode.ts';
import { codeWriter, encodeModule, moduleWriter } from './encode.ts';
import { decodeExpression, InstructionList, WORD_A, WORD_B, WORD_OFFSET, WORDS } from './instructions.ts';
import type { Module } from './module.ts';
import {
  IMMEDIATE_BYTE,
  IMMEDIATE_I32,
  IMMEDIATE_INDEX,
  IMMEDIATE_INDEX_PAIR,
  IMMEDIATE_MEMORY,
  IMMEDIATE_MEMORY_LANE,
  IMMEDIATE_NONE,
  IMMEDIATE_REFERENCE_TYPE,
  immediates,
  OPCODE_COUNT,
  opcodeName,
  opcodeNamed,
  opcodeParts,
  prefixedOpcode,
} from './opcodes.ts';
import { Reader } from './reader.ts';
import { opcodeBytes, signed, text, unsigned } from './testing-modules.ts';
import { Writer } from './writer.ts';

const SUITE = new URL('../../../shared/spec-testsuite/', import.meta.url);

/** An instruction from its words alone where they say everything, otherwise its bytes. */
function encodeInstruction(bytes: Uint8Array, words: Int32Array, at: number): number[] {
  const opcode = words[at] ?? -1;
  const [a, b] = [words[at + WORD_A] ?? 0, words[at + WORD_B] ?? 0];
  const head = opcodeBytes(opcode);
  switch (immediates[opcode]) {
    case IMMEDIATE_NONE:
      return head;
    case IMMEDIATE_INDEX:
      return [...head, ...unsigned(a >>> 0)];
    case IMMEDIATE_INDEX_PAIR:
      return [...head, ...unsigned(a >>> 0), ...unsigned(b >>> 0)];
    case IMMEDIATE_MEMORY:
      return [...head, ...unsigned(b), ...unsigned(a >>> 0)];
    case IMMEDIATE_MEMORY_LANE:
      return [...head, ...unsigned(b & 0xff), ...unsigned(a >>> 0), b >> 8];
    case IMMEDIATE_BYTE:
    case IMMEDIATE_REFERENCE_TYPE:
      return [...head, a];
    case IMMEDIATE_I32:
      return [...head, ...signed(a)];
    default:
      return [...bytes.subarray(words[at + WORD_OFFSET] ?? 0, words[at + WORDS + WORD_OFFSET] ?? 0)];
  }
}

/** Decodes and encodes all of a module again, instruction by instruction. */
function reencode(module: Module): Uint8Array<ArrayBuffer> {
  const { bodies, gap } = codeWriter(64);
  const list = new InstructionList();
  for (const { start, end } of module.bodies) {
    const reader = new Reader(module.bytes, start, end);
    for (let rest = reader.u32(); rest > 0; rest -= 1) {
      reader.u32();
      reader.byte();
    }
    const body = [...module.bytes.subarray(start, reader.position)];
    decodeExpression(reader, list, { typeCount: module.types.length, where: () => 'the test' });
    assert.ok(reader.atEnd);
    for (let at = 0; at < list.count * WORDS; at += WORDS)
      body.push(...encodeInstruction(module.bytes, list.words, at));
    bodies.u32(body.length);
    bodies.bytes(Uint8Array.from(body));
  }
  const hints = new HintWriter(moduleWriter(64));
  const names = { module: undefined, functions: new Map<number, string>() };
  const code = { count: module.bodies.length, bodies, gap, hints, dataCount: module.hasDataCount };
  return encodeModule({ ...module, names }, code);
}

/** A module without its custom sections. */
function withoutCustom(bytes: Uint8Array): number[] {
  const reader = new Reader(bytes, 8, bytes.length);
  const kept = [...bytes.subarray(0, 8)];
  while (!reader.atEnd) {
    const start = reader.position;
    const id = reader.byte();
    reader.skip(reader.u32());
    if (id !== 0) kept.push(...bytes.subarray(start, reader.position));
  }
  return kept;
}

/** What a module says, without where its parts are. */
function meaning(module: Module): unknown {
  return JSON.parse(
    JSON.stringify(module, (key, value: unknown) => {
      if (['offset', 'bytes', 'bodies', 'names', 'branchHints', 'flags'].includes(key)) return undefined;
      return value;
    }),
  );
}

test('decode and encode give every module of the specification’s tests back', (context) => {
  if (!existsSync(SUITE)) {
    context.skip('../shared/spec-testsuite is not there');
    return;
  }
  let same = 0;
  let otherwiseEncoded = 0;
  let refused = 0;
  for (const file of readdirSync(SUITE).filter((name) => name.endsWith('.wasm'))) {
    const bytes = new Uint8Array(readFileSync(new URL(file, SUITE)));
    if (!WebAssembly.validate(bytes)) continue;
    try {
      const module = decodeModule(bytes);
      const again = reencode(module);
      if (Buffer.compare(Buffer.from(withoutCustom(bytes)), again) === 0) {
        same += 1;
        continue;
      }
      otherwiseEncoded += 1;
      assert.ok(WebAssembly.validate(again), file);
      assert.deepEqual(meaning(decodeModule(again)), meaning(module), file);
      assert.deepEqual(reencode(decodeModule(again)), again, file);
    } catch (error) {
      if (!(error instanceof Error && error.name === 'JordError')) throw new Error(file, { cause: error });
      refused += 1;
    }
  }
  context.diagnostic(`${same} the same, ${otherwiseEncoded} with longer numbers than needed, ${refused} refused`);
  assert.ok(same > 1000);
  assert.ok(otherwiseEncoded < 60);
  assert.ok(refused < 30);
});

test('numbers: the shortest and the longest encodings, and what is too long', () => {
  const read = <T>(bytes: number[], how: (reader: Reader) => T): T => {
    const reader = new Reader(Uint8Array.from(bytes), 0, bytes.length);
    const value = how(reader);
    assert.ok(reader.atEnd);
    return value;
  };
  for (const value of [0, 1, 127, 128, 16383, 16384, 2 ** 31, 2 ** 32 - 1]) {
    assert.equal(
      read(unsigned(value), (r) => r.u32()),
      value,
    );
  }
  assert.equal(
    read([0x80, 0x80, 0x80, 0x80, 0x00], (r) => r.u32()),
    0,
  );
  assert.throws(() => read([0x80, 0x80, 0x80, 0x80, 0x10], (r) => r.u32()), /too long/);
  assert.throws(() => read([0x80, 0x80, 0x80, 0x80, 0x80, 0x00], (r) => r.u32()), /too long/);
  assert.throws(() => read([0x80], (r) => r.u32()), /unexpected end/);
  for (const value of [0, 1, -1, 63, 64, -64, -65, 2 ** 31 - 1, -(2 ** 31)]) {
    assert.equal(
      read(signed(value), (r) => r.s32()),
      value,
    );
  }
  assert.equal(
    read([0xff, 0xff, 0xff, 0xff, 0x7f], (r) => r.s32()),
    -1,
  );
  assert.throws(() => read([0xff, 0xff, 0xff, 0xff, 0x0f], (r) => r.s32()), /too long/);
  assert.throws(() => read([0x80, 0x80, 0x80, 0x80, 0x40], (r) => r.s32()), /too long/);
  assert.throws(() => read([...text('x'), 0xff].slice(0, 1), (r) => r.name()), /unexpected end/);
  assert.throws(() => read([1, 0xff], (r) => r.name()), /UTF-8/);
  assert.throws(() => new Reader(new Uint8Array(4), 2, 9), /ends behind/);
});

test('a writer writes what a reader reads, up to its limit', () => {
  const writer = new Writer(1, 64, () => new RangeError('full'));
  const values = [0, 127, 128, 2 ** 31, 2 ** 32 - 1];
  for (const value of values) writer.u32(value);
  for (const value of values) writer.s32(value);
  const reader = new Reader(writer.written, 0, writer.length);
  for (const value of values) assert.equal(reader.u32(), value);
  for (const value of values) assert.equal(reader.s32(), value | 0);
  assert.throws(() => writer.bytes(new Uint8Array(64)), /full/);
});

test('the table of instructions is consistent', () => {
  for (let opcode = 0; opcode < OPCODE_COUNT; opcode += 1) {
    const [prefix, sub] = opcodeParts(opcode);
    assert.equal(prefix === 0 ? sub : prefixedOpcode(prefix, sub), opcode);
    assert.equal(opcodeName(opcode) === undefined, immediates[opcode] === 0);
  }
  assert.equal(prefixedOpcode(0xfd, 0x200), -1);
  assert.equal(prefixedOpcode(0xfc, 0xffff_ffff), -1);
  for (const [name, byte] of [
    ['i32.lt_u', 0x49],
    ['i64.ge_u', 0x5a],
    ['f64.ge', 0x66],
    ['i32.rotr', 0x78],
    ['i64.rotr', 0x8a],
    ['f32.copysign', 0x98],
    ['f64.copysign', 0xa6],
    ['i64.trunc_f64_u', 0xb1],
    ['f64.promote_f32', 0xbb],
    ['i64.extend32_s', 0xc4],
    ['i64.trunc_sat_f64_u', prefixedOpcode(0xfc, 7)],
    ['table.fill', prefixedOpcode(0xfc, 17)],
    ['v128.any_true', prefixedOpcode(0xfd, 0x53)],
    ['i8x16.avgr_u', prefixedOpcode(0xfd, 0x7b)],
    ['f64x2.trunc', prefixedOpcode(0xfd, 0x7a)],
    ['i16x8.extmul_high_i8x16_u', prefixedOpcode(0xfd, 0x9f)],
    ['i32x4.extmul_high_i16x8_u', prefixedOpcode(0xfd, 0xbf)],
    ['i64x2.extmul_high_i32x4_u', prefixedOpcode(0xfd, 0xdf)],
    ['f64x2.pmax', prefixedOpcode(0xfd, 0xf7)],
    ['f64x2.convert_low_i32x4_u', prefixedOpcode(0xfd, 0xff)],
    ['i32x4.relaxed_dot_i8x16_i7x16_add_s', prefixedOpcode(0xfd, 0x113)],
    ['i64.atomic.rmw32.cmpxchg_u', prefixedOpcode(0xfe, 0x4e)],
  ] as const) {
    assert.equal(opcodeNamed(name), byte, name);
  }
});
