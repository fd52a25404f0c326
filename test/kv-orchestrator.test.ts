/** The key-value store on the thread of another orchestrator: keys by itself, spaces through the main thread. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { KvEntry, KvPage, KvSpaceInfo } from '../src/server/kv/types.ts';
import { type LocalWorkerServer, startWorkerServer } from '../src/server/worker-server.ts';
import { ECHO } from './guests.ts';
import type { KvOrder, KvReport } from './kv-orchestrator-worker.ts';
import { keyBytes } from './kv-requests.ts';

const TIMEOUT = { timeout: 60_000 };

class Orchestrator {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (report: KvReport) => void>();
  #lastId = 0;

  constructor(server: LocalWorkerServer) {
    const data = server.connectOrchestrator(1);
    const file = new URL('./kv-orchestrator-worker.ts', import.meta.url);
    this.#worker = new Worker(file, { execArgv: [], workerData: data, transferList: [data.port] });
    this.#worker.on('message', (report: KvReport) => {
      this.#waiting.get(report.id)?.(report);
      this.#waiting.delete(report.id);
    });
  }

  /** The result, or the code of the error. */
  async ask<T>(method: KvOrder['method'], ...parameters: readonly unknown[]): Promise<T | string> {
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<KvReport>();
    this.#waiting.set(id, resolve);
    this.#worker.postMessage({ id, method, parameters } satisfies KvOrder);
    const { result, code } = await promise;
    return code ?? (result as T);
  }

  async stop(): Promise<void> {
    const exited = once(this.#worker, 'exit');
    this.#worker.postMessage('stop');
    await exited;
  }
}

async function start(t: TestContext): Promise<readonly [LocalWorkerServer, Orchestrator]> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'jord-kv-'));
  t.after(() => rmSync(dataFolder, { recursive: true, force: true }));
  const server = await startWorkerServer({ executors: 2, orchestrators: 2, dataFolder });
  return [server, new Orchestrator(server)];
}

test('both threads see the same keys and spaces, whoever made them', TIMEOUT, async (t) => {
  const [server, other] = await start(t);
  const made = await other.ask<KvSpaceInfo>('create', 'carts', { durable: true, keysMax: 9 });
  assert.deepEqual(made, await server.kv.space('carts'));
  const version = await other.ask<bigint>('put', 'carts', keyBytes(1), keyBytes(7));
  assert.deepEqual(server.kv.get('carts', keyBytes(1)), { value: keyBytes(7), version, ttlMs: null });
  await server.kv.put('carts', keyBytes(2), keyBytes(8));
  const entry = await other.ask<KvEntry>('get', 'carts', keyBytes(2));
  assert.deepEqual(typeof entry === 'string' ? entry : entry.value, keyBytes(8));
  const page = await other.ask<KvPage>('list', 'carts');
  assert.equal(typeof page === 'string' ? page : page.keys.length, 2);
  assert.equal(await other.ask('add', 'carts', keyBytes(3), 5n), 5n);
  assert.equal(await other.ask('delete', 'carts', keyBytes(1)), true);
  assert.equal(await other.ask('put', 'carts', keyBytes(2), keyBytes(1), { expected: 0n }), 'KV_CONFLICT');
  assert.equal(await other.ask('create', 'carts', { cache: true }), 'KV_SPACE_DIFFERS');
  assert.equal(await other.ask('create', 'NO'), 'KV_NAME_INVALID');

  await server.deploy('echo', ECHO, { kv: ['carts:ro'] });
  const info = await other.ask<KvSpaceInfo>('space', 'carts');
  assert.deepEqual(info, await server.kv.space('carts'));
  assert.deepEqual(typeof info === 'string' ? info : info.functions, [{ name: 'echo', rights: 'ro' }]);
  assert.equal(await other.ask('drop', 'carts'), 'KV_SPACE_IN_USE');
  await server.remove('echo');
  assert.equal(await other.ask('drop', 'carts'), undefined);
  assert.equal(await other.ask('get', 'carts', keyBytes(2)), 'KV_SPACE_UNKNOWN');
  // Another space in the same place is another one.
  await server.kv.create('other');
  assert.equal(await other.ask('get', 'carts', keyBytes(2)), 'KV_SPACE_UNKNOWN');
  assert.equal(await other.ask('get', 'other', keyBytes(2)), undefined);
  await other.stop();
  await server.stop();
});

test('both threads wait for the disk, each for its own', TIMEOUT, async (t) => {
  const [server, other] = await start(t);
  await server.kv.create('carts', { durable: true });
  const writes = Array.from({ length: 300 }, (_, i) => [
    other.ask<bigint>('put', 'carts', keyBytes(i), keyBytes(i)),
    server.kv.put('carts', keyBytes(1000 + i), keyBytes(i)),
  ]).flat();
  const versions = await Promise.all(writes);
  assert.equal(new Set(versions).size, 600, 'no version was given out twice');
  assert.equal((await server.kv.space('carts')).unsavedBytes, 0);
  await server.limitKvFile(1);
  const large = new Uint8Array(300_000);
  assert.equal(await other.ask('put', 'carts', keyBytes(1), large), 'KV_DISK_FAILED');
  await other.stop();
  await server.limitKvFile(0);
  await server.stop();
});
