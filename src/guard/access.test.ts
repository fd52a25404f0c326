import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ACCESS_ATOMIC,
  ACCESS_WRITE,
  FAULT_ACCESS,
  FAULT_ATOMIC_WAIT,
  FAULT_NONE,
  GRANT_FACTOR_A,
  GRANT_FACTOR_B,
  GRANT_MASK,
  GRANT_SHIFT,
  HOME_GRANT_TABLE_A,
  HOME_GRANT_TABLE_B,
  HOME_LAST_READ_LENGTH,
  HOME_LAST_READ_START,
  PAGE_SIZE,
  PERMISSION_NONE,
  PERMISSION_READ,
  PERMISSION_READ_WRITE,
  RED_ZONE,
  RESTORED_BEHIND,
} from '../../core/layout.ts';
import { guardModule } from './guard.ts';
import {
  type Access,
  accessOf,
  IMMEDIATE_MEMORY_LANE,
  immediates,
  OPCODE_COUNT,
  opcodeName,
  opcodeNamed,
} from './opcodes.ts';
import { TestSpace } from './testing.ts';
import {
  instructionFunction,
  memoryModule,
  opcodeBytes,
  signed,
  type TestFunction,
  unsigned,
} from './testing-modules.ts';
import type { ValueType } from './types.ts';
import { verifyModule } from './verify.ts';

const PAGES = 2;
const LIMIT = PAGES * PAGE_SIZE;
/** Of a home of this size. */
const CHUNK = 256;
const CLASS_SHIFT = 12;
const AREA = 0x8000_0000;
const SLOT = 2 ** CLASS_SHIFT;

interface Case {
  readonly name: string;
  readonly opcode: number;
  readonly access: Access;
  readonly offset: number;
}

interface Region {
  readonly start: number;
  readonly end: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** The instruction's bytes: natural alignment, and the last lane where it has one. */
function instructionBytes(opcode: number, access: Access, offset: number): number[] {
  const lane = immediates[opcode] === IMMEDIATE_MEMORY_LANE ? [16 / access.sizeBytes - 1] : [];
  return [...opcodeBytes(opcode), ...unsigned(Math.log2(access.sizeBytes)), ...unsigned(offset), ...lane];
}

/** Offsets on both sides of where the emitted form changes, all multiples of the size. */
function offsetsFor(sizeBytes: number): number[] {
  return [0, 48, RED_ZONE - sizeBytes, RED_ZONE, LIMIT - 16, LIMIT, AREA, 2 ** 32 - 16];
}

const cases: Case[] = [];
for (let opcode = 0; opcode < OPCODE_COUNT; opcode += 1) {
  const access = accessOf(opcode);
  if (access === undefined) continue;
  for (const offset of offsetsFor(access.sizeBytes)) {
    cases.push({ name: `${opcodeName(opcode)} offset=${offset}`, opcode, access, offset });
  }
}
const functions: TestFunction[] = cases.map(({ name, opcode, access, offset }) =>
  instructionFunction(name, access.operands, access.result, instructionBytes(opcode, access, offset)),
);
const original = memoryModule(PAGES, functions);
const guarded = guardModule(original, { imports: new Map(), memoryLimitBytes: LIMIT });

const space = new TestSpace();
const before = space.newHome(guarded.layout);
const home = space.newHome(guarded.layout);
const after = space.newHome(guarded.layout);
const instance = space.instantiate(guarded, home);
/** The same functions unguarded, in a memory of their own: what they do where they are allowed to. */
const oracle = new TestSpace();
const plain = new WebAssembly.Instance(new WebAssembly.Module(original), { env: { memory: oracle.memory } });

const regions: Region[] = [];
/** Makes VMA number `slot` and says who may do what with it. */
function vma(
  slot: number,
  length: number,
  owner: number,
  permission: number,
  rights: { read: boolean; write: boolean },
): number {
  const start = AREA + slot * SLOT;
  space.map(start, length, owner, permission);
  regions.push({ start, end: start + length, ...rights });
  return start;
}
const ALL = { read: true, write: true };
const READ = { read: true, write: false };
const NONE = { read: false, write: false };
space.giveGranule(128, CLASS_SHIFT);
const owned = vma(0, 1000, home.base, PERMISSION_READ_WRITE, ALL);
const ownedWhole = vma(2, SLOT, home.base, PERMISSION_READ_WRITE, ALL);
const foreign = vma(3, SLOT, after.base, PERMISSION_READ_WRITE, NONE);
const readOnly = vma(4, 100, home.base, PERMISSION_READ, READ);
const noPermission = vma(5, 100, home.base, PERMISSION_NONE, NONE);
const grantedA = vma(6, 777, before.base, PERMISSION_READ_WRITE, ALL);
const grantedB = vma(7, 776, after.base, PERMISSION_READ_WRITE, ALL);
const grantedReadA = vma(8, 64, before.base, PERMISSION_READ_WRITE, READ);
/** Far from the other one in table B, where 256 neighbours share a slot. */
const grantedReadB = vma(512, 64, before.base, PERMISSION_READ_WRITE, READ);
/** More is granted than the VMA itself permits. */
const grantedTooMuch = vma(9, 64, before.base, PERMISSION_READ, READ);
const free = AREA + 10 * SLOT;
space.grant(home.base, grantedA, PERMISSION_READ_WRITE, 'A');
space.grant(home.base, grantedB, PERMISSION_READ_WRITE, 'B');
space.grant(home.base, grantedReadA, PERMISSION_READ, 'A');
space.grant(home.base, grantedReadB, PERMISSION_READ, 'B');
space.grant(home.base, grantedTooMuch, PERMISSION_READ_WRITE, 'A');
const vmaStarts = regions.map((r) => r.start);

/** Effective addresses worth trying for an access of `s` bytes. */
function targets(s: number): number[] {
  const edges = regions.flatMap(({ start, end }) => [start, end - s, end - s + 1, end - 1, end]);
  const home = [
    0,
    64,
    CHUNK - s,
    CHUNK - 1,
    CHUNK,
    LIMIT - s,
    LIMIT - 1,
    LIMIT,
    LIMIT + RED_ZONE - s - 1,
    LIMIT + RED_ZONE - s,
  ];
  const refused = [
    LIMIT + RED_ZONE - s + 1,
    LIMIT + RED_ZONE,
    2 ** 31 - 1,
    AREA - s,
    free,
    0xff00_0000,
    2 ** 32 - s,
    2 ** 32 - 1,
  ];
  return [...new Set([...home, ...refused, ...edges])];
}

/** What should happen, said without the guard's arithmetic. Addresses are effective ones of 33 bits. */
function expectation(pointer: number, offset: number, access: Access): 'home' | 'vma' | 'refused' {
  const address = pointer + offset;
  const end = address + access.sizeBytes;
  const near = offset + access.sizeBytes <= RED_ZONE;
  if (near ? pointer < LIMIT : address < LIMIT) return 'home';
  const region = regions.find((r) => address >= r.start && end <= r.end);
  return region !== undefined && (access.write ? region.write : region.read) ? 'vma' : 'refused';
}

/** Where an effective address would be: in the home, whatever is behind it included, or at a VMA. */
function physical(address: number): number {
  return address < 2 ** 30 ? home.start + address : address % 2 ** 32;
}

/** The chunk that is marked for a write: that of the pointer, where what is restored behind a chunk covers the write. */
function markedChunk(pointer: number, offset: number, { sizeBytes }: Access): number {
  const isCovered = offset + sizeBytes - 1 <= RESTORED_BEHIND;
  return Math.floor((isCovered ? pointer : pointer + offset) / CHUNK);
}

const SPAN = 48;

/** Fills the surroundings of an effective address in both memories; returns a check that they are (still) alike. */
function prepare(address: number, seed: number): { compare: () => void; unchanged: () => void } {
  const real = Math.max(physical(address) - SPAN, 0);
  const there = Math.max(0, (address % 2 ** 32) - SPAN);
  const length = Math.min(2 * SPAN, 2 ** 32 - real, 2 ** 32 - there, address < 2 ** 30 ? Infinity : 2 ** 32 - there);
  const skip = address < SPAN ? SPAN - address : 0;
  const from = real + skip;
  const count = length - skip;
  for (let i = 0; i < count; i += 1) {
    const byte = (Math.imul(seed + i, 0x9e3779b1) >>> 24) & 0xff;
    space.bytes[from + i] = byte;
    oracle.bytes[there + i] = byte;
  }
  const was = space.bytes.slice(from, from + count);
  return {
    compare: () => assert.deepEqual(space.bytes.slice(from, from + count), oracle.bytes.slice(there, there + count)),
    unchanged: () => assert.deepEqual(space.bytes.slice(from, from + count), was),
  };
}

function operandValues(operands: readonly ValueType[], seed: number): (number | bigint)[] {
  const wide = BigInt.asIntN(64, BigInt(Math.imul(seed, 0x85ebca6b)) * 0x1_0000_0001_0001n + 77n);
  return operands.flatMap((type): (number | bigint)[] => {
    if (type === 'i32' || type === 'f32') return [Math.imul(seed, 0x85ebca6b)];
    return type === 'v128' ? [wide, ~wide] : [wide];
  });
}

function attempt(run: () => unknown): { value: unknown } | { error: Error } {
  try {
    return { value: run() };
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return { error };
    throw error;
  }
}

function accessCode(access: Access): number {
  return access.sizeBytes | (access.write ? ACCESS_WRITE : 0) | (access.atomic ? ACCESS_ATOMIC : 0);
}

function tryAccess(item: Case, pointer: number, seed: number): string {
  const { access, offset, name } = item;
  const address = pointer + offset;
  const expected = expectation(pointer, offset, access);
  const surroundings = prepare(address, seed);
  const values = operandValues(access.operands, seed);
  const outcome = attempt(() => instance.call(name, pointer | 0, ...values));
  const fault = space.takeFault(home);
  const marks = space.takeMarks(home);
  if (access.kind === 'wait') {
    assert.deepEqual(fault, { kind: FAULT_ATOMIC_WAIT, address: address % 2 ** 32, access: accessCode(access) });
    assert.ok('error' in outcome);
    return 'wait';
  }
  if (expected === 'refused') {
    const carried = offset >= LIMIT && address >= 2 ** 32;
    const recorded = carried ? 2 ** 32 - 1 : address % 2 ** 32;
    assert.deepEqual(fault, { kind: FAULT_ACCESS, address: recorded, access: accessCode(access) });
    assert.ok('error' in outcome && /unreachable/.test(outcome.error.message));
    assert.deepEqual(marks, []);
    surroundings.unchanged();
    return expected;
  }
  assert.deepEqual(fault, { kind: FAULT_NONE, address: 0, access: 0 });
  const f = plain.exports[name];
  assert.ok(typeof f === 'function');
  assert.deepEqual(
    outcome,
    attempt(() => f(pointer | 0, ...values)),
  );
  surroundings.compare();
  assert.deepEqual(marks, expected === 'home' && access.write ? [markedChunk(pointer, offset, access)] : []);
  return expected;
}

test('the table has every memory access', () => {
  // 23 of the MVP, 22 of SIMD, 3 + 14 + 49 of threads.
  assert.equal(new Set(cases.map((c) => c.opcode)).size, 23 + 22 + 66);
  assert.equal(2 ** guarded.layout.chunkShift, CHUNK);
  assert.equal(vmaStarts.length, 10);
  assert.ok([owned, ownedWhole, foreign, readOnly, noPermission].every((start) => start >= AREA));
});

for (const kind of ['load', 'store', 'rmw', 'notify', 'wait'] as const) {
  test(`${kind}: home, VMAs and refusals at every bound`, () => {
    const seen = new Map<string, number>();
    let seed = 1;
    for (const item of cases.filter((c) => c.access.kind === kind)) {
      for (const target of targets(item.access.sizeBytes)) {
        // The 33rd bit: the pointer that reaches the target only by wrapping.
        const pointer = (target - item.offset + 2 ** 32) % 2 ** 32;
        const message = `${item.name}, pointer 0x${pointer.toString(16)}`;
        try {
          const outcome = tryAccess(item, pointer, seed);
          seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
        } catch (error) {
          throw new Error(message, { cause: error });
        }
        seed += 1;
      }
    }
    const wanted = kind === 'wait' ? ['wait'] : ['home', 'refused', 'vma'];
    assert.deepEqual([...seen.keys()].sort(), wanted);
  });
}

test('what is remembered of a VMA allows what is in it, and nothing beside it', () => {
  const warm = { load: 'i32.load8_u offset=0', store: 'i32.store8 offset=0' };
  let seed = 1;
  const seen = new Map<string, number>();
  for (const item of cases.filter((c) => c.access.kind === 'load' || c.access.kind === 'store')) {
    const { sizeBytes, write } = item.access;
    for (const { start, end, read, write: writable } of regions.filter((region) => region.read)) {
      const around = [
        start - sizeBytes,
        start - sizeBytes + 1,
        start - 1,
        start,
        end - sizeBytes,
        end - sizeBytes + 1,
        end - 1,
      ];
      for (const target of [...around, end, start - 2 ** 31, 2 ** 32 - 1, (start + 2 ** 31) % 2 ** 32]) {
        // As a function would leave it that has read, and where it may written, all of this VMA.
        if (read) instance.call(warm.load, start | 0);
        if (writable) instance.call(warm.store, start | 0, 0);
        space.takeMarks(home);
        const pointer = (target - item.offset + 2 ** 32) % 2 ** 32;
        const outcome = tryAccess(item, pointer, seed++);
        seen.set(
          `${outcome}, ${write ? 'write' : 'read'}`,
          (seen.get(`${outcome}, ${write ? 'write' : 'read'}`) ?? 0) + 1,
        );
      }
    }
  }
  assert.deepEqual([...seen.keys()].sort(), [
    'home, read',
    'home, write',
    'refused, read',
    'refused, write',
    'vma, read',
    'vma, write',
  ]);
});

test('what is remembered is where the VMA starts and how long it is, also for less than an access', () => {
  const tiny = AREA + 11 * SLOT;
  space.map(tiny, 3, home.base, PERMISSION_READ_WRITE);
  assert.ok('value' in attempt(() => instance.call('i32.load8_u offset=0', (tiny + 2) | 0)));
  assert.equal(space.get32(home.base + HOME_LAST_READ_START) >>> 0, tiny);
  assert.equal(space.get32(home.base + HOME_LAST_READ_LENGTH), 3);
  for (const at of [tiny - 4, tiny - 3, tiny - 1, tiny, tiny + 2, tiny + 3]) {
    assert.ok('error' in attempt(() => instance.call('i32.load offset=0', at | 0)), `4 bytes at ${at}`);
    assert.ok('error' in attempt(() => instance.call('i64.load offset=0', at | 0)), `8 bytes at ${at}`);
  }
  assert.ok('error' in attempt(() => instance.call('i32.load8_u offset=0', (tiny + 3) | 0)));
  assert.ok('error' in attempt(() => instance.call('i32.load8_u offset=0', (tiny - 1) | 0)));
  space.map(tiny, 0, 0, PERMISSION_NONE);
  space.takeFault(home);
});

/** Loads and stores of whole values, one after the other in one function, at one pointer. */
interface Step {
  readonly name: string;
  readonly offset: number;
}

const STEPS = [
  'i32.load8_u',
  'i32.load',
  'i64.load',
  'i32.store8',
  'i32.store16',
  'i64.store32',
  'i64.store',
  'i32.load16_s',
];

/** A function (pointer) that does all steps: loads are dropped, stores store their number. */
function stepsFunction(steps: readonly Step[]): TestFunction {
  const instructions = steps.flatMap(({ name, offset }, i) => {
    const opcode = opcodeNamed(name);
    const access = accessOf(opcode);
    assert.ok(access !== undefined);
    const value = access.operands.flatMap((type) => [type === 'i64' ? 0x42 : 0x41, ...signed(i + 1)]);
    const end = access.result === undefined ? [] : [0x1a];
    return [0x20, 0, ...value, ...instructionBytes(opcode, access, offset), ...end];
  });
  return { name: 'steps', type: { parameters: ['i32'], results: [] }, instructions };
}

/** Accesses that are checked together: [pointer + low, pointer + high). */
interface Range {
  low: number;
  high: number;
  write: boolean;
}

/**
 * For each step the range that is checked for it. Accesses near the pointer are checked together as long as they are no more
 * than 255 bytes from one end to the other; those that are far from it are checked one by one.
 */
function checkedRanges(steps: readonly Step[]): Range[] {
  let latest: Range | undefined;
  return steps.map(({ name, offset }) => {
    const access = accessOf(opcodeNamed(name));
    assert.ok(access !== undefined);
    const { sizeBytes, write } = access;
    const own = { low: offset, high: offset + sizeBytes, write };
    if (own.high > RED_ZONE) return own;
    const low = Math.min(offset, latest?.low ?? offset);
    const high = Math.max(own.high, latest?.high ?? 0);
    if (latest === undefined || high - low > 255) latest = own;
    else Object.assign(latest, { low, high, write: latest.write || write });
    return latest;
  });
}

function isRefused(pointer: number, { low, high, write }: Range): boolean {
  if (high > RED_ZONE ? pointer + low < LIMIT : pointer < LIMIT) return false;
  const region = regions.find((r) => pointer + low >= r.start && pointer + high <= r.end);
  return region === undefined || !(write ? region.write : region.read);
}

/** Each byte of a write must be in a marked chunk, or in what is restored behind one. */
function assertMarked(marks: ReadonlySet<number>, at: number, sizeBytes: number): void {
  for (let byte = at; byte < at + sizeBytes; byte += 1) {
    const isCovered =
      marks.has(Math.floor(byte / CHUNK)) || marks.has(Math.floor(Math.max(byte - RESTORED_BEHIND, 0) / CHUNK));
    assert.ok(isCovered, `byte ${byte} is not marked`);
  }
}

function checkSteps(steps: readonly Step[], pointer: number): void {
  const bytes = memoryModule(PAGES, [stepsFunction(steps)]);
  const guardedSteps = guardModule(bytes, { imports: new Map(), memoryLimitBytes: LIMIT });
  verifyModule(guardedSteps, { imports: new Map() });
  const many = space.instantiate(guardedSteps, home);
  const ranges = checkedRanges(steps);
  const refusedAt = ranges.findIndex((range) => isRefused(pointer, range));
  const refusedRange = ranges[refusedAt];
  const fault =
    refusedRange === undefined
      ? { kind: FAULT_NONE, address: 0, access: 0 }
      : {
          kind: FAULT_ACCESS,
          address: pointer + refusedRange.low,
          access: (refusedRange.high - refusedRange.low) | (refusedRange.write ? ACCESS_WRITE : 0),
        };
  const { compare } = prepare(pointer + SPAN, pointer);
  const outcome = attempt(() => many.call('steps', pointer | 0));
  assert.deepEqual(space.takeFault(home), fault);
  assert.equal('error' in outcome, refusedRange !== undefined);
  const marks = space.takeMarks(home);
  let last = 0;
  for (const [i, { name, offset }] of steps.entries()) {
    const access = accessOf(opcodeNamed(name));
    assert.ok(access !== undefined);
    const expected = expectation(pointer, offset, access);
    // It faults if, and only if, one of the accesses is refused: each is in the range that is checked for it.
    if (expected === 'refused') assert.ok(refusedRange !== undefined);
    if (refusedAt >= 0 && i >= refusedAt) continue;
    assert.notEqual(expected, 'refused');
    if (expected !== 'home' || !access.write) continue;
    last = Math.max(last, pointer + offset + access.sizeBytes);
    assertMarked(new Set(marks), pointer + offset, access.sizeBytes);
  }
  const first = Math.floor(pointer / CHUNK);
  // What a group writes is marked before it is written, so there may be more of it when something is refused.
  const behind = refusedRange === undefined ? last : pointer + 2 * RED_ZONE;
  assert.ok(marks.every((chunk) => pointer < LIMIT && chunk >= first && chunk * CHUNK < behind));
  if (refusedRange !== undefined) {
    assert.ok(steps.some(({ name, offset }) => isRefusedAlone(pointer, name, offset, refusedRange)));
    return;
  }
  const plainSteps = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory: oracle.memory } })
    .exports['steps'];
  assert.ok(typeof plainSteps === 'function');
  plainSteps(pointer | 0);
  compare();
}

/** Whether an access that is refused by itself is in the range, with what the range asks for. */
function isRefusedAlone(pointer: number, name: string, offset: number, range: Range): boolean {
  const access = accessOf(opcodeNamed(name));
  assert.ok(access !== undefined);
  const isInside = offset >= range.low && offset + access.sizeBytes <= range.high && (range.write || !access.write);
  return isInside && expectation(pointer, offset, access) === 'refused';
}

test('many accesses in one function: they fault together if one of them is refused, and each write is marked', () => {
  const step = fc.record({
    name: fc.constantFrom(...STEPS),
    offset: fc.constantFrom(0, 1, 7, 64, 92, 93, 600, 3000, 4090, 4095, 5000),
  });
  const place = fc.constantFrom(
    64,
    1000,
    LIMIT - 8,
    LIMIT - 4000,
    owned,
    owned + 900,
    ownedWhole,
    readOnly,
    readOnly + 90,
    grantedA + 100,
  );
  fc.assert(fc.property(fc.array(step, { minLength: 2, maxLength: 24 }), place, checkSteps), { numRuns: 400 });
});

test('a slot of a grant table without permission grants nothing', () => {
  const entry = space.entryOf(foreign);
  const slots = [
    home.base + HOME_GRANT_TABLE_A + ((Math.imul(entry, GRANT_FACTOR_A) >>> GRANT_SHIFT) & GRANT_MASK),
    home.base + HOME_GRANT_TABLE_B + ((Math.imul(entry, GRANT_FACTOR_B) >>> GRANT_SHIFT) & GRANT_MASK),
  ];
  for (const slot of slots) {
    const was = space.get32(slot);
    for (const [bits, reads, writes] of [
      [0, false, false],
      [1, true, false],
      [2, false, false],
      [3, true, true],
      [4, false, false],
      [19, false, false],
    ] as const) {
      space.set32(slot, entry | bits);
      space.forgetLast(home.base);
      const read = attempt(() => instance.call('i32.load offset=0', foreign | 0));
      const write = attempt(() => instance.call('i32.store offset=0', foreign | 0, 0));
      assert.equal('value' in read, reads, `read with ${bits}`);
      assert.equal('value' in write, writes, `write with ${bits}`);
    }
    space.set32(slot, was);
    space.forgetLast(home.base);
  }
  space.takeFault(home);
});

test('permissions that end are refused from then on', () => {
  const name = 'i32.load offset=0';
  assert.ok('value' in attempt(() => instance.call(name, owned | 0)));
  space.map(owned, 1000, after.base, PERMISSION_READ_WRITE);
  assert.ok('error' in attempt(() => instance.call(name, owned | 0)));
  space.map(owned, 1000, home.base, PERMISSION_READ_WRITE);
  assert.ok('value' in attempt(() => instance.call(name, owned | 0)));
  space.grant(home.base, grantedA, PERMISSION_NONE, 'A');
  assert.ok('error' in attempt(() => instance.call(name, grantedA | 0)));
  space.takeFault(home);
});
