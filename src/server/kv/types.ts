/** The key-value store as it is seen from outside: by the gateway, the embedding API, tests. */

/** How a space is made. What is left out is as it was, or no limit where the space is new. */
export interface KvSpaceOptions {
  /** Its keys are on disk, and there again after a restart. Needs a data folder. Default: false. */
  readonly durable?: boolean;
  /** Where it is full, what was used least recently makes room. Default: false, and then a put fails. */
  readonly cache?: boolean;
  /** Most keys: 1 to 4,294,967,295; null for no limit. */
  readonly keysMax?: number | null;
  /** Most bytes, counted as `bytes` of KvSpaceInfo: 256 to 4,294,967,295; null for no limit. */
  readonly bytesMax?: number | null;
}

/** What is known of a space; plain JSON. Counters go up as long as the server runs. */
export interface KvSpaceInfo {
  readonly name: string;
  readonly durable: boolean;
  readonly cache: boolean;
  readonly keysMax: number | null;
  readonly bytesMax: number | null;
  readonly keys: number;
  /** A value counts as the power of two (128 at least) that holds it, and the entry with its key likewise. */
  readonly bytes: number;
  readonly gets: number;
  /** Gets that found their key. */
  readonly hits: number;
  readonly puts: number;
  readonly deletes: number;
  readonly evictions: number;
  readonly expirations: number;
  /** Changed since the last write to the disk began; 0 for a space that is not durable. */
  readonly unsavedBytes: number;
  /** The last write to the disk has failed. What is not there yet is kept and tried again. */
  readonly diskFailed: boolean;
  /** Deployed functions that may use it. */
  readonly functions: readonly KvSpaceUser[];
}

export interface KvSpaceUser {
  readonly name: string;
  readonly rights: 'ro' | 'rw';
}

export interface KvEntry {
  /** A copy, the caller's own. */
  readonly value: Uint8Array;
  /** Of this change of the key: unique in its space, 65,536 at least. */
  readonly version: bigint;
  /** What is left until it expires; null: it does not. */
  readonly ttlMs: number | null;
}

export interface KvKey {
  readonly key: Uint8Array;
  readonly version: bigint;
  /** Of the value. */
  readonly sizeBytes: number;
  readonly ttlMs: number | null;
}

export interface KvPage {
  /** In the order of their bytes. */
  readonly keys: readonly KvKey[];
  /** There are further keys: ask again with `after`, the last key of this page. */
  readonly more: boolean;
}

export interface KvPutOptions {
  /** Only if the key has this version; 0n: only if it is not there. */
  readonly expected?: bigint;
  /** It expires after so many ms: a whole number from 1 on. Default: never. */
  readonly ttlMs?: number;
}

export interface KvListOptions {
  /** Only keys that begin with these bytes. */
  readonly prefix?: Uint8Array;
  /** Only keys behind this one. */
  readonly after?: Uint8Array;
  /** Most keys of the page: 1 to 10,000, by default 1,000. A page ends at 64 KiB too, so it can have fewer though there are more. */
  readonly limit?: number;
}

/**
 * The key-value store of a worker server. Keys have 1 to 1,024 bytes, values 0 to 64 MiB. Operations on one key happen one after
 * the other, those of functions included; nothing is promised over several keys.
 *
 * All throw KV_SPACE_UNKNOWN where there is no such space, KV_KEY_INVALID, BAD_OPTION and SERVER_STOPPED. What changes a key throws
 * KV_DISK_FAILED and KV_BACKLOG in durable spaces: with the first, after a change that was made and is not on disk, but will
 * be once the disk takes it; with the second before it is made.
 */
export interface Kv {
  /** All spaces, by name. */
  spaces(): Promise<readonly KvSpaceInfo[]>;
  space(name: string): Promise<KvSpaceInfo>;
  /**
   * Creates a space, or changes the limits of the one that is there. Limits that are lower than what it has remove nothing; puts
   * fail, or evict, until there is room.
   *
   * Throws KV_NAME_INVALID; KV_SPACE_DIFFERS where it is there and `durable` or `cache` are given and other; KV_NOT_DURABLE without a
   * data folder; KV_FULL where there are as many spaces as there can be; KV_DISK_FAILED.
   */
  create(name: string, options?: KvSpaceOptions): Promise<KvSpaceInfo>;
  /** Removes a space with all its keys, also from the disk. Throws KV_SPACE_IN_USE while a deployed function names it, KV_DISK_FAILED. */
  drop(name: string): Promise<void>;
  /** undefined: there is no such key. */
  get(space: string, key: Uint8Array): KvEntry | undefined;
  /**
   * Returns the version of the change; a durable one is on disk then.
   *
   * Throws KV_CONFLICT where `expected` is not what is there, KV_FULL, BODY_TOO_LARGE, ADDRESS_SPACE_EXHAUSTED.
   */
  put(space: string, key: Uint8Array, value: Uint8Array, options?: KvPutOptions): Promise<bigint>;
  /** False: there was no such key. Throws KV_CONFLICT. */
  delete(space: string, key: Uint8Array, options?: Pick<KvPutOptions, 'expected'>): Promise<boolean>;
  /**
   * Adds to a value of 8 bytes, a little-endian signed number, and returns the sum, modulo 2^64. A key that is not there counts as 0.
   *
   * Throws KV_NOT_A_COUNTER where the value has another length, KV_FULL.
   */
  add(space: string, key: Uint8Array, delta: bigint): Promise<bigint>;
  /** A page of keys. Keys that are put or deleted between two pages are in one of them or not; none is there twice. */
  list(space: string, options?: KvListOptions): KvPage;
}
