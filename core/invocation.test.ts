import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OPTION_BOUNDS } from '../src/server/settings.ts';
import { CALL_DEPTH_MAX, InvocationModel, RESPONSE_BYTES_MAX } from '../test/invocation-model.ts';
import { ACTS, Ask, WEIGHTS } from '../test/invocation-steps.ts';
import { type Census, takeCensus } from '../test/privlib-census.ts';
import { Fixture } from '../test/privlib-fixture.ts';
import {
  CHILDREN_MAX,
  CLASS_SHIFT_MIN,
  CLOCK_LAG_MS,
  CONTROL_INVOCATIONS_USED,
  CONTROL_NOW_MS,
  EXECUTOR_CANCELS,
  EXECUTOR_CURRENT,
  EXECUTOR_FREE,
  EXECUTOR_INVOCATIONS_COUNT,
  FAULT_CANCELLED,
  FREE_LIST_BYTES_MAX,
  FUNCTION_LIVE_PDS,
  HOME_CHILD_COUNT,
  HOME_DEADLINE_MS,
  HOME_DEPTH,
  HOME_END_MS,
  HOME_FAULT_KIND,
  HOME_REQUEST_LENGTH,
  HOME_VMA_BYTES,
  INVOCATION_FIELDS,
  INVOCATION_HTTP_STATUS,
  INVOCATION_IS_HTTP,
  INVOCATION_SIZE,
  INVOCATION_STATE,
  INVOCATION_TABLE,
  INVOCATIONS_MAX,
  INVOCATIONS_RESERVED,
  PERMISSION_READ,
  VTE_OWNER,
} from './layout.ts';
import * as status from './status.ts';

const ID = 65536;

/** An address space with two executors and a function. */
function makeServer(): { fixture: Fixture; makeModel: () => InvocationModel } {
  const fixture = new Fixture({ callDepthMax: CALL_DEPTH_MAX });
  const { descriptor } = fixture.makeFunction();
  const executors = [{ control: fixture.executor, host: fixture.host }, fixture.addExecutor()];
  return { fixture, makeModel: () => new InvocationModel(fixture, descriptor, executors) };
}

test('property: invocations in any order of legal and illegal steps are as in the model, and nothing is left of them', () => {
  let server = makeServer();
  const steps = Object.entries(ACTS).flatMap(([name, act]) => {
    const step = fc.tuple(fc.nat(1), fc.nat(), fc.nat()).map((numbers) => new Ask(name, act, numbers));
    return Array.from({ length: WEIGHTS[name] ?? 1 }, () => step);
  });
  const run = (commands: Iterable<fc.Command<InvocationModel, Fixture>>): void => {
    const { fixture, makeModel } = server;
    const model = makeModel();
    fc.modelRun(() => ({ model, real: fixture }), commands);
    takeCensus(fixture.memory);
    model.finish();
    const { vmas, pds, records } = takeCensus(fixture.memory);
    assert.deepEqual({ vmas, pds, records }, { vmas: 0, pds: 0, records: 0 });
  };
  fc.assert(
    fc.property(fc.commands(steps, { maxCommands: 500, size: 'max' }), (commands) => {
      try {
        run(commands);
      } catch (error) {
        // For the next, shorter run.
        server = makeServer();
        throw error;
      }
    }),
    // Making what has failed shorter can take very long.
    { numRuns: 100, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true },
  );
});

test('fields go with the invocation, there and back, and only a host has them', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const { descriptor } = fixture.makeFunction();
  const other = fixture.addExecutor();
  const map = (length: number, owner: number): number => privLib.vmaMap(length, owner) >>> 0;
  const ownerOf = (address: number): number => fixture.word(fixture.vteOf(address) + VTE_OWNER);

  const requestFields = map(20, host);
  const handle = privLib.invocationNew(ID, 0, requestFields, INVOCATION_IS_HTTP, 0, host);
  const record = privLib.invocationRecord(handle, host);
  assert.equal(ownerOf(requestFields), record);
  assert.equal(privLib.vmaLength(requestFields, record), 20, 'who runs it can read them');
  assert.equal(privLib.invocationSetFields(record, 0, 200, host), status.WRONG_STATE, 'not before it was taken');
  privLib.invocationTake(handle, other.control);
  const base = privLib.invocationEnter(record, descriptor, other.host);
  privLib.invocationLeave(record, 0, RESPONSE_BYTES_MAX, base, other.host);
  const responseFields = map(30, other.host);
  assert.equal(
    privLib.invocationSetFields(record, responseFields, 404, host),
    status.WRONG_STATE,
    'not by another one',
  );
  assert.equal(privLib.invocationSetFields(record, responseFields + 8, 404, other.host), status.NOT_THE_START);
  assert.equal(ownerOf(requestFields), record, 'what is refused changes nothing');
  assert.equal(privLib.invocationSetFields(record, responseFields, 404, other.host), status.OK);
  assert.equal(ownerOf(requestFields), 0);
  assert.equal(ownerOf(responseFields), record);
  assert.equal(privLib.invocationEnd(record), status.OK);
  assert.equal(privLib.invocationArrived(executor), handle);
  assert.equal(fixture.word(record + INVOCATION_HTTP_STATUS), 404);
  assert.equal(fixture.word(record + INVOCATION_FIELDS), responseFields);
  assert.equal(privLib.invocationCollect(handle, host), 0);
  assert.equal(privLib.vmaUnmap(responseFields, host), status.OK);

  // A parent gets a status; the details of the fault are for hosts.
  const parent = privLib.callEnter(descriptor, 0, other.host);
  const child = privLib.invocationNew(ID, 0, 0, 0, 0, parent);
  const childRecord = privLib.invocationRecord(child, parent);
  privLib.invocationTake(child, executor);
  privLib.invocationAbort(childRecord, status.CALLEE_TRAP, 0, host);
  const details = map(40, host);
  assert.equal(privLib.invocationSetFields(childRecord, details, 0, host), status.OK);
  privLib.invocationEnd(childRecord);
  privLib.invocationArrived(other.control);
  assert.equal(privLib.invocationCollect(child, parent), status.CALLEE_TRAP);
  assert.equal(ownerOf(details), 0);
  privLib.callLeave(0, parent, other.host);
  assert.deepEqual(inUse(fixture), { vmas: 0, pds: 0, records: 0 });
});

function inUse(fixture: Fixture): Pick<Census, 'vmas' | 'pds' | 'records'> {
  const { vmas, pds, records } = takeCensus(fixture.memory);
  return { vmas, pds, records };
}

test('a request moves through the record into the PD, its length with it, and what fails frees it', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const { descriptor } = fixture.makeFunction();
  const request = privLib.vmaMap(77, host) >>> 0;
  const shared = privLib.vmaMap(10, host) >>> 0;
  const pd = privLib.pdCreate(descriptor, host);
  privLib.vmaShare(shared, pd, PERMISSION_READ, host);
  assert.equal(privLib.invocationNew(ID, request + 1, 0, 0, 0, host), status.NOT_THE_START);
  assert.equal(privLib.invocationNew(ID, shared, 0, 0, 0, host), status.SHARED);
  assert.equal(privLib.invocationNew(ID, request, shared + 1, 0, 0, host), status.NOT_THE_START);
  assert.ok(fixture.guardAllows(host, request, 77, true), 'refused: it is still the asker’s');
  const handle = privLib.invocationNew(ID, request, 0, 0, 0, host);
  assert.ok(!fixture.guardAllows(host, request, 1, false), 'nobody’s while it is on its way');
  const record = privLib.invocationTake(handle, executor);
  const base = privLib.invocationEnter(record, descriptor, host);
  assert.equal(fixture.word(base + HOME_REQUEST_LENGTH), 77);
  assert.ok(fixture.guardAllows(base, request, 77, true));
  // Given back as the response, as it is.
  assert.equal(privLib.invocationLeave(record, request, RESPONSE_BYTES_MAX, base, host) >>> 0, request);
  privLib.invocationEnd(record);
  privLib.invocationArrived(executor);
  assert.equal(privLib.invocationCollect(handle, host) >>> 0, request);
  assert.ok(fixture.guardAllows(host, request, 77, true));
  const again = privLib.invocationNew(ID, request, 0, 0, 0, host);
  assert.equal(privLib.invocationCancel(again, status.CALLEE_DEADLINE, host), status.OK);
  assert.equal(privLib.invocationCollect(again, host), status.CALLEE_DEADLINE);
  assert.equal(privLib.vmaUnmap(request, host), status.NOT_MAPPED);
  privLib.pdDestroy(pd, host);
  privLib.vmaUnmap(shared, host);
  assert.deepEqual(inUse(fixture), { vmas: 0, pds: 0, records: 0 });
});

test('a record that is used 65,536 times has an old handle again, but never one that looks like a status', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const first = privLib.invocationNew(ID, 0, 0, 0, 0, host) >>> 0;
  privLib.invocationForget(first, host);
  const record = INVOCATION_TABLE + (first & 0xffff) * INVOCATION_SIZE;
  fixture.setWord(record + INVOCATION_STATE, 0xfffe0000);
  const generations = [1, 2, 3].map(() => {
    const handle = privLib.invocationNew(ID, 0, 0, 0, 0, host) >>> 0;
    assert.equal(handle & 0xffff, first & 0xffff);
    privLib.invocationForget(handle, host);
    return handle >>> 16;
  });
  assert.deepEqual(generations, [0xffff, 1, 2]);
});

test('limits: so many children of one PD, and so many records in all, of which some are for hosts', () => {
  const fixture = new Fixture({ callDepthMax: 10 });
  const { privLib, host } = fixture;
  const other = fixture.addExecutor();
  const { descriptor } = fixture.makeFunction();
  const bases: number[] = [];
  let last = 0;
  for (let asker = host; last !== status.INVOCATIONS_EXHAUSTED || bases.length < 4; ) {
    asker = privLib.callEnter(descriptor, 0, asker);
    bases.push(asker);
    let count = 0;
    for (last = 65536; last >>> 0 > status.STATUS_MAX; count++) last = privLib.invocationNew(ID, 0, 0, 0, 0, asker);
    assert.equal(last, status.INVOCATIONS_EXHAUSTED);
    assert.ok(count - 1 <= CHILDREN_MAX);
    assert.equal(fixture.word(asker + HOME_CHILD_COUNT), count - 1);
    if (bases.length < 4) assert.equal(count - 1, CHILDREN_MAX);
  }
  const asker = bases.at(-1) ?? 0;
  const request = privLib.argBufNew(10, asker) >>> 0;
  assert.equal(privLib.invocationNew(ID, request, 0, 0, 0, asker), status.INVOCATIONS_EXHAUSTED);
  assert.ok(fixture.guardAllows(asker, request, 10, true), 'refused: the request stays');
  // A function on the other executor gets none either, its host does.
  const stranger = privLib.callEnter(descriptor, 0, other.host);
  assert.equal(privLib.invocationNew(ID, 0, 0, 0, 0, stranger), status.INVOCATIONS_EXHAUSTED);
  privLib.callLeave(0, stranger, other.host);
  const roots: number[] = [];
  for (let next = 65536; next >>> 0 > status.STATUS_MAX; ) {
    next = privLib.invocationNew(ID, 0, 0, 0, 0, other.host);
    roots.push(next);
  }
  assert.equal(roots.pop(), status.INVOCATIONS_EXHAUSTED);
  assert.equal(roots.length, INVOCATIONS_RESERVED);
  assert.ok(
    roots.length >= OPTION_BOUNDS.outstandingMax[2],
    'as many as a server has outstanding, if nobody says otherwise',
  );
  assert.equal(takeCensus(fixture.memory).records, INVOCATIONS_MAX);
  for (const root of roots) assert.equal(privLib.invocationForget(root, other.host), status.OK);
  assert.equal(privLib.callAbort(bases[0] ?? 0, host), status.OK);
  assert.deepEqual(inUse(fixture), { vmas: 0, pds: 0, records: 0 });
});

test('limits: started invocations nest as deep as calls, on whichever executor they run', () => {
  const depthMax = 5;
  const fixture = new Fixture({ callDepthMax: depthMax });
  const { privLib, host } = fixture;
  const { descriptor } = fixture.makeFunction();
  const executors = [{ control: fixture.executor, host }, fixture.addExecutor()];
  const running: [record: number, base: number, host: number][] = [];
  let asker = host;
  // The root, and then `depthMax` below it, each on the other executor.
  for (let depth = 0; depth <= depthMax; depth++) {
    const handle = privLib.invocationNew(ID, 0, 0, 0, 0, asker);
    assert.ok(handle >>> 0 > status.STATUS_MAX, `${depth}: ${handle}`);
    const runner = executors[depth % 2];
    assert.ok(runner !== undefined);
    // Who started it is suspended, so that its executor can take the next but one.
    if (depth > 0) privLib.pdSuspend(asker);
    const record = privLib.invocationTake(handle, runner.control);
    asker = privLib.invocationEnter(record, descriptor, runner.host);
    assert.equal(fixture.word(asker + HOME_DEPTH), depth + 1);
    running.push([record, asker, runner.host]);
  }
  assert.equal(privLib.invocationNew(ID, 0, 0, 0, 0, asker), status.CALL_DEPTH_EXCEEDED);
  assert.equal(privLib.callEnter(descriptor, 0, asker), status.CALL_DEPTH_EXCEEDED);
  for (const [record, base, runnerHost] of running.reverse()) {
    privLib.pdResume(base);
    assert.equal(privLib.invocationLeave(record, 0, RESPONSE_BYTES_MAX, base, runnerHost), 0);
    privLib.invocationEnd(record);
  }
  for (const { control } of executors) while (privLib.invocationArrived(control) !== 0);
  assert.equal(privLib.invocationForget(privLib.invocationNew(ID, 0, 0, 0, 0, host), host), status.OK);
});

test('limits: so many invocations of a function at once; what is refused does not count, and neither does what fails', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const concurrency = 3;
  const { descriptor } = fixture.makeFunction(undefined, undefined, undefined, { concurrency, homesMax: 5 });
  const other = fixture.addExecutor();
  const live = (): number => fixture.word(descriptor + FUNCTION_LIVE_PDS);
  for (let round = 0; round < 5; round++) {
    const pds = [
      privLib.pdCreate(descriptor, host),
      privLib.pdCreate(descriptor, other.host),
      privLib.callEnter(descriptor, 0, host),
    ];
    for (const pd of pds) assert.ok(pd > status.STATUS_MAX, `${pd}`);
    assert.equal(live(), concurrency);
    for (let i = 0; i < 10; i++) assert.equal(privLib.pdCreate(descriptor, other.host), status.CONCURRENCY_EXCEEDED);
    const record = privLib.invocationTake(privLib.invocationNew(ID, 0, 0, 0, 0, other.host), other.control);
    assert.equal(privLib.invocationEnter(record, descriptor, other.host), status.CONCURRENCY_EXCEEDED);
    privLib.invocationAbort(record, status.CONCURRENCY_EXCEEDED, 0, other.host);
    privLib.invocationEnd(record);
    const handle = privLib.invocationArrived(other.control);
    assert.equal(privLib.invocationCollect(handle, other.host), status.CONCURRENCY_EXCEEDED);
    assert.equal(live(), concurrency);
    assert.equal(privLib.callAbort(pds[2] ?? 0, host), status.OK);
    assert.equal(live(), concurrency - 1);
    privLib.pdDestroy(pds[0] ?? 0, host);
    privLib.pdDestroy(pds[1] ?? 0, other.host);
    assert.equal(live(), 0);
    takeCensus(fixture.memory);
  }
  // No home can be made: that is not counted either.
  const scarce = fixture.makeFunction(undefined, undefined, undefined, { concurrency, homesMax: 1 });
  const only = privLib.pdCreate(scarce.descriptor, host);
  for (let i = 0; i < 5; i++) assert.equal(privLib.pdCreate(scarce.descriptor, host), status.HOMES_EXHAUSTED);
  assert.equal(fixture.word(scarce.descriptor + FUNCTION_LIVE_PDS), 1);
  privLib.pdDestroy(only, host);
  assert.equal(fixture.word(scarce.descriptor + FUNCTION_LIVE_PDS), 0);
});

test('limits: bytes of ArgBufs of one PD, each counted as its class; what it gives away does not count, what it is given does', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const vmaBytesMax = 1024;
  const { descriptor } = fixture.makeFunction(undefined, undefined, undefined, { vmaBytesMax });
  const request = privLib.vmaMap(500, host);
  const base = privLib.callEnter(descriptor, request, host);
  const used = (): number => fixture.word(base + HOME_VMA_BYTES);
  assert.equal(used(), 512);
  const small = privLib.argBufNew(1, base);
  assert.equal(used(), 640);
  assert.equal(privLib.argBufNew(257, base), status.ARGBUFS_EXHAUSTED);
  assert.equal(privLib.argBufNew(2 ** 28, base), status.ARGBUFS_EXHAUSTED);
  assert.equal(privLib.argBufNew(2 ** 28 + 1, base), status.TOO_LARGE);
  const medium = privLib.argBufNew(256, base);
  const last = privLib.argBufNew(0, base);
  assert.equal(used(), vmaBytesMax);
  assert.equal(privLib.argBufNew(0, base), status.ARGBUFS_EXHAUSTED);
  assert.equal(privLib.vmaResize(last, 128, base), status.OK, 'that is no more than it counts as');
  privLib.vmaUnmap(small, base);
  assert.equal(used(), vmaBytesMax - 128);
  // Started, and back.
  const handle = privLib.invocationNew(ID, medium, 0, 0, 0, base);
  assert.equal(used(), vmaBytesMax - 384);
  const record = privLib.invocationTakeInside(handle, base);
  const inner = privLib.invocationEnter(record, descriptor, base);
  assert.equal(fixture.word(inner + HOME_VMA_BYTES), 256);
  privLib.invocationLeave(record, medium, 1 << 20, inner, base);
  privLib.invocationArrive(record, fixture.executor);
  assert.equal(privLib.invocationCollect(handle, base), medium);
  assert.equal(used(), vmaBytesMax - 128);
  privLib.callLeave(0, base, host);
  const next = privLib.callEnter(descriptor, 0, host);
  assert.equal(next, base);
  assert.equal(used(), 0);
  privLib.callLeave(0, next, host);
  assert.deepEqual(inUse(fixture), { vmas: 0, pds: 0, records: 0 });
});

test('an invocation has the deadline of who asks, as it is then, and its function’s own from when it begins', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const { descriptor } = fixture.makeFunction(undefined, undefined, 1000);
  fixture.setWord(CONTROL_NOW_MS, 5000);
  for (const [restMs, waitedMs, expectedMs] of [
    [400, 100, 300],
    [4000, 100, 1000 + CLOCK_LAG_MS],
    [1100, 500, 600],
  ] as const) {
    fixture.setWord(CONTROL_NOW_MS, 5000);
    fixture.setWord(host + HOME_END_MS, 5000 + restMs);
    const handle = privLib.invocationNew(ID, 0, 0, 0, 0, host);
    fixture.setWord(host + HOME_END_MS, 99_999);
    fixture.setWord(CONTROL_NOW_MS, 5000 + waitedMs);
    const record = privLib.invocationTake(handle, executor);
    const base = privLib.invocationEnter(record, descriptor, host);
    assert.equal(fixture.word(base + HOME_END_MS) - 5000 - waitedMs, expectedMs);
    privLib.invocationAbort(record, status.CALLEE_TRAP, base, host);
    privLib.invocationEnd(record);
    privLib.invocationForget(handle, host);
    privLib.invocationArrived(executor);
  }
  assert.equal(inUse(fixture).records, 0);
});

test('who was cancelled is trapped at what takes time, with all that belongs to its invocation; no other is', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const { descriptor } = fixture.makeFunction();
  const handle = privLib.invocationNew(ID, 0, 0, 0, 0, host);
  const record = privLib.invocationTake(handle, executor);
  const root = privLib.invocationEnter(record, descriptor, host);
  const nested = privLib.callEnter(descriptor, 0, root);
  const child = privLib.invocationTakeInside(privLib.invocationNew(ID, 0, 0, 0, 0, nested), nested);
  const inner = privLib.invocationEnter(child, descriptor, nested);
  const other = fixture.addExecutor();
  const bystander = privLib.callEnter(descriptor, 0, other.host);
  // From another thread: the host that asked.
  fixture.setWord(executor + EXECUTOR_CURRENT, host);
  assert.equal(privLib.invocationCancel(handle, status.CALLEE_CANCELLED, host), status.OK);
  fixture.setWord(executor + EXECUTOR_CURRENT, inner);
  assert.equal(fixture.word(executor + EXECUTOR_CANCELS), 1);
  for (const control of [executor, other.control]) privLib.invocationInterrupt(control);
  assert.equal(fixture.word(inner + HOME_DEADLINE_MS), fixture.word(CONTROL_NOW_MS));
  assert.equal(fixture.word(bystander + HOME_DEADLINE_MS), fixture.word(bystander + HOME_END_MS));
  fixture.setWord(bystander + HOME_DEADLINE_MS, fixture.word(CONTROL_NOW_MS));
  assert.throws(() => privLib.argBufNew(1, inner), WebAssembly.RuntimeError);
  assert.equal(fixture.word(inner + HOME_FAULT_KIND), FAULT_CANCELLED);
  assert.ok(privLib.argBufNew(1, bystander) >>> 0 > status.STATUS_MAX, 'its deadline was only made to look early');
  assert.equal(fixture.word(bystander + HOME_DEADLINE_MS), fixture.word(bystander + HOME_END_MS));
  privLib.callAbort(bystander, other.host);
  privLib.invocationAbort(record, status.CALLEE_CANCELLED, root, host);
  privLib.invocationEnd(record);
  assert.equal(privLib.invocationForget(handle, host), status.OK);
  assert.equal(privLib.invocationArrived(executor), 0);
  assert.deepEqual(inUse(fixture), { vmas: 0, pds: 0, records: 0 });
});

test('many cancelled and forgotten invocations give their ArgBufs and records to all threads again', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const other = fixture.addExecutor();
  const count = 3000;
  const handles = Array.from({ length: count }, () =>
    privLib.invocationNew(ID, privLib.vmaMap(4096, host), 0, 0, 0, host),
  );
  for (const handle of handles) assert.equal(privLib.invocationForget(handle, host), status.OK);
  const { vmas, records, recordsFree } = takeCensus(fixture.memory);
  assert.deepEqual([vmas, records], [0, 0]);
  assert.ok(recordsFree >= count);
  const kept = (control: number): number => fixture.word(control + EXECUTOR_INVOCATIONS_COUNT);
  assert.ok(kept(fixture.executor) <= 300, `${kept(fixture.executor)} records stay with the thread`);
  const list = fixture.executor + EXECUTOR_FREE + (12 - CLASS_SHIFT_MIN) * 8;
  assert.ok(fixture.word(list + 4) <= FREE_LIST_BYTES_MAX >>> 12, 'and no more VMAs than a free list may have');
  const used = fixture.word(CONTROL_INVOCATIONS_USED);
  for (let i = 0; i < count - 400; i++)
    privLib.invocationNew(ID, privLib.vmaMap(4096, other.host), 0, 0, 0, other.host);
  assert.equal(fixture.word(CONTROL_INVOCATIONS_USED), used, 'others use them');
});
