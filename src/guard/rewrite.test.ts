import assert from 'node:assert/strict';
import { test } from 'node:test';
import binaryen from 'binaryen';
import { decodeModule } from './decode.ts';
import { guardModule } from './guard.ts';
import { TestSpace } from './testing.ts';
import { functionBody, functionType, moduleBytes, section, text, unsigned, vector } from './testing-modules.ts';
import { assemble, guardText } from './testing-wat.ts';
import { INIT_EXPORT } from './types.ts';

const space = new TestSpace();

test('every way to call passes base on', () => {
  const seen: unknown[] = [];
  const { guarded, instance } = guardText(
    space,
    `(module
      (type $unary (func (param i32) (result i32)))
      (import "jord" "double" (func $double (type $unary)))
      (table 4 funcref)
      (elem (i32.const 1) $one $double)
      (elem declare func $ten)
      (memory 1)
      (global $count (mut i32) (i32.const 0))
      (func $one (type $unary) (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (i32.add (local.get 0) (i32.const 1)))
      (func $ten (type $unary) (i32.add (local.get 0) (i32.const 10)))
      (func (export "direct") (param i32) (result i32) (call $one (call $double (local.get 0))))
      (func (export "indirect") (param i32 i32) (result i32)
        (call_indirect (type $unary) (local.get 0) (local.get 1)))
      (func (export "tail") (param i32) (result i32) (return_call $one (local.get 0)))
      (func (export "tail import") (param i32) (result i32) (return_call $double (local.get 0)))
      (func (export "tail indirect") (param i32 i32) (result i32)
        (return_call_indirect (type $unary) (local.get 0) (local.get 1)))
      (func (export "null") (result i32) (ref.is_null (table.get 0 (i32.const 0))))
      (func (export "not null") (result i32) (ref.is_null (ref.func $ten)))
      (func (export "table size") (result i32) (table.size 0))
      (func $loop (type $unary)
        (if (result i32) (i32.eqz (local.get 0)) (then (global.get $count))
          (else (return_call $loop (i32.sub (local.get 0) (i32.const 1))))))
      (export "loop" (func $loop))
      (export "double" (func $double))
      (export "memory" (memory 0))
      (export "table" (table 0)))`,
    {
      host: {
        'jord.double': {
          type: { parameters: ['i32'], results: ['i32'] },
          call: (value, base) => {
            seen.push(base);
            return Number(value) * 2;
          },
        },
      },
    },
  );
  assert.equal(instance.call('direct', 5), 11);
  assert.equal(instance.call('indirect', 5, 1), 6);
  assert.equal(instance.call('indirect', 5, 2), 10);
  assert.throws(() => instance.call('indirect', 5, 3), WebAssembly.RuntimeError);
  assert.throws(() => instance.call('indirect', 5, 9), WebAssembly.RuntimeError);
  assert.equal(instance.call('tail', 5), 6);
  assert.equal(instance.call('tail import', 5), 10);
  assert.equal(instance.call('tail indirect', 5, 2), 10);
  assert.equal(instance.call('double', 4), 8);
  assert.equal(instance.call('null'), 1);
  assert.equal(instance.call('not null'), 0);
  assert.equal(instance.call('table size'), 4);
  // A million tail calls keep base and need no stack.
  assert.equal(instance.call('loop', 1_000_000), 3);
  assert.deepEqual(new Set(seen), new Set([instance.home.base]));
  assert.deepEqual(guarded.imports, ['jord.double']);
  const exported = WebAssembly.Module.exports(new WebAssembly.Module(guarded.bytes));
  assert.ok(exported.every((e) => e.kind === 'function'));
  assert.deepEqual(
    exported.map((e) => e.name),
    [...guarded.exports.map((e) => e.name), INIT_EXPORT],
  );
  assert.deepEqual(guarded.exports.find((e) => e.name === 'indirect')?.type, {
    parameters: ['i32', 'i32'],
    results: ['i32'],
  });
});

test('a call through the table with another type traps', () => {
  const { instance } = guardText(
    space,
    `(module
      (table funcref (elem $f $g))
      (func $f (param i32) (result i32) (local.get 0))
      (func $g (result i32) (i32.const 7))
      (func (export "f") (param i32) (result i32)
        (call_indirect (param i32) (result i32) (i32.const 1) (local.get 0)))
      (func (export "g") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))`,
  );
  assert.equal(instance.call('f', 0), 1);
  assert.equal(instance.call('g', 1), 7);
  assert.throws(() => instance.call('f', 1), WebAssembly.RuntimeError);
  assert.throws(() => instance.call('g', 0), WebAssembly.RuntimeError);
});

test('multi-value blocks, locals around base, typed select', () => {
  const { instance } = guardText(
    space,
    `(module
      (memory 1)
      (func (export "swap") (param i32 i64) (result i64 i32) (local i32 i64)
        (local.set 2 (local.get 0)) (local.set 3 (local.get 1))
        (local.get 2) (local.get 3)
        (block (param i32 i64) (result i64 i32)
          (local.set 1) (local.set 0) (local.get 1) (local.get 0)))
      (func (export "select") (param externref externref i32) (result externref)
        (select (result externref) (local.get 0) (local.get 1) (local.get 2)))
      (func (export "many") (result i32)
        (local ${'i32 '.repeat(200)})
        (local.set 126 (i32.const 1)) (local.set 127 (i32.const 2)) (local.set 128 (i32.const 4))
        (local.set 199 (i32.const 8))
        (i32.store offset=4 (local.get 199) (i32.add (local.get 127) (local.get 128)))
        (i32.add (i32.load offset=4 (local.get 199)) (i32.add (local.get 126) (local.tee 127 (local.get 199))))))`,
  );
  assert.deepEqual(instance.call('swap', 3, 4n), [4n, 3]);
  assert.equal(instance.call('select', 'a', 'b', 0), 'b');
  assert.equal(instance.call('many'), 15);
});

test('the order of evaluation is that of the module', () => {
  const { instance } = guardText(
    space,
    `(module
      (memory 1)
      (global $order (mut i32) (i32.const 0))
      (func $step (param i32 i32) (result i32)
        (global.set $order (i32.add (i32.mul (global.get $order) (i32.const 10)) (local.get 0)))
        (local.get 1))
      (func (export "order") (result i32)
        (i32.store
          (i32.load (call $step (i32.const 1) (i32.const 100)))
          (i32.load offset=4 (call $step (i32.const 2) (i32.const 200))))
        (i32.atomic.rmw.cmpxchg (call $step (i32.const 3) (i32.const 0))
          (i32.load (call $step (i32.const 4) (i32.const 0)))
          (i32.load8_u (call $step (i32.const 5) (i32.const 0))))
        drop
        (global.get $order)))`,
  );
  assert.equal(instance.call('order'), 12345);
});

test('accesses in unreachable code stay valid', () => {
  const { instance } = guardText(
    space,
    `(module
      (memory 1)
      (func (export "f") (result i32) (return (i32.const 1)) (i32.load) (i32.store) (i64.store (i64.load))
        (memory.copy) (memory.fill) (memory.grow) (drop) (call_indirect (type 0)) (drop) (global.set 0) (memory.size))
      (global (mut i64) (i64.const 0))
      (table 1 funcref)
      (func (export "wait") (result i32)
        (i32.add (i32.const 1) (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))))`,
  );
  assert.equal(instance.call('f'), 1);
  assert.throws(() => instance.call('wait'), /unreachable/);
});

test('legacy exceptions', () => {
  const { instance } = guardText(
    space,
    `(module
      (memory 1)
      (tag $t (param i32 i64))
      (func $throw (param i32) (throw $t (i32.load (local.get 0)) (i64.const 9)))
      (func (export "catch") (param i32) (result i32) (local i64)
        (try (result i32)
          (do (call $throw (local.get 0)) (i32.const 0))
          (catch $t (local.set 1) (i32.add (i32.wrap_i64 (local.get 1))))
          (catch_all (i32.const -1))))
      (func (export "delegate") (param i32) (result i32)
        (try $outer (result i32)
          (do (try (do (call $throw (local.get 0))) (delegate $outer)) (i32.const 1))
          (catch $t (drop) (drop) (i32.store (i32.const 8) (i32.const 5)) (i32.load (i32.const 8)))))
      (func (export "rethrow")
        (try (do (call $throw (i32.const 0))) (catch_all (rethrow 0)))))`,
  );
  assert.equal(instance.call('catch', 0), 9);
  assert.equal(instance.call('delegate', 0), 5);
  assert.throws(() => instance.call('rethrow'), WebAssembly.Exception);
  // A refusal of the guard cannot be caught by the function.
  assert.throws(() => instance.call('catch', -4), /unreachable/);
});

/** Text that only binaryen reads. */
function assembleNew(source: string): Uint8Array<ArrayBuffer> {
  const module = binaryen.parseText(source);
  try {
    module.setFeatures(binaryen.Features.All);
    return Uint8Array.from(module.emitBinary());
  } finally {
    module.dispose();
  }
}

test('new exceptions', () => {
  const bytes = assembleNew(`(module
    (memory 1)
    (tag $t (param i32))
    (func $throw (param i32) (throw $t (i32.load (local.get 0))))
    (func (export "catch") (param i32) (result i32)
      (block $caught (result i32)
        (try_table (catch $t $caught) (call $throw (local.get 0)))
        (i32.const -1)))
    (func (export "all") (param i32) (result i32)
      (block $any (try_table (catch_all $any) (call $throw (local.get 0))) (return (i32.const 0)))
      (i32.const 1))
    (func (export "again") (param i32)
      (throw_ref (block $any (result exnref)
        (try_table (catch_all_ref $any) (call $throw (local.get 0)))
        (return)))))`);
  const guarded = guardModule(bytes, { imports: new Map() });
  const instance = space.instantiate(guarded, space.newHome(guarded.layout));
  space.set32(instance.home.start + 4, 77);
  assert.equal(instance.call('catch', 4), 77);
  assert.equal(instance.call('all', 4), 1);
  assert.throws(() => instance.call('again', 4), WebAssembly.Exception);
  assert.throws(() => instance.call('all', -4), /unreachable/);
});

test('relaxed SIMD, extended constants, a table with an initial value', () => {
  const { instance } = guardText(
    space,
    `(module
      (memory 1)
      (func (export "madd") (result f32)
        (f32x4.extract_lane 0 (f32x4.relaxed_madd
          (f32x4.splat (f32.const 2)) (f32x4.splat (f32.const 3)) (f32x4.splat (f32.const 4)))))
      (func (export "swizzle") (result i32)
        (i8x16.extract_lane_u 0 (i8x16.relaxed_swizzle (v128.const i8x16 9 8 7 6 5 4 3 2 1 0 0 0 0 0 0 0)
          (v128.const i8x16 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0)))))`,
  );
  assert.equal(instance.call('madd'), 10);
  assert.equal(instance.call('swizzle'), 7);

  const type = { parameters: [], results: ['i32'] } as const;
  const bytes = moduleBytes(
    section(1, vector([functionType(type)])),
    section(3, vector([[0], [0]])),
    // table 0x40 0x00 funcref, 3 entries, each ref.func 0
    section(4, vector([[0x40, 0x00, 0x70, 0, 3, 0xd2, 0, 0x0b]])),
    section(7, vector([[...text('f'), 0, 1]])),
    section(10, vector([functionBody([], [0x41, 42]), functionBody([], [0x41, 2, 0x11, 0, 0])])),
  );
  const guarded = guardModule(bytes, { imports: new Map() });
  assert.equal(space.instantiate(guarded, space.newHome(guarded.layout)).call('f'), 42);
});

test('names stay, and those of the added functions join them', () => {
  const { guarded, instance } = guardText(
    space,
    `(module $shop
      (memory 1)
      (func $inner (drop (i32.load (i32.const -1))))
      (func $outer (export "f") (call $inner))
      (func $bulk (export "g") (memory.fill (i32.const -1) (i32.const 0) (i32.const 1))))`,
  );
  const stack = (name: string): string => {
    try {
      instance.call(name);
    } catch (error) {
      return error instanceof Error ? (error.stack ?? '') : '';
    }
    return '';
  };
  assert.match(stack('f'), /shop\.inner[\s\S]*shop\.outer/);
  assert.match(stack('g'), /jord:write-range[\s\S]*jord:memory\.fill[\s\S]*shop\.bulk/);
  assert.equal(decodeModule(guarded.bytes).names.module, 'shop');
});

/** A function with an `if` at offset 3 of its body and a load inside: 0 locals, local.get 0, if … */
function hintedModule(hints: readonly number[]): Uint8Array<ArrayBuffer> {
  const type = { parameters: ['i32'], results: [] } as const;
  return moduleBytes(
    section(1, vector([functionType(type)])),
    section(3, vector([[0]])),
    section(5, vector([[0, 1]])),
    section(0, [...text('metadata.code.branch_hint'), ...hints]),
    section(10, vector([functionBody([], [0x20, 0, 0x04, 0x40, 0x20, 0, 0x28, 2, 0, 0x1a, 0x0b])])),
  );
}

test('hints: of the guard, and the module’s own at their new offsets', () => {
  // One function, number 0, one hint: at offset 3, of size 1, likely.
  const own = vector([[...unsigned(0), ...vector([[...unsigned(3), 1, 1]])]]);
  const withHints = guardModule(hintedModule(own), { imports: new Map() });
  const without = guardModule(hintedModule([0x80]), { imports: new Map() });
  const hintsOf = (bytes: Uint8Array): { at: number[]; ops: (number | undefined)[]; values: readonly number[] } => {
    const module = decodeModule(bytes);
    const hints = module.branchHints.get(0);
    assert.ok(hints !== undefined);
    const start = module.bodies[0]?.start ?? 0;
    return { at: [...hints.offsets], ops: hints.offsets.map((o) => bytes[start + o]), values: hints.values };
  };
  const merged = hintsOf(withHints.bytes);
  assert.deepEqual(merged.ops, [0x04, 0x04]);
  assert.deepEqual(merged.values, [1, 1]);
  const alone = hintsOf(without.bytes);
  assert.deepEqual(alone.ops, [0x04]);
  assert.deepEqual(alone.at, [merged.at[1]]);
  // V8 wants the section before the code.
  const ids = [
    ...Buffer.from(withHints.bytes)
      .toString('latin1')
      .matchAll(/branch_hint/g),
  ];
  assert.equal(ids.length, 1);
});

test('a broken name or hint section is no reason to refuse a module', () => {
  const broken = moduleBytes(
    section(0, [...text('name'), 1, 200]),
    section(0, [...text('name'), 0]),
    section(0, [...text('metadata.code.branch_hint'), 9, 9, 9]),
    section(0, [...text('producers'), 1, 2, 3]),
  );
  const guarded = guardModule(broken, { imports: new Map() });
  const custom = (name: string): number =>
    WebAssembly.Module.customSections(new WebAssembly.Module(guarded.bytes), name).length;
  assert.equal(custom('producers'), 0);
  assert.equal(custom('name'), 1);
});

test('the bytes given are not changed, and shared ones are copied', () => {
  const bytes = assemble('(module (memory 1) (func (export "f") (result i32) (i32.load (i32.const 0))))');
  const before = bytes.slice();
  const guarded = guardModule(bytes, { imports: new Map() });
  assert.deepEqual(bytes, before);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  assert.deepEqual(guardModule(shared, { imports: new Map() }).bytes, guarded.bytes);
});
