/** Spaces of the key-value store: how they are made, limited and dropped, which functions reach them, and what a restart leaves. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import * as S from '../core/status.ts';
import { type ErrorCode, JordError } from '../src/errors.ts';
import type { KvSpaceOptions } from '../src/server/kv/types.ts';
import { type LocalWorkerServer, startWorkerServer } from '../src/server/worker-server.ts';
import { ECHO, guest } from './guests.ts';
import { kvGuest } from './kv-guests.ts';
import { ask, keyBytes } from './kv-requests.ts';
import { jordError, startObserved } from './observed-server.ts';

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'jord-kv-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function code(expected: ErrorCode, words = /./): (error: unknown) => boolean {
  return (error) => error instanceof JordError && error.code === expected && words.test(error.message);
}

async function names(server: LocalWorkerServer): Promise<string[]> {
  return (await server.kv.spaces()).map(({ name }) => name);
}

test('a space is created once; later only its limits change', async () => {
  const server = await startWorkerServer({ executors: 0 });
  const { kv } = server;
  const made = await kv.create('carts', { cache: true, keysMax: 10 });
  assert.deepEqual(made, {
    name: 'carts',
    durable: false,
    cache: true,
    keysMax: 10,
    bytesMax: null,
    keys: 0,
    bytes: 0,
    gets: 0,
    hits: 0,
    puts: 0,
    deletes: 0,
    evictions: 0,
    expirations: 0,
    unsavedBytes: 0,
    diskFailed: false,
    functions: [],
  });
  assert.deepEqual(await kv.create('carts', { bytesMax: 1024 }), { ...made, bytesMax: 1024 });
  assert.deepEqual(await kv.create('carts', { keysMax: null, cache: true }), {
    ...made,
    keysMax: null,
    bytesMax: 1024,
  });
  await assert.rejects(kv.create('carts', { cache: false }), code('KV_SPACE_DIFFERS', /in memory and a cache/));
  await assert.rejects(kv.create('carts', { durable: true }), code('KV_SPACE_DIFFERS'));
  await assert.rejects(kv.create('Carts'), code('KV_NAME_INVALID'));
  for (const options of [{ keysMax: 0 }, { bytesMax: 255 }, { keysMax: 2 ** 32 }, { durable: 1 }, { cash: true }]) {
    await assert.rejects(kv.create('other', options as KvSpaceOptions), code('BAD_OPTION'), JSON.stringify(options));
  }
  assert.deepEqual(await names(server), ['carts']);
  await server.stop();
});

test('a durable space needs a data folder', async () => {
  const server = await startWorkerServer({ executors: 0 });
  await assert.rejects(server.kv.create('carts', { durable: true }), code('KV_NOT_DURABLE', /data folder/));
  assert.deepEqual(await names(server), []);
  await server.stop();
});

test('there are 128 spaces at most, and the place of one that is dropped is free again', async () => {
  const server = await startWorkerServer({ executors: 0 });
  for (let i = 0; i < 128; i++) await server.kv.create(`s${i}`);
  await assert.rejects(server.kv.create('more'), code('KV_FULL', /128 spaces/));
  await server.kv.put('s5', keyBytes(1), keyBytes(2));
  await server.kv.drop('s5');
  await server.kv.create('more');
  assert.equal(server.kv.get('more', keyBytes(1)), undefined);
  assert.throws(() => server.kv.get('s5', keyBytes(1)), code('KV_SPACE_UNKNOWN'));
  await server.stop();
});

test('a function reaches the spaces that its deployment names, with the rights that it says', async () => {
  const observed = await startObserved({ executors: 1 });
  const { server } = observed;
  const info = await server.deploy('writer', kvGuest('carts'), { kv: ['carts:rw', 'other:ro'] });
  assert.deepEqual(info.kv, ['carts:rw', 'other:ro']);
  await server.deploy('reader', kvGuest('carts'), { kv: ['carts:ro'] });
  await server.deploy('stranger', kvGuest('carts'), { kv: ['other:rw'] });
  assert.deepEqual(await names(server), ['carts', 'other']);
  assert.deepEqual((await server.kv.space('carts')).functions, [
    { name: 'reader', rights: 'ro' },
    { name: 'writer', rights: 'rw' },
  ]);

  assert.equal(await ask(server, 'writer', 'put', 1, 100_001), 0);
  assert.equal(await ask(server, 'reader', 'get', 1), 100_001);
  assert.equal(await ask(server, 'reader', 'put', 1, 100_002), S.NOT_ALLOWED);
  assert.equal(await ask(server, 'reader', 'add', 1), S.NOT_ALLOWED);
  assert.equal(await ask(server, 'reader', 'delete', 1), S.NOT_ALLOWED);
  assert.equal(await ask(server, 'reader', 'sync'), S.OK);
  assert.equal(await ask(server, 'stranger', 'open'), S.NOT_ALLOWED);
  assert.deepEqual(server.kv.get('carts', keyBytes(1))?.value, keyBytes(100_001));
  await server.kv.put('carts', keyBytes(2), keyBytes(100_007));
  assert.equal(await ask(server, 'reader', 'get', 2), 100_007);

  const { kv } = await server.stats();
  assert.deepEqual(
    kv.map(({ name, puts, gets, hits }) => [name, puts, gets, hits]),
    [
      ['carts', 2, 3, 3],
      ['other', 0, 0, 0],
    ],
  );
  await server.stop();
});

test('a space that a deployed function names stays; one that no function names any more goes, also under its feet', async () => {
  const server = await startWorkerServer({ executors: 1 });
  await server.deploy('writer', kvGuest('carts'), { kv: ['carts:rw'] });
  const error = await jordError(server.kv.drop('carts'));
  assert.equal(error.code, 'KV_SPACE_IN_USE');
  assert.deepEqual(error.details['functions'], ['writer']);
  await ask(server, 'writer', 'put', 1, 100_001);
  await server.deploy('writer', kvGuest('carts'));
  assert.equal(await ask(server, 'writer', 'open'), S.NOT_ALLOWED);
  await server.kv.drop('carts');
  await server.deploy('writer', kvGuest('carts'), { kv: ['carts:rw'] });
  assert.equal(await ask(server, 'writer', 'get', 1), S.KV_NO_SUCH_KEY);
  await server.remove('writer');
  await server.kv.drop('carts');
  await server.stop();
});

test('a deploy that fails leaves no space behind, and none with what was there', async () => {
  const server = await startWorkerServer({ executors: 0 });
  await server.kv.create('old');
  const failing = guest('(i32.const 0)', { more: '(func $s unreachable) (start $s)' });
  await assert.rejects(server.deploy('f', failing, { kv: ['old:rw', 'new:rw'] }), code('MODULE_INIT_FAILED'));
  await assert.rejects(server.deploy('f', ECHO, { kv: ['old:rw', 'old:ro'] }), code('BAD_OPTION'));
  await assert.rejects(server.deploy('f', ECHO, { kv: ['NEW:rw'] }), code('KV_NAME_INVALID'));
  assert.deepEqual(await names(server), ['old']);
  await server.stop();
});

test('initialisers use spaces too, and handles that they have found stay good', async () => {
  const server = await startWorkerServer({ executors: 1 });
  const module = guest(
    `(local.set $x (call $argbuf_new (i32.const 4)))
     (drop (call $kv_add (global.get $space) (i32.const 256) (i32.const 1) (i64.const 1) (i32.const 300)))
     (i32.store (local.get $x) (i32.load (i32.const 300))) (local.get $x)`,
    {
      more: `(data (i32.const 256) "s") (global $space (mut i32) (i32.const 0))
        (func (export "_initialize")
          (global.set $space (call $kv_open (i32.const 256) (i32.const 1)))
          (drop (call $kv_add (global.get $space) (i32.const 256) (i32.const 1) (i64.const 10) (i32.const 300))))`,
    },
  );
  await server.deploy('f', module, { kv: ['s:rw'] });
  const counts = [1, 2, 3].map(
    async () => new Uint32Array((await server.invoke('f', new Uint8Array(0))).body.slice().buffer)[0],
  );
  assert.deepEqual((await Promise.all(counts)).sort(), [11, 12, 13]);
  await server.stop();
});

test('what the log of a function asks of the store is refused', async () => {
  const observed = await startObserved({ executors: 0 });
  const { server } = observed;
  await server.kv.create('s');
  const codes: ErrorCode[] = [];
  observed.onLog = () => {
    for (const use of [() => server.kv.get('s', keyBytes(1)), () => server.kv.list('s')]) {
      try {
        use();
      } catch (error) {
        if (error instanceof JordError) codes.push(error.code);
      }
    }
  };
  await server.deploy('f', guest('(drop (call $log (i32.const 1) (i32.const 0) (i32.const 1))) (i32.const 0)'));
  await server.invoke('f', new Uint8Array(0));
  assert.deepEqual(codes, ['BAD_REQUEST', 'BAD_REQUEST']);
  assert.equal(server.kv.get('s', keyBytes(1)), undefined);
  await server.stop();
});

test('a restart leaves spaces with their settings, functions with their rights, and the keys of durable spaces', async (t) => {
  const dataFolder = temporaryFolder(t);
  let server = await startWorkerServer({ executors: 1, dataFolder });
  await server.kv.create('carts', { durable: true, bytesMax: 2 ** 20 });
  await server.kv.create('cache', { cache: true, keysMax: 7 });
  await server.kv.create('gone', { durable: true });
  await server.deploy('writer', kvGuest('carts'), { kv: ['carts:rw', 'cache:ro', 'new:ro'] });
  assert.equal(await ask(server, 'writer', 'putAndSync', 1, 100_001), 0);
  // Nobody waits for this one.
  assert.equal(await ask(server, 'writer', 'put', 2, 100_002), 0);
  await server.kv.put('cache', keyBytes(1), keyBytes(1));
  await server.kv.put('gone', keyBytes(1), keyBytes(1));
  await server.kv.drop('gone');
  await server.stop();

  server = await startWorkerServer({ executors: 1, dataFolder });
  const described = (await server.kv.spaces()).map(({ name, durable, cache, keysMax, bytesMax, keys, functions }) => ({
    ...{ name, durable, cache, keysMax, bytesMax, keys },
    functions: functions.map(({ rights }) => rights),
  }));
  assert.deepEqual(described, [
    { name: 'cache', durable: false, cache: true, keysMax: 7, bytesMax: null, keys: 0, functions: ['ro'] },
    { name: 'carts', durable: true, cache: false, keysMax: null, bytesMax: 2 ** 20, keys: 2, functions: ['rw'] },
    { name: 'new', durable: false, cache: false, keysMax: null, bytesMax: null, keys: 0, functions: ['ro'] },
  ]);
  assert.equal(await ask(server, 'writer', 'get', 1), 100_001);
  assert.equal(await ask(server, 'writer', 'get', 2), 100_002);
  assert.equal(await ask(server, 'writer', 'delete', 1), 0);
  await server.stop();

  server = await startWorkerServer({ executors: 1, dataFolder });
  assert.equal(await ask(server, 'writer', 'get', 1), S.KV_NO_SUCH_KEY);
  assert.equal((await server.kv.space('carts')).keys, 1);
  await server.stop();
});

test('limits that are lower than what is there do not keep it from being there again', async (t) => {
  const dataFolder = temporaryFolder(t);
  let server = await startWorkerServer({ executors: 0, dataFolder });
  await server.kv.create('carts', { durable: true });
  await Promise.all(Array.from({ length: 1000 }, (_, i) => server.kv.put('carts', keyBytes(i), keyBytes(i))));
  await server.kv.create('carts', { keysMax: 10 });
  await server.stop();
  server = await startWorkerServer({ executors: 0, dataFolder, kvBytesMax: 65_536 });
  assert.equal((await server.kv.space('carts')).keys, 1000);
  await assert.rejects(server.kv.put('carts', keyBytes(5000), keyBytes(1)), code('KV_FULL'));
  await server.stop();
});
