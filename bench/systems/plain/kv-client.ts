/** The key-value store as services use it that are not in its address space: what they get and put is copied. */
import { OK } from '../../../core/status.ts';

/** A value or a page, good until it is released. */
export interface KvValue {
  readonly value: Uint8Array;
  readonly version: bigint;
  readonly release: () => void;
}

type Eventually<T> = T | Promise<T>;

/** Numbers are statuses. What each does stands in docs/abi.md. */
export interface KvClient {
  /** It answers later: others run meanwhile. */
  readonly isRemote: boolean;
  open(name: string): Eventually<number>;
  get(space: number, key: Uint8Array): Eventually<KvValue | number>;
  put(space: number, key: Uint8Array, value: Uint8Array, expected: bigint, ttlMs: bigint): Eventually<bigint>;
  delete(space: number, key: Uint8Array, expected: bigint): Eventually<number>;
  add(space: number, key: Uint8Array, delta: bigint): Eventually<bigint | number>;
  expire(space: number, key: Uint8Array, ttlMs: bigint): Eventually<number>;
  list(space: number, prefix: Uint8Array, after: Uint8Array, limit: number): Eventually<KvValue | number>;
}

/** The memory of a service, and where its invocations are in it. */
export interface KvMemory {
  bytes(pointer: number, length: number): Uint8Array;
  argBuf(address: number, context: number): Uint8Array;
  /** Address of a new ArgBuf with a copy of these bytes. */
  newArgBuf(bytes: Uint8Array, context: number): number;
  setVersion(address: number, version: bigint, context: number): void;
  versionOf(address: number, context: number): bigint;
  whileOthersRun<T>(promise: Promise<T>): Promise<T>;
}

/** The host functions of the key-value store that a service's module imports, with the context as their last parameter. */
export function kvFunctions(kv: KvClient, memory: KvMemory): Record<string, (...parameters: never[]) => unknown> {
  const text = new TextDecoder();
  /** Goes on with a result, at once where it is there. */
  const then = <T, R>(result: Eventually<T>, use: (result: T) => R): Eventually<R> =>
    result instanceof Promise ? memory.whileOthersRun(result).then(use) : use(result);
  const toArgBuf = (found: KvValue | number, context: number): number => {
    if (typeof found === 'number') return found;
    const address = memory.newArgBuf(found.value, context);
    memory.setVersion(address, found.version, context);
    found.release();
    return address;
  };
  return {
    kv_open: (name: number, length: number) => kv.open(text.decode(memory.bytes(name, length).slice())),
    kv_get: (space: number, key: number, length: number, context: number) =>
      then(kv.get(space, memory.bytes(key, length)), (found) => toArgBuf(found, context)),
    kv_version: (address: number, context: number) => memory.versionOf(address, context),
    kv_put: (
      space: number,
      key: number,
      length: number,
      value: number,
      expected: bigint,
      ttlMs: bigint,
      context: number,
    ) => kv.put(space, memory.bytes(key, length), memory.argBuf(value >>> 0, context), expected, ttlMs),
    kv_delete: (space: number, key: number, length: number, expected: bigint) =>
      kv.delete(space, memory.bytes(key, length), expected),
    kv_add: (space: number, key: number, length: number, delta: bigint, result: number) =>
      then(kv.add(space, memory.bytes(key, length), delta), (sum) => {
        if (typeof sum === 'number') return sum;
        const at = memory.bytes(result, 8);
        new DataView(at.buffer, at.byteOffset, 8).setBigInt64(0, sum, true);
        return OK;
      }),
    kv_expire: (space: number, key: number, length: number, ttlMs: bigint) =>
      kv.expire(space, memory.bytes(key, length), ttlMs),
    kv_list: (
      space: number,
      prefix: number,
      prefixLength: number,
      after: number,
      afterLength: number,
      limit: number,
      context: number,
    ) =>
      then(kv.list(space, memory.bytes(prefix, prefixLength), memory.bytes(after, afterLength), limit), (page) =>
        toArgBuf(page, context),
      ),
    kv_release: () => OK,
    kv_sync: () => OK,
  };
}
