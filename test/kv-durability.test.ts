/** Durable spaces of the key-value store, when processes are killed, disks are full or slow, and servers start again. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type ErrorCode, JordError } from '../src/errors.ts';
import type { LogRecord } from '../src/server/types.ts';
import { type LocalWorkerServer, startWorkerServer } from '../src/server/worker-server.ts';
import { eventually } from './census.ts';
import { crash } from './kv-crash.ts';
import { keyBytes } from './kv-requests.ts';
import { jordError } from './observed-server.ts';

const TIMEOUT = { timeout: 120_000 };
const MIB = 2 ** 20;

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'jord-kv-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function code(expected: ErrorCode, words = /./): (error: unknown) => boolean {
  return (error) => error instanceof JordError && error.code === expected && words.test(error.message);
}

async function start(dataFolder: string, log: (record: LogRecord) => void = () => {}): Promise<LocalWorkerServer> {
  const server = await startWorkerServer({ executors: 0, dataFolder, log });
  await server.kv.create('s', { durable: true });
  return server;
}

function put(server: LocalWorkerServer, key: number, size = 4): Promise<bigint> {
  return server.kv.put('s', keyBytes(key), new Uint8Array(size).fill(key));
}

test('killed in the midst of durable writes, again and again: what was acknowledged is there', TIMEOUT, async (t) => {
  const seed = Date.now() & 0x7fff_ffff;
  t.diagnostic(`seed ${seed}`);
  const result = await crash({ folder: temporaryFolder(t), kills: 3, seed });
  t.diagnostic(JSON.stringify(result));
  assert.ok(result.acknowledged > 50);
});

test(
  'a disk that is full refuses, keeps what it has acknowledged, and goes on when it has room',
  TIMEOUT,
  async (t) => {
    const folder = temporaryFolder(t);
    const records: LogRecord[] = [];
    let server = await start(folder, (record) => records.push(record));
    await server.limitKvFile(200);
    const acknowledged: number[] = [];
    const refused: number[] = [];
    for (let key = 1; refused.length === 0; key++) {
      await put(server, key, 50_000).then(
        () => acknowledged.push(key),
        (error: unknown) => {
          assert.ok(code('KV_DISK_FAILED')(error));
          refused.push(key);
        },
      );
    }
    assert.ok(acknowledged.length >= 5);
    const info = await server.kv.space('s');
    assert.deepEqual([info.diskFailed, info.unsavedBytes > 0], [true, true]);
    // Nothing is changed, or promised, while it refuses; all can be read.
    await assert.rejects(put(server, 900), code('KV_DISK_FAILED'));
    await assert.rejects(server.kv.delete('s', keyBytes(1)), code('KV_DISK_FAILED'));
    await assert.rejects(
      server.kv.create('new', { durable: true, keysMax: 5 }).then(() => put(server, 1, 1e6)),
      code('KV_DISK_FAILED'),
    );
    assert.equal(server.kv.get('s', keyBytes(900)), undefined);
    for (const key of [...acknowledged, ...refused])
      assert.equal(server.kv.get('s', keyBytes(key))?.value.length, 50_000);
    assert.equal(records.filter(({ level }) => level === 'error').length, 1, 'it is said once');

    await server.limitKvFile(0);
    await eventually(async () => assert.equal((await server.kv.space('s')).diskFailed, false));
    await put(server, 901);
    await server.stop();
    server = await start(folder);
    for (const key of [...acknowledged, ...refused])
      assert.equal(server.kv.get('s', keyBytes(key))?.value.length, 50_000);
    assert.ok(server.kv.get('s', keyBytes(901)));
    await server.stop();
  },
);

test('the same on a file system without room', TIMEOUT, async (t) => {
  const folder = join(temporaryFolder(t), 'small');
  mkdirSync(folder);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder]);
  if (mounted.status !== 0) {
    t.skip('no file system can be mounted here');
    return;
  }
  try {
    await fillAndMakeRoom(folder);
  } finally {
    spawnSync('umount', ['-l', folder]);
  }
});

async function fillAndMakeRoom(folder: string): Promise<void> {
  const ballast = join(folder, 'ballast');
  writeFileSync(ballast, Buffer.alloc(1.5 * MIB));
  let server = await start(folder);
  const acknowledged: number[] = [];
  let error: unknown;
  for (let key = 1; error === undefined; key++) {
    await put(server, key, 40_000).then(
      () => acknowledged.push(key),
      (thrown: unknown) => {
        error = thrown;
      },
    );
  }
  assert.ok(code('KV_DISK_FAILED')(error), String(error));
  assert.ok(acknowledged.length > 0);
  truncateSync(ballast, 0);
  await eventually(async () => assert.equal((await server.kv.space('s')).diskFailed, false));
  await put(server, 1000, 40_000);
  acknowledged.push(1000);
  await server.stop();
  server = await start(folder);
  for (const key of acknowledged) assert.equal(server.kv.get('s', keyBytes(key))?.value.length, 40_000);
  await server.stop();
}

test('who writes faster than the disk is held back, and loses nothing', TIMEOUT, async (t) => {
  const folder = temporaryFolder(t);
  const server = await start(folder);
  const blocker = new DatabaseSync(join(folder, 'kv.sqlite'), { timeout: 5000 });
  blocker.exec('BEGIN IMMEDIATE');
  const acknowledged: number[] = [];
  let refusal: JordError | undefined;
  const writes: Promise<void>[] = [];
  for (let key = 1; refusal === undefined && key < 400; key++) {
    const write = put(server, key, MIB);
    writes.push(
      write.then(
        () => void acknowledged.push(key),
        (error: unknown) => {
          if (error instanceof JordError) refusal ??= error;
        },
      ),
    );
    if (key % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  blocker.exec('ROLLBACK');
  blocker.close();
  await Promise.all(writes);
  assert.equal(refusal?.code, 'KV_BACKLOG');
  assert.ok(acknowledged.length >= 64 && acknowledged.length <= 130, `${acknowledged.length} MiB`);
  await put(server, 500);
  for (const key of acknowledged) assert.equal(server.kv.get('s', keyBytes(key))?.value.length, MIB);
  await server.kv.drop('s');
  await server.stop();
});

test('versions go on after a restart, a delete, and a drop', TIMEOUT, async (t) => {
  const folder = temporaryFolder(t);
  let server = await start(folder);
  await server.kv.create('memory');
  let last = await put(server, 1);
  const lastOfMemory = await server.kv.put('memory', keyBytes(1), keyBytes(1));
  await server.kv.delete('s', keyBytes(1));
  for (let life = 0; life < 3; life++) {
    await server.stop();
    server = await start(folder);
    assert.equal(server.kv.get('s', keyBytes(1)), undefined);
    const version = await put(server, 1);
    assert.ok(version > last);
    last = version;
    await server.kv.delete('s', keyBytes(1));
  }
  assert.ok((await server.kv.put('memory', keyBytes(1), keyBytes(1))) > lastOfMemory);
  await server.kv.drop('s');
  await server.kv.create('s', { durable: true });
  const anew = await put(server, 1);
  assert.ok(anew > last);
  await server.kv.drop('s');
  await server.stop();
  server = await start(folder);
  assert.ok((await put(server, 1)) > anew);
  await server.stop();
});

test('keys expire over a restart too, and keep what is left of their time', TIMEOUT, async (t) => {
  const folder = temporaryFolder(t);
  let server = await start(folder);
  const { kv } = server;
  await kv.put('s', keyBytes(1), keyBytes(1), { ttlMs: 200 });
  await kv.put('s', keyBytes(2), keyBytes(2), { ttlMs: 60_000 });
  await kv.put('s', keyBytes(3), keyBytes(3));
  await kv.put('s', keyBytes(4), keyBytes(4), { ttlMs: 60_000 });
  await kv.put('s', keyBytes(4), keyBytes(4));
  await server.stop();
  await delay(250);
  server = await start(folder);
  assert.equal((await server.kv.space('s')).keys, 3);
  assert.equal(server.kv.get('s', keyBytes(1)), undefined);
  const ttlMs = server.kv.get('s', keyBytes(2))?.ttlMs ?? 0;
  assert.ok(ttlMs > 50_000 && ttlMs < 59_900, `${ttlMs} ms`);
  assert.equal(server.kv.get('s', keyBytes(3))?.ttlMs, null);
  assert.equal(server.kv.get('s', keyBytes(4))?.ttlMs, null);
  await server.stop();
});

test('what expired while the server ran is gone from the disk, and what was evicted too', TIMEOUT, async (t) => {
  const folder = temporaryFolder(t);
  const server = await start(folder);
  await server.kv.create('cache', { durable: true, cache: true, keysMax: 20 });
  await Promise.all(Array.from({ length: 100 }, (_, i) => server.kv.put('cache', keyBytes(i), keyBytes(i))));
  await server.kv.put('s', keyBytes(1), keyBytes(1), { ttlMs: 30 });
  await eventually(async () => assert.equal((await server.kv.space('s')).keys, 0));
  await server.stop();
  const database = new DatabaseSync(join(folder, 'kv.sqlite'), { readOnly: true });
  const counts = database.prepare('SELECT count(*) AS count FROM entries').get();
  database.close();
  assert.equal(counts?.['count'], 20);
});

test(
  'a file that cannot be used keeps the server from starting, says what to do, and is left as it is',
  TIMEOUT,
  async (t) => {
    const folder = temporaryFolder(t);
    const server = await start(folder);
    await Promise.all(Array.from({ length: 500 }, (_, i) => put(server, i, 1000)));
    await server.stop();
    const path = join(folder, 'kv.sqlite');
    const { size } = statSync(path);
    truncateSync(path, Math.floor(size / 2));
    const error = await jordError(startWorkerServer({ executors: 0, dataFolder: folder }));
    assert.equal(error.code, 'STORE_UNUSABLE');
    assert.match(error.message, /kv\.sqlite cannot be read: it is damaged\. .*move it away/);
    assert.equal(statSync(path).size, Math.floor(size / 2));
    // The lock of the folder is free, and without the file there are no keys.
    rmSync(path);
    const again = await start(folder);
    assert.equal((await again.kv.space('s')).keys, 0);
    await again.stop();
  },
);

test('a program with nothing else to do ends, and waits for what it has put', TIMEOUT, async (t) => {
  const folder = temporaryFolder(t);
  const program = `
    import { Jord } from ${JSON.stringify(new URL('../src/jord.ts', import.meta.url).href)};
    const jord = await Jord.start({ executors: 1, dataFolder: ${JSON.stringify(folder)} });
    await jord.kv.create('s', { durable: true });
    await jord.kv.put('s', new Uint8Array([1]), new Uint8Array(100_000));
    console.log('done');`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [exitCode] = await once(child, 'close');
  assert.deepEqual([exitCode, output], [0, 'done\n']);
  const server = await start(folder);
  assert.equal(server.kv.get('s', new Uint8Array([1]))?.value.length, 100_000);
  await server.stop();
});
