/**
 * Loops that are copied: what they do where the range is there, where it is not, and where only the accesses that are made are allowed.
 * A loop must fault where it would have without the copy, with all done before and nothing after.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FAULT_ACCESS, FAULT_NONE, PERMISSION_READ, PERMISSION_READ_WRITE } from '../../core/layout.ts';
import { decodeModule } from './decode.ts';
import { GUARDED_LIMITS } from './errors.ts';
import { decodeExpression, InstructionList, WORD_A, WORDS } from './instructions.ts';
import { OP_CALL, OP_I32_EQ, opcodeNamed } from './opcodes.ts';
import { Reader } from './reader.ts';
import { type TestInstance, TestSpace } from './testing.ts';
import { guardText } from './testing-wat.ts';
import { readValueType } from './value-types.ts';

const OP_I32_MUL = opcodeNamed('i32.mul');
const VMA = 0x8000_0000;
const LENGTH = 5000;
const space = new TestSpace();
space.giveGranule(128, 16);

const SOURCE = `(module (memory 2 2)
  (func (export "xor") (param $to i32) (param $from i32) (param $n i32) (local $i i32)
    (loop $l (if (i32.lt_u (local.get $i) (local.get $n)) (then
      (i32.store8 (i32.add (local.get $to) (local.get $i))
        (i32.xor (i32.load8_u (i32.add (local.get $from) (local.get $i))) (i32.const 90)))
      (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l)))))
  (func (export "sum") (param $p i32) (param $n i32) (result i32) (local $i i32) (local $s i32)
    (loop $l (if (i32.lt_s (local.get $i) (local.get $n)) (then
      (local.set $s (i32.add (local.get $s) (i32.load (i32.add (local.get $p) (i32.shl (local.get $i) (i32.const 2))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l))))
    (local.get $s))
  (func (export "find") (param $p i32) (param $n i32) (param $wanted i32) (result i32) (local $i i32)
    (loop $l (result i32)
      (if (i32.ge_u (local.get $i) (local.get $n)) (then (return (i32.const -1))))
      (if (result i32) (i32.lt_u (local.get $i) (local.get $n)) (then
        (if (result i32)
          (i32.eq (i32.load8_u (i32.add (local.get $p) (local.get $i))) (local.get $wanted))
          (then (local.get $i))
          (else (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l))))
        (else (i32.const -2)))))
  (func (export "block") (param $p i32) (result i32) (local $i i32) (local $s i32)
    (loop $l (if (i32.lt_u (local.get $i) (i32.const 16)) (then
      (local.set $s (i32.add (i32.mul (local.get $s) (i32.const 31))
        (i32.load offset=4 (i32.add (local.get $p) (i32.shl (local.get $i) (i32.const 2))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l))))
    (local.get $s)))`;

/** An instance whose home has a VMA of LENGTH bytes. */
function instanceFor(permission = PERMISSION_READ_WRITE): TestInstance {
  const { instance } = guardText(space, SOURCE);
  space.map(VMA, LENGTH, permission === PERMISSION_READ ? 0 : instance.home.base, permission);
  if (permission === PERMISSION_READ) {
    space.map(VMA, LENGTH, 1, PERMISSION_READ_WRITE);
    space.grant(instance.home.base, VMA, PERMISSION_READ, 'A');
  }
  space.bytes.set(
    Uint8Array.from({ length: LENGTH }, (_, i) => (i * 7 + (i >> 8)) & 0xff),
    VMA,
  );
  return instance;
}

const at = (instance: TestInstance, pointer: number): number =>
  pointer < VMA ? instance.home.start + pointer : pointer;
const bytesAt = (instance: TestInstance, pointer: number, count: number): number[] => [
  ...space.bytes.slice(at(instance, pointer), at(instance, pointer) + count),
];

function faults(instance: TestInstance, address: number, call: () => unknown): void {
  assert.throws(call, WebAssembly.RuntimeError);
  const fault = space.takeFault(instance.home);
  assert.deepEqual([fault.kind, fault.address], [FAULT_ACCESS, address]);
}

describe('a loop over a range', () => {
  test('is searched for before the loop, which is there twice', () => {
    const { bytes } = guardText(space, SOURCE).guarded;
    const module = decodeModule(bytes, GUARDED_LIMITS);
    const named = (wanted: string): number =>
      [...module.names.functions].find(([, name]) => name === wanted)?.[0] ?? assert.fail(`no function ${wanted}`);
    const searches = [named('jord:find-read'), named('jord:find-write')];
    for (const [name, wanted] of [
      ['xor', 2],
      ['sum', 1],
      ['find', 1],
      ['block', 1],
    ] as const) {
      const body = module.bodies[named(name) - module.importedFunctions] ?? assert.fail(`no body of ${name}`);
      const reader = new Reader(bytes, body.start, body.end);
      for (let groups = reader.u32(); groups > 0; groups -= 1) {
        reader.u32();
        readValueType(reader);
      }
      const list = new InstructionList();
      decodeExpression(reader, list, { typeCount: module.types.length, where: () => name });
      const places = Array.from({ length: list.count }, (_, at) => at * WORDS);
      const calls = places.filter(
        (at) => list.words[at] === OP_CALL && searches.includes(list.words[at + WORD_A] ?? -1),
      );
      const indices = places.filter((at) => list.words[at] === OP_I32_MUL || list.words[at] === OP_I32_EQ);
      assert.equal(calls.length, wanted, name);
      if (name === 'block' || name === 'find') assert.equal(indices.length, 2, name);
    }
  });

  test('reads and writes in the home and in a VMA, from one to the other', () => {
    for (const [to, from] of [
      [VMA + 2000, 1000],
      [1000, VMA],
      [70_000, 1000],
      [VMA + 1000, VMA],
      [VMA, VMA + 1],
    ] as const) {
      const instance = instanceFor();
      space.bytes.fill(77, instance.home.start + 1000, instance.home.start + 3000);
      const before = bytesAt(instance, from, 2001);
      instance.call('xor', to, from, 1000);
      const wanted = before.slice(0, 1000).map((byte) => byte ^ 90);
      if (to !== VMA + 1000 || from !== VMA) assert.deepEqual(bytesAt(instance, to, 1000), wanted);
      assert.equal(space.takeFault(instance.home).kind, FAULT_NONE);
      const { chunkShift } = instance.home.layout;
      const marked = new Set(space.takeMarks(instance.home));
      if (to < VMA) for (let i = to; i < to + 1000; i += 1) assert.ok(marked.has(i >>> chunkShift));
    }
  });

  test('up to the last byte, and not beyond', () => {
    const instance = instanceFor();
    instance.call('xor', VMA, VMA, LENGTH);
    instance.call('xor', VMA + LENGTH - 1, VMA, 1);
    const before = bytesAt(instance, VMA, LENGTH);
    faults(instance, VMA + LENGTH, () => instance.call('xor', VMA, VMA, LENGTH + 1));
    // All that came before has been done.
    assert.deepEqual(
      bytesAt(instance, VMA, LENGTH),
      before.map((byte) => byte ^ 90),
    );
    faults(instance, VMA + LENGTH, () => instance.call('sum', VMA, LENGTH / 4 + 1));
    faults(instance, VMA - 1, () => instance.call('xor', VMA - 1, VMA, 4));
    faults(instance, VMA + LENGTH, () => instance.call('block', VMA + LENGTH - 64));
    instance.call('block', VMA + LENGTH - 68);
  });

  test('in a VMA that may only be read', () => {
    const instance = instanceFor(PERMISSION_READ);
    instance.call('xor', 1000, VMA, 1000);
    faults(instance, VMA, () => instance.call('xor', VMA, 1000, 1000));
    assert.equal(space.takeMarks(instance.home).length > 0, true);
  });

  test('that ends before the range does, faults not', () => {
    const instance = instanceFor();
    space.bytes[VMA + 4900] = 255;
    space.bytes.fill(0, VMA, VMA + 4900);
    assert.equal(instance.call('find', VMA, 100_000, 255), 4900);
    assert.equal(instance.call('find', VMA, 0xffff_ffff, 255), 4900);
    assert.equal(instance.call('find', VMA, 4901, 255), 4900);
    assert.equal(instance.call('find', VMA, 4900, 255), -1);
    faults(instance, VMA + LENGTH, () => instance.call('find', VMA, 100_000, 254));
  });

  test('of no turns asks for nothing', () => {
    const instance = instanceFor();
    instance.call('xor', 0x7fff_0000, 0xffff_fff0, 0);
    assert.equal(instance.call('sum', 0xffff_fff0, 0), 0);
    assert.equal(instance.call('sum', 0xffff_fff0, -1), 0);
    assert.equal(instance.call('sum', VMA, -0x8000_0000), 0);
    assert.equal(instance.call('find', 0xffff_ffff, 0, 1), -1);
  });

  test('whose length would not be one with its bits lost', () => {
    const instance = instanceFor();
    // n << 2 is 16 modulo 2^32.
    faults(instance, VMA + LENGTH, () => instance.call('sum', VMA, 0x4000_0004));
    faults(instance, VMA + LENGTH, () => instance.call('sum', VMA, 0x1000_0001));
    faults(instance, VMA + LENGTH, () => instance.call('sum', VMA, 0x1000_0000));
  });

  test('round the end of the address space and of the home', () => {
    const instance = instanceFor();
    const { memoryLimit } = instance.home.layout;
    instance.call('xor', memoryLimit - 100, memoryLimit - 100, 100);
    faults(instance, 0xffff_fff0, () => instance.call('xor', 0, 0xffff_fff0, 32));
    faults(instance, memoryLimit, () => instance.call('xor', 0, memoryLimit - 100, 101));
  });
});
