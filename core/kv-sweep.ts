/** Keys that go by themselves: those whose time is over, those that a cache has no room for, and all of a space that is dropped. */
import { reserveStack } from './address-space';
import { spill } from './free-lists';
import { dischargeStore } from './grant';
import { dropValue, freeEntry, isExpired, removeKey, setExpiry, unlinkEntry } from './kv-entry';
import { indexClear } from './kv-index';
import {
  bindingOf,
  discharge,
  endGeneration,
  isHost,
  lives,
  lockIndex,
  lockStripe,
  spaceOf,
  stripeAt,
  unlockIndex,
  unlockStripe,
  wakeWriter,
} from './kv-space';
import {
  ENTRY_FLAGS,
  ENTRY_IS_DROPPED,
  ENTRY_IS_WRITING,
  ENTRY_NEXT,
  ENTRY_USED,
  ENTRY_VALUE,
  HOME_EXECUTOR,
  KV_MAY_READ_WRITE,
  SPACE_DIRTY_BYTES,
  SPACE_DURABLE,
  SPACE_EVICTIONS,
  SPACE_EXPIRATIONS,
  SPACE_EXPIRING,
  SPACE_FAILED,
  SPACE_SWEEP_BUCKET,
  SPACE_SWEEP_STRIPE,
  SPACE_TICK,
  STRIPES,
  STRIPE_BUCKETS,
  STRIPE_COUNT,
  STRIPE_DIRTY,
  STRIPE_GETS,
  STRIPE_MASK,
  STRIPE_SIZE,
  STRIPE_TAKING,
} from './layout';
import { OK, STALE_PD } from './status';
import { failed, release, sizeOf, vteOf } from './vma-table';

/** How many buckets are swept with the lock held. */
const BUCKETS_AT_ONCE: u32 = 64;
/** How many keys of a cache are looked at to find one that was not used for long. A cache with fewer loses the very one. */
const SAMPLE: u32 = 64;
/** Of a stripe, so that several are looked at. */
const SAMPLE_OF_STRIPE: u32 = 16;
/** Entries without a value are passed over, as far as this. */
const LOOKED_AT_MAX: u32 = 256;
const CHAIN_MAX: u32 = 1 << 24;

/**
 * Removes expired keys of a space: looks at some buckets more in each of so many steps, and goes on there the next time. For the
 * host of the main thread. Returns how many it has removed, or a status of the space.
 */
export function kvSweep(handle: u32, steps: u32, asker: u32): u32 {
  if (!isHost(asker)) return STALE_PD;
  const binding = bindingOf(handle, KV_MAY_READ_WRITE, asker);
  if (failed(binding)) return 0;
  reserveStack();
  const space = spaceOf(binding);
  let removed: u32 = 0;
  for (let i: u32 = 0; i < steps && load<u32>(space, SPACE_EXPIRING) != 0; i++) removed += sweepSome(space, asker);
  return removed;
}

function sweepSome(space: u32, asker: u32): u32 {
  const executor = load<u32>(asker, HOME_EXECUTOR);
  const stripe = stripeAt(space, load<u32>(space, SPACE_SWEEP_STRIPE) & (STRIPES - 1));
  const first = load<u32>(space, SPACE_SWEEP_BUCKET);
  let removed: u32 = 0;
  let isFull = false;
  lockStripe(stripe, executor);
  const buckets: u32 = load<u32>(stripe, STRIPE_BUCKETS) == 0 ? 0 : load<u32>(stripe, STRIPE_MASK) + 1;
  const end = min(first + BUCKETS_AT_ONCE, buckets);
  for (let bucket = first; bucket < end; bucket++) {
    let entry = load<u32>(load<u32>(stripe, STRIPE_BUCKETS) + (bucket << 2));
    for (let i: u32 = 0; entry != 0 && i < CHAIN_MAX; i++) {
      const next = load<u32>(entry, ENTRY_NEXT);
      if (load<u32>(entry, ENTRY_VALUE) != 0 && isExpired(entry)) {
        if (removeKey(space, stripe, entry, executor)) isFull = true;
        removed++;
      }
      entry = next;
    }
  }
  unlockStripe(stripe);
  if (removed != 0) wakeWriter(space);
  if (isFull) spill(executor);
  if (removed != 0) atomic.add<u64>(space, removed, SPACE_EXPIRATIONS);
  store<u32>(space, end < buckets ? end : 0, SPACE_SWEEP_BUCKET);
  if (end >= buckets) store<u32>(space, (load<u32>(space, SPACE_SWEEP_STRIPE) + 1) & (STRIPES - 1), SPACE_SWEEP_STRIPE);
  return removed;
}

/**
 * Takes a key out of a cache that was not used for long: of some that are looked at, the one used longest ago. `random` says where
 * it looks. The caller holds no lock. False: there is none.
 */
export function evictOne(binding: u32, random: u32, executor: u32): bool {
  reserveStack();
  const space = spaceOf(binding);
  let seen: u32 = 0;
  let oldest: u64 = -1;
  let where: u32 = 0;
  for (let i: u32 = 0; i < <u32>STRIPES && seen < SAMPLE; i++) {
    const stripe = stripeAt(space, (random + i) & (STRIPES - 1));
    if (load<u32>(stripe, STRIPE_COUNT) == 0) continue;
    lockStripe(stripe, executor);
    const found = lives(binding) ? oldestOf(stripe, random >>> 8) : 0;
    if (found != 0) {
      seen += min(load<u32>(stripe, STRIPE_COUNT), SAMPLE_OF_STRIPE);
      if (load<u64>(found, ENTRY_USED) < oldest) {
        oldest = load<u64>(found, ENTRY_USED);
        where = stripe;
      }
    }
    unlockStripe(stripe);
  }
  return where != 0 && evictOldest(binding, where, random >>> 8, executor);
}

/** The entry used longest ago of some that begin at a bucket at random; 0 where there is none with a value. With the lock. */
function oldestOf(stripe: u32, random: u32): u32 {
  const mask = load<u32>(stripe, STRIPE_MASK);
  let seen: u32 = 0;
  let lookedAt: u32 = 0;
  let oldest: u32 = 0;
  for (let i: u32 = 0; i <= mask && seen < SAMPLE_OF_STRIPE && lookedAt < LOOKED_AT_MAX; i++) {
    let entry = load<u32>(load<u32>(stripe, STRIPE_BUCKETS) + (((random + i) & mask) << 2));
    for (; entry != 0 && seen < SAMPLE_OF_STRIPE; entry = load<u32>(entry, ENTRY_NEXT)) {
      lookedAt++;
      if (load<u32>(entry, ENTRY_VALUE) == 0) continue;
      seen++;
      if (oldest == 0 || load<u64>(entry, ENTRY_USED) < load<u64>(oldest, ENTRY_USED)) oldest = entry;
    }
  }
  return oldest;
}

function evictOldest(binding: u32, stripe: u32, random: u32, executor: u32): bool {
  const space = spaceOf(binding);
  lockStripe(stripe, executor);
  const entry = lives(binding) && load<u32>(stripe, STRIPE_COUNT) != 0 ? oldestOf(stripe, random) : 0;
  const isFull = entry != 0 && removeKey(space, stripe, entry, executor);
  if (entry != 0) atomic.add<u64>(space, 1, SPACE_EVICTIONS);
  unlockStripe(stripe);
  wakeWriter(space);
  if (isFull) spill(executor);
  // Where others were quicker, there is room now.
  return true;
}

/**
 * Drops a space with all that is in it; values that somebody reads stay until they are let go. What the disk has of it is the
 * caller's to remove. For the host of the main thread. Returns OK or KV_NO_SUCH_SPACE.
 */
export function kvSpaceDrop(handle: u32, asker: u32): u32 {
  if (!isHost(asker)) return STALE_PD;
  const binding = bindingOf(handle, KV_MAY_READ_WRITE, asker);
  if (failed(binding)) return binding;
  reserveStack();
  const space = spaceOf(binding);
  const executor = load<u32>(asker, HOME_EXECUTOR);
  endGeneration(space);
  // Operations that began before may still be under way, and put into the index what is freed below: until their locks are free.
  for (let i: u32 = 0; i < <u32>STRIPES; i++) {
    lockStripe(stripeAt(space, i), executor);
    unlockStripe(stripeAt(space, i));
  }
  lockIndex(space, executor);
  indexClear(space);
  unlockIndex(space);
  for (let i: u32 = 0; i < <u32>STRIPES; i++) {
    const stripe = stripeAt(space, i);
    lockStripe(stripe, executor);
    const isFull = clearStripe(space, stripe, executor);
    unlockStripe(stripe);
    if (isFull) spill(executor);
  }
  store<u32>(space, 0, SPACE_DIRTY_BYTES);
  store<u32>(space, 0, SPACE_FAILED);
  store<u64>(space, 0, SPACE_DURABLE);
  store<u64>(space, 0, SPACE_TICK);
  store<u64>(space, 0, SPACE_EVICTIONS);
  store<u64>(space, 0, SPACE_EXPIRATIONS);
  return OK;
}

function clearStripe(space: u32, stripe: u32, executor: u32): bool {
  const table = load<u32>(stripe, STRIPE_BUCKETS);
  const buckets: u32 = table == 0 ? 0 : load<u32>(stripe, STRIPE_MASK) + 1;
  let isFull = false;
  for (let i: u32 = 0; i < buckets; i++) {
    for (let entry = load<u32>(table + (i << 2)); entry != 0; entry = load<u32>(table + (i << 2))) {
      if (clearEntry(space, stripe, entry, executor)) isFull = true;
    }
  }
  if (table != 0 && release(vteOf(table), executor)) isFull = true;
  store<u32>(stripe, 0, STRIPE_BUCKETS);
  store<u32>(stripe, 0, STRIPE_MASK);
  store<u32>(stripe, 0, STRIPE_DIRTY);
  store<u32>(stripe, 0, STRIPE_TAKING);
  memory.fill(stripe + STRIPE_GETS, 0, STRIPE_SIZE - STRIPE_GETS);
  return isFull;
}

function clearEntry(space: u32, stripe: u32, entry: u32, executor: u32): bool {
  const vte = load<u32>(entry, ENTRY_VALUE);
  let isFull = false;
  setExpiry(space, entry, 0);
  if (vte != 0) {
    discharge(space, 1, sizeOf(vte));
    isFull = dropValue(vte, executor);
  }
  const flags = <u32>load<u8>(entry, ENTRY_FLAGS);
  if ((flags & ENTRY_IS_WRITING) == 0) return freeEntry(space, stripe, entry, executor) || isFull;
  // The writer still reads its key.
  store<u8>(entry, flags | ENTRY_IS_DROPPED, ENTRY_FLAGS);
  detachEntry(space, stripe, entry);
  return isFull;
}

function detachEntry(space: u32, stripe: u32, entry: u32): void {
  unlinkEntry(stripe, entry);
  discharge(space, 0, sizeOf(vteOf(entry)));
  dischargeStore(sizeOf(vteOf(entry)));
}
