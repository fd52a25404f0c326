/**
 * The file of the key-value store, `kv.sqlite` in the data folder: the settings of all spaces, and the keys of those that are durable.
 *
 *     spaces     id, name, durable, cache, keys_max, bytes_max (NULL for no limit), version: none above it was given out
 *     entries    space, key, value, version, expires_ms (of the wall clock; NULL for never)
 *     counters   version_floor: spaces that are made anew give out none below it
 *
 * WAL with synchronous=FULL: what a transaction wrote is on disk when it is committed.
 */
import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { JordError } from '../../errors.ts';

export const DATABASE_FILE = 'kv.sqlite';

/** "Jord", in the header of the file. */
const APPLICATION_ID = 0x4a6f7264;
const SCHEMA_VERSION = 1;
/** How long another process may hold the file, as who copies it does. */
const BUSY_MS = 2000;
/** The log is cut back to this after it was larger. */
const LOG_BYTES_MAX: number = 64 * 2 ** 20;
/** Keys come in any order, and many of them are in the same pages: these are kept, and written back to the file less often. */
const CHECKPOINT_PAGES = 4096;
const CACHE_KIB = 32_768;
/**
 * Versions jump by this at each start, so that those that were given out and had not reached the disk when the process was killed
 * are not given out again.
 */
export const VERSION_JUMP: bigint = 2n ** 42n;

const SCHEMA = `
  CREATE TABLE spaces (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, durable INTEGER NOT NULL, cache INTEGER NOT NULL,
    keys_max INTEGER, bytes_max INTEGER, version INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE entries (
    space INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, version INTEGER NOT NULL, expires_ms INTEGER,
    PRIMARY KEY (space, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counters VALUES ('version_floor', 0);
`;

/** What is kept of a space beside its keys. */
export interface SpaceSettings {
  readonly name: string;
  readonly durable: boolean;
  readonly cache: boolean;
  readonly keysMax: number | null;
  readonly bytesMax: number | null;
}

export interface StoredSpace extends SpaceSettings {
  readonly id: number;
  readonly version: bigint;
}

export interface StoredEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: bigint;
  /** Of the wall clock; null for never. */
  readonly expiresMs: number | null;
}

export interface DatabaseOptions {
  /** For tests: the file has no more pages than this, and is full then. */
  readonly pagesMax?: number | undefined;
}

/** Belongs to the thread that opened it. What it throws are SQLite's errors, unless it says otherwise. */
export class KvDatabase {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #version: StatementSync;

  /** Makes the file where it is missing. Throws STORE_UNUSABLE. */
  constructor(folder: string, options: DatabaseOptions = {}) {
    const path = join(folder, DATABASE_FILE);
    const isNew = !existsSync(path);
    try {
      this.#database = new DatabaseSync(path, { timeout: BUSY_MS, readBigInts: true });
      this.#prepareFile(path);
      if (isNew) syncFolder(dirname(path));
      if (options.pagesMax !== undefined) this.limitPages(options.pagesMax);
      this.#put = this.#database.prepare(`
        INSERT INTO entries VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET value = excluded.value, version = excluded.version, expires_ms = excluded.expires_ms`);
      this.#delete = this.#database.prepare('DELETE FROM entries WHERE space = ? AND key = ?');
      this.#version = this.#database.prepare('UPDATE spaces SET version = max(version, ?) WHERE id = ?');
    } catch (error) {
      throw databaseError(path, error);
    }
  }

  #prepareFile(path: string): void {
    const database = this.#database;
    database.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = ${LOG_BYTES_MAX};
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA cache_size = -${CACHE_KIB}`);
    const applicationId = this.#pragma('application_id');
    const version = this.#pragma('user_version');
    const isEmpty = this.#pragma('schema_version') === 0;
    if (isEmpty) {
      const id = `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION};`;
      this.transaction(() => database.exec(`${SCHEMA}${id}`));
      return;
    }
    if (applicationId !== APPLICATION_ID) throw unusable(path, 'it is a database of another program');
    if (version === SCHEMA_VERSION) return;
    const message = `${path} has version ${version} of the key-value store, and this server reads version ${SCHEMA_VERSION}.`;
    throw new JordError('STORE_UNUSABLE', `${message} Use the server that wrote it, or move the file away.`, { path });
  }

  #pragma(name: string): number {
    return Number(this.#database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
  }

  /** The file is full when it has so many pages; 0 for as many as SQLite allows. */
  limitPages(pagesMax: number): void {
    this.#database.exec(`PRAGMA max_page_count = ${pagesMax === 0 ? 4294967294 : pagesMax}`);
  }

  /** All of it is on disk when this returns; or nothing of it has happened, and it throws. */
  transaction<T>(operation: () => T): T {
    const database = this.#database;
    database.exec('BEGIN IMMEDIATE');
    try {
      const result = operation();
      database.exec('COMMIT');
      return result;
    } catch (error) {
      // Some errors end the transaction by themselves.
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }

  spaces(): readonly StoredSpace[] {
    const rows = this.#database.prepare('SELECT * FROM spaces ORDER BY name').all();
    return rows.map((row) => ({
      id: Number(row['id']),
      name: String(row['name']),
      durable: row['durable'] !== 0n,
      cache: row['cache'] !== 0n,
      keysMax: toNumber(row['keys_max']),
      bytesMax: toNumber(row['bytes_max']),
      version: BigInt(row['version'] as bigint),
    }));
  }

  /** Adds a space, or changes the limits of the one that is there. Returns its id. */
  saveSpace({ name, durable, cache, keysMax, bytesMax }: SpaceSettings): number {
    const save = this.#database.prepare(`
      INSERT INTO spaces (name, durable, cache, keys_max, bytes_max, version) VALUES (?, ?, ?, ?, ?, 0)
      ON CONFLICT (name) DO UPDATE SET keys_max = excluded.keys_max, bytes_max = excluded.bytes_max
      RETURNING id`);
    return Number(save.get(name, durable ? 1 : 0, cache ? 1 : 0, keysMax, bytesMax)?.['id']);
  }

  /** Removes a space with its keys. What is made from now on gives out no version that it has given out. */
  dropSpace(name: string, version: bigint): void {
    const database = this.#database;
    database.prepare('DELETE FROM entries WHERE space = (SELECT id FROM spaces WHERE name = ?)').run(name);
    database.prepare('DELETE FROM spaces WHERE name = ?').run(name);
    database.prepare("UPDATE counters SET value = max(value, ?) WHERE name = 'version_floor'").run(version);
  }

  /** In a transaction, as all that changes entries. */
  put(space: number, key: Uint8Array, value: Uint8Array, version: bigint, expiresMs: number | null): void {
    this.#put.run(space, key, value, version, expiresMs);
  }

  delete(space: number, key: Uint8Array): void {
    this.#delete.run(space, key);
  }

  /** No version above this was given out. */
  setVersion(space: number, version: bigint): void {
    this.#version.run(version, space);
  }

  get versionFloor(): bigint {
    const row = this.#database.prepare("SELECT value FROM counters WHERE name = 'version_floor'").get();
    return BigInt(row?.['value'] as bigint);
  }

  /** At a start, before anything is given out: see VERSION_JUMP. Also removes what has expired meanwhile. */
  begin(nowMs: number): void {
    this.transaction(() => {
      this.#database.exec(`UPDATE spaces SET version = version + ${VERSION_JUMP}`);
      this.#database.prepare('DELETE FROM entries WHERE expires_ms <= ?').run(nowMs);
    });
  }

  *entries(space: number): Generator<StoredEntry> {
    const select = this.#database.prepare('SELECT key, value, version, expires_ms FROM entries WHERE space = ?');
    for (const row of select.iterate(space)) {
      yield {
        key: row['key'] as Uint8Array,
        value: row['value'] as Uint8Array,
        version: row['version'] as bigint,
        expiresMs: toNumber(row['expires_ms']),
      };
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

function toNumber(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** The folder has the name of the file. SQLite does not see to that for a file that has its content in the log at first. */
function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** STORE_UNUSABLE, which says what to do. */
export function databaseError(path: string, error: unknown): JordError {
  if (error instanceof JordError) return error;
  switch (errorNumber(error)) {
    case SQLITE_CORRUPT:
      return unusable(path, 'it is damaged', error);
    case SQLITE_NOTADB:
      return unusable(path, 'it is no database, or is damaged', error);
    case SQLITE_BUSY:
      return new JordError('STORE_UNUSABLE', `Another program uses ${path}. Have it end, and start again.`, { path });
    case SQLITE_FULL:
      return new JordError('STORE_UNUSABLE', `Cannot write ${path}: the disk is full. Make room.`, { path });
    default: {
      const reason = error instanceof Error ? error.message : String(error);
      return new JordError('STORE_UNUSABLE', `Cannot use ${path}: ${reason}.`, { path }, { cause: error });
    }
  }
}

function unusable(path: string, what: string, cause?: unknown): JordError {
  const message = `${path} cannot be read: ${what}. Put a copy of it in its place, or move it away (with the -wal beside it) to begin without keys.`;
  return new JordError('STORE_UNUSABLE', message, { path }, { cause });
}

/** SQLite's number for an error, without what it says in its upper bits; 0 for other errors. */
function errorNumber(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
}
