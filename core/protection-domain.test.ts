import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PrivLib } from '../src/server/privlib.ts';
import { Fixture, type TestFunction } from '../test/privlib-fixture.ts';
import {
  CLOCK_LAG_MS,
  CONTROL_EXECUTORS,
  CONTROL_NOW_MS,
  DEADLINE_FAR_MS,
  EXECUTOR_CURRENT,
  EXECUTOR_PDS,
  EXECUTOR_VMAS,
  EXECUTORS_MAX,
  FAULT_DEADLINE,
  FUNCTIONS_MAX,
  HOME_END_MS,
  HOME_FAULT_KIND,
  HOME_GLOBALS,
  HOME_MEMORY_PAGES,
  HOME_REQUEST_LENGTH,
  PERMISSION_READ,
  RED_ZONE,
  TIMEOUT_MS_MAX,
} from './layout.ts';
import * as status from './status.ts';

test('states: every operation out of order has its status and changes nothing', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const { descriptor } = fixture.makeFunction();
  const pd = privLib.pdCreate(descriptor, host);
  const base = privLib.pdHome(pd);
  assert.equal(privLib.pdHandle(base), pd);
  assert.equal(privLib.pdExit(pd, host), status.WRONG_STATE);
  assert.equal(privLib.pdCreate(descriptor, base), status.STALE_PD, 'only the PD that runs may ask');
  assert.equal(privLib.pdEnter(pd, host), status.OK);
  assert.equal(fixture.word(executor + EXECUTOR_CURRENT), base);
  assert.equal(privLib.pdEnter(pd, host), status.STALE_PD, 'the host does not run now');
  assert.equal(privLib.pdDestroy(pd, host), status.STALE_PD);
  assert.equal(privLib.pdDestroy(pd, base), status.WRONG_STATE, 'not even by itself');
  assert.equal(privLib.pdExit(pd, host), status.OK);
  assert.equal(fixture.word(executor + EXECUTOR_CURRENT), host);
  assert.equal(privLib.pdDestroy(pd, host), status.OK);
  for (const call of [privLib.pdEnter, privLib.pdExit, privLib.pdDestroy])
    assert.equal(call(pd, host), status.STALE_PD);
  const next = privLib.pdCreate(descriptor, host);
  assert.equal(privLib.pdHome(next), base, 'the same home');
  assert.notEqual(next, pd);
  assert.equal(privLib.pdDestroy(pd, host), status.STALE_PD, 'an old handle does not reach the new PD');
  assert.equal(privLib.pdHome(pd), status.STALE_PD);
  assert.equal(privLib.pdDestroy(next, host), status.OK);
  assert.equal(privLib.pdDestroy(privLib.pdHandle(host), host), status.WRONG_STATE, 'the host itself');
  for (const forged of [0, 1, 131072, 0x7fffffff, -1]) assert.equal(privLib.pdDestroy(forged, host), status.STALE_PD);
  for (const forged of [0, 1, descriptor + 4, descriptor + 128, 0x80000000, -128]) {
    assert.equal(privLib.pdCreate(forged, host), status.UNKNOWN_FUNCTION);
  }
});

test('property: a destroyed PD leaves its home as the image has it, wherever it wrote', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const image = new Uint8Array(5000).map((_, i) => i * 31 + 7);
  const made = fixture.makeFunction((base, template) => {
    fixture.writeHome(base, template, 3000, image);
    fixture.view.setUint32(base + HOME_GLOBALS + 8, 0xdeadbeef, true);
    fixture.view.setUint32(base + HOME_MEMORY_PAGES, 2, true);
  });
  const pristine = homeContent(fixture, made);
  assert.deepEqual(pristine.memory.subarray(3000, 8000), image);
  assert.ok(pristine.memory.subarray(0, 3000).every((byte) => byte === 0));
  assert.equal(pristine.pages, 2);
  const size = made.memoryLimit + RED_ZONE;
  const write = fc.tuple(fc.nat(size - 16), fc.oneof(fc.nat(16), fc.nat(4000)));
  fc.assert(
    fc.property(fc.array(write, { maxLength: 20 }), (writes) => {
      const pd = privLib.pdCreate(made.descriptor, host);
      const base = privLib.pdHome(pd);
      for (const [pointer, length] of writes) {
        const end = Math.min(pointer + Math.max(length, 1), size);
        fixture.writeHome(base, made, pointer, new Uint8Array(end - pointer).fill(0x55));
      }
      // A store at the end of a chunk marks only that one.
      straddle(fixture, made, base, 5);
      fixture.bytes.fill(0x77, base + HOME_GLOBALS, base + HOME_GLOBALS + made.globalsSize);
      fixture.view.setUint32(base + HOME_MEMORY_PAGES, 9, true);
      assert.equal(privLib.pdDestroy(pd, host), status.OK);
      const after = homeContent(fixture, made);
      assert.equal(Buffer.compare(after.memory, pristine.memory), 0);
      assert.deepEqual(after, pristine);
    }),
    { numRuns: 60 },
  );
});

/** Sixteen bytes from the last byte of a chunk on, with the mark that the guard would make. */
function straddle(fixture: Fixture, made: TestFunction, base: number, chunk: number): void {
  const pointer = ((chunk + 1) << made.chunkShift) - 1;
  fixture.bytes.fill(0x66, base + made.headerSize + pointer, base + made.headerSize + pointer + 16);
  fixture.bytes[base + made.mapOffset + chunk] = 1;
}

/** Memory, map and globals of the home that the next PD gets. */
function homeContent(fixture: Fixture, made: TestFunction) {
  const { privLib, host, bytes } = fixture;
  const pd = privLib.pdCreate(made.descriptor, host);
  const base = privLib.pdHome(pd);
  const start = base + made.headerSize;
  const content = {
    memory: bytes.slice(start, start + made.memoryLimit + RED_ZONE),
    map: bytes.slice(base + made.mapOffset, start),
    globals: bytes.slice(base + HOME_GLOBALS, base + HOME_GLOBALS + made.globalsSize),
    pages: fixture.word(base + HOME_MEMORY_PAGES),
  };
  privLib.pdDestroy(pd, host);
  return content;
}

test('destroying a PD frees what it owned and ends what was shared with it', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const { descriptor } = fixture.makeFunction();
  const before = fixture.word(executor + EXECUTOR_VMAS);
  const shared = privLib.vmaMap(10, host) >>> 0;
  const pd = privLib.pdCreate(descriptor, host);
  const base = privLib.pdHome(pd);
  assert.equal(privLib.vmaShare(shared, pd, PERMISSION_READ, host), status.OK);
  privLib.pdEnter(pd, host);
  const owned = Array.from({ length: 3000 }, (_, i) => privLib.argBufNew(i, base) >>> 0);
  assert.equal(new Set(owned).size, owned.length);
  privLib.pdExit(pd, host);
  privLib.pdDestroy(pd, host);
  for (const address of owned) assert.ok(!fixture.guardAllows(base, address, 1, false));
  assert.ok(!fixture.guardAllows(base, shared, 1, false));
  assert.equal(privLib.vmaUnmap(shared, host), status.OK);
  assert.equal(fixture.word(executor + EXECUTOR_VMAS), before);
});

test('a PD may not access what the one before it in its home has looked up last', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const { descriptor } = fixture.makeFunction();
  const mayAccess = (base: number, address: number): boolean[] =>
    [false, true].map((write) => fixture.guardAllows(base, address, 100, write));
  const next = {
    called: () => privLib.callEnter(descriptor, 0, host),
    created: () => {
      const pd = privLib.pdCreate(descriptor, host);
      privLib.pdEnter(pd, host);
      return privLib.pdHome(pd);
    },
  };
  for (const [way, enter] of Object.entries(next)) {
    const first = privLib.callEnter(descriptor, 0, host);
    const address = privLib.argBufNew(100, first) >>> 0;
    assert.deepEqual(mayAccess(first, address), [true, true]);
    assert.equal(privLib.callLeave(0, first, host), status.OK);
    assert.equal(privLib.vmaMap(100, host) >>> 0, address, 'it is somebody else’s now');
    const second = enter();
    assert.equal(second, first, 'the same home');
    assert.deepEqual(mayAccess(second, address), [false, false], way);
    assert.equal(privLib.callAbort(second, host), status.OK);
    assert.equal(privLib.vmaUnmap(address, host), status.OK);
  }
});

test('call: the request moves in and the response out, with their exact lengths', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const { descriptor } = fixture.makeFunction();
  const counts = (): number[] => [EXECUTOR_VMAS, EXECUTOR_PDS].map((offset) => fixture.word(executor + offset));
  const before = counts();
  const request = privLib.vmaMap(77, host) >>> 0;
  const base = privLib.callEnter(descriptor, request, host);
  assert.equal(fixture.word(base + HOME_REQUEST_LENGTH), 77);
  assert.ok(fixture.guardAllows(base, request, 77, true));
  assert.ok(!fixture.guardAllows(host, request, 1, false));
  assert.equal(privLib.callLeave(0, base, base), status.WRONG_STATE, 'only the caller takes it back');
  const response = privLib.argBufNew(33, base) >>> 0;
  assert.equal(privLib.callLeave(response, base, host) >>> 0, response);
  assert.ok(fixture.guardAllows(host, response, 33, true));
  assert.ok(!fixture.guardAllows(host, request, 1, false), 'the request went with the callee');
  privLib.vmaUnmap(response, host);
  assert.deepEqual(counts(), before);

  for (const bad of [1, 64, base, request, response + 8, 0xffffffff]) {
    const callee = privLib.callEnter(descriptor, 0, host);
    assert.equal(fixture.word(callee + HOME_REQUEST_LENGTH), 0);
    assert.equal(privLib.callLeave(bad, callee, host), status.CALLEE_BAD_RESPONSE, bad.toString(16));
  }
  assert.deepEqual(counts(), before);
});

test('call: refused before it begins, the request stays with the caller', () => {
  const fixture = new Fixture({ callDepthMax: 2 });
  const { privLib, host } = fixture;
  const { descriptor } = fixture.makeFunction();
  const request = privLib.vmaMap(8, host) >>> 0;
  assert.equal(privLib.callEnter(descriptor + 128, request, host), status.UNKNOWN_FUNCTION);
  assert.equal(privLib.callEnter(descriptor, request + 16, host), status.NOT_THE_START);
  assert.ok(fixture.guardAllows(host, request, 8, true));
  let caller = host;
  const bases: number[] = [];
  for (let depth = 0; depth < 3; depth++) {
    const base = privLib.callEnter(descriptor, depth === 0 ? request : 0, caller);
    assert.ok(base > status.STATUS_MAX);
    bases.push(base);
    caller = base;
  }
  assert.equal(new Set(bases).size, 3, 'recursion has a home for each call');
  const own = privLib.argBufNew(8, caller) >>> 0;
  assert.equal(privLib.callEnter(descriptor, own, caller), status.CALL_DEPTH_EXCEEDED);
  assert.ok(fixture.guardAllows(caller, own, 8, true));
  assert.equal(privLib.callEnter(descriptor, 0, host), status.STALE_PD, 'the host does not run');
});

test('abort takes all with it that was called below', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const { descriptor } = fixture.makeFunction();
  const before = [EXECUTOR_VMAS, EXECUTOR_PDS].map((offset) => fixture.word(executor + offset));
  const first = privLib.callEnter(descriptor, 0, host);
  const second = privLib.callEnter(descriptor, privLib.argBufNew(9, first), first);
  const third = privLib.callEnter(descriptor, privLib.argBufNew(9, second), second);
  privLib.argBufNew(9, third);
  assert.equal(privLib.callAbort(first, second), status.WRONG_STATE);
  assert.equal(privLib.callAbort(first, host), status.OK);
  assert.equal(fixture.word(executor + EXECUTOR_CURRENT), host);
  assert.deepEqual(
    [EXECUTOR_VMAS, EXECUTOR_PDS].map((offset) => fixture.word(executor + offset)),
    before,
  );
  assert.equal(privLib.callAbort(first, host), status.WRONG_STATE, 'it is gone');
});

test('home memory comes back when a function goes', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const before = privLib.homeMemoryFree();
  const { descriptor } = fixture.makeFunction((base, made) => fixture.writeHome(base, made, 70_000, Buffer.from('x')));
  const pds = Array.from({ length: 50 }, () => privLib.pdCreate(descriptor, host));
  assert.equal(privLib.functionHomes(descriptor), 50);
  for (const pd of pds.slice(1)) privLib.pdDestroy(pd, host);
  assert.equal(privLib.functionDestroy(descriptor), status.WRONG_STATE, 'not retired');
  assert.equal(privLib.functionRetire(descriptor), status.OK);
  assert.equal(privLib.pdCreate(descriptor, host), status.UNKNOWN_FUNCTION);
  assert.equal(privLib.poolTrim(executor, descriptor, 0), 49);
  assert.equal(privLib.functionDestroy(descriptor), status.WRONG_STATE, 'a PD is left');
  assert.equal(privLib.pdDestroy(pds[0] ?? 0, host), status.OK);
  assert.equal(privLib.functionHomes(descriptor), 0, 'its home went with it');
  assert.equal(privLib.functionDestroy(descriptor), status.OK);
  assert.equal(privLib.functionDestroy(descriptor), status.UNKNOWN_FUNCTION);
  assert.equal(privLib.homeMemoryFree(), before);
});

test('a handle stays stale when its home went to another function', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const [first, second] = [fixture.makeFunction(), fixture.makeFunction()];
  const old = privLib.pdCreate(first.descriptor, host);
  privLib.pdDestroy(old, host);
  privLib.poolTrim(executor, first.descriptor, 0);
  privLib.poolTrim(executor, second.descriptor, 0);
  const slots = Array.from({ length: 3 }, () => privLib.pdCreate(second.descriptor, host));
  assert.ok(
    slots.some((handle) => (handle & 0xffff) === (old & 0xffff)),
    'the slot has a new PD',
  );
  assert.equal(privLib.pdDestroy(old, host), status.STALE_PD);
  for (const handle of slots) assert.equal(privLib.pdDestroy(handle, host), status.OK);
});

test('homes given back are clean: another function gets zeros', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const first = fixture.makeFunction((base, made) => fixture.writeHome(base, made, 0, new Uint8Array(100_000).fill(1)));
  privLib.pdDestroy(privLib.pdCreate(first.descriptor, host), host);
  privLib.functionRetire(first.descriptor);
  privLib.poolTrim(executor, first.descriptor, 0);
  privLib.functionDestroy(first.descriptor);
  const second = fixture.makeFunction(() => {}, 196608);
  assert.ok(homeContent(fixture, second).memory.every((byte) => byte === 0));
});

test('exhausted tables and memory have their statuses', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const huge = fixture.makeFunction(() => {}, 512 * 1024 * 1024 - 65536);
  const free = privLib.homeMemoryFree();
  const created: number[] = [];
  for (;;) {
    const pd = privLib.pdCreate(huge.descriptor, host);
    if (pd === status.HOME_MEMORY_EXHAUSTED) break;
    assert.ok(pd > status.STATUS_MAX);
    created.push(pd);
    assert.ok(created.length < 5);
  }
  assert.ok(created.length >= 2);
  for (const pd of created) assert.equal(privLib.pdDestroy(pd, host), status.OK);
  privLib.poolTrim(fixture.executor, huge.descriptor, 0);
  // One home was the template's, which is idle too.
  assert.ok(privLib.homeMemoryFree() >= free);

  let executors = 1;
  while (privLib.executorCreate() > status.STATUS_MAX) executors++;
  assert.equal(executors, EXECUTORS_MAX);
  assert.equal(fixture.word(CONTROL_EXECUTORS), EXECUTORS_MAX, 'a refusal does not count');
  let functions = 1;
  while (privLib.functionCreate(4096, 0, 0, 9, 2304, 128, 0, 1, 1, 0, 0) > status.STATUS_MAX) functions++;
  assert.equal(functions, FUNCTIONS_MAX - 1);
});

test('unsound layouts are refused', () => {
  const { privLib } = new Fixture();
  const sound = [4096, 65536, 1, 9, 2304, 256, 64, 1, TIMEOUT_MS_MAX, 0, 0] as const;
  const create = (...changes: [index: number, value: number][]): number => {
    const layout: number[] = [...sound];
    for (const [index, value] of changes) layout[index] = value;
    return privLib.functionCreate(...(layout as Parameters<PrivLib['functionCreate']>));
  };
  assert.ok(create() > status.STATUS_MAX);
  for (const change of [
    [0, 2304],
    [0, 4097],
    [1, 0x20010000],
    [1, -1],
    [2, 2],
    [3, 7],
    [3, 17],
    [4, 2176],
    [4, 2312],
    [5, 64],
    [5, 100],
    [6, 4],
    [6, -8],
    [7, 0],
    [8, 0],
    [8, TIMEOUT_MS_MAX + 1],
    [8, -1],
  ] as [number, number][]) {
    assert.equal(create(change), status.BAD_PARAMETER, `${change}`);
  }
});

test('pointers of a guest are translated by the rules of the guard', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const made = fixture.makeFunction();
  const base = privLib.callEnter(made.descriptor, 0, host);
  const address = privLib.argBufNew(128, base) >>> 0;
  const home = base + made.headerSize;
  const { memoryLimit } = made;
  for (const [pointer, length, expected] of [
    [0, 0, home],
    [0, memoryLimit, home],
    [memoryLimit - 1, 1, home + memoryLimit - 1],
    [memoryLimit, 0, home + memoryLimit],
    [memoryLimit, 1, status.BAD_POINTER],
    [1, memoryLimit, status.BAD_POINTER],
    [memoryLimit - 1, 0xffffffff, status.BAD_POINTER],
    [0, 0xffffffff, status.BAD_POINTER],
    [base, 4, status.BAD_POINTER],
    [address, 128, address],
    [address + 127, 1, address + 127],
    [address + 128, 0, address + 128],
    [address + 128, 1, status.BAD_POINTER],
    [address, 0xffffffff, status.BAD_POINTER],
    [address + 256, 0, status.BAD_POINTER],
    [0xffffffff, 0, status.BAD_POINTER],
    [0xffffffff, 1, status.BAD_POINTER],
  ] as const) {
    assert.equal(privLib.translate(pointer, length, 0, base) >>> 0, expected, `${pointer.toString(16)}+${length}`);
  }
  assert.equal(privLib.translate(0, 1, 0, host), status.BAD_POINTER, 'who does not run may not ask');
  privLib.vmaProtect(address, PERMISSION_READ, base);
  assert.equal(privLib.translate(address, 1, 1, base), status.BAD_POINTER);
  // What is written through a translated pointer is undone like a store.
  const at = privLib.translate(1000, 3000, 1, base);
  fixture.bytes.fill(1, at, at + 3000);
  privLib.callLeave(0, base, host);
  assert.ok(homeContent(fixture, made).memory.every((byte) => byte === 0));
});

test('property: a deadline is the earlier of the caller’s and the function’s own, also where the clock wraps', () => {
  const fixture = new Fixture();
  const { privLib, host, view } = fixture;
  const made = [1, 20, 10_000, TIMEOUT_MS_MAX].map((timeoutMs) => ({
    timeoutMs,
    descriptor: fixture.makeFunction(undefined, undefined, timeoutMs).descriptor,
  }));
  const time = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0xffff_0000, max: 0xffff_ffff }));
  const any = fc.constantFrom(...made);
  fc.assert(
    fc.property(time, fc.integer({ min: 1, max: DEADLINE_FAR_MS }), any, any, (now, restMs, first, second) => {
      view.setUint32(CONTROL_NOW_MS, now, true);
      view.setUint32(host + HOME_END_MS, now + restMs, true);
      const outer = privLib.callEnter(first.descriptor, 0, host);
      const inner = privLib.callEnter(second.descriptor, 0, outer);
      const rest = (base: number): number => (fixture.word(base + HOME_END_MS) - now) | 0;
      const outerMs = Math.min(restMs, first.timeoutMs + CLOCK_LAG_MS);
      assert.equal(rest(outer), outerMs);
      assert.equal(rest(inner), Math.min(outerMs, second.timeoutMs + CLOCK_LAG_MS));
      assert.equal(privLib.callLeave(0, inner, outer), status.OK);
      assert.equal(privLib.callLeave(0, outer, host), status.OK);
    }),
  );
});

test('who asks for something that takes time when its deadline has passed is trapped; a host is not', () => {
  const fixture = new Fixture();
  const { privLib, host, view } = fixture;
  const { descriptor } = fixture.makeFunction(undefined, undefined, 5);
  const base = privLib.callEnter(descriptor, 0, host);
  const own = privLib.argBufNew(64, base);
  const operations = [
    () => privLib.callEnter(descriptor, 0, base),
    () => privLib.pdCreate(descriptor, base),
    () => privLib.argBufNew(64, base),
    () => privLib.vmaResize(own, 32, base),
    () => privLib.translate(0, 1, 1, base),
  ];
  view.setUint32(CONTROL_NOW_MS, 4 + CLOCK_LAG_MS, true);
  assert.equal(privLib.translate(own, 1, 0, base), own, 'not before it has passed');
  view.setUint32(CONTROL_NOW_MS, 5 + CLOCK_LAG_MS, true);
  for (const operation of operations) {
    view.setUint32(base + HOME_FAULT_KIND, 0, true);
    assert.throws(operation, WebAssembly.RuntimeError);
    assert.equal(fixture.word(base + HOME_FAULT_KIND), FAULT_DEADLINE);
  }
  assert.equal(privLib.vmaLength(own, base), 64, 'nothing has changed');
  assert.equal(privLib.callAbort(base, host), status.OK);
  view.setUint32(host + HOME_END_MS, 0, true);
  const late = privLib.callEnter(descriptor, 0, host);
  assert.ok(late > status.STATUS_MAX, 'its own checks end it');
  assert.equal(privLib.callAbort(late, host), status.OK);
});
