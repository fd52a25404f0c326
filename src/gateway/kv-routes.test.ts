import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type Answer, type Sent, send, serve, until } from './gateway.fixture.ts';
import { encodePercent } from './kv-text.ts';
import { MemoryWorker } from './memory-worker.fixture.ts';

/** A gateway with the space "s". */
async function start(t: TestContext): Promise<{
  readonly worker: MemoryWorker;
  readonly request: (method: string, path: string, more?: Sent) => Promise<Answer>;
}> {
  const worker = new MemoryWorker();
  await worker.kv.create('s');
  const gateway = await serve(t, worker);
  return { worker, request: (method, path, more = {}) => send(gateway, { method, path, ...more }) };
}

function code({ status, json }: Answer): string {
  return `${status} ${json['code']}`;
}

test('spaces: create, look at, change, drop', async (t) => {
  const { request } = await start(t);
  const created = await request('PUT', '/kv/carts', { body: '{"durable": true, "keysMax": 10}' });
  assert.equal(created.status, 201);
  assert.equal(created.headers.location, '/kv/carts');
  assert.deepEqual([created.json['durable'], created.json['cache'], created.json['keysMax']], [true, false, 10]);
  assert.deepEqual((await request('GET', '/kv/carts')).json, created.json);
  const all = (await request('GET', '/kv')).json['spaces'] as readonly { name: string }[];
  assert.deepEqual(
    all.map(({ name }) => name),
    ['carts', 's'],
  );
  const changed = await request('PUT', '/kv/carts', { body: '{"keysMax": null, "bytesMax": 4096}' });
  assert.deepEqual([changed.status, changed.headers.location], [200, undefined]);
  assert.deepEqual([changed.json['keysMax'], changed.json['bytesMax'], changed.json['durable']], [null, 4096, true]);
  assert.equal((await request('PUT', '/kv/plain')).status, 201, 'nothing need be said');
  assert.equal((await request('DELETE', '/kv/carts')).status, 204);
  const gone = await request('GET', '/kv/carts');
  assert.equal(code(gone), '404 KV_SPACE_UNKNOWN');
  assert.match(String(gone.json['detail']), /"carts".* GET \/kv or `jord kv spaces` shows/);
});

test('what a space cannot be is refused, with what is possible', async (t) => {
  const { request } = await start(t);
  for (const [body, expected, detail] of [
    ['{"durable": "yes"}', '400 BAD_OPTION', /^durable is true or false, not "yes"/],
    ['{"keysMax": "10"}', '400 BAD_OPTION', /^keysMax is a whole number, or null/],
    ['{"cache": null}', '400 BAD_OPTION', /^cache is true or false/],
    ['{"ttl": 5}', '400 BAD_OPTION', /no option "ttl" here\. There are durable, cache, keysMax, bytesMax/],
    ['[]', '400 BAD_REQUEST', /is a JSON object/],
    ['durable', '400 BAD_REQUEST', /is a JSON object, such as \{"durable"/],
    ['{"durable": true}', '409 KV_SPACE_DIFFERS', /kind/],
  ] as const) {
    const answer = await request('PUT', '/kv/s', { body });
    assert.equal(code(answer), expected, body);
    assert.match(String(answer.json['detail']), detail);
  }
  assert.equal(code(await request('PUT', '/kv/No')), '400 KV_NAME_INVALID');
  assert.equal(code(await request('PUT', '/kv/')), '400 KV_NAME_INVALID');
  assert.equal(code(await request('PUT', '/kv/s', { body: ' '.repeat(65_537) })), '413 BODY_TOO_LARGE');
  assert.equal(code(await request('PATCH', '/kv/s')), '405 METHOD_NOT_ALLOWED');
});

test('a value: put, get, delete', async (t) => {
  const { request } = await start(t);
  const body = Buffer.from([0, 255, 10]);
  const put = await request('PUT', '/kv/s/keys/ada', { body, headers: { 'content-type': 'application/json' } });
  assert.deepEqual([put.status, put.body.length, put.headers.etag], [204, 0, '"65536"']);
  const got = await request('GET', '/kv/s/keys/ada');
  assert.deepEqual([got.status, got.body, got.headers.etag], [200, body, '"65536"']);
  assert.equal(got.headers['content-type'], 'application/octet-stream');
  assert.equal(got.headers['x-content-type-options'], 'nosniff');
  assert.equal(got.headers['jord-ttl-ms'], undefined);
  const head = await request('HEAD', '/kv/s/keys/ada');
  assert.deepEqual([head.status, head.headers.etag, head.headers['content-length']], [200, '"65536"', '3']);
  assert.equal((await request('PUT', '/kv/s/keys/empty')).status, 204);
  assert.equal((await request('GET', '/kv/s/keys/empty')).body.length, 0);
  assert.equal((await request('DELETE', '/kv/s/keys/ada')).status, 204);
  assert.equal(code(await request('DELETE', '/kv/s/keys/ada')), '404 KV_KEY_UNKNOWN');
  assert.equal(code(await request('GET', '/kv/s/keys/ada')), '404 KV_KEY_UNKNOWN');
  for (const method of ['GET', 'PUT', 'DELETE'])
    assert.equal(code(await request(method, '/kv/none/keys/ada')), '404 KV_SPACE_UNKNOWN');
});

test('a value that expires', async (t) => {
  const { request } = await start(t);
  await request('PUT', '/kv/s/keys/a', { body: 'x', headers: { 'jord-ttl-ms': '60000' } });
  const ttlMs = Number((await request('GET', '/kv/s/keys/a')).headers['jord-ttl-ms']);
  assert.ok(ttlMs > 50_000 && ttlMs <= 60_000);
  for (const ttl of ['0', '-1', '1.5', 'soon', '']) {
    const answer = await request('PUT', '/kv/s/keys/a', { body: 'y', headers: { 'jord-ttl-ms': ttl } });
    assert.equal(code(answer), '400 BAD_OPTION', ttl);
  }
  assert.equal((await request('GET', '/kv/s/keys/a')).body.toString(), 'x');
});

test('put and delete only what is expected to be there', async (t) => {
  const { request } = await start(t);
  const put = (headers: Readonly<Record<string, string>>) => request('PUT', '/kv/s/keys/a', { body: 'x', headers });
  assert.equal((await put({ 'if-none-match': '*' })).headers.etag, '"65536"');
  assert.equal(code(await put({ 'if-none-match': '*' })), '409 KV_CONFLICT');
  assert.equal((await put({ 'if-match': '"65536"' })).headers.etag, '"65537"');
  assert.equal(code(await put({ 'if-match': '"65536"' })), '409 KV_CONFLICT');
  assert.equal((await put({ 'if-match': '65537' })).status, 204, 'as shells leave it');
  for (const headers of [
    { 'if-match': '*' },
    { 'if-match': '"a"' },
    { 'if-match': '"1", "2"' },
    { 'if-match': `"${2n ** 63n}"` },
    { 'if-none-match': '"65536"' },
    { 'if-match': '"65536"', 'if-none-match': '*' },
  ]) {
    assert.equal(
      code(await put(headers as Readonly<Record<string, string>>)),
      '400 BAD_REQUEST',
      JSON.stringify(headers),
    );
  }
  const remove = (version: string) => request('DELETE', '/kv/s/keys/a', { headers: { 'if-match': version } });
  assert.equal(code(await remove('"65536"')), '409 KV_CONFLICT');
  assert.equal((await remove('"65538"')).status, 204);
});

test('a value larger than any, and a key that is none', async (t) => {
  const { request } = await start(t);
  const large = await request('PUT', '/kv/s/keys/a', {
    headers: { 'content-length': String(64 * 2 ** 20 + 1) },
    body: '',
  });
  assert.equal(code(large), '413 BODY_TOO_LARGE');
  assert.equal(large.json['detail'], 'The body is larger than 64 MiB, the most that a value can have.');
  assert.equal((await request('PUT', `/kv/s/keys/${'k'.repeat(1024)}`)).status, 204);
  assert.equal(code(await request('PUT', `/kv/s/keys/${'k'.repeat(1025)}`)), '400 KV_KEY_INVALID');
  assert.equal(code(await request('PUT', '/kv/s/keys/')), '400 KV_KEY_INVALID');
  for (const path of ['/kv/s/keys/%', '/kv/s/keys/a%zz', '/kv/s/keys/%4']) {
    assert.equal(code(await request('GET', path)), '400 BAD_REQUEST', path);
  }
});

test('values of more than the limit of invocations', async (t) => {
  const worker = new MemoryWorker();
  await worker.kv.create('s');
  const gateway = await serve(t, worker, { bodyLimitBytes: 10 });
  const body = Buffer.alloc(1_000_000, 1);
  assert.equal((await send(gateway, { method: 'PUT', path: '/kv/s/keys/a', body })).status, 204);
  assert.deepEqual((await send(gateway, { path: '/kv/s/keys/a' })).body, body);
});

test('any bytes can be a key, and arrive as they are', async (t) => {
  const { worker, request } = await start(t);
  const keys = fc.uint8Array({ minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(keys, async (key) => {
      const path = `/kv/s/keys/${encodePercent(key)}`;
      assert.equal((await request('PUT', path, { body: key })).status, 204);
      assert.deepEqual(new Uint8Array(worker.kv.get('s', key)?.value ?? []), key);
      const got = await request('GET', path);
      assert.deepEqual(new Uint8Array(got.body), key);
      assert.equal((await request('DELETE', path)).status, 204);
    }),
    { numRuns: 100 },
  );
});

test('keys as people write them', async (t) => {
  const { worker, request } = await start(t);
  const stored = (key: string): string | undefined => {
    const value = worker.kv.get('s', Buffer.from(key))?.value;
    return value && Buffer.from(value).toString();
  };
  for (const [path, key] of [
    ['user/7/name', 'user/7/name'],
    ['user%2F7', 'user/7'],
    ['a+b', 'a+b'],
    ['a%20b', 'a b'],
    ['%C3%A4', 'ä'],
    ['100%25', '100%'],
    ['%2541', '%41'],
    ['keys/keys/', 'keys/keys/'],
    ['a;b=c', 'a;b=c'],
    ['a%3Fb%23c', 'a?b#c'],
    ['add', 'add'],
    ['..%2F', '../'],
  ] as const) {
    assert.equal((await request('PUT', `/kv/s/keys/${path}`, { body: path })).status, 204, path);
    assert.equal(stored(key), path, path);
  }
});

test('the access log has URLs as they were sent', async (t) => {
  const worker = new MemoryWorker();
  await worker.kv.create('s');
  const urls: unknown[] = [];
  const gateway = await serve(t, worker, { accessLog: true, log: ({ fields }) => urls.push(fields['url']) });
  const paths = ['/kv/s/keys/%FF%2F?x', '/kv/s/keys?prefix=%41', '/fn/a%20b'];
  for (const path of paths) await send(gateway, { path });
  await until('all are logged', () => urls.length === paths.length);
  assert.deepEqual(urls, paths);
});

test('counters', async (t) => {
  const { request } = await start(t);
  const add = (body: string, key = 'n') => request('POST', `/kv/s/keys/${key}/add`, { body });
  for (const [body, sum] of [
    ['1', '1\n'],
    ['', '2\n'],
    ['-20', '-18\n'],
    ['+8\n', '-10\n'],
    ['9223372036854775807', '9223372036854775797\n'],
  ] as const) {
    const answer = await add(body);
    assert.deepEqual([answer.status, answer.body.toString()], [200, sum], body);
    assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
  }
  for (const body of ['one', '1.5', '1 2', '0x1', '9223372036854775808', '{}']) {
    const answer = await add(body);
    assert.equal(code(answer), '400 BAD_REQUEST', body);
    assert.match(String(answer.json['detail']), /whole number in decimal/);
  }
  await request('PUT', '/kv/s/keys/text', { body: 'x' });
  assert.equal(code(await add('1', 'text')), '409 KV_NOT_A_COUNTER');
  assert.equal((await add('1', 'a/b')).body.toString(), '1\n');
  // As `curl -d` does where --upload-file was meant.
  const posted = await request('POST', '/kv/s/keys/ada', { body: 'x' });
  assert.equal(code(posted), '405 METHOD_NOT_ALLOWED');
  assert.match(String(posted.json['detail']), /A value is set with PUT/);
  assert.equal(posted.headers.allow, 'GET, PUT, DELETE, HEAD, OPTIONS');
});

interface Page {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
  readonly more: boolean;
  readonly next: string | null;
}

test('lists, page after page', async (t) => {
  const { worker, request } = await start(t);
  const page = async (path: string): Promise<Page> => {
    const answer = await request('GET', path);
    assert.equal(answer.status, 200, answer.body.toString());
    return answer.json as unknown as Page;
  };
  assert.deepEqual(await page('/kv/s/keys'), { keys: [], more: false, next: null });
  const keys = ['a', 'user/1', 'user/2', 'user/3 &=+', 'z'].map((text) => Buffer.from(text));
  keys.push(Buffer.from([0xff, 0x00]), Buffer.from([0xff, 0x01]));
  for (const key of keys) await worker.kv.put('s', key, Buffer.alloc(5));
  const { keys: all } = await page('/kv/s/keys');
  assert.deepEqual(all[0], { key: 'a', version: '65536', sizeBytes: 5, ttlMs: null });
  assert.deepEqual(
    all.map(({ key, keyBase64 }) => key ?? keyBase64),
    ['a', 'user/1', 'user/2', 'user/3 &=+', 'z', '/wA=', '/wE='],
  );
  const seen: unknown[] = [];
  let path: string | null = '/kv/s/keys?prefix=&limit=1';
  for (let pages = 0; path !== null; pages++) {
    assert.ok(pages < 7);
    const found: Page = await page(path);
    assert.equal(found.more, found.next !== null);
    seen.push(...found.keys);
    path = found.next;
  }
  assert.deepEqual(seen, all);
  const users = await page('/kv/s/keys?prefix=user/&after=user%2F1&limit=1');
  assert.deepEqual([users.keys[0]?.['key'], users.more], ['user/2', true]);
  for (const query of ['limit=0', 'limit=10001', 'limit=x', 'limit=', 'offset=2', 'prefix=a&prefix=b']) {
    assert.equal(code(await request('GET', `/kv/s/keys?${query}`)), '400 BAD_OPTION', query);
  }
  assert.equal(code(await request('GET', '/kv/none/keys')), '404 KV_SPACE_UNKNOWN');
});

test('with a token, all of it needs the token; without one, no web page changes anything', async (t) => {
  const worker = new MemoryWorker();
  await worker.kv.create('s');
  const closed = await serve(t, worker, { token: 's3cret' });
  const open = await serve(t, worker);
  const headers = { authorization: 'Bearer s3cret' };
  for (const [method, path] of [
    ['GET', '/kv'],
    ['GET', '/kv/s'],
    ['PUT', '/kv/s'],
    ['GET', '/kv/s/keys'],
    ['PUT', '/kv/s/keys/a'],
    ['GET', '/kv/s/keys/a'],
    ['DELETE', '/kv/s/keys/a'],
    ['POST', '/kv/s/keys/n/add'],
    ['GET', '/kv/s/export'],
    ['POST', '/kv/s/import'],
    ['DELETE', '/kv/s'],
  ] as const) {
    assert.equal(code(await send(closed, { method, path })), '401 UNAUTHORIZED', `${method} ${path}`);
    const foreign = await send(open, { method, path, headers: { host: 'evil.example' } });
    assert.equal(code(foreign), '403 FORBIDDEN', `${method} ${path}`);
    if (method !== 'GET') {
      const page = await send(open, { method, path, headers: { origin: 'http://evil.example' } });
      assert.equal(code(page), '403 FORBIDDEN', `${method} ${path}`);
    }
    const { status } = await send(closed, { method, path, headers });
    assert.ok(status < 300, `${method} ${path}: ${status}`);
  }
});

test('a function is deployed with the spaces that it may use', async (t) => {
  const { request } = await start(t);
  const body = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const deployed = await request('PUT', '/functions/a?kv=carts:rw&kv=catalog:ro', { body });
  assert.deepEqual([deployed.status, deployed.json['kv']], [201, ['carts:rw', 'catalog:ro']]);
  for (const [query, expected] of [
    ['kv=carts', '400 BAD_OPTION'],
    ['kv=carts:w', '400 BAD_OPTION'],
    ['kv=', '400 BAD_OPTION'],
    ['kv=a:ro&kv=a:rw', '400 BAD_OPTION'],
    ['kv=A:ro', '400 KV_NAME_INVALID'],
    [Array.from({ length: 17 }, (_, i) => `kv=s${i}:ro`).join('&'), '400 BAD_OPTION'],
  ] as const) {
    assert.equal(code(await request('PUT', `/functions/a?${query}`, { body })), expected, query);
  }
});
