/** Invocations on executor threads: what comes back is what a function gives on the thread that invokes it, and limits hold. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, test } from 'node:test';
import * as L from '../core/layout.ts';
import * as S from '../core/status.ts';
import { JordError } from '../src/errors.ts';
import { Cancellation, type HttpRequest, type InvokeOptions, type InvokeResult } from '../src/server/types.ts';
import { assertQuiet, eventually } from './census.ts';
import { answer, ECHO, ENDLESS, guest, TRAP, words, wordsOf } from './guests.ts';
import { jordError, type ObservedServer, startObserved } from './observed-server.ts';
import { occupy } from './occupy.ts';

const EMPTY = new Uint8Array(0);
/** For machines that are busy with something else. */
const TIMEOUT = { timeout: 60_000 };
const LIMITS = { responseBytesMax: 2 ** 24, logBytesMax: 4096, argBufBytesMax: 2 ** 27 };

let threads: ObservedServer;
/** The same functions, on the thread that invokes them. */
let inline: ObservedServer;

before(async () => {
  threads = await startObserved({ ...LIMITS, executors: 2 });
  inline = await startObserved(LIMITS);
});
after(async () => {
  await threads?.server.stop();
  await inline?.server.stop();
});
afterEach(() => assertQuiet(threads));

async function deploy(name: string, module: Uint8Array): Promise<void> {
  for (const { server } of [threads, inline]) await server.deploy(name, module);
}

type Outcome = InvokeResult | Pick<JordError, 'code' | 'message' | 'details'>;

async function outcome(
  { server }: ObservedServer,
  name: string,
  body: Uint8Array,
  options?: InvokeOptions,
): Promise<Outcome> {
  try {
    return await server.invoke(name, body, options);
  } catch (error) {
    assert.ok(error instanceof JordError, String(error));
    const { code, message, details } = error;
    return { code, message, details };
  }
}

/** What both servers answer, which is the same. */
async function sameOutcome(name: string, body: Uint8Array, options?: InvokeOptions): Promise<Outcome> {
  const expected = await outcome(inline, name, body, options);
  assert.deepEqual(await outcome(threads, name, body, options), expected, name);
  return expected;
}

test('bodies of all sizes come back, one after the other and many at once', TIMEOUT, async () => {
  await deploy('echo', ECHO);
  for (const size of [0, 1, 127, 128, 129, 2 ** 16, 2 ** 24]) {
    const body = randomBytes(size);
    const result = await threads.server.invoke('echo', body);
    assert.ok(body.equals(result.body), `${size} bytes`);
    assert.deepEqual([result.status, result.headers], [undefined, []]);
  }
  const bodies = Array.from({ length: 1000 }, (_, i) => randomBytes(i));
  const results = await Promise.all(bodies.map((body) => threads.server.invoke('echo', body)));
  results.forEach(({ body }, i) => {
    assert.ok(bodies[i]?.equals(body), `${i}`);
  });
});

test('faults of each kind have the details that they have on the thread that invokes', TIMEOUT, async () => {
  const faults: Readonly<Record<string, readonly [body: string, more?: string]>> = {
    trap: ['unreachable'],
    division: ['(i32.div_u (local.get $length) (i32.const 0))'],
    read: ['(i32.load16_u offset=2 (i32.const 0x70000000))'],
    write: ['(i64.store (i32.const -9) (i64.const 0)) (i32.const 0)'],
    bulk: ['(memory.fill (i32.const 0x70000000) (i32.const 0) (i32.const 10)) (i32.const 0)'],
    overflow: ['(call $deeper)', '(func $deeper (result i32) (i32.add (call $deeper) (call $deeper)))'],
    exception: ['(throw $tag)', '(tag $tag)'],
    'bad-response': ['(i32.const 77)'],
    'atomic-wait': ['(memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0))'],
    'last-words': ['(drop (call $log (i32.const 3) (local.get $request) (local.get $length))) unreachable'],
    deadline: ['(loop $l (br $l)) (i32.const 0)'],
  };
  for (const [name, [body, more = '']] of Object.entries(faults)) {
    await deploy(name, guest(body, { more }));
    const found = await sameOutcome(name, Buffer.from('request'), { deadlineMs: name === 'deadline' ? 20 : 10_000 });
    assert.ok('code' in found, name);
    assert.equal(found.code, name === 'deadline' ? 'DEADLINE_EXCEEDED' : 'FUNCTION_FAULT', name);
    assert.equal(found.details['function'], name);
  }
});

const HTTP: HttpRequest = {
  method: 'PATCH',
  path: '/a/ä',
  query: 'q=1&q=2',
  headers: [
    ['x-one', 'eins'],
    ['accept', 'a'],
    ['accept', 'b'],
  ],
};

test('fields of an HTTP request and of its response, and their absence', TIMEOUT, async () => {
  const name = (text: string, at: number): string => `(data (i32.const ${at}) "${text}")`;
  const more = [':status', '206', 'x-answer', '42', 'accept'].map((text, i) => name(text, i * 16)).join(' ');
  const setField = (field: number, fieldLength: number, value: number, valueLength: number): string =>
    `(if (call $response_field (i32.const ${field}) (i32.const ${fieldLength}) (i32.const ${value}) (i32.const ${valueLength}))
      (then unreachable))`;
  await deploy('fields', guest(`${setField(0, 7, 16, 3)} ${setField(32, 8, 48, 2)} (call $request_fields)`, { more }));
  await deploy('field', guest('(call $request_field (i32.const 64) (i32.const 6))', { more }));
  await deploy('ask', guest(answer('(call $request_field (i32.const 64) (i32.const 6))'), { more }));
  const result = await sameOutcome('fields', EMPTY, { http: HTTP });
  assert.ok('body' in result);
  assert.deepEqual([result.status, result.headers], [206, [['x-answer', '42']]]);
  assert.match(Buffer.from(result.body).toString(), /^:method: PATCH\n:path: \/a\/ä\n:query: q=1&q=2\nx-one: eins\n/);
  const field = await sameOutcome('field', EMPTY, { http: HTTP });
  assert.equal('body' in field && Buffer.from(field.body).toString(), 'a, b');
  assert.deepEqual(wordsOf(await threads.server.invoke('ask', EMPTY)), [S.NO_HTTP_REQUEST]);
  // Fields that were set before a fault are gone with it.
  await deploy('fields-trap', guest(`${setField(0, 7, 16, 3)} unreachable`, { more }));
  assert.ok('code' in (await sameOutcome('fields-trap', EMPTY, { http: HTTP })));
  await deploy('calls-ask', guest('(call $call (call $id0) (i32.const 0))', { names: ['ask'] }));
  const nested = await sameOutcome('calls-ask', EMPTY, { http: HTTP });
  assert.deepEqual('body' in nested && wordsOf(nested), [S.NO_HTTP_REQUEST], 'a callee has none');
});

test('log records arrive, in order, up to the limit; and so do faults of callees', TIMEOUT, async () => {
  const log = '(call $log (i32.const 1) (local.get $request) (local.get $length))';
  await deploy('logs', guest(`(drop ${log}) ${answer(log)}`));
  threads.records.length = 0;
  // 16 for each message.
  const fits = 'x'.repeat(LIMITS.logBytesMax / 2 - 16);
  assert.deepEqual(wordsOf(await threads.server.invoke('logs', Buffer.from(fits))), [S.OK]);
  assert.deepEqual(wordsOf(await threads.server.invoke('logs', Buffer.from(`${fits}x`))), [S.LOG_EXHAUSTED]);
  await eventually(() => assert.equal(threads.records.length, 3));
  const expected = [fits, fits, `${fits}x`].map((message) => ({ level: 'info', function: 'logs', message }));
  assert.deepEqual(threads.records, expected);

  await deploy('trap', TRAP);
  await deploy('calls-trap', guest(answer('(call $call (call $id0) (i32.const 0))'), { names: ['trap'] }));
  threads.records.length = 0;
  assert.deepEqual(wordsOf(await threads.server.invoke('calls-trap', EMPTY)), [S.CALLEE_TRAP]);
  const [record] = await eventually(() => {
    assert.equal(threads.records.length, 1);
    return threads.records;
  });
  assert.deepEqual([record?.level, record?.function, record?.fault?.fault], ['warn', 'trap', 'trap']);
});

test('a response above the limit, and ArgBufs above theirs', TIMEOUT, async () => {
  await deploy('large', guest('(call $argbuf_new (i32.load (local.get $request)))'));
  const atLimit = await sameOutcome('large', words(LIMITS.responseBytesMax));
  assert.equal('body' in atLimit && atLimit.body.length, LIMITS.responseBytesMax);
  const above = await sameOutcome('large', words(LIMITS.responseBytesMax + 1));
  assert.ok('code' in above);
  assert.deepEqual([above.code, above.details['fault']], ['RESPONSE_TOO_LARGE', 'response-too-large']);
  // Two of half the limit are too many, since the request counts too.
  const half = `(call $argbuf_new (i32.const ${LIMITS.argBufBytesMax / 2}))`;
  await deploy('hoards', guest(`(drop ${half}) ${answer(half)}`));
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(wordsOf(await threads.server.invoke('hoards', words(1))), [S.ARGBUFS_EXHAUSTED]);
  }
  await deploy('frees', guest(`(drop (call $argbuf_free ${half})) ${answer(`(call $argbuf_free ${half})`)}`));
  assert.deepEqual(wordsOf(await threads.server.invoke('frees', words(1))), [S.OK]);
});

test('a request whose fields have no room is refused, and not run without them', TIMEOUT, async () => {
  const server = await startObserved({ executors: 3 });
  try {
    // Two take all ArgBufs of 128 MiB, say so, and keep them.
    const takesAll = `(loop $more (br_if $more (i32.gt_u (call $argbuf_new (i32.const ${2 ** 27})) (i32.const ${S.STATUS_MAX}))))`;
    await server.server.deploy(
      'hoards',
      guest(`${takesAll} (drop (call $log (i32.const 1) (i32.const 0) (i32.const 1))) (loop $l (br $l)) (i32.const 0)`),
    );
    await server.server.deploy('fields', guest('(call $request_fields)'));
    const hoarders = await occupy(server, 2, 'hoards');
    await eventually(() => assert.equal(server.records.length, 2));
    const http: HttpRequest = { ...HTTP, headers: [['x-long', 'x'.repeat(2 ** 26)]] };
    const { code } = await jordError(server.server.invoke('fields', words(1), { http }));
    assert.equal(code, 'ADDRESS_SPACE_EXHAUSTED');
    for (const hoarder of hoarders) hoarder.cancel();
    await eventually(() => assertQuiet(server));
    const { body } = await server.server.invoke('fields', words(1), { http });
    assert.ok(body.length > 2 ** 26);
  } finally {
    await server.server.stop();
  }
});

test('as many invocations run at the same moment as there are executors', TIMEOUT, async () => {
  await deploy('endless', ENDLESS);
  for (const cancellation of await occupy(threads, 2, 'endless')) cancellation.cancel();
});

test('invoking and cancelling from the log of an initialiser', TIMEOUT, async () => {
  const { server } = threads;
  await server.deploy('endless', ENDLESS);
  const cancellation = new Cancellation();
  const running = jordError(server.invoke('endless', EMPTY, { cancellation }));
  const invoked: Promise<JordError>[] = [];
  threads.onLog = ({ function: name }) => {
    if (name !== 'logs-early') return;
    invoked.push(jordError(server.invoke('endless', EMPTY)));
    cancellation.cancel();
  };
  const log = '(func $start (drop (call $log (i32.const 1) (i32.const 0) (i32.const 0)))) (start $start)';
  await server.deploy('logs-early', guest('(i32.const 0)', { more: log }));
  threads.onLog = () => {};
  assert.equal((await running).code, 'INVOCATION_CANCELLED');
  assert.deepEqual(
    (await Promise.all(invoked)).map(({ code }) => code),
    ['BAD_REQUEST'],
  );
});

test('no more invocations of a function than its deployment allows, whoever asks', TIMEOUT, async () => {
  const { server } = threads;
  await server.deploy('one', ENDLESS, { concurrency: 1 });
  await server.deploy('calls-one', guest(answer('(call $call (call $id0) (i32.const 0))'), { names: ['one'] }));
  const [running] = await occupy(threads, 1, 'one');
  for (let i = 0; i < 3; i++) {
    await assert.rejects(server.invoke('one', EMPTY), { code: 'CONCURRENCY_EXCEEDED' });
    assert.deepEqual(wordsOf(await server.invoke('calls-one', EMPTY)), [S.CONCURRENCY_EXCEEDED]);
  }
  running?.cancel();
  await assertQuiet(threads);
  await assert.rejects(server.invoke('one', EMPTY, { deadlineMs: 5 }), { code: 'DEADLINE_EXCEEDED' });
});

test('what arrives while a function runs on the thread that invokes is handed out afterwards', TIMEOUT, async () => {
  const { server } = threads;
  await server.deploy('echo', ECHO);
  // Looks for what has arrived whenever it waits.
  const wait = '(local.set $x (call $wait (call $start (call $id0) (i32.const 0))))';
  const body = `(loop $l ${wait} (br_if $l (i32.lt_u (local.tee $y (i32.add (local.get $y) (i32.const 1))) (i32.const 1000))))`;
  await server.deploy('waits', guest(`${body} (local.get $request)`, { names: ['echo'] }));
  const queued = Array.from({ length: 100 }, (_, i) => server.invoke('echo', words(i)));
  assert.equal(server.invokeInline('waits', words(7)).length, 4);
  (await Promise.all(queued)).forEach((result, i) => {
    assert.deepEqual(wordsOf(result), [i]);
  });
});

test('what was left of functions that ran inline does not keep the dispatcher awake', TIMEOUT, async () => {
  const { server, memory } = threads;
  await server.deploy('endless', ENDLESS);
  const control = memory.executors[0] ?? 0;
  const words = new Int32Array(memory.memory.buffer, 0, 2 ** 29);
  // As a fetch leaves it that ended while its function was looking for it, and a commit of durable keys.
  for (const word of [L.EXECUTOR_MESSAGES, L.EXECUTOR_SYNCED]) Atomics.store(words, (control + word) >>> 2, 1);
  const [running] = await occupy(threads, 1, 'endless');
  await eventually(() => assert.equal(memory.word(control + L.EXECUTOR_DOORBELL), L.DOORBELL_PARKED));
  running?.cancel();
  await eventually(async () => assert.equal((await server.stats()).orchestrators[0]?.outstanding, 0));
  await server.remove('endless');
});
