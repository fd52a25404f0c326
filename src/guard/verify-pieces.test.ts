/** Pieces: recognised where they are whole, with the verdict that interpreting them has; else interpreted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as L from '../../core/layout.ts';
import { JordError } from '../errors.ts';
import { decodeExpression, InstructionList, OP_PIECE, WORDS } from './instructions.ts';
import { Reader } from './reader.ts';
import { assembleBody, withBody } from './testing-edit.ts';
import { checkVma, ENTRY_CHECK, FUNCTIONS, SUBJECT, verify } from './testing-verify.ts';
import type { ValueType } from './types.ts';
import { KnownPieces } from './verify-pieces.ts';

const { headerSize: H, memoryLimit: LIMIT, chunkShift, mapOffset } = SUBJECT.layout;
/** Behind p, q and base. */
const LOCALS: readonly ValueType[] = ['i32', 'i32', 'i64', 'i32'];

/** What can be said of a piece; the numbers are those of the guard's own. */
const RIGHT = {
  pointer: 3,
  base: 2,
  limit: LIMIT,
  offset: 8,
  marked: 8,
  back: H + 8,
  size: 4,
  code: 4,
  start: L.HOME_LAST_READ_START,
  length: L.HOME_LAST_READ_LENGTH,
  check: FUNCTIONS.checkRead as number,
  compare: 'i64.gt_u',
};
const RIGHT_WRITE = {
  ...RIGHT,
  code: 0x104,
  start: L.HOME_LAST_WRITE_START,
  length: L.HOME_LAST_WRITE_LENGTH,
  check: FUNCTIONS.checkWrite as number,
};
type Piece = typeof RIGHT;

function check(p: Piece): string {
  return `
    local.get ${p.pointer}; local.get ${p.base}; i32.load ${p.start}; i32.sub; i64.extend_i32_u
    i64.const ${p.size}; i64.add; local.get ${p.base}; i64.load32_u ${p.length}; ${p.compare}
    if; local.get ${p.pointer}; i32.const ${p.code}; local.get ${p.base}; call ${p.check}; end`;
}

/** The translation of the pointer on the stack. */
function translation(p: Piece, write: boolean): string {
  const add = (offset: number): string => (offset === 0 ? '' : `i32.const ${offset}; i32.add`);
  const mark = `
    local.get ${p.base}; local.get ${p.pointer}; ${add(p.marked)}; i32.const ${chunkShift}; i32.shr_u; i32.add
    i32.const 1; i32.store8 ${mapOffset}`;
  return `
    local.tee ${p.pointer}; i32.const ${p.limit}; i32.lt_u
    if i32
      ${write ? mark : ''}; local.get ${p.base}; local.get ${p.pointer}; i32.add
    else
      ${p.offset === 0 ? '' : `local.get ${p.pointer}; ${add(p.offset)}; local.set ${p.pointer}`}
      ${check(p)}
      local.get ${p.pointer}; i32.const ${p.back}; i32.sub
    end`;
}

/** How many pieces are recognised in a body. */
function pieces(text: string): number {
  const body = assembleBody(LOCALS, text);
  const known = new KnownPieces(SUBJECT.layout, FUNCTIONS.checkRead);
  known.begin(2);
  const list = new InstructionList();
  const reader = new Reader(body, 1 + 2 * LOCALS.length, body.length);
  decodeExpression(reader, list, { typeCount: 100, where: () => '' }, known);
  return Array.from({ length: list.count }, (_, i) => list.words[i * WORDS]).filter((opcode) => opcode === OP_PIECE)
    .length;
}

/** Whether the body is accepted: the same with pieces and without. */
function isAccepted(text: string): boolean {
  const guarded = withBody(SUBJECT, 'subject', assembleBody(LOCALS, text));
  if (!WebAssembly.validate(guarded.bytes)) new WebAssembly.Module(guarded.bytes);
  const [withPieces, without] = [true, false].map((usePieces) => {
    try {
      verify(guarded, usePieces);
      return true;
    } catch (error) {
      if (error instanceof JordError && error.code === 'MODULE_UNPROVEN') return false;
      throw error;
    }
  });
  assert.equal(withPieces, without, text);
  return withPieces === true;
}

const load = (p: Piece, at = H + p.offset): string => `local.get 0; ${translation(p, false)}; i32.load ${at}`;
const store = (p: Piece, at = H + p.offset): string =>
  `local.get 0; ${translation(p, true)}; local.get 1; i32.store ${at}; i32.const 0`;

test('what the guard emits is recognised, and does what it does', () => {
  for (const offset of [0, 8, 4000]) {
    const at = H + offset;
    const [read, write] = [RIGHT, RIGHT_WRITE].map((p) => ({ ...p, offset, marked: offset, back: at }));
    assert.ok(read !== undefined && write !== undefined);
    assert.equal(pieces(load(read)), 1);
    assert.ok(isAccepted(load(read)));
    for (const marked of [offset, 0]) {
      const text = store({ ...write, marked });
      assert.equal(pieces(text), 1);
      // A mark of the pointer covers what is near.
      assert.equal(isAccepted(text), offset - marked < 4000, text);
    }
    for (const other of [at + 1, at - 1, at + 8]) {
      assert.ok(!isAccepted(load(read, other)), `${offset}: ${other - at}`);
      assert.ok(!isAccepted(store(write, other)), `${offset}: ${other - at}`);
    }
  }
});

test('each number of a piece counts', () => {
  const changes: readonly (readonly [change: Partial<Piece>, isSafe: boolean])[] = [
    [{ pointer: 6 }, true],
    [{ pointer: 1 }, true],
    [{ base: 0 }, false],
    [{ base: 1 }, false],
    [{ base: 6 }, false],
    [{ limit: LIMIT - 8 }, true],
    [{ limit: 0 }, true],
    [{ limit: LIMIT + L.RED_ZONE }, false],
    [{ limit: -1 }, false],
    [{ limit: 0x7fff_ffff }, false],
    // Another access than the function's, but one that is checked.
    [{ offset: 12 }, true],
    [{ offset: 12, back: H + 12 }, false],
    [{ back: H }, false],
    [{ back: H + 12 }, false],
    [{ back: -H }, false],
    [{ size: 3, code: 3 }, false],
    [{ size: 8, code: 8 }, true],
    [{ size: 8 }, false],
    [{ size: 3 }, false],
    [{ size: 0, code: 0 }, false],
    [{ code: 0x300 }, false],
    [{ code: 3 }, false],
    [{ start: L.HOME_GLOBALS }, false],
    [{ length: L.HOME_GLOBALS }, false],
    [{ start: L.HOME_LAST_READ_LENGTH }, false],
    [{ compare: 'i64.ge_u' }, false],
    [{ compare: 'i64.gt_s' }, false],
  ];
  for (const [change, isSafe] of changes) {
    const text = JSON.stringify(change);
    assert.equal(isAccepted(load({ ...RIGHT, ...change }, H + 8)), isSafe, text);
    const code = change.code === undefined ? {} : { code: change.code | 0x100 };
    assert.equal(isAccepted(store({ ...RIGHT_WRITE, ...change, ...code }, H + 8)), isSafe, text);
  }
});

test('a mark is of what is written', () => {
  const marks: readonly (readonly [marked: number, isSafe: boolean])[] = [
    [0, true],
    [4, true],
    [8, true],
    [12, false],
    [-8, false],
    [1 << 20, false],
  ];
  for (const [marked, isSafe] of marks) {
    assert.equal(isAccepted(store({ ...RIGHT_WRITE, marked })), isSafe, String(marked));
  }
  // One outside of the map, whatever is accessed then.
  const markAt = (at: number): string =>
    `local.get 0; ${translation({ ...RIGHT_WRITE, offset: at, marked: at, back: H }, true)}; i32.load ${H}`;
  assert.ok(isAccepted(markAt(64)));
  assert.equal(pieces(markAt(1 << 20)), 1);
  assert.ok(!isAccepted(markAt(1 << 20)));
  assert.ok(!isAccepted(markAt(-64)));
});

test('the check of a piece is of what is done then', () => {
  assert.ok(!isAccepted(store(RIGHT)));
  const { start, length } = RIGHT;
  const check = FUNCTIONS.checkRead;
  for (const change of [{ start }, { length }, { start, length }, { check }]) {
    assert.ok(!isAccepted(store({ ...RIGHT_WRITE, ...change })), JSON.stringify(change));
  }
  assert.ok(isAccepted(load(RIGHT_WRITE)));
});

test('a number that stands in several places is the same in all of them', () => {
  // With the places where interpreting it finds that nothing is lost: local 0 holds the pointer too, and with another pointer or
  // offset, another place of a VMA is checked.
  const others: readonly (readonly [own: string, other: string, safePlaces: readonly number[]])[] = [
    ['local.get 3', 'local.get 0', [1, 2, 3]],
    ['local.get 3', 'local.get 1', [3]],
    ['local.get 2', 'local.get 1', []],
    ['i32.const 8; i32.add', 'i32.const 4; i32.add', [1, 2]],
  ];
  const piece = translation(RIGHT_WRITE, true);
  const access = `local.get 1; i32.store ${H + 8}; i32.const 0`;
  assert.ok(isAccepted(`local.get 0; ${piece}; ${access}`));
  for (const [own, other, safePlaces] of others) {
    const parts = piece.split(own);
    assert.ok(parts.length > 2, own);
    for (let at = 1; at < parts.length; at++) {
      const text = `local.get 0; ${parts.slice(0, at).join(own)}${other}${parts.slice(at).join(own)}; ${access}`;
      assert.equal(pieces(text), 0, text);
      assert.equal(isAccepted(text), safePlaces.includes(at), text);
    }
  }
});

test('what a piece writes is known', () => {
  const again = `local.get 2; local.get 3; i32.add; i32.load ${H}`;
  const small = 'i32.const 5; local.set 3';
  const p = { ...RIGHT, offset: 0, back: H };
  // The pointer, in a loop that uses what was there before.
  const loop = (inside: string): string =>
    `${small}; loop; ${ENTRY_CHECK}; ${again}; drop; ${inside}; local.get 1; br_if 0; end; i32.const 0`;
  assert.ok(isAccepted(loop('')));
  assert.ok(!isAccepted(loop(`${load(p)}; drop`)));
  assert.ok(isAccepted(loop(`${load({ ...p, pointer: 6 })}; drop`)));
  // On one path, and in a handler.
  assert.ok(!isAccepted(`${small}; local.get 1; if; ${load(p)}; drop; end; ${again}`));
  assert.ok(!isAccepted(`${small}; try; ${load(p)}; drop; catch_all; end; ${again}`));
  // What was checked holds until the next call.
  const call = `i32.const 8; local.get 2; call ${FUNCTIONS.argbufNew}; drop`;
  const kept = (between: string): string =>
    `${ENTRY_CHECK}; local.get 0; ${translation(p, false)}; local.set 6; ${between}; local.get 6; i32.load ${H}`;
  assert.ok(isAccepted(kept('')));
  assert.ok(!isAccepted(kept(call)));
  // Checked anew, it holds again, for the bytes that were checked.
  const anew = `${call}; ${checkVma(0, 4, false)}`;
  assert.ok(isAccepted(kept(anew)));
  assert.ok(!isAccepted(kept(anew).replace(/\d+$/, String(H + 1))));
  // The local of the pointer may hold what the piece has checked instead of the pointer.
  const moved = { ...RIGHT, offset: 8, back: H + 8 };
  const behind = (address: number): string =>
    `${load(moved)}; drop; ${checkVma(0, 4, false)}; local.get ${address}; i32.load`;
  assert.ok(isAccepted(behind(0)));
  assert.ok(!isAccepted(behind(moved.pointer)));
});
