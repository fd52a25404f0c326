/**
 * The key-value store as one thread sees it from outside: every operation is one of PrivLib's, asked by the thread's own PD. Keys and
 * values are copied in and out.
 */
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

/** Below are statuses. */
const VERSION_FIRST = 65536n;
const ANY_VERSION = -1n;
const LIST_MAX = 10_000;
const LIST_DEFAULT = 1000;
const NOTHING: Uint8Array = new Uint8Array(0);

export class KvStore {
  readonly #executor: Executor;
  readonly #privLib: PrivLib;
  #scratch = 0;

  constructor(executor: Executor) {
    this.#executor = executor;
    this.#privLib = executor.privLib;
  }

  get({ handle, name }: FoundSpace, key: Uint8Array): KvEntry | undefined {
    this.#begin();
    const at = this.#key(key);
    const { hostBase } = this.#executor;
    const address = this.#privLib.kvGet(handle, at, key.length, hostBase);
    if (address === KV_NO_SUCH_KEY) return undefined;
    if (failed(address)) throw kvError(address, name);
    const start = address >>> 0;
    const value = this.#executor.bytes.slice(start, start + this.#privLib.vmaLength(address, hostBase));
    const version = this.#privLib.kvVersion(address, hostBase);
    this.#privLib.vmaRelease(address, hostBase);
    const ttlMs = this.#privLib.kvTtl(handle, at, key.length, hostBase);
    // It is gone by now.
    if (ttlMs < 0n) return undefined;
    return { value, version, ttlMs: ttlMs === 0n ? null : Number(ttlMs) };
  }

  /** Returns the version. */
  put({ handle, name }: FoundSpace, key: Uint8Array, value: Uint8Array, options: KvPutOptions): bigint {
    this.#begin();
    const at = this.#key(key);
    const { expected, ttlMs } = checkPutOptions(options);
    if (!(value instanceof Uint8Array)) throw new JordError('BAD_REQUEST', 'A value must be a Uint8Array.');
    if (value.length > VALUE_BYTES_MAX) throw valueTooLarge(value.length);
    const { hostBase, bytes } = this.#executor;
    let address = 0;
    if (value.length > 0) {
      address = this.#privLib.vmaMap(value.length, hostBase);
      if (failed(address)) throw statusError(address, `a value of ${value.length} bytes`);
      bytes.set(value, address >>> 0);
    }
    const version = this.#privLib.kvPut(handle, at, key.length, address, expected, ttlMs, hostBase);
    if (BigInt.asUintN(64, version) >= VERSION_FIRST) return version;
    if (address !== 0) this.#privLib.vmaUnmap(address, hostBase);
    throw kvError(Number(version), name);
  }

  /** False: there is no such key. */
  delete({ handle, name }: FoundSpace, key: Uint8Array, options: Pick<KvPutOptions, 'expected'>): boolean {
    this.#begin();
    const at = this.#key(key);
    const { expected } = checkPutOptions(options);
    const status = this.#privLib.kvDelete(handle, at, key.length, expected, this.#executor.hostBase);
    if (status === KV_NO_SUCH_KEY) return false;
    if (status !== OK) throw kvError(status, name);
    return true;
  }

  /** Returns the sum. */
  add({ handle, name }: FoundSpace, key: Uint8Array, delta: bigint): bigint {
    this.#begin();
    const at = this.#key(key);
    if (typeof delta !== 'bigint' || BigInt.asIntN(64, delta) !== delta) {
      throw new JordError('BAD_OPTION', 'What is added must be a BigInt of 64 bits: -2^63 to 2^63 - 1.');
    }
    const { hostBase, bytes } = this.#executor;
    const result = this.#scratch + NUMBER_AT;
    const status = this.#privLib.kvAdd(handle, at, key.length, delta, result, hostBase);
    if (status !== OK) throw kvError(status, name);
    return new DataView(bytes.buffer, result >>> 0, 8).getBigInt64(0, true);
  }

  list(
    { handle, name }: FoundSpace,
    { prefix = NOTHING, after = NOTHING, limit = LIST_DEFAULT }: KvListOptions,
  ): KvPage {
    this.#begin();
    if (!Number.isInteger(limit) || limit < 1 || limit > LIST_MAX) {
      throw new JordError('BAD_OPTION', `limit must be a whole number from 1 to ${LIST_MAX}, not ${limit}.`);
    }
    const prefixAt = this.#place(prefix, KEY_AT);
    const afterAt = this.#place(after, AFTER_AT);
    const { hostBase } = this.#executor;
    const address = this.#privLib.kvList(handle, prefixAt, prefix.length, afterAt, after.length, limit, hostBase);
    if (failed(address)) throw kvError(address, name);
    return this.#takePage(address);
  }

  #takePage(address: number): KvPage {
    const { hostBase, bytes } = this.#executor;
    const page = decodePage(bytes, address >>> 0, this.#privLib.vmaLength(address, hostBase));
    this.#privLib.vmaUnmap(address, hostBase);
    return page;
  }

  /** Once before each operation: PrivLib answers nobody but the PD that runs, and time goes on while nothing does. */
  #begin(): void {
    if (!this.#executor.isIdle) throw invokedFromInside();
    this.#privLib.clockAdvance(clockWord(monotonicMs()));
    if (this.#scratch !== 0) return;
    const address = this.#privLib.vmaMap(SCRATCH_BYTES, this.#executor.hostBase);
    if (failed(address)) throw statusError(address, 'a key');
    this.#scratch = address;
  }

  #key(key: Uint8Array): number {
    return this.#place(key, KEY_AT, 1);
  }

  #place(bytes: Uint8Array, at: number, least: 0 | 1 = 0): number {
    checkKey(bytes, least);
    this.#executor.bytes.set(bytes, (this.#scratch + at) >>> 0);
    return this.#scratch + at;
  }
}

function checkPutOptions({ expected, ttlMs }: KvPutOptions): { readonly expected: bigint; readonly ttlMs: bigint } {
  if (expected !== undefined && (typeof expected !== 'bigint' || expected < 0n || expected >= 2n ** 63n)) {
    throw new JordError('BAD_OPTION', 'expected must be a version, a BigInt; 0n where the key must not be there.');
  }
  if (ttlMs !== undefined && (!Number.isSafeInteger(ttlMs) || ttlMs < 1)) {
    throw new JordError('BAD_OPTION', `ttlMs must be a whole number of milliseconds from 1 on, not ${ttlMs}.`);
  }
  return { expected: expected ?? ANY_VERSION, ttlMs: BigInt(ttlMs ?? 0) };
}
