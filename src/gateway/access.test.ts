import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { JordError } from '../errors.ts';
import { Access, isLoopbackHost } from './access.ts';

interface Given {
  readonly peer?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The code with which a request is refused; undefined when it is allowed. */
function refusal(access: Access, { peer = '127.0.0.1', method = 'PUT', headers = {} }: Given): string | undefined {
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: peer });
  const message = new IncomingMessage(socket);
  message.method = method;
  message.headers = { host: 'localhost:8080', ...headers };
  try {
    access.check(message);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof JordError);
    return error.code;
  }
}

test('without a token: from this machine only', () => {
  const access = new Access(undefined);
  for (const peer of ['127.0.0.1', '127.5.6.7', '::1', '::ffff:127.0.0.1']) {
    assert.equal(refusal(access, { peer }), undefined, peer);
  }
  for (const peer of ['10.0.0.1', '128.0.0.1', '::2', '::ffff:10.0.0.1', 'fe80::1', '1127.0.0.1', '']) {
    assert.equal(refusal(access, { peer }), 'FORBIDDEN', peer);
  }
});

test('without a token: not through a proxy', () => {
  const access = new Access(undefined);
  for (const name of ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via']) {
    assert.equal(refusal(access, { headers: { [name]: '127.0.0.1' } }), 'FORBIDDEN', name);
  }
});

test('without a token: not under a name that another site may have (DNS rebinding)', () => {
  const allowed = [
    'localhost',
    'localhost:1',
    'LOCALHOST:8080',
    'jord.localhost',
    '127.0.0.1:8080',
    '127.9.9.9',
    '[::1]',
    '[::1]:80',
  ];
  const refused = [
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    'notlocalhost',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    '[::2]',
    '',
    'x@localhost',
    'evil.example/.localhost',
  ];
  const access = new Access(undefined);
  for (const host of allowed) {
    assert.ok(isLoopbackHost(host), host);
    assert.equal(refusal(access, { method: 'GET', headers: { host } }), undefined, host);
  }
  for (const host of refused) {
    assert.ok(!isLoopbackHost(host), host);
    assert.equal(refusal(access, { method: 'GET', headers: { host } }), 'FORBIDDEN', host);
  }
});

test('without a token: no changes from web pages, this server’s own included', () => {
  const access = new Access(undefined);
  const pages = [
    { origin: 'https://evil.example' },
    { origin: 'http://localhost:8080' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'same-origin' },
  ];
  for (const headers of pages) {
    assert.equal(refusal(access, { method: 'PUT', headers }), 'FORBIDDEN');
    assert.equal(refusal(access, { method: 'DELETE', headers }), 'FORBIDDEN');
    assert.equal(refusal(access, { method: 'GET', headers }), undefined);
  }
  assert.equal(refusal(access, { headers: { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'cors' } }), undefined);
});

test('with a token: whoever has it, and nobody else', () => {
  const access = new Access('s3cret');
  const right = [{ authorization: 'Bearer s3cret' }, { authorization: 'bearer   s3cret ' }];
  const wrong = [
    '',
    'Bearer',
    'Bearer ',
    'Bearer s3cre',
    'Bearer s3cret2',
    'Basic s3cret',
    's3cret',
    'Bearer s3cret x',
  ];
  for (const headers of right) {
    assert.equal(
      refusal(access, { peer: '10.0.0.1', headers: { ...headers, host: 'jord.example', origin: 'null' } }),
      undefined,
    );
  }
  for (const authorization of wrong) {
    assert.equal(refusal(access, { headers: { authorization } }), 'UNAUTHORIZED', authorization);
  }
  assert.equal(refusal(access, {}), 'UNAUTHORIZED');
});
