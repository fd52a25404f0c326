/** Functions that are replaced and removed while invocations of them are queued, run, sleep, or are nested in others. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import * as L from '../core/layout.ts';
import * as S from '../core/status.ts';
import { assertQuiet, eventually } from './census.ts';
import { answer, ENDLESS, guest, words, wordsOf } from './guests.ts';
import { jordError, type ObservedServer, startObserved } from './observed-server.ts';
import { occupy } from './occupy.ts';

const EMPTY = new Uint8Array(0);
const TIMEOUT = { timeout: 60_000 };
const DEPLOYS = 60;

let observed: ObservedServer;

before(async () => {
  observed = await startObserved({ executors: 2, queueBound: 8, queueDelayMs: 0 });
  const { server } = observed;
  const names = ['version'];
  await server.deploy('version', version(0));
  await server.deploy('endless', ENDLESS);
  await server.deploy('calls', guest('(call $call (call $id0) (i32.const 0))', { names }));
  const start = '(call $start (call $id0) (i32.const 0))';
  await server.deploy('starts', guest(`(call $wait ${start})`, { names }));
  // Blocks where it waits, since nobody knows yet that it can suspend.
  await server.deploy('calls-starts', guest('(call $call (call $id0) (i32.const 0))', { names: ['starts'] }));
  await server.deploy(
    'starts-many',
    guest(
      `(loop $l (drop ${start}) (br_if $l (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 1))) (i32.const 20))))
       (call $wait ${start})`,
      { names },
    ),
  );
});
after(() => observed?.server.stop());
afterEach(() => assertQuiet(observed));

/** A version says which one it is. */
function version(number: number): Uint8Array {
  return guest(answer(`(i32.const ${100_000 + number})`));
}

/** One that sleeps first. */
function slowVersion(number: number): Uint8Array {
  return guest(`(drop (call $sleep (i32.load (local.get $request)))) ${answer(`(i32.const ${100_000 + number})`)}`);
}

async function ask(name: string, request: Uint8Array = EMPTY): Promise<number> {
  return (wordsOf(await observed.server.invoke(name, request))[0] ?? 0) - 100_000;
}

test('what runs when a function is replaced finishes, what begins later is of the new version', TIMEOUT, async () => {
  const { server } = observed;
  await server.deploy('version', slowVersion(1));
  const before = server.inspect('version').homes;
  const old = Array.from({ length: 20 }, () => ask('version', words(300)));
  await eventually(() => assert.equal(server.inspect('version').homes, before + 20, 'all have begun'));
  await server.deploy('version', version(2));
  for (const name of ['version', 'calls', 'starts', 'calls-starts', 'starts-many']) assert.equal(await ask(name), 2);
  assert.deepEqual(await Promise.all(old), Array(20).fill(1));
});

test('what is queued when a function is replaced begins on the new version', TIMEOUT, async () => {
  const { server } = observed;
  for (const name of ['version', 'calls', 'starts', 'calls-starts', 'starts-many']) {
    await server.deploy('version', version(3));
    const running = await occupy(observed, 2, 'endless');
    const queued = Array.from({ length: 30 }, () => ask(name));
    await server.deploy('version', version(4));
    for (const cancellation of running) cancellation.cancel();
    assert.deepEqual(await Promise.all(queued), Array(30).fill(4), name);
  }
});

test(
  'no invocation fails while a function is replaced again and again, and none sees a version from before',
  TIMEOUT,
  async () => {
    const { server } = observed;
    let deployed = 0;
    let deploying = 0;
    let isOver = false;
    const counts = new Map<string, number>();
    const keepAsking = async (name: string): Promise<void> => {
      while (!isOver) {
        const least = deployed;
        const seen = await ask(name);
        assert.ok(seen >= least && seen <= deploying, `${name}: ${least} <= ${seen} <= ${deploying}`);
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
    };
    await server.deploy('version', version(0));
    const askers = ['version', 'calls', 'starts', 'calls-starts', 'starts-many'].flatMap((name) =>
      Array.from({ length: 3 }, () => keepAsking(name)),
    );
    const deploy = async (): Promise<void> => {
      for (let i = 1; i <= DEPLOYS; i++) {
        deploying = i;
        await server.deploy('version', version(i));
        deployed = i;
        // Deploying holds this thread: the others get their turn.
        await ask('starts-many');
      }
      isOver = true;
    };
    await Promise.all([deploy(), ...askers]);
    for (const [name, count] of counts) assert.ok(count >= DEPLOYS, `${name}: ${count}`);
  },
);

test(
  'what runs when a function is removed finishes, what is queued and what calls it later finds none',
  TIMEOUT,
  async () => {
    const { server } = observed;
    await server.deploy('version', slowVersion(5));
    const before = server.inspect('version').homes;
    const old = Array.from({ length: 10 }, () => ask('version', words(300)));
    await eventually(() => assert.equal(server.inspect('version').homes, before + 10, 'all have begun'));
    const running = await occupy(observed, 2, 'endless');
    const queued = Array.from({ length: 10 }, () => jordError(server.invoke('version', words(0))));
    const callers = ['calls', 'starts'].map((name) => jordError(server.invoke(name, EMPTY)));
    await server.remove('version');
    for (const cancellation of running) cancellation.cancel();
    for (const { code } of await Promise.all(queued)) assert.equal(code, 'FUNCTION_UNKNOWN');
    // They return the status, which is no ArgBuf.
    const statuses = (await Promise.all(callers)).map(({ message }) => Number(/0x[0-9a-f]+/.exec(message)));
    assert.deepEqual(statuses, [S.UNKNOWN_FUNCTION, S.NO_SUCH_INVOCATION]);
    await assert.rejects(ask('version'), { code: 'FUNCTION_UNKNOWN' });
    assert.deepEqual(await Promise.all(old), Array(10).fill(5));
    await server.deploy('version', version(6));
    for (const name of ['version', 'calls', 'starts']) assert.equal(await ask(name), 6);
  },
);

test(
  'a function that was started and is removed before it begins is a status, with its request gone',
  TIMEOUT,
  async () => {
    const { server, memory } = observed;
    await server.deploy('version', version(7));
    await server.deploy('gate', guest('(i32.const 0)'));
    // Starts it, runs until a gate is removed, and waits for it then.
    const body = `(local.set $x (call $start (call $id0) (call $argbuf_new (i32.const 8))))
      (loop $until (br_if $until (i32.eqz (call $call (call $id1) (i32.const 0)))))
      ${answer('(call $wait (local.get $x))')}`;
    await server.deploy('waits', guest(body, { names: ['version', 'gate'] }));
    const [running] = await occupy(observed, 1, 'endless');
    const asked = server.invoke('waits', EMPTY);
    await eventually(() => assert.equal(memory.sum(L.EXECUTOR_INVOCATIONS), 3, 'it has been started'));
    await server.remove('version');
    await server.remove('gate');
    assert.deepEqual(wordsOf(await asked), [S.UNKNOWN_FUNCTION]);
    running?.cancel();
    await server.deploy('version', version(8));
  },
);
