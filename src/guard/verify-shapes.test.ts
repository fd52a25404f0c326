/**
 * Shapes that the guard does not emit yet, but that are safe: what it takes to check once for several accesses. Each has a
 * twin that goes a step too far.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as L from '../../core/layout.ts';
import { JordError } from '../errors.ts';
import { checkVma, ENTRY_CHECK, FUNCTIONS, mark, SUBJECT, translate, verifyBody } from './testing-verify.ts';

const { headerSize: H, memoryLimit: LIMIT, chunkShift, mapOffset: MAP } = SUBJECT.layout;

function refused(text: string): void {
  assert.throws(
    () => verifyBody(text),
    (error) =>
      error instanceof JordError &&
      error.code === 'MODULE_UNPROVEN' &&
      /local|access|write|computation/.test(error.message),
  );
}

const load = (offset: number, local = 3): string => `local.get ${local}; i32.load ${H + offset}; drop`;
const store = (offset: number, local = 3): string => `local.get ${local}; i32.const 7; i32.store ${H + offset}`;
const CALL = `i32.const 8; local.get 2; call ${FUNCTIONS.argbufNew}; drop`;
/** Checks the pointer in local 0 again, if it is in a VMA. */
const again = (size: number, write: boolean): string =>
  `local.get 0; i32.const ${LIMIT}; i32.ge_u; if; ${checkVma(0, size, write)}; end`;

describe('a translated pointer in a local', () => {
  const keep = (from: number, size: number, write = false): string => `${translate(0, from, size, write)}; local.set 3`;

  test('is good for all that was checked', () => {
    verifyBody(`${keep(0, 16)}; ${load(0)}; ${load(4)}; ${load(12)}; i32.const 0`);
    refused(`${keep(0, 16)}; ${load(13)}; i32.const 0`);
    verifyBody(`${keep(8, 16)}; ${load(8)}; ${load(20)}; i32.const 0`);
    refused(`${keep(8, 16)}; ${load(4)}; i32.const 0`);
    refused(`${keep(0, 16)}; ${store(0)}; i32.const 0`);
  });

  test('lasts through blocks, branches and loops', () => {
    verifyBody(
      `${keep(0, 8)}
       block; local.get 1; br_if 0; ${load(0)}; end
       local.get 1; if; ${load(4)}; else; ${load(0)}; end
       loop; ${ENTRY_CHECK}; ${load(4)}; local.get 1; br_if 0; end
       ${load(0)}; i32.const 0`,
    );
    // Made on every path to where it is used.
    verifyBody(
      `local.get 1; if; ${keep(0, 8)}; else; ${keep(0, 4)}; end
       ${load(0)}; i32.const 0`,
    );
    refused(`local.get 1; if; ${keep(0, 8)}; else; ${keep(0, 4)}; end; ${load(4)}; i32.const 0`);
    verifyBody(
      `block; ${keep(0, 8)}; local.get 1; br_if 0; local.get 1; i32.const 1; i32.add; local.set 1; end
       ${load(4)}; i32.const 0`,
    );
    refused(`local.get 1; if; ${keep(0, 8)}; end; ${load(0)}; i32.const 0`);
    refused(`block; local.get 1; br_if 0; ${keep(0, 8)}; end; ${load(0)}; i32.const 0`);
    refused(`loop; ${ENTRY_CHECK}; ${load(0)}; ${keep(0, 8)}; local.get 1; br_if 0; end; i32.const 0`);
  });

  test('may be of one pointer on one path and of another on the other', () => {
    const other = `${translate(1, 0, 8, false)}; local.set 3`;
    verifyBody(`local.get 1; if; ${keep(0, 8)}; else; ${other}; end; ${load(4)}; i32.const 0`);
    verifyBody(
      `local.get 1; if i32; ${translate(0, 0, 8, false)}; else; ${translate(1, 0, 8, false)}; end; i32.load ${H + 4}`,
    );
  });

  test('is no better than on the worst of the paths', () => {
    const either = (one: string, other: string, use: string): string => `
      ${ENTRY_CHECK}; local.get 1; if; ${one}; local.set 3; else; ${other}; local.set 3; end; ${use}; i32.const 0`;
    const home = (limit: number, text = ''): string => `
      local.get 0; i32.const ${limit}; i32.ge_u; if; unreachable; end; ${text}; local.get 2; local.get 0; i32.add`;
    // Ranges in the home.
    verifyBody(either(home(100), home(LIMIT + 4000), load(93)));
    refused(either(home(100), home(LIMIT + 4000), load(94)));
    refused(either(home(LIMIT + 4000), home(100), load(94)));
    // Marks.
    verifyBody(either(home(100, mark(0, 8)), home(100, mark(0, 16)), store(16)));
    refused(either(home(100, mark(0, 8)), home(100, mark(0, 16)), store(8)));
    refused(either(home(100, mark(0)), home(100), store(0)));
    // Permissions in a VMA.
    const vma = (write: boolean): string => `${checkVma(0, 8, write)}; local.get 0; i32.const ${H}; i32.sub`;
    const both = (write: boolean): string => `
      local.get 0; i32.const ${LIMIT}; i32.lt_u; if i32; ${mark(0)}; local.get 2; local.get 0; i32.add; else; ${vma(write)}; end`;
    verifyBody(either(both(true), both(true), store(0)));
    refused(either(both(true), both(false), store(0)));
    refused(either(both(false), both(true), store(0)));
    // Of two pointers, neither says where the address is.
    const isHome = `local.get 0; i32.const ${LIMIT}; i32.lt_u; if; ${load(0)}; end`;
    verifyBody(either(translate(0, 0, 8, false), translate(0, 0, 8, false), `${CALL}; ${isHome}`));
    refused(either(translate(0, 0, 8, false), translate(1, 0, 8, false), `${CALL}; ${isHome}`));
    refused(either(translate(1, 0, 8, false), translate(0, 0, 8, false), `${CALL}; ${isHome}`));
  });

  test('is not made of a check that is over', () => {
    const made = (between: string): string => `${ENTRY_CHECK}; ${checkVma(0, 8, false)}; ${between}
      local.get 0; i32.const ${LIMIT}; i32.lt_u
      if i32; local.get 2; local.get 0; i32.add; else; local.get 0; i32.const ${H}; i32.sub; end
      i32.load ${H}`;
    verifyBody(made(''));
    refused(made(CALL));
  });

  test('can be moved', () => {
    verifyBody(`${keep(0, 16)}; local.get 3; i32.const 8; i32.add; local.set 3; ${load(4)}; i32.const 0`);
    refused(`${keep(0, 16)}; local.get 3; i32.const 8; i32.add; local.set 3; ${load(12)}; i32.const 0`);
    refused(`${keep(0, 16)}; local.get 3; local.get 1; i32.add; local.set 3; ${load(0)}; i32.const 0`);
  });

  test('is good for the home alone after a call, and must be checked again for a VMA', () => {
    refused(`${ENTRY_CHECK}; ${keep(0, 8)}; ${CALL}; ${load(0)}; i32.const 0`);
    verifyBody(`${ENTRY_CHECK}; ${keep(0, 8)}; ${CALL}; ${again(8, false)}; ${load(0)}; ${load(4)}; i32.const 0`);
    refused(`${ENTRY_CHECK}; ${keep(0, 8)}; ${CALL}; ${again(4, false)}; ${load(4)}; i32.const 0`);
    refused(`${ENTRY_CHECK}; ${keep(0, 8)}; ${again(8, false)}; ${CALL}; ${load(4)}; i32.const 0`);
    refused(
      `${ENTRY_CHECK}; ${keep(0, 8)}; ${CALL}
       local.get 0; i32.const ${LIMIT + 1}; i32.ge_u; if; ${checkVma(0, 8, false)}; end; ${load(4)}; i32.const 0`,
    );
    // Inline, where it is known to be in the home.
    verifyBody(
      `${ENTRY_CHECK}; ${keep(0, 8)}; ${CALL}
       local.get 0; i32.const ${LIMIT}; i32.lt_u; if; ${load(4)}; end; i32.const 0`,
    );
    refused(
      `${ENTRY_CHECK}; ${keep(0, 8)}; ${CALL}
       local.get 0; i32.const ${LIMIT}; i32.ge_u; if; ${load(4)}; end; i32.const 0`,
    );
    // In a loop that calls, each time.
    verifyBody(
      `${ENTRY_CHECK}; ${keep(0, 8)}
       loop; ${ENTRY_CHECK}; ${again(8, false)}; ${load(0)}; ${CALL}; local.get 1; br_if 0; end; i32.const 0`,
    );
  });

  test('carries its mark, and can be marked again', () => {
    verifyBody(`${keep(0, 64, true)}; ${store(0)}; ${store(60)}; i32.const 0`);
    refused(`${keep(0, 80, true)}; ${store(64)}; i32.const 0`);
    const markAgain = (offset: number): string => `
      local.get 0; i32.const ${LIMIT}; i32.lt_u; if; ${mark(0, offset)}; end`;
    verifyBody(`${keep(0, 80, true)}; ${markAgain(64)}; ${store(64)}; i32.const 0`);
    // Two marks that are no more than a chunk apart cover what is between them.
    const chunk = 2 ** chunkShift;
    const inHome = `local.get 0; i32.const ${LIMIT}; i32.ge_u; if; unreachable; end; ${keep(0, 4, true)}`;
    for (const distance of [72, chunk])
      verifyBody(
        `${inHome}; ${mark(0, distance)}; ${store(64)}; ${store(distance)}; ${store(distance + 61)}; i32.const 0`,
      );
    refused(`${inHome}; ${mark(0, chunk)}; ${store(chunk + 62)}; i32.const 0`);
    refused(`${inHome}; ${mark(0, chunk + 1)}; ${store(64)}; i32.const 0`);
    refused(`${inHome}; local.get 1; if; ${mark(0, 72)}; end; ${store(64)}; i32.const 0`);
    // Read first, written later; marks outlast calls.
    const check = `${translate(0, 0, 8, false)}; local.set 3`;
    verifyBody(`${check}; ${again(8, true)}; ${markAgain(0)}; ${store(4)}; i32.const 0`);
    refused(`${check}; ${again(8, true)}; ${store(4)}; i32.const 0`);
    refused(`${check}; ${markAgain(0)}; ${store(4)}; i32.const 0`);
    verifyBody(`${ENTRY_CHECK}; ${keep(0, 8, true)}; ${CALL}; ${again(8, true)}; ${store(4)}; i32.const 0`);
    // On one path only.
    refused(`${check}; ${again(8, true)}; local.get 1; if; ${markAgain(0)}; end; ${store(4)}; i32.const 0`);
    refused(
      `${check}; ${again(8, true)}
       local.get 0; i32.const ${LIMIT - 1}; i32.lt_u; if; ${mark(0)}; end; ${store(4)}; i32.const 0`,
    );
  });
});

describe('ranges', () => {
  test('one check for all accesses of a frame', () => {
    const frame = `local.get 0; i32.const 256; i32.sub; local.tee 3; i32.const ${LIMIT - 256}; i32.gt_u; if; unreachable; end`;
    const access = (offset: number): string => `local.get 2; local.get 3; i32.add; i32.load ${H + offset}; drop`;
    verifyBody(`${frame}; ${access(0)}; ${access(252)}; block; local.get 1; br_if 0; ${access(128)}; end; i32.const 0`);
    refused(`${frame}; ${access(256 + L.RED_ZONE - 3)}; i32.const 0`);
    // The address in a local of its own, as well.
    verifyBody(`${frame}; local.get 2; local.get 3; i32.add; local.set 4; ${load(0, 4)}; ${load(255, 4)}; i32.const 0`);
  });

  test('constant addresses need no check', () => {
    verifyBody(`local.get 2; i32.load ${H + 1024}`);
    verifyBody(`local.get 2; i32.const ${LIMIT}; i32.add; i32.load ${H}`);
    refused(`local.get 2; i32.const ${LIMIT + L.RED_ZONE}; i32.add; i32.load ${H}`);
    const markOf = (address: number): string =>
      `local.get 2; i32.const 1; i32.store8 ${MAP + (address >>> chunkShift)}`;
    verifyBody(`${markOf(1024)}; local.get 2; i32.const 5; i32.store ${H + 1024}; i32.const 0`);
    refused(`${markOf(1024)}; local.get 2; i32.const 5; i32.store ${H + 4096}; i32.const 0`);
  });

  test('nor do pointers that are small anyway', () => {
    verifyBody(`local.get 2; local.get 0; i32.const ${LIMIT - 1}; i32.and; i32.add; i32.load ${H}`);
    verifyBody(`local.get 2; local.get 0; i32.const 20; i32.shr_u; i32.const 2; i32.shl; i32.add; i32.load ${H + 8}`);
    verifyBody(
      `local.get 2; local.get 0; i32.const 0xfff; i32.and; local.get 1; i32.const 0xff0; i32.and; i32.add; i32.add
       i32.load ${H}`,
    );
    refused(`local.get 2; local.get 0; i32.const ${LIMIT + L.RED_ZONE}; i32.and; i32.add; i32.load ${H}`);
    refused(`local.get 2; local.get 0; i32.const 3; i32.shr_u; i32.const 3; i32.shl; i32.add; i32.load ${H}`);
  });

  test('one check for all iterations of a loop', () => {
    // for (i = 0; i < n; i++) a[i], where n <= 1000 is checked before, and a is a place in the home.
    const loop = (bound: number, test: string): string => `
      local.get 1; i32.const ${bound}; i32.gt_u; if; unreachable; end
      loop
        ${ENTRY_CHECK}
        ${test}
        local.get 2; local.get 3; i32.const 4; i32.shl; i32.add; i32.load ${H + 64}; drop
        local.get 3; i32.const 1; i32.add; local.set 3
        br 0
      end
      i32.const 0`;
    verifyBody(`block; ${loop(1000, 'local.get 3; local.get 1; i32.ge_u; br_if 1')}; drop; end; i32.const 0`);
    refused(`block; ${loop(100_000, 'local.get 3; local.get 1; i32.ge_u; br_if 1')}; drop; end; i32.const 0`);
    refused(`block; ${loop(1000, 'local.get 3; local.get 1; i32.ge_s; br_if 1')}; drop; end; i32.const 0`);
  });

  test('what both arms say of a value is said behind them', () => {
    const access = `local.get 2; local.get 0; i32.add; i32.load ${H}`;
    const below = (limit: number): string => `local.get 0; i32.const ${limit}; i32.ge_u; if; unreachable; end`;
    verifyBody(`local.get 1; if; ${below(100)}; else; ${below(LIMIT)}; end; ${access}`);
    refused(`local.get 1; if; ${below(100)}; else; ${below(2 * LIMIT)}; end; ${access}`);
    verifyBody(`block; ${below(LIMIT)}; local.get 1; br_if 0; ${below(5)}; end; ${access}`);
    const set = (value: number): string => `i32.const ${value}; local.set 3`;
    const use = `local.get 2; local.get 3; i32.add; i32.load ${H}`;
    verifyBody(`local.get 1; if; ${set(16)}; else; ${set(32)}; end; ${use}`);
    refused(`local.get 1; if; ${set(16)}; else; ${set(-32)}; end; ${use}`);
  });
});

describe('checks of a VMA', () => {
  test('hold where they were made, and not for the value beside', () => {
    const trapIf = (how: string, limit: number): string =>
      `local.get 0; i32.const ${limit}; ${how}; if; unreachable; end`;
    const checked = (limit: number): string => `
      local.get 1; if; ${trapIf('i32.lt_u', 100)}; ${checkVma(0, 4, false)}; else; ${trapIf('i32.gt_u', limit)}; end
      ${trapIf('i32.lt_u', 100)}; local.get 0; i32.load`;
    verifyBody(checked(99));
    refused(checked(100));
    const marked = (limit: number): string => `
      local.get 1; if; ${trapIf('i32.gt_u', 100)}; ${mark(0)}; else; ${trapIf('i32.lt_u', limit)}; end
      ${trapIf('i32.gt_u', 100)}; local.get 2; local.get 0; i32.add; i32.const 1; i32.store ${H}; i32.const 0`;
    verifyBody(marked(101));
    refused(marked(100));
  });

  test('one for several accesses, behind the paths that made it', () => {
    const access = (offset: number): string => `local.get 0; i32.load ${offset}; drop`;
    verifyBody(`${checkVma(0, 64, false)}; ${access(0)}; ${access(60)}; i32.const 0`);
    verifyBody(
      `local.get 1; if; ${checkVma(0, 8, false)}; else; ${checkVma(0, 16, false)}; end; ${access(4)}; i32.const 0`,
    );
    refused(
      `local.get 1; if; ${checkVma(0, 8, false)}; else; ${checkVma(0, 16, false)}; end; ${access(8)}; i32.const 0`,
    );
    refused(`local.get 1; if; ${checkVma(0, 8, false)}; end; ${access(0)}; i32.const 0`);
  });
});
