import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import {
  FAULT_ACCESS,
  FAULT_NONE,
  HOME_LAST_READ_LENGTH,
  HOME_LAST_READ_START,
  PAGE_SIZE,
  PERMISSION_READ,
  PERMISSION_READ_WRITE,
  RED_ZONE,
} from '../../core/layout.ts';
import { decodeModule } from './decode.ts';
import { guardModule } from './guard.ts';
import { TestSpace } from './testing.ts';
import { assembleBody, functionNamed, openModule, withBody } from './testing-edit.ts';
import { refusalOf } from './testing-verify.ts';
import { assemble } from './testing-wat.ts';
import type { FunctionType, GuardedModule } from './types.ts';
import { verifyModule } from './verify.ts';

const NO_IMPORTS: ReadonlyMap<string, FunctionType> = new Map();

function masked(source: string, memoryLimitBytes: number): GuardedModule {
  return guardModule(assemble(source), { imports: NO_IMPORTS, maskAddresses: true, memoryLimitBytes });
}

const LIMIT_PAGES = 3;
const LIMIT = LIMIT_PAGES * PAGE_SIZE;
/** The next power of two. */
const ROUNDED = 4 * PAGE_SIZE;

const ACCESSES = `(module (memory 1 3)
  (func (export "read") (param i32) (result i32) (i32.load offset=4 (local.get 0)))
  (func (export "readFar") (param i32) (result i32) (i32.load offset=70000 (local.get 0)))
  (func (export "readSum") (param i32) (result i32)
    (i32.add (i32.load (local.get 0)) (i32.load offset=8 (local.get 0))))
  (func (export "readByte") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "write") (param i32 i32) (i32.store offset=4 (local.get 0) (local.get 1)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "subject") (param i32 i32) (result i32) (i32.const 0)))`;

const guarded = masked(ACCESSES, LIMIT);
const space = new TestSpace();
const home = space.newHome(guarded.layout);
const instance = space.instantiate(guarded, home);
const AREA = 0x8000_0000;
const SLOT = 4096;
space.giveGranule(128, 12);

test('the limit is rounded up inside, and stays what it is for the function', () => {
  const { layout } = guarded;
  assert.equal(layout.memoryLimit, ROUNDED);
  assert.equal(layout.addressMask, ROUNDED - 1);
  assert.equal(layout.memoryMaximumPages, LIMIT_PAGES);
  assert.equal(instance.call('grow', 2), 1);
  assert.equal(instance.call('grow', 1), -1);
  space.takeFault(home);
  for (const pages of [1, 2, 4, 64]) {
    const { layout: exact } = masked('(module (memory 1))', pages * PAGE_SIZE);
    assert.equal(exact.memoryLimit, pages * PAGE_SIZE);
  }
  assert.equal(guardModule(assemble('(module (memory 1))'), { imports: NO_IMPORTS }).layout.addressMask, 0);
  // Without a memory there is nothing to mask.
  const empty = guardModule(assemble('(module)'), { imports: NO_IMPORTS, maskAddresses: true });
  assert.equal(empty.layout.addressMask, 0);
  verifyModule(empty, { imports: NO_IMPORTS });
});

describe('accesses are the same with masks', () => {
  const ofHome = (address: number): number => space.get32(home.start + address);

  test('in the home, up to the end of the red zone', () => {
    for (const at of [0, 1, PAGE_SIZE, ROUNDED - 1, ROUNDED - 8]) {
      space.set32(home.start + at + 4, 0x1234_0000 + (at & 0xff));
      assert.equal(instance.call('read', at), ofHome(at + 4));
      instance.call('write', at, 77);
      assert.equal(ofHome(at + 4), 77);
    }
    space.set32(home.start + 70_004, 99);
    assert.equal(instance.call('readFar', 4), 99);
    space.set32(home.start + ROUNDED - 1, 0x55);
    assert.equal((instance.call('readFar', ROUNDED - 1 - 70_000) as number) & 0xff, 0x55);
    assert.equal(space.takeFault(home).kind, FAULT_NONE);
  });

  test('and refused behind it', () => {
    for (const [name, at] of [
      ['read', ROUNDED],
      ['read', ROUNDED + RED_ZONE],
      ['read', 0x7fff_ffff],
      ['readFar', ROUNDED - 70_000],
      ['readFar', -1],
      ['write', ROUNDED],
    ] as const) {
      const parameters = name === 'write' ? [at, 1] : [at];
      assert.throws(() => instance.call(name, ...parameters), WebAssembly.RuntimeError);
      assert.equal(space.takeFault(home).kind, FAULT_ACCESS, `${name} ${at}`);
    }
  });

  test('in ArgBufs, to the byte, owned and granted', () => {
    const lengths = [1, 4, 12, 100, 255, 4096];
    for (const [i, length] of lengths.entries()) {
      for (const isGranted of [false, true]) {
        const start = AREA + (2 * i + (isGranted ? 1 : 0)) * SLOT;
        space.map(start, length, isGranted ? 1 : home.base, PERMISSION_READ_WRITE);
        if (isGranted) space.grant(home.base, start, PERMISSION_READ, 'B');
        for (let at = 0; at < length; at += 1) space.bytes[start + at] = at * 7 + i;
        for (const at of [-1, 0, 1, length - 9, length - 8, length - 5, length - 4, length - 1, length]) {
          const read = (): unknown => instance.call('readByte', (start + at) | 0);
          if (at >= 0 && at < length) assert.equal(read(), space.bytes[start + at], `${length} at ${at}`);
          else assert.throws(read, WebAssembly.RuntimeError, `${length} at ${at}`);
          const sum = (): unknown => instance.call('readSum', (start + at) | 0);
          const isInside = at >= 0 && at + 12 <= length;
          if (isInside) assert.equal(sum(), (space.get32(start + at) + space.get32(start + at + 8)) | 0);
          else assert.throws(sum, WebAssembly.RuntimeError, `12 bytes of ${length} at ${at}`);
          const write = (): unknown => instance.call('write', (start + at) | 0, 5);
          if (!isGranted && at + 4 >= 0 && at + 8 <= length) write();
          else assert.throws(write, WebAssembly.RuntimeError);
          space.takeFault(home);
        }
        space.map(start, length, 0, 0);
        if (isGranted) space.grant(home.base, start, 0, 'B');
      }
    }
  });
});

describe('the verifier', () => {
  test('accepts what the guard makes with masks, and only where masks were asked for', () => {
    for (const path of [
      '@jitl/quickjs-wasmfile-release-sync/dist/emscripten-module.wasm',
      'sql.js/dist/sql-wasm.wasm',
    ]) {
      const bytes = new Uint8Array(readFileSync(new URL(`../../node_modules/${path}`, import.meta.url)));
      const module = decodeModule(bytes);
      const imports = new Map(
        module.imports.flatMap((entry) => {
          const type = module.types[module.functions[entry.index] ?? -1];
          return entry.kind === 'function' && type !== undefined
            ? [[`${entry.module}.${entry.name}`, type] as const]
            : [];
        }),
      );
      const withMasks = guardModule(bytes, { imports, maskAddresses: true });
      verifyModule(withMasks, { imports });
      const { layout } = withMasks;
      const without = { ...withMasks, layout: { ...layout, addressMask: 0 } };
      assert.equal(refusalOf(() => verifyModule(without, { imports })).code, 'MODULE_UNPROVEN');
    }
    const unmasked = guardModule(assemble(ACCESSES), { imports: NO_IMPORTS, memoryLimitBytes: PAGE_SIZE });
    const claimed = { ...unmasked, layout: { ...unmasked.layout, addressMask: PAGE_SIZE - 1 } };
    assert.match(refusalOf(() => verifyModule(claimed, { imports: NO_IMPORTS })).message, /jord:check-read/);
    for (const addressMask of [1, ROUNDED, ROUNDED - 2, LIMIT - 1]) {
      const wrong = { ...guarded, layout: { ...guarded.layout, addressMask } };
      assert.match(refusalOf(() => verifyModule(wrong, { imports: NO_IMPORTS })).message, /layout/);
    }
  });

  const { headerSize } = guarded.layout;
  const open = openModule(guarded);
  const checkRead = functionNamed(open, 'jord:check-read');
  const mask = `i32.const ${ROUNDED - 1}; i32.and;`;
  const bodyOf = (text: string): GuardedModule => withBody(guarded, 'subject', assembleBody(['i32', 'i32'], text));
  const home0 = (masks: string, limit = ROUNDED): string => `
    local.get 0; i32.const ${limit}; i32.lt_u
    if i32; local.get 2; local.get 0; ${masks} i32.add; i32.load ${headerSize}
    else; i32.const 0; end`;
  const vma = (address: string): string => `
    local.get 0; i32.const ${ROUNDED}; i32.lt_u
    if i32; i32.const 0
    else; local.get 0; i32.const 4; local.get 2; call ${checkRead}; local.set 3; ${address}; i32.load 0; end`;

  test('wants a mask on each address in the home, and the one of the layout', () => {
    verifyModule(bodyOf(home0(mask)), { imports: NO_IMPORTS });
    verifyModule(bodyOf(home0(mask, 100)), { imports: NO_IMPORTS });
    verifyModule(bodyOf(home0(`${mask} ${mask}`)), { imports: NO_IMPORTS });
    const half = `i32.const ${ROUNDED / 2 - 1}; i32.and;`;
    for (const [what, text] of [
      ['no mask', home0('')],
      ['a smaller one', home0(half)],
      ['one and a constant', home0(`${mask} i32.const 4; i32.add;`)],
      ['a shift', home0('i32.const 12; i32.shr_u;')],
      ['one of another pointer', home0(`drop; local.get 1; ${mask}`)],
    ] as const) {
      assert.ok(WebAssembly.validate(bodyOf(text).bytes), what);
      assert.equal(refusalOf(() => verifyModule(bodyOf(text), { imports: NO_IMPORTS })).code, 'MODULE_UNPROVEN', what);
    }
    // A mask is no check.
    const unchecked = `local.get 2; local.get 0; ${mask} i32.add; i32.load ${headerSize}`;
    assert.ok(WebAssembly.validate(bodyOf(unchecked).bytes));
    assert.equal(refusalOf(() => verifyModule(bodyOf(unchecked), { imports: NO_IMPORTS })).code, 'MODULE_UNPROVEN');
  });

  test('wants addresses in VMAs to be what a check returned', () => {
    verifyModule(bodyOf(vma('local.get 3')), { imports: NO_IMPORTS });
    verifyModule(bodyOf(vma('local.get 3; i32.const 8; i32.add; i32.const 8; i32.sub')), { imports: NO_IMPORTS });
    for (const address of ['local.get 0', 'local.get 0; i32.const 8; i32.add; i32.const 8; i32.sub']) {
      assert.match(
        refusalOf(() => verifyModule(bodyOf(vma(address)), { imports: NO_IMPORTS })).message,
        /without a check/,
      );
    }
  });
});

test('where a check is guessed wrong, the address is still one of the VMA', () => {
  // The check of a module of its own, with the call of the look-up taken out: what a processor computes that does not wait for it.
  const open = openModule(guarded);
  const distance = `local.get 0; local.get 2; i32.load ${HOME_LAST_READ_START}; i32.sub`;
  const text = `
    ${distance}; ${distance}; i64.extend_i32_u
    local.get 1; i32.const 255; i32.and; i32.const 1; i32.sub; i64.extend_i32_u; i64.add
    local.get 2; i64.load32_u ${HOME_LAST_READ_LENGTH}; i64.sub; i64.const 63; i64.shr_s; i32.wrap_i64; i32.and
    local.get 2; i32.load ${HOME_LAST_READ_START}; i32.add`;
  const checkRead = open.parts.names.functions.get(functionNamed(open, 'jord:check-read')) ?? '';
  const computed = space.instantiate(withBody(guarded, 'subject', assembleBody([], text)), home);
  assert.equal(checkRead, 'jord:check-read');
  for (const start of [AREA, AREA + SLOT, 2 ** 32 - 2 ** 24 - 4096]) {
    for (const length of [0, 1, 4, 255, 4096]) {
      space.set32(home.base + HOME_LAST_READ_START, start);
      space.set32(home.base + HOME_LAST_READ_LENGTH, length);
      for (const size of [1, 4, 16, 255]) {
        for (const e of [
          0,
          1,
          start - 1,
          start,
          start + 1,
          start + length - size,
          start + length,
          2 ** 31,
          2 ** 32 - 1,
        ]) {
          const address = (computed.call('subject', e | 0, size) as number) >>> 0;
          const isInside = e >= start && e + size <= start + length;
          assert.equal(address, isInside ? e >>> 0 : start, `${e} of ${start} + ${length}, ${size} bytes`);
        }
      }
    }
  }
  space.forgetLast(home.base);
});
