/** The writer thread: what it does when its thread is lost, cannot begin, or has nothing to do. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CONTROL_KV_WRITER,
  SPACE_DURABLE,
  SPACE_FAILED,
  SPACE_IS_DURABLE,
  SPACE_VERSION,
  WRITER_PARKED,
} from '../../../core/layout.ts';
import { KV_DISK_FAILED } from '../../../core/status.ts';
import { eventually } from '../../../test/census.ts';
import { KvFixture } from '../../../test/kv-fixture.ts';
import { type ErrorCode, JordError } from '../../errors.ts';
import type { LogRecord } from '../types.ts';
import { KvDisk } from './disk.ts';
import { DiskWaits } from './disk-waits.ts';
import { SHARED_WORDS } from './protocol.ts';
import { type FoundSpace, SpaceTable } from './space-table.ts';

const SETTINGS = { name: 's', durable: true, cache: false, keysMax: null, bytesMax: null };

interface Scene {
  readonly f: KvFixture;
  readonly folder: string;
  readonly disk: KvDisk;
  readonly table: SpaceTable;
  readonly waits: DiskWaits;
  readonly records: LogRecord[];
}

function scene(t: TestContext): Scene {
  const folder = mkdtempSync(join(tmpdir(), 'jord-kv-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const f = new KvFixture();
  const shared = new Int32Array(new SharedArrayBuffer(4 * SHARED_WORDS));
  const records: LogRecord[] = [];
  const disk = new KvDisk(f.space, f.privLib, folder, shared, (record) => records.push(record));
  const table = new SpaceTable(f.memory, f.privLib);
  return { f, folder, disk, table, waits: new DiskWaits(f.memory, table, shared), records };
}

async function makeSpace({ f, disk, table }: Scene): Promise<FoundSpace> {
  await disk.save(SETTINGS);
  f.createSpace('s', { flags: SPACE_IS_DURABLE });
  const space = table.find('s');
  disk.bind(space);
  return space;
}

function code(expected: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof JordError && error.code === expected;
}

test('it writes what is waited for at once, the rest soon, and parks when there is nothing', async (t) => {
  const made = scene(t);
  const { f, disk, waits } = made;
  const space = await makeSpace(made);
  assert.ok(f.put(space.handle, 'a', 'waited for', f.host) > 65_535n);
  await waits.written(space);
  assert.ok(f.put(space.handle, 'b', 'not waited for', f.host) > 65_535n);
  const isWritten = (): boolean =>
    f.view.getBigUint64(space.address + SPACE_DURABLE, true) >=
    f.view.getBigUint64(space.address + SPACE_VERSION, true);
  await eventually(() => assert.ok(isWritten()));
  await eventually(() => assert.equal(f.word(CONTROL_KV_WRITER), WRITER_PARKED));
  await delay(50);
  assert.equal(f.word(CONTROL_KV_WRITER), WRITER_PARKED);
  // What is there already is not waited for.
  await waits.written(space);
  await disk.stop();
});

test('when its thread is lost, all who wait are told, and nothing is taken any more', async (t) => {
  const made = scene(t);
  const { f, folder, disk, waits, records } = made;
  const space = await makeSpace(made);
  const thread = await disk.start();
  assert.ok(f.put(space.handle, 'a', 'x', f.host) > 65_535n);
  await waits.written(space);
  // The writer waits for the file when it is ended.
  const blocker = new DatabaseSync(join(folder, 'kv.sqlite'));
  blocker.exec('BEGIN IMMEDIATE');
  f.put(space.handle, 'b', 'y', f.host);
  const refused = assert.rejects(waits.written(space), code('KV_DISK_FAILED'));
  await delay(50);
  const ended = thread.terminate();
  blocker.exec('ROLLBACK');
  blocker.close();
  await Promise.all([refused, ended]);
  assert.equal(f.word(space.address + SPACE_FAILED), 1);
  assert.equal(f.put(space.handle, 'c', 'z', f.host), BigInt(KV_DISK_FAILED));
  assert.equal(f.read(space.handle, 'b', f.host), 'y');
  await assert.rejects(disk.save(SETTINGS), code('KV_DISK_FAILED'));
  await assert.rejects(disk.drop('s', 0n), code('KV_DISK_FAILED'));
  assert.equal(records.length, 1);
  assert.match(records[0]?.message ?? '', /has ended: durable spaces take nothing/);
  await disk.stop();
});

test('a file that cannot be opened is said when the first space is made, and the next try is a new one', async (t) => {
  const made = scene(t);
  const { folder, disk } = made;
  const inTheWay = join(folder, 'kv.sqlite');
  mkdirSync(inTheWay);
  await assert.rejects(disk.save(SETTINGS), code('STORE_UNUSABLE'));
  rmSync(inTheWay, { recursive: true });
  await makeSpace(made);
  await disk.stop();
});
