import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JordError } from '../errors.ts';
import type { HttpRequest } from '../server/types.ts';
import { send, sendRaw, serve } from './gateway.fixture.ts';
import { parseTarget } from './invoke-routes.ts';
import { MemoryWorker } from './memory-worker.fixture.ts';

test('what a URL means', () => {
  const cases = {
    '/fn/a': ['a', '', ''],
    '/fn/a/': ['a', '/', ''],
    '/fn/a?': ['a', '', ''],
    '/fn/a?b/c': ['a', '', 'b/c'],
    '/fn/a/b//c?d=e?f': ['a', '/b//c', 'd=e?f'],
    '/fn/%61%2e%62/%41?%20': ['a.b', '/%41', '%20'],
    '/fn/a%2fb/c': ['a/b', '/c', ''],
    '/fn/': ['', '', ''],
    '/fn/?a': ['', '', 'a'],
  };
  for (const [url, [name, path, query]] of Object.entries(cases))
    assert.deepEqual(parseTarget(url), { name, path, query }, url);
});

test('a URL that only begins with /fn/ once it is decoded is nothing', async (t) => {
  const gateway = await serve(t, new MemoryWorker({ n: () => ({}), hello: () => ({}) }));
  for (const path of ['/%66n/hello', '/f%6e/hello', '/%66%6E/n/hello', '/%66n/']) {
    const answer = await send(gateway, { path, method: 'POST', body: 'x' });
    assert.equal(answer.status, 404, path);
    assert.equal(answer.json['code'], 'NOT_FOUND');
  }
});

/** Answers with what it sees of the request. */
function mirror(): MemoryWorker {
  return new MemoryWorker({
    mirror: (_body, { http }) => {
      const { method, path, query, headers } = http as HttpRequest;
      return { body: Buffer.from(JSON.stringify({ method, path, query, headers })) };
    },
  });
}

test('method, path, query and fields reach the function', async (t) => {
  const gateway = await serve(t, mirror());
  const answer = await send(gateway, {
    method: 'PATCH',
    path: '/fn/mirror/a%20b/?x=1&y=%2F',
    headers: { 'X-Custom': 'Value', 'Content-Type': 'text/x', Connection: 'close, x-hop', 'X-Hop': '1' },
  });
  const { method, path, query, headers } = answer.json as unknown as HttpRequest;
  assert.equal(method, 'PATCH');
  assert.equal(path, '/a%20b/');
  assert.equal(query, 'x=1&y=%2F');
  assert.deepEqual(
    headers.filter(([name]) => name !== 'host' && name !== 'content-length'),
    [
      ['x-custom', 'Value'],
      ['content-type', 'text/x'],
    ],
  );
});

test('jord-deadline-ms is the deadline of the request; what is none is refused before the body is read', async (t) => {
  const seen: (number | undefined)[] = [];
  const gateway = await serve(
    t,
    new MemoryWorker({
      f: (_body, { deadlineMs }) => {
        seen.push(deadlineMs);
        return {};
      },
    }),
  );
  const invoke = (headers: Readonly<Record<string, string>>) =>
    send(gateway, { method: 'POST', path: '/fn/f', headers });
  assert.equal((await invoke({})).status, 200);
  assert.equal((await invoke({ 'Jord-Deadline-Ms': '250' })).status, 200);
  assert.equal((await invoke({ 'jord-deadline-ms': '3600000' })).status, 200);
  assert.deepEqual(seen, [undefined, 250, 3_600_000]);
  for (const value of ['', '0', '-1', '1.5', '3600001', '1e3', 'soon', '5, 5']) {
    const answer = await invoke({ 'jord-deadline-ms': value });
    assert.equal(answer.status, 400, value);
    assert.equal(answer.json['code'], 'BAD_OPTION');
    assert.match(
      String(answer.json['detail']),
      /^jord-deadline-ms is a whole number of milliseconds from 1 to 3600000/,
    );
  }
  assert.equal(seen.length, 3);
});

test('a body is sent as the function made it, and so is its content type', async (t) => {
  const bodies: Readonly<Record<string, Buffer>> = {
    empty: Buffer.alloc(0),
    text: Buffer.from('{"a":1}'),
    other: Buffer.from('{"a":"\u00e4"}'),
    bytes: Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
    long: Buffer.alloc(4097, 'x'),
  };
  const headers: [string, string][] = [
    ['content-type', 'application/json'],
    ['x-title', 'Z\u00fcrich'],
  ];
  const gateway = await serve(
    t,
    new MemoryWorker({
      f: (_body, { http }) => ({
        body: bodies[http?.path.slice(1) ?? ''] ?? Buffer.of(),
        headers: headers.slice(0, 1),
      }),
      title: () => ({ body: Buffer.from('text'), headers }),
      bare: () => ({ body: Buffer.from('text') }),
      odd: (body) => ({ body: body.slice(), headers: [['content-type', 'odd']] }),
    }),
  );
  for (const [name, body] of Object.entries(bodies)) {
    const answer = await send(gateway, { path: `/fn/f/${name}` });
    assert.deepEqual(answer.body, body, name);
    assert.equal(answer.headers['content-length'], String(body.length), name);
    assert.equal(answer.headers['content-type'], 'application/json', name);
    const head = await send(gateway, { method: 'HEAD', path: `/fn/f/${name}` });
    assert.deepEqual([head.status, head.body.length], [200, 0], name);
    assert.equal(head.headers['content-length'], String(body.length), name);
  }
  // Fields are Latin-1, whatever the body is; and so is the type that the request had.
  const titled = await send(gateway, { path: '/fn/title' });
  assert.deepEqual([titled.headers['x-title'], titled.body.toString()], ['Z\u00fcrich', 'text']);
  // Fastify has its own idea of a type that is none, but it does not depend on the bytes.
  for (const body of ['text', '\u00fc']) {
    const odd = await send(gateway, { method: 'POST', path: '/fn/odd', body });
    assert.equal(odd.headers['content-type'], 'application/octet-stream');
  }
  const typed = await send(gateway, { path: '/fn/bare', headers: { 'content-type': 'text/plain; x="\u00fc"' } });
  assert.equal(typed.headers['content-type'], 'text/plain; x="\u00fc"');
});

test('what would be refused is refused before its body is read, and the connection goes on', async (t) => {
  const worker = mirror();
  const gateway = await serve(t, worker);
  worker.overload = new JordError('OVERLOADED', 'Too much.');
  const post = 'POST /fn/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n';
  const text = await sendRaw(gateway, `${post}\r\n`, (write) => {
    setTimeout(() => {
      worker.overload = undefined;
      write(`body${post}Connection: close\r\n\r\nmore`);
    }, 50);
  });
  const statuses = text.match(/^HTTP\/1\.1 \d+/gm);
  assert.deepEqual(statuses, ['HTTP/1.1 503', 'HTTP/1.1 200']);
  assert.match(text, /^retry-after: 1\r$/im);
  assert.match(text, /"code": "OVERLOADED"/);
});

test('the token of the server does not reach the function; other credentials do', async (t) => {
  const gateway = await serve(t, mirror(), { token: 's3cret' });
  const seen = async (authorization: string): Promise<boolean> => {
    const answer = await send(gateway, { path: '/fn/mirror', headers: { authorization } });
    assert.equal(answer.status, 200);
    return (answer.json as unknown as HttpRequest).headers.some(([name]) => name === 'authorization');
  };
  assert.equal(await seen('Bearer s3cret'), false);
  assert.equal(await seen('Bearer other'), true);
});

test('names that cannot be and functions that are not', async (t) => {
  const gateway = await serve(t, mirror());
  for (const path of [
    '/fn/',
    '/fn/..',
    '/fn/../functions',
    '/fn/%2e%2e/x',
    '/fn/Mirror',
    '/fn/a%2Fb',
    '/fn/a%00',
    `/fn/${'x'.repeat(300)}`,
  ]) {
    const answer = await send(gateway, { path, method: 'POST', body: 'x' });
    assert.equal(answer.status, 400, path);
    assert.equal(answer.json['code'], 'FUNCTION_NAME_INVALID');
  }
  const unknown = await send(gateway, { path: '/fn/unknown/x?y' });
  assert.equal(unknown.status, 404);
  assert.equal(unknown.json['code'], 'FUNCTION_UNKNOWN');
  assert.equal(unknown.json['function'], 'unknown');
  assert.match(String(unknown.json['detail']), /^No function "unknown" is deployed\. GET \/functions /);
});

test('status and fields of the response are what the function set', async (t) => {
  const gateway = await serve(
    t,
    new MemoryWorker({
      page: () => ({
        body: Buffer.from('<p>'),
        status: 201,
        headers: [
          ['content-type', 'text/html'],
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
          ['content-length', '1'],
          ['transfer-encoding', 'chunked'],
        ],
      }),
      nothing: () => ({ status: 204 }),
      reset: () => ({ status: 205, body: Buffer.from('x'), headers: [['content-type', 'text/plain']] }),
      moved: () => ({ status: 302, headers: [['location', '/elsewhere']] }),
      wrong: () => ({ status: 101 }),
      split: () => ({ headers: [['x', 'a\r\nb: c']] }),
    }),
  );
  const page = await send(gateway, { path: '/fn/page', headers: { 'content-type': 'text/plain' } });
  assert.equal(page.status, 201);
  assert.equal(page.headers['content-type'], 'text/html');
  assert.deepEqual(page.headers['set-cookie'], ['a=1', 'b=2']);
  assert.equal(page.headers['content-length'], '3');
  assert.equal(page.body.toString(), '<p>');
  const nothing = await send(gateway, { path: '/fn/nothing' });
  assert.equal(nothing.status, 204);
  assert.equal(nothing.headers['content-type'], undefined);
  const reset = await send(gateway, { path: '/fn/reset' });
  assert.equal(reset.status, 205);
  assert.deepEqual([reset.body.length, reset.headers['content-length']], [0, '0']);
  assert.equal(reset.headers['content-type'], undefined);
  const moved = await send(gateway, { path: '/fn/moved' });
  assert.equal(moved.headers.location, '/elsewhere');
  for (const name of ['wrong', 'split']) {
    const answer = await send(gateway, { path: `/fn/${name}` });
    assert.equal(answer.status, 502);
    assert.equal(answer.json['fault'], 'bad-response');
    assert.equal(answer.headers['x'], undefined);
  }
});

test('HEAD runs the function and leaves its body out', async (t) => {
  const gateway = await serve(
    t,
    new MemoryWorker({ four: () => ({ body: Buffer.from('four'), headers: [['x-a', 'b']] }) }),
  );
  const answer = await send(gateway, { method: 'HEAD', path: '/fn/four' });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-length'], '4');
  assert.equal(answer.headers['x-a'], 'b');
  assert.equal(answer.body.length, 0);
});

test('bodies of megabytes, many at a time', async (t) => {
  const gateway = await serve(t, new MemoryWorker({ echo: (body) => ({ body }) }));
  const answers = await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const body = Buffer.alloc(2_000_000, index + 1);
      const answer = await send(gateway, { method: 'POST', path: '/fn/echo', body });
      return answer.body.equals(body);
    }),
  );
  assert.ok(answers.every((isSame) => isSame));
});

test('the server marks its own errors, and no function can', async (t) => {
  const forged = Buffer.from('{"type":"urn:jord:error:INTERNAL","code":"INTERNAL"}');
  const gateway = await serve(
    t,
    new MemoryWorker({
      forger: () => ({
        body: forged,
        status: 500,
        headers: [
          ['content-type', 'application/problem+json'],
          ['Jord-Error', 'INTERNAL'],
        ],
      }),
      faulty: () => {
        throw new JordError('FUNCTION_FAULT', 'It failed.');
      },
    }),
  );
  const mark = async (path: string): Promise<unknown> => (await send(gateway, { path })).headers['jord-error'];
  assert.equal(await mark('/fn/forger'), undefined);
  assert.equal(await mark('/fn/faulty'), 'FUNCTION_FAULT');
  assert.equal(await mark('/fn/unknown'), 'FUNCTION_UNKNOWN');
  assert.equal(await mark('/nothing'), 'NOT_FOUND');
  assert.match(await sendRaw(gateway, 'NONSENSE\r\n\r\n'), /\r\njord-error: BAD_REQUEST\r\n/);
});
