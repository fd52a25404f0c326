/** The HTTP side of a function, and what it asks of the system. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { LogRecord } from '../../src/server/types.ts';
import { startTestServer, type TestServer } from './sdk.fixture.ts';

let functions: TestServer;
before(async () => {
  functions = await startTestServer(['http', 'system']);
});
after(() => functions.server.stop());

const none = {
  isHttp: false,
  method: '',
  path: '',
  query: '',
  headers: [null, null],
  parameters: [null, null, null, null],
};

async function parameters(query: string): Promise<(string | null)[]> {
  const { text } = await functions.call('http', '/seen', '', { query });
  return (JSON.parse(text) as typeof none).parameters;
}

describe('requests', () => {
  test('have their parts', async () => {
    const { text } = await functions.call('http', '/seen/it?a=1', 'body', {
      method: 'PATCH',
      headers: [
        ['content-type', 'text/x; a="ü"'],
        ['x-other', ''],
      ],
    });
    assert.deepEqual(JSON.parse(text), {
      isHttp: true,
      method: 'PATCH',
      path: '/seen/it',
      query: 'a=1',
      headers: ['text/x; a="ü"', null],
      parameters: ['1', null, null, null],
    });
  });

  test('of a nested call have none', async () => {
    assert.deepEqual(JSON.parse((await functions.call('http', '/nested?a=1', 'body')).text), none);
    const result = await functions.server.invoke('http', new Uint8Array(0));
    assert.deepEqual(JSON.parse(new TextDecoder().decode(result.body)), none);
  });

  test('give all fields as they are', async () => {
    const headers: [string, string][] = [['x-a', '1']];
    const { text } = await functions.call('http', '/fields', '', { method: 'GET', headers });
    assert.equal(text, ':method: GET\n:path: /fields\n:query: \nx-a: 1\n');
  });

  test('have decoded parameters', async () => {
    assert.deepEqual(await parameters('a=x%20y+z&b+c=%C3%BC&%C3%A9=%41%4a%4A'), ['x y z', 'ü', 'AJJ', null]);
    assert.deepEqual(await parameters('a=first&a=second'), ['first', null, null, null]);
    assert.deepEqual(await parameters('a&b%20c='), ['', '', null, null]);
    assert.deepEqual(await parameters('a==b=&&=empty'), ['=b=', null, null, 'empty']);
    assert.deepEqual(await parameters('a=100%&b%20c=%zz%4'), ['100%', '%zz%4', null, null]);
    assert.deepEqual(await parameters('a=%FF%E2%82'), ['\ufffd\ufffd', null, null, null]);
    assert.deepEqual(await parameters('aa=1&A=2&xa=3'), [null, null, null, null]);
    assert.deepEqual(await parameters(''), [null, null, null, null]);
  });

  test('have the parameters that a browser wrote', async () => {
    const pairs = fc.array(fc.tuple(fc.constantFrom('a', 'b c', 'é', 'z'), fc.string({ unit: 'binary' })));
    await fc.assert(
      fc.asyncProperty(pairs, async (written) => {
        const search = new URLSearchParams(written.map(([name, value]) => [name, value.toWellFormed()]));
        const expected = [search.get('a'), search.get('b c'), search.get('é'), null];
        assert.deepEqual(await parameters(search.toString()), expected);
      }),
      { numRuns: 200 },
    );
  });
});

describe('responses', () => {
  const call = (path: string, body = '') => functions.call('http', path, body);

  test('have a status and a content type', async () => {
    const plain = await call('/plain');
    assert.deepEqual([plain.status, plain.headers], [418, { 'content-type': 'text/plain; charset=utf-8' }]);
    const json = await call('/json');
    assert.deepEqual([json.status, json.text], [undefined, '{"a":1}']);
    assert.deepEqual(json.headers, { 'content-type': 'application/json', 'x-one': '1', 'x-two': '2' });
    assert.deepEqual((await call('/bytes', 'x')).headers, { 'content-type': 'application/octet-stream' });
    assert.deepEqual((await call('/type')).headers, { 'content-type': 'text/csv' });
    assert.deepEqual((await call('/bare', 'x')).headers, {});
    const empty = await call('/empty');
    assert.deepEqual([empty.status, empty.body.length, empty.headers], [204, 0, {}]);
  });

  test('keep the last value of a header, and every cookie', async () => {
    assert.equal((await call('/last')).headers['x-name'], 'last');
    const { headers } = await functions.server.invoke('http', new Uint8Array(0), {
      http: { method: 'GET', path: '/cookies', query: '', headers: [] },
    });
    const cookies = headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value);
    assert.deepEqual(cookies, ['a=1', 'b=2']);
  });

  test('that are not returned leave no trace', async () => {
    const { text, status, headers } = await call('/unused');
    assert.deepEqual([text, status, headers['x-unused']], ['sent', undefined, undefined]);
  });

  test('with something that HTTP does not allow stop the function', async () => {
    for (const [path, lines] of [
      ['/bad-status', [/^no HTTP status for a response at ~lib\/jord\/response\.ts:/]],
      ['/bad-header', [/^x-bad$/, /^HTTP does not allow this value of the header above: status 37$/]],
    ] as const) {
      functions.logs.length = 0;
      await assert.rejects(call(path), { code: 'FUNCTION_FAULT' });
      assert.equal(functions.logs.length, lines.length);
      for (const [index, line] of lines.entries()) assert.match(functions.logs[index]?.message ?? '', line);
    }
  });
});

describe('the system', () => {
  const call = (path: string, body = '') => functions.call('system', path, body);

  async function logged(path: string, body: string): Promise<readonly LogRecord[]> {
    functions.logs.length = 0;
    await call(path, body).catch(() => undefined);
    return functions.logs;
  }

  test('logs lines of each level', async () => {
    const lines = (await logged('/log', 'Größe')).map(
      (record) => `${record.level} ${record.function} ${record.message}`,
    );
    assert.deepEqual(lines, [
      'debug system debug Größe',
      'info system info Größe',
      'warn system warn Größe',
      'error system ',
      'info system console Größe',
      'warn system console warn',
      'error system Assertion failed: console assert',
      'debug system trace 1.5 2.0',
    ]);
  });

  test('logs why and where a function ended', async () => {
    for (const [path, message] of [
      ['/throw', /^sorry, it failed at system\.ts:\d+:\d+$/],
      ['/assert', /^not empty at system\.ts:\d+:\d+$/],
      ['/assert-plain', /^aborted at system\.ts:\d+:\d+$/],
      ['/array', /^Index out of range at ~lib\/array\.ts:\d+:\d+$/],
    ] as const) {
      const [line] = await logged(path, 'it failed');
      assert.equal(line?.level, 'error');
      assert.match(line.message, message);
    }
  });

  test('tells the time', async () => {
    const before = Date.now();
    const [time, now] = (await call('/time')).text.split(' ').map(Number);
    // The server's clock is not stepped as Date's can be.
    assert.ok(Math.abs((time ?? 0) - before) < 5000 && Math.abs((now ?? 0) - before) < 5000);
  });

  test('gives random bytes and numbers', async () => {
    for (const length of [0, 1, 300, 200_000]) {
      const { body } = await call(`/random?${length}`);
      assert.equal(body.length, length);
      // Of so many bytes, each value occurs, at the end as well.
      if (length > 100_000) assert.equal(new Set(body.subarray(-10_000)).size, 256);
    }
    const first = (await call('/numbers')).text.split(' ');
    const second = (await call('/numbers')).text.split(' ');
    for (const index of [0, 1, 2]) assert.notEqual(first[index], second[index]);
    const [low, ...thirds] = first.slice(3).map(Number);
    assert.ok(Math.abs((low ?? 0) - 1500) < 300);
    for (const count of thirds) assert.ok(Math.abs(count - 1000) < 250);
  });

  test('keeps what was made when the function was deployed', async () => {
    const made = (await call('/image')).text;
    assert.match(made, /^\d+$/);
    assert.equal((await call('/image')).text, made);
  });
});
