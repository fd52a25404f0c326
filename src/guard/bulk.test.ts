import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ACCESS_BULK,
  ACCESS_WRITE,
  FAULT_ACCESS,
  FAULT_NONE,
  FAULT_SEGMENT,
  PAGE_SIZE,
  PERMISSION_NONE,
  PERMISSION_READ,
  PERMISSION_READ_WRITE,
  RED_ZONE,
} from '../../core/layout.ts';
import { TestSpace } from './testing.ts';
import { guardText } from './testing-wat.ts';

const LIMIT = 2 * PAGE_SIZE;
/** Of a home of this size. */
const CHUNK = 256;
const AREA = 0x8000_0000;
const SLOT = 4096;

const space = new TestSpace();
const { instance } = guardText(
  space,
  `(module
    (memory 1 2)
    (data $greeting "hello, world")
    (data $empty "")
    (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
    (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
    (func (export "init") (param i32 i32 i32) (memory.init $greeting (local.get 0) (local.get 1) (local.get 2)))
    (func (export "init empty") (param i32 i32 i32) (memory.init $empty (local.get 0) (local.get 1) (local.get 2)))
    (func (export "drop") (data.drop $greeting)))`,
  { memoryLimitBytes: LIMIT },
);
const { home } = instance;
const stranger = space.newHome(home.layout);

interface Region {
  readonly start: number;
  readonly end: number;
  readonly read: boolean;
  readonly write: boolean;
}
const regions: Region[] = [{ start: 0, end: LIMIT, read: true, write: true }];
space.giveGranule(128, 12);
for (const [slot, length, owner, permission, read, write] of [
  [0, 1000, home.base, PERMISSION_READ_WRITE, true, true],
  [1, SLOT, home.base, PERMISSION_READ_WRITE, true, true],
  [2, SLOT, home.base, PERMISSION_READ, true, false],
  [3, 500, stranger.base, PERMISSION_READ_WRITE, false, false],
  [4, 500, stranger.base, PERMISSION_READ_WRITE, true, true],
  [5, 500, stranger.base, PERMISSION_READ_WRITE, true, false],
  [6, 500, home.base, PERMISSION_NONE, false, false],
] as const) {
  const start = AREA + slot * SLOT;
  space.map(start, length, owner, permission);
  regions.push({ start, end: start + length, read, write });
}
space.grant(home.base, AREA + 4 * SLOT, PERMISSION_READ_WRITE, 'B');
space.grant(home.base, AREA + 5 * SLOT, PERMISSION_READ, 'A');

/** Whether a range is permitted, zero lengths included, without the guard's arithmetic. */
function permitted(address: number, length: number, write: boolean): boolean {
  return regions.some((r) => (write ? r.write : r.read) && address >= r.start && address + length <= r.end);
}

function physical(address: number): number {
  return address < AREA ? home.start + address : address;
}

function chunks(address: number, length: number): number[] {
  if (address >= AREA || length === 0) return [];
  const [first, last] = [Math.floor(address / CHUNK), Math.floor((address + length - 1) / CHUNK)];
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Calls; true when it returned, false when it trapped. */
function attempt(name: string, ...parameters: number[]): boolean {
  try {
    instance.call(name, ...parameters.map((p) => p | 0));
    return true;
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return false;
    throw error;
  }
}

const addresses = [
  ...regions.flatMap(({ start, end }) => [start, start + 1, end - 700, end - 499, end - 1, end, end + 1]),
  LIMIT + RED_ZONE - 1,
  AREA - 1,
  AREA - 400,
  AREA + 10 * SLOT,
  0xff00_0000,
  0xffff_ffff,
].filter((address) => address >= 0);
const lengths = [0, 1, 500, 700, 5000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

function expectFault(address: number, write: boolean): void {
  assert.deepEqual(space.takeFault(home), {
    kind: FAULT_ACCESS,
    address,
    access: ACCESS_BULK | (write ? ACCESS_WRITE : 0),
  });
}

test('memory.fill: every address and length', () => {
  for (const address of addresses) {
    for (const length of lengths) {
      const message = `fill 0x${address.toString(16)} ${length}`;
      const allowed = permitted(address, length, true);
      assert.equal(attempt('fill', address, 0x1a5, length), allowed, message);
      if (!allowed) {
        expectFault(address, true);
        assert.deepEqual(space.takeMarks(home), [], message);
        continue;
      }
      const from = physical(address);
      assert.ok(
        space.bytes.subarray(from, from + length).every((byte) => byte === 0xa5),
        message,
      );
      assert.deepEqual(space.takeMarks(home), chunks(address, length), message);
      space.bytes.fill(0, from, from + length);
    }
  }
});

test('memory.copy: between every two places', () => {
  let copied = 0;
  for (const to of addresses) {
    for (const from of addresses) {
      for (const length of lengths) {
        const message = `copy 0x${to.toString(16)} 0x${from.toString(16)} ${length}`;
        const [writable, readable] = [permitted(to, length, true), permitted(from, length, false)];
        const allowed = writable && readable;
        if (allowed) {
          for (let i = 0; i < length; i += 1) space.bytes[physical(from) + i] = (i * 37 + length) & 0xff;
        }
        const was = allowed ? space.bytes.slice(physical(from), physical(from) + length) : new Uint8Array();
        assert.equal(attempt('copy', to, from, length), allowed, message);
        if (allowed) {
          assert.deepEqual(space.bytes.slice(physical(to), physical(to) + length), was, message);
          assert.deepEqual(space.takeMarks(home), chunks(to, length), message);
          copied += 1;
        } else {
          expectFault(writable ? from : to, !writable);
          space.takeMarks(home);
        }
      }
    }
  }
  assert.ok(copied > 500);
});

test('memory.init and data.drop', () => {
  for (const [to, from, length] of [
    [10, 0, 12],
    [AREA, 7, 5],
    [AREA + 1000, 0, 0],
    [LIMIT, 12, 0],
    [LIMIT - 5, 0, 5],
  ] as const) {
    assert.ok(attempt('init', to, from, length));
    const place = physical(to);
    const written = Buffer.from(space.bytes.slice(place, place + length)).toString();
    assert.equal(written, 'hello, world'.slice(from, from + length));
    assert.deepEqual(space.takeMarks(home), chunks(to, length));
  }
  assert.ok(!attempt('init', LIMIT - 4, 0, 5));
  expectFault(LIMIT - 4, true);
  assert.ok(!attempt('init', AREA + 996, 0, 5));
  expectFault(AREA + 996, true);
  // Behind the end of the segment: V8's own trap.
  assert.ok(!attempt('init', 0, 8, 5));
  assert.equal(space.takeFault(home).kind, FAULT_NONE);
  assert.ok(attempt('init empty', 0, 0, 0));
  assert.ok(!attempt('init empty', 0, 0, 1));

  assert.ok(attempt('drop'));
  assert.ok(attempt('init', 0, 0, 0));
  assert.ok(!attempt('init', LIMIT + 1, 0, 0));
  expectFault(LIMIT + 1, true);
  for (const [from, length] of [
    [0, 1],
    [1, 0],
    [0, 12],
  ] as const) {
    assert.ok(!attempt('init', 20, from, length));
    assert.deepEqual(space.takeFault(home), { kind: FAULT_SEGMENT, address: 20, access: ACCESS_BULK | ACCESS_WRITE });
  }
  assert.ok(attempt('init empty', 0, 0, 0));
});

test('what is dropped in one home is not in another', () => {
  const other = guardText(
    space,
    `(module (memory 1) (data $d "abc")
      (func (export "init") (memory.init $d (i32.const 0) (i32.const 0) (i32.const 3)))
      (func (export "drop") (data.drop $d)))`,
  );
  const second = space.newHome(other.guarded.layout);
  other.instance.call('drop');
  assert.throws(() => other.instance.call('init'), WebAssembly.RuntimeError);
  space.instantiate(other.guarded, second).call('init');
  assert.equal(space.bytes[second.start + 2], 'c'.charCodeAt(0));
});
