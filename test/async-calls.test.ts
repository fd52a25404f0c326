/** Functions that start others and wait for them, on executors that suspend them, that are held by them, and inline. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import * as S from '../core/status.ts';
import { assertQuiet } from './census.ts';
import { answer, BUSY, ECHO, ENDLESS, guest, NAP, TRAP, words, wordsOf } from './guests.ts';
import { type ObservedServer, startObserved } from './observed-server.ts';
import { program, programModule, type Step } from './program.ts';

const EMPTY = new Uint8Array(0);
const TIMEOUT = { timeout: 120_000 };
const LONG_MS = 60_000;
const RESPONSE_BYTES_MAX = 65_536;
/** So that there is room for thousands of homes. */
const SMALL = { memoryLimitBytes: 65_536 };

const CALLEES: Readonly<Record<string, Uint8Array>> = {
  echo: ECHO,
  nothing: guest('(i32.const 0)'),
  trap: TRAP,
  memory: guest('(i32.load (i32.const 0x70000000))'),
  overflow: guest('(call $f)', { more: '(func $f (result i32) (i32.add (call $f) (call $f)))' }),
  throws: guest('(throw $tag)', { more: '(tag $tag)' }),
  bad: guest('(i32.const 77)'),
  large: guest(`(call $argbuf_new (i32.const ${RESPONSE_BYTES_MAX + 1}))`),
  nap: NAP,
  busy: BUSY,
  endless: ENDLESS,
  'nap-trap': guest('(drop (call $sleep (i32.const 2))) unreachable'),
  'wait-for': guest(answer('(call $wait (i32.load (local.get $request)))')),
  'cancel-it': guest(answer('(call $cancel (i32.load (local.get $request)))')),
};
/** Those that end at their own deadline. */
const LATE: Readonly<Record<string, Uint8Array>> = {
  'late-endless': ENDLESS,
  'late-nap': guest(`(call $sleep (i32.const ${LONG_MS}))`),
};
const NAMES = [...Object.keys(CALLEES), ...Object.keys(LATE), 'missing', 'program'];

let one: ObservedServer;
let two: ObservedServer;

before(async () => {
  const options = { responseBytesMax: RESPONSE_BYTES_MAX, queueDelayMs: 0 };
  one = await startObserved({ ...options, executors: 1 });
  two = await startObserved({ ...options, executors: 2 });
  for (const { server } of [one, two]) {
    for (const [name, module] of Object.entries(CALLEES)) await server.deploy(name, module, SMALL);
    for (const [name, module] of Object.entries(LATE)) await server.deploy(name, module, { ...SMALL, deadlineMs: 20 });
    await server.deploy('program', programModule(NAMES));
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

const CALL_PROGRAM = guest('(call $call (call $id0) (local.get $request))', { names: ['program'] });

/** The ways in which a program can run. */
const WAYS: Readonly<Record<string, (steps: readonly Step[]) => Promise<number[]>>> = {
  'suspended, on one executor': (steps) => run(one, steps),
  'suspended, on two executors': (steps) => run(two, steps),
  'held, on one executor': (steps) => runHeld(one, steps),
  'held, on two executors': (steps) => runHeld(two, steps),
  inline: async (steps) => wordsOf({ body: two.server.invokeInline('program', program(NAMES, steps)) }),
};

async function run({ server }: ObservedServer, steps: readonly Step[]): Promise<number[]> {
  return wordsOf(await server.invoke('program', program(NAMES, steps)));
}

/** From a function that nobody knows yet to be able to suspend. */
async function runHeld({ server }: ObservedServer, steps: readonly Step[]): Promise<number[]> {
  await server.deploy('call-program', CALL_PROGRAM);
  return wordsOf(await server.invoke('call-program', program(NAMES, steps)));
}

const isAddress = (value: number | undefined): boolean => (value ?? 0) >= 2 ** 31;
const isHandle = (value: number | undefined): boolean => (value ?? 0) > S.STATUS_MAX;

for (const [way, runProgram] of Object.entries(WAYS)) {
  test(`${way}: a wait gives what a call would, and then the number is gone`, TIMEOUT, async () => {
    const results = await runProgram([
      ['start', 'echo', 4711],
      ['wait', 0],
      ['load', 1],
      ['length', 1],
      ['wait', 0],
      ['cancel', 0],
      ['start', 'nothing', 1],
      ['wait', 6],
      ['start', 'nap', 3],
      ['wait', 8],
      ['load', 9],
    ]);
    assert.ok(isHandle(results[0]) && isAddress(results[1]), `${results}`);
    assert.deepEqual(results.slice(2, 6), [4711, 4, S.NO_SUCH_INVOCATION, S.NO_SUCH_INVOCATION]);
    assert.deepEqual([results[7], results[10]], [0, 3]);
  });

  test(`${way}: each bad end has the status that it has for a call`, TIMEOUT, async () => {
    const ends: readonly (readonly [name: string, status: number])[] = [
      ['trap', S.CALLEE_TRAP],
      ['nap-trap', S.CALLEE_TRAP],
      ['memory', S.CALLEE_MEMORY_FAULT],
      ['overflow', S.CALLEE_STACK_EXHAUSTED],
      ['throws', S.CALLEE_EXCEPTION],
      ['bad', S.CALLEE_BAD_RESPONSE],
      ['late-endless', S.CALLEE_DEADLINE],
      ['late-nap', S.CALLEE_DEADLINE],
      ['large', S.CALLEE_RESPONSE_TOO_LARGE],
    ];
    for (const [name, status] of ends) {
      const results = await runProgram([
        ['start', name, 1],
        ['wait', 0],
        ['wait', 0],
      ]);
      assert.deepEqual(results.slice(1), [status, S.NO_SUCH_INVOCATION], name);
    }
    const steps = ends.map(([name]): Step => ['start', name, 1]);
    const waits = ends.map((_, i): Step => ['wait', i]);
    const results = await runProgram([...steps, ['waitAll', 0, ends.length], ...waits]);
    assert.deepEqual(
      results.slice(ends.length + 1),
      ends.map(([, status]) => status),
    );
  });

  test(`${way}: numbers that name no invocation, and arrays that are none`, TIMEOUT, async () => {
    const forged = [0, 1, S.STATUS_MAX, 65_536, 65_537, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    const steps = forged.flatMap((value, i): Step[] => [
      ['value', value],
      ['wait', 5 * i],
      ['cancel', 5 * i],
      ['waitAny', 5 * i, 1],
      ['waitAll', 5 * i, 1],
    ]);
    const expected = forged.flatMap((value) => [value, ...Array<number>(4).fill(S.NO_SUCH_INVOCATION)]);
    assert.deepEqual(await runProgram(steps), expected);
    const arrays = await runProgram([
      ['start', 'missing', 5],
      ['start', 'echo', 5],
      ['waitAny', 1, 0],
      ['waitAll', 1, 0],
      ['waitAny', 1, 16_385],
      ['waitAll', 1, 0xffff_ffff],
      // One that is good, and one that is not.
      ['waitAny', 0, 2],
      ['waitAll', 0, 2],
      ['waitAll', 0x0fff_ffff, 1],
      ['wait', 1],
    ]);
    assert.equal(arrays[0], S.UNKNOWN_FUNCTION);
    assert.deepEqual(arrays.slice(2, 6), Array(4).fill(S.BAD_PARAMETER));
    assert.deepEqual(arrays.slice(6, 9), [S.NO_SUCH_INVOCATION, S.NO_SUCH_INVOCATION, S.BAD_POINTER]);
    assert.ok(isAddress(arrays[9]));
  });

  test(`${way}: a request goes with its invocation, and stays where that is not started`, TIMEOUT, async () => {
    const results = await runProgram([
      ['new', 100],
      ['startRequest', 'missing', 0],
      ['length', 0],
      ['startRequest', 'echo', 0],
      ['length', 0],
      ['startRequest', 'echo', 0],
      ['wait', 3],
      ['length', 6],
      ['startRequest', 'echo', 0],
      ['value', 0x8000_0001],
      ['startRequest', 'echo', 9],
    ]);
    assert.deepEqual(results.slice(1, 3), [S.UNKNOWN_FUNCTION, 100]);
    assert.ok(isHandle(results[3]));
    assert.deepEqual(results.slice(4, 6), [0xffff_ffff, S.NOT_THE_OWNER]);
    assert.deepEqual(results.slice(6, 8), [results[0], 100], 'the same ArgBuf comes back');
    assert.ok(isHandle(results[8]) && !isHandle(results[10]), `${results}`);
  });

  test(`${way}: nobody else can wait for an invocation or cancel it`, TIMEOUT, async () => {
    const results = await runProgram([
      ['start', 'nap', 30],
      ['startWith', 'wait-for', 0],
      ['startWith', 'cancel-it', 0],
      ['wait', 1],
      ['load', 3],
      ['wait', 2],
      ['load', 5],
      ['wait', 0],
      ['load', 7],
    ]);
    assert.deepEqual([results[4], results[6]], [S.NO_SUCH_INVOCATION, S.NO_SUCH_INVOCATION]);
    assert.equal(results[8], 30, 'and it has come to its end');
  });

  test(`${way}: what is cancelled is forgotten, whether it is queued, runs, sleeps or has ended`, TIMEOUT, async () => {
    const results = await runProgram([
      ['start', 'nap', LONG_MS],
      ['start', 'late-endless', 1],
      ['start', 'echo', 1],
      ['start', 'nap', 1],
      ['waitAll', 2, 2],
      ['sleep', 5],
      ['cancel', 0],
      ['cancel', 1],
      ['cancel', 2],
      ['cancel', 3],
      ['wait', 0],
      ['wait', 1],
      ['waitAny', 2, 1],
      ['cancel', 3],
    ]);
    assert.deepEqual(results.slice(4), [
      ...Array<number>(6).fill(S.OK),
      ...Array<number>(4).fill(S.NO_SUCH_INVOCATION),
    ]);
  });

  test(`${way}: waiting for any tells which has ended, and that one can be waited for`, TIMEOUT, async () => {
    const results = await runProgram([
      ['start', 'nap', 40],
      ['start', 'nap', 1],
      ['start', 'echo', 1],
      ['waitAny', 0, 3],
      ['waitAny', 0, 3],
      ['wait', 3],
      ['load', 5],
      ['waitAll', 0, 3],
    ]);
    assert.ok(results.slice(0, 3).includes(results[3] ?? 0), `${results}`);
    assert.ok(results.slice(0, 3).includes(results[4] ?? 0), `${results}`);
    assert.ok(isAddress(results[5]));
    assert.equal(results[7], S.NO_SUCH_INVOCATION, 'one of them is gone');
  });

  test(`${way}: what was not waited for ends with its parent`, TIMEOUT, async () => {
    const left: Step[] = [
      ['start', 'nap', LONG_MS],
      ['start', 'late-endless', 1],
      ['start', 'echo', 1],
      ['start', 'late-nap', 1],
      ['start', 'program', 0],
    ];
    const started = performance.now();
    for (const last of [['sleep', 2] as const, ['waitAny', 2, 1] as const, ['busy', 2] as const]) {
      await runProgram([...left, ...left, last]);
    }
    await assert.rejects(runProgram([...left, ['sleep', 2], ['trap']]), (error: { code: string }) => {
      // A callee's fault is a status, which is no ArgBuf.
      return error.code === 'FUNCTION_FAULT';
    });
    assert.ok(performance.now() - started < LONG_MS / 2);
  });
}

/** Starts children as its request says, [id index, count, word], and returns the sum of what they give back. */
const FAN = guest(
  `(local.set $count (i32.load offset=4 (local.get $request)))
   (loop $start
     (local.set $x (call $argbuf_new (i32.const 4)))
     (i32.store (local.get $x) (i32.load offset=8 (local.get $request)))
     (local.set $x (call $start
       (if (result i32) (i32.load (local.get $request)) (then (call $id1)) (else (call $id0))) (local.get $x)))
     (if (i32.le_u (local.get $x) (i32.const 65535)) (then unreachable))
     (i32.store (i32.shl (local.get $n) (i32.const 2)) (local.get $x))
     (br_if $start (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (local.get $count))))
   (if (call $wait_all (i32.const 0) (local.get $count)) (then unreachable))
   (loop $collect
     (local.set $n (i32.sub (local.get $n) (i32.const 1)))
     (local.set $x (call $wait (i32.load (i32.shl (local.get $n) (i32.const 2)))))
     (if (i32.le_u (local.get $x) (i32.const 65535)) (then unreachable))
     (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $x))))
     (drop (call $argbuf_free (local.get $x)))
     (br_if $collect (local.get $n)))
   ${answer('(local.get $sum)')}`,
  { locals: '(local $count i32) (local $n i32) (local $sum i32)', names: ['echo', 'nap'], pages: 2 },
);

test('10,000 children of one parent on one executor, that run through and that sleep', TIMEOUT, async (t) => {
  for (const { server } of [one, two]) {
    await server.deploy('fan', FAN);
    for (const [child, word] of [
      [0, 3],
      [1, 1],
    ] as const) {
      const started = performance.now();
      assert.deepEqual(wordsOf(await server.invoke('fan', words(child, 10_000, word))), [10_000 * word]);
      t.diagnostic(`${child === 0 ? 'echo' : 'nap'}: ${(performance.now() - started).toFixed(0)} ms`);
    }
  }
});

test('no parent has more than 16,384 children, and they go with it', TIMEOUT, async () => {
  const body = `(loop $l
      (local.set $x (call $start (call $id0) (i32.const 0)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.gt_u (local.get $x) (i32.const 65535))))
    (local.set $y (call $argbuf_new (i32.const 8)))
    (i32.store (local.get $y) (local.get $x))
    (i32.store offset=4 (local.get $y) (local.get $n))
    (local.get $y)`;
  for (const { server } of [one, two]) {
    await server.deploy('breeds', guest(body, { names: ['echo'], locals: '(local $n i32)' }));
    const expected = [S.INVOCATIONS_EXHAUSTED, 16_385];
    for (let i = 0; i < 2; i++) assert.deepEqual(wordsOf(await server.invoke('breeds', EMPTY)), expected);
  }
});

/** Starts itself as often as its request says, one inside the other. The response counts the levels, or is [status, level]. */
const LEVELS = guest(
  `(local.set $y (i32.load (local.get $request)))
   (if (i32.eqz (local.get $y)) (then (return (local.get $request))))
   (i32.store (local.get $request) (i32.sub (local.get $y) (i32.const 1)))
   (local.set $x (call $wait (call $start (call $id0) (local.get $request))))
   (if (i32.le_u (local.get $x) (i32.const 65535)) (then
     (local.set $request (call $argbuf_new (i32.const 8)))
     (i32.store (local.get $request) (local.get $x))
     (i32.store offset=4 (local.get $request) (local.get $y))
     (return (local.get $request))))
   (i32.store offset=4 (local.get $x) (i32.add (i32.load offset=4 (local.get $x)) (i32.const 1)))
   (local.get $x)`,
  { names: ['levels'] },
);

test('500 levels of functions that start the next one and wait for it', TIMEOUT, async () => {
  for (const observed of [one, two]) {
    const { server } = observed;
    await server.deploy('levels', LEVELS, SMALL);
    for (const depth of [1, 2, 500, 512]) {
      assert.deepEqual(wordsOf(await server.invoke('levels', words(depth, 0))), [0, depth]);
    }
    // The start fails, and what it returns names no invocation.
    const [status, level = 0] = wordsOf(await server.invoke('levels', words(513, 0)));
    assert.deepEqual([status, level], [S.NO_SUCH_INVOCATION, 512 + 1]);
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        assert.deepEqual(wordsOf(await server.invoke('levels', words(100, 0))), [0, 100]);
      }),
    );
    await assertQuiet(observed);
  }
});
