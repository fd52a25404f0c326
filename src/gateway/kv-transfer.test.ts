import assert from 'node:assert/strict';
import { Agent, request as httpRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { JordError } from '../errors.ts';
import { type Answer, send, serve, until } from './gateway.fixture.ts';
import type { MemoryKv } from './memory-kv.fixture.ts';
import { MemoryWorker } from './memory-worker.fixture.ts';
import type { Gateway } from './server.ts';

async function start(t: TestContext): Promise<{ readonly gateway: Gateway; readonly kv: MemoryKv }> {
  const worker = new MemoryWorker();
  await worker.kv.create('s');
  await worker.kv.create('t');
  return { gateway: await serve(t, worker), kv: worker.kv };
}

function importInto(gateway: Gateway, space: string, body: Uint8Array | string): Promise<Answer> {
  return send(gateway, { method: 'POST', path: `/kv/${space}/import`, body });
}

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString();

test('what is exported can be imported, whatever it is', async (t) => {
  const { gateway, kv } = await start(t);
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: 'binary' }).map((s) => Buffer.from(s)),
  );
  const entries = fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), bytes), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(entries, async (all) => {
      for (const name of ['s', 't']) {
        await kv.drop(name);
        await kv.create(name);
      }
      for (const [key, value] of all) await kv.put('s', key, value);
      const exported = await send(gateway, { path: '/kv/s/export' });
      assert.equal(exported.headers['content-type'], 'application/x-ndjson');
      const { keys } = kv.list('s');
      assert.equal(exported.body.toString().split('\n').length - 1, keys.length);
      const imported = await importInto(gateway, 't', exported.body);
      assert.deepEqual([imported.status, imported.json], [200, { imported: keys.length }]);
      for (const { key } of keys) {
        assert.deepEqual(Buffer.from(kv.get('t', key)?.value ?? []), Buffer.from(kv.get('s', key)?.value ?? []));
      }
      assert.equal(kv.list('t').keys.length, keys.length);
    }),
    { numRuns: 30 },
  );
});

test('an export of more than a page, by prefix, with what is left until keys expire', async (t) => {
  const { gateway, kv } = await start(t);
  for (let i = 0; i < 700; i++) await kv.put('s', Buffer.from(`k${i}`), Buffer.from(`v${i}`));
  await kv.put('s', Buffer.from('x'), Buffer.alloc(200_000, 0xff), { ttlMs: 60_000 });
  const lines = (await send(gateway, { path: '/kv/s/export' })).body.toString().trimEnd().split('\n');
  assert.equal(lines.length, 701);
  assert.equal(lines[0], '{"key":"k0","value":"v0"}');
  const last = JSON.parse(lines.at(-1) ?? '') as { valueBase64: string; ttlMs: number };
  assert.deepEqual(Buffer.from(last.valueBase64, 'base64'), Buffer.alloc(200_000, 0xff));
  assert.ok(last.ttlMs > 50_000);
  const some = await send(gateway, { path: '/kv/s/export?prefix=k69' });
  assert.equal(some.body.toString().trimEnd().split('\n').length, 11);
  const head = await send(gateway, { method: 'HEAD', path: '/kv/s/export' });
  assert.deepEqual([head.status, head.body.length], [200, 0]);
  assert.equal((await send(gateway, { path: '/kv/none/export' })).json['code'], 'KV_SPACE_UNKNOWN');
  assert.equal((await send(gateway, { path: '/kv/s/export?limit=1' })).json['code'], 'BAD_OPTION');
});

test('text is exported as text, and what would be mostly escapes in base64', async (t) => {
  const { gateway, kv } = await start(t);
  const large = Buffer.alloc(17 * 2 ** 20, 0x0a);
  for (const [key, value] of [
    ['a', '{"b": "ä\\n"}\n\t\r\n'],
    ['counter', '\x05\0\0\0\0\0\0\0'],
    ['esc\x1b', ''],
  ] as const) {
    await kv.put('s', Buffer.from(key), Buffer.from(value));
  }
  await kv.put('s', Buffer.from('large'), large);
  const { body } = await send(gateway, { path: '/kv/s/export' });
  const lines = body.toString().trimEnd().split('\n');
  assert.deepEqual(lines.slice(0, 3), [
    '{"key":"a","value":"{\\"b\\": \\"ä\\\\n\\"}\\n\\t\\r\\n"}',
    '{"key":"counter","valueBase64":"BQAAAAAAAAA="}',
    '{"keyBase64":"ZXNjGw==","value":""}',
  ]);
  assert.match(lines[3]?.slice(0, 40) ?? '', /^\{"key":"large","valueBase64":"Cgo/);
  assert.deepEqual((await importInto(gateway, 't', body)).json, { imported: 4 });
  assert.ok(large.equals(kv.get('t', Buffer.from('large'))?.value ?? Buffer.alloc(0)));
});

test('an export that cannot go on breaks the connection, so that nobody takes it for the whole', async (t) => {
  const { gateway, kv } = await start(t);
  for (let i = 0; i < 300; i++) await kv.put('s', Buffer.from(`k${i}`), Buffer.alloc(10_000));
  const get = kv.get.bind(kv);
  kv.get = (space, key) => {
    if (text(key) === 'k99') throw new JordError('KV_SPACE_UNKNOWN', 'It was dropped.');
    return get(space, key);
  };
  await assert.rejects(send(gateway, { path: '/kv/s/export' }));
});

test('blank lines, CRLF, a last line without its end, and a key that is there twice', async (t) => {
  const { gateway, kv } = await start(t);
  const lines = ['{"key":"a","value":"1"}\r', '', '  ', '{"keyBase64":"Yg==","valueBase64":"Mg==","ttlMs":60000}'];
  lines.push('{"key":"a","value":"3"}');
  assert.deepEqual((await importInto(gateway, 's', lines.join('\n'))).json, { imported: 3 });
  assert.equal(text(kv.get('s', Buffer.from('a'))?.value), '3');
  assert.ok((kv.get('s', Buffer.from('b'))?.ttlMs ?? 0) > 50_000);
  assert.deepEqual((await importInto(gateway, 's', '')).json, { imported: 0 });
  assert.equal((await importInto(gateway, 'none', '')).json['code'], 'KV_SPACE_UNKNOWN');
});

test('the first line that is wrong ends it, and is named', async (t) => {
  const { gateway, kv } = await start(t);
  for (const [line, expected] of [
    ['not json', /^Line 3: it is not JSON \(.*\)\. Each line is an object such as/],
    ['["a", "b"]', /^Line 3: it is no JSON object/],
    ['null', /^Line 3: it is no JSON object/],
    ['{"value": "x"}', /^Line 3: it has neither key nor keyBase64/],
    ['{"key": "a"}', /^Line 3: it has neither value nor valueBase64/],
    ['{"key": "a", "keyBase64": "YQ==", "value": ""}', /^Line 3: it has both key and keyBase64/],
    ['{"key": 1, "value": ""}', /^Line 3: key is no string/],
    ['{"key": "a", "valueBase64": "?"}', /^Line 3: valueBase64 is not base64/],
    ['{"key": "a", "value": "", "ttl": 5}', /^Line 3: there is no member "ttl"\. There are key, keyBase64/],
    ['{"key": "a", "value": "", "ttlMs": 0}', /^Line 3: ttlMs is a whole number/],
    ['{"key": "\\ud800", "value": ""}', /^Line 3: key has half of a surrogate pair/],
    [Buffer.from([0x22, 0xff]).toString('latin1'), /^Line 3: it is not UTF-8/],
  ] as const) {
    const body = Buffer.from(`{"key":"one","value":"1"}\n\n${line}\n{"key":"later","value":""}\n`, 'latin1');
    const answer = await importInto(gateway, 's', body);
    assert.deepEqual([answer.status, answer.json['code']], [422, 'KV_IMPORT_INVALID'], line);
    assert.match(String(answer.json['detail']), expected);
    assert.deepEqual([answer.json['line'], answer.json['imported']], [3, 1]);
  }
  assert.equal(text(kv.get('s', Buffer.from('one'))?.value), '1');
  assert.equal(kv.get('s', Buffer.from('later')), undefined);
  const empty = await importInto(gateway, 's', '{"key":"","value":""}');
  assert.equal(empty.json['code'], 'KV_KEY_INVALID');
  assert.match(String(empty.json['detail']), /^Line 1: A key has 1 to 1024 bytes/);
});

test('where a put fails, its line is named, and those before it are counted', async (t) => {
  const { gateway, kv } = await start(t);
  await kv.create('s', { keysMax: 5 });
  const body = Array.from({ length: 50 }, (_, i) => `{"key":"k${i}","value":""}\n`).join('');
  const answer = await importInto(gateway, 's', body);
  assert.deepEqual([answer.status, answer.json['code'], answer.json['space']], [507, 'KV_FULL', 's']);
  assert.match(String(answer.json['detail']), /^Line 6: There is no room/);
  assert.deepEqual([answer.json['line'], answer.json['imported']], [6, 5]);
});

test('where the disk is slow, an import waits for it and goes on', async (t) => {
  const { gateway, kv } = await start(t);
  kv.beforePut = (puts) => {
    if (puts % 3 === 0) throw new JordError('KV_BACKLOG', 'Too much is not on disk yet.');
  };
  const body = Array.from({ length: 30 }, (_, i) => `{"key":"k${i % 10}","value":"${i}"}\n`).join('');
  assert.deepEqual((await importInto(gateway, 's', body)).json, { imported: 30 });
  for (let i = 0; i < 10; i++) assert.equal(text(kv.get('s', Buffer.from(`k${i}`))?.value), String(20 + i));
  assert.ok(kv.putsAtOnceMax > 1, 'they are put together');
});

test('an import holds little of what is sent, however long it is', async (t) => {
  const { gateway, kv } = await start(t);
  const value = 'x'.repeat(100_000);
  const lines = Array.from({ length: 300 }, (_, i) => `{"key":"k${i}","value":"${value}"}\n`).join('');
  assert.deepEqual((await importInto(gateway, 's', lines)).json, { imported: 300 });
  assert.ok(kv.putsAtOnceMax > 1 && kv.putsAtOnceMax <= 85, `8 MiB and a value: ${kv.putsAtOnceMax}`);
});

test('a client that still sends when a line is refused gets the answer, and can go on', async (t) => {
  const { gateway } = await start(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const status = (body: Buffer): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: gateway.port, method: 'POST', path: '/kv/s/import', agent };
      const request = httpRequest(options, (response) =>
        response.resume().on('end', () => resolve(response.statusCode)),
      );
      request.on('error', reject);
      request.end(body);
    });
  assert.equal(await status(Buffer.concat([Buffer.from('wrong\n'), Buffer.alloc(5_000_000, 'x')])), 422);
  assert.equal(await status(Buffer.from('{"key":"a","value":"b"}')), 200);
});

test('a client that says it waits before it sends is told to go on', async (t) => {
  const { gateway, kv } = await start(t);
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const request = httpRequest(
    {
      host: '127.0.0.1',
      port: gateway.port,
      method: 'POST',
      path: '/kv/s/import',
      headers: { expect: '100-continue', 'transfer-encoding': 'chunked' },
    },
    (response) => resolve(response.resume().statusCode),
  );
  request.on('error', reject);
  request.on('continue', () => request.end('{"key":"a","value":"b"}'));
  request.flushHeaders();
  assert.equal(await promise, 200);
  assert.equal(text(kv.get('s', Buffer.from('a'))?.value), 'b');
});

test('a client that goes away in the midst leaves what it has sent', async (t) => {
  const { gateway, kv } = await start(t);
  const request = httpRequest({ host: '127.0.0.1', port: gateway.port, method: 'POST', path: '/kv/s/import' });
  request.on('error', () => undefined);
  request.write('{"key":"a","value":"b"}\n{"key":"c","val');
  await until('the first line', () => kv.get('s', Buffer.from('a')) !== undefined);
  request.destroy();
  assert.equal((await send(gateway, { path: '/healthz' })).status, 200);
  assert.equal(kv.get('s', Buffer.from('c')), undefined);
});
