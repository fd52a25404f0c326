/** A key-value store for the gateway's tests: spaces are maps, and nothing is on disk. */

import { JordError } from '../errors.ts';
import { checkSpaceName } from '../functions/kv-rights.ts';
import { checkKey, spaceUnknown, VALUE_BYTES_MAX, valueTooLarge } from '../server/kv/errors.ts';
import type {
  Kv,
  KvEntry,
  KvListOptions,
  KvPage,
  KvPutOptions,
  KvSpaceInfo,
  KvSpaceOptions,
} from '../server/kv/types.ts';

interface Stored {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: bigint;
  /** When it expires, in ms of Date.now(); null: never. */
  readonly expiresAt: number | null;
}

interface Space {
  readonly durable: boolean;
  readonly cache: boolean;
  keysMax: number | null;
  bytesMax: number | null;
  version: bigint;
  /** By the key in hex, which sorts as its bytes do. */
  readonly entries: Map<string, Stored>;
}

export class MemoryKv implements Kv {
  readonly #spaces = new Map<string, Space>();
  /** What every put does first; for tests of what happens when it fails. */
  beforePut: (puts: number) => void = () => {};
  #puts = 0;

  /** Most puts that were under way at once. */
  putsAtOnceMax = 0;
  #putsUnderWay = 0;

  #find(name: string): Space {
    const space = this.#spaces.get(name);
    if (space === undefined) throw spaceUnknown(name);
    return space;
  }

  async spaces(): Promise<readonly KvSpaceInfo[]> {
    return [...this.#spaces.keys()].sort().map((name) => this.#info(name));
  }

  async space(name: string): Promise<KvSpaceInfo> {
    return this.#info(name);
  }

  #info(name: string): KvSpaceInfo {
    const { durable, cache, keysMax, bytesMax, entries } = this.#find(name);
    const bytes = [...entries.values()].reduce((sum, { value }) => sum + value.length, 0);
    const counters = { gets: 0, hits: 0, puts: this.#puts, deletes: 0, evictions: 0, expirations: 0 };
    const limits = { keysMax, bytesMax };
    const kept = { unsavedBytes: 0, diskFailed: false };
    return { name, durable, cache, ...limits, keys: entries.size, bytes, ...counters, ...kept, functions: [] };
  }

  async create(name: string, options: KvSpaceOptions = {}): Promise<KvSpaceInfo> {
    checkSpaceName(name);
    const { durable, cache, keysMax, bytesMax } = options;
    const space = this.#spaces.get(name) ?? {
      durable: durable ?? false,
      cache: cache ?? false,
      keysMax: null,
      bytesMax: null,
      version: 65535n,
      entries: new Map(),
    };
    if ((durable ?? space.durable) !== space.durable || (cache ?? space.cache) !== space.cache) {
      throw new JordError('KV_SPACE_DIFFERS', `The space "${name}" is there and of another kind.`, { space: name });
    }
    if (keysMax !== undefined) space.keysMax = keysMax;
    if (bytesMax !== undefined) space.bytesMax = bytesMax;
    this.#spaces.set(name, space);
    return this.#info(name);
  }

  async drop(name: string): Promise<void> {
    this.#find(name);
    this.#spaces.delete(name);
  }

  get(name: string, key: Uint8Array): KvEntry | undefined {
    const space = this.#find(name);
    checkKey(key);
    const stored = this.#living(space, key);
    if (stored === undefined) return undefined;
    return { value: stored.value.slice(), version: stored.version, ttlMs: ttlOf(stored) };
  }

  #living({ entries }: Space, key: Uint8Array): Stored | undefined {
    const stored = entries.get(hex(key));
    if (stored === undefined || stored.expiresAt === null || stored.expiresAt > Date.now()) return stored;
    entries.delete(hex(key));
    return undefined;
  }

  async put(name: string, key: Uint8Array, value: Uint8Array, options: KvPutOptions = {}): Promise<bigint> {
    const space = this.#find(name);
    checkKey(key);
    if (value.length > VALUE_BYTES_MAX) throw valueTooLarge(value.length);
    this.beforePut(++this.#puts);
    this.#expect(space, key, options.expected);
    const isNew = this.#living(space, key) === undefined;
    if (isNew && space.keysMax !== null && space.entries.size >= space.keysMax) {
      throw new JordError('KV_FULL', `There is no room in the space "${name}".`, { space: name });
    }
    const { ttlMs } = options;
    const version = ++space.version;
    const expiresAt = ttlMs === undefined ? null : Date.now() + ttlMs;
    space.entries.set(hex(key), { key: key.slice(), value: value.slice(), version, expiresAt });
    this.putsAtOnceMax = Math.max(this.putsAtOnceMax, ++this.#putsUnderWay);
    // As if it went to the disk.
    await new Promise(setImmediate);
    this.#putsUnderWay--;
    return version;
  }

  #expect(space: Space, key: Uint8Array, expected: bigint | undefined): void {
    if (expected === undefined || expected === (this.#living(space, key)?.version ?? 0n)) return;
    throw new JordError('KV_CONFLICT', 'The key has another version by now.', {});
  }

  async delete(name: string, key: Uint8Array, options: Pick<KvPutOptions, 'expected'> = {}): Promise<boolean> {
    const space = this.#find(name);
    checkKey(key);
    if (this.#living(space, key) === undefined) return false;
    this.#expect(space, key, options.expected);
    return space.entries.delete(hex(key));
  }

  async add(name: string, key: Uint8Array, delta: bigint): Promise<bigint> {
    const space = this.#find(name);
    const { value, expiresAt = null } = this.#living(space, key) ?? {};
    if (value !== undefined && value.length !== 8) {
      throw new JordError('KV_NOT_A_COUNTER', 'The value is no counter: it has other than 8 bytes.', { space: name });
    }
    const counter = Buffer.from(value ?? Buffer.alloc(8));
    const sum = BigInt.asIntN(64, counter.readBigInt64LE() + delta);
    counter.writeBigInt64LE(sum);
    space.entries.set(hex(key), { key: key.slice(), value: counter, version: ++space.version, expiresAt });
    return sum;
  }

  list(
    name: string,
    { prefix = new Uint8Array(), after = new Uint8Array(), limit = 1000 }: KvListOptions = {},
  ): KvPage {
    const { entries } = this.#find(name);
    if (limit < 1 || limit > 10_000) throw new JordError('BAD_OPTION', 'limit must be a whole number from 1 to 10000.');
    const found = [...entries]
      .filter(([key]) => key.startsWith(hex(prefix)) && (after.length === 0 || key > hex(after)))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const keys = found.slice(0, limit).map(([, stored]) => {
      const { key, version, value } = stored;
      return { key, version, sizeBytes: value.length, ttlMs: ttlOf(stored) };
    });
    return { keys, more: found.length > keys.length };
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function ttlOf({ expiresAt }: Stored): number | null {
  return expiresAt === null ? null : Math.max(1, expiresAt - Date.now());
}
