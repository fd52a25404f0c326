/** Functions that do not end by themselves, on a real executor with a real clock: each ends at its deadline. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { EXECUTOR_PDS, EXECUTOR_VMAS } from '../core/layout.ts';
import { CALLEE_DEADLINE } from '../core/status.ts';
import { JordError } from '../src/errors.ts';
import { startGateway } from '../src/gateway/server.ts';
import { assemble } from '../src/guard/testing-wat.ts';
import { Clock } from '../src/server/clock.ts';
import { Executor, FUNCTION_ID_FIRST, LONE_EXECUTOR } from '../src/server/executor.ts';
import { createAddressSpace } from '../src/server/privlib.ts';
import type { DeployOptions, LogRecord } from '../src/server/types.ts';
import { loadedFunction, loadVersion } from '../src/server/version.ts';
import { startWorkerServer } from '../src/server/worker-server.ts';

const DEADLINE_MS = 40;
/** For machines that are busy with something else: what is asserted is that it ends, not how soon. */
const TEST_TIMEOUT = { timeout: 60_000 };
const EMPTY = new Uint8Array(0);

const space = createAddressSpace({ callDepthMax: 512 });
const clock = new Clock(space);
await clock.start();
after(() => clock.stop());
const ids = new Map<string, number>();
const logged: LogRecord[] = [];
const executor = new Executor(space, {
  ...LONE_EXECUTOR,
  resolve: (name) => ids.get(name),
  log: (record) => logged.push(record),
});
const view = new DataView(space.memory.buffer);

const IMPORTS = `
  (import "jord" "call" (func $call (param i32 i32) (result i32)))
  (import "jord" "resolve" (func $resolve (param i32 i32) (result i32)))
  (import "jord" "random" (func $random (param i32 i32) (result i32)))
  (import "jord" "argbuf_new" (func $argbuf_new (param i32) (result i32)))`;

/** A module whose `handle` has this body; `name` is at address 0, so that it can resolve itself or another. */
function moduleOf(body: string, { more = '', name = 'self' } = {}): Uint8Array {
  return assemble(`(module ${IMPORTS} (memory 2) (data (i32.const 0) "${name}") (tag $tag)
    (func $id (result i32) (call $resolve (i32.const 0) (i32.const ${name.length}))) ${more}
    (func $handle (export "handle") (param i32 i32) (result i32) ${body} (i32.const 0)))`);
}

async function deploy(name: string, module: Uint8Array, options: DeployOptions = {}): Promise<void> {
  const version = await loadVersion(executor, name, module, options);
  const id = ids.get(name) ?? FUNCTION_ID_FIRST + ids.size;
  ids.set(name, id);
  executor.setFunction(id, loadedFunction(version, id - FUNCTION_ID_FIRST));
}

function invoke(name: string, deadlineMs?: number): Uint8Array {
  return executor.invoke(ids.get(name) ?? -1, EMPTY, { deadlineMs });
}

function counts(): readonly number[] {
  return [EXECUTOR_PDS, EXECUTOR_VMAS].map((word) => view.getUint32(executor.control + word, true));
}

/** Invokes what must end with a deadline fault, tells how late it was, and that nothing is left of it. */
function expectDeadline(t: TestContext, name: string, deadlineMs?: number): void {
  const before = counts();
  const start = performance.now();
  assert.throws(
    () => invoke(name, deadlineMs),
    (error) => {
      assert.ok(error instanceof JordError && error.code === 'DEADLINE_EXCEEDED', String(error));
      assert.equal(error.details['fault'], 'deadline');
      assert.equal(error.details['function'], name);
      return true;
    },
  );
  const tookMs = performance.now() - start;
  assert.ok(tookMs >= (deadlineMs ?? DEADLINE_MS), `it ended after ${tookMs} ms`);
  t.diagnostic(`${name}: ${(tookMs - (deadlineMs ?? DEADLINE_MS)).toFixed(1)} ms late`);
  assert.deepEqual(counts(), before);
}

await deploy('works', moduleOf('(drop (call $argbuf_new (i32.const 8)))'), { deadlineMs: 1000 });

const ENDLESS: Readonly<Record<string, readonly [body: string, more?: string]>> = {
  'an empty loop': ['(loop $l (br $l))'],
  'a loop that works': [
    '(local $i i32) (loop $l (i32.store (i32.const 64) (local.tee $i (i32.add (local.get $i) (i32.const 1)))) (br $l))',
  ],
  'an inner loop that ends': [
    '(local $i i32) (loop $o (local.set $i (i32.const 9)) (loop $i (br_if $i (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) (br $o))',
  ],
  'a loop entered by br_table': ['(loop $l (br_table 0 $l $l (i32.const 1)))'],
  'a loop around a call': ['(loop $l (call $leaf) (br $l))', '(func $leaf)'],
  'a loop that holds values': ['(i32.const 7) (loop $l (param i32) (br $l)) (unreachable)'],
  'a loop in a try': ['(try (do (loop $l (br $l))) (catch_all))'],
  'a loop in a handler': ['(try (do (throw $tag)) (catch_all (loop $l (br $l))))'],
  'a loop of throws': ['(loop $l (try (do (throw $tag)) (catch_all)) (br $l))'],
  'a loop in a handler of a callee': [
    '(try (do (call $inner)) (catch_all))',
    '(func $inner (try (do (throw $tag)) (catch $tag (loop $l (br $l)))))',
  ],
  'tail calls in a circle': ['(call $a)', '(func $a (return_call $b)) (func $b (return_call $a))'],
  'tail calls of itself': ['(return_call $handle (local.get 0) (local.get 1))'],
  'indirect tail calls': [
    '(call $a)',
    '(type $t (func)) (table funcref (elem $a)) (func $a (type $t) (return_call_indirect (type $t) (i32.const 0)))',
  ],
  'recursion that branches': [
    '(call $f (i32.const 64))',
    `(func $f (param i32) (if (local.get 0) (then
      (call $f (i32.sub (local.get 0) (i32.const 1))) (call $f (i32.sub (local.get 0) (i32.const 1))))))`,
  ],
  'indirect recursion that branches': [
    '(call $f (i32.const 64))',
    `(type $t (func (param i32))) (table funcref (elem $f)) (func $f (type $t) (if (local.get 0) (then
      (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))
      (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))`,
  ],
  'nested calls in a loop': ['(loop $l (drop (call $call (call $id) (i32.const 0))) (br $l))'],
  'nested calls that branch': [
    '(drop (call $call (call $id) (i32.const 0))) (drop (call $call (call $id) (i32.const 0)))',
  ],
  'host calls in a row': [
    `(try (do ${'(drop (call $random (i32.const 0) (i32.const 65536)))'.repeat(20_000)}) (catch_all))`,
  ],
  'bulk operations in a row': [
    `(try (do ${'(memory.fill (i32.const 0) (i32.const 1) (i32.const 131072))'.repeat(100_000)}) (catch_all))`,
  ],
};

for (const [name, [body, more = '']] of Object.entries(ENDLESS)) {
  test(`${name} ends at the deadline`, TEST_TIMEOUT, async (t) => {
    const self = name.replaceAll(' ', '-');
    await deploy(self, moduleOf(body, { more, name: self }), { deadlineMs: DEADLINE_MS });
    expectDeadline(t, self);
    assert.deepEqual(invoke('works'), EMPTY);
    // Once more, in the restored home.
    expectDeadline(t, self);
  });
}

test('initialisers that do not end are refused at the deploy, and leave nothing', TEST_TIMEOUT, async () => {
  const { privLib } = executor;
  const endless = '(func $endless (loop $l (br $l)))';
  const [freeBefore, countsBefore] = [privLib.homeMemoryFree(), counts()];
  for (const more of [`${endless} (start $endless)`, `${endless} (export "_initialize" (func $endless))`]) {
    await assert.rejects(deploy('init', moduleOf('', { more }), { deadlineMs: DEADLINE_MS }), (error) => {
      assert.ok(error instanceof JordError && error.code === 'MODULE_INIT_FAILED');
      assert.equal(error.details['fault'], 'deadline');
      assert.match(error.message, /^init failed while it was initialised: its deadline has passed\.$/);
      return true;
    });
  }
  assert.deepEqual([privLib.homeMemoryFree(), counts()], [freeBefore, countsBefore]);
});

/** Calls the function `name` and answers with the status or response of that call, as 4 bytes. */
function relay(name: string): Uint8Array {
  return moduleOf(
    `(local $result i32) (local $answer i32)
     (local.set $result (call $call (call $id) (i32.const 0)))
     (local.set $answer (call $argbuf_new (i32.const 4)))
     (i32.store (local.get $answer) (local.get $result))
     (return (local.get $answer))`,
    { name },
  );
}

test(
  'a callee whose own deadline is earlier ends with CALLEE_DEADLINE, and the caller goes on',
  TEST_TIMEOUT,
  async () => {
    await deploy('short', moduleOf('(loop $l (br $l))'), { deadlineMs: DEADLINE_MS });
    await deploy('patient', relay('short'));
    const before = counts();
    logged.length = 0;
    const response = invoke('patient');
    assert.equal(new DataView(response.buffer).getUint32(0, true), CALLEE_DEADLINE);
    assert.deepEqual(counts(), before);
    assert.deepEqual(
      logged.map(({ level, function: name, message, fault }) => [level, name, message, fault?.fault]),
      [['warn', 'short', 'deadline: its deadline has passed', 'deadline']],
    );
  },
);

test('a callee with a longer deadline ends at the caller’s', TEST_TIMEOUT, async (t) => {
  await deploy('long', moduleOf('(loop $l (br $l))'), { deadlineMs: 3_600_000 });
  await deploy('hurried', relay('long'), { deadlineMs: DEADLINE_MS });
  await deploy('relaxed', relay('long'), { deadlineMs: 3_600_000 });
  expectDeadline(t, 'hurried');
  // What ends both of them is no exception for the caller, though it comes through a frame of the server.
  const handler = '(try (do (drop (call $call (call $id) (i32.const 0)))) (catch_all (return (i32.const 0))))';
  await deploy('catching', moduleOf(handler, { name: 'long' }), { deadlineMs: DEADLINE_MS });
  expectDeadline(t, 'catching');
  // The request's deadline is inherited too.
  expectDeadline(t, 'relaxed', DEADLINE_MS);
});

test(
  'the deadline of a request only shortens, and every one counts from its own beginning',
  TEST_TIMEOUT,
  async (t) => {
    await deploy('endless', moduleOf('(loop $l (br $l))'), { deadlineMs: DEADLINE_MS });
    expectDeadline(t, 'endless', 5);
    const start = performance.now();
    assert.throws(() => invoke('endless', 3_600_000), { code: 'DEADLINE_EXCEEDED' });
    assert.ok(performance.now() - start < 30_000);
    assert.deepEqual(invoke('works', 1000), EMPTY);
  },
);

test('a worker server: options, their bounds, the store, and HTTP', TEST_TIMEOUT, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'jord-deadlines-'));
  t.after(() => rm(folder, { recursive: true }));
  const endless = moduleOf('(loop $l (br $l))');
  let server = await startWorkerServer({ executors: 0, dataFolder: folder });
  for (const deadlineMs of [0, -1, 1.5, 3_600_001, Number.NaN]) {
    await assert.rejects(server.deploy('f', endless, { deadlineMs }), {
      code: 'BAD_OPTION',
      message: /^deadlineMs is/,
    });
  }
  assert.equal((await server.deploy('f', endless)).deadlineMs, 10_000);
  assert.equal((await server.deploy('f', endless, { deadlineMs: 3_600_000 })).deadlineMs, 3_600_000);
  await server.stop();
  server = await startWorkerServer({ executors: 0, dataFolder: folder });
  t.after(() => server.stop());
  assert.equal(server.inspect('f').deadlineMs, 3_600_000);
  for (const deadlineMs of [0, 2.5])
    await assert.rejects(server.invoke('f', EMPTY, { deadlineMs }), { code: 'BAD_OPTION' });
  await assert.rejects(server.invoke('f', EMPTY, { deadlineMs: 10 }), { code: 'DEADLINE_EXCEEDED' });

  const gateway = await startGateway(server, { host: '127.0.0.1', port: 0 });
  t.after(() => gateway.close());
  const answer = await fetch(`${gateway.url}/fn/f`, { method: 'POST', headers: { 'jord-deadline-ms': '10' } });
  assert.equal(answer.status, 504);
  const problem = (await answer.json()) as Record<string, unknown>;
  assert.equal(problem['code'], 'DEADLINE_EXCEEDED');
  assert.equal(problem['detail'], 'f did not end before its deadline.');
  assert.deepEqual([problem['function'], problem['fault']], ['f', 'deadline']);
  assert.ok(Array.isArray(problem['backtrace']));
});
