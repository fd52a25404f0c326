import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidArgumentError } from 'commander';
import {
  collectFetchAllow,
  collectHeader,
  dropEmptyVariables,
  parseBytes,
  parseBytesWithin,
  parseMemoryLimit,
  parseMethod,
  parseNumberWithin,
  parsePort,
  parseServerUrl,
  parseToken,
} from './options.ts';

function refused(parse: (text: string) => unknown, texts: readonly string[]): void {
  for (const text of texts) assert.throws(() => parse(text), InvalidArgumentError, JSON.stringify(text));
}

test('bytes', () => {
  const cases = {
    '0': 0,
    '65536': 65536,
    '12B': 12,
    '64KiB': 65536,
    '64kib': 65536,
    ' 16 MiB ': 1 << 24,
    '1GiB': 2 ** 30,
  };
  for (const [text, bytes] of Object.entries(cases)) assert.equal(parseBytes(text), bytes, text);
  refused(parseBytes, [
    '',
    'x',
    '-1',
    '1.5MiB',
    '16M',
    '16MB',
    'KiB',
    '1e6',
    '0x10',
    '9999999999999999',
    '99999999GiB',
    '1 2',
  ]);
});

test('bytes within bounds, both of them possible', () => {
  const parse = parseBytesWithin(8, 1024);
  assert.equal(parse('8'), 8);
  assert.equal(parse('1KiB'), 1024);
  refused(parse, ['7', '1025']);
});

test('memory limits are whole pages', () => {
  assert.equal(parseMemoryLimit('64KiB'), 65536);
  assert.equal(parseMemoryLimit('512MiB'), 2 ** 29);
  refused(parseMemoryLimit, ['0', '65535', '65537', '513MiB', '1GiB']);
});

test('numbers within bounds, both of them possible', () => {
  const parse = parseNumberWithin(0, 64);
  for (const value of [0, 1, 64]) assert.equal(parse(String(value)), value);
  refused(parse, ['', ' ', '-1', '65', '1.5', '1e1', '0x1', 'x', '1 2', '9'.repeat(16)]);
});

test('origins to fetch from', () => {
  const first = collectFetchAllow('https://API.example.com:443');
  assert.deepEqual(collectFetchAllow('https://*.example.com', first), [
    'https://api.example.com',
    'https://*.example.com',
  ]);
  refused(collectFetchAllow, ['', '*', 'example.com', 'https://example.com/path', 'ftp://example.com']);
  assert.throws(
    () =>
      Array.from({ length: 65 }, (_, index) => `https://h${index}`).reduce<readonly string[]>(
        (list, one) => collectFetchAllow(one, list),
        [],
      ),
    InvalidArgumentError,
  );
});

test('ports', () => {
  for (const port of [0, 1, 8080, 65535]) assert.equal(parsePort(String(port)), port);
  refused(parsePort, ['', '-1', '65536', 'x', '80.5', '1e3', '0x50', ' 80', '000080']);
});

test('header fields', () => {
  const first = collectHeader('Accept: text/html');
  assert.deepEqual(collectHeader('x:y:z', first), [
    ['Accept', 'text/html'],
    ['x', 'y:z'],
  ]);
  refused(collectHeader, ['', 'x', ': x']);
});

test('methods', () => {
  assert.equal(parseMethod('get'), 'GET');
  assert.equal(parseMethod('m-search'), 'M-SEARCH');
  refused(parseMethod, ['', 'B AD', 'GET\n', 'ä', 'connect', 'TRACE', 'track']);
});

test('tokens can be sent in a header field', () => {
  assert.equal(parseToken('s3cret+/=~'), 's3cret+/=~');
  refused(parseToken, ['', ' ', 'a b', 'ä', 'a\n']);
});

test('addresses of servers', () => {
  assert.equal(parseServerUrl('http://127.0.0.1:8080'), 'http://127.0.0.1:8080');
  assert.equal(parseServerUrl('https://Jord.example/'), 'https://jord.example');
  refused(parseServerUrl, [
    '',
    'x',
    'localhost:8080',
    '127.0.0.1',
    'ftp://x',
    'http://',
    'http://a?b',
    'http://a#b',
    'http://u:p@a',
    'http://127.0.0.1:8080/fn/',
  ]);
});

test('empty variables count as not set', () => {
  const environment = { PORT: '', JORD_TOKEN: '', JORD_DATA: 'x', HOME: '' };
  dropEmptyVariables(environment);
  assert.deepEqual(environment, { JORD_DATA: 'x', HOME: '' });
});
