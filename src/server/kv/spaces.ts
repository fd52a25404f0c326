/** Spaces are made, changed and dropped here, by the main thread alone and one after the other. */
import { randomFillSync } from 'node:crypto';
import { KV_MAY_READ, KV_MAY_READ_WRITE, SPACE_IS_CACHE, SPACE_IS_DURABLE, SPACES_MAX } from '../../../core/layout.ts';
import { KV_FULL, OK, TABLE_EXHAUSTED } from '../../../core/status.ts';
import { JordError } from '../../errors.ts';
import { checkSpaceName, parseKvRight } from '../../functions/kv-rights.ts';
import { statusError } from '../errors.ts';
import type { Executor } from '../executor.ts';
import { failed, type PrivLib } from '../privlib.ts';
import { clockWord, monotonicMs } from '../time.ts';
import type { SpaceSettings, StoredEntry, StoredSpace } from './database.ts';
import type { KvDisk } from './disk.ts';
import { kvError } from './errors.ts';
import { type FoundSpace, SpaceTable } from './space-table.ts';
import type { KvSpaceOptions } from './types.ts';

/** How long keys are loaded at the start before others get their turn. */
const TURN_MS = 20;
const WORD_MAX = 2 ** 32 - 1;
const BYTES_MAX_LEAST = 256;

/** What a function may do with a space, as PrivLib is told. */
export interface KvBinding {
  readonly space: number;
  readonly rights: number;
}

export class KvSpaces {
  readonly table: SpaceTable;
  readonly #executor: Executor;
  readonly #privLib: PrivLib;
  readonly #bytesMax: number;
  /** Undefined without a data folder. */
  readonly #disk: KvDisk | undefined;
  /** Versions of a space go on behind those of all that were dropped. */
  #versionFloor = 0n;

  constructor(executor: Executor, memory: WebAssembly.Memory, bytesMax: number, disk: KvDisk | undefined) {
    this.#executor = executor;
    this.#privLib = executor.privLib;
    this.table = new SpaceTable(memory, executor.privLib);
    this.#disk = disk;
    this.#bytesMax = bytesMax;
    this.#privLib.kvSetLimit(bytesMax);
  }

  /**
   * Makes the spaces that are on disk, with their keys. Limits hold for what comes later: what was acknowledged is there again.
   *
   * Throws STORE_UNUSABLE, ADDRESS_SPACE_EXHAUSTED.
   */
  async restore(): Promise<void> {
    const restored = this.#disk?.restore();
    if (restored === undefined) return;
    this.#privLib.kvSetLimit(WORD_MAX);
    try {
      this.#versionFloor = restored.versionFloor;
      for (const space of restored.spaces) await this.#restoreSpace(space, restored.entries(space));
    } finally {
      restored.close();
    }
    this.#privLib.kvSetLimit(this.#bytesMax);
    if (restored.spaces.length > 0) await this.#disk?.start();
  }

  async #restoreSpace(space: StoredSpace, entries: Iterable<StoredEntry>): Promise<void> {
    const { name, keysMax, bytesMax, version } = space;
    const handle = this.#enter({ ...space, keysMax: null, bytesMax: null });
    let sinceMs = performance.now();
    if (space.durable) {
      for (const entry of entries) {
        this.#load(handle, name, entry);
        if (performance.now() - sinceMs < TURN_MS) continue;
        // Whoever asks a server that starts is to get an answer.
        await new Promise((resolve) => setImmediate(resolve));
        sinceMs = performance.now();
      }
    }
    this.#limit(handle, name, { keysMax, bytesMax });
    this.#setVersion(handle, name, version);
    this.#disk?.bind(this.table.find(name));
  }

  #load(handle: number, name: string, { key, value, version, expiresMs }: StoredEntry): void {
    const ttlMs = expiresMs === null ? 0 : expiresMs - Date.now();
    // Its time came while others were loaded: it is not on disk after the next start.
    if (expiresMs !== null && ttlMs <= 0) return;
    const { hostBase, bytes } = this.#executor;
    const keyAt = this.#map(key.length, `a key of the space "${name}"`);
    const valueAt = this.#map(value.length, `a value of the space "${name}"`);
    bytes.set(key, keyAt);
    bytes.set(value, valueAt);
    const ttl = BigInt(Math.ceil(ttlMs));
    // What is left begins now; the clock may stand still.
    if (ttlMs > 0) this.#privLib.clockAdvance(clockWord(monotonicMs()));
    const status = this.#privLib.kvLoad(handle, keyAt, key.length, valueAt, version, ttl, hostBase);
    this.#privLib.vmaUnmap(keyAt, hostBase);
    if (status === OK) return;
    this.#privLib.vmaUnmap(valueAt, hostBase);
    if (status !== KV_FULL)
      throw new JordError('STORE_UNUSABLE', `A key of the space "${name}" is damaged.`, { status });
    const message = `The address space has no room for all keys of the space "${name}".`;
    throw new JordError('ADDRESS_SPACE_EXHAUSTED', message, { space: name });
  }

  #map(length: number, subject: string): number {
    const address = this.#privLib.vmaMap(length, this.#executor.hostBase);
    if (failed(address)) throw statusError(address, subject);
    return address >>> 0;
  }

  #setVersion(handle: number, name: string, version: bigint): void {
    const status = this.#privLib.kvSetVersion(handle, version, this.#executor.hostBase);
    if (status !== OK) throw kvError(status, name);
  }

  /** Throws KV_NAME_INVALID, BAD_OPTION, KV_SPACE_DIFFERS, KV_NOT_DURABLE, KV_FULL, KV_DISK_FAILED. */
  async create(name: string, options: KvSpaceOptions): Promise<void> {
    checkSpaceName(name);
    checkOptions(options);
    const found = this.table.lookUp(name);
    if (found !== undefined) return this.#configure(found, options);
    const { durable = false, cache = false, keysMax = null, bytesMax = null } = options;
    await this.#make({ name, durable, cache, keysMax, bytesMax });
  }

  async #configure(found: FoundSpace, options: KvSpaceOptions): Promise<void> {
    const { name, durable, cache, keysMax, bytesMax } = this.table.describe(found);
    const isOther = (wanted: boolean | undefined, is: boolean): boolean => wanted !== undefined && wanted !== is;
    if (isOther(options.durable, durable) || isOther(options.cache, cache)) {
      const kind = `${durable ? 'durable' : 'in memory'} and ${cache ? 'a cache' : 'no cache'}`;
      throw new JordError(
        'KV_SPACE_DIFFERS',
        `The space "${name}" is ${kind}. Drop it first, or choose another name.`,
        {
          space: name,
        },
      );
    }
    const limits = {
      keysMax: options.keysMax === undefined ? keysMax : options.keysMax,
      bytesMax: options.bytesMax === undefined ? bytesMax : options.bytesMax,
    };
    await this.#disk?.save({ name, durable, cache, ...limits });
    this.#limit(found.handle, name, limits);
  }

  #limit(handle: number, name: string, limits: Pick<SpaceSettings, 'keysMax' | 'bytesMax'>): void {
    const { hostBase } = this.#executor;
    const status = this.#privLib.kvSpaceConfigure(handle, limits.keysMax ?? 0, limits.bytesMax ?? 0, hostBase);
    if (status !== OK) throw kvError(status, name);
  }

  async #make(settings: SpaceSettings): Promise<void> {
    const { name, durable } = settings;
    if (durable && this.#disk === undefined) {
      const message = 'A durable space needs a data folder: start the server with one.';
      throw new JordError('KV_NOT_DURABLE', message, { space: name });
    }
    if (this.table.list().length >= SPACES_MAX) throw spacesFull(name);
    await this.#disk?.save(settings);
    let handle: number;
    try {
      handle = this.#enter(settings);
    } catch (error) {
      await this.#disk?.drop(name, 0n);
      throw error;
    }
    this.#setVersion(handle, name, this.#versionFloor);
    this.#disk?.bind(this.table.find(name));
  }

  /** In the address space. Returns its handle. */
  #enter({ name, durable, cache, keysMax, bytesMax }: SpaceSettings): number {
    const { hostBase, bytes } = this.#executor;
    const nameAt = this.#map(name.length, 'the name of a space');
    bytes.set(new TextEncoder().encode(name), nameAt);
    const flags = (durable ? SPACE_IS_DURABLE : 0) | (cache ? SPACE_IS_CACHE : 0);
    const seed = randomFillSync(new BigInt64Array(1))[0] ?? 0n;
    const handle = this.#privLib.kvSpaceCreate(nameAt, name.length, flags, keysMax ?? 0, bytesMax ?? 0, seed, hostBase);
    this.#privLib.vmaUnmap(nameAt, hostBase);
    if (handle === TABLE_EXHAUSTED) throw spacesFull(name);
    if (failed(handle)) throw kvError(handle, name);
    return handle;
  }

  /** Throws KV_SPACE_UNKNOWN, KV_DISK_FAILED. */
  async drop(name: string): Promise<void> {
    const found = this.table.find(name);
    await this.#disk?.drop(name, this.table.version(found));
    const status = this.#privLib.kvSpaceDrop(found.handle, this.#executor.hostBase);
    if (status !== OK) throw kvError(status, name);
    const version = this.table.version(found);
    if (version > this.#versionFloor) this.#versionFloor = version;
    this.#disk?.wake();
  }

  /** Does something that needs the spaces of these entries: those that are missing are made, in memory, and stay if it is done. */
  async with(entries: readonly string[], operation: () => Promise<void>): Promise<void> {
    const made: string[] = [];
    try {
      for (const { space } of entries.map(parseKvRight)) {
        if (this.table.lookUp(space) !== undefined) continue;
        await this.create(space, {});
        made.push(space);
      }
      await operation();
    } catch (error) {
      // What went wrong before is what counts.
      for (const name of made) await this.#abandon(name).catch(() => undefined);
      throw error;
    }
  }

  /** One that was put into meanwhile stays. */
  async #abandon(name: string): Promise<void> {
    const found = this.table.lookUp(name);
    if (found !== undefined && this.table.describe(found).keys === 0) await this.drop(name);
  }

  /** What these entries of a deployment mean, in their order. Throws KV_SPACE_UNKNOWN. */
  bindings(entries: readonly string[]): readonly KvBinding[] {
    return entries.map((entry) => {
      const { space, rights } = parseKvRight(entry);
      return { space: this.table.find(space).handle, rights: rights === 'rw' ? KV_MAY_READ_WRITE : KV_MAY_READ };
    });
  }
}

function spacesFull(name: string): JordError {
  const message = `There are ${SPACES_MAX} spaces, and there can be no more. Drop one that is not needed.`;
  return new JordError('KV_FULL', message, { space: name });
}

function checkOptions(options: KvSpaceOptions): void {
  for (const name of ['durable', 'cache'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== 'boolean') {
      throw new JordError('BAD_OPTION', `${name} must be true or false.`);
    }
  }
  checkLimit('keysMax', options.keysMax, 1);
  checkLimit('bytesMax', options.bytesMax, BYTES_MAX_LEAST);
  const known = ['durable', 'cache', 'keysMax', 'bytesMax'];
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new JordError('BAD_OPTION', `A space has no option ${unknown}; it has ${known.join(', ')}.`);
  }
}

function checkLimit(name: string, value: unknown, least: number): void {
  if (value === undefined || value === null) return;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= WORD_MAX) return;
  throw new JordError(
    'BAD_OPTION',
    `${name} must be a whole number from ${least} to ${WORD_MAX}, or null for no limit.`,
  );
}
