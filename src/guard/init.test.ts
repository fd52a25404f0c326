import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ACCESS_BULK,
  ACCESS_WRITE,
  FAULT_ACCESS,
  HOME_GLOBALS,
  HOME_MEMORY_PAGES,
  PAGE_SIZE,
  RED_ZONE,
} from '../../core/layout.ts';
import { JordError } from '../errors.ts';
import { guardModule } from './guard.ts';
import { TestSpace } from './testing.ts';
import { assemble, guardText } from './testing-wat.ts';

const space = new TestSpace();
const i32 = { parameters: ['i32'], results: [] } as const;

test('mutable globals live in the home, immutable ones in the module', () => {
  const { guarded, instance } = guardText(
    space,
    `(module
      (global $a i32 (i32.const 40))
      (global $b i32 (i32.add (global.get $a) (i32.const 2)))
      (global $m32 (mut i32) (i32.mul (global.get $b) (i32.const 2)))
      (global $m64 (mut i64) (i64.sub (i64.const 5) (i64.const 7)))
      (global $f32 (mut f32) (f32.const 1.5))
      (global $f64 (mut f64) (f64.const -0.25))
      (global $v (mut v128) (v128.const i32x4 1 2 3 4))
      (func (export "m32") (result i32) (global.get $m32))
      (func (export "m64") (result i64) (global.get $m64))
      (func (export "f32") (result f32) (global.get $f32))
      (func (export "f64") (result f64) (global.get $f64))
      (func (export "b") (result i32) (global.get $b))
      (func (export "v") (param i32) (result i32)
        (i32x4.extract_lane 2 (global.get $v)))
      (func (export "set") (param i32)
        (global.set $m32 (local.get 0))
        (global.set $m64 (i64.extend_i32_s (local.get 0)))
        (global.set $f32 (f32.convert_i32_s (local.get 0)))
        (global.set $f64 (f64.convert_i32_s (local.get 0)))
        (global.set $v (i32x4.splat (local.get 0)))))`,
  );
  assert.equal(guarded.layout.globalsSize, 16 + 4 * 8);
  const all = (): unknown[] => ['m32', 'm64', 'f32', 'f64', 'b'].map((name) => instance.call(name));
  assert.deepEqual(all(), [84, -2n, 1.5, -0.25, 42]);
  assert.equal(instance.call('v', 0), 3);
  instance.call('set', 7);
  assert.deepEqual(all(), [7, 7n, 7, 7, 42]);
  assert.equal(instance.call('v', 0), 7);
  assert.deepEqual(space.takeMarks(instance.home), []);
  // v128 first, so that it is aligned.
  assert.equal(space.get32(instance.home.base + HOME_GLOBALS), 7);

  const second = space.instantiate(guarded, space.newHome(guarded.layout));
  second.init();
  assert.equal(second.call('m32'), 84);
  assert.equal(instance.call('m32'), 7);
});

test('one instance serves several homes at once, re-entrancy included', () => {
  const bases: unknown[] = [];
  const enter = { other: (): void => {} };
  const { guarded, instance } = guardText(
    space,
    `(module
      (import "jord" "other" (func $other (param i32)))
      (memory 1)
      (global $depth (mut i32) (i32.const 100))
      (func (export "count") (param i32) (result i32)
        (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
        (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 10)))
        (if (local.get 0) (then (call $other (local.get 0))))
        (i32.add (global.get $depth) (i32.load (i32.const 16)))))`,
    {
      host: {
        'jord.other': {
          type: i32,
          call: (_, base) => {
            bases.push(base);
            enter.other();
          },
        },
      },
    },
  );
  const second = space.newHome(guarded.layout);
  const inner: unknown[] = [];
  enter.other = () => inner.push(instance.callIn(second, 'count', 0), instance.callIn(second, 'count', 0));
  assert.equal(instance.call('count', 1), 111);
  assert.deepEqual(bases, [instance.home.base]);
  // The second home was not initialised: its global began at 0.
  assert.deepEqual(inner, [11, 22]);
  assert.equal(instance.call('count', 0), 122);
});

test('active segments are written in order, then the start function runs, each time jord:init is called', () => {
  const started: unknown[] = [];
  const { guarded, instance } = guardText(
    space,
    `(module
      (import "jord" "note" (func $note (param i32)))
      (memory 1)
      (global $place i32 (i32.const 100))
      (data (i32.const 100) "first")
      (data (i32.add (global.get $place) (i32.const 2)) "XY")
      (data $passive "zz")
      (data (i32.const 65536) "")
      (func $start (call $note (i32.load8_u (i32.const 102))))
      (start $start)
      (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
      (func (export "again") (param i32) (memory.init 0 (local.get 0) (i32.const 0) (i32.const 1)))
      (func (export "passive") (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 2))))`,
    { init: false, host: { 'jord.note': { type: i32, call: (...parameters) => started.push(parameters) } } },
  );
  assert.deepEqual(started, []);
  assert.equal(instance.call('peek', 100), 0);
  instance.init();
  assert.deepEqual(started, [['X'.charCodeAt(0), instance.home.base]]);
  const text = Buffer.from(space.bytes.slice(instance.home.start + 100, instance.home.start + 105)).toString();
  assert.equal(text, 'fiXYt');
  assert.deepEqual(space.takeMarks(instance.home), [0]);
  // An active segment counts as dropped from then on, a passive one does not.
  assert.throws(() => instance.call('again', 0), WebAssembly.RuntimeError);
  instance.call('passive');
  assert.deepEqual(
    [...space.bytes.slice(instance.home.base + HOME_GLOBALS, instance.home.base + HOME_GLOBALS + 4)],
    [1, 1, 0, 1],
  );
  assert.equal(guarded.layout.globalsSize, 16);
});

test('an active segment outside of the initial memory traps, though the home has room', () => {
  for (const [place, content, address] of [
    ['65533', 'four', 65533],
    ['65537', '', 65537],
    ['-1', 'x', 0xffff_ffff],
  ] as const) {
    const source = `(module (memory 1 4) (data (i32.const 0) "ok") (data (i32.const ${place}) "${content}"))`;
    const { instance } = guardText(space, source, { init: false });
    assert.throws(() => instance.init(), /unreachable/);
    assert.deepEqual(space.takeFault(instance.home), {
      kind: FAULT_ACCESS,
      address,
      access: ACCESS_BULK | ACCESS_WRITE,
    });
    // What came before it stays written, as in WebAssembly.
    assert.equal(space.bytes[instance.home.start], 'o'.charCodeAt(0));
  }
  const long = `(module (memory 0 1) (data (i32.const 0) "more than there is"))`;
  assert.throws(() => guardText(space, long), /unreachable/);
});

test('memory.size and memory.grow stay within the limit', () => {
  const { instance } = guardText(
    space,
    `(module (memory 1)
      (func (export "size") (result i32) (memory.size))
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`,
    { memoryLimitBytes: 4 * PAGE_SIZE },
  );
  const grow = (pages: number): unknown => instance.call('grow', pages | 0);
  assert.equal(instance.call('size'), 1);
  assert.equal(grow(0), 1);
  assert.equal(grow(4), -1);
  assert.equal(grow(2), 1);
  assert.equal(instance.call('size'), 3);
  assert.equal(space.get32(instance.home.base + HOME_MEMORY_PAGES), 3);
  for (const pages of [2, 65536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fffd]) assert.equal(grow(pages), -1);
  assert.equal(grow(1), 3);
  assert.equal(grow(1), -1);
  assert.equal(grow(0), 4);
});

test('the limit: default, option, declared maximum', () => {
  const layout = (memory: string, memoryLimitBytes?: number) =>
    guardModule(assemble(`(module ${memory})`), {
      imports: new Map(),
      ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
    }).layout;
  assert.equal(layout('(memory 2)').memoryLimit, 2 * PAGE_SIZE + 1024 * 1024);
  assert.equal(layout('(memory 2 3)').memoryLimit, 3 * PAGE_SIZE);
  assert.equal(layout('(memory 2 3)', 8 * PAGE_SIZE).memoryLimit, 3 * PAGE_SIZE);
  assert.equal(layout('(memory 2 9)', 8 * PAGE_SIZE).memoryLimit, 8 * PAGE_SIZE);
  assert.equal(layout('(memory 8192)').memoryLimit, 0x2000_0000);
  assert.equal(layout('').memoryLimit, 0);
  assert.equal(layout('(memory 0 0)').memoryLimit, 0);
  for (const bytes of [1, -65536, 0.5, 0x2000_0000 + 65536, Number.NaN]) {
    assert.throws(
      () => layout('(memory 1)', bytes),
      (error) => error instanceof JordError && error.code === 'BAD_OPTION',
    );
  }
});

test('layouts: sizes, alignments, chunks', () => {
  for (const [pages, chunkShift] of [
    [1, 8],
    [4, 8],
    [5, 9],
    [8, 9],
    [9, 10],
    [17, 10],
    [18, 11],
    [34, 11],
    [35, 12],
    [8192, 12],
  ] as const) {
    const source = `(module (memory ${pages}) (global (mut i32) (i32.const 0)) (data "x"))`;
    const options = { imports: new Map(), memoryLimitBytes: pages * PAGE_SIZE };
    const { layout } = guardModule(assemble(source), options);
    assert.equal(layout.chunkShift, chunkShift, `${pages} pages`);
    assert.equal(layout.headerSize % 64, 0);
    assert.equal(layout.mapOffset % 16, 0);
    assert.equal(layout.mapSize % 128, 0);
    assert.equal(layout.homeSize % 4096, 0);
    assert.equal(layout.globalsSize, 16);
    assert.equal(layout.mapOffset, HOME_GLOBALS + 16);
    assert.ok(layout.mapSize * 2 ** chunkShift >= layout.memoryLimit + RED_ZONE);
    assert.ok(layout.headerSize >= layout.mapOffset + layout.mapSize);
    assert.ok(layout.homeSize >= layout.headerSize + layout.memoryLimit + RED_ZONE);
    assert.equal(layout.memoryMaximumPages, pages);
  }
});

test('a module without memory has no home memory and reaches no VMA by accident', () => {
  const { guarded, instance } = guardText(space, '(module (func (export "f") (result i32) (i32.const 3)))');
  assert.equal(instance.call('f'), 3);
  assert.equal(guarded.layout.memoryLimit, 0);
  const none = guardText(space, '(module (memory 0 0) (func (export "f") (result i32) (i32.load (i32.const 0))))');
  assert.throws(() => none.instance.call('f'), /unreachable/);
  assert.equal(space.takeFault(none.instance.home).kind, FAULT_ACCESS);
});
