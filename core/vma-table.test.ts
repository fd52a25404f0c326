import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fixture } from '../test/privlib-fixture.ts';
import {
  CONTROL_MAGIC,
  EXECUTOR_SIZE,
  EXECUTOR_TABLE,
  EXECUTOR_VMAS,
  GRANULE_SHIFT,
  GRANULE_TABLE,
  HOME_GLOBALS,
  NULL_VTE,
  PERMISSION_NONE,
  PERMISSION_READ,
  PERMISSION_READ_WRITE,
  VTE_AREA,
} from './layout.ts';
import * as status from './status.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

test('a VMA has the exact bound that was asked for, in the smallest class that holds it', () => {
  const { privLib, host, ...fixture } = open();
  for (const length of [0, 1, 127, 128, 129, 4096, 4097, MIB, MIB + 1, 16 * MIB, 16 * MIB + 1, 64 * MIB, 256 * MIB]) {
    const address = privLib.vmaMap(length, host) >>> 0;
    assert.ok(address >= 2 ** 31, `${length}: ${address.toString(16)}`);
    assert.equal(privLib.vmaLength(address, host), length);
    const capacity = length <= 128 ? 128 : 2 ** Math.ceil(Math.log2(length));
    assert.equal(address % capacity, 0, `${length} is aligned to its class`);
    if (length > 0) assert.ok(fixture.allows(host, address + length - 1, 1, true));
    assert.ok(!fixture.allows(host, address + length, 1, false));
    assert.ok(!fixture.allows(host, address, length + 1, false));
    assert.equal(privLib.vmaResize(address, capacity, host), status.OK);
    assert.equal(privLib.vmaResize(address, capacity + 1, host), status.TOO_LARGE);
    assert.equal(privLib.vmaUnmap(address, host), status.OK);
  }
});

test('each wrong use has a status of its own and changes nothing', () => {
  const { privLib, host, made, fixture } = open();
  const child = privLib.pdCreate(made.descriptor, host);
  const childBase = privLib.pdHome(child);
  const address = privLib.vmaMap(1000, host) >>> 0;
  const freed = privLib.vmaMap(1000, host) >>> 0;
  privLib.vmaUnmap(freed, host);
  const before = snapshot(fixture, address, host);

  for (const [name, call] of Object.entries({
    unmap: (at: number) => privLib.vmaUnmap(at, host),
    protect: (at: number) => privLib.vmaProtect(at, PERMISSION_READ, host),
    resize: (at: number) => privLib.vmaResize(at, 10, host),
    move: (at: number) => privLib.vmaMove(at, child, host),
    share: (at: number) => privLib.vmaShare(at, child, PERMISSION_READ, host),
  })) {
    assert.equal(call(0), status.NOT_A_VMA, `${name}: null`);
    assert.equal(call(childBase), status.NOT_A_VMA, `${name}: a home`);
    assert.equal(call(0xff000000), status.NOT_A_VMA, `${name}: the last granule`);
    assert.equal(call(0xfffffff0), status.NOT_A_VMA, `${name}: the end of the address space`);
    assert.equal(call(address + 1024 * 64), status.NOT_A_VMA, `${name}: never mapped`);
    assert.equal(call(address + 8), status.NOT_THE_START, name);
    assert.equal(call(freed), status.NOT_MAPPED, name);
  }
  assert.equal(privLib.vmaProtect(address, 2, host), status.BAD_PERMISSION);
  assert.equal(privLib.vmaShare(address, child, PERMISSION_NONE, host), status.BAD_PERMISSION);
  assert.equal(privLib.vmaResize(address, 1025, host), status.TOO_LARGE);
  assert.equal(privLib.vmaMap(256 * MIB + 1, host), status.TOO_LARGE);
  assert.equal(privLib.vmaMap(-1, host), status.TOO_LARGE);
  assert.equal(privLib.vmaMove(address, child + 65536, host), status.STALE_PD);
  assert.equal(privLib.vmaMove(address, 0, host), status.STALE_PD);
  assert.equal(privLib.vmaRelease(address, host), status.NOT_GRANTED);
  // The child does not run, so it may not ask, and once it does it owns nothing.
  assert.equal(privLib.vmaUnmap(address, childBase), status.STALE_PD);
  privLib.pdEnter(child, host);
  assert.equal(privLib.vmaUnmap(address, host), status.STALE_PD);
  assert.equal(privLib.vmaUnmap(address, childBase), status.NOT_THE_OWNER);
  assert.equal(privLib.vmaLength(address, childBase), -1);
  privLib.pdExit(child, host);
  assert.deepEqual(snapshot(fixture, address, host), before);
});

test('a class is exhausted with a status, and usable again after an unmap', () => {
  const { privLib, host } = open();
  const mapped: number[] = [];
  for (;;) {
    const address = privLib.vmaMap(256 * MIB, host) >>> 0;
    if (address <= status.STATUS_MAX) {
      assert.equal(address, status.CLASS_EXHAUSTED);
      break;
    }
    mapped.push(address);
    assert.ok(mapped.length <= 8);
  }
  // 2 GiB less the last granule, and less the one that other classes have taken: the last 256 MiB are not whole.
  assert.ok(mapped.length >= 6, `${mapped.length}`);
  const [first = 0] = mapped;
  assert.equal(privLib.vmaUnmap(first, host), status.OK);
  assert.equal(privLib.vmaMap(200 * MIB, host) >>> 0, first);
});

test('sharing gives the permission asked for and no more, and binds the owner', () => {
  const { privLib, host, made, allows } = open();
  const child = privLib.pdCreate(made.descriptor, host);
  const base = privLib.pdHome(child);
  const address = privLib.vmaMap(100, host) >>> 0;
  assert.ok(!allows(base, address, 1, false));
  assert.equal(privLib.vmaShare(address, child, PERMISSION_READ, host), status.OK);
  assert.equal(privLib.vmaShare(address, child, PERMISSION_READ, host), status.GRANT_REFUSED);
  assert.ok(allows(base, address + 99, 1, false));
  assert.ok(!allows(base, address + 100, 1, false));
  assert.ok(!allows(base, address, 1, true));
  for (const result of [
    privLib.vmaUnmap(address, host),
    privLib.vmaProtect(address, PERMISSION_NONE, host),
    privLib.vmaResize(address, 50, host),
    privLib.vmaMove(address, child, host),
  ]) {
    assert.equal(result, status.SHARED);
  }
  privLib.pdEnter(child, host);
  assert.equal(privLib.vmaLength(address, base), 100);
  assert.equal(privLib.vmaUnmap(address, base), status.NOT_THE_OWNER);
  assert.equal(privLib.vmaRelease(address, base), status.OK);
  assert.equal(privLib.vmaRelease(address, base), status.NOT_GRANTED);
  assert.ok(!allows(base, address, 1, false));
  privLib.pdExit(child, host);
  assert.equal(privLib.vmaProtect(address, PERMISSION_READ, host), status.OK);
  assert.equal(privLib.vmaShare(address, child, PERMISSION_READ_WRITE, host), status.BAD_PERMISSION);
  assert.equal(privLib.vmaUnmap(address, host), status.OK);
});

test('a VMA whose owner is gone stays for those who share it and is freed by the last', () => {
  const { privLib, host, executor, made, fixture, allows } = open();
  const child = privLib.pdCreate(made.descriptor, host);
  const base = privLib.pdHome(child);
  privLib.pdEnter(child, host);
  const before = vmas(fixture, executor);
  const address = privLib.vmaMap(100, base) >>> 0;
  assert.equal(privLib.vmaShare(address, privLib.pdHandle(host), PERMISSION_READ, base), status.OK);
  privLib.pdExit(child, host);
  privLib.pdDestroy(child, host);
  assert.ok(allows(host, address, 100, false));
  assert.equal(vmas(fixture, executor), before + 1);
  assert.equal(privLib.vmaRelease(address, host), status.OK);
  assert.ok(!allows(host, address, 1, false));
  assert.equal(vmas(fixture, executor), before);
});

test('at least 200 VMAs can be shared with one PD, and a refusal changes nothing', () => {
  const { privLib, host, executor, made, fixture } = open();
  const child = privLib.pdCreate(made.descriptor, host);
  const base = privLib.pdHome(child);
  const before = vmas(fixture, executor);
  const shared: number[] = [];
  const refused: number[] = [];
  for (let i = 0; i < 600; i++) {
    const address = privLib.vmaMap(64, host) >>> 0;
    const result = privLib.vmaShare(address, child, PERMISSION_READ, host);
    assert.ok(result === status.OK || result === status.GRANT_REFUSED);
    (result === status.OK ? shared : refused).push(address);
  }
  assert.ok(shared.length >= 200, `${shared.length}`);
  for (const address of shared) assert.ok(fixture.guardAllows(base, address, 64, false));
  for (const address of refused) {
    assert.ok(!fixture.guardAllows(base, address, 64, false));
    assert.equal(privLib.vmaUnmap(address, host), status.OK);
  }
  assert.equal(privLib.pdDestroy(child, host), status.OK);
  for (const address of shared) assert.equal(privLib.vmaUnmap(address, host), status.OK);
  assert.equal(vmas(fixture, executor), before);
});

test('what comes into an ArgBuf is zero, whatever was there before', () => {
  const { privLib, host, fixture } = open();
  for (const length of [1, 64, 200, 5000, MIB]) {
    const first = privLib.vmaMap(length, host) >>> 0;
    const end = first + 2 ** Math.ceil(Math.log2(Math.max(length, 128)));
    fixture.bytes.fill(0xaa, first, end);
    privLib.vmaUnmap(first, host);
    const second = privLib.argBufNew(length, host) >>> 0;
    assert.equal(second, first);
    assert.ok(fixture.bytes.subarray(first, first + length).every((byte) => byte === 0));
    fixture.bytes.fill(0xaa, first + length, end);
    assert.equal(privLib.vmaResize(first, end - first, host), status.OK);
    assert.ok(fixture.bytes.subarray(first, end).every((byte) => byte === 0));
    privLib.vmaUnmap(first, host);
  }
});

interface Model {
  length: number;
  owner: number;
  permission: number;
  grants: Map<number, number>;
}

const operation = fc.record({
  kind: fc.constantFrom('map', 'unmap', 'protect', 'resize', 'move', 'share', 'release', 'enter', 'exit'),
  pick: fc.nat(),
  offset: fc.constantFrom(0, 0, 0, 0, 8, 128),
  length: fc.oneof(fc.nat(300), fc.nat(70_000)),
  permission: fc.constantFrom(0, 1, 3),
  to: fc.nat(2),
});

test('property: after any operations, exactly what the model says is accessible', () => {
  const { fixture, made } = open();
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      checkAgainstModel(fixture, made.descriptor, operations);
    }),
    { numRuns: 150 },
  );
});

/** Three PDs in a row, each the caller of the next; the one that runs asks. */
function checkAgainstModel(
  fixture: Fixture,
  descriptor: number,
  operations: readonly (typeof operation extends fc.Arbitrary<infer T> ? T : never)[],
): void {
  const { privLib, host, executor } = fixture;
  const before = vmas(fixture, executor);
  const handles = [privLib.pdHandle(host)];
  const bases = [host];
  const model = new Map<number, Model>();
  let running = 0;
  const addresses = (): number[] => [...model.keys()];
  const expect = (actual: number, wanted: boolean): boolean => {
    assert.equal(actual === status.OK, wanted, `status ${actual}`);
    return wanted;
  };
  for (const { kind, pick, offset, length, permission, to } of operations) {
    const asker = bases[running] ?? 0;
    const address = ((addresses()[pick % Math.max(model.size, 1)] ?? 0x80000000) + offset) >>> 0;
    const vma = model.get(address);
    const own = vma !== undefined && vma.owner === asker;
    const target = bases[to] ?? 0;
    const isNeighbour = target !== 0 && target !== asker && Math.abs(to - running) === 1;
    if (kind === 'map') {
      const mapped = privLib.vmaMap(length, asker) >>> 0;
      assert.ok(mapped > status.STATUS_MAX && !model.has(mapped));
      model.set(mapped, { length, owner: asker, permission: PERMISSION_READ_WRITE, grants: new Map() });
    } else if (kind === 'unmap') {
      if (expect(privLib.vmaUnmap(address, asker), own && vma.grants.size === 0)) model.delete(address);
    } else if (kind === 'protect') {
      if (expect(privLib.vmaProtect(address, permission, asker), own && vma.grants.size === 0) && vma) {
        vma.permission = permission;
      }
    } else if (kind === 'resize') {
      const capacity = vma === undefined ? 0 : capacityOf(fixture, address);
      const fits = own && length <= capacity && vma.grants.size === 0;
      if (expect(privLib.vmaResize(address, length, asker), fits) && vma) vma.length = length;
    } else if (kind === 'move') {
      const may = own && isNeighbour && vma.grants.size === 0;
      if (expect(privLib.vmaMove(address, handles[to] ?? 0, asker), may) && vma) vma.owner = target;
    } else if (kind === 'share') {
      const holds =
        vma !== undefined && vma.length >= 0 && permission !== 0 && (vma.permission & permission) === permission;
      const may = own && isNeighbour && holds && !vma.grants.has(target);
      if (expect(privLib.vmaShare(address, handles[to] ?? 0, permission, asker), may))
        vma?.grants.set(target, permission);
    } else if (kind === 'release') {
      if (expect(privLib.vmaRelease(address, asker), vma?.grants.has(asker) ?? false)) vma?.grants.delete(asker);
    } else if (kind === 'enter' && running < 2) {
      if (handles.length === running + 1) {
        const handle = privLib.pdCreate(descriptor, asker);
        handles.push(handle);
        bases.push(privLib.pdHome(handle));
      }
      assert.equal(privLib.pdEnter(handles[running + 1] ?? 0, asker), status.OK);
      running++;
    } else if (kind === 'exit' && running > 0) {
      running--;
      assert.equal(privLib.pdExit(handles[running + 1] ?? 0, bases[running] ?? 0), status.OK);
    }
    checkPermissions(fixture, bases, model);
  }
  for (; running > 0; running--) privLib.pdExit(handles[running] ?? 0, bases[running - 1] ?? 0);
  tearDown(fixture, handles, bases, model);
  assert.equal(vmas(fixture, executor), before);
}

function tearDown(fixture: Fixture, handles: number[], bases: number[], model: Map<number, Model>): void {
  const { privLib, host } = fixture;
  // Innermost first: each is destroyed by its caller, which must run.
  if (handles.length > 2) {
    privLib.pdEnter(handles[1] ?? 0, host);
    assert.equal(privLib.pdDestroy(handles[2] ?? 0, bases[1] ?? 0), status.OK);
    privLib.pdExit(handles[1] ?? 0, host);
  }
  if (handles.length > 1) assert.equal(privLib.pdDestroy(handles[1] ?? 0, host), status.OK);
  for (const [address, { owner, grants }] of model) {
    if (grants.has(host)) assert.equal(privLib.vmaRelease(address, host), status.OK);
    if (owner === host) assert.equal(privLib.vmaUnmap(address, host), status.OK);
  }
}

function checkPermissions(fixture: Fixture, bases: readonly number[], model: ReadonlyMap<number, Model>): void {
  for (const [address, { length, owner, permission, grants }] of model) {
    for (const base of bases) {
      const may = owner === base ? permission : (grants.get(base) ?? PERMISSION_NONE);
      for (const [at, size] of [
        [address, 1],
        [address + length - 1, 1],
        [address + length, 1],
        [address + length - 4, 8],
      ] as const) {
        if (at < address || at >= address + capacityOf(fixture, address)) continue;
        const inside = at + size <= address + length;
        assert.equal(fixture.guardAllows(base, at, size, false), inside && may >= PERMISSION_READ);
        assert.equal(fixture.guardAllows(base, at, size, true), inside && may === PERMISSION_READ_WRITE);
      }
    }
  }
}

function capacityOf(fixture: Fixture, address: number): number {
  return 2 ** Number(fixture.view.getBigUint64(GRANULE_TABLE + (address >>> GRANULE_SHIFT) * 8, true) & 31n);
}

function vmas(fixture: Fixture, executor: number): number {
  return fixture.word(executor + EXECUTOR_VMAS);
}

function snapshot(fixture: Fixture, address: number, host: number): unknown {
  // Asked first, since the answer is remembered in the header.
  const allowed = fixture.guardAllows(host, address, 1000, true);
  const header = Array.from(fixture.bytes.subarray(host, host + HOME_GLOBALS));
  const control = Array.from(fixture.bytes.subarray(CONTROL_MAGIC, NULL_VTE));
  const executor = Array.from(fixture.bytes.subarray(EXECUTOR_TABLE, EXECUTOR_TABLE + EXECUTOR_SIZE));
  const vtes = Array.from(fixture.bytes.subarray(VTE_AREA, VTE_AREA + 4096));
  return { header, control, executor, vtes, allowed };
}

function open() {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const made = fixture.makeFunction();
  const allows = (base: number, address: number, size: number, write: boolean): boolean =>
    fixture.guardAllows(base, address, size, write);
  return { fixture, privLib, host, executor, made, allows };
}
