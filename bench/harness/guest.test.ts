import assert from 'node:assert/strict';
import { test } from 'node:test';
import wabt from 'wabt';
import { functionType, type Guest, type MakeImports, plainGuest } from './guest.ts';
import { createAddressSpace, guardedGuest } from './home.ts';

const TEXT = `(module
  (import "host" "report" (func $report (param i32) (result i32)))
  (memory (export "memory") 1 4)
  (data (i32.const 16) "guest")
  (global $count (mut i32) (i32.const 40))
  (func (export "count") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (global.get $count))
  (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "report") (param i32 i32) (result i32)
    (i32.store8 (local.get 0) (local.get 1))
    (call $report (local.get 0)))
  (func (export "sum") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.add (local.get 0) (i32.add (local.get 1) (i32.add (local.get 2) (i32.add (local.get 3)
      (i32.add (local.get 4) (i32.add (local.get 5) (local.get 6))))))))
  (func (export "pages") (result i32) (memory.size)))`;

const imports: MakeImports = (guest) => ({
  functions: new Map([
    ['host.report', { type: functionType('i:i'), call: (address: number) => (guest().memory()[address] ?? 0) * 2 }],
  ]),
  memoryExport: 'memory',
});

const bytes = new Uint8Array((await wabt()).parseWat('guest.wat', TEXT).toBinary({}).buffer);
const space = createAddressSpace();
const VARIANTS: Readonly<Record<Guest['variant'], () => Guest>> = {
  plain: () => plainGuest(bytes, imports),
  guarded: () => guardedGuest(bytes, imports, space),
};

for (const [variant, create] of Object.entries(VARIANTS)) {
  test(`${variant}: initialised, called and seen at the guest's own addresses`, () => {
    const guest = create();
    assert.equal(guest.variant, variant);
    assert.equal(guest.function('count')(), 41);
    assert.equal(guest.function('count')(), 42);
    assert.equal(create().function('count')(), 41);
    assert.equal(guest.function('peek')(16), 'g'.charCodeAt(0));
    assert.equal(Buffer.from(guest.memory().slice(16, 21)).toString(), 'guest');
    guest.memory()[100] = 7;
    assert.equal(guest.function('peek')(100), 7);
    assert.equal(guest.function('report')(200, 21), 42);
    assert.equal(guest.function('sum')(1, 2, 3, 4, 5, 6, 7), 28);
    assert.throws(() => guest.function('missing'), RangeError);
  });

  test(`${variant}: the memory grows to its maximum and no further`, () => {
    const guest = create();
    assert.equal(guest.function('pages')(), 1);
    assert.equal(guest.growTo(65537), true);
    assert.equal(guest.function('pages')(), 2);
    assert.equal(guest.memory().length, 131072);
    assert.equal(guest.growTo(5 * 65536), false);
    assert.equal(guest.function('pages')(), 2);
  });
}

test('an ArgBuf is reached to the byte, and once it is shared only read', () => {
  const guest = VARIANTS.guarded();
  const write = (address: number): number => guest.function('report')(address, 21);
  const peek = guest.function('peek');
  assert.ok(guest.argBufs);
  const address = guest.argBufs.create(100);
  write(address);
  write(address + 99);
  assert.equal(peek(address + 99), 21);
  assert.throws(() => peek(address + 100), WebAssembly.RuntimeError);
  assert.throws(() => write(address + 100), WebAssembly.RuntimeError);
  assert.throws(() => VARIANTS.guarded().function('peek')(address), WebAssembly.RuntimeError);
  guest.argBufs.share(address);
  assert.equal(peek(address + 99), 21);
  assert.throws(() => peek(address + 100), WebAssembly.RuntimeError);
  assert.throws(() => write(address), WebAssembly.RuntimeError);
  assert.equal(VARIANTS.plain().argBufs, undefined);
});

test('the guarded module is larger than the plain one', () => {
  assert.ok(VARIANTS.guarded().moduleBytes > VARIANTS.plain().moduleBytes);
  assert.equal(VARIANTS.plain().moduleBytes, bytes.length);
});

test('function types are read from letters', () => {
  assert.deepEqual(functionType('ijfd:i'), { parameters: ['i32', 'i64', 'f32', 'f64'], results: ['i32'] });
  assert.deepEqual(functionType(':'), { parameters: [], results: [] });
  assert.throws(() => functionType('x:'), RangeError);
});
