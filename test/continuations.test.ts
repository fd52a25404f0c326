/** Invocations that wait: how many there can be, what they take, and that they hold nothing meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as L from '../core/layout.ts';
import { Cancellation } from '../src/server/types.ts';
import type { WorkerServerOptions } from '../src/server/worker-server.ts';
import { assertQuiet, eventually } from './census.ts';
import { BUSY, ECHO, ENDLESS, guest, NAP, words, wordsOf } from './guests.ts';
import { jordError, type ObservedServer, startObserved } from './observed-server.ts';

const EMPTY = new Uint8Array(0);
const TIMEOUT = { timeout: 120_000 };
/** So that there is room for thousands of homes. */
const SMALL = { memoryLimitBytes: 65_536 };
/** A stack that is set aside (4 KiB of it touched), the home's header and what was written to, and the promises. */
const BYTES_PER_SLEEPER_MAX = 32 * 1024;
/** Generous: what is asserted is that it does not take as long as the invocation would by itself. */
const SOON_MS = 2000;
const LONG_MS = 30_000;

async function start(options: WorkerServerOptions = {}): Promise<ObservedServer> {
  const observed = await startObserved({ executors: 1, queueDelayMs: 0, outstandingMax: 20_000, ...options });
  const { server } = observed;
  await server.deploy('nap', NAP, SMALL);
  await server.deploy('echo', ECHO, SMALL);
  await server.deploy('busy', BUSY, SMALL);
  await server.deploy('endless', ENDLESS, SMALL);
  return observed;
}

test('10,000 sleep at once on one executor, within bounded memory', TIMEOUT, async (t) => {
  const observed = await start();
  const { server, memory } = observed;
  // What is made once, whatever comes.
  await Promise.all(Array.from({ length: 100 }, () => server.invoke('nap', words(1))));
  const before = process.memoryUsage.rss();
  let answers = 0;
  const cancellations = Array.from({ length: 10_000 }, () => new Cancellation());
  const sleepers = cancellations.map(async (cancellation) => {
    await jordError(server.invoke('nap', words(LONG_MS), { cancellation }));
    answers++;
  });
  await eventually(() => assert.equal(memory.sum(L.EXECUTOR_SUSPENDED), 10_000));
  const bytes = process.memoryUsage.rss() - before;
  t.diagnostic(`${(bytes / 10_000 / 1024).toFixed(1)} KiB each`);
  assert.ok(bytes < 10_000 * BYTES_PER_SLEEPER_MAX, `${bytes} bytes`);
  // None of them holds an executor.
  assert.deepEqual(wordsOf(await server.invoke('echo', words(1))), [1]);
  assert.deepEqual(wordsOf(await server.invoke('nap', words(2))), [2]);
  assert.equal(answers, 0);
  for (const cancellation of cancellations) cancellation.cancel();
  await Promise.all(sleepers);
  await assertQuiet(observed);
  await server.stop();
});

test('10,000 that sleep for different times wake up each at its own', TIMEOUT, async () => {
  const observed = await start({ executors: 2 });
  const { server } = observed;
  const earliest: number[] = [];
  const sleepers = Array.from({ length: 10_000 }, async (_, i) => {
    const milliseconds = 200 + ((i * 7919) % 500);
    const started = performance.now();
    assert.deepEqual(wordsOf(await server.invoke('nap', words(milliseconds))), [milliseconds]);
    earliest.push(performance.now() - started - milliseconds);
  });
  await Promise.all(sleepers);
  assert.ok(Math.min(...earliest) >= 0, 'none wakes up early');
  await assertQuiet(observed);
  await server.stop();
});

test('beyond the number of stacks they queue, and all of them come to their end', TIMEOUT, async () => {
  for (const executors of [1, 2]) {
    const stacksMax = 50;
    const observed = await start({ executors, stacksMax });
    const { server, memory } = observed;
    let most = 0;
    const sleepers = Array.from({ length: 1000 }, async (_, i) => {
      assert.deepEqual(wordsOf(await server.invoke('nap', words(5 + (i % 10)))), [5 + (i % 10)]);
      most = Math.max(most, memory.sum(L.EXECUTOR_STACKS));
    });
    await Promise.all(sleepers);
    assert.ok(most > stacksMax / 2 && most <= stacksMax, `${most} stacks`);
    await assertQuiet(observed);
    await server.stop();
  }
});

test('what is deferred for want of a stack is not held up by what comes later and needs none', TIMEOUT, async () => {
  const observed = await start({ stacksMax: 1, queueBound: 64 });
  const { server } = observed;
  let answered = 0;
  const held = server.invoke('nap', words(5));
  const deferred = server.invoke('nap', words(1)).then(() => answered);
  const others = Array.from({ length: 300 }, async () => {
    await server.invoke('busy', words(1));
    answered++;
  });
  const before = await deferred;
  assert.ok(before < 150, `${before} others before it`);
  await Promise.all([held, ...others]);
  await assertQuiet(observed);
  await server.stop();
});

test('deadlines and cancellation reach what is deferred for want of a stack', TIMEOUT, async () => {
  const observed = await start({ stacksMax: 1 });
  const { server } = observed;
  const holding = new Cancellation();
  const held = jordError(server.invoke('nap', words(LONG_MS), { cancellation: holding }));
  const cancellation = new Cancellation();
  const started = performance.now();
  const late = jordError(server.invoke('nap', words(1), { deadlineMs: 50 }));
  const cancelled = jordError(server.invoke('nap', words(1), { cancellation }));
  setTimeout(() => cancellation.cancel(), 20);
  assert.equal((await cancelled).code, 'INVOCATION_CANCELLED');
  assert.equal((await late).code, 'DEADLINE_EXCEEDED');
  assert.ok(performance.now() - started < SOON_MS);
  holding.cancel();
  await held;
  assert.deepEqual(wordsOf(await server.invoke('nap', words(1))), [1]);
  await assertQuiet(observed);
  await server.stop();
});

test('nested waits work with a single stack for what comes from a queue', TIMEOUT, async () => {
  const observed = await start({ stacksMax: 1 });
  const { server } = observed;
  await server.deploy('calls', guest('(call $call (call $id0) (local.get $request))', { names: ['nap'] }), SMALL);
  const starts = '(call $wait (call $start (call $id0) (local.get $request)))';
  await server.deploy('starts', guest(starts, { names: ['calls'] }), SMALL);
  await server.deploy('starts-twice', guest(starts, { names: ['starts'] }), SMALL);
  const all = Array.from({ length: 60 }, (_, i) =>
    server.invoke(['calls', 'starts', 'starts-twice'][i % 3] ?? '', words(i)),
  );
  assert.deepEqual(
    (await Promise.all(all)).flatMap(wordsOf),
    Array.from({ length: 60 }, (_, i) => i),
  );
  await assertQuiet(observed);
  await server.stop();
});

test('sleeps of no time and of the longest', TIMEOUT, async () => {
  const observed = await start();
  const { server } = observed;
  assert.deepEqual(wordsOf(await server.invoke('nap', words(0))), [0]);
  const { code } = await jordError(server.invoke('nap', words(0xffff_ffff), { deadlineMs: 30 }));
  assert.equal(code, 'DEADLINE_EXCEEDED');
  await assertQuiet(observed);
  await server.stop();
});

test('thousands of deadlines at the same moment, and cancellations one after the other', TIMEOUT, async () => {
  const observed = await start({ executors: 2 });
  const { server, memory } = observed;
  const started = performance.now();
  const late = Array.from({ length: 3000 }, () => jordError(server.invoke('nap', words(LONG_MS), { deadlineMs: 300 })));
  for (const { code, details } of await Promise.all(late)) {
    assert.deepEqual([code, details['fault'] ?? 'deadline'], ['DEADLINE_EXCEEDED', 'deadline']);
  }
  const tookMs = performance.now() - started;
  assert.ok(tookMs >= 300 && tookMs < 300 + SOON_MS, `${tookMs} ms`);
  const cancellations = Array.from({ length: 3000 }, () => new Cancellation());
  const cancelled = cancellations.map((cancellation) =>
    jordError(server.invoke('nap', words(LONG_MS), { cancellation })),
  );
  await eventually(() => assert.equal(memory.sum(L.EXECUTOR_SUSPENDED), 3000));
  for (const cancellation of cancellations) cancellation.cancel();
  for (const { code } of await Promise.all(cancelled)) assert.equal(code, 'INVOCATION_CANCELLED');
  await assertQuiet(observed);
  assert.deepEqual(wordsOf(await server.invoke('echo', words(1))), [1]);
  assert.equal((await server.invoke('echo', EMPTY)).body.length, 0);
  await server.stop();
});
