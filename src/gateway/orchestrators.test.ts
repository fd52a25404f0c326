import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { JordError } from '../errors.ts';
import { assemble } from '../guard/testing-wat.ts';
import type { OrchestratorStats } from '../server/types.ts';
import { startWorkerServer, type WorkerServerOptions } from '../server/worker-server.ts';
import { startGateways } from './orchestrators.ts';

const ECHO = '(module (memory 1) (func (export "handle") (param i32 i32) (result i32) (local.get 0)))';
const SLEEP = `(module (import "jord" "sleep" (func $sleep (param i32) (result i32))) (memory 1)
  (func (export "handle") (param i32 i32) (result i32) (drop (call $sleep (i32.const 60000))) (local.get 0)))`;
const LOOPBACK = { host: '127.0.0.1', port: 0 };

interface StartOptions extends WorkerServerOptions {
  readonly isReady?: () => boolean;
}

async function start(
  t: { after(operation: () => Promise<unknown>): void },
  { isReady = () => true, ...options }: StartOptions = {},
) {
  const worker = await startWorkerServer({ executors: 2, orchestrators: 2, queueDelayMs: 0, ...options });
  const gateway = await startGateways(worker, { ...LOOPBACK, isReady });
  t.after(async () => {
    await gateway.close(0);
    await worker.stop();
  });
  return { worker, gateway };
}

/** A connection of its own, which the kernel gives to one orchestrator or the other. */
async function post(url: string, body: string): Promise<string> {
  const response = await fetch(url, { method: 'POST', body, headers: { connection: 'close' } });
  return `${response.status} ${await response.text()}`;
}

test('connections are spread over orchestrators, which all know what is deployed by any of them', async (t) => {
  const { worker, gateway } = await start(t);
  for (let version = 0; version < 4; version++) {
    const name = `echo-${version}`;
    const response = await fetch(`${gateway.url}/functions/${name}`, {
      method: 'PUT',
      body: Buffer.from(assemble(ECHO)),
    });
    assert.equal(response.status, 201, await response.text());
    const answers = await Promise.all(Array.from({ length: 40 }, () => post(`${gateway.url}/fn/${name}`, name)));
    assert.deepEqual(new Set(answers), new Set([`200 ${name}`]));
  }
  const { orchestrators } = await worker.stats();
  assert.equal(orchestrators.length, 2);
  assert.equal(
    orchestrators.reduce((sum, { accepted }) => sum + accepted, 0),
    160,
  );
  for (const { accepted } of orchestrators) assert.ok(accepted > 0, 'both have had some');
  await worker.remove('echo-0');
  for (let i = 0; i < 10; i++) assert.match(await post(`${gateway.url}/fn/echo-0`, ''), /^404 /);
});

test('keys that are put through any of them are there through all of them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'jord-orchestrators-'));
  t.after(async () => rmSync(folder, { recursive: true, force: true }));
  const { gateway } = await start(t, { dataFolder: folder });
  const ask = async (method: string, path: string, body?: string): Promise<string> => {
    const headers = { connection: 'close' };
    const response = await fetch(`${gateway.url}/kv${path}`, { method, headers, body: body ?? null });
    return `${response.status} ${await response.text()}`;
  };
  for (const kind of ['{"durable":true}', '{}']) {
    assert.match(await ask('PUT', '/s', kind), /^201 /);
    const added = Array.from({ length: 40 }, () => ask('POST', '/s/keys/n/add', '1'));
    const sums = (await Promise.all(added)).map((answer) => Number(/^200 (\d+)\n$/.exec(answer)?.[1]));
    assert.deepEqual(
      sums.sort((a, b) => a - b),
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    const lines = Array.from({ length: 500 }, (_, i) => `{"key":"k${i}","value":"${i}"}\n`).join('');
    const imports = Array.from({ length: 8 }, () => ask('POST', '/s/import', lines));
    for (const answer of await Promise.all(imports)) assert.match(answer, /^200 .*"imported": 500/s);
    const exports = await Promise.all(Array.from({ length: 8 }, () => ask('GET', '/s/export')));
    assert.equal(new Set(exports).size, 1);
    assert.equal(exports[0]?.split('\n').length, 502);
    for (const answer of await Promise.all(Array.from({ length: 8 }, () => ask('GET', '/s')))) {
      assert.match(answer, /^200 .*"keys": 501,/s);
    }
    assert.match(await ask('DELETE', '/s'), /^204 /);
    for (let i = 0; i < 8; i++) assert.match(await ask('GET', '/s/keys/k1'), /^404 .*KV_SPACE_UNKNOWN/s);
  }
});

test('all of them are ready when the server is', async (t) => {
  let isReady = false;
  const { gateway } = await start(t, { isReady: () => isReady });
  const statuses = async (): Promise<Set<number>> => {
    const answers = Array.from({ length: 20 }, () =>
      fetch(`${gateway.url}/readyz`, { headers: { connection: 'close' } }),
    );
    return new Set((await Promise.all(answers)).map(({ status }) => status));
  };
  assert.deepEqual(await statuses(), new Set([503]));
  isReady = true;
  for (const started = performance.now(); (await statuses()).has(503); ) {
    assert.ok(performance.now() - started < 10_000, 'one is never ready');
    await delay(10);
  }
});

test('closing cuts off what runs on any of them, and counts it together', async (t) => {
  const { worker, gateway } = await start(t);
  await worker.deploy('sleep', assemble(SLEEP), { deadlineMs: 100_000 });
  const answers = Array.from({ length: 12 }, () => post(`${gateway.url}/fn/sleep`, 'x'));
  const running = async (): Promise<number> =>
    (await worker.stats()).orchestrators.reduce((sum, { outstanding }) => sum + outstanding, 0);
  for (const started = performance.now(); (await running()) < 12; ) {
    assert.ok(performance.now() - started < 10_000, 'they do not begin');
    await delay(5);
  }
  assert.deepEqual(await gateway.close(10), { cutOff: [{ function: 'sleep', count: 12 }] });
  for (const answer of await Promise.all(answers)) assert.match(answer, /^503 .*SERVER_STOPPED/s);
});

/** What is answered first to a request whose body does not come. */
function statusBeforeBody(port: number, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n`;
  const socket = connect(port, '127.0.0.1', () => socket.write(head));
  socket.setTimeout(10_000, () => reject(new Error('nothing is answered before the body')));
  socket.on('error', reject);
  socket.on('data', (chunk: Buffer) => resolve(chunk.toString('latin1').slice(0, 12)));
  return promise.finally(() => socket.destroy());
}

test('each of them refuses what it will not take before the body is read', async (t) => {
  const { worker, gateway } = await start(t, { outstandingMax: 1 });
  await worker.deploy('sleep', assemble(SLEEP), { deadlineMs: 100_000 });
  const running: Promise<string>[] = [];
  const each = async (): Promise<readonly OrchestratorStats[]> => (await worker.stats()).orchestrators;
  // Which one gets a connection is up to the system.
  for (const started = performance.now(); !(await each()).every(({ outstanding }) => outstanding === 1); ) {
    assert.ok(performance.now() - started < 10_000, 'one of them gets nothing');
    running.push(post(`${gateway.url}/fn/sleep`, 'x'));
    await delay(5);
  }
  const before = await each();
  const statuses = Array.from({ length: 40 }, () => statusBeforeBody(gateway.port, '/fn/sleep'));
  assert.deepEqual(new Set(await Promise.all(statuses)), new Set(['HTTP/1.1 503']));
  for (const [i, { refused }] of (await each()).entries()) {
    assert.ok(refused > (before[i]?.refused ?? 0), `orchestrator ${i}`);
  }
  await gateway.close(0);
  for (const answer of await Promise.all(running)) assert.match(answer, /^503 /);
});

test('a port that somebody else has is refused, though it could be shared', async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.after(async () => void other.close());
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const worker = await startWorkerServer({ executors: 2, orchestrators: 2 });
  t.after(() => worker.stop());
  await assert.rejects(startGateways(worker, { host: '127.0.0.1', port }), (error) => {
    return error instanceof JordError && error.code === 'LISTEN_FAILED';
  });
});
