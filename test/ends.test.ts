/** Invocations that end before they would by themselves: at a deadline, when they are cancelled, when the server stops. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import * as L from '../core/layout.ts';
import * as S from '../core/status.ts';
import type { JordError } from '../src/errors.ts';
import { Cancellation } from '../src/server/types.ts';
import type { WorkerServerOptions } from '../src/server/worker-server.ts';
import { assertQuiet, eventually } from './census.ts';
import { answer, BUSY, ECHO, ENDLESS, guest, NAP, words, wordsOf } from './guests.ts';
import { jordError, type ObservedServer, startObserved } from './observed-server.ts';
import { occupy } from './occupy.ts';

const EMPTY = new Uint8Array(0);
const TIMEOUT = { timeout: 60_000 };
/** Generous: what is asserted is that it does not take as long as the invocation would by itself. */
const SOON_MS = 2000;
const LONG_MS = 30_000;

/** Functions that take long, each in its own way, when their request says so. */
const LONG: Readonly<Record<string, Uint8Array>> = {
  endless: ENDLESS,
  'calls-endless': guest('(call $call (call $id0) (i32.const 0))', { names: ['endless'] }),
  nap: NAP,
  'catches-all': guest(
    '(try (do (loop $l (drop (call $sleep (i32.const 60000))) (br $l))) (catch_all (return (i32.const 0)))) (i32.const 0)',
  ),
  'calls-nap': guest('(call $call (call $id0) (local.get $request))', { names: ['nap'] }),
  'waits-for-nap': guest('(call $wait (call $start (call $id0) (local.get $request)))', { names: ['nap'] }),
  'waits-for-endless': guest('(call $wait (call $start (call $id0) (local.get $request)))', { names: ['endless'] }),
  'waits-for-waits': guest('(call $wait (call $start (call $id0) (local.get $request)))', { names: ['waits-for-nap'] }),
};

async function start(options: WorkerServerOptions = {}): Promise<ObservedServer> {
  const observed = await startObserved({ executors: 1, queueDelayMs: 0, ...options });
  const { server } = observed;
  await server.deploy('echo', ECHO);
  await server.deploy('busy', BUSY);
  for (const [name, module] of Object.entries(LONG)) await server.deploy(name, module, { deadlineMs: 600_000 });
  return observed;
}

interface Ended {
  readonly error: JordError;
  readonly tookMs: number;
}

async function end(invoke: () => Promise<unknown>): Promise<Ended> {
  const started = performance.now();
  const error = await jordError(invoke());
  return { error, tookMs: performance.now() - started };
}

test('a deadline passes while an invocation is queued, in the ring or before it', TIMEOUT, async () => {
  const observed = await start({ queueBound: 3 });
  const { server } = observed;
  const [running] = await occupy(observed, 1, 'endless');
  const ended = await Promise.all(
    Array.from({ length: 6 }, (_, i) => end(() => server.invoke('echo', EMPTY, { deadlineMs: 20 + 5 * i }))),
  );
  ended.forEach(({ error, tookMs }, i) => {
    assert.equal(error.code, 'DEADLINE_EXCEEDED');
    assert.ok(tookMs >= 20 + 5 * i && tookMs < SOON_MS, `${tookMs} ms`);
  });
  // What is behind them is answered, and their places in the ring are free again.
  const behind = Array.from({ length: 5 }, (_, i) => server.invoke('echo', words(i)));
  running?.cancel();
  assert.deepEqual((await Promise.all(behind)).map(wordsOf), [[0], [1], [2], [3], [4]]);
  await assertQuiet(observed);
  await server.stop();
});

test('a deadline passes while an invocation runs, sleeps, or waits, and no handler sees it', TIMEOUT, async (t) => {
  const observed = await start();
  const { server } = observed;
  for (const name of Object.keys(LONG)) {
    const { error, tookMs } = await end(() => server.invoke(name, words(LONG_MS), { deadlineMs: 40 }));
    assert.equal(error.code, 'DEADLINE_EXCEEDED', name);
    assert.deepEqual([error.details['function'], error.details['fault']], [name, 'deadline']);
    assert.ok(tookMs >= 40 && tookMs < SOON_MS, `${name}: ${tookMs} ms`);
    t.diagnostic(`${name}: ${(tookMs - 40).toFixed(1)} ms late`);
    assert.deepEqual(wordsOf(await server.invoke('echo', words(7))), [7]);
    await assertQuiet(observed);
  }
  // A second time, when all that can suspend is known.
  const again = await Promise.all(
    Object.keys(LONG).map((name) => end(() => server.invoke(name, words(LONG_MS), { deadlineMs: 60 }))),
  );
  for (const { error, tookMs } of again) {
    assert.equal(error.code, 'DEADLINE_EXCEEDED');
    assert.ok(tookMs >= 60 && tookMs < SOON_MS, `${tookMs} ms`);
  }
  await assertQuiet(observed);
  await server.stop();
});

test('a callee and a started invocation end at their own deadlines, and their callers go on', TIMEOUT, async () => {
  const observed = await start();
  const { server } = observed;
  for (const [name, module] of [
    ['short-endless', ENDLESS],
    ['short-nap', guest(`(call $sleep (i32.const ${LONG_MS}))`)],
  ] as const) {
    await server.deploy(name, module, { deadlineMs: 20 });
    const names = [name];
    await server.deploy('calls', guest(answer('(call $call (call $id0) (i32.const 0))'), { names }));
    await server.deploy('starts', guest(answer('(call $wait (call $start (call $id0) (i32.const 0)))'), { names }));
    for (const caller of ['calls', 'starts', 'calls', 'starts']) {
      const started = performance.now();
      assert.deepEqual(wordsOf(await server.invoke(caller, EMPTY)), [S.CALLEE_DEADLINE], `${caller} ${name}`);
      assert.ok(performance.now() - started >= 20);
    }
  }
  await assertQuiet(observed);
  await server.stop();
});

test('what is cancelled ends at once for who asked, and soon for its executor', TIMEOUT, async () => {
  const observed = await start();
  const { server, memory } = observed;
  const executor = memory.executors[1] ?? 0;
  for (let round = 0; round < 2; round++) {
    for (const name of Object.keys(LONG)) {
      const cancellation = new Cancellation();
      const ended = end(() => server.invoke(name, words(LONG_MS), { cancellation }));
      await eventually(() => assert.equal(memory.sum(L.EXECUTOR_PDS) > 0, true, 'it has begun'));
      // Until it is where it stays.
      await delay(5);
      cancellation.cancel();
      cancellation.cancel();
      const { error, tookMs } = await ended;
      assert.equal(error.code, 'INVOCATION_CANCELLED', name);
      assert.ok(tookMs < SOON_MS, `${name}: ${tookMs} ms`);
      await assertQuiet(observed);
    }
  }
  assert.equal(memory.word(executor + L.EXECUTOR_STACKS), 0);
  await server.stop();
});

test('what is cancelled while it is queued never begins', TIMEOUT, async () => {
  const observed = await start({ queueBound: 3 });
  const { server } = observed;
  const [running] = await occupy(observed, 1, 'endless');
  await server.deploy('counted', guest('(drop (call $log (i32.const 1) (i32.const 0) (i32.const 0))) (i32.const 0)'));
  const before = new Cancellation();
  before.cancel();
  await assert.rejects(server.invoke('counted', EMPTY, { cancellation: before }), { code: 'INVOCATION_CANCELLED' });
  const cancellations = Array.from({ length: 6 }, () => new Cancellation());
  const ends = cancellations.map((cancellation) => jordError(server.invoke('counted', EMPTY, { cancellation })));
  for (const cancellation of cancellations) cancellation.cancel();
  for (const { code } of await Promise.all(ends)) assert.equal(code, 'INVOCATION_CANCELLED');
  observed.records.length = 0;
  running?.cancel();
  const late = new Cancellation();
  await server.invoke('counted', EMPTY, { cancellation: late });
  late.cancel();
  await assertQuiet(observed);
  await eventually(() => assert.equal(observed.records.length, 1, 'only the one that was not cancelled'));
  await server.stop();
});

test('invocations that are cancelled at any moment are answered once', TIMEOUT, async () => {
  const observed = await start({ executors: 2 });
  const { server } = observed;
  const answers: number[] = [];
  const names = ['echo', 'busy', ...Object.keys(LONG)];
  const count = 400;
  for (let i = 0; i < count; i++) {
    const cancellation = new Cancellation();
    const name = names[i % names.length] ?? '';
    const request = words(name === 'busy' ? 2 : LONG_MS);
    const index = answers.push(0) - 1;
    server.submit(name, request, { cancellation }, (error) => {
      answers[index] = (answers[index] ?? 0) + 1;
      assert.ok(error === undefined || error.code === 'INVOCATION_CANCELLED', `${name}: ${error?.message}`);
    });
    setTimeout(() => cancellation.cancel(), (i * 7) % 40);
    if (i % 10 === 0) await delay(1);
  }
  await eventually(() => assert.ok(!answers.includes(0)));
  await assertQuiet(observed);
  assert.deepEqual(answers, Array(count).fill(1));
  await server.stop();
});

test('a server that is stopped answers everything that is outstanding, once', TIMEOUT, async () => {
  const observed = await start({ executors: 2 });
  const { server } = observed;
  const codes: (string | undefined)[][] = [];
  for (const name of [...Object.keys(LONG), 'busy', 'echo']) {
    for (let i = 0; i < 5; i++) {
      const mine: (string | undefined)[] = [];
      codes.push(mine);
      server.submit(name, words(LONG_MS), {}, (error) => mine.push(error?.code));
    }
  }
  await delay(20);
  const started = performance.now();
  await Promise.all([server.stop(), server.stop()]);
  assert.ok(performance.now() - started < SOON_MS);
  assert.deepEqual(
    codes.filter(([code]) => code !== undefined),
    Array(codes.filter(([code]) => code !== undefined).length).fill(['SERVER_STOPPED']),
  );
  assert.ok(codes.every((mine) => mine.length === 1));
  assert.ok(codes.length - codes.filter(([code]) => code === undefined).length >= 5 * Object.keys(LONG).length);
  await assert.rejects(server.invoke('echo', EMPTY), { code: 'SERVER_STOPPED' });
});
