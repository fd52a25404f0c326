/**
 * The key-value store as one thread sees it from outside: every operation is one of PrivLib's, asked by the thread's own PD. Keys and
 * values are copied in and out.
 */
import { KV_PAGE_KEYS_MAX, VERSION_NONE } from '../../../core/layout.ts';
import { KV_NO_SUCH_KEY, OK } from '../../../core/status.ts';
import { JordError } from '../../errors.ts';
import { statusError } from '../errors.ts';
import { type Executor, invokedFromInside } from '../executor.ts';
import { failed, type PrivLib } from '../privlib.ts';
import { clockWord, monotonicMs } from '../time.ts';
import { checkKey, kvError, VALUE_BYTES_MAX, valueTooLarge } from './errors.ts';
import { decodePage } from './page.ts';
import type { FoundSpace } from './space-table.ts';
import type { KvEntry, KvListOptions, KvPage, KvPutOptions } from './types.ts';

/** Places in the thread's own VMA for what PrivLib reads and writes: a key, a second one, a number. */
const KEY_AT = 0;
const AFTER_AT = 1024;
const NUMBER_AT = 2048;
const SCRATCH_BYTES = 2056;

const ANY_VERSION = -1n;
const LIST_DEFAULT = 1000;
const NOTHING: Uint8Array = new Uint8Array(0);

export class KvStore {
  readonly #executor: Executor;
  readonly #privLib: PrivLib;

  constructor(executor: Executor) {
    this.#executor = executor;
    this.#privLib = executor.privLib;
  }

  get({ handle, name }: FoundSpace, key: Uint8Array): KvEntry | undefined {
    checkKey(key);
    return this.#using((scratch) => {
      const at = this.#place(key, scratch + KEY_AT);
      const { hostBase } = this.#executor;
      const address = this.#privLib.kvGet(handle, at, key.length, hostBase);
      if (address === KV_NO_SUCH_KEY) return undefined;
      if (failed(address)) throw kvError(address, name);
      const { value, version } = this.#takeValue(address);
      const ttlMs = this.#privLib.kvTtl(handle, at, key.length, hostBase);
      // It is gone by now.
      if (ttlMs < 0n) return undefined;
      return { value, version, ttlMs: ttlMs === 0n ? null : Number(ttlMs) };
    });
  }

  #takeValue(address: number): Pick<KvEntry, 'value' | 'version'> {
    const { hostBase, bytes } = this.#executor;
    try {
      const start = address >>> 0;
      const value = bytes.slice(start, start + this.#privLib.vmaLength(address, hostBase));
      return { value, version: this.#privLib.kvVersion(address, hostBase) };
    } finally {
      this.#privLib.vmaRelease(address, hostBase);
    }
  }

  /** Returns the version. */
  put({ handle, name }: FoundSpace, key: Uint8Array, value: Uint8Array, options: KvPutOptions): bigint {
    checkKey(key);
    const expected = checkExpected(options.expected, 0n);
    const ttlMs = checkTtl(options.ttlMs);
    if (!(value instanceof Uint8Array)) throw new JordError('BAD_REQUEST', 'A value must be a Uint8Array.');
    if (value.length > VALUE_BYTES_MAX) throw valueTooLarge(value.length);
    return this.#using((scratch) => {
      const at = this.#place(key, scratch + KEY_AT);
      const { hostBase } = this.#executor;
      const address = value.length === 0 ? 0 : this.#place(value, this.#map(value.length, 'a value'));
      const version = this.#privLib.kvPut(handle, at, key.length, address, expected, ttlMs, hostBase);
      if (BigInt.asUintN(64, version) > VERSION_NONE) return version;
      if (address !== 0) this.#privLib.vmaUnmap(address, hostBase);
      throw kvError(Number(version), name);
    });
  }

  /** False: there is no such key. */
  delete({ handle, name }: FoundSpace, key: Uint8Array, options: Pick<KvPutOptions, 'expected'>): boolean {
    checkKey(key);
    const expected = checkExpected(options.expected, 1n);
    return this.#using((scratch) => {
      const at = this.#place(key, scratch + KEY_AT);
      const status = this.#privLib.kvDelete(handle, at, key.length, expected, this.#executor.hostBase);
      if (status !== OK && status !== KV_NO_SUCH_KEY) throw kvError(status, name);
      return status === OK;
    });
  }

  /** Returns the sum. */
  add({ handle, name }: FoundSpace, key: Uint8Array, delta: bigint): bigint {
    checkKey(key);
    if (typeof delta !== 'bigint' || BigInt.asIntN(64, delta) !== delta) {
      throw new JordError('BAD_OPTION', 'What is added must be a BigInt of 64 bits: -2^63 to 2^63 - 1.');
    }
    return this.#using((scratch) => {
      const at = this.#place(key, scratch + KEY_AT);
      const result = scratch + NUMBER_AT;
      const status = this.#privLib.kvAdd(handle, at, key.length, delta, result, this.#executor.hostBase);
      if (status !== OK) throw kvError(status, name);
      return new DataView(this.#executor.bytes.buffer, result, 8).getBigInt64(0, true);
    });
  }

  list({ handle, name }: FoundSpace, options: KvListOptions): KvPage {
    const { prefix = NOTHING, after = NOTHING, limit = LIST_DEFAULT } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > KV_PAGE_KEYS_MAX) {
      throw new JordError('BAD_OPTION', `limit must be a whole number from 1 to ${KV_PAGE_KEYS_MAX}, not ${limit}.`);
    }
    checkKey(prefix, 0);
    checkKey(after, 0);
    return this.#using((scratch) => {
      const prefixAt = this.#place(prefix, scratch + KEY_AT);
      const afterAt = this.#place(after, scratch + AFTER_AT);
      const { hostBase, bytes } = this.#executor;
      const address = this.#privLib.kvList(handle, prefixAt, prefix.length, afterAt, after.length, limit, hostBase);
      if (failed(address)) throw kvError(address, name);
      try {
        return decodePage(bytes, address >>> 0, this.#privLib.vmaLength(address, hostBase));
      } finally {
        this.#privLib.vmaUnmap(address, hostBase);
      }
    });
  }

  /** Runs an operation with memory of the thread's own, in which PrivLib finds keys. */
  #using<T>(operation: (scratch: number) => T): T {
    // PrivLib answers nobody but the PD that runs.
    if (!this.#executor.isIdle) throw invokedFromInside();
    // Time goes on while nothing runs.
    this.#privLib.clockAdvance(clockWord(monotonicMs()));
    const scratch = this.#map(SCRATCH_BYTES, 'a key');
    try {
      return operation(scratch);
    } finally {
      this.#privLib.vmaUnmap(scratch, this.#executor.hostBase);
    }
  }

  #map(length: number, subject: string): number {
    const address = this.#privLib.vmaMap(length, this.#executor.hostBase);
    if (failed(address)) throw statusError(address, subject);
    return address >>> 0;
  }

  #place(bytes: Uint8Array, address: number): number {
    this.#executor.bytes.set(bytes, address);
    return address;
  }
}

function checkExpected(expected: bigint | undefined, least: bigint): bigint {
  if (expected === undefined) return ANY_VERSION;
  if (typeof expected === 'bigint' && expected >= least && expected < 2n ** 63n) return expected;
  throw new JordError(
    'BAD_OPTION',
    'expected must be a version, a BigInt; 0n in a put where the key must not be there.',
  );
}

function checkTtl(ttlMs: number | undefined): bigint {
  if (ttlMs === undefined) return 0n;
  if (Number.isSafeInteger(ttlMs) && ttlMs >= 1) return BigInt(ttlMs);
  throw new JordError('BAD_OPTION', `ttlMs must be a whole number of milliseconds from 1 on, not ${ttlMs}.`);
}
