/** Functions that ask another server. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { type Answer, startTestServer } from './sdk.fixture.ts';

/** What the other server got, newest last. */
const seen: IncomingMessage[] = [];
const other = createServer((request, response) => {
  seen.push(request);
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => reply(request, Buffer.concat(chunks), response));
});
await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
/** Nobody answers there: discard, which needs rights to listen on. */
const silent = 'http://127.0.0.1:9';

const functions = await startTestServer(['fetch'], { fetchAllow: [origin, silent] });
after(async () => {
  await functions.server.stop();
  other.closeAllConnections();
  await new Promise((resolve) => other.close(resolve));
});

function reply(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
  const { method, url } = request;
  if (url === '/missing') return void response.writeHead(404, { 'content-type': 'text/plain' }).end('not here');
  if (url === '/nothing') return void response.writeHead(204).end();
  if (url === '/moved') return void response.writeHead(302, { location: '/missing' }).end();
  if (url === '/bytes') return void response.end(Uint8Array.of(0x0a, 0x0a, 0xff, 0x00, 0x0a));
  if (url === '/large') return void response.end(Buffer.alloc(1_000_000, 0x0a));
  response.setHeader('X-Several', ['one', 'two, three']);
  response.setHeader('x-empty', '');
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ method, body: body.toString('latin1') }));
}

function call(path: string, url: string, body: string | Uint8Array = ''): Promise<Answer> {
  return functions.call('fetch', path, body, { headers: [['x-url', url]] });
}

async function described(path: string, url: string): Promise<unknown> {
  return JSON.parse((await call(path, url)).text);
}

const nothing = { headers: [null, null, null, null, null], length: 0, text: '' };

describe('fetch', () => {
  test('gets what is at a URL', async () => {
    const text = '{"method":"GET","body":""}';
    assert.deepEqual(await described('/get', `${origin}/a%20b?c=ü`), {
      status: 200,
      ok: true,
      error: 'OK',
      headers: ['application/json', 'one, two, three', '', null, null],
      length: text.length,
      text,
    });
    assert.equal(seen.at(-1)?.url, '/a%20b?c=%C3%BC');
    assert.equal((await call('/json', `${origin}/`)).text, 'true GET');
  });

  test('sends a method, headers and a body', async () => {
    const body = Uint8Array.of(0, 0x0a, 0xff, 0x0a, 0x0a);
    const { text } = JSON.parse((await call('/send?PUT', `${origin}/`, body)).text) as { text: string };
    assert.deepEqual(JSON.parse(text), { method: 'PUT', body: Buffer.from(body).toString('latin1') });
    const headers = seen.at(-1)?.headers;
    assert.deepEqual([headers?.['content-type'], headers?.['x-sent']], ['text/x', 'a, "b"']);

    assert.match((await call('/empty', `${origin}/`)).text, /\\"method\\":\\"DELETE\\",\\"body\\":\\"\\"/);
  });

  test('sends a request again', async () => {
    const once = '{"method":"POST","body":"same"}';
    assert.equal((await call('/twice?POST', `${origin}/`, 'same')).text, `${once}\n${once}`);
    assert.deepEqual(
      seen.slice(-2).map(({ headers }) => headers['x-more']),
      [undefined, '1'],
    );
  });

  test('gives whatever the server answers', async () => {
    const type = ['text/plain', null, null, null, null];
    const missing = { status: 404, ok: false, error: 'OK', headers: type, length: 8, text: 'not here' };
    assert.deepEqual(await described('/get', `${origin}/missing`), missing);
    assert.deepEqual(await described('/get', `${origin}/nothing`), { ...nothing, status: 204, ok: true, error: 'OK' });
    assert.deepEqual(await described('/get', `${origin}/moved`), { ...nothing, status: 302, ok: false, error: 'OK' });
    assert.deepEqual([...(await call('/body', `${origin}/bytes`)).body], [0x0a, 0x0a, 0xff, 0x00, 0x0a]);
  });

  test('tells why there is no answer', async () => {
    for (const [url, error] of [
      ['http://127.0.0.2:80/', 'NOT_ALLOWED'],
      ['https://example.com/', 'NOT_ALLOWED'],
      [silent, 'IO_FAILED'],
      ['no address', 'BAD_PARAMETER'],
    ] as const) {
      assert.deepEqual(await described('/get', url), { ...nothing, status: 0, ok: false, error }, url);
    }
  });

  test('sends nothing that would be more than one line', async () => {
    const count = seen.length;
    const lines = (await call('/malformed', `${origin}/`)).text.split('\n');
    assert.deepEqual(lines, [...new Array<string>(12).fill('0 BAD_PARAMETER false 0'), '']);
    assert.equal(seen.length, count);
  });

  test('leaves no memory behind that was given up', async () => {
    assert.equal((await call('/many?20', `${origin}/large`)).text, '20000000 20');
  });
});
