/** An expression as a flat list of instructions, fast to make and to walk; the list is reused from body to body. */

import { malformed, unsupported } from './errors.ts';
import {
  IMMEDIATE_BLOCK,
  IMMEDIATE_BYTE,
  IMMEDIATE_F32,
  IMMEDIATE_F64,
  IMMEDIATE_I32,
  IMMEDIATE_I64,
  IMMEDIATE_INDEX,
  IMMEDIATE_INDEX_PAIR,
  IMMEDIATE_LABELS,
  IMMEDIATE_MEMORY,
  IMMEDIATE_MEMORY_LANE,
  IMMEDIATE_NONE,
  IMMEDIATE_REFERENCE_TYPE,
  IMMEDIATE_REFUSED,
  IMMEDIATE_TRY_TABLE,
  IMMEDIATE_TYPES,
  IMMEDIATE_UNKNOWN,
  IMMEDIATE_V128,
  immediates,
  OP_BLOCK,
  OP_DELEGATE,
  OP_END,
  OP_IF,
  OP_LOOP,
  OP_TRY,
  OP_TRY_TABLE,
  OPCODE_COUNT,
  opcodeName,
  PREFIX_GC,
  prefixedOpcode,
  refusalReason,
} from './opcodes.ts';
import type { Reader } from './reader.ts';
import { readReferenceType, readValueType } from './value-types.ts';

/** Words of one instruction in the list. The first is the dense number of opcodes.ts. */
export const WORDS = 4;
/** Where it begins in the module; it ends where the next one begins. */
export const WORD_OFFSET = 1;
/** Its immediates a and b, see opcodes.ts. */
export const WORD_A = 2;
export const WORD_B = 3;

export class InstructionList {
  /** `count` instructions of WORDS words, then the offset behind the last one as the offset of one more. */
  words = new Int32Array(1024 * WORDS);
  count = 0;

  /** Room for one more. Returns the new `words`. */
  grow(): Int32Array<ArrayBuffer> {
    const words = new Int32Array(2 * this.words.length);
    words.set(this.words);
    this.words = words;
    return words;
  }
}

/** `where` describes the function, for messages. */
export interface ExpressionContext {
  readonly typeCount: number;
  readonly where: () => string;
}

/** What an instruction does to the depth of blocks: 1, 0 or -1. */
const depthChanges = new Int8Array(OPCODE_COUNT);
for (const opcode of [OP_BLOCK, OP_LOOP, OP_IF, OP_TRY, OP_TRY_TABLE]) depthChanges[opcode] = 1;
for (const opcode of [OP_END, OP_DELEGATE]) depthChanges[opcode] = -1;

/** Decodes instructions up to and including the `end` that closes the expression. */
export function decodeExpression(reader: Reader, list: InstructionList, context: ExpressionContext): void {
  const { bytes, end } = reader;
  let { words } = list;
  let position = reader.position;
  let at = 0;
  let depth = 1;
  while (depth > 0) {
    if (at + 2 * WORDS > words.length) words = list.grow();
    const start = position;
    if (position >= end) throw malformed('unexpected end', position);
    let opcode = bytes[position++] as number; // within bounds: end <= bytes.length
    if (opcode >= PREFIX_GC) {
      reader.position = position;
      opcode = readPrefixed(reader, opcode, context);
      position = reader.position;
    }
    words[at + WORD_OFFSET] = start;
    words[at] = opcode;
    const kind = immediates[opcode] as number; // as is every opcode
    if (kind !== IMMEDIATE_NONE) {
      // Nearly all immediates take one byte or two, and bodies have three bytes behind them or end here.
      const first = bytes[position] as number;
      const second = bytes[position + 1] as number;
      const isIndex = kind === IMMEDIATE_INDEX;
      if ((isIndex || kind === IMMEDIATE_I32) && position + 2 < end && (first & second) < 0x80) {
        const isShort = first < 0x80;
        const value = isShort ? first : (first & 0x7f) | (second << 7);
        const unused = isShort ? 25 : 18;
        words[at + WORD_A] = isIndex ? value : (value << unused) >> unused;
        position += isShort ? 1 : 2;
      } else if (
        kind === IMMEDIATE_MEMORY &&
        position + 3 < end &&
        first < 0x40 &&
        (second & (bytes[position + 2] as number)) < 0x80
      ) {
        words[at + WORD_A] = second < 0x80 ? second : (second & 0x7f) | ((bytes[position + 2] as number) << 7);
        words[at + WORD_B] = first;
        position += second < 0x80 ? 2 : 3;
      } else {
        reader.position = position;
        readImmediates(reader, opcode, words, at, context);
        position = reader.position;
      }
    }
    at += WORDS;
    depth += depthChanges[opcode] as number; // an opcode is inside the table
  }
  reader.position = position;
  words[at + WORD_OFFSET] = position;
  list.count = at / WORDS;
}

function readPrefixed(reader: Reader, prefix: number, context: ExpressionContext): number {
  const start = reader.position - 1;
  const sub = reader.u32();
  const opcode = prefixedOpcode(prefix, sub);
  if (opcode < 0) {
    throw unsupported(`unknown instruction 0x${prefix.toString(16)} 0x${sub.toString(16)}`, start, context.where());
  }
  return opcode;
}

function readImmediates(
  reader: Reader,
  opcode: number,
  words: Int32Array,
  at: number,
  context: ExpressionContext,
): void {
  switch (immediates[opcode]) {
    case IMMEDIATE_NONE:
      return;
    case IMMEDIATE_INDEX:
      words[at + WORD_A] = reader.u32();
      return;
    case IMMEDIATE_MEMORY: {
      const alignment = readAlignment(reader, context);
      words[at + WORD_A] = reader.u32();
      words[at + WORD_B] = alignment;
      return;
    }
    case IMMEDIATE_I32:
      words[at + WORD_A] = reader.s32();
      return;
    case IMMEDIATE_BLOCK:
      words[at + WORD_A] = readBlockType(reader, context);
      return;
    case IMMEDIATE_I64: {
      const start = reader.position;
      reader.skipSigned(64);
      words[at + WORD_A] = ((reader.bytes[start] as number) << 25) >> 25; // skipped just now
      words[at + WORD_B] = reader.position - start;
      return;
    }
    case IMMEDIATE_F32:
      reader.skip(4);
      return;
    case IMMEDIATE_F64:
      reader.skip(8);
      return;
    case IMMEDIATE_V128:
      reader.skip(16);
      return;
    default:
      readRareImmediates(reader, opcode, words, at, context);
  }
}

function readRareImmediates(
  reader: Reader,
  opcode: number,
  words: Int32Array,
  at: number,
  context: ExpressionContext,
): void {
  switch (immediates[opcode]) {
    case IMMEDIATE_INDEX_PAIR:
      words[at + WORD_A] = reader.u32();
      words[at + WORD_B] = reader.u32();
      return;
    case IMMEDIATE_MEMORY_LANE: {
      const alignment = readAlignment(reader, context);
      words[at + WORD_A] = reader.u32();
      words[at + WORD_B] = alignment | (reader.byte() << 8);
      return;
    }
    case IMMEDIATE_BYTE:
      words[at + WORD_A] = reader.byte();
      return;
    case IMMEDIATE_REFERENCE_TYPE:
      words[at + WORD_A] = readReferenceType(reader, context.where);
      return;
    case IMMEDIATE_TYPES:
      for (let rest = reader.u32(); rest > 0; rest -= 1) readValueType(reader, context.where);
      return;
    case IMMEDIATE_LABELS:
      for (let rest = reader.u32(); rest > 0; rest -= 1) reader.u32();
      reader.u32();
      return;
    case IMMEDIATE_TRY_TABLE:
      words[at + WORD_A] = readBlockType(reader, context);
      readCatchClauses(reader);
      return;
    default:
      throw refusedInstruction(opcode, words[at + WORD_OFFSET] ?? 0, context);
  }
}

function refusedInstruction(opcode: number, start: number, context: ExpressionContext): Error {
  const name = opcodeName(opcode);
  if (immediates[opcode] === IMMEDIATE_REFUSED) {
    return unsupported(`${name} (${refusalReason(opcode)})`, start, context.where());
  }
  if (immediates[opcode] !== IMMEDIATE_UNKNOWN) throw new Error(`no decoder for the immediates of ${name}`);
  return unsupported(`unknown instruction 0x${opcode.toString(16)}`, start, context.where());
}

/** The alignment (log2). Bit 6 says that a memory index follows, which must be 0: more memories are refused anyway. */
function readAlignment(reader: Reader, context: ExpressionContext): number {
  const start = reader.position;
  const flags = reader.u32();
  if (flags >= 0x80) throw malformed('an alignment is too large', start);
  if ((flags & 0x40) !== 0 && reader.u32() !== 0) throw unsupported('more than one memory', start, context.where());
  return flags & 0x3f;
}

/** Block types that are no index: no result, and one result of a value type. */
export const BLOCK_TYPE_EMPTY = -1;
export const BLOCK_TYPE_VALUE = -2;

function readBlockType(reader: Reader, context: ExpressionContext): number {
  const start = reader.position;
  const first = reader.byte();
  if (first === 0x40) return BLOCK_TYPE_EMPTY;
  reader.position = start;
  // Single bytes with the sign bit are value types, all others are type indices.
  if (first >= 0x40 && first < 0x80) {
    readValueType(reader, context.where);
    return BLOCK_TYPE_VALUE;
  }
  const index = reader.s32();
  if (index < 0 || index >= context.typeCount) throw malformed('a block type does not exist', start);
  return index;
}

/** Clauses: 0 catch and 1 catch_ref have a tag and a label, 2 catch_all and 3 catch_all_ref a label. */
function readCatchClauses(reader: Reader): void {
  for (let rest = reader.u32(); rest > 0; rest -= 1) {
    const kind = reader.byte();
    if (kind > 3) throw malformed('an unknown catch clause', reader.position - 1);
    if (kind < 2) reader.u32();
    reader.u32();
  }
}
