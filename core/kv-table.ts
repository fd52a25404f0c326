/** The hash table of a stripe: a VMA of the store's, twice as large whenever there are as many entries as buckets. */
import { adopt, bucketOf } from './kv-entry';
import {
  CLASS_SHIFT_MAX,
  ENTRY_HASH,
  ENTRY_NEXT,
  STRIPE_BUCKETS,
  STRIPE_COUNT,
  STRIPE_MASK,
} from './layout';
import { failed, mapVma, release, vteOf } from './vma-table';

/** As many as fit into the smallest VMA. */
const BUCKETS_MIN: u32 = 32;
const BUCKETS_MAX: u32 = 1 << (CLASS_SHIFT_MAX - 2);
const CHAIN_MAX: u32 = 1 << 24;

/**
 * A larger table, all zero, where a stripe needs one for another entry: a VMA of the asker's. 0 where it needs none, or can do
 * without; what `mapVma` says where it has none yet. The lock is not held: what is read here may be so no more.
 */
export function makeTable(stripe: u32, asker: u32): u32 {
  const isThere = load<u32>(stripe, STRIPE_BUCKETS) != 0;
  const buckets = load<u32>(stripe, STRIPE_MASK) + 1;
  if (isThere && (load<u32>(stripe, STRIPE_COUNT) < buckets || buckets >= BUCKETS_MAX)) return 0;
  const bytes = (isThere ? buckets * 2 : BUCKETS_MIN) << 2;
  const table = mapVma(asker, bytes);
  if (failed(table)) return isThere ? 0 : table;
  memory.fill(table, 0, bytes);
  return table;
}

/** Whether a table that `makeTable` made is of use now. With the lock. */
export function isLarger(stripe: u32, tableBytes: u32): bool {
  return load<u32>(stripe, STRIPE_BUCKETS) == 0 || tableBytes > (load<u32>(stripe, STRIPE_MASK) + 1) << 2;
}

/** Moves all entries into another table, and frees the old one. With the lock. Returns whether `spill` must follow. */
export function replaceTable(stripe: u32, table: u32, tableBytes: u32, executor: u32, asker: u32): bool {
  const old = load<u32>(stripe, STRIPE_BUCKETS);
  const oldBuckets: u32 = old == 0 ? 0 : load<u32>(stripe, STRIPE_MASK) + 1;
  adopt(vteOf(table), 0, asker);
  store<u32>(stripe, table, STRIPE_BUCKETS);
  store<u32>(stripe, (tableBytes >>> 2) - 1, STRIPE_MASK);
  for (let i: u32 = 0; i < oldBuckets; i++) {
    let entry = load<u32>(old + (i << 2));
    for (let j: u32 = 0; entry != 0 && j < CHAIN_MAX; j++) {
      const next = load<u32>(entry, ENTRY_NEXT);
      const bucket = bucketOf(stripe, load<u32>(entry, ENTRY_HASH));
      store<u32>(entry, load<u32>(bucket), ENTRY_NEXT);
      store<u32>(bucket, entry);
      entry = next;
    }
  }
  return old != 0 && release(vteOf(old), executor);
}
