/** More invocations than a server takes, or than its executors have room for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import * as L from '../core/layout.ts';
import { STATUS_MAX } from '../core/status.ts';
import { STANDING_MAX } from '../src/server/admission.ts';
import { Cancellation } from '../src/server/types.ts';
import type { WorkerServerOptions } from '../src/server/worker-server.ts';
import { assertQuiet, eventually } from './census.ts';
import { BUSY, ECHO, ENDLESS, guest, NAP, words, wordsOf } from './guests.ts';
import { jordError, type ObservedServer, startObserved } from './observed-server.ts';
import { occupy } from './occupy.ts';

const EMPTY = new Uint8Array(0);
const TIMEOUT = { timeout: 60_000 };

/** One executor with one place, unless the options say otherwise. */
async function start(options: WorkerServerOptions): Promise<ObservedServer> {
  const observed = await startObserved({ executors: 1, queueBound: 1, ...options });
  const { server } = observed;
  await server.deploy('endless', ENDLESS);
  await server.deploy('echo', ECHO);
  await server.deploy('nap', NAP);
  return observed;
}

test('no more are outstanding than allowed, and what was accepted is answered', TIMEOUT, async () => {
  const observed = await start({ outstandingMax: 4, queueDelayMs: 0 });
  const { server } = observed;
  const [running] = await occupy(observed, 1, 'endless');
  const accepted = [1, 2, 3].map((i) => server.invoke('echo', words(i)));
  for (let i = 0; i < 3; i++) {
    await assert.rejects(server.invoke('echo', EMPTY), { code: 'OVERLOADED', message: /outstandingMax, 4/ });
  }
  assert.deepEqual((await server.stats()).orchestrators, [
    { index: 0, outstanding: 4, waiting: 3, accepted: 4, refused: 3 },
  ]);
  running?.cancel();
  assert.deepEqual((await Promise.all(accepted)).map(wordsOf), [[1], [2], [3]]);
  assert.deepEqual(wordsOf(await server.invoke('echo', words(5))), [5]);
  await assertQuiet(observed);
  await server.stop();
});

test('invocations are refused while the oldest has waited too long, and only then', TIMEOUT, async () => {
  const observed = await start({ queueDelayMs: 30 });
  const { server } = observed;
  const [running] = await occupy(observed, 1, 'endless');
  const others: Promise<unknown>[] = [];
  await eventually(async () => {
    const refused = server.invoke('echo', EMPTY);
    others.push(refused.catch((error: unknown) => assert.equal((error as { code: unknown }).code, 'OVERLOADED')));
    assert.ok((await server.stats()).orchestrators.some((orchestrator) => orchestrator.refused > 0));
  });
  assert.equal(observed.memory.word((observed.memory.executors[1] ?? 0) + L.EXECUTOR_RING_TAIL), 1, 'the ring is full');
  running?.cancel();
  await Promise.all(others);

  const [again] = await occupy(observed, 1, 'endless');
  const abandoned = new Cancellation();
  const waiting = jordError(server.invoke('echo', EMPTY, { cancellation: abandoned }));
  const since = performance.now();
  await eventually(() => assert.ok(performance.now() > since + 50));
  await assert.rejects(server.invoke('echo', EMPTY), { code: 'OVERLOADED' });
  // Nobody waits any more, so nobody has waited too long.
  abandoned.cancel();
  assert.equal((await waiting).code, 'INVOCATION_CANCELLED');
  const accepted = server.invoke('echo', words(1));
  again?.cancel();
  assert.deepEqual(wordsOf(await accepted), [1]);
  await assertQuiet(observed);
  await server.stop();
});

test('a long queue that has stood for long is refused before its oldest has waited too long', TIMEOUT, async () => {
  const queueDelayMs = 2000;
  const observed = await start({ queueDelayMs });
  const { server } = observed;
  const [running] = await occupy(observed, 1, 'endless');
  const since = performance.now();
  const enqueue = (count: number): Cancellation[] =>
    Array.from({ length: count }, () => {
      const cancellation = new Cancellation();
      server.invoke('echo', EMPTY, { cancellation }).then(
        () => {},
        ({ code }: { code?: unknown }) => assert.equal(code, 'INVOCATION_CANCELLED'),
      );
      return cancellation;
    });
  // All that have waited for long leave, but there have always been some.
  const first = enqueue(STANDING_MAX + 2);
  await delay(queueDelayMs / 2);
  const second = enqueue(STANDING_MAX + 2);
  const secondSince = performance.now();
  for (const cancellation of first) cancellation.cancel();
  await delay(Math.max(0, since + queueDelayMs + 50 - performance.now()));
  const refused = await jordError(server.invoke('echo', EMPTY));
  assert.equal(refused.code, 'OVERLOADED');
  assert.ok(performance.now() - secondSince < queueDelayMs, 'the oldest has not waited too long');
  assert.equal(server.refusal()?.code, 'OVERLOADED');
  // Without two of them it is not long any more, and with one more it is.
  for (const cancellation of second.slice(0, 2)) cancellation.cancel();
  assert.equal((await server.stats()).orchestrators[0]?.outstanding, 1 + STANDING_MAX);
  assert.equal(server.refusal(), undefined);
  const [last] = enqueue(1);
  assert.equal(server.refusal()?.code, 'OVERLOADED');
  for (const cancellation of [...second, last, running]) cancellation?.cancel();
  await assertQuiet(observed);
  await server.stop();
});

test('executors are given work, and woken for it, while the event loop still reads', TIMEOUT, async () => {
  // Without spinning: who has nothing to do is parked.
  const observed = await start({ queueDelayMs: 0, spinUs: 0 });
  const { server, memory } = observed;
  const control = memory.executors[1] ?? 0;
  for (const count of [1, 2, 20]) {
    await eventually(() => assert.equal(memory.word(control + L.EXECUTOR_DOORBELL), L.DOORBELL_PARKED));
    const returned = (): number => memory.word(control + L.EXECUTOR_RETURNS_TAIL);
    const before = returned();
    let answered = 0;
    const answers = Array.from({ length: count }, async (_, i) => {
      assert.deepEqual(wordsOf(await server.invoke('echo', words(i))), [i]);
      answered++;
    });
    // As the reading of further requests, all in the same turn.
    for (const started = performance.now(); returned() !== before + count; ) {
      assert.equal(server.refusal(), undefined);
      assert.ok(performance.now() - started < 10_000, `${returned() - before} of ${count} have ended`);
    }
    assert.equal(answered, 0, 'the event loop has not turned');
    await Promise.all(answers);
  }
  await assertQuiet(observed);
  await server.stop();
});

test('what waits is dispatched when a place is free, however it became free', TIMEOUT, async () => {
  // Without spinning: whoever parks has to be woken.
  const observed = await start({ stacksMax: 1, spinUs: 0 });
  const { server } = observed;
  const order: string[] = [];
  const invoke = async (name: string, milliseconds: number): Promise<void> => {
    await server.invoke(name, words(milliseconds));
    order.push(name);
  };
  // The second nap finds no stack, and gives its place in the ring up at once.
  await Promise.all([invoke('nap', 500), invoke('nap', 1), invoke('echo', 0)]);
  assert.deepEqual(order, ['echo', 'nap', 'nap']);
  await assertQuiet(observed);

  // A place that an entry has which is cancelled by the time that it is looked at.
  const cancelled = Array.from({ length: 50 }, () => new Cancellation());
  for (const cancellation of cancelled) {
    const held = jordError(server.invoke('endless', EMPTY, { cancellation }));
    const waits = server.invoke('echo', words(1));
    cancellation.cancel();
    assert.equal((await held).code, 'INVOCATION_CANCELLED');
    assert.deepEqual(wordsOf(await waits), [1]);
  }
  await assertQuiet(observed);
  await server.stop();
});

test('one that runs for long holds up nobody for whom another executor is free', TIMEOUT, async () => {
  // On new servers, whose threads are slow at first.
  for (let round = 0; round < 5; round++) {
    const observed = await start({ executors: 2, queueBound: 2 });
    const { server } = observed;
    await server.deploy('one', ENDLESS, { concurrency: 1 });
    const [running] = await occupy(observed, 1, 'one');
    for (let i = 0; i < 20; i++) {
      // Each is dispatched when the one before has just been answered.
      await assert.rejects(server.invoke('one', EMPTY, { deadlineMs: 5000 }), { code: 'CONCURRENCY_EXCEEDED' });
      assert.deepEqual(wordsOf(await server.invoke('echo', words(i), { deadlineMs: 5000 })), [i]);
    }
    running?.cancel();
    await assertQuiet(observed);
    await server.stop();
  }
});

test('what functions start keeps no request out, however much it is', TIMEOUT, async () => {
  const observed = await start({ queueDelayMs: 0 });
  const { server, memory } = observed;
  // Starts as many as it can and calls itself, until none can be started. One executor: nobody runs them.
  const started = '(call $start (call $id0) (i32.const 0))';
  const startAll = `(loop $more (if (i32.gt_u ${started} (i32.const ${STATUS_MAX}))
    (then (local.set $x (i32.add (local.get $x) (i32.const 1))) (br $more))))`;
  const goOn = `(if (local.get $x) (then (drop (call $call (call $id1) (i32.const 0)))))
    (drop (call $log (i32.const 1) (i32.const 0) (i32.const 1))) (loop $l (br $l))`;
  await server.deploy('hoards', guest(`${startAll} ${goOn} (i32.const 0)`, { names: ['echo', 'hoards'] }));
  const [hoarder] = await occupy(observed, 1, 'hoards');
  await eventually(() => assert.equal(observed.records.length, 1));
  assert.ok(memory.sum(L.EXECUTOR_INVOCATIONS) > 2 * L.CHILDREN_MAX, 'it has started what it can');
  const requests = Array.from({ length: 1000 }, (_, i) => server.invoke('echo', words(i)));
  assert.equal((await server.stats()).orchestrators[0]?.outstanding, 1 + requests.length);
  hoarder?.cancel();
  assert.deepEqual(
    (await Promise.all(requests)).map(wordsOf),
    requests.map((_, i) => [i]),
  );
  await assertQuiet(observed);
  await server.stop();
});

test('a long batch that is patient is no reason to refuse others', TIMEOUT, async () => {
  const observed = await start({ executors: 1, queueDelayMs: 1500 });
  const { server } = observed;
  await server.deploy('busy', BUSY);
  let isOver = false;
  const batch = server
    .invokeAll(
      'busy',
      Array.from({ length: 2500 }, () => words(1)),
    )
    .finally(() => {
      isOver = true;
    });
  let others = 0;
  const started = performance.now();
  while (!isOver) {
    assert.deepEqual(wordsOf(await server.invoke('echo', words(others))), [others]);
    others++;
  }
  // Long enough for what stands to be held against the others.
  assert.ok(performance.now() - started > 2000, 'the batch took long enough');
  assert.ok((await batch).every((response) => response instanceof Uint8Array));
  assert.equal((await server.stats()).orchestrators[0]?.refused, 0);
  await assertQuiet(observed);
  await server.stop();
});
