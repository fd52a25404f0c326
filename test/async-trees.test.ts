/** Trees of started functions over several executors: faults, cancellation and ends that stay where they are. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import * as L from '../core/layout.ts';
import * as S from '../core/status.ts';
import { Cancellation } from '../src/server/types.ts';
import { assertQuiet, eventually } from './census.ts';
import { answer, BUSY, ECHO, ENDLESS, guest, NAP, TRAP, words, wordsOf } from './guests.ts';
import { jordError, type ObservedServer, startObserved } from './observed-server.ts';
import { program, programModule, type Step } from './program.ts';

const EMPTY = new Uint8Array(0);
const TIMEOUT = { timeout: 120_000 };
const LONG_MS = 60_000;
const NAMES = ['echo', 'nap', 'busy', 'endless', 'trap', 'third', 'second', 'first', 'program'];

/** Starts the function below, runs on while others can take it, and returns the word that comes back, or the status. */
function level(below: string): Uint8Array {
  return guest(
    `(local.set $y (call $start (call $id0) (i32.const 0)))
     (drop (call $start (call $id1) (i32.const 0)))
     (local.set $until (f64.add (call $time) (f64.const 3)))
     (loop $busy (br_if $busy (f64.lt (call $time) (local.get $until))))
     (local.set $x (call $wait (local.get $y)))
     (if (i32.gt_u (local.get $x) (i32.const 65535)) (then (local.set $x (i32.load (local.get $x)))))
     ${answer('(local.get $x)')}`,
    { names: [below, 'echo'], locals: '(local $until f64)' },
  );
}

let one: ObservedServer;
let two: ObservedServer;

before(async () => {
  one = await startObserved({ executors: 1, queueDelayMs: 0 });
  two = await startObserved({ executors: 2, queueDelayMs: 0 });
  for (const { server } of [one, two]) {
    const modules = { echo: ECHO, nap: NAP, busy: BUSY, trap: TRAP, program: programModule(NAMES) };
    for (const [name, module] of Object.entries(modules)) await server.deploy(name, module);
    // Where it holds the only executor, nobody there can see that its parent was cancelled.
    await server.deploy('endless', ENDLESS, { deadlineMs: 1000 });
    for (const [name, below] of [
      ['third', 'trap'],
      ['second', 'third'],
      ['first', 'second'],
    ] as const) {
      await server.deploy(name, level(below));
    }
  }
});
after(async () => {
  await one?.server.stop();
  await two?.server.stop();
});
afterEach(async () => {
  await assertQuiet(one);
  await assertQuiet(two);
});

/** Invocations that an executor has taken from a queue. */
async function begun({ server }: ObservedServer): Promise<number[]> {
  return (await server.stats()).executors.map((executor) => executor.begun);
}

test('a trap three levels down, on whatever executor, is a status for its caller and no more', TIMEOUT, async () => {
  for (const observed of [one, two]) {
    const { server, records } = observed;
    records.length = 0;
    const before = await begun(observed);
    const bystander = Array.from({ length: 20 }, (_, i) => server.invoke('nap', words(i)));
    const trees = Array.from({ length: 20 }, () => server.invoke('first', EMPTY));
    for (const tree of trees) assert.deepEqual(wordsOf(await tree), [S.CALLEE_TRAP]);
    assert.deepEqual(
      (await Promise.all(bystander)).flatMap(wordsOf),
      Array.from({ length: 20 }, (_, i) => i),
    );
    await assertQuiet(observed);
    const taken = (await begun(observed)).map((count, i) => count - (before[i] ?? 0));
    // More than were dispatched: started functions were taken by others.
    assert.ok(taken.reduce((sum, count) => sum + count) > 40, `${taken}`);
    assert.ok(taken.every((count) => count > 0));
    await eventually(() => assert.equal(records.length, 20, 'each fault is told once'));
    assert.ok(records.every(({ function: name, fault }) => name === 'trap' && fault?.fault === 'trap'));
  }
});

test('what a function starts runs on another executor while its parent runs on', TIMEOUT, async () => {
  const { server, memory } = two;
  const ended = jordError(
    server.invoke(
      'program',
      program(NAMES, [
        ['start', 'endless'],
        ['start', 'endless'],
        ['busy', LONG_MS],
      ]),
      { deadlineMs: 5000 },
    ),
  );
  await eventually(() => {
    const running = memory.executors.filter((executor) => memory.word(executor + L.EXECUTOR_INVOCATION) !== 0);
    assert.equal(running.length, 2);
  });
  const { code } = await ended;
  assert.equal(code, 'DEADLINE_EXCEEDED');
});

test('a parent that is cancelled or late takes with it what runs for it elsewhere', TIMEOUT, async () => {
  const steps: readonly (readonly Step[])[] = [
    [
      ['start', 'nap', LONG_MS],
      ['start', 'endless'],
      ['start', 'endless'],
      ['busy', 20],
      ['wait', 0],
    ],
    [
      ['start', 'nap', LONG_MS],
      ['start', 'nap', LONG_MS],
      ['start', 'echo'],
      ['waitAll', 0, 3],
    ],
    [
      ['start', 'endless'],
      ['start', 'endless'],
      ['busy', LONG_MS],
    ],
  ];
  for (const observed of [one, two]) {
    for (const tree of steps) {
      const cancellation = new Cancellation();
      const cancelled = jordError(observed.server.invoke('program', program(NAMES, tree), { cancellation }));
      const late = jordError(observed.server.invoke('program', program(NAMES, tree), { deadlineMs: 100 }));
      setTimeout(() => cancellation.cancel(), 40);
      assert.equal((await cancelled).code, 'INVOCATION_CANCELLED');
      assert.equal((await late).code, 'DEADLINE_EXCEEDED');
      const started = performance.now();
      await assertQuiet(observed);
      assert.ok(performance.now() - started < 5000);
    }
  }
});

/** Answers of 'echo' and of what is invoked, in the order in which they come. */
async function order({ server }: ObservedServer, name: string, request: Uint8Array): Promise<string[]> {
  const answered: string[] = [];
  const invoke = async (what: string, body: Uint8Array): Promise<void> => {
    await server.invoke(what, body);
    answered.push(what);
  };
  const held = invoke(name, request);
  await Promise.all([held, invoke('echo', EMPTY)]);
  return answered;
}

test(
  'a function that only calls holds its executor the first time that a callee waits, and not again',
  TIMEOUT,
  async () => {
    const { server } = one;
    await server.deploy(
      'waits-for-nap',
      guest('(call $wait (call $start (call $id0) (local.get $request)))', { names: ['nap'] }),
    );
    for (const callee of ['nap', 'waits-for-nap']) {
      const calls = (name: string): Uint8Array =>
        guest('(call $call (call $id0) (local.get $request))', { names: [name] });
      await server.deploy('plain', calls(callee));
      await server.deploy('plain-above', calls('plain'));
      await server.deploy('plain-top', calls('plain-above'));
      assert.deepEqual(await order(one, 'plain-top', words(60)), ['plain-top', 'echo'], callee);
      for (const name of ['plain-top', 'plain-above', 'plain']) {
        assert.deepEqual(await order(one, name, words(60)), ['echo', name], callee);
        assert.deepEqual(wordsOf(await server.invoke(name, words(5))), [5]);
      }
    }
  },
);

test('what a held function starts is run inside it, and may wait in turn', TIMEOUT, async () => {
  const { server } = one;
  const inner: Step[] = [
    ['start', 'nap', 5],
    ['start', 'echo', 6],
    ['waitAll', 0, 2],
    ['wait', 0],
    ['load', 3],
    ['wait', 1],
    ['load', 5],
  ];
  await server.deploy(
    'starts-program',
    guest('(call $wait (call $start (call $id0) (local.get $request)))', { names: ['program'] }),
  );
  for (let i = 0; i < 3; i++) {
    await server.deploy(
      'calls-starter',
      guest('(call $call (call $id0) (local.get $request))', { names: ['starts-program'] }),
    );
    for (let again = 0; again < 2; again++) {
      const results = wordsOf(await server.invoke('calls-starter', program(NAMES, inner)));
      assert.deepEqual([results[4], results[6]], [5, 6]);
    }
  }
});

test('endless recursion on a stack of its own is a stack overflow like any other', TIMEOUT, async () => {
  const { server } = one;
  const deeper = '(func $deeper (result i32) (i32.add (call $deeper) (call $deeper)))';
  await server.deploy('sleeps-overflows', guest('(drop (call $sleep (i32.const 1))) (call $deeper)', { more: deeper }));
  await server.deploy('overflows', guest('(call $deeper)', { more: deeper }));
  for (let i = 0; i < 3; i++) {
    const { code, details } = await jordError(server.invoke('sleeps-overflows', EMPTY));
    assert.deepEqual([code, details['fault']], ['FUNCTION_FAULT', 'stack-exhausted']);
    const caller = guest(`(drop (call $sleep (i32.const 1))) ${answer('(call $call (call $id0) (i32.const 0))')}`, {
      names: [i % 2 === 0 ? 'overflows' : 'sleeps-overflows'],
    });
    await server.deploy('calls-overflow', caller);
    assert.deepEqual(wordsOf(await server.invoke('calls-overflow', EMPTY)), [S.CALLEE_STACK_EXHAUSTED]);
  }
});
