import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { serve } from '../gateway/gateway.fixture.ts';
import type { MemoryKv } from '../gateway/memory-kv.fixture.ts';
import { EMPTY_MODULE, MemoryWorker } from '../gateway/memory-worker.fixture.ts';
import { jord, type Run, type RunOptions } from './cli.fixture.ts';
import { run as runInside } from './program.ts';

interface Started {
  readonly kv: MemoryKv;
  readonly folder: string;
  /** `jord kv …` */
  readonly kvRun: (parameters: readonly string[], options?: RunOptions) => Promise<Run>;
  readonly run: (parameters: readonly string[], options?: RunOptions) => Promise<Run>;
  /** What `jord kv …` says when it fails with this exit code. Without a process of its own, since that takes a while. */
  readonly failure: (exitCode: number, ...parameters: readonly string[]) => Promise<string>;
}

async function start(t: TestContext, token?: string): Promise<Started> {
  const worker = new MemoryWorker();
  const { url } = await serve(t, worker, token === undefined ? {} : { token });
  const folder = mkdtempSync(join(tmpdir(), 'jord-kv-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const run = (parameters: readonly string[], options: RunOptions = {}): Promise<Run> =>
    jord(parameters, { ...options, env: { JORD_URL: url, ...options.env } });
  const failure = async (exitCode: number, ...parameters: readonly string[]): Promise<string> => {
    let stderr = '';
    const code = await runInside(['kv', ...parameters, '--server', url], (text) => {
      stderr += text;
    });
    assert.equal(code, exitCode, `${parameters.join(' ')}: ${stderr}`);
    return stderr;
  };
  const kvRun: Started['kvRun'] = (parameters, options) => run(['kv', ...parameters], options);
  return { kv: worker.kv, folder, run, kvRun, failure };
}

function ok({ code, stdout, stderr }: Run): string {
  assert.equal(code, 0, stderr);
  assert.equal(stderr, '');
  return stdout;
}

function value(kv: MemoryKv, space: string, key: string): string | undefined {
  const entry = kv.get(space, Buffer.from(key));
  return entry && Buffer.from(entry.value).toString();
}

test('spaces: create, change, list, look at, drop', async (t) => {
  const { folder, kvRun, failure } = await start(t);
  assert.match(ok(await kvRun(['spaces'])), /^There is no space\. Create one with/);
  const parameters = ['create', 'carts', '--durable', '--keys-max', '1000', '--bytes-max', '64MiB'];
  assert.equal(ok(await kvRun(parameters)), 'Created carts: durable, 1000 keys, 64 MiB.\n');
  assert.equal(ok(await kvRun(['create', 'carts', '--keys-max', 'none'])), 'Changed carts: durable, 64 MiB.\n');
  assert.equal(ok(await kvRun(['create', 'pages', '--cache'])), 'Created pages: memory, cache, no limits.\n');
  const table = ok(await kvRun(['spaces']));
  assert.match(table, /^SPACE +KIND +KEYS +BYTES +LIMITS +USED BY\ncarts +durable +0 +0 B +64 MiB +none\npages /);
  const { spaces } = JSON.parse(ok(await kvRun(['spaces', '--json']))) as { spaces: readonly { name: string }[] };
  assert.deepEqual(
    spaces.map(({ name }) => name),
    ['carts', 'pages'],
  );
  const one = ok(await kvRun(['spaces', 'carts']));
  assert.match(one, /^kind +durable\nkeys +0\nbytes +0 B of 64 MiB\ngets +0\n/m);
  assert.match(one, /^on disk +all$/m);
  await failure(3, 'create', 'carts', '--cache');
  assert.equal(ok(await kvRun(['drop', 'carts', 'pages'])), 'Dropped carts.\nDropped pages.\n');
  const nothing = join(folder, 'nothing');
  writeFileSync(nothing, '');
  for (const command of [
    ['spaces', 'carts'],
    ['drop', 'carts'],
    ['get', 'carts', 'a'],
    ['list', 'carts'],
    ['export', 'carts'],
    ['import', 'carts', nothing],
  ]) {
    assert.match(await failure(4, ...command), /^jord: There is no space "carts".*`jord kv spaces` shows/);
  }
});

test('put from everywhere, get as it is, delete', async (t) => {
  const { kv, folder, kvRun, failure } = await start(t);
  await kv.create('s');
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const file = join(folder, 'value');
  writeFileSync(file, bytes);
  assert.equal(ok(await kvRun(['put', 's', 'a', '--data', 'ä'])), 'Put a: 2 B, version 65536.\n');
  assert.equal(value(kv, 's', 'a'), 'ä');
  for (const parameters of [['--data-file', file], ['-f', '-'], []]) {
    await kv.delete('s', Buffer.from('b'));
    ok(await kvRun(['put', 's', 'b', ...parameters], { stdin: bytes }));
    assert.equal(ok(await kvRun(['get', 's', 'b'])), bytes.toString('latin1'), parameters.join(' '));
  }
  const { version } = JSON.parse(ok(await kvRun(['put', 's', 'a/b ?%', '-d', '', '--ttl-ms', '60000', '--json']))) as {
    version: string;
  };
  const info = JSON.parse(ok(await kvRun(['get', 's', 'a/b ?%', '--json']))) as Readonly<Record<string, unknown>>;
  assert.deepEqual([info['key'], info['version'], info['sizeBytes']], ['a/b ?%', version, 0]);
  assert.ok(Number(info['ttlMs']) > 1000);
  assert.equal(ok(await kvRun(['delete', 's', 'a', 'b'])), 'Deleted a.\nDeleted b.\n');
  for (const command of ['get', 'delete']) {
    assert.match(await failure(4, command, 's', 'a'), /^jord: The space "s" has no such key\.\n$/);
  }
  await failure(2, 'put', 's', 'k'.repeat(1025), '-d', '');
});

test('put and delete only what is expected to be there', async (t) => {
  const { kv, kvRun, failure } = await start(t);
  await kv.create('s');
  ok(await kvRun(['put', 's', 'a', '-d', '1', '--if-absent']));
  assert.match(await failure(3, 'put', 's', 'a', '-d', '2', '--if-absent'), /^jord: The key has another version/);
  ok(await kvRun(['put', 's', 'a', '-d', '2', '--if-version', '65536']));
  await failure(3, 'put', 's', 'a', '-d', '3', '--if-version', '65536');
  await failure(3, 'delete', 's', 'a', '--if-version', '65536');
  ok(await kvRun(['delete', 's', 'a', '--if-version', '65537']));
});

test('keys that are no text', async (t) => {
  const { kv, kvRun } = await start(t);
  await kv.create('s');
  ok(await kvRun(['put', 's', '/wA=', '--base64', '-d', 'x']));
  assert.equal(kv.get('s', Uint8Array.of(0xff, 0))?.value.length, 1);
  assert.equal(ok(await kvRun(['get', 's', '/wA=', '--base64'])), 'x');
  assert.match(ok(await kvRun(['list', 's'])), /^\/wA= \(base64\) +65536 +1 B +never$/m);
  ok(await kvRun(['delete', 's', '/wA=', '--base64']));
});

test('counters', async (t) => {
  const { kv, kvRun, failure } = await start(t);
  await kv.create('s');
  assert.equal(ok(await kvRun(['add', 's', 'n'])), '1\n');
  assert.equal(ok(await kvRun(['add', 's', 'n', '41'])), '42\n');
  assert.equal(ok(await kvRun(['add', 's', 'n', '-50'])), '-8\n');
  await kv.put('s', Buffer.from('text'), Buffer.from('x'));
  await failure(3, 'add', 's', 'text');
});

test('list: a table, page after page, and what is left out', async (t) => {
  const { kv, kvRun } = await start(t);
  await kv.create('s');
  assert.equal(ok(await kvRun(['list', 's'])), 'No key is in s.\n');
  for (let i = 0; i < 1200; i++) await kv.put('s', Buffer.from(`k${String(i).padStart(4, '0')}`), Buffer.alloc(2048));
  await kv.put('s', Buffer.from('z\u2028'), Buffer.alloc(0), { ttlMs: 90_000 });
  const all = ok(await kvRun(['list', 's', '--limit', '5000'])).split('\n');
  assert.match(all[0] ?? '', /^KEY +VERSION +SIZE +EXPIRES$/);
  assert.match(all[1] ?? '', /^k0000 +65536 +2 KiB +never$/);
  assert.match(all[1201] ?? '', /^z\\u2028 +66736 +0 B +in 1\.5 min$/);
  const some = await kvRun(['list', 's', '--prefix', 'k00', '--after', 'k0001', '--limit', '2']);
  assert.deepEqual(
    some.stdout.split('\n').map((line) => line.slice(0, 5)),
    ['KEY  ', 'k0002', 'k0003', ''],
  );
  assert.equal(some.stderr, 'There are further keys: see them with --limit, or --after "k0003".\n');
  const json = JSON.parse(ok(await kvRun(['list', 's', '--limit', '1100', '--json']))) as {
    keys: readonly { key: string }[];
    more: boolean;
  };
  assert.deepEqual([json.keys.length, json.keys.at(-1)?.key, json.more], [1100, 'k1099', true]);
  assert.equal(ok(await kvRun(['list', 's', '--prefix', 'none'])), 'No key like that is in s.\n');
});

test('export and import, through files and pipes', async (t) => {
  const { kv, folder, kvRun, failure } = await start(t);
  await kv.create('s');
  await kv.create('t');
  for (let i = 0; i < 500; i++) await kv.put('s', Buffer.from(`k${i}`), Buffer.from(`v${i}`));
  const file = join(folder, 's.ndjson');
  assert.equal(ok(await kvRun(['export', 's', file])), `Exported 500 keys to ${file}.\n`);
  const piped = ok(await kvRun(['export', 's']));
  assert.equal(piped, readFileSync(file, 'utf8'));
  assert.equal(ok(await kvRun(['import', 't', file])), 'Imported 500 keys into t.\n');
  assert.equal(value(kv, 't', 'k499'), 'v499');
  assert.equal(ok(await kvRun(['import', 't'], { stdin: '{"key":"one","value":"1"}' })), 'Imported 1 key into t.\n');
  assert.equal(ok(await kvRun(['export', 't', '--prefix', 'one'])), '{"key":"one","value":"1"}\n');
  assert.equal(ok(await kvRun(['import', 't'], { stdin: '' })), 'Imported 0 keys into t.\n');
  const missing = await failure(2, 'import', 't', join(folder, 'missing'));
  assert.match(missing, /^jord: Cannot read .*missing: there is no such file\.\n$/);
  const nowhere = await failure(2, 'export', 's', join(folder, 'no', 'folder'));
  assert.match(nowhere, /^jord: Cannot write .*: there is no such folder\.\n$/);
});

test('import: a wrong line is named as that of the file, however many parts are sent before', async (t) => {
  const { kv, folder, kvRun } = await start(t);
  await kv.create('s');
  const file = join(folder, 'large.ndjson');
  const lines = Array.from({ length: 100 }, (_, i) => `{"key":"k${i}","value":"${'x'.repeat(100_000)}"}`);
  lines[90] = '{"key":"k90","valeu":""}';
  writeFileSync(file, lines.join('\n'));
  const { code, stdout, stderr } = await kvRun(['import', 's', file]);
  assert.deepEqual([code, stdout], [3, '']);
  assert.match(stderr, /^jord: Line 91: there is no member "valeu"\. .* Imported before that: 90 keys\.\n$/);
  assert.equal(kv.list('s').keys.length, 90);
});

test('a token is needed for all of it', async (t) => {
  const { kv, kvRun } = await start(t, 's3cret');
  await kv.create('s');
  const without = await kvRun(['list', 's']);
  assert.equal(without.code, 2);
  assert.match(without.stderr, /Give the token of the server with --token or JORD_TOKEN/);
  ok(await kvRun(['put', 's', 'a', '-d', 'x', '--token', 's3cret']));
  assert.equal(ok(await kvRun(['export', 's'], { env: { JORD_TOKEN: 's3cret' } })), '{"key":"a","value":"x"}\n');
});

test('deploy with key spaces', async (t) => {
  const { kv, folder, run } = await start(t);
  await kv.create('carts');
  const file = join(folder, 'cart.wasm');
  writeFileSync(file, EMPTY_MODULE);
  const spaces = ['--kv', 'carts:rw', '--kv', 'catalog:ro'];
  const deployed = ok(await run(['deploy', file, ...spaces]));
  assert.match(deployed, /^Deployed cart, .*\nThe key space catalog is new: it is empty, and in memory\.\nTry: /);
  assert.match(ok(await run(['inspect', 'cart'])), /^key spaces +carts:rw, catalog:ro$/m);
  assert.match(ok(await run(['deploy', file, ...spaces])), /^Deployed cart again, unchanged/);
  assert.match(ok(await run(['deploy', file, '--kv', 'carts:ro'])), /^Replaced cart, /);
});
