/**
 * Lists keys in order, a page at a time. A page is no picture of one moment: the lock of the index is held for some keys, then
 * given back, so that nobody waits long. A key that is there all the time is listed once, one that comes or goes meanwhile perhaps.
 * That there are more keys may be said of expired ones, too, where the page is as good as full.
 */
import { reserveStack } from './address-space';
import { translate } from './arg-buf';
import { compareKeys, isExpired, keyOf, ttlOf } from './kv-entry';
import { indexFind, indexFirst, indexNext } from './kv-index';
import { bindingOf, lives, lockIndex, spaceOf, unlockIndex } from './kv-space';
import {
  ENTRY_EXPIRES_MS,
  ENTRY_KEY_LENGTH,
  ENTRY_VALUE_LENGTH,
  ENTRY_VERSION,
  HOME_EXECUTOR,
  KV_KEY_BYTES_MAX,
  KV_MAY_READ,
  KV_PAGE_BYTES_MAX,
  KV_PAGE_KEYS_MAX,
  PAGE_COUNT,
  PAGE_FIRST,
  PAGE_KEY,
  PAGE_KEY_LENGTH,
  PAGE_KEY_TTL_MS,
  PAGE_KEY_VALUE_LENGTH,
  PAGE_KEY_VERSION,
  PAGE_MORE,
  SPACE_INDEX_CHANGES,
  VTE_END,
  VTE_READ_END,
  VTE_WRITE_END,
} from './layout';
import { BAD_PARAMETER, BAD_POINTER, KV_BAD_KEY, KV_NO_SUCH_SPACE, STALE_PD } from './status';
import { checkDeadline, failed, mapVma, mayAsk, vmaUnmap, vteOf } from './vma-table';

/** How many keys are listed with the lock held. */
const KEYS_AT_ONCE: u32 = 16;
/** Enough to pass over all keys that there can be at once. */
const ROUNDS_MAX: u32 = 1 << 21;

/**
 * A new ArgBuf of the asker with keys that begin with a prefix and come behind another key, in the order of their bytes (PAGE_… is its
 * form): `limit` at most, and as many as fit. Both may be empty. Returns its address, or BAD_PARAMETER for a limit out of range,
 * KV_BAD_KEY, BAD_POINTER, a status of space or memory.
 */
export function kvList(
  handle: u32,
  prefix: u32,
  prefixLength: u32,
  after: u32,
  afterLength: u32,
  limit: u32,
  asker: u32,
): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  checkDeadline(asker);
  const binding = bindingOf(handle, KV_MAY_READ, asker);
  if (failed(binding)) return binding;
  if (limit - 1 >= <u32>KV_PAGE_KEYS_MAX) return BAD_PARAMETER;
  if (prefixLength > <u32>KV_KEY_BYTES_MAX || afterLength > <u32>KV_KEY_BYTES_MAX) return KV_BAD_KEY;
  const prefixAt = prefixLength == 0 ? 0 : translate(prefix, prefixLength, false, asker);
  const afterAt = afterLength == 0 ? 0 : translate(after, afterLength, false, asker);
  if ((prefixLength != 0 && failed(prefixAt)) || (afterLength != 0 && failed(afterAt))) return BAD_POINTER;
  const page = mapVma(asker, KV_PAGE_BYTES_MAX);
  if (failed(page)) return page;
  reserveStack();
  const end = fillPage(binding, prefixAt, prefixLength, afterAt, afterLength, limit, page, asker);
  if (failed(end)) {
    vmaUnmap(page, asker);
    return end;
  }
  const vte = vteOf(page);
  store<u32>(vte, end, VTE_END);
  store<u32>(vte, end, VTE_READ_END);
  store<u32>(vte, end, VTE_WRITE_END);
  return page;
}

/** Returns the end of what it has written, or KV_NO_SUCH_SPACE. */
function fillPage(
  binding: u32,
  prefix: u32,
  prefixLength: u32,
  after: u32,
  afterLength: u32,
  limit: u32,
  page: u32,
  asker: u32,
): u32 {
  const space = spaceOf(binding);
  const executor = load<u32>(asker, HOME_EXECUTOR);
  store<u32>(page, 0, PAGE_COUNT);
  store<u32>(page, 0, PAGE_MORE);
  let at = page + PAGE_FIRST;
  // The last key that was passed, or the one to begin behind.
  let last = after;
  let lastLength = afterLength;
  let changes: u32 = 0;
  let entry: u32 = 0;
  let isFirst = true;
  for (let round: u32 = 0; round < ROUNDS_MAX; round++) {
    checkDeadline(asker);
    lockIndex(space, executor);
    if (!lives(binding)) {
      unlockIndex(space);
      return KV_NO_SUCH_SPACE;
    }
    // An entry that was freed meanwhile has changed the index.
    if (isFirst || load<u32>(space, SPACE_INDEX_CHANGES) != changes) {
      entry = seek(space, prefix, prefixLength, last, lastLength);
    }
    isFirst = false;
    let skipped: u32 = 0;
    for (let i: u32 = 0; i < KEYS_AT_ONCE && entry != 0; i++) {
      if (!hasPrefix(entry, prefix, prefixLength)) {
        entry = 0;
        break;
      }
      const length = <u32>load<u16>(entry, ENTRY_KEY_LENGTH);
      if (isExpired(entry)) skipped = entry;
      else {
        const next = at + ((PAGE_KEY + length + 7) & ~7);
        if (load<u32>(page, PAGE_COUNT) == limit || next > page + KV_PAGE_BYTES_MAX) {
          store<u32>(page, 1, PAGE_MORE);
          unlockIndex(space);
          return at;
        }
        writeKey(at, entry, length, next);
        skipped = 0;
        last = at + PAGE_KEY;
        lastLength = length;
        at = next;
        store<u32>(page, load<u32>(page, PAGE_COUNT) + 1, PAGE_COUNT);
      }
      entry = indexNext(entry);
    }
    changes = load<u32>(space, SPACE_INDEX_CHANGES);
    if (entry != 0 && skipped != 0) {
      // Where many keys have expired, they are passed but once: behind what is listed is room to note how far.
      lastLength = load<u16>(skipped, ENTRY_KEY_LENGTH);
      last = at + PAGE_KEY;
      if (last + lastLength > page + KV_PAGE_BYTES_MAX) {
        unlockIndex(space);
        break;
      }
      memory.copy(last, keyOf(skipped), lastLength);
    }
    unlockIndex(space);
    if (entry == 0) return at;
  }
  store<u32>(page, 1, PAGE_MORE);
  return at;
}

/** The first entry with the prefix, or behind the last key. */
function seek(space: u32, prefix: u32, prefixLength: u32, last: u32, lastLength: u32): u32 {
  if (lastLength == 0 || compareKeys(last, lastLength, prefix, prefixLength) < 0) {
    return prefixLength == 0 ? indexFirst(space) : indexFind(space, prefix, prefixLength);
  }
  const entry = indexFind(space, last, lastLength);
  const isSame = entry != 0 && compareKeys(keyOf(entry), load<u16>(entry, ENTRY_KEY_LENGTH), last, lastLength) == 0;
  return isSame ? indexNext(entry) : entry;
}

function hasPrefix(entry: u32, prefix: u32, length: u32): bool {
  return <u32>load<u16>(entry, ENTRY_KEY_LENGTH) >= length && compareKeys(keyOf(entry), length, prefix, length) == 0;
}

function writeKey(at: u32, entry: u32, length: u32, next: u32): void {
  store<u64>(next - 8, 0);
  store<u64>(at, atomic.load<u64>(entry, ENTRY_VERSION), PAGE_KEY_VERSION);
  store<u64>(at, ttlOf(load<u64>(entry, ENTRY_EXPIRES_MS)), PAGE_KEY_TTL_MS);
  store<u32>(at, load<u32>(entry, ENTRY_VALUE_LENGTH), PAGE_KEY_VALUE_LENGTH);
  store<u32>(at, length, PAGE_KEY_LENGTH);
  memory.copy(at + PAGE_KEY, keyOf(entry), length);
}
