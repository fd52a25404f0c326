import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send, serve } from './gateway.fixture.ts';
import { MemoryWorker } from './memory-worker.fixture.ts';
import { overview, overviewPage, prefersHtml } from './overview.ts';

test('who gets the page', () => {
  const html = [
    'text/html',
    'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    'application/json;q=0.5, text/*',
    'TEXT/HTML',
  ];
  const json = [
    undefined,
    '',
    '*/*',
    'application/json',
    'text/html;q=0.1, application/json',
    'text/html, application/json',
    'image/*',
    'text/html;q=x',
    'text/html;q=0',
  ];
  for (const accept of html) assert.equal(prefersHtml(accept), true, accept);
  for (const accept of json) assert.equal(prefersHtml(accept), false, String(accept));
});

test('what is deployed, as data', async (t) => {
  const gateway = await serve(t, new MemoryWorker({ zeta: () => ({}), alpha: () => ({}) }));
  const answer = await send(gateway, { path: '/', headers: { host: `localhost:${gateway.port}` } });
  assert.match(String(answer.headers['content-type']), /^application\/json/);
  const { name, version, example, functions } = answer.json;
  assert.equal(name, 'jord');
  assert.match(String(version), /^\d+\.\d+\.\d+/);
  assert.equal(example, `curl --data 'world' http://localhost:${gateway.port}/fn/alpha`);
  assert.ok(Array.isArray(functions));
  assert.deepEqual(
    functions.map((entry: { name: string; url: string; sizeBytes: number }) => [
      entry.name,
      entry.url,
      entry.sizeBytes,
    ]),
    [
      ['alpha', '/fn/alpha', 8],
      ['zeta', '/fn/zeta', 8],
    ],
  );
});

test('the overview names what there is', async (t) => {
  const gateway = await serve(t);
  const { links } = (await send(gateway, { path: '/' })).json;
  const paths = Object.values(links as Readonly<Record<string, string>>);
  assert.deepEqual(paths, ['/functions', '/kv', '/stats', '/healthz', '/readyz']);
  for (const path of paths) assert.equal((await send(gateway, { path })).status, 200);
});

test('what is deployed, as a page', async (t) => {
  const gateway = await serve(t, new MemoryWorker({ hello: () => ({}) }));
  const answer = await send(gateway, { path: '/', headers: { accept: 'text/html' } });
  assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8');
  assert.match(String(answer.headers['content-security-policy']), /default-src 'none'/);
  assert.match(answer.body.toString(), /<a href="\/functions\/hello">hello<\/a>/);
  assert.match(answer.body.toString(), /<a href="\/stats">/);
  assert.doesNotMatch(answer.body.toString(), /<script|https?:\/\/(?!127)/);
  const empty = await send(await serve(t), { path: '/', headers: { accept: 'text/html' } });
  assert.match(empty.body.toString(), /npx jord deploy demo\/hello\.ts --server http:[\s\S]+None is deployed yet/);
});

test('the page does not link to what a browser cannot open for want of a token', async (t) => {
  const gateway = await serve(t, new MemoryWorker({ hello: () => ({}) }), { token: 's3cret' });
  const page = (await send(gateway, { path: '/', headers: { accept: 'text/html' } })).body.toString();
  assert.match(page, /<td>hello<\/td>/);
  assert.doesNotMatch(page, /href="\/(?:functions|kv|stats)/);
});

test('the example is safe to paste, and the page to show, whatever the client says its host is', () => {
  for (const host of ["x';rm -rf ~;'", '<script>', 'a b', '$(x)', '']) {
    const description = overview([], host);
    assert.equal(description.example, 'npx jord deploy demo/hello.ts --server http://127.0.0.1:8080');
  }
  const page = overviewPage({ ...overview([], '[::1]:80'), description: '<b>&"\'' }, true);
  assert.ok(page.includes('--server http://[::1]:80<'));
  assert.ok(page.includes('&#60;b&#62;&#38;&#34;&#39;'));
});
