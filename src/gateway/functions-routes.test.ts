import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send, serve } from './gateway.fixture.ts';
import { EMPTY_MODULE, MemoryWorker } from './memory-worker.fixture.ts';

const DEPLOY = { method: 'PUT', path: '/functions/a', body: EMPTY_MODULE };

test('deploy, inspect, list, replace, remove', async (t) => {
  const gateway = await serve(t);
  const created = await send(gateway, { ...DEPLOY, path: '/functions/a?memory_limit_bytes=131072&deadline_ms=250' });
  assert.equal(created.status, 201);
  assert.equal(created.headers.location, '/functions/a');
  assert.equal(created.json['name'], 'a');
  assert.equal(created.json['sizeBytes'], 8);
  assert.equal(created.json['memoryLimitBytes'], 131072);
  assert.equal(created.json['deadlineMs'], 250);
  assert.deepEqual((await send(gateway, { path: '/functions/a' })).json, created.json);
  assert.deepEqual((await send(gateway, { path: '/functions' })).json, { functions: [created.json] });

  const replaced = await send(gateway, DEPLOY);
  assert.equal(replaced.status, 200);
  assert.equal(replaced.headers.location, undefined);
  assert.equal((await send(gateway, { method: 'POST', path: '/fn/a', body: 'x' })).body.toString(), 'x');

  assert.equal((await send(gateway, { method: 'DELETE', path: '/functions/a' })).status, 204);
  for (const method of ['GET', 'DELETE']) {
    const answer = await send(gateway, { method, path: '/functions/a' });
    assert.equal(answer.status, 404);
    assert.equal(answer.json['code'], 'FUNCTION_UNKNOWN');
    assert.equal(answer.json['function'], 'a');
    assert.match(String(answer.json['detail']), /^No function "a" is deployed\. GET \/functions /);
  }
  assert.equal((await send(gateway, { method: 'POST', path: '/fn/a' })).status, 404);
});

test('how many may run at once, and where a function may fetch from', async (t) => {
  const gateway = await serve(t);
  const settings = async (query: string): Promise<unknown> => {
    const { status, json } = await send(gateway, { ...DEPLOY, path: `/functions/a${query}` });
    assert.ok(status === 200 || status === 201, JSON.stringify(json));
    return [json['concurrency'], json['fetchAllow']];
  };
  assert.deepEqual(await settings(''), [null, []]);
  assert.deepEqual(await settings('?concurrency=1'), [1, []]);
  assert.deepEqual(await settings('?concurrency=65535&fetch_allow=https://API.example.com:443'), [
    65535,
    ['https://api.example.com'],
  ]);
  const list = ['https://*.example.com:8443', 'http://[::1]:8080'];
  const query = list.map((origin) => `fetch_allow=${encodeURIComponent(origin)}`).join('&');
  assert.deepEqual(await settings(`?${query}`), [null, list]);
});

test('what is refused says why, and the next deploy works', async (t) => {
  const gateway = await serve(t, new MemoryWorker(), { moduleLimitBytes: 1000 });
  const cases = [
    [{ body: 'not wasm' }, 422, 'MODULE_MALFORMED'],
    [{ body: '' }, 422, 'MODULE_MALFORMED'],
    [{ body: Buffer.alloc(1001) }, 413, 'BODY_TOO_LARGE'],
    [{ path: '/functions/..%2fx' }, 400, 'FUNCTION_NAME_INVALID'],
    [{ path: '/functions/%2e%2e' }, 400, 'FUNCTION_NAME_INVALID'],
    [{ path: '/functions/A' }, 400, 'FUNCTION_NAME_INVALID'],
    [{ path: `/functions/${'x'.repeat(5000)}` }, 400, 'FUNCTION_NAME_INVALID'],
    [{ path: '/functions/' }, 400, 'FUNCTION_NAME_INVALID'],
    [{ path: '/functions/a?memory_limit_bytes=lots' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?memory_limit_bytes=-1' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?memory_limit_bytes=' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?memory_limit_bytes=65536&memory_limit_bytes=65536' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?deadline_ms=0' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?deadline_ms=3600001' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?deadline_ms=1.5' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?deadline_ms=' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?deadline_ms=5&deadline_ms=5' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?concurrency=0' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?concurrency=65536' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?concurrency=many' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?concurrency=' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?concurrency=5&concurrency=5' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?fetch_allow=' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?fetch_allow=example.com' }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?fetch_allow=https://a&fetch_allow=https://a/path' }, 400, 'BAD_OPTION'],
    [{ path: `/functions/a?${'fetch_allow=https://a&'.repeat(65)}` }, 400, 'BAD_OPTION'],
    [{ path: '/functions/a?memory_limit=65536' }, 400, 'BAD_OPTION'],
  ] as const;
  for (const [change, status, code] of cases) {
    const answer = await send(gateway, { ...DEPLOY, ...change });
    assert.equal(answer.status, status, JSON.stringify(change).slice(0, 80));
    assert.equal(answer.json['code'], code);
  }
  const detail = async (body: string): Promise<unknown> => (await send(gateway, { ...DEPLOY, body })).json['detail'];
  assert.match(
    String(await detail('export function')),
    /does not begin as a WebAssembly module.*`jord deploy` compiles/,
  );
  assert.match(String(await detail('')), /^The body is empty\./);
  assert.equal((await send(gateway, DEPLOY)).status, 201);
});

test('modules and requests have limits of their own', async (t) => {
  const gateway = await serve(t, new MemoryWorker(), { bodyLimitBytes: 10, moduleLimitBytes: 100 });
  const module = Buffer.concat([EMPTY_MODULE, Buffer.alloc(92)]);
  assert.equal((await send(gateway, { ...DEPLOY, body: module })).status, 201);
  const body = await send(gateway, { method: 'POST', path: '/fn/a', body: Buffer.alloc(11) });
  assert.equal(body.json['detail'], 'The body is larger than 10 B, the limit of this server (--body-limit).');
  const larger = await send(gateway, { ...DEPLOY, body: Buffer.alloc(101) });
  assert.equal(larger.json['detail'], 'The body is larger than 100 B, the limit of this server (--module-limit).');
  assert.deepEqual([larger.status, larger.json['limitBytes']], [413, 100]);
});

test('with a token: management needs it, invocations and status do not', async (t) => {
  const gateway = await serve(t, new MemoryWorker({ open: () => ({}) }), { token: 's3cret' });
  const headers = { authorization: 'Bearer s3cret' };
  for (const request of [
    DEPLOY,
    { path: '/functions' },
    { path: '/functions/a' },
    { path: '/stats' },
    { path: '/functions/a', method: 'DELETE' },
  ]) {
    const answer = await send(gateway, request);
    assert.equal(answer.status, 401);
    assert.equal(answer.json['code'], 'UNAUTHORIZED');
    assert.equal(answer.headers['www-authenticate'], 'Bearer realm="jord"');
    assert.notEqual((await send(gateway, { ...request, headers })).status, 401);
  }
  for (const path of ['/', '/fn/open', '/healthz', '/readyz'])
    assert.equal((await send(gateway, { path })).status, 200);
});

test('without a token: nothing for pages of other sites, and nothing is deployed by them', async (t) => {
  const gateway = await serve(t);
  const origin = await send(gateway, { ...DEPLOY, headers: { origin: 'https://evil.example', host: 'localhost' } });
  assert.equal(origin.status, 403);
  assert.equal(origin.json['code'], 'FORBIDDEN');
  assert.match(String(origin.json['detail']), /Start it with --token/);
  for (const path of ['/functions', '/stats']) {
    const rebound = await send(gateway, { path, headers: { host: 'evil.example' } });
    assert.equal(rebound.status, 403);
    assert.match(String(rebound.json['detail']), /"evil\.example"\. Start it with --token/);
  }
  assert.deepEqual((await send(gateway, { path: '/functions' })).json, { functions: [] });
});

test('a stopped worker server', async (t) => {
  const worker = new MemoryWorker({ a: () => ({}) });
  const gateway = await serve(t, worker);
  await worker.stop();
  for (const request of [DEPLOY, { path: '/functions/a', method: 'DELETE' }, { path: '/fn/a' }]) {
    const answer = await send(gateway, request);
    assert.equal(answer.status, 503);
    assert.equal(answer.json['code'], 'SERVER_STOPPED');
  }
  assert.equal((await send(gateway, { path: '/healthz' })).status, 200);
});
