import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type ErrorCode, JordError } from '../errors.ts';
import { type FunctionStore, moduleVersion, openStore } from './store.ts';

const SETTINGS = {
  memoryLimitBytes: 65536,
  deadlineMs: 250,
  concurrency: 7,
  fetchAllow: ['https://api.example.com', 'https://*.example.com:8443'],
  kv: ['carts:rw', 'catalog:ro'],
  deployedAt: '2026-01-02T03:04:05.000Z',
};

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'jord-store-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function modules(folder: string): readonly string[] {
  return readdirSync(join(folder, 'modules')).sort();
}

function code(expected: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof JordError && error.code === expected;
}

async function reopen(store: FunctionStore): Promise<FunctionStore> {
  await store.close();
  return openStore(store.folder);
}

test('what was put is there after opening again', async (t) => {
  let store = await openStore(join(temporaryFolder(t), 'new', 'folders'));
  const module = Buffer.from('a module');
  const record = await store.put('hello', module, SETTINGS);
  assert.deepEqual(record, { name: 'hello', version: moduleVersion(module), sizeBytes: 8, ...SETTINGS });
  store = await reopen(store);
  assert.deepEqual(store.findings, []);
  assert.deepEqual(store.list(), [record]);
  assert.deepEqual(Buffer.from(await store.readModule('hello')), module);
  await store.close();
});

test('a module is kept as long as a function has it, once for all of them', async (t) => {
  let store = await openStore(temporaryFolder(t));
  const one = Buffer.from('one');
  const two = Buffer.from('two');
  await store.put('a', one, SETTINGS);
  await store.put('b', one, SETTINGS);
  assert.deepEqual(modules(store.folder), [`${moduleVersion(one)}.wasm`]);
  await store.put('a', two, SETTINGS);
  assert.equal(modules(store.folder).length, 2);
  await store.put('a', two, { ...SETTINGS, memoryLimitBytes: 131072 });
  await store.remove('b');
  assert.deepEqual(modules(store.folder), [`${moduleVersion(two)}.wasm`]);
  store = await reopen(store);
  assert.deepEqual(
    store.list().map(({ name, memoryLimitBytes }) => ({ name, memoryLimitBytes })),
    [{ name: 'a', memoryLimitBytes: 131072 }],
  );
  await store.remove('a');
  await store.remove('a');
  assert.deepEqual(modules(store.folder), []);
  await assert.rejects(store.readModule('a'), code('FUNCTION_UNKNOWN'));
  await store.close();
});

test('changes asked for at the same time are made in their order', async (t) => {
  let store = await openStore(temporaryFolder(t));
  const asked: Promise<unknown>[] = [];
  for (let index = 0; index < 20; index += 1) {
    asked.push(store.put('same', Buffer.from(`${index % 3}`), SETTINGS));
    if (index % 4 === 0) asked.push(store.remove('same'));
  }
  asked.push(store.put('same', Buffer.from('last'), SETTINGS));
  await Promise.all(asked);
  store = await reopen(store);
  assert.deepEqual(store.findings, []);
  assert.equal(Buffer.from(await store.readModule('same')).toString(), 'last');
  assert.equal(modules(store.folder).length, 1);
  await store.close();
});

test('close finishes what is under way and refuses what comes after', async (t) => {
  const store = await openStore(temporaryFolder(t));
  const put = store.put('a', Buffer.from('a'), SETTINGS);
  await store.close();
  await put;
  await assert.rejects(store.put('b', Buffer.from('b'), SETTINGS), code('SERVER_STOPPED'));
  const again = await openStore(store.folder);
  assert.equal(again.list().length, 1);
  await again.close();
});

test('records of earlier versions get defaults; impossible settings are damage', async (t) => {
  const store = await openStore(temporaryFolder(t));
  const edits: Readonly<Record<string, readonly [RegExp, string]>> = {
    'no-deadline': [/^ *"deadlineMs".*\n/m, ''],
    'no-limits': [/^ *"concurrency"[\s\S]*\],\n/m, ''],
    'wrong-deadline': [/"deadlineMs": 250/, '"deadlineMs": 0'],
    'wrong-concurrency': [/"concurrency": 7/, '"concurrency": "7"'],
    'wrong-list': [/"fetchAllow": \[[\s\S]*\]/, '"fetchAllow": "https://api.example.com"'],
    'wrong-origin': [/https:..api.example.com/, 'https://example.com/path'],
  };
  for (const name of Object.keys(edits)) await store.put(name, Buffer.from('module'), SETTINGS);
  await store.close();
  for (const [name, [pattern, replacement]] of Object.entries(edits)) {
    const record = join(store.folder, 'functions', `${name}.json`);
    const before = readFileSync(record, 'utf8');
    const after = before.replace(pattern, replacement);
    assert.notEqual(after, before);
    writeFileSync(record, after);
  }
  const again = await openStore(store.folder);
  const { concurrency, fetchAllow } = SETTINGS;
  assert.deepEqual(
    again.list().map((record) => [record.name, record.deadlineMs, record.concurrency, record.fetchAllow]),
    [
      ['no-deadline', 10_000, concurrency, fetchAllow],
      ['no-limits', 250, null, []],
    ],
  );
  assert.deepEqual(
    again.findings.map(({ kind }) => kind),
    ['damaged', 'damaged', 'damaged', 'damaged'],
  );
  await again.close();
});

test('damage is reported, and the functions that are whole are there', async (t) => {
  const store = await openStore(temporaryFolder(t));
  const { folder } = store;
  for (const name of ['changed', 'missing', 'garbled', 'renamed', 'whole'])
    await store.put(name, Buffer.from(name), SETTINGS);
  await store.close();
  const path = (name: string): string => join(folder, 'modules', `${moduleVersion(Buffer.from(name))}.wasm`);
  writeFileSync(path('changed'), 'Changed');
  rmSync(path('missing'));
  writeFileSync(join(folder, 'functions', 'garbled.json'), '{"name": "garb');
  const record = join(folder, 'functions', 'renamed.json');
  writeFileSync(record, readFileSync(record, 'utf8').replace('renamed', 'another'));
  writeFileSync(join(folder, 'functions', 'notes.txt'), 'mine');
  writeFileSync(join(folder, 'modules', 'mine.wasm'), 'mine');

  const again = await openStore(folder);
  assert.deepEqual(
    again.list().map(({ name }) => name),
    ['whole'],
  );
  assert.deepEqual(again.findings.map(({ kind, message }) => `${kind} ${/"(.+?)"/.exec(message)?.[1] ?? '-'}`).sort(), [
    'damaged changed',
    'damaged garbled',
    'damaged missing',
    'damaged renamed',
    'unknown -',
  ]);
  assert.ok(existsSync(path('garbled')), 'the module of a record that cannot be read is kept');

  // Deploying again mends, also where the damaged file has the name of the new one.
  for (const name of ['changed', 'missing', 'garbled', 'renamed']) await again.put(name, Buffer.from(name), SETTINGS);
  const mended = await reopen(again);
  assert.deepEqual(mended.findings.map(({ kind }) => kind).sort(), ['unknown', 'unknown']);
  assert.equal(mended.list().length, 5);
  assert.ok(existsSync(join(folder, 'modules', 'mine.wasm')) && existsSync(join(folder, 'functions', 'notes.txt')));
  await mended.close();
});

test('leftovers of an interrupted deploy are removed and reported', async (t) => {
  const folder = temporaryFolder(t);
  await (await openStore(folder)).close();
  const orphan = join(folder, 'modules', `${moduleVersion(Buffer.from('orphan'))}.wasm`);
  writeFileSync(orphan, 'orphan');
  writeFileSync(join(folder, 'tmp', 'jord-123-4.tmp'), 'half a mod');
  writeFileSync(join(folder, 'tmp', 'mine.tmp'), 'mine');
  const store = await openStore(folder);
  assert.deepEqual(
    store.findings.map(({ kind }) => kind),
    ['leftover', 'leftover'],
  );
  assert.equal(existsSync(orphan), false);
  assert.deepEqual(readdirSync(join(folder, 'tmp')), ['mine.tmp']);
  await store.close();
});

test('a module that changes while the store is open is not given out', async (t) => {
  const store = await openStore(temporaryFolder(t));
  const { version } = await store.put('a', Buffer.from('a'), SETTINGS);
  writeFileSync(join(store.folder, 'modules', `${version}.wasm`), 'b');
  await assert.rejects(store.readModule('a'), code('STORE_UNUSABLE'));
  await store.close();
});

test('a folder that cannot be one is refused with its path and the reason', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'file'), '');
  await assert.rejects(openStore(join(folder, 'file', 'data')), (error) => {
    assert.ok(error instanceof JordError);
    assert.equal(error.code, 'STORE_UNUSABLE');
    assert.match(error.message, /file.data.*: a part of the path is a file/);
    return true;
  });
});

test('a file system that takes no folders is refused, not tried for ever', { timeout: 20_000 }, async (t) => {
  if (process.platform !== 'linux') return t.skip('/proc is one of Linux');
  for (const folder of ['/proc/jord', '/proc/jord/deep/er']) {
    await assert.rejects(openStore(folder), (error) => {
      assert.ok(error instanceof JordError && error.code === 'STORE_UNUSABLE');
      assert.equal(error.message, 'Cannot make the folder /proc/jord: /proc does not take new ones.');
      return true;
    });
  }
});

test('a failed put leaves the old version and the store usable', async (t) => {
  const store = await openStore(temporaryFolder(t));
  await store.put('a', Buffer.from('old'), SETTINGS);
  // Nothing can be renamed over a folder.
  const blocked = Buffer.from('blocked');
  mkdirSync(join(store.folder, 'modules', `${moduleVersion(blocked)}.wasm`));
  await assert.rejects(store.put('a', blocked, SETTINGS), code('STORE_UNUSABLE'));
  assert.equal(Buffer.from(await store.readModule('a')).toString(), 'old');
  assert.deepEqual(readdirSync(join(store.folder, 'tmp')), []);
  await store.put('a', Buffer.from('new'), SETTINGS);
  assert.equal(Buffer.from(await store.readModule('a')).toString(), 'new');
  await store.close();
});

test('a folder is used by one store at a time, in this process and in others', async (t) => {
  const store = await openStore(temporaryFolder(t));
  await assert.rejects(openStore(store.folder), (error) => {
    assert.ok(error instanceof JordError);
    assert.equal(error.code, 'STORE_IN_USE');
    assert.ok(error.message.includes(`process ${process.pid}`));
    return true;
  });
  const other = spawn(process.execPath, [join(import.meta.dirname, 'store-crash.fixture.ts'), store.folder]);
  const errors: Buffer[] = [];
  other.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const [exitCode] = await once(other, 'close');
  assert.notEqual(exitCode, 0);
  assert.match(Buffer.concat(errors).toString(), /Another server \(process \d+\) uses/);
  // The refused ones have not broken the lock of the first.
  await assert.rejects(openStore(store.folder), code('STORE_IN_USE'));
  await (await reopen(store)).close();
});

test('killed in the middle of deploys: each function is whole, nothing acknowledged is lost, the lock is free', async (t) => {
  const folder = temporaryFolder(t);
  let leftovers = 0;
  // Some kills must have fallen into the middle of a deploy, which most do.
  for (let round = 0; round < 6 || (leftovers === 0 && round < 40); round += 1) {
    const acknowledged = await deployUntilKilled(folder, 5 + ((round * 7) % 40));
    const store = await openStore(folder);
    assert.deepEqual(
      store.findings.filter(({ kind }) => kind !== 'leftover'),
      [],
    );
    leftovers += store.findings.length;
    for (const name of ['always', 'twin']) {
      const module = Buffer.from(await store.readModule(name));
      const step = module.readUInt32LE(0);
      assert.ok(step === acknowledged || step === acknowledged + 1, `${name}: ${step} after ${acknowledged}`);
      assert.ok(module.length === 1 << 18 && module.subarray(4).every((byte) => byte === (step & 0xff)));
    }
    const referenced = new Set(store.list().map(({ version }) => `${version}.wasm`));
    assert.deepEqual(modules(folder), [...referenced].sort());
    await store.close();
  }
  assert.ok(leftovers > 0, 'no kill fell into the middle of a deploy');
});

/** Returns the last step that the killed process said was done. */
async function deployUntilKilled(folder: string, afterFirstStepMs: number): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'store-crash.fixture.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const closed = once(child, 'close');
  await once(child.stdout, 'data');
  await delay(afterFirstStepMs);
  child.kill('SIGKILL');
  const [, signal] = await closed;
  assert.equal(signal, 'SIGKILL');
  return Number(output.trimEnd().split('\n').at(-1));
}
