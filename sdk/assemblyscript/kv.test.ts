/** Functions that keep something. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { compileSource } from '../../src/functions/compile.ts';
import { startTestServer } from './sdk.fixture.ts';

const functions = await startTestServer(['kv'], { kv: ['own:rw', 'other:ro'] });
const { kv } = functions.server;
after(() => functions.server.stop());

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function call(path: string, body: string | Uint8Array = ''): Promise<string> {
  return (await functions.call('kv', path, body)).text;
}

function stored(key: string): string | undefined {
  const entry = kv.get('own', bytes(key));
  return entry && new TextDecoder().decode(entry.value);
}

beforeEach(async () => {
  for (const { key } of kv.list('own').keys) await kv.delete('own', key);
});

describe('Space', () => {
  test('put, get, delete', async () => {
    assert.equal(await call('/get?a'), 'null');
    assert.equal(await call('/put?a', 'value'), 'version');
    assert.equal(await call('/get?a'), 'value');
    assert.equal(stored('a'), 'value');
    assert.equal(await call('/put?a'), 'version');
    assert.equal((await functions.call('kv', '/get?a')).body.length, 0);
    assert.equal(stored('a'), '');
    assert.equal(await call('/delete?a'), 'OK');
    assert.equal(await call('/delete?a'), 'KV_NO_SUCH_KEY');
    assert.equal(stored('a'), undefined);
  });

  test('what is put from outside is seen inside, whatever its size', async () => {
    const large = new Uint8Array(5_000_000).fill(7);
    await kv.put('own', bytes('large'), large);
    assert.deepEqual((await functions.call('kv', '/get?large')).body, large);
  });

  test('keys are text or bytes, of 1 to 1,024 bytes', async () => {
    const key = Uint8Array.of(0xff, 0, 0x2f);
    assert.equal(await call('/put-bytes', key), 'version');
    assert.deepEqual((await functions.call('kv', '/get-bytes', key)).body, key);
    assert.deepEqual(kv.get('own', key)?.value, key);
    assert.equal(await call('/delete-bytes', key), 'OK');
    assert.equal(await call(`/put?${'k'.repeat(1024)}`), 'version');
    assert.equal(await call(`/put?${'k'.repeat(1025)}`), 'KV_BAD_KEY');
    assert.equal(await call('/put?'), 'KV_BAD_KEY');
    assert.equal(await call('/delete?'), 'KV_BAD_KEY');
  });

  test('putIf puts only on top of what was seen, however many others put meanwhile', async () => {
    assert.equal(await call('/put-if?a', '0'), '1 true false +');
    assert.equal(await call('/put-if?a', '0'), '1 true false ++');
    assert.equal(await call('/put-if?a', '3'), '4 true false rival 0+');
  });

  test('keys that expire', async () => {
    await call('/put-ttl?a', 'x');
    const ttlMs = kv.get('own', bytes('a'))?.ttlMs ?? 0;
    assert.ok(ttlMs > 50_000 && ttlMs <= 60_010, String(ttlMs));
    assert.equal(await call('/expire?a'), 'OK');
    assert.ok((kv.get('own', bytes('a'))?.ttlMs ?? 0) <= 30_010);
    assert.equal(await call('/expire?b'), 'KV_NO_SUCH_KEY');
  });

  test('counters', async () => {
    assert.equal(await call('/add?n', '5'), '5');
    assert.equal(await call('/add?n', '-12'), '-7');
    assert.equal(await kv.add('own', bytes('n'), 1n), -6n);
    assert.equal(await call('/try-add?n'), 'OK OK -2');
    await call('/put?text', 'x');
    assert.equal(await call('/try-add?text'), 'KV_NOT_A_COUNTER KV_NOT_A_COUNTER ');
    functions.logs.length = 0;
    await assert.rejects(call('/add?text', '1'), /add of the space own: status 52/);
  });

  test('lists, page after page', async () => {
    assert.deepEqual(JSON.parse(await call('/list?')), { more: false, last: '', keys: [] });
    for (const key of ['a', 'user/1', 'user/22', 'user/3', 'user/Ä']) await call(`/put?${key}`, 'x'.repeat(key.length));
    await kv.put('own', bytes('user/22'), bytes(''), { ttlMs: 60_000 });
    assert.deepEqual(JSON.parse(await call('/list?user/')), {
      more: true,
      last: 'user/3',
      keys: [
        ['user/1', 6, 6, false],
        ['user/22', 7, 0, true],
        ['user/3', 6, 6, false],
      ],
    });
    assert.deepEqual(JSON.parse(await call('/list?user/', 'user/3')), {
      more: false,
      last: 'user/Ä',
      keys: [['user/Ä', 7, 6, false]],
    });
    await kv.put('own', Uint8Array.of(0x62, 0xff), bytes(''));
    const all = (await functions.call('kv', '/walk')).body;
    assert.deepEqual(Buffer.from(all).toString('latin1').split(','), [
      'a',
      'b\xff',
      'user/1',
      'user/22',
      'user/3',
      Buffer.from('user/Ä').toString('latin1'),
      '',
    ]);
  });

  test('a space in memory is as much on disk as it will be', async () => {
    assert.equal(await call('/sync'), 'OK');
  });

  test('a space that may only be read', async () => {
    await kv.put('other', bytes('a'), bytes('there'));
    assert.equal(await call('/other?a'), 'there NOT_ALLOWED true NOT_ALLOWED');
    await assert.rejects(call('/other-add?n'), /allows to read the space other only \(--kv other:rw\): status 44/);
  });

  test('a space that the deployment does not name', async () => {
    await kv.create('secret');
    assert.equal(await call('/open?own'), 'own');
    for (const name of ['secret', 'none', '', 'own ']) assert.equal(await call(`/open?${name}`), 'null');
    await assert.rejects(call('/stop?secret'), /does not name the space secret \(--kv secret:rw\): status 44/);
    const module = await compileSource(join(import.meta.dirname, 'testing', 'kv.ts'));
    await assert.rejects(functions.server.deploy('bare', module), {
      code: 'MODULE_INIT_FAILED',
      message:
        /^bare failed while it was initialised: unreachable: the deployment does not name the space own \(--kv own:rw\)/,
    });
  });
});

describe('Value', () => {
  test('stays as it is while its key changes', async () => {
    assert.equal(await call('/held?a'), 'first second true true 0 0 true');
  });

  test('cannot be written', async () => {
    await call('/put?a', 'x');
    await assert.rejects(call('/write?a'), /it may not write 1 bytes at 0x/);
    assert.equal(stored('a'), 'x');
  });

  test('is the store’s once it is put', async () => {
    await assert.rejects(call('/after-put?a'), /it may not read 1 bytes at 0x/);
    assert.equal(stored('a'), 'given');
  });

  test('cannot be held with too many others', async () => {
    await assert.rejects(call('/hold-many'), /get of the space own: status 9/);
    assert.ok(Number(stored('count')) >= 50, `only ${stored('count')}`);
  });
});
