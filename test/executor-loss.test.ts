/** Executors that lose their thread in the midst of work: what ran there fails, all else goes on, and nothing is lost or left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import * as L from '../core/layout.ts';
import * as S from '../core/status.ts';
import type { JordError } from '../src/errors.ts';
import type { WorkerServerOptions } from '../src/server/worker-server.ts';
import { assertQuiet, eventually } from './census.ts';
import { BUSY, ECHO, ENDLESS, guest, NAP, TRAP, words, wordsOf } from './guests.ts';
import { jordError, type ObservedServer, startObserved } from './observed-server.ts';
import { program, programModule, type Step } from './program.ts';

const EMPTY = new Uint8Array(0);
const TIMEOUT = { timeout: 120_000 };
const LONG_MS = 60_000;
const NAMES = ['echo', 'nap', 'busy', 'endless', 'trap', 'program'];
const SMALL = { memoryLimitBytes: 65_536, deadlineMs: 600_000 };

async function start(options: WorkerServerOptions = {}): Promise<ObservedServer> {
  const observed = await startObserved({ executors: 2, queueDelayMs: 0, ...options });
  const modules = { echo: ECHO, nap: NAP, busy: BUSY, endless: ENDLESS, trap: TRAP, program: programModule(NAMES) };
  for (const [name, module] of Object.entries(modules)) await observed.server.deploy(name, module, SMALL);
  return observed;
}

/** Indices of the executors on which something runs now, as `replaceExecutor` takes them. */
function busyExecutors({ memory }: ObservedServer): number[] {
  return memory.executors
    .slice(1)
    .flatMap((executor, index) => (memory.word(executor + L.EXECUTOR_INVOCATION) !== 0 ? [index] : []));
}

/** The executor on which an invocation runs that no function has started. */
async function executorOfRoot({ memory }: ObservedServer): Promise<number> {
  return eventually(() => {
    const [root] = memory.executors.slice(1).flatMap((executor, index) => {
      const record = memory.word(executor + L.EXECUTOR_INVOCATION);
      return record !== 0 && memory.word(record + L.INVOCATION_PARENT) === 0 ? [index] : [];
    });
    assert.ok(root !== undefined);
    return root;
  });
}

async function replacements({ server }: ObservedServer): Promise<number> {
  return (await server.stats()).executors.reduce((sum, executor) => sum + executor.replacements, 0);
}

async function assertWorks({ server }: ObservedServer): Promise<void> {
  const results = await Promise.all(Array.from({ length: 50 }, (_, i) => server.invoke('echo', words(i))));
  assert.deepEqual(
    results.flatMap(wordsOf),
    Array.from({ length: 50 }, (_, i) => i),
  );
}

test('what runs on it is lost, what is queued for it is answered by its successor', TIMEOUT, async () => {
  const observed = await start({ executors: 1, queueBound: 8 });
  const { server } = observed;
  for (let round = 0; round < 3; round++) {
    const lost = jordError(server.invoke('endless', EMPTY));
    await eventually(() => assert.deepEqual(busyExecutors(observed), [0]));
    // In the ring and before it; some need a stack.
    const queued = Array.from({ length: 30 }, (_, i) => server.invoke(i % 3 === 0 ? 'nap' : 'echo', words(i)));
    await server.replaceExecutor(0);
    assert.equal((await lost).code, 'EXECUTOR_LOST');
    assert.deepEqual(
      (await Promise.all(queued)).flatMap(wordsOf),
      Array.from({ length: 30 }, (_, i) => i),
    );
    assert.equal(await replacements(observed), round + 1);
  }
  await assertQuiet(observed);
  observed.memory.assertPristine();
  await server.stop();
});

test('what is suspended on it is lost, what is suspended elsewhere goes on', TIMEOUT, async () => {
  const observed = await start();
  const { server, memory } = observed;
  const sleepers = Array.from({ length: 400 }, () =>
    server.invoke('nap', words(6000)).catch((error: unknown) => error),
  );
  await eventually(() => assert.equal(memory.sum(L.EXECUTOR_SUSPENDED), 400));
  const [, first = 0] = memory.executors;
  const there = memory.word(first + L.EXECUTOR_SUSPENDED);
  assert.ok(there > 0 && there < 400);
  await server.replaceExecutor(0);
  const ends = await Promise.all(sleepers);
  const lost = ends.filter((end) => (end as JordError).code === 'EXECUTOR_LOST');
  const awake = ends.filter((end) => 'body' in (end as object));
  assert.deepEqual([lost.length, awake.length], [there, 400 - there]);
  await assertQuiet(observed);
  await assertWorks(observed);
  await server.stop();
});

test(
  'a parent whose executor is lost takes its children with it; one whose child is lost gets a status',
  TIMEOUT,
  async () => {
    const observed = await start();
    const { server } = observed;
    // The parent runs on, so the other executor takes a child.
    const busyParent: Step[] = [
      ['start', 'endless'],
      ['start', 'endless'],
      ['start', 'nap', LONG_MS],
      ['busy', LONG_MS],
    ];
    const parentLost = jordError(server.invoke('program', program(NAMES, busyParent)));
    const home = await executorOfRoot(observed);
    await eventually(() => assert.equal(busyExecutors(observed).length, 2));
    await server.replaceExecutor(home);
    assert.equal((await parentLost).code, 'EXECUTOR_LOST');
    await assertQuiet(observed);

    const patientParent: Step[] = [
      ['start', 'endless'],
      ['start', 'echo', 7],
      ['busy', 100],
      ['wait', 0],
      ['wait', 1],
      ['load', 4],
    ];
    const results = server.invoke('program', program(NAMES, patientParent));
    await eventually(() => assert.equal(busyExecutors(observed).length, 2));
    // The one that is not held by the parent any more holds the child.
    await eventually(() => assert.equal(busyExecutors(observed).length, 1));
    await server.replaceExecutor(busyExecutors(observed)[0] ?? 0);
    const [, , , status, , word] = wordsOf(await results);
    assert.deepEqual([status, word], [S.CALLEE_EXECUTOR_LOST, 7]);
    await assertQuiet(observed);
    await assertWorks(observed);
    await server.stop();
  },
);

test('functions that are replaced and removed while an executor has no thread', TIMEOUT, async () => {
  const observed = await start();
  const { server, memory } = observed;
  for (let round = 0; round < 6; round++) {
    await server.deploy('changes', BUSY, SMALL);
    // So that each executor has homes of it.
    const { descriptor } = memory.functions().at(-1) ?? assert.fail();
    await eventually(async () => {
      await Promise.all(Array.from({ length: 4 }, () => server.invoke('changes', words(1))));
      assert.ok([1, 2].every((executor) => memory.pool(executor, descriptor).length > 0));
    });
    const replaced = server.replaceExecutor(round % 2);
    // Its thread is about to end, or has ended and has no successor yet.
    if (round < 3) await replaced;
    await server.deploy('changes', NAP, SMALL);
    await replaced;
    assert.deepEqual(wordsOf(await server.invoke('changes', words(5))), [5]);
    await server.remove('changes');
    await assertQuiet(observed);
  }
  await assertWorks(observed);
  await assertQuiet(observed);
  await server.stop();
});

/** Many calls in a row of a function that calls nothing, which is not asked for its deadline: unless there is no request. */
function deaf(calls: number): Uint8Array {
  const divisions = '(local.set 0 (f64.div (f64.const 1.7) (local.get 0)))'.repeat(5000);
  const leaf = `(func $leaf (param f64) (result f64) ${divisions} (local.get 0))`;
  const body = '(local.set $v (call $leaf (local.get $v)))'.repeat(calls);
  const start =
    '(local.set $v (call $leaf (f64.const 1.1))) (if (i32.eqz (local.get $length)) (then (return (i32.const 0))))';
  return guest(`${start} ${body} (i32.const 0)`, { more: leaf, locals: '(local $v f64)' });
}

test('an executor that is held beyond a deadline is replaced, and the others go on', TIMEOUT, async (t) => {
  const observed = await start({ stuckMs: 1 });
  const { server, memory } = observed;
  await server.deploy('deaf', deaf(40_000), SMALL);
  // Compiled by then.
  await server.invoke('deaf', EMPTY);
  const sleepers = Array.from({ length: 20 }, (_, i) =>
    server.invoke('nap', words(800 + i)).catch((error: unknown) => error),
  );
  await eventually(() => assert.equal(memory.sum(L.EXECUTOR_SUSPENDED), 20));
  let isOver = false;
  let others = 0;
  const goOn = async (): Promise<void> => {
    for (; !isOver; others++) assert.deepEqual(wordsOf(await server.invoke('echo', words(others))), [others]);
  };
  const going = goOn();
  // Where the machine is so busy that it begins late, it ends before it is deaf.
  while ((await replacements(observed)) === 0) {
    const started = performance.now();
    const { code } = await jordError(server.invoke('deaf', words(1), { deadlineMs: 50 }));
    assert.equal(code, 'DEADLINE_EXCEEDED');
    t.diagnostic(`ended after ${(performance.now() - started).toFixed(0)} ms`);
  }
  isOver = true;
  await going;
  assert.ok(others > 10, `${others} others meanwhile`);
  const ends = await Promise.all(sleepers);
  const isFair = (end: unknown): boolean => 'body' in (end as object) || (end as JordError).code === 'EXECUTOR_LOST';
  assert.ok(ends.every(isFair));
  assert.ok(
    ends.some((end) => 'body' in (end as object)),
    'those of the other executor',
  );
  await assertQuiet(observed);
  await assertWorks(observed);
  await server.stop();
});

test('one that touches a quarter of a GiB at once ends with its deadline or its executor', TIMEOUT, async () => {
  const observed = await start({ stuckMs: 1 });
  const { server } = observed;
  // Again and again: on a fast machine once may be over before the deadline.
  const fill =
    '(loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x0fff0000)) (br $again)) (i32.const 0)';
  const module = guest(`(drop (memory.grow (i32.const 4094))) ${fill}`);
  await server.deploy('fills', module, { memoryLimitBytes: 2 ** 28 });
  const late = jordError(server.invoke('fills', EMPTY, { deadlineMs: 10 }));
  const others = Array.from({ length: 50 }, (_, i) => server.invoke('echo', words(i)));
  const { code } = await late;
  assert.ok(code === 'DEADLINE_EXCEEDED' || code === 'EXECUTOR_LOST', code);
  assert.deepEqual(
    (await Promise.all(others)).flatMap(wordsOf),
    Array.from({ length: 50 }, (_, i) => i),
  );
  await assertQuiet(observed);
  await server.stop();
});

test('one that is late again and again, but ends each time, keeps its executor', TIMEOUT, async () => {
  const observed = await start({ executors: 1, stuckMs: 1 });
  const { server } = observed;
  const until = performance.now() + 1000;
  while (performance.now() < until) {
    await assert.rejects(server.invoke('endless', EMPTY, { deadlineMs: 3 }), { code: 'DEADLINE_EXCEEDED' });
  }
  assert.equal(await replacements(observed), 0);
  await assertQuiet(observed);
  await server.stop();
});

/** What is invoked under load, with the codes that it may end with when no executor is lost; undefined is success. */
const LOAD: readonly (readonly [name: string, request: Uint8Array, code: string | undefined])[] = [
  ['echo', words(1, 2, 3), undefined],
  ['echo', new Uint8Array(100_000), undefined],
  ['nap', words(3), undefined],
  ['busy', words(1), undefined],
  ['trap', EMPTY, 'FUNCTION_FAULT'],
  ['endless', EMPTY, 'DEADLINE_EXCEEDED'],
  [
    'program',
    program(NAMES, [
      ['start', 'echo', 1],
      ['start', 'nap', 2],
      ['start', 'busy', 1],
      ['start', 'trap'],
      ['call', 'nap', 1],
      ['new', 5000],
      ['waitAny', 0, 3],
      ['waitAll', 0, 4],
      ['wait', 0],
      ['wait', 3],
    ]),
    undefined,
  ],
  [
    'program',
    program(NAMES, [
      ['start', 'nap', LONG_MS],
      ['start', 'echo', 2],
      ['sleep', 1],
    ]),
    undefined,
  ],
];

test('lost at 50 moments under load: every caller has one answer, and only what was lost fails', TIMEOUT, async (t) => {
  const observed = await start({ executors: 3, queueBound: 4 });
  const { server } = observed;
  const answers: number[] = [];
  const counts = new Map<string, number>();
  let outstanding = 0;
  let isOver = false;
  const invoke = (i: number): void => {
    const [name, request, expected] = LOAD[i % LOAD.length] ?? assert.fail();
    const index = answers.push(0) - 1;
    outstanding++;
    server.submit(name, request, name === 'endless' ? { deadlineMs: 5 } : {}, (error) => {
      outstanding--;
      answers[index] = (answers[index] ?? 0) + 1;
      const code = error?.code;
      assert.ok(code === expected || code === 'EXECUTOR_LOST', `${name}: ${error?.message}`);
      counts.set(`${name} ${code ?? 'ok'}`, (counts.get(`${name} ${code ?? 'ok'}`) ?? 0) + 1);
    });
  };
  const load = async (): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      if (outstanding < 40) invoke(i);
      else await delay(1);
      if (i % 50 === 0) await delay(0);
    }
  };
  const loading = load();
  for (let i = 0; i < 50; i++) {
    await eventually(async () => assert.notEqual((await server.stats()).executors[i % 3]?.state, 'replacing'));
    await delay((i * 13) % 37);
    await server.replaceExecutor(i % 3);
  }
  isOver = true;
  await loading;
  await eventually(() => assert.equal(outstanding, 0));
  assert.ok(answers.every((count) => count === 1));
  t.diagnostic(JSON.stringify(Object.fromEntries(counts)));
  await assertQuiet(observed);
  observed.memory.assertPristine();
  await assertWorks(observed);
  assert.equal(await replacements(observed), 50);
  await server.stop();
});

test('a server is stopped while an executor is being replaced', TIMEOUT, async () => {
  for (const waitMs of [0, 20]) {
    const observed = await start();
    const { server } = observed;
    const ends = Array.from({ length: 20 }, (_, i) =>
      jordError(server.invoke(i % 2 === 0 ? 'nap' : 'endless', words(LONG_MS))),
    );
    await eventually(() => assert.ok(busyExecutors(observed).length > 0));
    const replaced = server.replaceExecutor(0);
    await delay(waitMs);
    await Promise.all([server.stop(), replaced]);
    for (const { code } of await Promise.all(ends))
      assert.ok(code === 'SERVER_STOPPED' || code === 'EXECUTOR_LOST', code);
  }
});

test('there is no such executor', TIMEOUT, async () => {
  const { server } = await start({ executors: 1 });
  for (const index of [-1, 1, 0.5]) await assert.rejects(server.replaceExecutor(index), { code: 'BAD_REQUEST' });
  await server.stop();
});
