import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { takeCensus } from '../test/privlib-census.ts';
import { Fixture } from '../test/privlib-fixture.ts';
import {
  DONE,
  HANDLE_FIRST,
  PARKED,
  PRODUCERS,
  type QueueWorkerData,
  READY,
  RING_FULL,
  ROUND,
  START,
  TAKEN,
  WRONG,
} from '../test/queue-worker-data.ts';
import {
  DOORBELL_AWAKE,
  DOORBELL_PARKED,
  EXECUTOR_CANCELS,
  EXECUTOR_DOORBELL,
  EXECUTOR_INBOX_HEAD,
  EXECUTOR_INBOX_STUB,
  EXECUTOR_INBOX_TAIL,
  EXECUTOR_MESSAGES,
  EXECUTOR_OFFERS_HEAD,
  EXECUTOR_OFFERS_TAIL,
  EXECUTOR_RETURNS_HEAD,
  EXECUTOR_RETURNS_TAIL,
  EXECUTOR_RING_HEAD,
  EXECUTOR_RING_TAIL,
  INVOCATION_NEXT,
  OFFERS_MAX,
  RETURNS_MAX,
  RING_MAX,
} from './layout.ts';
import * as status from './status.ts';

/** Indices that are about to wrap. */
const WRAPPING = 2 ** 32 - 5;
/** Anything but one that is queued: for queues, handles are numbers. */
const handleOf = (i: number): number => HANDLE_FIRST + i;

function setIndices(fixture: Fixture, head: number, tail: number, index: number): void {
  fixture.setWord(fixture.executor + head, index);
  fixture.setWord(fixture.executor + tail, index);
}

test('property: a ring is a bounded queue, also where its indices wrap', () => {
  const fixture = new Fixture();
  const { privLib, executor } = fixture;
  const step = fc.oneof(
    fc.record({ bound: fc.integer({ min: 0, max: RING_MAX + 8 }) }),
    fc.constant('advance' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.constantFrom(0, 1, WRAPPING, 2 ** 31 - 2), (steps, first) => {
      setIndices(fixture, EXECUTOR_RING_HEAD, EXECUTOR_RING_TAIL, first);
      const model: number[] = [];
      let next = handleOf(0);
      for (const now of steps) {
        if (now === 'advance') {
          if (model.shift() !== undefined) privLib.ringAdvance(executor, privLib.ringPeek(executor));
        } else {
          const hasRoom = model.length < Math.min(now.bound, RING_MAX);
          assert.equal(privLib.ringPush(executor, next, now.bound), hasRoom ? 1 : 0);
          if (hasRoom) model.push(next++);
        }
        assert.equal(privLib.ringLength(executor), model.length);
        assert.equal(privLib.ringPeek(executor), model[0] ?? 0);
        assert.equal(privLib.executorHasWork(executor), model.length > 0 ? 1 : 0);
      }
      // An entry that is left would be there for the next run.
      for (const handle of model) privLib.ringAdvance(executor, handle);
      assert.equal(privLib.ringLength(executor), 0);
    }),
    { numRuns: 100 },
  );
});

test('what ends on an executor goes back to its orchestrator in order; what finds no room there comes by the inbox', () => {
  const fixture = new Fixture();
  const { privLib, executor, host } = fixture;
  const runner = fixture.addExecutor();
  privLib.ringBind(runner.control, executor);
  for (const word of [EXECUTOR_RETURNS_HEAD, EXECUTOR_RETURNS_TAIL]) fixture.setWord(runner.control + word, WRAPPING);
  for (const count of [1, RETURNS_MAX, RETURNS_MAX + 3]) {
    const handles = Array.from({ length: count }, () => privLib.invocationNew(HANDLE_FIRST, 0, 0, 0, 0, host));
    assert.equal(privLib.hasReturned(runner.control), 0);
    for (const handle of handles) {
      const record = privLib.invocationTake(handle, runner.control);
      privLib.invocationAbort(record, status.CALLEE_TRAP, 0, runner.host);
      assert.equal(privLib.invocationEnd(record), status.OK);
    }
    assert.notEqual(privLib.hasReturned(runner.control), 0);
    const returned: number[] = [];
    for (let next = privLib.invocationReturned(runner.control, executor); next !== 0; ) {
      returned.push(next);
      next = privLib.invocationReturned(runner.control, executor);
    }
    for (let next = privLib.invocationArrived(executor); next !== 0; next = privLib.invocationArrived(executor)) {
      returned.push(next);
    }
    assert.deepEqual(returned, handles);
    for (const handle of handles) assert.equal(privLib.invocationCollect(handle, host), status.CALLEE_TRAP);
  }
});

test('the bound of a ring counts the invocation that runs: its entry stays until it is given up', () => {
  const { privLib, executor, host } = new Fixture();
  const [first, second, third] = [1, 2, 3].map(() => privLib.invocationNew(HANDLE_FIRST, 0, 0, 0, 0, host));
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  assert.equal(privLib.ringPush(executor, first, 2), 1);
  assert.equal(privLib.ringPush(executor, second, 2), 1);
  assert.notEqual(privLib.invocationTake(privLib.ringPeek(executor), executor), 0);
  assert.equal(privLib.ringPush(executor, third, 2), 0, 'one runs, one waits');
  assert.equal(privLib.ringPush(executor, third, 1), 0, 'a smaller bound than there are entries');
  privLib.ringAdvance(executor, privLib.ringPeek(executor));
  assert.equal(privLib.ringPush(executor, third, 2), 1);
  assert.equal(privLib.ringPeek(executor), second);
});

test('rings and offers of different executors do not meet', () => {
  const fixture = new Fixture();
  const { privLib } = fixture;
  const controls = [fixture.executor, ...Array.from({ length: 5 }, () => fixture.addExecutor().control)];
  for (let i = 0; i < RING_MAX; i++) {
    for (const [e, control] of controls.entries()) {
      assert.equal(privLib.ringPush(control, handleOf(e * 1000 + i), RING_MAX), 1);
      assert.equal(privLib.offerPush(control, handleOf(e * 1000 + i)), i + 1);
    }
  }
  for (let i = 0; i < RING_MAX; i++) {
    for (const [e, control] of controls.entries()) {
      assert.equal(privLib.ringPeek(control), handleOf(e * 1000 + i));
      privLib.ringAdvance(control, privLib.ringPeek(control));
      assert.equal(privLib.offerPop(control), handleOf(e * 1000 + i));
    }
  }
});

test('offers are taken in the order in which they were made, also where their indices wrap', () => {
  for (const first of [0, WRAPPING]) {
    const fixture = new Fixture();
    const { privLib, executor } = fixture;
    setIndices(fixture, EXECUTOR_OFFERS_HEAD, EXECUTOR_OFFERS_TAIL, first);
    assert.equal(privLib.offerPop(executor), 0);
    for (let i = 0; i < OFFERS_MAX; i++) assert.equal(privLib.offerPush(executor, handleOf(i)), i + 1);
    assert.equal(privLib.executorHasWork(executor), 1);
    for (let i = 0; i < OFFERS_MAX; i++) assert.equal(privLib.offerPop(executor), handleOf(i));
    assert.equal(privLib.offerPop(executor), 0);
    assert.equal(privLib.executorHasWork(executor), 0);
  }
});

test('a full queue of offers makes room by dropping what is stale at its head, but nothing that can still be taken', () => {
  const { privLib, executor, host } = new Fixture();
  const make = (): number => privLib.invocationNew(HANDLE_FIRST, 0, 0, 0, 0, host);
  const [taken, cancelled, forgotten, queued, last] = [make(), make(), make(), make(), make()];
  for (const handle of [taken, cancelled, forgotten, queued]) privLib.offerPush(executor, handle);
  for (let i = 4; i < OFFERS_MAX; i++) assert.equal(privLib.offerPush(executor, handleOf(i)), i + 1);
  privLib.invocationTake(taken, executor);
  privLib.invocationCancel(cancelled, status.CALLEE_CANCELLED, host);
  privLib.invocationForget(forgotten, host);
  // Three go, up to the one that is still queued.
  assert.equal(privLib.offerPush(executor, last), OFFERS_MAX - 2);
  assert.equal(privLib.offerPush(executor, last), OFFERS_MAX - 1);
  assert.equal(privLib.offerPush(executor, last), OFFERS_MAX);
  assert.equal(privLib.offerPush(executor, last), 0, 'no room, and the oldest can still be taken');
  assert.equal(privLib.offerPop(executor), queued);
  assert.equal(privLib.offerPush(executor, last), OFFERS_MAX);
  assert.equal(privLib.offerPop(executor), handleOf(4));
});

test('a record that is used again is another one: an old offer of it is stale', () => {
  const { privLib, executor, host } = new Fixture();
  const old = privLib.invocationNew(HANDLE_FIRST, 0, 0, 0, 0, host);
  privLib.offerPush(executor, old);
  privLib.invocationForget(old, host);
  const handle = privLib.invocationNew(HANDLE_FIRST, 0, 0, 0, 0, host);
  assert.equal(handle & 0xffff, old & 0xffff, 'the same record');
  assert.equal(privLib.invocationTake(privLib.offerPop(executor), executor), 0);
  assert.notEqual(privLib.invocationTake(handle, executor), 0);
});

test('an inbox gives back what has ended in the order in which it did, from which executors it may be', () => {
  const fixture = new Fixture();
  const { privLib, executor, host } = fixture;
  const runners = [fixture.addExecutor(), fixture.addExecutor(), { control: executor, host }];
  for (const count of [1, 2, 3, 10, 1, 1]) {
    const handles = Array.from({ length: count }, () => privLib.invocationNew(HANDLE_FIRST, 0, 0, 0, 0, host));
    assert.equal(privLib.executorHasWork(executor), 0);
    const ended = handles.toReversed();
    for (const [i, handle] of ended.entries()) {
      const runner = runners[i % runners.length];
      assert.ok(runner !== undefined);
      const record = privLib.invocationTake(handle, runner.control);
      assert.equal(privLib.invocationAbort(record, status.CALLEE_TRAP, 0, runner.host), status.OK);
      assert.equal(privLib.invocationEnd(record), status.OK);
      assert.equal(privLib.executorHasWork(executor), 1);
    }
    for (const handle of ended) {
      assert.equal(privLib.invocationArrived(executor), handle);
      assert.equal(privLib.invocationCollect(handle, host), status.CALLEE_TRAP);
    }
    assert.equal(privLib.invocationArrived(executor), 0);
  }
  takeCensus(fixture.memory);
});

test('a thread whose inbox somebody is adding to while the last one is taken out does not park', () => {
  const fixture = new Fixture();
  const { privLib, executor, host } = fixture;
  const other = fixture.addExecutor();
  const [first = 0, second = 0] = [1, 2].map(() => {
    const handle = privLib.invocationNew(HANDLE_FIRST, 0, 0, 0, 0, host);
    const record = privLib.invocationTake(handle, other.control);
    privLib.invocationAbort(record, status.CALLEE_TRAP, 0, other.host);
    privLib.invocationEnd(record);
    return handle;
  });
  const [firstRecord, secondRecord] = [first, second].map((handle) => privLib.invocationRecord(handle, host) >>> 0);
  assert.ok(firstRecord !== undefined && secondRecord !== undefined);
  // As it is after this: the one thread saw the first as the last, the other made the second the tail, the one put its stub
  // behind that and went away with nothing, since the other linked the second to the first only then.
  const stub = executor + EXECUTOR_INBOX_STUB;
  fixture.setWord(stub + INVOCATION_NEXT, 0);
  fixture.setWord(executor + EXECUTOR_INBOX_HEAD, firstRecord);
  fixture.setWord(secondRecord + INVOCATION_NEXT, stub);
  fixture.setWord(executor + EXECUTOR_INBOX_TAIL, stub);
  assert.equal(fixture.word(firstRecord + INVOCATION_NEXT), secondRecord);
  assert.equal(privLib.executorHasWork(executor), 1);
  assert.equal(privLib.executorPark(executor), 0);
  for (const handle of [first, second]) {
    assert.equal(privLib.invocationArrived(executor), handle);
    assert.equal(privLib.invocationCollect(handle, host), status.CALLEE_TRAP);
  }
  assert.equal(privLib.invocationArrived(executor), 0);
  assert.equal(privLib.executorPark(executor), 1);
  takeCensus(fixture.memory);
});

test('a thread that has anything to do does not park, and who parks is woken by whatever comes', () => {
  const fixture = new Fixture();
  const { privLib, executor, host } = fixture;
  const other = fixture.addExecutor();
  const doorbell = (): number => fixture.word(executor + EXECUTOR_DOORBELL);
  const end = (): void => {
    const handle = privLib.invocationNew(HANDLE_FIRST, 0, 0, 0, 0, host);
    const record = privLib.invocationTake(handle, other.control);
    privLib.invocationAbort(record, status.CALLEE_TRAP, 0, other.host);
    privLib.invocationEnd(record);
  };
  const cancel = (): void => {
    const handle = privLib.invocationNew(HANDLE_FIRST, 0, 0, 0, 0, other.host);
    privLib.invocationTake(handle, executor);
    assert.equal(privLib.invocationCancel(handle, status.CALLEE_CANCELLED, other.host), status.OK);
  };
  const works: Record<string, { give: () => void; take: () => void; wakes: boolean }> = {
    'dispatched to it': {
      give: () => void privLib.ringPush(executor, handleOf(0), 1),
      take: () => privLib.ringAdvance(executor, privLib.ringPeek(executor)),
      wakes: true,
    },
    'come back to it': { give: end, take: () => void privLib.invocationArrived(executor), wakes: true },
    'cancelled while it runs there': {
      give: cancel,
      take: () => fixture.setWord(executor + EXECUTOR_CANCELS, 0),
      wakes: true,
    },
    // Who offers or sends a message wakes whom it wants to: src/server/.
    'offered by it': {
      give: () => void privLib.offerPush(executor, handleOf(0)),
      take: () => void privLib.offerPop(executor),
      wakes: false,
    },
    'a message': {
      give: () => fixture.setWord(executor + EXECUTOR_MESSAGES, 1),
      take: () => fixture.setWord(executor + EXECUTOR_MESSAGES, 0),
      wakes: false,
    },
  };
  for (const [what, { give, take, wakes }] of Object.entries(works)) {
    assert.equal(privLib.executorPark(executor), 1, `before it was ${what}`);
    give();
    assert.equal(doorbell(), wakes ? DOORBELL_AWAKE : DOORBELL_PARKED, what);
    assert.equal(privLib.executorWake(executor), wakes ? 0 : 1);
    assert.equal(doorbell(), DOORBELL_AWAKE);
    assert.equal(privLib.executorPark(executor), 0, `it was ${what}`);
    assert.equal(doorbell(), DOORBELL_AWAKE);
    assert.equal(privLib.executorHasWork(executor), 1);
    take();
    assert.equal(privLib.executorHasWork(executor), 0);
  }
});

test('room in a ring wakes its orchestrator', () => {
  const fixture = new Fixture();
  const { privLib, executor } = fixture;
  const orchestrator = fixture.addExecutor();
  privLib.ringBind(executor, orchestrator.control);
  privLib.ringPush(executor, handleOf(0), 1);
  assert.equal(privLib.executorPark(orchestrator.control), 1);
  privLib.ringAdvance(executor, handleOf(1));
  assert.equal(fixture.word(orchestrator.control + EXECUTOR_DOORBELL), DOORBELL_PARKED, 'another one is at the head');
  privLib.ringAdvance(executor, handleOf(0));
  assert.equal(fixture.word(orchestrator.control + EXECUTOR_DOORBELL), DOORBELL_AWAKE);
});

/** A thread of test/queue-worker.ts that waits for `start`. Rejects when it fails. */
interface Part {
  readonly ended: Promise<unknown>;
}

async function startPart(t: TestContext, data: QueueWorkerData): Promise<Part> {
  const worker = new Worker(new URL('../test/queue-worker.ts', import.meta.url), { execArgv: [], workerData: data });
  t.after(() => worker.terminate());
  const ended = once(worker, 'exit');
  await once(worker, 'message');
  return { ended };
}

/** Has the threads begin. */
function start(shared: Int32Array): void {
  Atomics.store(shared, START, 1);
  Atomics.notify(shared, START);
}

/** Waits until all have ended, and fails when that takes too long. */
async function finish(parts: readonly Part[], shared: Int32Array, limitMs: number): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const state = Array.from(shared.subarray(0, TAKEN)).join(' ');
    reject(new Error(`the threads did not end within ${limitMs} ms: ${state}`));
  }, limitMs);
  try {
    await Promise.race([Promise.all(parts.map(({ ended }) => ended)), late]);
  } finally {
    clearTimeout(timer);
  }
}

test('what is offered is taken once, however many threads take', async (t) => {
  const count = 60_000;
  const fixture = new Fixture();
  const { privLib, executor } = fixture;
  const shared = new Int32Array(new SharedArrayBuffer(4 * (TAKEN + count)));
  // So that the indices wrap on the way.
  setIndices(fixture, EXECUTOR_OFFERS_HEAD, EXECUTOR_OFFERS_TAIL, 2 ** 32 - count / 2);
  const { space } = fixture;
  const base = { part: 'thief' as const, space, control: executor, other: executor, shared: shared.buffer, rounds: 0 };
  const parts = await Promise.all([0, 1, 2].map((index) => startPart(t, { ...base, index })));
  start(shared);
  let own = 0;
  for (let i = 0; i < count; ) {
    // Full, it would drop what is stale, as all of these are.
    const waiting =
      (fixture.word(executor + EXECUTOR_OFFERS_TAIL) - fixture.word(executor + EXECUTOR_OFFERS_HEAD)) >>> 0;
    if (waiting >= 1000) continue;
    assert.notEqual(privLib.offerPush(executor, handleOf(i++)), 0);
    // Its own executor takes, too.
    const handle = i % 5 === 0 ? privLib.offerPop(executor) : 0;
    if (handle === 0) continue;
    own++;
    Atomics.add(shared, TAKEN + handle - HANDLE_FIRST, 1);
  }
  Atomics.store(shared, DONE, 1);
  await finish(parts, shared, 30_000);
  const taken = shared.subarray(TAKEN);
  assert.ok(taken.every((times) => times === 1));
  assert.equal(shared[WRONG], 0, 'each thread took them in order');
  assert.ok(own > 0 && own < count);
});

test('nothing is lost or doubled in an inbox, and what one thread adds comes in order', async (t) => {
  const [rounds, count] = [120, 1200];
  const fixture = new Fixture();
  const { privLib, executor, host, space } = fixture;
  const shared = new Int32Array(new SharedArrayBuffer(4 * TAKEN));
  const producers = Array.from({ length: PRODUCERS }, (_, index) => ({ index, ...fixture.addExecutor() }));
  const parts = await Promise.all(
    producers.map(({ index, control }) =>
      startPart(t, { part: 'producer', space, control, other: executor, shared: shared.buffer, index, rounds }),
    ),
  );
  start(shared);
  const numbers = producers.map(() => 0);
  for (let round = 1; round <= rounds; round++) {
    const outstanding = new Set<number>();
    for (let i = 0; i < count; i++) {
      const handle = privLib.invocationNew(HANDLE_FIRST, 0, 0, 0, 0, host);
      outstanding.add(handle);
      assert.notEqual(privLib.offerPush(executor, handle), 0);
    }
    Atomics.store(shared, ROUND, round);
    // Now and then this thread takes them out meanwhile; it leaves the processor to the others in between.
    if (round % 2 === 0) while (Atomics.load(shared, READY) < round * PRODUCERS) await delay(1);
    for (const limit = performance.now() + 10_000; outstanding.size > 0; await delay(0)) {
      assert.ok(performance.now() < limit, `${outstanding.size} are outstanding in round ${round}`);
      for (let handle = privLib.invocationArrived(executor); handle; handle = privLib.invocationArrived(executor)) {
        assert.ok(outstanding.delete(handle), 'it was outstanding');
        const response = privLib.invocationCollect(handle, host);
        const [producer, number] = [response >>> 12, response & 0xfff];
        assert.equal(number, (numbers[producer] ?? 0) & 0xfff, `producer ${producer}`);
        numbers[producer] = (numbers[producer] ?? 0) + 1;
      }
    }
  }
  await finish(parts, shared, 10_000);
  assert.equal(
    numbers.reduce((sum, made) => sum + made),
    rounds * count,
  );
  assert.equal(takeCensus(fixture.memory).records, 0);
});

test('two threads that send one invocation back and forth never miss each other', async (t) => {
  const rounds = 100_000;
  const fixture = new Fixture();
  const orchestrator = { control: fixture.executor, index: 0 };
  const executor = { control: fixture.addExecutor().control, index: 1 };
  const shared = new Int32Array(new SharedArrayBuffer(4 * TAKEN));
  const base = { space: fixture.space, shared: shared.buffer, rounds };
  const parts = await Promise.all([
    startPart(t, { ...base, part: 'orchestrator', ...orchestrator, other: executor.control }),
    startPart(t, { ...base, part: 'executor', ...executor, other: orchestrator.control }),
  ]);
  start(shared);
  await finish(parts, shared, 60_000);
  assert.equal(shared[DONE], 1, 'all rounds were made');
  assert.equal(shared[WRONG], 0);
  const [first = 0, second = 0] = shared.subarray(PARKED, PARKED + 2);
  assert.ok(first > 100 && second > 100, `both parked now and then: ${first}, ${second}`);
  t.diagnostic(`parked ${first} and ${second} times, the ring was full ${shared[RING_FULL]} times`);
  assert.equal(takeCensus(fixture.memory).records, 0);
});
