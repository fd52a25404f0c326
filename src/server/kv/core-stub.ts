/** What core/ is about to have. To be removed. */
import type { PrivLib } from '../privlib.ts';

export const TABLE_EXHAUSTED = 20;
export const KV_NO_SUCH_KEY = 48;
export const KV_CONFLICT = 49;
export const KV_FULL = 50;
export const KV_BAD_KEY = 51;
export const KV_NOT_A_COUNTER = 52;
export const KV_BACKLOG = 53;
export const KV_DISK_FAILED = 54;
export const KV_NO_SUCH_SPACE = 55;

export const CONTROL_NOW_MS64 = 0x440;
export const CONTROL_KV_BYTES = 0x640;
export const CONTROL_KV_BYTES_MAX = 0x644;
export const CONTROL_KV_WRITER = 0x648;
export const WRITER_AWAKE = 0;
export const WRITER_PARKED = 1;
export const WRITER_DOZING = 2;
export const KV_WRITER_RECORD = 0x660;
export const RECORD_VALUE = 0;
export const RECORD_LENGTH = 4;
export const RECORD_VERSION = 8;
export const RECORD_EXPIRES_MS = 16;
export const EXECUTOR_SYNC_WAITS = 896;
export const EXECUTOR_SYNCED = 900;
export const SPACE_TABLE = 0x01d0_0000;
export const SPACE_SIZE = 512;
export const SPACES_MAX = 128;
export const SPACE_HANDLE_FIRST = 65536;
export const SPACE_GENERATION = 0;
export const GENERATION_MASK = 0x7f_ffff;
export const SPACE_FLAGS = 4;
export const SPACE_IS_DURABLE = 1;
export const SPACE_IS_CACHE = 2;
export const SPACE_KEYS_MAX = 8;
export const SPACE_BYTES_MAX = 12;
export const SPACE_NAME_LENGTH = 24;
export const SPACE_DIRTY_BYTES = 28;
export const SPACE_DIRTY_BYTES_MAX = 32;
export const SPACE_FAILED = 36;
export const SPACE_DURABLE = 40;
export const SPACE_NAME = 64;
export const SPACE_NAME_BYTES_MAX = 64;
export const SPACE_VERSION = 128;
export const VERSION_NONE = 65535;
export const SPACE_KEYS = 192;
export const SPACE_BYTES = 196;
export const SPACE_EXPIRING = 200;
export const SPACE_EVICTIONS = 208;
export const SPACE_EXPIRATIONS = 216;
export const KV_BINDINGS = 0x01d8_0000;
export const KV_BINDINGS_SIZE = 64;
export const KV_BINDINGS_MAX = 16;
export const KV_MAY_READ = 1;
export const KV_MAY_READ_WRITE = 3;
export const STRIPE_TABLE = 0x01e0_0000;
export const STRIPE_SIZE = 64;
export const STRIPES = 256;
export const STRIPE_GETS = 24;
export const STRIPE_HITS = 32;
export const STRIPE_PUTS = 40;
export const STRIPE_DELETES = 48;
export const ENTRY_KEY_LENGTH = 12;
export const KV_KEY_BYTES_MAX = 1024;
export const KV_VALUE_BYTES_MAX = 0x400_0000;
export const KV_PAGE_KEYS_MAX = 10_000;
export const PAGE_COUNT = 0;
export const PAGE_MORE = 4;
export const PAGE_FIRST = 8;
export const PAGE_KEY_VERSION = 0;
export const PAGE_KEY_TTL_MS = 8;
export const PAGE_KEY_VALUE_LENGTH = 16;
export const PAGE_KEY_LENGTH = 20;
export const PAGE_KEY = 24;

export interface KvPrivLib extends PrivLib {
  kvGet(space: number, key: number, keyLength: number, asker: number): number;
  kvPut(
    space: number,
    key: number,
    keyLength: number,
    value: number,
    expected: bigint,
    ttlMs: bigint,
    asker: number,
  ): bigint;
  kvDelete(space: number, key: number, keyLength: number, expected: bigint, asker: number): number;
  kvAdd(space: number, key: number, keyLength: number, delta: bigint, result: number, asker: number): number;
  kvExpire(space: number, key: number, keyLength: number, ttlMs: bigint, asker: number): number;
  kvList(
    space: number,
    prefix: number,
    prefixLength: number,
    after: number,
    afterLength: number,
    limit: number,
    asker: number,
  ): number;
  kvVersion(address: number, asker: number): bigint;
  kvOpen(name: number, nameLength: number, asker: number): number;
  kvSpaceCreate(
    name: number,
    nameLength: number,
    flags: number,
    keysMax: number,
    bytesMax: number,
    seed: bigint,
    asker: number,
  ): number;
  kvSpaceConfigure(space: number, keysMax: number, bytesMax: number, asker: number): number;
  kvSpaceDrop(space: number, asker: number): number;
  kvBind(descriptor: number, slot: number, space: number, rights: number): number;
  kvLoad(
    space: number,
    key: number,
    keyLength: number,
    value: number,
    version: bigint,
    ttlMs: bigint,
    asker: number,
  ): number;
  kvSetVersion(space: number, version: bigint): number;
  kvSweep(space: number, stripes: number, asker: number): number;
  kvSetLimit(bytesMax: number): number;
  kvDirtyTake(space: number, stripe: number): number;
  kvEntryKey(entry: number): number;
  kvDirtyDone(space: number, entry: number, value: number, isWritten: number): void;
}
