/** One server per store: a lock that the kernel gives back when its process ends, however it ends. */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { JordError } from '../errors.ts';
import { storeError } from './store-files.ts';

const SQLITE_BUSY = 5;

/**
 * Held from construction to `release` or the end of the process. Node has no file locks of its own, but SQLite takes
 * one for an exclusive transaction, on every platform; a lock file with a process id in it would have to guess whether
 * that process is still the one that wrote it. The database stays empty.
 */
export class StoreLock {
  readonly #database: DatabaseSync;
  readonly #ownerPath: string;

  /** Throws STORE_IN_USE when another server, in this process or another one, holds the lock of this folder. */
  constructor(folder: string) {
    const path = join(folder, 'lock');
    this.#ownerPath = join(folder, 'lock.owner');
    try {
      this.#database = new DatabaseSync(path, { timeout: 0 });
    } catch (error) {
      throw storeError('open the lock', path, error);
    }
    try {
      this.#database.exec('BEGIN EXCLUSIVE');
      writeFileSync(this.#ownerPath, `${process.pid}\n`);
    } catch (error) {
      this.#database.close();
      if (isBusy(error)) throw inUse(folder, this.#ownerPath);
      throw storeError('lock', path, error);
    }
  }

  release(): void {
    if (!this.#database.isOpen) return;
    rmSync(this.#ownerPath, { force: true });
    this.#database.close();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

function inUse(folder: string, ownerPath: string): JordError {
  let owner = '';
  try {
    owner = ` (process ${readFileSync(ownerPath, 'utf8').trim()})`;
  } catch {
    // Only for the message: the owner may be between taking the lock and writing its id.
  }
  return new JordError(
    'STORE_IN_USE',
    `Another server${owner} uses the function store ${folder}. Stop it, or give this one a folder of its own.`,
    { path: folder },
  );
}
