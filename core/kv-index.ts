/**
 * The keys of a space in order: a skip list (W. Pugh, "Skip lists: a probabilistic alternative to balanced trees", 1990) through
 * the entries themselves. A quarter of the entries of each level is in the next one too. All here is for who holds the lock of
 * the index.
 */
import { compareKeys, keyOf } from './kv-entry';
import {
  ENTRY_HEIGHT,
  ENTRY_KEY_LENGTH,
  ENTRY_TOWER,
  INDEX_HEIGHT_MAX,
  SPACE_INDEX_CHANGES,
  SPACE_INDEX_HEIGHT,
  SPACE_INDEX_PATH,
  SPACE_INDEX_TOWER,
} from './layout';

/** No level has more entries. */
const ENTRIES_MAX: u32 = 1 << 25;

/** How high the tower of a new entry is: 1 or more. `random` is any number at random. */
export function indexHeight(random: u32): u32 {
  return min<u32>(1 + (ctz(random) >>> 1), INDEX_HEIGHT_MAX);
}

/**
 * The first entry that does not come before a key, 0 for none. Leaves the path: for each level the address of the word that leads
 * there.
 */
export function indexFind(space: u32, key: u32, length: u32): u32 {
  let tower = space + SPACE_INDEX_TOWER;
  let next: u32 = 0;
  for (let level = load<u32>(space, SPACE_INDEX_HEIGHT); level-- > 0; ) {
    for (let i: u32 = 0; i < ENTRIES_MAX; i++) {
      next = load<u32>(tower + (level << 2));
      if (next == 0 || compareKeys(keyOf(next), load<u16>(next, ENTRY_KEY_LENGTH), key, length) >= 0) break;
      tower = next + ENTRY_TOWER;
    }
    store<u32>(space + SPACE_INDEX_PATH + (level << 2), tower + (level << 2));
  }
  return next;
}

/** The first entry of all, 0 for none. */
export function indexFirst(space: u32): u32 {
  return load<u32>(space, SPACE_INDEX_TOWER);
}

/** The entry behind one. */
export function indexNext(entry: u32): u32 {
  return load<u32>(entry, ENTRY_TOWER);
}

export function indexInsert(space: u32, entry: u32): void {
  indexFind(space, keyOf(entry), load<u16>(entry, ENTRY_KEY_LENGTH));
  const height = <u32>load<u8>(entry, ENTRY_HEIGHT);
  for (let level = load<u32>(space, SPACE_INDEX_HEIGHT); level < height; level++) {
    store<u32>(space + SPACE_INDEX_PATH + (level << 2), space + SPACE_INDEX_TOWER + (level << 2));
    store<u32>(space, level + 1, SPACE_INDEX_HEIGHT);
  }
  for (let level: u32 = 0; level < height; level++) {
    const link = load<u32>(space + SPACE_INDEX_PATH + (level << 2));
    store<u32>(entry + ENTRY_TOWER + (level << 2), load<u32>(link));
    store<u32>(link, entry);
  }
  noteChange(space);
}

export function indexRemove(space: u32, entry: u32): void {
  indexFind(space, keyOf(entry), load<u16>(entry, ENTRY_KEY_LENGTH));
  const height = <u32>load<u8>(entry, ENTRY_HEIGHT);
  for (let level: u32 = 0; level < height; level++) {
    const link = load<u32>(space + SPACE_INDEX_PATH + (level << 2));
    if (load<u32>(link) == entry) store<u32>(link, load<u32>(entry + ENTRY_TOWER + (level << 2)));
  }
  noteChange(space);
}

/** Nothing is in order any more: all entries are about to go. */
export function indexClear(space: u32): void {
  memory.fill(space + SPACE_INDEX_TOWER, 0, INDEX_HEIGHT_MAX * 4);
  store<u32>(space, 0, SPACE_INDEX_HEIGHT);
  noteChange(space);
}

function noteChange(space: u32): void {
  store<u32>(space, load<u32>(space, SPACE_INDEX_CHANGES) + 1, SPACE_INDEX_CHANGES);
}
