import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takeCensus } from '../test/privlib-census.ts';
import { Fixture, type TestExecutor, type TestFunction } from '../test/privlib-fixture.ts';
import {
  CONTROL_NOW_MS,
  DOORBELL_AWAKE,
  DOORBELL_PARKED,
  EXECUTOR_ACTIVE,
  EXECUTOR_CANCELS,
  EXECUTOR_CURRENT,
  EXECUTOR_DOOMED,
  EXECUTOR_DOORBELL,
  EXECUTOR_INDEX,
  EXECUTOR_INVOCATION,
  EXECUTOR_MESSAGES,
  EXECUTOR_PDS,
  EXECUTOR_STACKS,
  EXECUTOR_SUSPENDED,
  FUNCTION_HOMES,
  FUNCTION_LIVE_PDS,
  FUNCTION_SIZE,
  FUNCTION_TABLE,
  FUNCTIONS_MAX,
  HOME_END_MS,
  HOME_NEXT,
  HOME_STATE,
  INVOCATION_CANCELLED,
  INVOCATION_QUEUED,
  INVOCATION_RUNNING,
  PD_UNMADE,
  PERMISSION_READ,
  PERMISSION_READ_WRITE,
  POOL_COUNT,
  POOL_HEAD,
  POOL_SIZE,
  POOL_TABLE,
  RED_ZONE,
} from './layout.ts';
import * as status from './status.ts';

const ID = 65536;
/** What is in the image of the function. */
const [IMAGE_START, IMAGE_END, IMAGE_BYTE] = [100, 3100, 7];

/** An orchestrator, an executor whose thread is lost, and one that goes on; a function, which has a limit. */
interface Server {
  readonly fixture: Fixture;
  readonly orchestrator: TestExecutor;
  readonly lost: TestExecutor;
  readonly other: TestExecutor;
  readonly made: TestFunction;
}

function makeServer(): Server {
  const fixture = new Fixture();
  const [lost, other] = [fixture.addExecutor(), fixture.addExecutor()];
  const image = new Uint8Array(IMAGE_END - IMAGE_START).fill(IMAGE_BYTE);
  const fill = (base: number, template: TestFunction): void => fixture.writeHome(base, template, IMAGE_START, image);
  const made = fixture.makeFunction(fill, 131072, 10_000, { concurrency: 1000 });
  fixture.setWord(fixture.host + HOME_END_MS, 100_000);
  return { fixture, orchestrator: { control: fixture.executor, host: fixture.host }, lost, other, made };
}

/** Asks for an invocation with a request. Returns its handle and record. */
function ask({ fixture }: Server, asker: number, bytes = 50): { readonly handle: number; readonly record: number } {
  const { privLib } = fixture;
  const handle = privLib.invocationNew(ID, privLib.vmaMap(bytes, asker), 0, 0, 0, asker) >>> 0;
  assert.ok(handle > status.STATUS_MAX, `${handle}`);
  return { handle, record: privLib.invocationRecord(handle, asker) };
}

/** Enters one that was taken. Returns the base; its PD owns the request and something of its own, and has written to its home. */
function enter({ fixture, made }: Server, record: number, asker: number): number {
  const { privLib } = fixture;
  const base = privLib.invocationEnter(record, made.descriptor, asker);
  assert.ok(base > status.STATUS_MAX, `${base}`);
  fillHome(fixture, made, base);
  return base;
}

function fillHome(fixture: Fixture, made: TestFunction, base: number): void {
  assert.ok(fixture.privLib.argBufNew(1000, base) >>> 0 > status.STATUS_MAX);
  fixture.writeHome(base, made, 50, new Uint8Array(70_000).fill(0x55));
}

/** Puts one that was left or aborted into the inbox of who asked. */
function abortAndEnd({ fixture }: Server, record: number, host: number): void {
  assert.equal(fixture.privLib.invocationAbort(record, status.CALLEE_TRAP, 0, host), status.OK);
  assert.equal(fixture.privLib.invocationEnd(record), status.OK);
}

/** All that has arrived for a host, with what came of it. */
function takeIn({ fixture }: Server, { control, host }: TestExecutor): Map<number, number> {
  const { privLib } = fixture;
  const results = new Map<number, number>();
  for (let handle = privLib.invocationArrived(control); handle !== 0; handle = privLib.invocationArrived(control)) {
    const response = privLib.invocationCollect(handle, host) >>> 0;
    if (response > status.STATUS_MAX) privLib.vmaUnmap(response, host);
    results.set(handle >>> 0, response);
  }
  return results;
}

function assertNothingInUse(server: Server): void {
  const { vmas, pds, records } = takeCensus(server.fixture.memory);
  assert.deepEqual({ vmas, pds, records }, { vmas: 0, pds: 0, records: 0 });
  assert.equal(server.fixture.word(server.made.descriptor + FUNCTION_LIVE_PDS), 0);
}

test('PDs in each state end, their homes are pristine again, and what hosts own is freed', () => {
  const server = makeServer();
  const { fixture, lost, made } = server;
  const { privLib } = fixture;
  const { descriptor } = made;
  const { host } = lost;
  // A home that is neither in a pool nor a PD's: its thread was ended where it was made, or given back.
  makeUnmade(fixture, lost, descriptor);
  // Created, with things of its own and things that are shared both ways.
  const created = privLib.pdCreate(descriptor, host);
  const hosts = privLib.vmaMap(100, host) >>> 0;
  assert.equal(privLib.vmaShare(hosts, created, PERMISSION_READ, host), status.OK);
  assert.equal(privLib.vmaMove(privLib.vmaMap(5000, host), created, host), status.OK);
  // Suspended, with a callee that is suspended too, and its caller, which still counts as running.
  const waiting = privLib.callEnter(descriptor, privLib.vmaMap(64, host), host);
  fillHome(fixture, made, waiting);
  const callee = privLib.callEnter(descriptor, 0, waiting);
  fillHome(fixture, made, callee);
  privLib.pdSuspend(callee);
  // Three that run, one in the other; the innermost shares something with its caller.
  const outer = privLib.callEnter(descriptor, 0, host);
  const middle = privLib.callEnter(descriptor, 0, outer);
  const inner = privLib.callEnter(descriptor, privLib.argBufNew(2 ** 21, middle), middle);
  for (const base of [outer, middle, inner]) fixture.writeHome(base, made, 0, new Uint8Array(500).fill(1));
  const shared = privLib.argBufNew(300, inner);
  assert.equal(privLib.vmaShare(shared, privLib.pdHandle(middle), PERMISSION_READ_WRITE, inner), status.OK);
  assert.equal(fixture.word(lost.control + EXECUTOR_PDS), 6);
  const homes = fixture.word(descriptor + FUNCTION_HOMES);

  privLib.executorDoom(lost.control);
  assert.equal(fixture.word(lost.control + EXECUTOR_DOOMED), 1);
  const cleared = [EXECUTOR_CANCELS, EXECUTOR_MESSAGES, EXECUTOR_ACTIVE, EXECUTOR_SUSPENDED, EXECUTOR_STACKS];
  for (const field of cleared) fixture.setWord(lost.control + field, 1);
  fixture.setWord(lost.control + EXECUTOR_DOORBELL, DOORBELL_PARKED);
  assert.equal(privLib.executorRecover(lost.control), 0, 'no invocation was lost');
  assertNothingInUse(server);
  for (const field of [...cleared, EXECUTOR_DOOMED, EXECUTOR_INVOCATION]) {
    assert.equal(fixture.word(lost.control + field), 0, `${field}`);
  }
  assert.equal(fixture.word(lost.control + EXECUTOR_DOORBELL), DOORBELL_AWAKE);
  assert.equal(fixture.word(lost.control + EXECUTOR_CURRENT), host);
  assert.equal(fixture.word(descriptor + FUNCTION_HOMES), homes - 1, 'the one in between was given back');
  const idle = idleHomes(fixture, lost.control, descriptor);
  assert.ok(idle.length === 6);
  for (const base of idle) assertPristine(fixture, made, base);
});

/** Takes a home out of its pool, as where a pool is trimmed. */
function makeUnmade(fixture: Fixture, { control, host }: TestExecutor, descriptor: number): void {
  const { privLib } = fixture;
  privLib.pdDestroy(privLib.pdCreate(descriptor, host), host);
  const pool = poolOf(fixture, control, descriptor);
  const base = fixture.word(pool + POOL_HEAD);
  fixture.setWord(pool + POOL_HEAD, fixture.word(base + HOME_NEXT));
  fixture.setWord(pool + POOL_COUNT, fixture.word(pool + POOL_COUNT) - 1);
  fixture.setWord(base + HOME_STATE, PD_UNMADE);
}

function poolOf(fixture: Fixture, control: number, descriptor: number): number {
  const index = fixture.word(control + EXECUTOR_INDEX) * FUNCTIONS_MAX + (descriptor - FUNCTION_TABLE) / FUNCTION_SIZE;
  return POOL_TABLE + index * POOL_SIZE;
}

function idleHomes(fixture: Fixture, control: number, descriptor: number): number[] {
  const bases: number[] = [];
  const pool = poolOf(fixture, control, descriptor);
  for (let base = fixture.word(pool + POOL_HEAD); base !== 0; base = fixture.word(base + HOME_NEXT)) bases.push(base);
  return bases;
}

/** The memory of a home is what `makeServer` has put into the image, with zeros before and behind, and nothing is marked. */
function assertPristine(fixture: Fixture, made: TestFunction, base: number): void {
  const start = base + made.headerSize;
  const memory = Buffer.from(fixture.bytes.slice(start, start + made.memoryLimit + RED_ZONE));
  const expected = Buffer.alloc(memory.length);
  expected.fill(IMAGE_BYTE, IMAGE_START, IMAGE_END);
  assert.ok(memory.equals(expected), 'a home has its image');
  assert.ok(fixture.bytes.slice(base + made.mapOffset, start).every((mark) => mark === 0));
}

test('invocations of the lost executor have failed for who asked, each in its state; what others have is untouched', () => {
  const server = makeServer();
  const { fixture, orchestrator, lost, other } = server;
  const { privLib } = fixture;
  const root = orchestrator.host;
  const make = (): { readonly handle: number; readonly record: number } => ask(server, root);
  const take = ({ handle, record }: { handle: number; record: number }, by: TestExecutor): number => {
    assert.equal(privLib.invocationTake(handle, by.control), record);
    return record;
  };
  // What the lost executor ran: taken, running, suspended, left and not sent back yet, failed and not sent back yet.
  const taken = make();
  take(taken, lost);
  const left = make();
  const leftBase = enter(server, take(left, lost), lost.host);
  const response = privLib.argBufNew(10, leftBase) >>> 0;
  assert.equal(privLib.invocationLeave(left.record, response, 100, leftBase, lost.host) >>> 0, response);
  const failed = make();
  assert.equal(privLib.invocationAbort(take(failed, lost), status.CALLEE_TRAP, 0, lost.host), status.OK);
  const suspended = make();
  privLib.pdSuspend(enter(server, take(suspended, lost), lost.host));
  fixture.setWord(root + HOME_END_MS, 100);
  const late = make();
  fixture.setWord(root + HOME_END_MS, 100_000);
  privLib.pdSuspend(enter(server, take(late, lost), lost.host));
  const fields = ask(server, root);
  fixture.setWord(CONTROL_NOW_MS, 200);
  const running = make();
  const runningBase = enter(server, take(running, lost), lost.host);
  // What nobody has taken, what is over, and what the other executor has.
  const queued = make();
  assert.equal(privLib.ringPush(lost.control, queued.handle, 2), 1);
  const cancelled = make();
  privLib.invocationCancel(cancelled.handle, status.CALLEE_CANCELLED, root);
  take(fields, other);
  abortAndEnd(server, fields.record, other.host);
  const elsewhere = make();
  const elsewhereBase = enter(server, take(elsewhere, other), other.host);
  // A child of a PD of the other executor, which the lost one ran.
  const child = ask(server, elsewhereBase);
  take(child, lost);
  assert.ok(runningBase !== elsewhereBase);

  assert.equal(privLib.executorRecover(lost.control), 7);
  takeCensus(fixture.memory);
  assert.deepEqual(
    takeIn(server, orchestrator),
    new Map([
      [fields.handle, status.CALLEE_TRAP],
      ...[taken, left, failed, suspended, late, running]
        .sort((a, b) => a.record - b.record)
        .map(({ handle }): [number, number] => [
          handle,
          handle === late.handle ? status.CALLEE_DEADLINE : status.CALLEE_EXECUTOR_LOST,
        ]),
    ]),
  );
  assert.equal(privLib.invocationCollect(cancelled.handle, root), status.CALLEE_CANCELLED);
  assert.equal(privLib.invocationState(queued.handle, root), INVOCATION_QUEUED);
  assert.equal(privLib.ringPeek(lost.control) >>> 0, queued.handle);
  assert.equal(privLib.invocationState(elsewhere.handle, root), INVOCATION_RUNNING);
  // Who goes on: the other executor with what it ran, and the thread that follows with what is in its ring.
  assert.equal(privLib.invocationArrived(other.control) >>> 0, child.handle);
  assert.equal(privLib.invocationCollect(child.handle, elsewhereBase), status.CALLEE_EXECUTOR_LOST);
  assert.equal(privLib.invocationLeave(elsewhere.record, 0, 100, elsewhereBase, other.host), 0);
  privLib.invocationEnd(elsewhere.record);
  const base = enter(server, take(queued, lost), lost.host);
  assert.equal(privLib.invocationLeave(queued.record, 0, 100, base, lost.host), 0);
  privLib.invocationEnd(queued.record);
  privLib.ringAdvance(lost.control, 0);
  assert.deepEqual(takeIn(server, orchestrator), new Map([elsewhere, queued].map(({ handle }) => [handle, 0])));
  assertNothingInUse(server);
});

test('what PDs of the lost executor had started is cancelled, wherever it is', () => {
  const server = makeServer();
  const { fixture, lost, other } = server;
  const { privLib } = fixture;
  const parent = privLib.callEnter(server.made.descriptor, 0, lost.host);
  const make = (): { readonly handle: number; readonly record: number } => ask(server, parent);
  const [queued, offered, arrived, ended, taken, own, inside, cancelled] = Array.from({ length: 8 }, make);
  assert.ok(queued && offered && arrived && ended && taken && own && inside && cancelled);
  privLib.offerPush(lost.control, offered.handle);
  for (const { handle, record } of [arrived, ended]) {
    privLib.invocationTake(handle, other.control);
    abortAndEnd(server, record, other.host);
  }
  assert.equal(privLib.invocationArrived(lost.control) >>> 0, arrived.handle);
  privLib.invocationTake(taken.handle, other.control);
  const elsewhere = enter(server, taken.record, other.host);
  privLib.invocationTake(own.handle, lost.control);
  privLib.invocationCancel(cancelled.handle, status.CALLEE_CANCELLED, parent);
  assert.equal(privLib.invocationTakeInside(inside.handle, parent), inside.record);
  const insideBase = enter(server, inside.record, parent);
  const grandchild = ask(server, insideBase);
  privLib.invocationTake(grandchild.handle, other.control);

  privLib.executorRecover(lost.control);
  takeCensus(fixture.memory);
  assert.equal(fixture.word(taken.record + INVOCATION_CANCELLED), 1);
  assert.equal(fixture.word(other.control + EXECUTOR_CANCELS), 1, 'the other executor looks');
  assert.equal(privLib.invocationTake(privLib.offerPop(lost.control), other.control), 0, 'nobody takes it any more');
  // The other executor ends what it runs, and the thread that follows frees it.
  assert.equal(privLib.invocationLeave(taken.record, 0, 100, elsewhere, other.host), 0);
  privLib.invocationEnd(taken.record);
  assert.equal(
    privLib.invocationEnter(grandchild.record, server.made.descriptor, other.host),
    status.CALLEE_CANCELLED,
    'it had not begun',
  );
  abortAndEnd(server, grandchild.record, other.host);
  assert.equal(privLib.invocationArrived(lost.control), 0, 'nobody hears of orphans');
  assertNothingInUse(server);
});

test('homes of a retired function that idle on the lost executor are given back, and no others', () => {
  const server = makeServer();
  const { fixture, lost, other, made } = server;
  const { privLib } = fixture;
  const second = fixture.makeFunction();
  for (const { descriptor } of [made, second]) {
    for (const { host } of [lost, other]) {
      const pds = [1, 2, 3].map(() => privLib.pdCreate(descriptor, host));
      for (const pd of pds) privLib.pdDestroy(pd, host);
    }
  }
  const live = privLib.pdCreate(made.descriptor, lost.host);
  privLib.functionRetire(made.descriptor);
  privLib.executorRecover(lost.control);
  assert.equal(privLib.pdHome(live), status.STALE_PD);
  assert.deepEqual(
    [made, second].flatMap(({ descriptor }) =>
      [lost, other].map(({ control }) => idleHomes(fixture, control, descriptor).length),
    ),
    [0, 3, 3, 3],
  );
  privLib.poolTrim(other.control, made.descriptor, 0);
  privLib.poolTrim(fixture.executor, made.descriptor, 0);
  assert.equal(privLib.functionDestroy(made.descriptor), status.OK);
  takeCensus(fixture.memory);
});

test('an executor that has nothing is recovered to nothing, again and again', () => {
  const server = makeServer();
  const { fixture, lost } = server;
  const before = takeCensus(fixture.memory);
  for (let i = 0; i < 3; i++) assert.equal(fixture.privLib.executorRecover(lost.control), 0);
  assert.deepEqual(takeCensus(fixture.memory), before);
});
