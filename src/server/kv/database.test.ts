import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { JordError } from '../../errors.ts';
import { DATABASE_FILE, KvDatabase, VERSION_JUMP } from './database.ts';

const CARTS = { name: 'carts', durable: true, cache: false, keysMax: null, bytesMax: 2 ** 32 - 1 };

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'jord-kv-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function key(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function unusable(words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof JordError && error.code === 'STORE_UNUSABLE' && words.test(error.message);
}

test('spaces and entries are there after opening again, versions behind all that were given out', (t) => {
  const folder = temporaryFolder(t);
  let database = new KvDatabase(folder);
  const id = database.saveSpace(CARTS);
  const memory = { name: 'a', durable: false, cache: true, keysMax: 3, bytesMax: null };
  database.saveSpace(memory);
  database.transaction(() => {
    database.put(id, key('two'), key('2'), 70_001n, null);
    database.put(id, key('one'), new Uint8Array(0), 70_000n, 5000);
    database.put(id, key('old'), key('x'), 70_002n, 999);
    database.put(id, key('two'), key('zwei'), 2n ** 60n, 4000);
    database.delete(id, key('nothing'));
    database.setVersion(id, 2n ** 60n);
  });
  database.close();

  database = new KvDatabase(folder);
  database.begin(1000);
  const version = 2n ** 60n + VERSION_JUMP;
  assert.deepEqual(database.spaces(), [
    { ...memory, id: 2, version: VERSION_JUMP },
    { ...CARTS, id, version },
  ]);
  assert.deepEqual(
    [...database.entries(id)],
    [
      { key: key('one'), value: new Uint8Array(0), version: 70_000n, expiresMs: 5000 },
      { key: key('two'), value: key('zwei'), version: 2n ** 60n, expiresMs: 4000 },
    ],
  );
  database.close();
});

test('a dropped space leaves nothing but the versions it has given out', (t) => {
  const database = new KvDatabase(temporaryFolder(t));
  const id = database.saveSpace(CARTS);
  database.put(id, key('a'), key('b'), 70_000n, null);
  database.dropSpace('carts', 70_005n);
  assert.deepEqual(database.spaces(), []);
  assert.deepEqual([...database.entries(id)], []);
  assert.equal(database.versionFloor, 70_005n);
  database.dropSpace('carts', 70_001n);
  assert.equal(database.versionFloor, 70_005n);
  database.close();
});

test('a transaction that fails changes nothing, also where the file is full', (t) => {
  const folder = temporaryFolder(t);
  const database = new KvDatabase(folder, { pagesMax: 12 });
  const id = database.saveSpace(CARTS);
  const large = new Uint8Array(100_000);
  const put = (): void =>
    database.transaction(() => {
      database.put(id, key('small'), key('1'), 65_536n, null);
      database.put(id, key('large'), large, 65_537n, null);
    });
  assert.throws(put, /full/);
  assert.deepEqual([...database.entries(id)], []);
  database.limitPages(0);
  put();
  assert.equal([...database.entries(id)].length, 2);
  database.close();
});

test('a file that is none, one of another program and one of another version are refused, and told apart', (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, DATABASE_FILE);
  writeFileSync(path, 'these are no pages of a database'.repeat(200));
  assert.throws(() => new KvDatabase(folder), unusable(/no database.*move it away/));
  rmSync(path);

  let other = new DatabaseSync(path);
  other.exec('CREATE TABLE things (id)');
  other.close();
  assert.throws(() => new KvDatabase(folder), unusable(/another program/));
  rmSync(path);

  new KvDatabase(folder).close();
  other = new DatabaseSync(path);
  other.exec('PRAGMA user_version = 2');
  other.close();
  assert.throws(() => new KvDatabase(folder), unusable(/version 2 .* reads version 1/));
  assert.throws(() => new KvDatabase(join(folder, 'nowhere')), unusable(/unable to open/));
});

test('a damaged page is noticed where its entries are read', (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, DATABASE_FILE);
  let database = new KvDatabase(folder);
  const id = database.saveSpace(CARTS);
  database.transaction(() => {
    for (let i = 0; i < 5000; i++) database.put(id, key(`key ${i}`), key(`value ${i}`), 65_536n + BigInt(i), null);
  });
  database.close();
  const file = openSync(path, 'r+');
  for (let at = 4096 * 20; at < statSync(path).size; at += 4096) writeSync(file, Buffer.alloc(512, 0x5a), 0, 512, at);
  closeSync(file);
  database = new KvDatabase(folder);
  assert.throws(() => [...database.entries(id)], /malformed/);
  database.close();
});
