/**
 * What the writer thread asks: which entries of a durable space the disk does not have as they are now. It has no control block, and
 * is never ended but with the process.
 *
 * It takes entries, writes what they were when it took them, and says when that is on disk. An entry that changes meanwhile is
 * listed again. A key that was deleted keeps its entry until the disk knows.
 */
import { lock, reserveStack, unlock } from './address-space';
import { dischargeStore } from './grant';
import { discharge, lockStripe, stripeAt, stripeOf, unlockStripe } from './kv-space';
import { keyOf, markDirty, startOf, unlinkEntry } from './kv-entry';
import {
  CLASS_SHIFT_MIN,
  CONTROL_SHARED_FREE,
  CONTROL_VMAS,
  ENTRY_DIRTY_NEXT,
  ENTRY_EXPIRES_MS,
  ENTRY_FLAGS,
  ENTRY_HASH,
  ENTRY_IS_DIRTY,
  ENTRY_IS_DROPPED,
  ENTRY_IS_WRITING,
  ENTRY_VALUE,
  ENTRY_VERSION,
  GRANTS_ORPHAN,
  KV_WRITER_RECORD,
  RECORD_EXPIRES_MS,
  RECORD_LENGTH,
  RECORD_VALUE,
  RECORD_VERSION,
  SPACE_HANDLE_FIRST,
  SPACE_SIZE,
  SPACE_TABLE,
  STRIPE_DIRTY,
  STRIPE_TAKING,
  VTE_CLASS_MASK,
  VTE_END,
  VTE_GRANTS,
  VTE_NEXT,
  VTE_OWNER,
  VTE_READ_END,
  VTE_START,
} from './layout';
import { sizeOf, vteOf } from './vma-table';

// @ts-ignore: decorator
@inline
function spaceAt(handle: u32): u32 {
  return SPACE_TABLE + (handle - SPACE_HANDLE_FIRST) * SPACE_SIZE;
}

/**
 * Takes the next entry of a stripe that has changed, and leaves in KV_WRITER_RECORD what it is now; the value stays readable until
 * `kvDirtyDone`. With `isFirst` it begins with those that have changed up to now; those that change later come with the next
 * `isFirst`, so that this ends. Returns the entry, or 0.
 */
export function kvDirtyTake(handle: u32, stripeIndex: u32, isFirst: bool): u32 {
  const stripe = stripeAt(spaceAt(handle), stripeIndex);
  lockStripe(stripe, 0);
  // Nothing is left of the last time: it was all taken.
  if (isFirst && load<u32>(stripe, STRIPE_TAKING) == 0) {
    store<u32>(stripe, load<u32>(stripe, STRIPE_DIRTY), STRIPE_TAKING);
    store<u32>(stripe, 0, STRIPE_DIRTY);
  }
  const entry = load<u32>(stripe, STRIPE_TAKING);
  if (entry != 0) take(stripe, entry);
  unlockStripe(stripe);
  return entry;
}

// @ts-ignore: decorator
@inline
function take(stripe: u32, entry: u32): void {
  store<u32>(stripe, load<u32>(entry, ENTRY_DIRTY_NEXT), STRIPE_TAKING);
  const flags = <u32>load<u8>(entry, ENTRY_FLAGS);
  store<u8>(entry, (flags & ~ENTRY_IS_DIRTY) | ENTRY_IS_WRITING, ENTRY_FLAGS);
  const vte = load<u32>(entry, ENTRY_VALUE);
  if (vte != 0) atomic.add<u32>(vte, 1, VTE_GRANTS);
  const start = vte == 0 ? 0 : startOf(vte);
  store<u32>(KV_WRITER_RECORD, start, RECORD_VALUE);
  store<u32>(KV_WRITER_RECORD, vte == 0 ? 0 : load<u32>(vte, VTE_END) - start, RECORD_LENGTH);
  store<u64>(KV_WRITER_RECORD, load<u64>(entry, ENTRY_VERSION), RECORD_VERSION);
  store<u64>(KV_WRITER_RECORD, load<u64>(entry, ENTRY_EXPIRES_MS), RECORD_EXPIRES_MS);
}

/** Where the key of an entry is that was taken; ENTRY_KEY_LENGTH has its length. */
export function kvEntryKey(entry: u32): u32 {
  return keyOf(entry);
}

/** The writer is done with an entry, whose value was at this address (0: deleted). When it is not on disk, it is listed again. */
export function kvDirtyDone(handle: u32, entry: u32, value: u32, isWritten: bool): void {
  reserveStack();
  const space = spaceAt(handle);
  if (value != 0) letGo(vteOf(value));
  const stripe = stripeOf(space, load<u32>(entry, ENTRY_HASH));
  lockStripe(stripe, 0);
  const flags = <u32>load<u8>(entry, ENTRY_FLAGS) & ~ENTRY_IS_WRITING;
  store<u8>(entry, flags, ENTRY_FLAGS);
  const isDropped = (flags & ENTRY_IS_DROPPED) != 0;
  let isOver = isDropped;
  if (!isDropped && (flags & ENTRY_IS_DIRTY) == 0) {
    if (!isWritten) markDirty(space, stripe, entry);
    else if (load<u32>(entry, ENTRY_VALUE) == 0) {
      unlinkEntry(stripe, entry);
      discharge(space, 0, sizeOf(vteOf(entry)));
      dischargeStore(sizeOf(vteOf(entry)));
      isOver = true;
    }
  }
  unlockStripe(stripe);
  if (isOver) give(vteOf(entry));
}

/** As the last reader of a value may. */
function letGo(vte: u32): void {
  if (atomic.sub<u32>(vte, 1, VTE_GRANTS) != GRANTS_ORPHAN + 1) return;
  dischargeStore(sizeOf(vte));
  give(vte);
}

/** Frees a VMA, into the shared list of its class. */
function give(vte: u32): void {
  lock(0);
  store<u32>(vte, 0, VTE_OWNER);
  store<u32>(vte, 0, VTE_READ_END);
  const shift = load<u32>(vte, VTE_START) & VTE_CLASS_MASK;
  const list = CONTROL_SHARED_FREE + ((shift - CLASS_SHIFT_MIN) << 2);
  store<u32>(vte, load<u32>(list), VTE_NEXT);
  store<u32>(list, vte);
  store<u32>(CONTROL_VMAS, load<u32>(CONTROL_VMAS) - 1);
  unlock();
}
