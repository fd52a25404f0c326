import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { JordError } from '../errors.ts';
import { type Answer, send, sendRaw, serve } from './gateway.fixture.ts';
import { MemoryWorker } from './memory-worker.fixture.ts';
import { type GatewayLogRecord, startGateway } from './server.ts';

/** Checks that this is a problem document of this code, whole and consistent; returns its members. */
function problem(answer: Answer, status: number, code: string): Record<string, unknown> {
  assert.equal(answer.status, status, answer.body.toString());
  assert.equal(answer.headers['content-type'], 'application/problem+json');
  const { json } = answer;
  assert.equal(json['status'], status);
  assert.equal(json['code'], code);
  assert.equal(json['type'], `urn:jord:error:${code}`);
  assert.equal(typeof json['title'], 'string');
  assert.equal(typeof json['detail'], 'string');
  return json;
}

test('paths that are nothing and methods that are not possible', async (t) => {
  const gateway = await serve(t);
  for (const path of ['/nothing', '/fn', '/functions/a/b', '//', '/FN/hello']) {
    problem(await send(gateway, { path }), 404, 'NOT_FOUND');
    problem(await send(gateway, { path, method: 'PROPFIND', body: 'x' }), 404, 'NOT_FOUND');
  }
  const expected = {
    '/': 'GET, HEAD, OPTIONS',
    '/functions': 'GET, HEAD, OPTIONS',
    '/stats': 'GET, HEAD, OPTIONS',
    '/functions/a': 'GET, PUT, DELETE, HEAD, OPTIONS',
  };
  for (const [path, allow] of Object.entries(expected)) {
    for (const method of ['POST', 'PATCH', 'TRACE', 'PROPFIND', 'QUERY']) {
      const answer = await send(gateway, { path, method, body: 'x' });
      problem(answer, 405, 'METHOD_NOT_ALLOWED');
      assert.equal(answer.headers.allow, allow);
    }
    const options = await send(gateway, { path, method: 'OPTIONS' });
    assert.equal(options.status, 204);
    assert.equal(options.headers.allow, allow);
  }
});

test('HEAD answers like GET, without the body', async (t) => {
  const gateway = await serve(t);
  for (const path of ['/', '/healthz', '/readyz', '/functions']) {
    const get = await send(gateway, { path });
    const head = await send(gateway, { path, method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
    assert.equal(head.headers['content-length'], String(get.body.length));
  }
});

test('requests that are not HTTP are answered with a problem, and the server goes on', async (t) => {
  const gateway = await serve(t);
  const cases = [
    ['NONSENSE\r\n\r\n', 400],
    ['FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nBad Field: x\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['POST /fn/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n', 400],
    ['POST /fn/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 431],
  ] as const;
  for (const [text, status] of cases) {
    const answer = await sendRaw(gateway, text);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), text.slice(0, 60));
    assert.match(answer, /content-type: application\/problem\+json/i);
    const json = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)) as Record<string, unknown>;
    assert.equal(json['status'], status);
  }
  assert.equal((await send(gateway, { path: '/healthz' })).status, 200);
});

test('URLs with broken escapes', async (t) => {
  const gateway = await serve(t);
  for (const path of ['/%', '/%zz', '/fn/%ff', '/fn/%', '/fn/hello/%e0%a4', '/functions/%c3%28']) {
    problem(await send(gateway, { path }), 400, 'BAD_REQUEST');
  }
});

test('other forms of the request target', async (t) => {
  const gateway = await serve(t);
  const absolute = await sendRaw(
    gateway,
    'GET http://elsewhere/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  );
  assert.match(absolute, /^HTTP\/1.1 200 /);
  const bare = await sendRaw(gateway, 'GET http://elsewhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  assert.match(bare, /"name": "jord"/);
  const star = await sendRaw(gateway, 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  assert.match(star, /^HTTP\/1.1 204 /);
  const old = await sendRaw(gateway, 'GET /healthz HTTP/1.0\r\n\r\n');
  assert.match(old, /^HTTP\/1.1 200 /);
});

test('a body of any type is taken as it is', async (t) => {
  const gateway = await serve(t, new MemoryWorker({ echo: (body) => ({ body }) }));
  const body = Buffer.from([0, 255, 10, 13, 0x7b]);
  for (const type of [
    'application/json',
    'text/plain; charset=utf-16',
    'multipart/form-data',
    'garbage',
    'a/b/c',
    ';',
    '"',
  ]) {
    const answer = await send(gateway, { method: 'POST', path: '/fn/echo', body, headers: { 'content-type': type } });
    assert.equal(answer.status, 200, type);
    assert.deepEqual(answer.body, body);
    // One that is not well-formed is not passed on.
    const isWellFormed = /^[a-z]+\/[a-z-]+(?:;|$)/.test(type);
    assert.equal(answer.headers['content-type'], isWellFormed ? type : 'application/octet-stream');
  }
  for (const method of ['GET', 'DELETE', 'PUT', 'PATCH', 'PROPFIND', 'TRACE', 'OPTIONS']) {
    const answer = await send(gateway, { method, path: '/fn/echo', body });
    assert.deepEqual(answer.body, body, method);
    assert.equal(answer.headers['content-type'], 'application/octet-stream');
  }
});

test('a body larger than the limit', async (t) => {
  const gateway = await serve(t, new MemoryWorker({ size: (body) => ({ body: Buffer.from(String(body.length)) }) }), {
    bodyLimitBytes: 100_000,
  });
  const sent = { method: 'POST', path: '/fn/size' };
  assert.equal((await send(gateway, { ...sent, body: Buffer.alloc(100_000) })).body.toString(), '100000');
  const json = problem(await send(gateway, { ...sent, body: Buffer.alloc(100_001) }), 413, 'BODY_TOO_LARGE');
  assert.equal(json['limitBytes'], 100_000);
  // Where the length is not said, it is noticed while reading.
  const chunked = {
    ...sent,
    body: Buffer.alloc(1_000_000),
    headers: { 'transfer-encoding': 'chunked', connection: 'keep-alive' },
  };
  problem(await send(gateway, chunked), 413, 'BODY_TOO_LARGE');
  // A client that sends on sees the answer all the same.
  for (let round = 0; round < 5; round += 1) {
    const response = await fetch(`${gateway.url}/fn/size`, { method: 'POST', body: Buffer.alloc(20_000_000) });
    assert.equal(response.status, 413);
  }
});

test('a client that asks first is told before it sends its body', async (t) => {
  const gateway = await serve(t, new MemoryWorker({ echo: (body) => ({ body }) }), { bodyLimitBytes: 10 });
  const head = (path: string, length: number): string =>
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`;
  assert.match(await sendRaw(gateway, head('/fn/echo', 11)), /^HTTP\/1.1 413 /);
  assert.match(await sendRaw(gateway, head('/fn/unknown', 5)), /^HTTP\/1.1 404 /);
  const echoed = await sendRaw(gateway, `${head('/fn/echo', 5)}hello`);
  assert.match(echoed, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /);
  assert.ok(echoed.endsWith('hello'));
  const odd = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: miracles\r\n\r\n';
  assert.match(await sendRaw(gateway, odd), /^HTTP\/1.1 200 /);
});

test('an error that nobody foresaw tells the client nothing of the inside, and the log all of it', async (t) => {
  const records: GatewayLogRecord[] = [];
  const broken = new MemoryWorker({
    broken: () => {
      throw new TypeError('secret inside');
    },
  });
  const gateway = await serve(t, broken, { log: (record) => records.push(record) });
  const answer = await send(gateway, { method: 'POST', path: '/fn/broken' });
  const json = problem(answer, 500, 'INTERNAL');
  assert.ok(!answer.body.toString().includes('secret'));
  assert.equal(records.length, 1);
  assert.equal(records[0]?.level, 'error');
  assert.match(String(records[0]?.fields['stack']), /TypeError: secret inside\n/);
  assert.equal(json['instance'], `urn:jord:request:${records[0]?.fields['request']}`);
});

test('errors of the table keep their status and details', async (t) => {
  const details = {
    function: 'f',
    fault: 'memory-access',
    reason: 'r',
    address: '0x10',
    access: 'read',
    sizeBytes: 4,
    backtrace: ['g'],
  };
  const gateway = await serve(
    t,
    new MemoryWorker({
      faulty: () => {
        throw new JordError('FUNCTION_FAULT', 'The function "f" failed.', { ...details, status: 200, code: 'X' });
      },
      busy: () => {
        throw new JordError('HOMES_EXHAUSTED', 'All in use.');
      },
    }),
  );
  const json = problem(await send(gateway, { path: '/fn/faulty' }), 502, 'FUNCTION_FAULT');
  for (const [name, value] of Object.entries(details)) assert.deepEqual(json[name], value);
  const busy = await send(gateway, { path: '/fn/busy' });
  problem(busy, 503, 'HOMES_EXHAUSTED');
});

test('a 503 says when to try again', async (t) => {
  const codes = [
    'OVERLOADED',
    'CONCURRENCY_EXCEEDED',
    'HOMES_EXHAUSTED',
    'ADDRESS_SPACE_EXHAUSTED',
    'EXECUTOR_LOST',
    'SERVER_STOPPED',
    'INVOCATION_CANCELLED',
  ] as const;
  const worker = new MemoryWorker({
    refused: (body) => {
      const code = codes.find((known) => known === body.toString());
      throw new JordError(code ?? 'DEADLINE_EXCEEDED', 'Not now.');
    },
  });
  const gateway = await serve(t, worker, { isReady: () => false });
  const refused = (body: string): Promise<Answer> => send(gateway, { method: 'POST', path: '/fn/refused', body });
  for (const code of codes) {
    const answer = await refused(code);
    assert.equal(problem(answer, 503, code)['retryAfterSeconds'], 1);
    assert.equal(answer.headers['retry-after'], '1');
  }
  const starting = await send(gateway, { path: '/readyz' });
  assert.equal(problem(starting, 503, 'SERVER_STARTING')['retryAfterSeconds'], 1);
  assert.equal(starting.headers['retry-after'], '1');
  const other = await refused('another');
  assert.ok(!('retryAfterSeconds' in problem(other, 504, 'DEADLINE_EXCEEDED')));
  assert.equal(other.headers['retry-after'], undefined);
});

test('the access log has one record a request', async (t) => {
  const records: GatewayLogRecord[] = [];
  const gateway = await serve(t, new MemoryWorker(), { accessLog: true, log: (record) => records.push(record) });
  await send(gateway, { path: '/healthz' });
  await send(gateway, { path: '/nothing?x=1' });
  await delay(20);
  assert.deepEqual(
    records.map(({ level, message }) => `${level} ${message.replace(/[\d.]+ ms$/, '… ms')}`),
    ['info GET /healthz 200 in … ms', 'info GET /nothing?x=1 404 in … ms'],
  );
  assert.equal(records[1]?.fields['status'], 404);
  assert.equal(typeof records[1]?.fields['durationMs'], 'number');
});

test('a port that is in use', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await new Promise((resolve) => other.once('listening', resolve));
  const address = other.address();
  assert.ok(typeof address === 'object' && address !== null);
  await assert.rejects(startGateway(new MemoryWorker(), { host: '127.0.0.1', port: address.port }), (error) => {
    assert.ok(error instanceof JordError);
    assert.equal(error.code, 'LISTEN_FAILED');
    assert.match(error.message, /port \d+: the port is in use/);
    return true;
  });
});

test('not ready until whoever started the gateway says so; alive meanwhile', async (t) => {
  let isReady = false;
  const gateway = await serve(t, new MemoryWorker({ a: () => ({}) }), { isReady: () => isReady });
  problem(await send(gateway, { path: '/readyz' }), 503, 'SERVER_STARTING');
  assert.equal((await send(gateway, { path: '/healthz' })).status, 200);
  isReady = true;
  assert.deepEqual((await send(gateway, { path: '/readyz' })).json, { status: 'ready', functions: 1 });
});
