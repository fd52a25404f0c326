/** Nested calls: what the callee gets, what the caller gets back, and who owns what afterwards, in good and bad ends. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as S from '../core/status.ts';
import type { JordError } from '../src/errors.ts';
import { startWorkerServer } from '../src/server/worker-server.ts';
import { jordError, type ObservedServer, startObserved } from './observed-server.ts';
import { handle, imports, wat } from './wat.ts';

const CALL_DEPTH_MAX = 20;

let observed: ObservedServer;

before(async () => {
  observed = await startObserved({ callDepthMax: CALL_DEPTH_MAX });
  const { server } = observed;
  await server.deploy('caller', wat(CALLER));
  for (const [name, text] of Object.entries(CALLEES)) await server.deploy(name, wat(text));
});
after(() => observed?.server.stop());

/**
 * Calls the function that its request names with the rest of the request, in the shape [name length] [name] [rest], and
 * reports: [result] [length of the response] [length of the call's request afterwards] [response].
 */
const CALLER = `(module $caller ${imports('argbuf_new', 'argbuf_length', 'call_name', 'call', 'resolve')} (memory 1)
  ${handle(
    `(local.set $name (i32.load (local.get $request)))
     (local.set $rest (i32.sub (local.get $length) (i32.add (local.get $name) (i32.const 4))))
     (if (local.get $rest)
       (then
         (local.set $argument (call $argbuf_new (local.get $rest)))
         (memory.copy (local.get $argument)
           (i32.add (i32.add (local.get $request) (i32.const 4)) (local.get $name)) (local.get $rest))))
     (i32.store (i32.const 64) (i32.const 0x1234567))
     (local.set $result (call $call_name (i32.add (local.get $request) (i32.const 4)) (local.get $name) (local.get $argument)))
     (if (i32.ne (i32.load (i32.const 64)) (i32.const 0x1234567)) (then unreachable))
     (if (i32.gt_u (local.get $result) (i32.const 65535))
       (then (local.set $size (call $argbuf_length (local.get $result)))))
     (local.set $kept (call $argbuf_length (local.get $argument)))
     (local.set $report (call $argbuf_new (i32.add (local.get $size) (i32.const 12))))
     (i32.store (local.get $report) (local.get $result))
     (i32.store offset=4 (local.get $report) (local.get $size))
     (i32.store offset=8 (local.get $report) (local.get $kept))
     (memory.copy (i32.add (local.get $report) (i32.const 12)) (local.get $result) (local.get $size))
     (local.get $report)`,
    `(local $name i32) (local $rest i32) (local $argument i32) (local $result i32) (local $size i32) (local $report i32) (local $kept i32)`,
  )})`;

const NEW = imports('argbuf_new', 'argbuf_free', 'argbuf_protect', 'argbuf_resize', 'call_name');

/** A callee whose body is what it does; it has $x. */
function callee(body: string, fields = ''): string {
  return `(module ${NEW} (memory 1 1) ${fields} ${handle(body, '(local $x i32)')})`;
}

const CALLEES: Readonly<Record<string, string>> = {
  echo: callee('(local.get $request)'),
  nothing: callee('(i32.const 0)'),
  upper: callee('(i32.store8 (local.get $request) (i32.const 88)) (local.get $request)'),
  fresh: callee(
    '(local.set $x (call $argbuf_new (i32.const 3))) (i32.store8 (local.get $x) (i32.const 65)) (local.get $x)',
  ),
  empty: callee('(call $argbuf_new (i32.const 0))'),
  shorter: callee('(drop (call $argbuf_resize (local.get $request) (i32.const 2))) (local.get $request)'),
  longer: callee('(drop (call $argbuf_resize (local.get $request) (i32.const 100))) (local.get $request)'),
  'read-only': callee('(drop (call $argbuf_protect (local.get $request) (i32.const 1))) (local.get $request)'),
  // Ends that are faults.
  trap: callee('unreachable'),
  divide: callee('(i32.div_u (local.get $length) (i32.const 0))'),
  memory: callee('(drop (i32.load (i32.const 0x70000000))) (i32.const 0)'),
  wait: callee('(memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0))'),
  overflow: callee('(call $handle (local.get $request) (local.get $length))'),
  throw: callee('(throw $tag)', '(tag $tag)'),
  // Ends that are no responses.
  five: callee('(i32.const 5)'),
  minus: callee('(i32.const -1)'),
  home: callee('(i32.const 65536)'),
  inside: callee('(i32.add (local.get $request) (i32.const 1))'),
  behind: callee('(i32.add (local.get $request) (i32.const 128))'),
  freed: callee('(drop (call $argbuf_free (local.get $request))) (local.get $request)'),
  passed: callee(
    '(drop (call $call_name (i32.const 0) (i32.const 7) (local.get $request))) (local.get $request)',
    '(data (i32.const 0) "nothing")',
  ),
};

interface Report {
  readonly result: number;
  /** -1 when it is no ArgBuf of the caller's any more. */
  readonly requestLength: number;
  readonly response: Buffer;
}

async function call(name: string, argument: Uint8Array = Buffer.from('hello')): Promise<Report> {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(Buffer.byteLength(name));
  const { body } = await observed.server.invoke('caller', Buffer.concat([head, Buffer.from(name), argument]));
  const report = Buffer.from(body);
  observed.memory.assertIdle();
  assert.equal(report.readUInt32LE(4), report.length - 12);
  return { result: report.readUInt32LE(0), requestLength: report.readInt32LE(8), response: report.subarray(12) };
}

test('responses: the request itself, changed or not, a new ArgBuf, none, and exact lengths', async () => {
  for (const [name, expected] of [
    ['echo', 'hello'],
    ['upper', 'Xello'],
    ['fresh', 'A\0\0'],
    ['shorter', 'he'],
    ['longer', `hello${'\0'.repeat(95)}`],
    ['read-only', 'hello'],
    ['empty', ''],
  ] as const) {
    const { result, response } = await call(name);
    assert.ok(result >= 2 ** 31, name);
    assert.equal(response.toString('latin1'), expected);
  }
  assert.deepEqual(await call('nothing'), { result: 0, requestLength: -1, response: Buffer.alloc(0) });
  assert.deepEqual(await call('echo', Buffer.alloc(0)), { result: 0, requestLength: -1, response: Buffer.alloc(0) });
});

test('each bad end of a callee has its status, its request is gone, and somebody hears of it', async () => {
  const ends: readonly (readonly [name: string, status: number, fault: string])[] = [
    ['trap', S.CALLEE_TRAP, 'trap'],
    ['divide', S.CALLEE_TRAP, 'trap'],
    ['memory', S.CALLEE_MEMORY_FAULT, 'memory-access'],
    ['wait', S.CALLEE_TRAP, 'atomic-wait'],
    ['overflow', S.CALLEE_STACK_EXHAUSTED, 'stack-exhausted'],
    ['throw', S.CALLEE_EXCEPTION, 'exception'],
    ['five', S.CALLEE_BAD_RESPONSE, 'bad-response'],
    ['minus', S.CALLEE_BAD_RESPONSE, 'bad-response'],
    ['home', S.CALLEE_BAD_RESPONSE, 'bad-response'],
    ['inside', S.CALLEE_BAD_RESPONSE, 'bad-response'],
    ['behind', S.CALLEE_BAD_RESPONSE, 'bad-response'],
    ['freed', S.CALLEE_BAD_RESPONSE, 'bad-response'],
    ['passed', S.CALLEE_BAD_RESPONSE, 'bad-response'],
  ];
  for (const [name, status, fault] of ends) {
    observed.records.length = 0;
    const { result, requestLength } = await call(name);
    assert.equal(result, status, name);
    assert.equal(requestLength, -1, name);
    assert.equal(observed.records.length, 1, name);
    const [record] = observed.records;
    assert.equal(record?.level, 'warn');
    assert.equal(record.function, name);
    assert.equal(record.fault?.fault, fault);
  }
  observed.memory.assertPristine();
});

test('a call that does not begin has its status and leaves the request with the caller', async () => {
  for (const name of ['unknown', '', 'Trap', 'trap ', '../trap', 'x'.repeat(300)]) {
    assert.deepEqual(
      await call(name),
      { result: S.UNKNOWN_FUNCTION, requestLength: 5, response: Buffer.alloc(0) },
      name,
    );
  }
});

test('ids: the same as long as the server runs, whatever happens to the function', async () => {
  const { server } = observed;
  // Keeps no state, so the id comes with each request: [id], or nothing to ask for it.
  await server.deploy(
    'by-id',
    wat(`(module ${imports('call', 'resolve', 'argbuf_new')} (memory 1) (data (i32.const 0) "target")
      ${handle(
        `(local.set $x (call $argbuf_new (i32.const 4)))
         (i32.store (local.get $x) (if (result i32) (local.get $length)
           (then (call $call (i32.load (local.get $request)) (i32.const 0)))
           (else (call $resolve (i32.const 0) (i32.const 6)))))
         (local.get $x)`,
        '(local $x i32)',
      )})`),
  );
  const ask = async (...ids: number[]): Promise<number> =>
    Buffer.from((await server.invoke('by-id', new Uint8Array(Uint32Array.from(ids).buffer))).body).readUInt32LE(0);
  assert.equal(await ask(), S.UNKNOWN_FUNCTION);
  await server.deploy('target', wat(callee('(i32.const 0)')));
  const id = await ask();
  assert.ok(id > S.STATUS_MAX);
  assert.equal(await ask(id), 0);
  await server.deploy('target', wat(callee('unreachable')));
  assert.equal(await ask(), id);
  assert.equal(await ask(id), S.CALLEE_TRAP, 'the new version');
  await server.remove('target');
  assert.equal(await ask(), S.UNKNOWN_FUNCTION);
  assert.equal(await ask(id), S.UNKNOWN_FUNCTION);
  await server.deploy('target', wat(callee('(i32.const 0)')));
  assert.equal(await ask(), id);
  assert.equal(await ask(id), 0);
  for (const forged of [0, 1, S.STATUS_MAX, id + 1, id + 1000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    assert.equal(await ask(forged), S.UNKNOWN_FUNCTION, forged.toString(16));
  }
  observed.memory.assertIdle();
});

test('recursion: each level has memory and globals of its own', async () => {
  const { server } = observed;
  // Level n writes n everywhere, calls level n - 1 and looks at its own afterwards. The response counts the levels.
  await server.deploy(
    'levels',
    wat(`(module ${imports('call_name', 'argbuf_new')} (memory 1) (data (i32.const 16) "levels") (global $g (mut i32) (i32.const 0))
      ${handle(
        `(local.set $n (i32.load8_u (local.get $request)))
         (if (i32.or (global.get $g) (i32.load (i32.const 1024))) (then unreachable))
         (global.set $g (local.get $n))
         (i32.store (i32.const 1024) (local.get $n))
         (if (i32.eqz (local.get $n)) (then (return (local.get $request))))
         (i32.store8 (local.get $request) (i32.sub (local.get $n) (i32.const 1)))
         (local.set $x (call $call_name (i32.const 16) (i32.const 6) (local.get $request)))
         (if (i32.ne (local.get $x) (local.get $request)) (then unreachable))
         (if (i32.ne (global.get $g) (local.get $n)) (then unreachable))
         (if (i32.ne (i32.load (i32.const 1024)) (local.get $n)) (then unreachable))
         (i32.store8 offset=1 (local.get $x) (i32.add (i32.load8_u offset=1 (local.get $x)) (i32.const 1)))
         (local.get $x)`,
        '(local $n i32) (local $x i32)',
      )})`),
  );
  const { body } = await server.invoke('levels', Uint8Array.of(CALL_DEPTH_MAX, 0));
  assert.deepEqual([...body], [0, CALL_DEPTH_MAX]);
  assert.equal(server.inspect('levels').homes, CALL_DEPTH_MAX + 1);
  observed.memory.assertIdle();
  observed.memory.assertPristine();
});

test('A calls B, which calls A: two PDs of A, and each keeps what is its own', async () => {
  const { server } = observed;
  const side = (own: string, other: string, last: number): string => `(module ${imports('call_name')} (memory 1)
    (data (i32.const 0) "${other}") (global $mine (mut i32) (i32.const 0))
    ${handle(`
      (i32.store8 (local.get $request) (i32.add (i32.load8_u (local.get $request)) (i32.const 1)))
      (if (i32.eq (i32.load8_u (local.get $request)) (i32.const ${last})) (then (return (local.get $request))))
      (global.set $mine (i32.load8_u (local.get $request)))
      (i32.store8 offset=${own.charCodeAt(0)} (i32.const 0) (global.get $mine))
      (local.set $request (call $call_name (i32.const 0) (i32.const ${other.length}) (local.get $request)))
      (i32.store8
        (i32.add (local.get $request) (global.get $mine))
        (i32.load8_u offset=${own.charCodeAt(0)} (i32.const 0)))
      (local.get $request)`)})`;
  await server.deploy('a-side', wat(side('a', 'b-side', 7)));
  await server.deploy('b-side', wat(side('b', 'a-side', 7)));
  const { body } = await server.invoke('a-side', new Uint8Array(10));
  assert.deepEqual([...body], [7, 1, 2, 3, 4, 5, 6, 0, 0, 0]);
  assert.deepEqual([server.inspect('a-side').homes, server.inspect('b-side').homes], [4, 3]);
  observed.memory.assertIdle();
});

/** Calls itself, with a new ArgBuf each time, until a call fails; returns that status and how deep it was. */
const DESCEND = `(module ${imports('call_name', 'argbuf_new', 'argbuf_length')} (memory 1) (data (i32.const 0) "descend")
  ${handle(
    `(local.set $argument (call $argbuf_new (i32.const 6)))
     (i32.store8 offset=4 (local.get $argument) (i32.add (i32.load8_u offset=4 (local.get $request)) (i32.const 1)))
     (local.set $result (call $call_name (i32.const 0) (i32.const 7) (local.get $argument)))
     (if (i32.gt_u (local.get $result) (i32.const 65535)) (then (return (local.get $result))))
     (i32.store (local.get $request) (local.get $result))
     (i32.store8 offset=5 (local.get $request) (call $argbuf_length (local.get $argument)))
     (local.get $request)`,
    '(local $argument i32) (local $result i32)',
  )})`;

async function descend(server: ObservedServer['server']): Promise<{ status: number; depth: number; kept: number }> {
  const body = Buffer.from((await server.invoke('descend', new Uint8Array(6))).body);
  return { status: body.readUInt32LE(0), depth: body.readUInt8(4), kept: body.readInt8(5) };
}

test('calls nest as deep as the server allows; one more has a status of its own and is otherwise fine', async () => {
  await observed.server.deploy('descend', wat(DESCEND));
  const expected = { status: S.CALL_DEPTH_EXCEEDED, depth: CALL_DEPTH_MAX, kept: 6 };
  for (let i = 0; i < 3; i++) assert.deepEqual(await descend(observed.server), expected);
  observed.memory.assertIdle();
  const shallow = await startObserved({ callDepthMax: 1 });
  await shallow.server.deploy('descend', wat(DESCEND));
  assert.deepEqual(await descend(shallow.server), { ...expected, depth: 1 });
  await shallow.server.stop();
});

test('a callee without room for its home is a status, and the rest of the server has room again afterwards', async () => {
  const { server, memory } = await startObserved();
  const memoryLimitBytes = 2 ** 28;
  const growing = (text: string): Uint8Array =>
    wat(text.replace('(memory 1)', '(memory 1) (func (drop (memory.grow (i32.const 1))))'));
  await server.deploy('descend', growing(DESCEND), { memoryLimitBytes });
  const first = await descend(server);
  assert.ok(first.depth > 1);
  assert.deepEqual(first, { status: S.HOME_MEMORY_EXHAUSTED, depth: first.depth, kept: 6 });
  memory.assertIdle();
  assert.deepEqual(await descend(server), first);
  // Its idle homes fill the address space, and must not keep others out.
  const large = growing(`(module (memory 1) ${handle('(local.get $request)')})`);
  await server.deploy('other', large, { memoryLimitBytes });
  assert.equal((await server.invoke('other', Buffer.from('x'))).body.length, 1);
  assert.equal((await descend(server)).status, S.HOME_MEMORY_EXHAUSTED);
  assert.equal((await server.invoke('other', Buffer.from('x'))).body.length, 1);
  memory.assertIdle();
  await server.stop();
});

test('16 MiB go through three functions and back without being copied: the same address all the way', async () => {
  const { server, memory } = await startObserved();
  const bytes = 2 ** 24;
  // Each writes its number at a place of its own, and the address it sees.
  const relay = (
    number: number,
    next: string,
  ): string => `(module ${imports('call_name')} (memory 1) (data (i32.const 0) "${next}")
    ${handle(`
      (i32.store offset=${number * 4} (local.get $request) (local.get $request))
      (i32.store offset=${bytes - 16 + number * 4} (local.get $request) (i32.const ${number}))
      ${next === '' ? '' : `(local.set $request (call $call_name (i32.const 0) (i32.const ${next.length}) (local.get $request)))`}
      (local.get $request)`)})`;
  await server.deploy('first', wat(relay(1, 'second')));
  await server.deploy('second', wat(relay(2, 'third')));
  await server.deploy('third', wat(relay(3, '')));
  const request = Buffer.alloc(bytes, 0x77);
  const response = Buffer.from((await server.invoke('first', request)).body);
  assert.equal(response.length, bytes);
  const seen = [1, 2, 3].map((number) => response.readUInt32LE(number * 4));
  assert.equal(new Set(seen).size, 1, `one address: ${seen}`);
  assert.ok((seen[0] ?? 0) >= 2 ** 31);
  assert.deepEqual(
    [1, 2, 3].map((number) => response.readUInt32LE(bytes - 16 + number * 4)),
    [1, 2, 3],
  );
  assert.ok(response.subarray(16, bytes - 12).equals(request.subarray(16, bytes - 12)));
  // One ArgBuf of that size is all there ever was.
  assert.equal(memory.carvedOf(24), 1);
  memory.assertIdle();
  await server.stop();
});

test('a response that is larger than a request', async () => {
  const { server, memory } = await startObserved();
  await server.deploy(
    'large',
    wat(`(module ${imports('argbuf_new')} (memory 0)
      ${handle('(i32.store8 (local.tee $length (call $argbuf_new (i32.load (local.get $request)))) (i32.const 7)) (local.get $length)')})`),
  );
  const ask = (length: number): Promise<{ body: Uint8Array }> =>
    server.invoke('large', new Uint8Array(Uint32Array.of(length).buffer));
  for (const length of [1, 128, 129, 65536, 2 ** 20 + 1, 2 ** 26]) {
    const { body } = await ask(length);
    assert.deepEqual([body.length, body[0], body.at(-1)], [length, 7, length === 1 ? 7 : 0]);
    memory.assertIdle();
  }
  // The status is no address, so the store faults.
  await assert.rejects(ask(2 ** 28 + 1), { code: 'FUNCTION_FAULT' });
  await server.stop();
});

test('a fault deep inside goes no further than its caller', async () => {
  const { server, records } = observed;
  const text = `(module ${imports('call_name', 'argbuf_new')} (memory 1) (data (i32.const 0) "deep") (data (i32.const 16) "memory")
    ${handle(
      `
      (local.set $n (i32.load8_u (local.get $request)))
      (i32.store8 (local.get $request) (i32.sub (local.get $n) (i32.const 1)))
      (if (result i32) (local.get $n)
        (then (call $call_name (i32.const 0) (i32.const 4) (local.get $request)))
        (else
          (local.set $x (call $argbuf_new (i32.const 2)))
          (i32.store8 (local.get $x) (call $call_name (i32.const 16) (i32.const 6) (local.get $request)))
          (i32.store8 offset=1 (local.get $x) (i32.const 1))
          (local.get $x)))`,
      '(local $n i32) (local $x i32)',
    )})`;
  await server.deploy('deep', wat(text));
  for (const depth of [0, 1, 5, CALL_DEPTH_MAX - 1]) {
    records.length = 0;
    const { body } = await server.invoke('deep', Uint8Array.of(depth));
    assert.deepEqual([...body], [S.CALLEE_MEMORY_FAULT, 1]);
    assert.equal(records.length, 1);
    assert.equal(records[0]?.fault?.address, '0x70000000');
    observed.memory.assertIdle();
  }
});

test('who listens to the log may fail, and may not invoke; deploying and removing wait for the invocation', async () => {
  let listen = (): void => {};
  const server = await startWorkerServer({ executors: 0, log: () => listen() });
  const logger = (value: number): Uint8Array =>
    wat(`(module ${imports('log', 'call_name')} (memory 1) (data (i32.const 0) "echo")
      ${handle(`
        (drop (call $log (i32.const 1) (i32.const 0) (i32.const 4)))
        (local.set $request (call $call_name (i32.const 0) (i32.const 4) (local.get $request)))
        (i32.store8 (local.get $request) (i32.const ${value}))
        (local.get $request)`)})`);
  await server.deploy('echo', wat(CALLEES['echo'] ?? ''));
  await server.deploy('logger', logger(65));
  const invoke = async (): Promise<string> =>
    Buffer.from((await server.invoke('logger', Buffer.from('request'))).body).toString();
  const inside: Promise<unknown>[] = [];

  listen = () => {
    throw new Error('a listener that fails');
  };
  assert.equal(await invoke(), 'Aequest');
  listen = () => void inside.push(jordError(server.invoke('echo', Buffer.from('x'))));
  assert.equal(await invoke(), 'Aequest');
  assert.equal(((await inside[0]) as JordError).code, 'BAD_REQUEST');
  listen = () => void inside.push(server.remove('echo'), server.deploy('logger', logger(66)));
  assert.equal(await invoke(), 'Aequest', 'the version that was there when it began');
  listen = () => {};
  await Promise.all(inside);
  await assert.rejects(invoke(), { code: 'FUNCTION_FAULT' }, 'its callee is gone, and it writes to the status');
  await server.deploy('echo', wat(CALLEES['echo'] ?? ''));
  assert.equal(await invoke(), 'Bequest');
  await server.stop();
});
