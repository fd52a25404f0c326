import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Answer, send, sendRaw, until } from './gateway.fixture.ts';
import { MemoryWorker } from './memory-worker.fixture.ts';
import { type CloseReport, type Gateway, startGateway } from './server.ts';

const NEVER: Promise<never> = new Promise(() => undefined);
const CLOSED_AFTER_MS = 1000;

/** A gateway with a function that answers when it is told to, and two that never do. */
async function start(
  options: { readonly isDeaf?: boolean } = {},
): Promise<{ readonly gateway: Gateway; readonly finish: () => void }> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = async (): Promise<{ body: Uint8Array }> => {
    await promise;
    return { body: Buffer.from('done') };
  };
  const worker = new MemoryWorker({ slow, zombie: () => NEVER, 'a-zombie': () => NEVER }, options);
  return { gateway: await startGateway(worker, { host: '127.0.0.1', port: 0 }), finish: resolve };
}

const SLOW_REQUEST = 'GET /fn/slow HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** How long it takes, and what comes of it. */
async function timed<T>(operation: Promise<T>): Promise<{ readonly value: T; readonly durationMs: number }> {
  const startedAt = performance.now();
  const value = await operation;
  return { value, durationMs: performance.now() - startedAt };
}

function assertCutOff(answer: Answer): void {
  assert.equal(answer.status, 503);
  assert.equal(answer.headers['content-type'], 'application/problem+json');
  assert.equal(answer.headers['retry-after'], '1');
  assert.equal(answer.json['code'], 'SERVER_STOPPED');
}

test('closing finishes what is under way, and is not ready meanwhile', async () => {
  const { gateway, finish } = await start();
  let write: (more: string) => void = assert.fail;
  const answers = sendRaw(gateway, SLOW_REQUEST, (writeMore) => {
    write = writeMore;
  });
  await until('it runs', () => gateway.invocations === 1);
  const closed = timed(gateway.close());
  await delay(20);
  await assert.rejects(send(gateway, { path: '/healthz' }), /ECONNREFUSED/);
  write(SLOW_REQUEST.replace('/fn/slow', '/readyz'));
  await delay(20);
  assert.equal(gateway.invocations, 1);
  finish();
  const parts = (await answers).split(/(?=HTTP\/1.1 )/);
  assert.match(parts[0] ?? '', /^HTTP\/1.1 200 /);
  assert.ok(parts[0]?.endsWith('done'));
  assert.match(parts[1] ?? '', /^HTTP\/1.1 503 /);
  assert.match(parts[1] ?? '', /"code": "SERVER_STOPPED"/);
  const { value, durationMs } = await closed;
  assert.deepEqual(value, { cutOff: [] });
  assert.ok(durationMs < CLOSED_AFTER_MS, `${durationMs}`);
});

test('closing does not wait for a kept-alive connection', async () => {
  const { gateway, finish } = await start();
  const answer = sendRaw(gateway, SLOW_REQUEST);
  await until('it runs', () => gateway.invocations === 1);
  const closed = timed(gateway.close());
  finish();
  assert.ok((await answer).endsWith('done'));
  const { value, durationMs } = await closed;
  assert.deepEqual(value, { cutOff: [] });
  assert.ok(durationMs < CLOSED_AFTER_MS, `${durationMs}`);
});

test('what takes longer than the grace is cancelled, answered and reported', async () => {
  const { gateway, finish } = await start();
  const answers = ['zombie', 'slow', 'a-zombie', 'zombie'].map((name) => send(gateway, { path: `/fn/${name}` }));
  await until('all run', () => gateway.invocations === 4);
  const closed = timed(gateway.close(150));
  await delay(50);
  finish();
  const [first, slow, ...others] = await Promise.all(answers);
  assert.ok(first !== undefined);
  for (const answer of [first, ...others]) assertCutOff(answer);
  assert.match(String(first.json['detail']), /zombie was cancelled/);
  assert.equal(slow?.body.toString(), 'done');
  const { value, durationMs } = await closed;
  assert.deepEqual(value, {
    cutOff: [
      { function: 'a-zombie', count: 1 },
      { function: 'zombie', count: 2 },
    ],
  });
  assert.ok(durationMs >= 149 && durationMs < 150 + CLOSED_AFTER_MS, `${durationMs}`);
  assert.equal(gateway.close(0), gateway.close());
});

test('without a grace what runs is cut off at once, and what does not is none of it', async () => {
  const { gateway } = await start();
  const idle = connect(gateway.port, '127.0.0.1');
  await once(idle, 'connect');
  const ended = once(idle, 'close');
  idle.resume();
  const answer = send(gateway, { path: '/fn/zombie' });
  await until('it runs', () => gateway.invocations === 1);
  const { value, durationMs } = await timed(gateway.close(0));
  assertCutOff(await answer);
  assert.deepEqual(value, { cutOff: [{ function: 'zombie', count: 1 }] });
  await ended;
  assert.ok(durationMs < CLOSED_AFTER_MS, `${durationMs}`);
});

test('those whose clients are gone are not reported', async () => {
  const { gateway } = await start({ isDeaf: true });
  const gone = connect(gateway.port, '127.0.0.1', () => gone.write(SLOW_REQUEST));
  await until('it runs', () => gateway.invocations === 1);
  gone.destroy();
  await delay(20);
  assert.deepEqual(await gateway.close(20), { cutOff: [] });
});

test('what cannot be cancelled loses its connection a second later; nothing new begins meanwhile', async () => {
  const { gateway } = await start({ isDeaf: true });
  const stuck = assert.rejects(send(gateway, { path: '/fn/zombie' }), /socket hang up|ECONNRESET/);
  await until('the first runs', () => gateway.invocations === 1);
  // The body of the second request arrives once the first one's time is over.
  const late = connect(gateway.port, '127.0.0.1');
  late.write(`${SLOW_REQUEST.slice(0, -2)}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n`);
  await once(late, 'data');
  const closed = timed(gateway.close(100));
  await delay(300);
  late.write('x');
  const answer = String((await once(late, 'data'))[0]);
  assert.match(answer, /^HTTP\/1.1 503 [\s\S]+the function was not called/);
  const { value, durationMs } = await closed;
  await stuck;
  assert.deepEqual(value, { cutOff: [{ function: 'zombie', count: 1 }] });
  assert.ok(durationMs >= 1099 && durationMs < 1100 + CLOSED_AFTER_MS, `${durationMs}`);
});

/** A gateway in a thread, at this port. It ends with the test. */
async function startThread(t: TestContext, port: number): Promise<{ readonly thread: Worker; readonly port: number }> {
  const thread = new Worker(new URL('./gateway-thread.fixture.ts', import.meta.url), { workerData: port });
  t.after(() => thread.terminate());
  const [message] = (await once(thread, 'message')) as [number];
  return { thread, port: message };
}

test('gateways in threads share a port', async (t) => {
  if (process.platform !== 'linux') return t.skip('not all systems have it');
  const first = await startThread(t, 0);
  const second = await startThread(t, first.port);
  assert.equal(second.port, first.port);
  // Without `reusePort` the port is in use.
  await assert.rejects(startGateway(new MemoryWorker(), { host: '127.0.0.1', port: first.port }), {
    code: 'LISTEN_FAILED',
  });
  const threads = new Set<string>();
  for (let request = 0; request < 200 && threads.size < 2; request += 1)
    threads.add((await send(first, { path: '/fn/thread' })).body.toString());
  assert.equal(threads.size, 2);

  const cutOff = send(first, { path: '/fn/never' });
  await delay(100);
  const reports = [first, second].map(async ({ thread }) => {
    thread.postMessage(50);
    const [report] = (await once(thread, 'message')) as [CloseReport];
    return report.cutOff;
  });
  assertCutOff(await cutOff);
  assert.deepEqual((await Promise.all(reports)).flat(), [{ function: 'never', count: 1 }]);
});
