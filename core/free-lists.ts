/**
 * Where free VMAs come from: an executor's free lists, behind them the shared ones, behind them granules that no class has
 * yet, and behind them granules whose VMAs are all free again.
 */
import { lock, reserveStack, unlock } from './address-space';
import {
  CLASS_SHIFT_MAX,
  CLASS_SHIFT_MIN,
  CONTROL_CARVE,
  CONTROL_COUNTS,
  CONTROL_RESERVED,
  CONTROL_SHARED_FREE,
  EXECUTOR_FREE,
  FREE_LIST_BYTES_MAX,
  FREE_LIST_MAX,
  GRANULE_COUNT,
  GRANULE_FIRST,
  GRANULE_LAST,
  GRANULE_SHIFT,
  GRANULE_TABLE,
  NULL_SHIFT,
  NULL_VTE,
  VTE_AREA,
  VTE_NEXT,
  VTE_SHIFT,
  VTE_START,
  VTES_SIZE,
} from './layout';
import { vteOf } from './vma-table';

/** What each class up to 16 MiB has for itself, in VMAs, so that no other class can take all granules. */
const RESERVED_VMAS: u32 = 8;
/** No list is longer: so many VTEs are there. */
const LIST_LENGTH_MAX: u32 = 1 << 24;

/** How many VMAs of a class are fetched into an executor's empty list at once. */
function batchOf(shift: u32): u32 {
  return shift <= 12 ? 32 : shift <= 16 ? 8 : 1;
}

/** How many VMAs of a class an executor's free list holds at most. */
// @ts-ignore: decorator
@inline
export function freeMax(shift: u32): u32 {
  return min<u32>(FREE_LIST_MAX, <u32>FREE_LIST_BYTES_MAX >>> shift);
}

// @ts-ignore: decorator
@inline
function sharedList(shift: u32): u32 {
  return CONTROL_SHARED_FREE + ((shift - CLASS_SHIFT_MIN) << 2);
}

// @ts-ignore: decorator
@inline
function ownList(executor: u32, shift: u32): u32 {
  return executor + EXECUTOR_FREE + ((shift - CLASS_SHIFT_MIN) << 3);
}

function carveOf(shift: u32): u32 {
  return CONTROL_CARVE + ((shift - CLASS_SHIFT_MIN) << 3);
}

/** Gives the classes what is reserved for them. For `initialise`. */
export function reserveClasses(): void {
  for (let shift: u32 = CLASS_SHIFT_MIN; shift <= <u32>GRANULE_SHIFT; shift++) {
    const granules = max<u32>((RESERVED_VMAS << shift) >>> GRANULE_SHIFT, 1);
    const first = takeGranules(shift, granules);
    for (let granule = first; granule < first + granules; granule++) {
      const word = CONTROL_RESERVED + ((granule >>> 5) << 2);
      store<u32>(word, load<u32>(word) | (1 << (granule & 31)));
    }
  }
}

function isReserved(granule: u32): bool {
  return ((load<u32>(CONTROL_RESERVED + ((granule >>> 5) << 2)) >>> (granule & 31)) & 1) != 0;
}

/** Fills an executor's empty free list. False: nothing is left for this class. */
export function refill(executor: u32, shift: u32): bool {
  reserveStack();
  const list = ownList(executor, shift);
  lock(executor);
  let filled = fillFromShared(list, shift) || fillByCarving(list, shift);
  if (!filled && reclaimGranules(executor)) filled = fillByCarving(list, shift);
  unlock();
  return filled;
}

/** Moves half of what an executor's free lists may hold to the shared ones, of each that holds more. Calls nothing. */
export function spill(executor: u32): void {
  lock(executor);
  for (let shift: u32 = CLASS_SHIFT_MIN; shift <= <u32>CLASS_SHIFT_MAX; shift++) {
    const list = ownList(executor, shift);
    const count = load<u32>(list, 4);
    if (count > freeMax(shift)) spillList(list, sharedList(shift), count - (freeMax(shift) >>> 1));
  }
  unlock();
}

/** Moves the first `count` VMAs of a list to a shared one. */
// @ts-ignore: decorator
@inline
function spillList(list: u32, shared: u32, count: u32): void {
  const first = load<u32>(list);
  let last = first;
  for (let i: u32 = 1; i < count; i++) last = load<u32>(last, VTE_NEXT);
  store<u32>(list, load<u32>(last, VTE_NEXT));
  store<u32>(list, load<u32>(list, 4) - count, 4);
  store<u32>(last, load<u32>(shared), VTE_NEXT);
  store<u32>(shared, first);
}

function pushFree(list: u32, vte: u32): void {
  store<u32>(vte, load<u32>(list), VTE_NEXT);
  store<u32>(list, vte);
  store<u32>(list, load<u32>(list, 4) + 1, 4);
}

function fillFromShared(list: u32, shift: u32): bool {
  const head = sharedList(shift);
  const batch = batchOf(shift);
  let vte = load<u32>(head);
  for (let i: u32 = 0; i < batch && vte != 0; i++) {
    const next = load<u32>(vte, VTE_NEXT);
    pushFree(list, vte);
    vte = next;
  }
  store<u32>(head, vte);
  return load<u32>(list) != 0;
}

function fillByCarving(list: u32, shift: u32): bool {
  const carve = carveOf(shift);
  if (load<u32>(carve, 4) == 0 && takeGranules(shift, granulesOf(shift)) == 0) return false;
  let address = load<u32>(carve);
  const left = load<u32>(carve, 4);
  const count = min<u32>(left, batchOf(shift));
  for (let i: u32 = 0; i < count; i++) {
    const vte = vteOf(address);
    store<u32>(vte, address | shift, VTE_START);
    pushFree(list, vte);
    address += 1 << shift;
  }
  store<u32>(carve, address);
  store<u32>(carve, left - count, 4);
  return true;
}

/** Granules that one VMA of a class needs, at least one. */
function granulesOf(shift: u32): u32 {
  return shift <= <u32>GRANULE_SHIFT ? 1 : 1 << (shift - GRANULE_SHIFT);
}

function vtesOf(granule: u32): u32 {
  return VTE_AREA + (granule - GRANULE_FIRST) * VTES_SIZE;
}

/** Gives granules that lie together to a class that has nothing left to carve. Returns the first one, or 0. */
function takeGranules(shift: u32, granules: u32): u32 {
  const first = findGranules(granules);
  if (first == 0) return 0;
  for (let granule = first; granule < first + granules; granule++) {
    // Where a VMA has several granules, its VTE is the first one's. Otherwise each granule has its own VTEs.
    const origin = shift > <u32>GRANULE_SHIFT ? first : granule;
    const bias = vtesOf(origin) - (((origin << GRANULE_SHIFT) >>> shift) << VTE_SHIFT);
    // One aligned 64-bit store: another thread sees the old entry or the new one.
    atomic.store<u64>(GRANULE_TABLE + (granule << 3), ((<u64>bias) << 32) | (<u64>shift));
  }
  const carve = carveOf(shift);
  store<u32>(carve, first << GRANULE_SHIFT);
  store<u32>(carve, (granules << GRANULE_SHIFT) >>> shift, 4);
  return first;
}

/** First of `granules` free ones that lie together, aligned; small classes from the bottom, large ones from the top. 0: none. */
function findGranules(granules: u32): u32 {
  if (granules == 1) {
    for (let granule: u32 = GRANULE_FIRST; granule < <u32>GRANULE_LAST; granule++) {
      if (areFree(granule, 1)) return granule;
    }
    return 0;
  }
  for (let granule: u32 = GRANULE_LAST + 1 - granules * 2; granule >= <u32>GRANULE_FIRST; granule -= granules) {
    if (areFree(granule, granules)) return granule;
  }
  return 0;
}

function areFree(granule: u32, granules: u32): bool {
  for (let i: u32 = 0; i < granules; i++) {
    if (shiftOf(granule + i) != NULL_SHIFT) return false;
  }
  return true;
}

function shiftOf(granule: u32): u32 {
  return load<u32>(GRANULE_TABLE + (granule << 3));
}

/**
 * Takes granules whose VMAs are all free away from their classes. Looks at what the shared lists and this executor's own
 * hold; VMAs in lists of other executors keep their granules where they are. Returns whether there was any.
 */
function reclaimGranules(executor: u32): bool {
  let reclaimed = false;
  for (let shift: u32 = CLASS_SHIFT_MIN; shift <= <u32>CLASS_SHIFT_MAX; shift++) {
    memory.fill(CONTROL_COUNTS, 0, GRANULE_COUNT * 4);
    const own = ownList(executor, shift);
    countFree(load<u32>(own));
    countFree(load<u32>(sharedList(shift)));
    if (!chooseGranules(shift)) continue;
    store<u32>(own, load<u32>(own, 4) - dropChosen(own), 4);
    dropChosen(sharedList(shift));
    forgetChosen(shift);
    reclaimed = true;
  }
  return reclaimed;
}

function countOf(vte: u32): u32 {
  return CONTROL_COUNTS + ((load<u32>(vte, VTE_START) >>> GRANULE_SHIFT) << 2);
}

/** Counts a list's VMAs by the granule they start in. */
function countFree(first: u32): void {
  let vte = first;
  for (let i: u32 = 0; vte != 0 && i < LIST_LENGTH_MAX; i++) {
    store<u32>(countOf(vte), load<u32>(countOf(vte)) + 1);
    vte = load<u32>(vte, VTE_NEXT);
  }
}

/** Leaves 1 in the counts of the granules to take, 0 in all others. Returns whether there is any. */
function chooseGranules(shift: u32): bool {
  const all: u32 = shift <= <u32>GRANULE_SHIFT ? 1 << (GRANULE_SHIFT - shift) : 1;
  const carving = load<u32>(carveOf(shift), 4) == 0 ? 0 : load<u32>(carveOf(shift)) >>> GRANULE_SHIFT;
  let any = false;
  for (let granule: u32 = GRANULE_FIRST; granule < <u32>GRANULE_LAST; granule++) {
    const count = CONTROL_COUNTS + (granule << 2);
    const chosen = load<u32>(count) == all && granule != carving && !isReserved(granule);
    store<u32>(count, chosen ? 1 : 0);
    any = any || chosen;
  }
  return any;
}

/** Takes the VMAs of chosen granules out of a list; returns how many. */
function dropChosen(list: u32): u32 {
  let link = list;
  let vte = load<u32>(list);
  let dropped: u32 = 0;
  for (let i: u32 = 0; vte != 0 && i < LIST_LENGTH_MAX; i++) {
    const next = load<u32>(vte, VTE_NEXT);
    if (load<u32>(countOf(vte)) == 1) {
      store<u32>(link, next);
      dropped++;
    } else {
      link = vte + VTE_NEXT;
    }
    vte = next;
  }
  return dropped;
}

/** Chosen granules belong to no class any more, and their VTEs are as they were at first. */
function forgetChosen(shift: u32): void {
  const granules = granulesOf(shift);
  const size: u32 = shift <= <u32>GRANULE_SHIFT ? 1 << (GRANULE_SHIFT - shift + VTE_SHIFT) : 1 << VTE_SHIFT;
  const empty = ((<u64>NULL_VTE) << 32) | (<u64>NULL_SHIFT);
  for (let granule: u32 = GRANULE_FIRST; granule < <u32>GRANULE_LAST; granule++) {
    if (load<u32>(CONTROL_COUNTS + (granule << 2)) != 1) continue;
    for (let i: u32 = 0; i < granules; i++) atomic.store<u64>(GRANULE_TABLE + ((granule + i) << 3), empty);
    memory.fill(vtesOf(granule), 0, size);
  }
}
