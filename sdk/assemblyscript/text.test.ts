/** UTF-8 in and out of the SDK against the engine's own. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { startTestServer, type TestServer } from './sdk.fixture.ts';

let functions: TestServer;
before(async () => {
  functions = await startTestServer(['text']);
});
after(() => functions.server.stop());

const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Long and short runs of ASCII between anything else, so that every fast path begins and ends everywhere. */
const texts = fc
  .array(
    fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary-ascii', maxLength: 40 }), fc.constant('😀é–')),
  )
  .map((parts) => parts.join(''));

/** Bytes that are nearly UTF-8. */
const almost = fc.tuple(texts, fc.array(fc.tuple(fc.nat(), fc.nat(255)))).map(([text, changes]) => {
  const bytes = encode(text);
  for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
  return bytes;
});
const bytesOfAnyKind = fc.oneof(texts.map(encode), fc.uint8Array({ maxLength: 64 }), almost);

test('decodes and encodes text', async () => {
  await fc.assert(
    fc.asyncProperty(bytesOfAnyKind, async (bytes) => {
      const text = decode(bytes);
      for (const path of ['/string', '/argbuf']) {
        const { body } = await functions.call('text', path, bytes);
        assert.equal(decode(body), text);
        assert.deepEqual(body, encode(text));
      }
    }),
    { numRuns: 500 },
  );
});

test('decodes code points one by one', async () => {
  await fc.assert(
    fc.asyncProperty(bytesOfAnyKind, async (bytes) => {
      const { text } = await functions.call('text', '/points', bytes);
      const lines = text === '' ? [] : text.slice(0, -1).split(/(?<=[ !].)\n/su);
      const points = Array.from(decode(bytes));
      assert.equal(lines.length, points.length);
      for (const [index, point] of points.entries()) {
        const digits = (point.codePointAt(0) ?? 0).toString(16);
        const line = lines[index] ?? '';
        const malformed = line.endsWith(`!\ufffd`);
        assert.equal(line, `${digits}${malformed ? '!' : ' '}${point}`);
      }
      // The replacement character can also have been there.
      const malformed = lines.filter((line) => line.endsWith('!\ufffd')).length;
      assert.equal(malformed > 0, (await functions.call('text', '/is-utf8', bytes)).text === 'false');
      assert.equal(malformed > 0, !isUtf8(bytes));
    }),
    { numRuns: 500 },
  );
});

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

test('compares UTF-8 with strings', async () => {
  const change = fc
    .tuple(texts, fc.nat(), fc.constantFrom('', 'x', 'é', '😀'))
    .map(([text, at, added]): [string, string] => {
      const points = Array.from(text);
      points.splice(at % (points.length + 1), 1, added);
      return [text, points.join('')];
    });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        change,
        fc.tuple(texts, texts),
        texts.map((text): [string, string] => [text, text]),
      ),
      async (pair) => {
        const [left, right] = pair.map((text) => text.replaceAll('\0', '0')) as [string, string];
        const { text } = await functions.call('text', '/is', `${left}\0${right}`);
        assert.equal(text, left === right ? '1111' : '0000');
      },
    ),
    { numRuns: 500 },
  );
  // Malformed bytes are the text of nothing, not even of the character that they decode to.
  const { text } = await functions.call('text', '/is', Uint8Array.of(0xff, 0, 0xef, 0xbf, 0xbd));
  assert.equal(text, '0101');
});

test('encodes lone surrogates as U+FFFD', async () => {
  for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800', 'long enough \ud83dx', '😀\ud83d']) {
    const units = Uint16Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
    const { text: encoded } = await functions.call('text', '/units', new Uint8Array(units.buffer));
    assert.equal(encoded, text.toWellFormed());
  }
});

test('a writer grows, and its ArgBuf has just what was written', async () => {
  for (const rounds of [0, 1, 9, 1000, 100_000]) {
    const { text, body, headers } = await functions.call('text', `/grow?${rounds}`);
    const lines = Array.from({ length: rounds }, (_, index) => `é${index}😀–\n`).join('');
    assert.equal(text, `${lines}#${encode(lines).length + 1}`);
    assert.equal(body.length, encode(text).length);
    assert.equal(headers['content-type'], 'text/csv');
  }
  assert.equal((await functions.call('text', '/empty')).body.length, 0);
  await assert.rejects(functions.call('text', '/given-away'), { code: 'FUNCTION_FAULT' });
  assert.match(functions.logs.at(-1)?.message ?? '', /^this writer has given its ArgBuf away at /);
});

test('writes integers of every type', async () => {
  const { text } = await functions.call('text', '/numbers');
  assert.equal(
    text,
    '-128 255 -32768 -2147483648 2147483647 4294967295 -9223372036854775808 9223372036854775807 18446744073709551615 0 -1 10',
  );
});
