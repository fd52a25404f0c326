/**
 * The piece of code that the guard emits over and over: the translation of a pointer to an address, with the mark of a write or
 * without. It is most of a guarded module, so it is recognised as bytes, before it is decoded, and what it does is known. Only
 * speed is won by that: interpreting it proves the same, and that is what happens to code that differs from it in any byte. A
 * test compares the two.
 */
import {
  HOME_LAST_READ_LENGTH,
  HOME_LAST_READ_START,
  HOME_LAST_WRITE_LENGTH,
  HOME_LAST_WRITE_START,
} from '../../core/layout.ts';
import type { Pieces } from './instructions.ts';
import { accessOf, OP_I32_CONST, OP_LOCAL_TEE, OPCODE_COUNT, opcodeNamed, opcodeParts } from './opcodes.ts';
import type { HomeLayout } from './types.ts';
import { CHECK_READ, CHECK_WRITE } from './verify-canonical.ts';

/**
 * From a pointer on the stack to an address: for reading; for writing, with a mark of the pointer; and with a mark of the pointer
 * and the offset. Uses local $pointer.
 */
export const PIECE_READ = 0;
const PIECE_WRITE = 1;
export const PIECE_WRITE_FAR = 2;

// Slots: numbers that differ from piece to piece.
export const SLOT_POINTER = 0;
export const SLOT_SIZE = 1;
/** The pointer is in the home if it is below this. */
export const SLOT_LIMIT = 2;
/** Offset that is checked. */
export const SLOT_OFFSET = 3;
/** What is taken from the address that was checked. */
export const SLOT_BACK = 4;
const SLOT_CODE = 5;
const SLOT_FUNCTION = 6;
const SLOT_BASE = 7;
const SLOT_COUNT = 8;
const SLOT_NAMES = ['pointer', 'size', 'limit', 'offset', 'back', 'code', 'function', 'base'];

/** Not known yet. */
const EMPTY = -0x8000_0000;
/** Tokens from here on are slots, written as unsigned or signed numbers; below they are bytes. */
const TOKEN_UNSIGNED = 0x100;
const TOKEN_SIGNED = 0x200;

interface Template {
  readonly piece: number;
  readonly tokens: Int16Array;
}

const check = (write: boolean): string => `
  local.get $pointer; local.get $base; i32.load ${write ? HOME_LAST_WRITE_START : HOME_LAST_READ_START}; i32.sub
  i64.extend_i32_u; i64.const $size; i64.add
  local.get $base; i64.load32_u ${write ? HOME_LAST_WRITE_LENGTH : HOME_LAST_READ_LENGTH}; i64.gt_u
  if
    local.get $pointer; i32.const $code; local.get $base; call $function
  end`;

function translation(write: boolean, hasOffset: boolean, marksOffset: boolean, layout: HomeLayout): string {
  const { chunkShift, mapOffset } = layout;
  const add = 'i32.const $offset; i32.add;';
  const mark = `
    local.get $base; local.get $pointer; ${marksOffset ? add : ''} i32.const ${chunkShift}; i32.shr_u; i32.add
    i32.const 1; i32.store8 ${mapOffset}`;
  return `
    local.tee $pointer; i32.const $limit; i32.lt_u
    if i32
      ${write ? mark : ''}
      local.get $base; local.get $pointer; i32.add
    else
      ${hasOffset ? `local.get $pointer; ${add} local.set $pointer` : ''}
      ${check(write)}
      local.get $pointer; i32.const $back; i32.sub
    end`;
}

function template(piece: number, text: string): Template {
  const instructions = text
    .split(/[;\n]/)
    .map((part) => part.trim().split(/\s+/))
    .filter(([name]) => name !== '');
  return { piece, tokens: Int16Array.from(instructions.flatMap(([name = '', word]) => tokensOf(name, word))) };
}

function tokensOf(name: string, word: string | undefined): number[] {
  const opcode = opcodeNamed(name);
  const [prefix] = opcodeParts(opcode);
  if (prefix !== 0) throw new Error(`${name} has a prefix`);
  if (name === 'if') return [opcode, word === 'i32' ? 0x7f : 0x40];
  if (word === undefined) return [opcode];
  const access = accessOf(opcode);
  const alignment = access === undefined ? [] : [31 - Math.clz32(access.sizeBytes)];
  return [opcode, ...alignment, ...numberTokens(word, name.endsWith('.const'))];
}

function numberTokens(word: string, isSigned: boolean): number[] {
  const slot = SLOT_NAMES.indexOf(word.slice(1));
  if (slot >= 0) return [(isSigned ? TOKEN_SIGNED : TOKEN_UNSIGNED) + slot];
  let rest = Number(word);
  const bytes: number[] = [];
  while (rest >= (isSigned ? 0x40 : 0x80)) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return [...bytes, rest];
}

/** What `b` of a piece gives: its slots, SLOT_COUNT words each. */
export class KnownPieces implements Pieces {
  a = 0;
  b = 0;
  readonly begins = new Uint8Array(OPCODE_COUNT);
  /** Slots of all pieces of the body; those of a piece are from its `b` on. */
  slots = new Int32Array(SLOT_COUNT * 64);
  #count = 0;
  readonly #templates: readonly Template[];
  readonly #addedFirst: number;
  #base = 0;
  /** Where `#number` ended. */
  #behind = 0;

  constructor(layout: HomeLayout, addedFirst: number) {
    this.#addedFirst = addedFirst;
    this.#templates = [
      template(PIECE_READ, translation(false, true, false, layout)),
      template(PIECE_READ, translation(false, false, false, layout)),
      template(PIECE_WRITE, translation(true, true, false, layout)),
      template(PIECE_WRITE, translation(true, false, false, layout)),
      template(PIECE_WRITE_FAR, translation(true, true, true, layout)),
    ];
    this.begins[OP_LOCAL_TEE] = 1;
  }

  /** Begins a body whose local `base` holds base. */
  begin(base: number): void {
    this.#count = 0;
    this.#base = base;
  }

  match(bytes: Uint8Array, position: number, end: number): number {
    // Most that are none are found out by the instruction behind the first one.
    let second = position + 1;
    while ((bytes[second] as number) >= 0x80) second += 1;
    if (bytes[second + 1] !== OP_I32_CONST) return -1;
    for (let i = 0; i < this.#templates.length; i += 1) {
      const { piece, tokens } = this.#templates[i] as Template; // i is inside the list
      const behind = this.#matchTokens(tokens, bytes, position, end);
      if (behind < 0 || !this.#isWhole(piece)) continue;
      this.a = piece;
      this.b = this.#count * SLOT_COUNT;
      this.#count += 1;
      return behind;
    }
    return -1;
  }

  /** Reads the slots of a piece; the byte behind it, or -1 when it is another one. */
  #matchTokens(tokens: Int16Array, bytes: Uint8Array, position: number, end: number): number {
    const first = this.#count * SLOT_COUNT;
    if (first + SLOT_COUNT > this.slots.length) this.#grow();
    const { slots } = this;
    for (let i = first; i < first + SLOT_COUNT; i += 1) slots[i] = EMPTY;
    let at = position;
    for (let i = 0; i < tokens.length; i += 1) {
      if (at >= end) return -1;
      const token = tokens[i] as number; // inside the table
      if (token < TOKEN_UNSIGNED) {
        if (bytes[at] !== token) return -1;
        at += 1;
        continue;
      }
      const number = this.#number(bytes, at, end, token >= TOKEN_SIGNED);
      if (number === EMPTY) return -1;
      at = this.#behind;
      const slot = first + (token & 0xff);
      if (slots[slot] === EMPTY) slots[slot] = number;
      else if (slots[slot] !== number) return -1;
    }
    return at;
  }

  /** A LEB128 number as i32; what is longer than four bytes is not recognised. */
  #number(bytes: Uint8Array, position: number, end: number, isSigned: boolean): number {
    let at = position;
    let number = 0;
    for (let shift = 0; shift < 28 && at < end; shift += 7) {
      const byte = bytes[at] as number; // within bounds
      at += 1;
      number |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#behind = at;
        const unused = 25 - shift;
        return isSigned ? (number << unused) >> unused : number;
      }
    }
    return EMPTY;
  }

  /** Whether the slots make sense together; if not, the code is interpreted, and found wrong or not. */
  #isWhole(piece: number): boolean {
    const first = this.#count * SLOT_COUNT;
    const { slots } = this;
    const limit = slots[first + SLOT_LIMIT] as number; // slots are inside the table
    const checkedBy = (slots[first + SLOT_FUNCTION] as number) - this.#addedFirst;
    if (slots[first + SLOT_OFFSET] === EMPTY) slots[first + SLOT_OFFSET] = 0;
    return (
      limit >= 0 &&
      (slots[first + SLOT_SIZE] as number) >= 1 &&
      slots[first + SLOT_SIZE] === ((slots[first + SLOT_CODE] as number) & 0xff) &&
      slots[first + SLOT_BASE] === this.#base &&
      slots[first + SLOT_POINTER] !== this.#base &&
      checkedBy === (piece === PIECE_READ ? CHECK_READ : CHECK_WRITE)
    );
  }

  #grow(): void {
    const slots = new Int32Array(2 * this.slots.length);
    slots.set(this.slots);
    this.slots = slots;
  }
}
