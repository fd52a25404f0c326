import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Field, HEAD_BYTES_MAX, type OutboundRequest, parseRequest, responseHead } from './message.ts';

const TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789ABCXYZabcxyz";
const REFUSED_NAMES =
  'connection content-length expect host keep-alive proxy-authorization te trailer transfer-encoding upgrade'.split(
    ' ',
  );

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}

function parseText(text: string): OutboundRequest | undefined {
  return parseRequest(bytesOf(text));
}

const tokens = fc.string({ unit: fc.constantFrom(...TOKEN_CHARACTERS), minLength: 1, maxLength: 12 });
const names = tokens.map((token) => `x-${token}`);
/** Inner blanks stay, outer ones are not part of a value. */
const values = fc
  .string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 20 })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what a value has not.
  .map((text) => text.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, '').replace(/^[\t ]+|[\t ]+$/g, ''));
const fields: fc.Arbitrary<Field[]> = fc.array(fc.tuple(names, values), { maxLength: 8 });
const urls = fc.webUrl({ validSchemes: ['http', 'https'], withQueryParameters: true });

function requestText(method: string, url: string, headers: readonly Field[], body: Uint8Array, end: string): Buffer {
  const lines = [`${method} ${url}`, ...headers.map(([name, value]) => `${name}:${value}`), '', ''];
  return Buffer.concat([Buffer.from(lines.join(end), 'latin1'), body]);
}

test('a request: method, URL, fields, body', () => {
  const request = parseText('POST https://example.com:8443/a?b=c\nX-One:  1 \nx-one:2\nAccept:\n\nbody\n\nmore');
  assert.equal(request?.method, 'POST');
  assert.equal(request.url.href, 'https://example.com:8443/a?b=c');
  assert.deepEqual(request.headers, [
    ['X-One', '1'],
    ['x-one', '2'],
    ['Accept', ''],
  ]);
  assert.equal(Buffer.from(request.body).toString(), 'body\n\nmore');
});

test('a request with \\r\\n, and one that mixes both', () => {
  assert.deepEqual(parseText('GET http://a/\r\nb: c\r\n\r\n')?.headers, [['b', 'c']]);
  assert.deepEqual(parseText('GET http://a/\nb: c\r\n\n')?.headers, [['b', 'c']]);
  assert.equal(parseText('POST http://a/\r\n\r\n\r\n')?.body.length, 2);
});

test('bytes of a value stay what they are, and a URL may be UTF-8', () => {
  const request = parseText('GET http://bücher.example/ä\nx: ü\n\n');
  assert.equal(request?.url.href, 'http://xn--bcher-kva.example/%C3%A4');
  assert.deepEqual(request.headers, [['x', Buffer.from('ü').toString('latin1')]]);
});

test('malformed requests', () => {
  const malformed = [
    '',
    '\n',
    '\n\n',
    'GET http://a/',
    'GET http://a/\n',
    'GET http://a/\nb: c\n',
    'GET\n\n',
    'GET \n\n',
    ' http://a/\n\n',
    'GET  http://a/\n\n',
    'GET http://a/ HTTP/1.1\n\n',
    'GET http://a/\tb\n\n',
    'GET http://a/\x00\n\n',
    'GET http://a/\x7f\n\n',
    'GET http://a/\r\r\n\n',
    'GET /a\n\n',
    'GET //a/\n\n',
    'GET http:a\n\n',
    'GET http://\n\n',
    'GET http://a:99999/\n\n',
    'GET file:///etc/passwd\n\n',
    'GET data:,x\n\n',
    'GET ftp://a/\n\n',
    'GET ws://a/\n\n',
    'GET http://user@a/\n\n',
    'GET http://user:secret@a/\n\n',
    'GET http://:secret@a/\n\n',
    'G(T http://a/\n\n',
    'GÉT http://a/\n\n',
    'CONNECT http://a/\n\n',
    'trace http://a/\n\n',
    'TRACK http://a/\n\n',
    'GET http://a/\n\nbody',
    'head http://a/\n\nbody',
    'GET http://a/\nb\n\n',
    'GET http://a/\n: c\n\n',
    'GET http://a/\nb : c\n\n',
    'GET http://a/\nb: c\n d\n\n',
    'GET http://a/\nb: c\rd: e\n\n',
    'GET http://a/\nb: \x00\n\n',
    'GET http://a/\nb: \x7f\n\n',
    'GET http://a/\nü: c\n\n',
  ];
  for (const text of malformed) assert.equal(parseText(text), undefined, JSON.stringify(text));
  const notUtf8 = Buffer.from('GET http://a/\xff\n\n', 'latin1');
  assert.equal(parseRequest(notUtf8), undefined);
});

test('fields that frame the message or speak of the connection are refused, however they are written', () => {
  for (const name of REFUSED_NAMES) {
    assert.equal(parseText(`POST http://a/\nx: y\n${name}: 1\n\n`), undefined, name);
    assert.equal(parseText(`POST http://a/\n${name.toUpperCase()}:1\n\n`), undefined, name);
  }
});

test('the head has a limit, the body has none', () => {
  const head = 'POST http://a/\nx: ';
  const room = HEAD_BYTES_MAX - head.length - '\n\n'.length;
  const body = 'b'.repeat(HEAD_BYTES_MAX);
  assert.equal(parseText(`${head}${'c'.repeat(room)}\n\n${body}`)?.body.length, HEAD_BYTES_MAX);
  assert.equal(parseText(`${head}${'c'.repeat(room + 1)}\n\n${body}`), undefined);
});

test('blanks in a value cost no more than other characters', () => {
  const value = `a${' '.repeat(HEAD_BYTES_MAX - 100)}b`;
  const start = performance.now();
  assert.deepEqual(parseText(`GET http://a/\nx: ${value} \n\n`)?.headers, [['x', value]]);
  // Of the order of a millisecond; seconds if each blank looked at all that follow.
  assert.ok(performance.now() - start < 500);
});

test('a request in shared memory; its body is a view', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(100), 10, 40);
  shared.set(bytesOf('PUT http://a/\n\n'));
  const request = parseRequest(shared);
  assert.equal(request?.body.buffer, shared.buffer);
  assert.equal(request.body.byteOffset, 25);
  assert.equal(request.body.length, 25);
});

test('any request comes out as it went in', () => {
  const methods = tokens.filter((token) => !/^(get|head|connect|trace|track)$/i.test(token));
  const ends = fc.constantFrom('\n', '\r\n');
  fc.assert(
    fc.property(methods, urls, fields, fc.uint8Array({ maxLength: 40 }), ends, (method, url, headers, body, end) => {
      const request = parseRequest(requestText(method, url, headers, body, end));
      assert.equal(request?.method, method);
      assert.equal(request.url.href, new URL(url).href);
      assert.deepEqual(request.headers, headers);
      assert.deepEqual(Buffer.from(request.body), Buffer.from(body));
    }),
  );
});

/** Whole requests with a few bytes changed, which get further than random bytes. */
const damaged = fc
  .tuple(
    fc.constantFrom('GET', 'POST', 'options', 'TRACE', 'a b'),
    urls,
    fields,
    fc.uint8Array({ maxLength: 20 }),
    fc.array(fc.tuple(fc.nat({ max: 80 }), fc.constantFrom(0, 9, 10, 13, 32, 58, 64, 127, 200)), { maxLength: 3 }),
  )
  .map(([method, url, headers, body, changes]) => {
    const bytes = requestText(method, url, headers, body, '\n');
    for (const [index, byte] of changes) if (index < bytes.length) bytes[index] = byte;
    return bytes;
  });

test('no bytes make it throw, and what it accepts, `fetch` does too', () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), (bytes) => {
      const request = parseRequest(bytes);
      if (request === undefined) return;
      accepted++;
      const { method, url } = request;
      assert.match(url.protocol, /^https?:$/);
      const headers = request.headers.map(([name, value]): [string, string] => [name, value]);
      const body = request.body.length === 0 ? null : new Uint8Array(request.body);
      assert.equal(new Request(url, { method, headers, body }).url, url.href);
    }),
    { numRuns: 1000 },
  );
  assert.ok(accepted > 50, `only ${accepted} were accepted`);
});

test('the head of a response: status, fields in lower case, an empty line', () => {
  const head = responseHead(404, [
    ['Content-Type', 'text/plain'],
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
    ['x-latin', '\xfc'],
    ['x-empty', ''],
  ]);
  const text = '404\ncontent-type: text/plain\nset-cookie: a=1\nset-cookie: b=2\nx-latin: \xfc\nx-empty: \n\n';
  assert.equal(Buffer.from(head).toString('latin1'), text);
});

test('the head of a response: nothing about the connection, nor about the body as it was on its way', () => {
  const ofConnection = REFUSED_NAMES.filter((name) => name !== 'host' && name !== 'content-length');
  const dropped: Field[] = [...ofConnection, 'Content-Length'].map((name) => [name, '5']);
  const codings = ['gzip', 'GZIP, br', 'x-gzip', 'deflate,zstd'];
  for (const coding of codings) dropped.push(['content-encoding', coding]);
  assert.equal(Buffer.from(responseHead(200, dropped)).toString(), '200\n\n');
  for (const coding of ['compress', 'gzip, compress', 'gzip, identity', '']) {
    const head = Buffer.from(responseHead(200, [['Content-Encoding', coding]])).toString();
    assert.equal(head, `200\ncontent-encoding: ${coding}\n\n`, 'a body that is still encoded');
  }
});

test('the head of a response has as many lines as it has fields, whatever they hold', () => {
  const anyFields = fc.array(fc.tuple(fc.oneof(names, fc.string()), fc.oneof(values, fc.string({ unit: 'binary' }))));
  fc.assert(
    fc.property(anyFields, fc.array(fc.tuple(names, values)), (wild, tame) => {
      const head = responseHead(200, [...tame, ...wild]);
      const lines = Buffer.from(head).toString('latin1').split('\n');
      assert.deepEqual(lines.splice(-2), ['', '']);
      assert.ok(lines.length <= 1 + tame.length + wild.length);
      const read = lines.slice(1, 1 + tame.length).map((line) => /^([^:]+): (.*)$/s.exec(line)?.slice(1));
      assert.deepEqual(
        read,
        tame.map(([name, value]) => [name.toLowerCase(), value]),
      );
    }),
  );
});
