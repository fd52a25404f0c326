/**
 * The key-value store of Jord for systems whose services have memories of their own: in an address space beside them, that
 * threads of one process share. Keys and values are copied in and out.
 */
import { randomBytes } from 'node:crypto';
import type { ApplicationEntry, ApplicationSpace } from '../../../apps/application.ts';
import { SPACE_IS_CACHE, SPACE_IS_DURABLE } from '../../../core/layout.ts';
import { CLASS_EXHAUSTED, OK } from '../../../core/status.ts';
import {
  type AddressSpace,
  createAddressSpace,
  failed,
  instantiatePrivLib,
  type PrivLib,
} from '../../../src/server/privlib.ts';
import { clockWord, monotonicMs } from '../../../src/server/time.ts';
import { countCopies, TRAFFIC_WORDS } from '../messages/inbox.ts';
import type { KvClient, KvValue } from './kv-client.ts';

const BYTES_MAX = 2 ** 31 - 1;
/** Room for two keys and a counter. */
const SCRATCH_BYTES = 4096;
const SECOND_KEY = 1536;
const RESULT = 3072;

/** What the store begins with. */
export interface KvContent {
  readonly spaces: readonly ApplicationSpace[];
  entries(): Iterable<ApplicationEntry>;
}

/** One thread's way to the store. */
export class KvStore implements KvClient {
  readonly isRemote = false;
  readonly addressSpace: AddressSpace;
  readonly #privLib: PrivLib;
  readonly #host: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #scratch: number;

  readonly #traffic: Float64Array;

  /** Another thread's, or a new one. Copies of values are counted in `traffic`. */
  constructor(
    addressSpace: AddressSpace = createAddressSpace({ callDepthMax: 1 }),
    traffic: Float64Array = new Float64Array(TRAFFIC_WORDS),
  ) {
    this.#traffic = traffic;
    this.addressSpace = addressSpace;
    this.#privLib = instantiatePrivLib(addressSpace);
    this.#bytes = new Uint8Array(addressSpace.memory.buffer);
    this.#view = new DataView(addressSpace.memory.buffer);
    this.#host = this.#privLib.executorHost(this.#privLib.executorCreate());
    this.#scratch = this.#privLib.vmaMap(SCRATCH_BYTES, this.#host) >>> 0;
  }

  /** Makes the spaces of an application with their entries. Durable ones are memory spaces here: nothing waits for a disk. */
  load({ spaces, entries }: KvContent): void {
    this.#privLib.kvSetLimit(BYTES_MAX);
    for (const { name, options } of spaces) {
      const flags = (options.cache === true ? SPACE_IS_CACHE : 0) & ~SPACE_IS_DURABLE;
      const seed = randomBytes(8).readBigUInt64LE();
      const length = this.#write(Buffer.from(name, 'utf8'), 0);
      const { keysMax, bytesMax } = options;
      this.#expect(
        this.#privLib.kvSpaceCreate(this.#scratch, length, flags, keysMax ?? 0, bytesMax ?? 0, seed, this.#host),
      );
    }
    for (const { space, key, value } of entries()) {
      if (this.put(this.open(space), key, value, -1n, 0n) < 65_536n) throw new Error(`${space} does not take an entry`);
    }
  }

  /** Time passes, for keys that expire. */
  tick(): void {
    this.#privLib.clockAdvance(clockWord(monotonicMs()));
  }

  #expect(result: number): void {
    if (failed(result)) throw new Error(`the store refuses with status ${result}`);
  }

  #write(bytes: Uint8Array, offset: number): number {
    this.#bytes.set(bytes, this.#scratch + offset);
    return bytes.length;
  }

  open(name: string): number {
    return this.#privLib.kvOpen(this.#scratch, this.#write(Buffer.from(name, 'utf8'), 0), this.#host);
  }

  get(space: number, key: Uint8Array): KvValue | number {
    const privLib = this.#privLib;
    const address = privLib.kvGet(space, this.#scratch, this.#write(key, 0), this.#host);
    if (failed(address)) return address;
    const start = address >>> 0;
    const value = this.#bytes.subarray(start, start + privLib.vmaLength(address, this.#host));
    const version = privLib.kvVersion(address, this.#host);
    countCopies(this.#traffic, 1, value.length);
    return { value, version, release: () => void privLib.vmaRelease(address, this.#host) };
  }

  put(space: number, key: Uint8Array, value: Uint8Array, expected: bigint, ttlMs: bigint): bigint {
    const privLib = this.#privLib;
    let address = 0;
    if (value.length > 0) {
      address = privLib.vmaMap(value.length, this.#host);
      if (failed(address)) return BigInt(CLASS_EXHAUSTED);
      this.#bytes.set(value, address >>> 0);
      countCopies(this.#traffic, 1, value.length);
    }
    const result = privLib.kvPut(space, this.#scratch, this.#write(key, 0), address, expected, ttlMs, this.#host);
    if (result < 65_536n && address !== 0) privLib.vmaUnmap(address, this.#host);
    return result;
  }

  delete(space: number, key: Uint8Array, expected: bigint): number {
    return this.#privLib.kvDelete(space, this.#scratch, this.#write(key, 0), expected, this.#host);
  }

  add(space: number, key: Uint8Array, delta: bigint): bigint | number {
    const result = this.#scratch + RESULT;
    const status = this.#privLib.kvAdd(space, this.#scratch, this.#write(key, 0), delta, result, this.#host);
    return status === OK ? this.#view.getBigInt64(result, true) : status;
  }

  expire(space: number, key: Uint8Array, ttlMs: bigint): number {
    return this.#privLib.kvExpire(space, this.#scratch, this.#write(key, 0), ttlMs, this.#host);
  }

  list(space: number, prefix: Uint8Array, after: Uint8Array, limit: number): KvValue | number {
    const privLib = this.#privLib;
    const second = this.#scratch + SECOND_KEY;
    const prefixLength = this.#write(prefix, 0);
    const afterLength = this.#write(after, SECOND_KEY);
    const page = privLib.kvList(space, this.#scratch, prefixLength, second, afterLength, limit, this.#host);
    if (failed(page)) return page;
    const start = page >>> 0;
    const value = this.#bytes.subarray(start, start + privLib.vmaLength(page, this.#host));
    return { value, version: 0n, release: () => void privLib.vmaUnmap(page, this.#host) };
  }
}
