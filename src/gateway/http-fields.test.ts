import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JordError } from '../errors.ts';
import { requestFields, responseFields, responseStatus } from './http-fields.ts';

const nothingSecret = (): boolean => false;

function isBadResponse(error: unknown): boolean {
  return error instanceof JordError && error.code === 'FUNCTION_FAULT' && error.details['fault'] === 'bad-response';
}

test('request fields: lower case, in order, repeated ones kept', () => {
  assert.deepEqual(requestFields(['Host', 'a', 'X-One', '1', 'x-one', '2', 'Cookie', 'c=d'], nothingSecret), [
    ['host', 'a'],
    ['x-one', '1'],
    ['x-one', '2'],
    ['cookie', 'c=d'],
  ]);
});

test('request fields: those of this hop stay here, and those that Connection names', () => {
  const raw = [
    'Connection',
    'close, X-Private',
    'X-Private',
    '1',
    'Keep-Alive',
    '5',
    'TE',
    'trailers',
    'Expect',
    '100-continue',
  ];
  assert.deepEqual(
    requestFields([...raw, 'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c', 'Accept', '*/*'], nothingSecret),
    [['accept', '*/*']],
  );
});

test('request fields: secrets stay here', () => {
  const isSecret = (name: string, value: string): boolean => name === 'authorization' && value === 's';
  assert.deepEqual(requestFields(['Authorization', 's', 'Authorization', 't'], isSecret), [['authorization', 't']]);
});

test('response fields: a function does not frame its response, nor mark it as an error of the server', () => {
  const fields = responseFields('f', [
    ['Content-Length', '5'],
    ['transfer-encoding', 'chunked'],
    ['Connection', 'close'],
    ['Upgrade', 'x'],
    ['Trailer', 'x'],
    ['Date', 'x'],
    ['Jord-Error', 'INTERNAL'],
    ['Proxy-Authenticate', 'x'],
    ['X-Mine', '1'],
    ['Set-Cookie', 'a=1'],
    ['set-cookie', 'b=2'],
    ['set-cookie', 'c=3'],
    ['__proto__', 'p'],
  ]);
  assert.deepEqual(
    [...fields],
    [
      ['x-mine', '1'],
      ['set-cookie', ['a=1', 'b=2', 'c=3']],
      ['__proto__', 'p'],
    ],
  );
});

test('response fields that HTTP does not allow are a fault of the function', () => {
  for (const field of [
    ['x y', '1'],
    ['', '1'],
    ['x', 'a\r\nSet-Cookie: b'],
    ['x', 'a\0'],
    ['x', '\u20ac'],
  ] as const) {
    assert.throws(() => responseFields('f', [field]), isBadResponse, JSON.stringify(field));
  }
});

test('response status', () => {
  assert.equal(responseStatus('f', undefined), 200);
  for (const status of [200, 204, 404, 599]) assert.equal(responseStatus('f', status), status);
  for (const status of [0, 100, 101, 199, 600, 1000, 200.5, Number.NaN]) {
    assert.throws(() => responseStatus('f', status), isBadResponse, String(status));
  }
});
