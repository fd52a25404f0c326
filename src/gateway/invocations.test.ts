import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { JordError } from '../errors.ts';
import type { Cancellation, InvokeOptions } from '../server/types.ts';
import { send, serve, until } from './gateway.fixture.ts';
import { Invocations } from './invocations.ts';
import { type Behaviour, MemoryWorker, type MemoryWorkerOptions } from './memory-worker.fixture.ts';
import type { Gateway, GatewayLogRecord } from './server.ts';

const NEVER: Promise<never> = new Promise(() => undefined);

/** A worker server that notes what it is given to cancel each invocation that begins. */
function observed(options: MemoryWorkerOptions = {}): {
  readonly worker: MemoryWorker;
  readonly begun: { readonly name: string; readonly cancellation: Cancellation }[];
} {
  const begun: { readonly name: string; readonly cancellation: Cancellation }[] = [];
  const note =
    (name: string, behaviour: Behaviour): Behaviour =>
    (body, invokeOptions: InvokeOptions) => {
      const { cancellation } = invokeOptions;
      assert.ok(cancellation !== undefined);
      begun.push({ name, cancellation });
      return behaviour(body, invokeOptions);
    };
  const worker = new MemoryWorker(
    {
      fast: note('fast', () => ({ body: Buffer.from('done') })),
      short: note('short', () => delay(30, { body: Buffer.from('done') })),
      never: note('never', () => NEVER),
    },
    options,
  );
  return { worker, begun };
}

function requestText(name: string): string {
  return `POST /fn/${name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx`;
}

/** A connection that has sent requests to these functions, one right behind the other. */
async function connection(t: TestContext, gateway: Gateway, ...names: readonly string[]): Promise<Socket> {
  const socket = connect(gateway.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(names.map(requestText).join(''));
  return socket;
}

test('a client that goes away cancels its invocation, whichever way it goes', async (t) => {
  const { worker, begun } = observed();
  const gateway = await serve(t, worker);
  const ways: readonly ((socket: Socket) => void)[] = [
    (socket) => socket.destroy(),
    (socket) => socket.resetAndDestroy(),
    (socket) => socket.end(),
  ];
  for (const goAway of ways) {
    const stays = await connection(t, gateway, 'never');
    const leaves = await connection(t, gateway, 'never');
    await until('both run', () => gateway.invocations === 2);
    goAway(leaves);
    await until('one has ended', () => gateway.invocations === 1);
    assert.equal(begun.filter(({ cancellation }) => cancellation.isCancelled).length, 1);
    stays.destroy();
    await until('both have ended', () => gateway.invocations === 0);
    assert.ok(begun.every(({ cancellation }) => cancellation.isCancelled));
    begun.length = 0;
  }
  assert.equal((await worker.stats()).functions[0]?.inFlight, 0);
});

test('one that is queued never begins, and those behind it do', async (t) => {
  const { worker, begun } = observed({ executors: 1 });
  const gateway = await serve(t, worker);
  const running = await connection(t, gateway, 'never');
  await until('the first runs', () => begun.length === 1);
  const queued = await connection(t, gateway, 'never');
  await until('the second is queued', () => worker.queued === 1);
  const behind = send(gateway, { method: 'POST', path: '/fn/fast' });
  await until('the third is queued', () => worker.queued === 2);
  queued.destroy();
  await until('the second is gone', () => worker.queued === 1);
  running.destroy();
  assert.equal((await behind).body.toString(), 'done');
  assert.deepEqual(
    begun.map(({ name, cancellation }) => [name, cancellation.isCancelled]),
    [
      ['never', true],
      ['fast', false],
    ],
  );
});

test('a connection that is closed after its responses cancels nothing', async (t) => {
  const { worker, begun } = observed();
  const gateway = await serve(t, worker);
  const socket = await connection(t, gateway);
  for (let round = 1; round <= 20; round += 1) {
    socket.write(requestText(round % 2 === 0 ? 'fast' : 'short'));
    await once(socket, 'data');
  }
  socket.destroy();
  // Another one of the same kind shows that the end of the first has been noticed.
  const later = await connection(t, gateway, 'never');
  await until('it runs', () => gateway.invocations === 1);
  later.destroy();
  await until('it is cancelled', () => gateway.invocations === 0);
  assert.deepEqual(
    begun.map(({ cancellation }) => cancellation.isCancelled),
    [...Array.from({ length: 20 }, () => false), true],
  );
});

test('pipelined requests: those that are under way are cancelled, and no other', async (t) => {
  const { worker, begun } = observed();
  const gateway = await serve(t, worker);
  const socket = await connection(t, gateway, 'fast', 'never', 'short', 'never');
  await until('two are left', () => begun.length === 4 && gateway.invocations === 2);
  socket.destroy();
  await until('none is left', () => gateway.invocations === 0);
  assert.deepEqual(
    begun.map(({ name, cancellation }) => [name, cancellation.isCancelled]),
    [
      ['fast', false],
      ['never', true],
      ['short', false],
      ['never', true],
    ],
  );
});

test('a client that goes away before its request has arrived calls nothing', async (t) => {
  const { worker, begun } = observed();
  const gateway = await serve(t, worker);
  const socket = await connection(t, gateway);
  socket.write(requestText('fast').replace('Length: 1', 'Length: 2'));
  await delay(20);
  socket.destroy();
  await delay(20);
  assert.equal((await send(gateway, { method: 'POST', path: '/fn/fast' })).status, 200);
  assert.equal(begun.length, 1);
});

test('a request whose client is gone is in the access log, and no error of the server', async (t) => {
  const records: GatewayLogRecord[] = [];
  const { worker } = observed();
  const gateway = await serve(t, worker, { accessLog: true, log: (record) => records.push(record) });
  const socket = await connection(t, gateway, 'never');
  await until('it runs', () => gateway.invocations === 1);
  socket.destroy();
  await until('it is logged', () => records.length === 1);
  assert.equal(records[0]?.level, 'info');
  assert.match(String(records[0]?.message), /^POST \/fn\/never client gone in [\d.]+ ms$/);
  assert.equal(records[0]?.fields['status'], undefined);
  assert.equal(records[0]?.fields['peer'], '127.0.0.1');
});

test('one listener a connection, however many invocations it has, and none once it is closed', async () => {
  const invocations = new Invocations();
  const socket = new Socket();
  const before = socket.listenerCount('close');
  for (let round = 0; round < 50; round += 1) {
    const [first, second] = [invocations.begin('a', socket), invocations.begin('b', socket)];
    assert.equal(socket.listenerCount('close'), before + 1);
    assert.equal(invocations.count, 2);
    invocations.end(first);
    invocations.end(second);
  }
  const last = invocations.begin('c', socket);
  socket.destroy();
  await once(socket, 'close');
  assert.ok(last.isCancelled);
  assert.equal(socket.listenerCount('close'), before);
  assert.throws(() => invocations.begin('d', socket), { code: 'INVOCATION_CANCELLED' });
  invocations.end(last);
  await invocations.whenEnded();
});

test('what was cut off counts unless it ended with a response or by itself', async () => {
  const invocations = new Invocations();
  const socket = new Socket();
  const names = ['cancelled', 'answered', 'failed', 'stuck', 'stuck'];
  const [cancelled, answered, failed] = names.map((name) => invocations.begin(name, socket));
  assert.ok(cancelled !== undefined && answered !== undefined && failed !== undefined);
  const error = new JordError('INVOCATION_CANCELLED', 'It was cancelled.');
  assert.equal(invocations.failure(cancelled, error), error);
  invocations.cutOff();
  const shown = invocations.failure(cancelled, error);
  assert.ok(shown instanceof JordError && shown.code === 'SERVER_STOPPED');
  invocations.end(cancelled);
  invocations.end(answered);
  const fault = new JordError('FUNCTION_FAULT', 'It failed.');
  assert.equal(invocations.failure(failed, fault), fault);
  invocations.end(failed);
  assert.throws(() => invocations.begin('late', socket), { code: 'SERVER_STOPPED' });
  assert.deepEqual(invocations.report(), {
    cutOff: [
      { function: 'cancelled', count: 1 },
      { function: 'stuck', count: 2 },
    ],
  });
  socket.destroy();
});
