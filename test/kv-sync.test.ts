/** Functions that wait until what they changed is on disk. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import * as L from '../core/layout.ts';
import * as S from '../core/status.ts';
import { Cancellation } from '../src/server/types.ts';
import type { WorkerServerOptions } from '../src/server/worker-server.ts';
import { assertQuiet, eventually } from './census.ts';
import { ECHO, words, wordsOf } from './guests.ts';
import { kvGuest } from './kv-guests.ts';
import { ask, keyBytes, request } from './kv-requests.ts';
import { jordError, type ObservedServer, startObserved } from './observed-server.ts';

const TIMEOUT = { timeout: 60_000 };
const SMALL = { memoryLimitBytes: 65_536 };

interface Durable extends ObservedServer {
  readonly folder: string;
}

async function start(t: TestContext, options: WorkerServerOptions = {}): Promise<Durable> {
  const folder = mkdtempSync(join(tmpdir(), 'jord-kv-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const observed = await startObserved({ executors: 1, queueDelayMs: 0, ...options, dataFolder: folder });
  const { server } = observed;
  await server.kv.create('carts', { durable: true });
  await server.deploy('writer', kvGuest('carts'), { ...SMALL, kv: ['carts:rw'] });
  await server.deploy('echo', ECHO, SMALL);
  return { ...observed, folder };
}

/** Keeps the writer from the file for as long as it has patience: 2 seconds. Returns what ends that. */
function occupyFile({ folder }: Durable): () => void {
  const database = new DatabaseSync(join(folder, 'kv.sqlite'), { timeout: 5000 });
  database.exec('BEGIN IMMEDIATE');
  return () => {
    database.exec('ROLLBACK');
    database.close();
  };
}

function stored({ folder }: Durable, key: number): boolean {
  const database = new DatabaseSync(join(folder, 'kv.sqlite'), { readOnly: true });
  const row = database.prepare('SELECT version FROM entries WHERE key = ?').get(keyBytes(key));
  database.close();
  return row !== undefined;
}

/** Nobody waits any more; and once the space is gone, there is nothing that was in it. */
async function end(observed: Durable): Promise<void> {
  const { server, memory } = observed;
  await eventually(() => assert.equal(memory.sum(L.EXECUTOR_SYNC_WAITS), 0));
  await server.remove('writer');
  await server.kv.drop('carts');
  await assertQuiet(observed);
  await server.stop();
}

test('what was waited for is on disk', TIMEOUT, async (t) => {
  const observed = await start(t);
  for (let key = 1; key <= 20; key++) {
    assert.equal(await ask(observed.server, 'writer', 'putAndSync', key, key), S.OK);
    assert.ok(stored(observed, key), `key ${key}`);
  }
  assert.equal(await ask(observed.server, 'writer', 'sync'), S.OK, 'there is nothing to wait for');
  await end(observed);
});

test('many that wait share what is written, and hold no executor', TIMEOUT, async (t) => {
  const observed = await start(t, { outstandingMax: 20_000 });
  const { server, memory } = observed;
  const release = occupyFile(observed);
  const waiting = Array.from({ length: 1000 }, (_, i) => ask(server, 'writer', 'putAndSync', i, i));
  await eventually(() => assert.equal(memory.sum(L.EXECUTOR_SYNC_WAITS), 1000));
  assert.equal(memory.sum(L.EXECUTOR_SUSPENDED), 1000);
  assert.deepEqual(wordsOf(await server.invoke('echo', words(7))), [7]);
  release();
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set([S.OK]));
  assert.ok([0, 500, 999].every((key) => stored(observed, key)));
  await end(observed);
});

test('deadlines and cancels end such a wait', TIMEOUT, async (t) => {
  const observed = await start(t);
  const { server, memory } = observed;
  const release = occupyFile(observed);
  const cancellation = new Cancellation();
  const late = jordError(server.invoke('writer', request('putAndSync', 1, 1), { deadlineMs: 150 }));
  const cancelled = jordError(server.invoke('writer', request('putAndSync', 2, 2), { cancellation }));
  const patient = ask(server, 'writer', 'putAndSync', 3, 3);
  await eventually(() => assert.equal(memory.sum(L.EXECUTOR_SYNC_WAITS), 3));
  cancellation.cancel();
  assert.equal((await cancelled).code, 'INVOCATION_CANCELLED');
  await eventually(() => assert.equal(memory.sum(L.EXECUTOR_SYNC_WAITS), 2));
  assert.equal((await late).code, 'DEADLINE_EXCEEDED');
  await eventually(() => assert.equal(memory.sum(L.EXECUTOR_SYNC_WAITS), 1));
  release();
  assert.equal(await patient, S.OK);
  // What they have put, they have put.
  assert.ok(stored(observed, 1) && stored(observed, 2));
  await end(observed);
});

test('who cannot suspend holds its thread, up to its deadline', TIMEOUT, async (t) => {
  const observed = await start(t, { executors: 0 });
  const { server } = observed;
  assert.equal(await ask(server, 'writer', 'putAndSync', 1, 1), S.OK);
  assert.ok(stored(observed, 1));
  const release = occupyFile(observed);
  const error = await jordError(server.invoke('writer', request('putAndSync', 2, 2), { deadlineMs: 100 }));
  assert.equal(error.code, 'DEADLINE_EXCEEDED');
  release();
  assert.equal(await ask(server, 'writer', 'sync'), S.OK);
  assert.ok(stored(observed, 2));
  await end(observed);
});

test('an executor that is lost takes nothing with it but what waits there', TIMEOUT, async (t) => {
  const observed = await start(t);
  const { server, memory } = observed;
  const release = occupyFile(observed);
  const lost = jordError(server.invoke('writer', request('putAndSync', 1, 1)));
  const own = server.kv.put('carts', keyBytes(2), keyBytes(2));
  await eventually(() => assert.equal(memory.sum(L.EXECUTOR_SYNC_WAITS), 1));
  await server.replaceExecutor(0);
  assert.equal((await lost).code, 'EXECUTOR_LOST');
  assert.equal(memory.sum(L.EXECUTOR_SYNC_WAITS), 0);
  release();
  await own;
  assert.ok(stored(observed, 1) && stored(observed, 2));
  assert.equal(await ask(server, 'writer', 'putAndSync', 3, 3), S.OK);
  await end(observed);
});

test('when the disk refuses, who waits is told, and so is who changes something', TIMEOUT, async (t) => {
  const observed = await start(t);
  const { server, memory, records } = observed;
  await server.limitKvFile(1);
  const release = occupyFile(observed);
  const waiting = ask(server, 'writer', 'putAndSync', 1, 100_001);
  // More than there is room for.
  const large = jordError(server.kv.put('carts', keyBytes(3), new Uint8Array(200_000)));
  await eventually(() => assert.equal(memory.sum(L.EXECUTOR_SYNC_WAITS), 1));
  release();
  assert.equal(await waiting, S.KV_DISK_FAILED);
  assert.equal((await large).code, 'KV_DISK_FAILED');
  assert.equal(await ask(server, 'writer', 'put', 2, 100_002), S.KV_DISK_FAILED);
  assert.equal(await ask(server, 'writer', 'delete', 1), S.KV_DISK_FAILED);
  assert.equal(await ask(server, 'writer', 'get', 1), 100_001, 'what was put is there');
  assert.equal(await ask(server, 'writer', 'get', 2), S.KV_NO_SUCH_KEY);
  assert.equal((await server.kv.space('carts')).diskFailed, true);
  await server.limitKvFile(0);
  await eventually(async () => assert.equal((await server.kv.space('carts')).diskFailed, false));
  assert.equal(await ask(server, 'writer', 'sync'), S.OK);
  assert.ok(stored(observed, 1) && stored(observed, 3));
  assert.equal(await ask(server, 'writer', 'putAndSync', 2, 100_002), S.OK);
  const said = records.map(({ level, message }) => `${level} ${message}`).filter((text) => text.includes('key-value'));
  assert.equal(said.length, 2, said.join('\n'));
  assert.match(said[0] ?? '', /^error .* disk refuses .* full/);
  assert.match(said[1] ?? '', /^info .* again/);
  await end(observed);
});
