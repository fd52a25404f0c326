/**
 * Deployed functions on disk. In the folder of the store:
 *
 *     modules/<sha256>.wasm   modules as deployed, named by their content
 *     functions/<name>.json   one record for each function, which names its module
 *     tmp/                    files being written; a rename moves them to their place
 *     lock, lock.owner        held by the server that uses the folder, and its process id
 *
 * A module is on disk before the record that names it, and a record is replaced by one rename: whenever the process is
 * killed or the power fails, each function is there in its old or its new version.
 */

import { hash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { JordError } from '../errors.ts';
import { isConcurrency } from './concurrency.ts';
import { DEADLINE_MS_DEFAULT, isDeadlineMs } from './deadline.ts';
import { checkFetchAllow } from './fetch-allow.ts';
import { checkKvRights } from './kv-rights.ts';
import { functionUnknown, isFunctionName } from './name.ts';
import { makeFolder, removeDurably, removeTemporaryFiles, storeError, writeDurably } from './store-files.ts';
import { StoreLock } from './store-lock.ts';

/** The record of one function; plain JSON. */
export interface StoredFunction {
  readonly name: string;
  /** SHA-256 of the module, in hex. */
  readonly version: string;
  readonly sizeBytes: number;
  readonly memoryLimitBytes: number;
  readonly deadlineMs: number;
  /** Most invocations at once; null for no limit. */
  readonly concurrency: number | null;
  /** As `checkFetchAllow` returns it. */
  readonly fetchAllow: readonly string[];
  /** As `checkKvRights` returns it. */
  readonly kv: readonly string[];
  /** ISO 8601. */
  readonly deployedAt: string;
}

/** What belongs to a deploy beside name and module. */
export type StoredSettings = Omit<StoredFunction, 'name' | 'version' | 'sizeBytes'>;

/** Something that opening the store found and that somebody should know. */
export interface StoreFinding {
  /**
   * `damaged`: a function that cannot be loaded; its files stay as they are. `leftover`: files of an interrupted deploy, which
   * were removed. `unknown`: a file that is not the store's, left alone.
   */
  readonly kind: 'damaged' | 'leftover' | 'unknown';
  readonly path: string;
  /** A sentence: what it is and what to do. */
  readonly message: string;
}

const MODULE_FILE = /^([0-9a-f]{64})\.wasm$/;
const RECORD_FILE = /^(.+)\.json$/;

/** The version of a module: its SHA-256 in hex. */
export function moduleVersion(module: Uint8Array): string {
  return hash('sha256', module, 'hex');
}

/**
 * Opens the store in this folder (made where it is missing), takes its lock, checks each module against its hash and
 * removes what interrupted deploys left. Damage is reported in `findings`, not thrown.
 *
 * Throws STORE_UNUSABLE when the folder cannot be read and written, STORE_IN_USE when another server uses it.
 */
export async function openStore(folder: string): Promise<FunctionStore> {
  const path = resolve(folder);
  try {
    for (const part of ['modules', 'functions', 'tmp']) await makeFolder(join(path, part));
  } catch (error) {
    throw storeError('make the function store', path, error);
  }
  const lock = new StoreLock(path);
  try {
    return new FunctionStore(path, lock, await scan(path));
  } catch (error) {
    lock.release();
    throw storeError('read the function store', path, error);
  }
}

/** An open store. Operations may be called at the same time; changes are made one after the other. */
export class FunctionStore {
  readonly folder: string;
  /** What opening found. */
  readonly findings: readonly StoreFinding[];
  readonly #lock: StoreLock;
  readonly #functions: Map<string, StoredFunction>;
  /** The last change that was asked for; the next one waits for it. */
  #changes: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** Use `openStore`. */
  constructor(folder: string, lock: StoreLock, found: ScanResult) {
    this.folder = folder;
    this.#lock = lock;
    this.#functions = found.functions;
    this.findings = found.findings;
  }

  /** All functions that can be loaded, by name. */
  list(): readonly StoredFunction[] {
    return [...this.#functions.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The bytes of a function's module. Throws FUNCTION_UNKNOWN, or STORE_UNUSABLE when they are not what was deployed. */
  async readModule(name: string): Promise<Uint8Array> {
    const record = this.#functions.get(name);
    if (record === undefined) throw functionUnknown(name);
    const path = modulePath(this.folder, record.version);
    const module = await readFile(path).catch((error: unknown) => {
      throw storeError('read', path, error);
    });
    if (moduleVersion(module) === record.version) return module;
    throw new JordError('STORE_UNUSABLE', `${path} has changed on disk. Deploy "${name}" again.`, { path });
  }

  /**
   * Adds or replaces a function. When this returns, it is on disk. Throws STORE_UNUSABLE, and then the function is there in
   * its old or its new version. The name must be one that `isFunctionName` allows.
   */
  put(name: string, module: Uint8Array, settings: StoredSettings): Promise<StoredFunction> {
    const { memoryLimitBytes, deadlineMs, concurrency, fetchAllow, kv, deployedAt } = settings;
    const version = moduleVersion(module);
    const limits = { memoryLimitBytes, deadlineMs, concurrency, fetchAllow, kv };
    const record = { name, version, sizeBytes: module.length, ...limits, deployedAt };
    return this.#change('write', async () => {
      if (!this.#isStored(version)) await writeDurably(this.#path('tmp'), modulePath(this.folder, version), module);
      const text = `${JSON.stringify(record, null, 2)}\n`;
      await writeDurably(this.#path('tmp'), recordPath(this.folder, name), Buffer.from(text));
      const replaced = this.#functions.get(name);
      this.#functions.set(name, record);
      if (replaced !== undefined) await this.#collect(replaced.version);
      return record;
    });
  }

  /** Removes a function; one that is not there is no error. When this returns, it is gone from the disk. */
  remove(name: string): Promise<void> {
    return this.#change('write', async () => {
      await removeDurably(recordPath(this.folder, name));
      const removed = this.#functions.get(name);
      this.#functions.delete(name);
      if (removed !== undefined) await this.#collect(removed.version);
    });
  }

  /** Finishes the changes under way and gives the folder free. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#changes;
    this.#lock.release();
  }

  #path(part: string): string {
    return join(this.folder, part);
  }

  #change<T>(action: string, operation: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new JordError('SERVER_STOPPED', 'The function store is closed.'));
    const result = this.#changes.then(operation).catch((error: unknown) => {
      throw storeError(`${action} to the function store`, this.folder, error);
    });
    this.#changes = result.catch(() => undefined);
    return result;
  }

  #isStored(version: string): boolean {
    for (const record of this.#functions.values()) if (record.version === version) return true;
    return false;
  }

  /** A module that cannot be removed now is collected when the store is opened again. */
  async #collect(version: string): Promise<void> {
    if (!this.#isStored(version)) await rm(modulePath(this.folder, version), { force: true }).catch(() => undefined);
  }
}

function modulePath(folder: string, version: string): string {
  return join(folder, 'modules', `${version}.wasm`);
}

function recordPath(folder: string, name: string): string {
  return join(folder, 'functions', `${name}.json`);
}

interface ScanResult {
  readonly functions: Map<string, StoredFunction>;
  readonly findings: StoreFinding[];
}

async function scan(folder: string): Promise<ScanResult> {
  const functions = new Map<string, StoredFunction>();
  const findings: StoreFinding[] = [];
  const temporaryCount = await removeTemporaryFiles(join(folder, 'tmp'));
  if (temporaryCount > 0) findings.push(leftover(join(folder, 'tmp'), temporaryCount));

  const referenced = new Set<string>();
  let allRecordsRead = true;
  for (const file of (await readdir(join(folder, 'functions'))).sort()) {
    const path = join(folder, 'functions', file);
    const name = RECORD_FILE.exec(file)?.[1];
    if (name === undefined || !isFunctionName(name)) {
      findings.push(unknownFile(path));
      continue;
    }
    const record = await readRecord(path, name);
    if (record === undefined) {
      allRecordsRead = false;
      findings.push(damaged(path, `The record of "${name}" is damaged.`, name, path));
      continue;
    }
    referenced.add(record.version);
    const problem = await checkModule(folder, record);
    if (problem === undefined) functions.set(name, record);
    else findings.push(damaged(modulePath(folder, record.version), problem, name, path));
  }
  // A record that cannot be read may name any module: then keep them all, so that it can still be repaired by hand.
  if (allRecordsRead) await collectModules(folder, referenced, findings);
  return { functions, findings };
}

/** undefined for a record that is damaged. */
async function readRecord(path: string, name: string): Promise<StoredFunction | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const record = value as Partial<Record<keyof StoredFunction, unknown>>;
  const { version, sizeBytes, memoryLimitBytes, deployedAt } = record;
  // Records of earlier versions have no deadline, or none of the others.
  const { deadlineMs = DEADLINE_MS_DEFAULT, concurrency = null } = record;
  const fetchAllow = readList(checkFetchAllow, record.fetchAllow ?? []);
  const kv = readList(checkKvRights, record.kv ?? []);
  if (record.name !== name) return undefined;
  if (typeof version !== 'string' || !MODULE_FILE.test(`${version}.wasm`)) return undefined;
  if (typeof deployedAt !== 'string' || Number.isNaN(Date.parse(deployedAt))) return undefined;
  if (!isByteCount(sizeBytes) || !isByteCount(memoryLimitBytes) || !isDeadlineMs(deadlineMs)) return undefined;
  if ((concurrency !== null && !isConcurrency(concurrency)) || fetchAllow === undefined) return undefined;
  if (kv === undefined) return undefined;
  return { name, version, sizeBytes, memoryLimitBytes, deadlineMs, concurrency, fetchAllow, kv, deployedAt };
}

/** undefined for a list that `check` refuses. */
function readList(
  check: (list: readonly string[]) => readonly string[],
  value: unknown,
): readonly string[] | undefined {
  try {
    return check(value as readonly string[]);
  } catch {
    return undefined;
  }
}

function isByteCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** What is wrong with the module of this record; undefined when nothing is. */
async function checkModule(folder: string, record: StoredFunction): Promise<string | undefined> {
  try {
    const module = await readFile(modulePath(folder, record.version));
    return moduleVersion(module) === record.version
      ? undefined
      : `The module of "${record.name}" has other bytes than were deployed.`;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return `The module of "${record.name}" ${isMissing ? 'is missing' : 'cannot be read'}.`;
  }
}

async function collectModules(
  folder: string,
  referenced: ReadonlySet<string>,
  findings: StoreFinding[],
): Promise<void> {
  let count = 0;
  for (const file of await readdir(join(folder, 'modules'))) {
    const path = join(folder, 'modules', file);
    const version = MODULE_FILE.exec(file)?.[1];
    if (version === undefined) {
      findings.push(unknownFile(path));
    } else if (!referenced.has(version)) {
      await rm(path, { force: true });
      count += 1;
    }
  }
  if (count > 0) findings.push(leftover(join(folder, 'modules'), count));
}

function damaged(path: string, what: string, name: string, record: string): StoreFinding {
  return { kind: 'damaged', path, message: `${what} Deploy "${name}" again, or delete ${record} to be done with it.` };
}

function leftover(path: string, count: number): StoreFinding {
  const files = count === 1 ? '1 file' : `${count} files`;
  return { kind: 'leftover', path, message: `Removed ${files} of interrupted deploys from ${path}.` };
}

function unknownFile(path: string): StoreFinding {
  return { kind: 'unknown', path, message: `${path} is not a file of the function store; it was left alone.` };
}
