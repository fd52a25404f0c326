/**
 * Entries of the key-value store: one for each key, in the hash table of its stripe. An entry is a VMA of the store's, and so is a
 * value: allocated and freed as any other, and found by no function, since no PD is their owner.
 *
 * All here is for who holds the lock of the stripe, unless it says otherwise.
 */
import {
  CLOCK_LAG_MS,
  CONTROL_NOW_MS64,
  ENTRY_DIRTY_NEXT,
  ENTRY_EXPIRES_MS,
  ENTRY_FLAGS,
  ENTRY_HASH,
  ENTRY_HEIGHT,
  ENTRY_IS_DIRTY,
  ENTRY_KEY_LENGTH,
  ENTRY_NEXT,
  ENTRY_TOWER,
  ENTRY_USED,
  ENTRY_VALUE,
  ENTRY_VALUE_LENGTH,
  ENTRY_VERSION,
  GRANTS_ORPHAN,
  OWNER_STORE,
  SPACE_DIRTY_BYTES,
  SPACE_EXPIRING,
  SPACE_TICK,
  SPACE_VERSION,
  STRIPE_BUCKETS,
  STRIPE_COUNT,
  STRIPE_DIRTY,
  STRIPE_MASK,
  VTE_CLASS_MASK,
  VTE_END,
  VTE_GRANTS,
  VTE_OWNER,
  VTE_READ_END,
  VTE_START,
  VTE_VERSION,
  VTE_WRITE_END,
} from './layout';
import { dischargeStore } from './grant';
import { indexRemove } from './kv-index';
import { discharge, isCache, isDurable, lockIndex, unlockIndex } from './kv-space';
import { release, sizeOf, unlink, vteOf } from './vma-table';

const HASH_MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/** No chain is longer: a stripe has no more entries. */
const CHAIN_MAX: u32 = 1 << 24;
/** What a change that is not on disk counts beside its key and value. */
const DIRTY_OVERHEAD_BYTES: u32 = 64;

/**
 * The first bytes of a word that holds the last ones of a key. Reading on behind the key is harmless: the address space has no
 * end there, and what is read is masked away.
 */
// @ts-ignore: decorator
@inline
function tailOf(at: u32, length: u32): u64 {
  return load<u64>(at) & (((<u64>1) << (<u64>length << 3)) - 1);
}

/**
 * Of a key of at least one byte. Who does not know the seed cannot choose keys that collide: each word is multiplied with what
 * the seed has become, so what another word would have to cancel depends on the seed. (After a multiplication with a constant it
 * would not: a change of the highest bit is one before and after.)
 */
// @ts-ignore: decorator
@inline
export function hashOf(key: u32, length: u32, seed: u64): u32 {
  let hash = seed ^ (<u64>length * HASH_MULTIPLIER);
  const whole = key + (length & ~7);
  for (let at = key; at < whole; at += 8) hash = mix(hash, load<u64>(at));
  if ((length & 7) != 0) hash = mix(hash, tailOf(whole, length & 7));
  hash ^= hash >>> 32;
  return <u32>((hash * HASH_MULTIPLIER) >>> 32);
}

/** The product of both halves; and the hash before, so that a half that is 0 loses no more than this word. */
// @ts-ignore: decorator
@inline
function mix(hash: u64, word: u64): u64 {
  const mixed = hash ^ word;
  return (mixed & 0xffff_ffff) * (mixed >>> 32) + rotr<u64>(hash, 32);
}

// @ts-ignore: decorator
@inline
export function keyOf(entry: u32): u32 {
  return entry + ENTRY_TOWER + (<u32>load<u8>(entry, ENTRY_HEIGHT) << 2);
}

// @ts-ignore: decorator
@inline
function isSame(a: u32, b: u32, length: u32): bool {
  const whole = length & ~7;
  for (let i: u32 = 0; i < whole; i += 8) {
    if (load<u64>(a + i) != load<u64>(b + i)) return false;
  }
  return (length & 7) == 0 || tailOf(a + whole, length & 7) == tailOf(b + whole, length & 7);
}

/** Less than 0, 0 or more: where one key comes before, is, or comes behind another, by their bytes. Needs no lock. */
export function compareKeys(a: u32, aLength: u32, b: u32, bLength: u32): i32 {
  const length = min(aLength, bLength);
  for (let i: u32 = 0; i < length; i += 8) {
    const rest = length - i;
    const x = rest >= 8 ? load<u64>(a + i) : tailOf(a + i, rest);
    const y = rest >= 8 ? load<u64>(b + i) : tailOf(b + i, rest);
    if (x != y) return bswap<u64>(x) < bswap<u64>(y) ? -1 : 1;
  }
  return <i32>aLength - <i32>bLength;
}

/** The entry of a key, also a deleted one that the disk does not know of; 0 for none. */
// @ts-ignore: decorator
@inline
export function findEntry(stripe: u32, hash: u32, key: u32, length: u32): u32 {
  if (load<u32>(stripe, STRIPE_COUNT) == 0) return 0;
  let entry = load<u32>(bucketOf(stripe, hash));
  for (let i: u32 = 0; entry != 0 && i < CHAIN_MAX; i++) {
    const isIt =
      load<u32>(entry, ENTRY_HASH) == hash &&
      <u32>load<u16>(entry, ENTRY_KEY_LENGTH) == length &&
      isSame(keyOf(entry), key, length);
    if (isIt) return entry;
    entry = load<u32>(entry, ENTRY_NEXT);
  }
  return 0;
}

/** Address of the word with the first entry of a bucket. The low bits of a hash tell the stripe. */
// @ts-ignore: decorator
@inline
export function bucketOf(stripe: u32, hash: u32): u32 {
  return load<u32>(stripe, STRIPE_BUCKETS) + (((hash >>> 8) & load<u32>(stripe, STRIPE_MASK)) << 2);
}

// @ts-ignore: decorator
@inline
export function linkEntry(stripe: u32, entry: u32): void {
  const bucket = bucketOf(stripe, load<u32>(entry, ENTRY_HASH));
  store<u32>(entry, load<u32>(bucket), ENTRY_NEXT);
  store<u32>(bucket, entry);
  store<u32>(stripe, load<u32>(stripe, STRIPE_COUNT) + 1, STRIPE_COUNT);
}

export function unlinkEntry(stripe: u32, entry: u32): void {
  let link = bucketOf(stripe, load<u32>(entry, ENTRY_HASH));
  for (let i: u32 = 0; i < CHAIN_MAX && load<u32>(link) != entry; i++) link = load<u32>(link) + ENTRY_NEXT;
  store<u32>(link, load<u32>(entry, ENTRY_NEXT));
  store<u32>(stripe, load<u32>(stripe, STRIPE_COUNT) - 1, STRIPE_COUNT);
}

/** Whether a reader finds a value. */
// @ts-ignore: decorator
@inline
export function isLive(entry: u32): bool {
  return entry != 0 && load<u32>(entry, ENTRY_VALUE) != 0 && !isExpired(entry);
}

// @ts-ignore: decorator
@inline
export function isExpired(entry: u32): bool {
  const expires = load<u64>(entry, ENTRY_EXPIRES_MS);
  return expires != 0 && expires <= load<u64>(CONTROL_NOW_MS64);
}

/** When something ends that lasts so long from now on: not before its time, since the clock lags. 0 stays 0, for never. */
// @ts-ignore: decorator
@inline
export function expiryOf(ttlMs: u64): u64 {
  return ttlMs == 0 ? 0 : load<u64>(CONTROL_NOW_MS64) + ttlMs + CLOCK_LAG_MS;
}

/** The other way round. What has come to its end just now has 1 ms left, since 0 would be never. */
// @ts-ignore: decorator
@inline
export function ttlOf(expiresMs: u64): u64 {
  if (expiresMs == 0) return 0;
  const nowMs = load<u64>(CONTROL_NOW_MS64);
  return expiresMs > nowMs ? expiresMs - nowMs : 1;
}

// @ts-ignore: decorator
@inline
export function setExpiry(space: u32, entry: u32, expiresMs: u64): void {
  const did = load<u64>(entry, ENTRY_EXPIRES_MS) != 0;
  const does = expiresMs != 0;
  if (did != does) atomic.add<u32>(space, does ? 1 : -1, SPACE_EXPIRING);
  store<u64>(entry, expiresMs, ENTRY_EXPIRES_MS);
}

// @ts-ignore: decorator
@inline
export function nextVersion(space: u32): u64 {
  return atomic.add<u64>(space, 1, SPACE_VERSION) + 1;
}

// @ts-ignore: decorator
@inline
export function startOf(vte: u32): u32 {
  return load<u32>(vte, VTE_START) & ~VTE_CLASS_MASK;
}

/** A VMA of the asker's, which nobody shares, is the store's from now on. Readers will find `readEnd`: 0 for what is no value. */
// @ts-ignore: decorator
@inline
export function adopt(vte: u32, readEnd: u32, asker: u32): void {
  unlink(vte, asker);
  store<u32>(vte, OWNER_STORE, VTE_OWNER);
  store<u32>(vte, readEnd, VTE_READ_END);
  store<u32>(vte, 0, VTE_WRITE_END);
}

/** The value of an entry from now on, and its version. */
// @ts-ignore: decorator
@inline
export function setValue(entry: u32, vte: u32, version: u64): void {
  store<u64>(vte, version, VTE_VERSION);
  store<u32>(entry, vte, ENTRY_VALUE);
  store<u64>(entry, version, ENTRY_VERSION);
  store<u32>(entry, load<u32>(vte, VTE_END) - startOf(vte), ENTRY_VALUE_LENGTH);
}

/**
 * The store gives up a value. Nobody can find it any more; the last of its readers frees it, or this does where there is none. Only
 * then its bytes are counted out of the store's: readers cannot make others' values be more than there may be. Returns what
 * `release` does.
 */
// @ts-ignore: decorator
@inline
export function dropValue(vte: u32, executor: u32): bool {
  // In one word with the count: either this sees that it is 0 by now, or the last reader sees that the store is done with it.
  if (isHeld(vte) && atomic.add<u32>(vte, GRANTS_ORPHAN, VTE_GRANTS) != 0) return false;
  dischargeStore(sizeOf(vte));
  return release(vte, executor);
}

/** Whether anybody reads a value. While the lock is held nobody can begin to. */
// @ts-ignore: decorator
@inline
export function isHeld(vte: u32): bool {
  return atomic.load<u32>(vte, VTE_GRANTS) != 0;
}

/** The disk does not have an entry as it is now. */
// @ts-ignore: decorator
@inline
export function markDirty(space: u32, stripe: u32, entry: u32): void {
  if (!isDurable(space)) return;
  const flags = <u32>load<u8>(entry, ENTRY_FLAGS);
  if ((flags & ENTRY_IS_DIRTY) == 0) {
    store<u32>(entry, load<u32>(stripe, STRIPE_DIRTY), ENTRY_DIRTY_NEXT);
    store<u32>(stripe, entry, STRIPE_DIRTY);
    store<u8>(entry, flags | ENTRY_IS_DIRTY, ENTRY_FLAGS);
  }
  const bytes = load<u32>(entry, ENTRY_VALUE_LENGTH) + <u32>load<u16>(entry, ENTRY_KEY_LENGTH) + DIRTY_OVERHEAD_BYTES;
  atomic.add<u32>(space, bytes, SPACE_DIRTY_BYTES);
}

/** It was used just now: what is used longest ago is the first to go from a cache. */
// @ts-ignore: decorator
@inline
export function touch(space: u32, entry: u32): void {
  if (isCache(space)) store<u64>(entry, atomic.add<u64>(space, 1, SPACE_TICK) + 1, ENTRY_USED);
}

/** One more of what a stripe counts. */
// @ts-ignore: decorator
@inline
export function count(stripe: u32, counter: u32): void {
  store<u64>(stripe + counter, load<u64>(stripe + counter) + 1);
}

/**
 * Takes the value of an entry away, and the entry where the disk need not hear of that. Call `reserveStack` before the lock is
 * taken. Returns whether `spill` must follow, without the lock.
 */
export function removeKey(space: u32, stripe: u32, entry: u32, executor: u32): bool {
  const vte = load<u32>(entry, ENTRY_VALUE);
  // First of all, since who lists keys sees the rest without the lock of the stripe.
  lockIndex(space, 0);
  indexRemove(space, entry);
  unlockIndex(space);
  store<u32>(entry, 0, ENTRY_VALUE);
  store<u32>(entry, 0, ENTRY_VALUE_LENGTH);
  setExpiry(space, entry, 0);
  discharge(space, 1, sizeOf(vte));
  const isFull = dropValue(vte, executor);
  store<u64>(entry, nextVersion(space), ENTRY_VERSION);
  if (isDurable(space)) {
    markDirty(space, stripe, entry);
    return isFull;
  }
  return freeEntry(space, stripe, entry, executor) || isFull;
}

/** Takes an entry without a value out of its stripe, and frees it. Returns as `removeKey`. */
export function freeEntry(space: u32, stripe: u32, entry: u32, executor: u32): bool {
  const vte = vteOf(entry);
  unlinkEntry(stripe, entry);
  discharge(space, 0, sizeOf(vte));
  dischargeStore(sizeOf(vte));
  return release(vte, executor);
}
