/**
 * Stack overflows in the midst of trusted code: a function uses up its stack to the last frames and then asks the server
 * for something, with every amount of stack left. Whatever comes of it, nothing may be lost and the server goes on.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EXECUTOR_INVOCATIONS, EXECUTOR_PDS, EXECUTOR_VMAS } from '../core/layout.ts';
import { CALLEE_STACK_EXHAUSTED } from '../core/status.ts';
import type { FaultDetails } from '../src/server/types.ts';
import { deepest, depths, diveRequest, diverModule } from './diver.ts';
import { EXECUTOR, type ObservedServer, startObserved } from './observed-server.ts';
import { handle, imports, wat } from './wat.ts';

const START = '(call $start (call $resolve (i32.const 0) (i32.const 4)) (local.get $x))';
const START_EMPTY = START.replace('(local.get $x)', '(i32.const 0)');

/** What is asked for at the bottom; $x is an ArgBuf of 64 bytes. Each leaves a number. */
const OPERATIONS: Readonly<Record<string, string>> = {
  nothing: '(i32.const 0)',
  argbuf_new: '(call $argbuf_new (i32.const 100))',
  // More than one free list has, so the shared ones are used, too.
  'argbuf_new, of a size that nobody has':
    '(call $argbuf_new (i32.shl (i32.const 128) (call $argbuf_length (local.get $x))))',
  argbuf_free: '(call $argbuf_free (local.get $x))',
  argbuf_resize: '(call $argbuf_resize (local.get $x) (i32.const 128))',
  argbuf_protect: '(call $argbuf_protect (local.get $x) (i32.const 1))',
  argbuf_length: '(call $argbuf_length (local.get $x))',
  resolve: '(call $resolve (i32.const 0) (i32.const 4))',
  log: '(call $log (i32.const 0) (i32.const 0) (i32.const 64))',
  time: '(i32.trunc_sat_f64_u (call $time))',
  random: '(call $random (i32.const 256) (i32.const 1000))',
  request_field: '(call $request_field (i32.const 16) (i32.const 6))',
  request_fields: '(call $request_fields)',
  response_field: '(call $response_field (i32.const 16) (i32.const 6) (i32.const 0) (i32.const 4))',
  'a call that returns': '(call $call_name (i32.const 0) (i32.const 4) (local.get $x))',
  'a call by id': '(call $call (call $resolve (i32.const 0) (i32.const 4)) (local.get $x))',
  'a call that traps': '(call $call_name (i32.const 24) (i32.const 4) (local.get $x))',
  'a call that faults': '(call $call_name (i32.const 32) (i32.const 5) (local.get $x))',
  'a call that throws': '(call $call_name (i32.const 40) (i32.const 5) (local.get $x))',
  'a call that gives no response': '(call $call_name (i32.const 48) (i32.const 3) (local.get $x))',
  'a call that calls on': '(call $call_name (i32.const 56) (i32.const 5) (local.get $x))',
  start: START,
  'start and cancel': `(call $cancel ${START})`,
  'start and wait': `(call $wait ${START})`,
  'start what calls on, and wait': `(call $wait ${START.replace('0) (i32.const 4', '56) (i32.const 5')})`,
  'start what traps, and wait': `(call $wait ${START.replace('0) (i32.const 4', '24) (i32.const 4')})`,
  'start two, and wait for any': `(i32.store (i32.const 128) ${START}) (i32.store (i32.const 132) ${START_EMPTY})
    (call $wait_any (i32.const 128) (i32.const 2))`,
  'start two, and wait for all': `(i32.store (i32.const 128) ${START}) (i32.store (i32.const 132) ${START_EMPTY})
    (call $wait_all (i32.const 128) (i32.const 2))`,
  'a fault of its own': '(i32.load (i32.const 0x70000000))',
};
/** Calls that go on to the end of the stack themselves. */
const TO_THE_BOTTOM = '(call $call_name (i32.const 64) (i32.const 6) (i32.const 0))';
const BODIES = [...Object.values(OPERATIONS), TO_THE_BOTTOM];

const DIVER = diverModule(
  BODIES,
  [
    'argbuf_new',
    'argbuf_free',
    'argbuf_protect',
    'argbuf_length',
    'resolve',
    'log',
    'time',
    'random',
    'request_field',
    'request_fields',
    'response_field',
    'call',
    'call_name',
    'start',
    'cancel',
    'wait',
    'wait_any',
    'wait_all',
  ],
  `(data (i32.const 0) "echo") (data (i32.const 16) "x-name") (data (i32.const 24) "trap")
  (data (i32.const 32) "fault") (data (i32.const 40) "throw") (data (i32.const 48) "bad") (data (i32.const 56) "relay")
  (data (i32.const 64) "bottom")`,
);

const CALLEES: Readonly<Record<string, string>> = {
  echo: `(module (memory 1) ${handle('(i32.store (i32.const 0) (i32.const 1)) (local.get $request)')})`,
  trap: `(module (memory 1) ${handle('(i32.store (i32.const 0) (i32.const 1)) unreachable')})`,
  fault: `(module (memory 1) ${handle('(i32.load (i32.const 0x70000000))')})`,
  throw: `(module (memory 1) (tag $tag) ${handle('(throw $tag)')})`,
  bad: `(module (memory 1) ${handle('(i32.const 7)')})`,
  relay: `(module ${imports('call_name', 'argbuf_new', 'log')} (memory 1) (data (i32.const 0) "trapecho")
    ${handle(
      `(drop (call $call_name (i32.const 0) (i32.const 4) (call $argbuf_new (i32.const 300))))
       (drop (call $log (i32.const 2) (i32.const 0) (i32.const 8)))
       (call $call_name (i32.const 4) (i32.const 4) (local.get $request))`,
    )})`,
  bottom: `(module ${imports('call_name', 'argbuf_new')} (memory 1) (data (i32.const 0) "bottom")
    ${handle('(i32.store (i32.const 64) (i32.const 1)) (call $call_name (i32.const 0) (i32.const 6) (call $argbuf_new (i32.const 40)))')})`,
};

const HTTP = { method: 'GET', path: '', query: '', headers: [['x-name', 'value']] as [string, string][] };

let observed: ObservedServer;

before(async () => {
  observed = await startObserved({ callDepthMax: 65535 });
  await observed.server.deploy('diver', DIVER);
  for (const [name, text] of Object.entries(CALLEES)) await observed.server.deploy(name, wat(text));
  // Until V8 has optimised it: its frames get smaller.
  for (let i = 0; i < 50; i++) await dive(0, 5000, 1000);
});
after(() => observed?.server.stop());

/** The fault of a dive, or undefined when it came back. */
async function dive(operation: number, coarse: number, fine: number): Promise<FaultDetails | undefined> {
  const request = diveRequest(operation, coarse, fine);
  try {
    const { body } = await observed.server.invoke('diver', request, { http: HTTP });
    assert.equal(body.length, 0);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error && 'details' in error);
    assert.equal(error.code, 'FUNCTION_FAULT', `${error.message}: ${error.cause}`);
    return error.details as FaultDetails;
  } finally {
    const { memory } = observed;
    assert.equal(memory.running, memory.hostBase);
    assert.equal(memory.word(EXECUTOR + EXECUTOR_VMAS), 0);
    assert.equal(memory.word(EXECUTOR + EXECUTOR_PDS), 0);
    assert.equal(memory.word(EXECUTOR + EXECUTOR_INVOCATIONS), 0);
  }
}

/** The first test: what handles faults runs at the bottom of the stack when it has never run before. */
test('homes that are made at the bottom of the stack are all counted', async () => {
  const { server, memory, records } = observed;
  const bottom = wat(CALLEES['bottom'] ?? '');
  const operation = BODIES.indexOf(TO_THE_BOTTOM);
  const descriptors = memory.functions().length;
  for (let i = 0; i < 40; i++) {
    // A new version has one home, so all others are made on the way down.
    await server.deploy('bottom', bottom);
    await dive(operation, i >>> 2, i & 3);
    memory.assertIdle();
    assert.ok(server.inspect('bottom').homes > 100);
    assert.equal(memory.functions().length, descriptors, 'the version before is gone altogether');
  }
  // The callees' faults are faults of theirs, not of the server, even where no stack is left to describe them.
  assert.deepEqual(
    records.filter(({ level }) => level === 'error'),
    [],
  );
});

for (const [operation, name] of Object.keys(OPERATIONS).entries()) {
  test(name, async () => {
    // Once with the stack empty, so that what is compiled, carved and made at first is there.
    await dive(operation, 1, 0);
    const bottom = await deepest(async (coarse) => (await dive(0, coarse, 0)) === undefined);
    const seen = new Set<string | undefined>();
    for (const [coarse, fine] of depths(bottom)) seen.add((await dive(operation, coarse, fine))?.fault);
    assert.deepEqual(seen, new Set(['stack-exhausted', name === 'a fault of its own' ? 'memory-access' : undefined]));
    observed.memory.assertIdle();
    observed.memory.assertPristine();
  });
}

test('a callee that uses up the stack is a status for its caller, from any depth', async () => {
  const { server, records } = observed;
  const text = `(module ${imports('call_name', 'argbuf_new')} (memory 1) (data (i32.const 0) "endless")
    ${handle(
      `(local.set $x (call $argbuf_new (i32.const 4)))
       (i32.store (local.get $x) (call $call_name (i32.const 0) (i32.const 7) (call $argbuf_new (i32.const 4))))
       (local.get $x)`,
      '(local $x i32)',
    )})`;
  await server.deploy('above', wat(text));
  await server.deploy(
    'endless',
    wat(`(module (memory 1) ${handle('(i32.add (i32.const 1) (call $handle (local.get 0) (local.get 1)))')})`),
  );
  records.length = 0;
  for (let i = 0; i < 50; i++) {
    const { body } = await server.invoke('above', new Uint8Array(0));
    assert.equal(Buffer.from(body).readUInt32LE(0), CALLEE_STACK_EXHAUSTED);
  }
  assert.ok(records.every(({ fault }) => fault?.fault === 'stack-exhausted') && records.length === 50);
  observed.memory.assertIdle();
});

test('the log still works after a function has logged to the end of its stack', async () => {
  const { server, records } = observed;
  records.length = 0;
  await server.deploy(
    'logger',
    wat(`(module ${imports('log')} (memory 1) (data (i32.const 0) "text")
      (func $down (param $n i32) (result i32)
        (drop (call $log (i32.const 1) (i32.const 0) (i32.const 4)))
        (i32.add (local.get $n) (call $down (i32.add (local.get $n) (i32.const 1)))))
      ${handle('(call $down (i32.const 0))')})`),
  );
  // A listener that needs some stack itself, as streams do, and that would not be whole after an overflow.
  let entered = 0;
  let left = 0;
  const need = (frames: number): number => (frames === 0 ? 0 : 1 + need(frames - 1));
  observed.onLog = (): void => {
    entered++;
    need(40);
    left++;
  };
  await assert.rejects(server.invoke('logger', new Uint8Array(0)), { code: 'FUNCTION_FAULT' });
  observed.onLog = (): void => {};
  observed.rethrow();
  assert.ok(entered > 100 && entered === left, `${entered} ${left}`);
  assert.equal(records.filter(({ function: name }) => name === 'logger').length, entered);
  observed.memory.assertIdle();
});
