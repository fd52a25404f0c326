import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  accessOf,
  IMMEDIATE_BYTE,
  IMMEDIATE_F32,
  IMMEDIATE_F64,
  IMMEDIATE_I32,
  IMMEDIATE_I64,
  IMMEDIATE_NONE,
  IMMEDIATE_REFUSED,
  IMMEDIATE_TYPES,
  IMMEDIATE_UNKNOWN,
  IMMEDIATE_V128,
  immediates,
  OPCODE_COUNT,
  opcodeName,
} from './opcodes.ts';
import { NOT_PLAIN, operandCounts, resultCounts } from './stack-effects.ts';
import { functionBody, functionType, moduleBytes, opcodeBytes, section, vector } from './testing-modules.ts';
import type { ValueType } from './types.ts';

const TYPES: readonly ValueType[] = ['i32', 'i64', 'f32', 'f64', 'v128'];
/** Instructions that are about other things than numbers, with their immediates and types. */
const OTHERS: Readonly<Record<string, readonly [operands: ValueType[], immediates: number[], result: ValueType]>> = {
  'ref.null': [[], [0x70], 'funcref'],
  'ref.func': [[], [0], 'funcref'],
  'ref.is_null': [['funcref'], [], 'i32'],
  'global.get': [[], [0], 'i64'],
  'table.get': [['i32'], [0], 'funcref'],
  'table.size': [[], [0], 'i32'],
};

function immediateBytes(opcode: number): number[] {
  switch (immediates[opcode]) {
    case IMMEDIATE_NONE:
      return [];
    case IMMEDIATE_BYTE:
    case IMMEDIATE_I32:
    case IMMEDIATE_I64:
      return [0];
    case IMMEDIATE_TYPES:
      return [1, 0x7f];
    case IMMEDIATE_F32:
      return new Array<number>(4).fill(0);
    case IMMEDIATE_F64:
      return new Array<number>(8).fill(0);
    case IMMEDIATE_V128:
      return new Array<number>(16).fill(0);
    default:
      throw new Error(`${opcodeName(opcode)} is not tested`);
  }
}

/** Whether V8 takes the instruction for one that makes just this result of just these operands. */
function isValid(
  opcode: number,
  bytes: readonly number[],
  operands: readonly ValueType[],
  result?: ValueType,
): boolean {
  const type = { parameters: operands, results: result === undefined ? [] : [result] };
  const get = operands.flatMap((_, i) => [0x20, i]);
  return WebAssembly.validate(
    moduleBytes(
      section(1, vector([functionType(type)])),
      section(3, vector([[0]])),
      section(4, vector([[0x70, 0, 1]])),
      section(6, vector([[0x7e, 0, 0x42, 0, 0x0b]])),
      section(9, vector([[3, 0, 1, 0]])),
      section(10, vector([functionBody([], [...get, ...opcodeBytes(opcode), ...bytes])])),
    ),
  );
}

function* combinations(length: number): Generator<ValueType[]> {
  if (length === 0) yield [];
  else for (const first of TYPES) for (const rest of combinations(length - 1)) yield [first, ...rest];
}

/** Numbers of operands and results, as V8 says; undefined when it takes none up to three operands. */
function effectByV8(opcode: number, name: string): readonly [operands: number, results: number] | undefined {
  const other = OTHERS[name];
  if (other !== undefined) {
    assert.ok(isValid(opcode, other[1], other[0], other[2]), name);
    return [other[0].length, 1];
  }
  const bytes = immediateBytes(opcode);
  for (let count = 0; count <= 3; count += 1) {
    for (const operands of combinations(count)) {
      if (isValid(opcode, bytes, operands)) return [count, 0];
      for (const result of TYPES) if (isValid(opcode, bytes, operands, result)) return [count, 1];
    }
  }
  return undefined;
}

test('plain instructions take and leave what V8 says', () => {
  let plain = 0;
  for (let opcode = 0; opcode < OPCODE_COUNT; opcode += 1) {
    const name = opcodeName(opcode);
    if (operandCounts[opcode] === NOT_PLAIN || name === undefined) continue;
    plain += 1;
    assert.deepEqual(effectByV8(opcode, name), [operandCounts[opcode], resultCounts[opcode]], name);
  }
  assert.ok(plain > 380, `${plain} plain instructions`);
});

test('what is not plain is known to do more', () => {
  const others: string[] = [];
  for (let opcode = 0; opcode < OPCODE_COUNT; opcode += 1) {
    const kind = immediates[opcode];
    if (operandCounts[opcode] !== NOT_PLAIN || kind === IMMEDIATE_UNKNOWN || kind === IMMEDIATE_REFUSED) continue;
    if (accessOf(opcode) === undefined) others.push(opcodeName(opcode) ?? '');
  }
  const expected = `unreachable block loop if else try catch throw rethrow throw_ref end br br_if br_table return call
    call_indirect return_call return_call_indirect delegate catch_all try_table local.get local.set local.tee global.set
    table.set memory.size memory.grow memory.init data.drop memory.copy memory.fill table.init elem.drop table.copy
    table.grow table.fill`;
  assert.deepEqual(others, expected.split(/\s+/));
});
