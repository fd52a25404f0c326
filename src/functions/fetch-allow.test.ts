import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JordError } from '../errors.ts';
import { checkFetchAllow, FETCH_ALLOW_MAX, isAllowed } from './fetch-allow.ts';

/** Whether a function with these origins may fetch from this URL. */
function allows(origins: readonly string[], url: string): boolean {
  return isAllowed(checkFetchAllow(origins), new URL(url));
}

test('entries in their normal form, none twice', () => {
  const cases = {
    'https://api.example.com': 'https://api.example.com',
    'HTTPS://API.Example.COM': 'https://api.example.com',
    'https://example.com:443': 'https://example.com',
    'http://example.com:80': 'http://example.com',
    'http://example.com:443': 'http://example.com:443',
    'http://host:8080': 'http://host:8080',
    'https://*.Example.com': 'https://*.example.com',
    'https://*.example.com:443': 'https://*.example.com',
    'https://*.example.com:8443': 'https://*.example.com:8443',
    'http://10.0.0.7:65535': 'http://10.0.0.7:65535',
    'http://0x7f.1': 'http://127.0.0.1',
    'http://[::1]:8080': 'http://[::1]:8080',
    'http://[FD00:0:0::7]': 'http://[fd00::7]',
    'https://bücher.example': 'https://xn--bcher-kva.example',
    'https://*.bücher.example': 'https://*.xn--bcher-kva.example',
  };
  for (const [given, normal] of Object.entries(cases)) assert.deepEqual(checkFetchAllow([given]), [normal]);
  assert.deepEqual(checkFetchAllow(['https://b', 'https://A', 'https://a:443', 'https://b']), [
    'https://b',
    'https://a',
  ]);
  assert.deepEqual(checkFetchAllow([]), []);
});

test('what is no entry is refused, and the message says what one looks like', () => {
  const wrong = [
    '',
    'example.com',
    '*',
    'https://',
    'https://*',
    'https://*.',
    'https://*.*.example.com',
    'https://a.*.example.com',
    'https://*example.com',
    'https://*.10.0.0.7',
    'https://*.0x7f.1',
    'https://*.[::1]',
    'https://.example.com',
    'https://*..example.com',
    'https://example.com/',
    'https://example.com/path',
    'https://example.com?q',
    'https://example.com#f',
    'https://user@example.com',
    'https://user:password@example.com',
    'https://example.com:',
    'https://example.com:0',
    'https://example.com:65536',
    'https://example.com:80x',
    'https://example.com\\@evil.example',
    'https://exa mple.com',
    'https://example.com\n',
    'https://ex%61mple.com',
    'https:example.com',
    'ftp://example.com',
    'file:///etc/passwd',
    'data:text/plain,x',
    'https://[::1',
    'https://::1',
    'https://[fe80::1%25eth0]',
    'https://[example.com]',
    'https://999.1.1.1',
    `https://${'a'.repeat(254)}`,
  ];
  for (const entry of wrong) {
    assert.throws(
      () => checkFetchAllow(['https://a', entry]),
      (error) =>
        error instanceof JordError && error.code === 'BAD_OPTION' && /An origin looks like https:/.test(error.message),
      JSON.stringify(entry),
    );
  }
  for (const list of ['https://a', [1], [null], {}]) {
    assert.throws(() => checkFetchAllow(list as unknown as string[]), { code: 'BAD_OPTION' });
  }
});

test('64 entries at most', () => {
  const many = Array.from({ length: FETCH_ALLOW_MAX }, (_, index) => `https://h${index}`);
  assert.equal(checkFetchAllow(many).length, FETCH_ALLOW_MAX);
  assert.throws(() => checkFetchAllow([...many, 'https://one.more']), { code: 'BAD_OPTION' });
});

test('an exact entry: scheme, host and port, whatever comes behind', () => {
  const origin = 'https://api.example.com';
  for (const url of [
    'https://api.example.com',
    'https://API.EXAMPLE.COM:443/a/b?c=d#e',
    'https:\\\\api.example.com\\x',
    'https:/api.example.com',
  ]) {
    assert.ok(allows([origin], url), url);
  }
  for (const url of [
    'http://api.example.com',
    'https://api.example.com:8443',
    'http://api.example.com:443',
    'https://example.com',
    'https://x.api.example.com',
    'https://api.example.com.',
    'https://api.example.com.evil.example',
    'https://evil-api.example.com',
    'wss://api.example.com',
    'blob:https://api.example.com/1',
  ]) {
    assert.ok(!allows([origin], url), url);
  }
  assert.ok(allows(['http://host:8080'], 'http://HOST:8080/'));
  assert.ok(!allows(['http://host:8080'], 'http://host/'));
  assert.ok(!allows(['http://host'], 'http://host:8080/'));
  assert.ok(!allows([], 'http://host/'));
});

test('a wildcard: what is below, however deep, and not the domain itself', () => {
  const origin = 'https://*.example.com';
  for (const url of ['https://a.example.com', 'https://a.b.Example.com:443/x']) assert.ok(allows([origin], url), url);
  for (const url of [
    'https://example.com',
    'https://.example.com',
    'https://evilexample.com',
    'https://a.example.com:8443',
    'http://a.example.com',
    'http://a.example.com:443',
    'https://a.example.com.evil.example',
    'https://evil.example/?https://a.example.com',
    'https://evil.example/.example.com',
    'https://evil.example#.example.com',
  ]) {
    assert.ok(!allows([origin], url), url);
  }
  assert.ok(allows(['http://*.example.com:8080'], 'http://a.example.com:8080'));
  assert.ok(!allows(['http://*.example.com:8080'], 'http://a.example.com'));
});

test('no tricks with user names', () => {
  const origins = ['https://example.com', 'https://*.example.com'];
  for (const url of [
    'https://example.com@evil.example/',
    'https://a.example.com@evil.example/',
    'https://example.com:443@evil.example/',
    'https://evil.example/@example.com',
    'https://user@example.com/',
    'https://user:password@a.example.com/',
    'https://:password@example.com/',
  ]) {
    assert.ok(!allows(origins, url), url);
  }
});

test('addresses: any way to write the same one, and none that only looks like it', () => {
  assert.ok(allows(['http://127.0.0.1:8080'], 'http://2130706433:8080/'));
  assert.ok(allows(['http://[::1]'], 'http://[0:0:0:0:0:0:0:1]:80/'));
  assert.ok(allows(['http://[fd00::7]:81'], 'http://[FD00::0007]:81/'));
  assert.ok(!allows(['http://[::1]'], 'http://[::2]/'));
  assert.ok(!allows(['http://127.0.0.1'], 'http://[::ffff:127.0.0.1]/'));
});

test('a normal form is its own, and allows its own origin only', () => {
  const label = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
  const entry = fc.record({
    scheme: fc.constantFrom('http', 'https'),
    host: fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
    port: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
  });
  const text = ({ scheme, host, port }: { scheme: string; host: string; port: number | undefined }): string =>
    `${scheme}://${host}${port === undefined ? '' : `:${port}`}`;
  fc.assert(
    fc.property(entry, entry, label, (one, other, below) => {
      const [normal = ''] = checkFetchAllow([text(one)]);
      assert.deepEqual(checkFetchAllow([normal]), [normal]);
      assert.equal(
        isAllowed([normal], new URL(text(other))),
        new URL(text(one)).origin === new URL(text(other)).origin,
      );
      const wildcard = checkFetchAllow([text({ ...one, host: `*.${one.host}` })]);
      assert.equal(isAllowed(wildcard, new URL(text({ ...one, host: `${below}.${one.host}` }))), true);
      assert.equal(isAllowed(wildcard, new URL(text(one))), false);
    }),
  );
});
