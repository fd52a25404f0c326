/** Homes: made from the image of their function, kept pristine in pools, restored after each invocation. */
import { giveHomeMemory, lock, reserveStack, takeHomeMemory, unlock } from './address-space';
import { failed } from './vma-table';
import {
  CONTROL_PD_FREE,
  CONTROL_PD_USED,
  EXECUTOR_INDEX,
  FUNCTION_CHUNK_SHIFT,
  FUNCTION_GLOBALS_IMAGE,
  FUNCTION_GLOBALS_SIZE,
  FUNCTION_HEADER_SIZE,
  FUNCTION_HOME_SIZE,
  FUNCTION_HOMES,
  FUNCTION_HOMES_MAX,
  FUNCTION_IMAGE,
  FUNCTION_IMAGE_END,
  FUNCTION_LIVE,
  FUNCTION_MAP_OFFSET,
  FUNCTION_MAP_SIZE,
  FUNCTION_MEMORY_LIMIT,
  FUNCTION_MEMORY_PAGES,
  FUNCTION_SIZE,
  FUNCTION_STATE,
  FUNCTION_TABLE,
  FUNCTIONS_MAX,
  HOME_EXECUTOR,
  HOME_FUNCTION,
  HOME_GLOBALS,
  HOME_MEMORY_PAGES,
  HOME_NEXT,
  HOME_SLOT,
  HOME_STATE,
  PD_TABLE,
  PD_UNMADE,
  PDS_MAX,
  POOL_COUNT,
  POOL_HEAD,
  POOL_SIZE,
  POOL_TABLE,
  RED_ZONE,
  RESTORED_BEHIND,
} from './layout';
import { HOMES_EXHAUSTED, TABLE_EXHAUSTED, UNKNOWN_FUNCTION } from './status';

/** The pool of an executor for a function. */
// @ts-ignore: decorator
@inline
export function poolOf(executor: u32, descriptor: u32): u32 {
  const index = (descriptor - FUNCTION_TABLE) / FUNCTION_SIZE;
  return POOL_TABLE + (load<u32>(executor, EXECUTOR_INDEX) * FUNCTIONS_MAX + index) * POOL_SIZE;
}

/** Takes a slot of the PD table for a home; the caller holds the lock. TABLE_EXHAUSTED, or the slot + 65,536. */
function takeSlot(base: u32): u32 {
  const free = load<u32>(CONTROL_PD_FREE);
  let slot: u32;
  if (free != 0) {
    // A free slot holds the next free slot + 1, as the head does.
    slot = free - 1;
    store<u32>(CONTROL_PD_FREE, load<u32>(PD_TABLE + (slot << 2)));
  } else {
    slot = load<u32>(CONTROL_PD_USED);
    if (slot >= <u32>PDS_MAX) return TABLE_EXHAUSTED;
    store<u32>(CONTROL_PD_USED, slot + 1);
  }
  store<u32>(PD_TABLE + (slot << 2), base);
  return slot + 65536;
}

function giveSlot(slot: u32): void {
  store<u32>(PD_TABLE + (slot << 2), load<u32>(CONTROL_PD_FREE));
  store<u32>(CONTROL_PD_FREE, slot + 1);
}

/**
 * Takes zeroed memory of `size` for a home, PD_UNMADE, and gives it a slot of the PD table; call `reserveStack` first.
 * Returns its base or a status.
 */
export function newHome(executor: u32, descriptor: u32, size: u32): u32 {
  lock(executor);
  const homes = load<u32>(descriptor, FUNCTION_HOMES);
  // A host's home has no function.
  if (descriptor != 0) {
    // Once more, and now `functionDestroy` sees the home or this sees that the function is going.
    const isLive = load<u32>(descriptor, FUNCTION_STATE) == FUNCTION_LIVE;
    if (!isLive || homes >= load<u32>(descriptor, FUNCTION_HOMES_MAX)) {
      unlock();
      return isLive ? HOMES_EXHAUSTED : UNKNOWN_FUNCTION;
    }
  }
  const base = takeHomeMemory(size);
  if (failed(base)) {
    unlock();
    return base;
  }
  const slot = takeSlot(base);
  if (failed(slot)) {
    giveHomeMemory(base, size);
    unlock();
    return slot;
  }
  store<u32>(base, slot - 65536, HOME_SLOT);
  store<u32>(base, executor, HOME_EXECUTOR);
  store<u32>(base, descriptor, HOME_FUNCTION);
  store<u32>(base, PD_UNMADE, HOME_STATE);
  if (descriptor != 0) store<u32>(descriptor, homes + 1, FUNCTION_HOMES);
  unlock();
  return base;
}

/** One more home for a function on an executor, pristine and in no pool, so PD_UNMADE still. Returns its base or a status. */
export function growPool(executor: u32, descriptor: u32): u32 {
  reserveStack();
  const base = newHome(executor, descriptor, load<u32>(descriptor, FUNCTION_HOME_SIZE));
  if (failed(base)) return base;
  const imageEnd = load<u32>(descriptor, FUNCTION_IMAGE_END);
  const memoryStart = base + load<u32>(descriptor, FUNCTION_HEADER_SIZE);
  memory.copy(memoryStart, load<u32>(descriptor, FUNCTION_IMAGE), imageEnd);
  restoreHeader(base, descriptor);
  return base;
}

/**
 * Gives up a home that is in no pool and PD_UNMADE, with what is in its memory below the image's end zeroed; the rest must be.
 * Call `reserveStack` before.
 */
export function freeHome(base: u32): void {
  const descriptor = load<u32>(base, HOME_FUNCTION);
  const headerSize = load<u32>(descriptor, FUNCTION_HEADER_SIZE);
  memory.fill(base + headerSize, 0, load<u32>(descriptor, FUNCTION_IMAGE_END));
  lock(load<u32>(base, HOME_EXECUTOR));
  giveSlot(load<u32>(base, HOME_SLOT));
  memory.fill(base, 0, headerSize);
  giveHomeMemory(base, load<u32>(descriptor, FUNCTION_HOME_SIZE));
  store<u32>(descriptor, load<u32>(descriptor, FUNCTION_HOMES) - 1, FUNCTION_HOMES);
  unlock();
}

// @ts-ignore: decorator
@inline
export function pushPool(pool: u32, base: u32): void {
  store<u32>(base, load<u32>(pool, POOL_HEAD), HOME_NEXT);
  store<u32>(pool, base, POOL_HEAD);
  store<u32>(pool, load<u32>(pool, POOL_COUNT) + 1, POOL_COUNT);
}

// @ts-ignore: decorator
@inline
export function popPool(pool: u32): u32 {
  const base = load<u32>(pool, POOL_HEAD);
  if (base != 0) {
    store<u32>(pool, load<u32>(base, HOME_NEXT), POOL_HEAD);
    store<u32>(pool, load<u32>(pool, POOL_COUNT) - 1, POOL_COUNT);
  }
  return base;
}

/** Globals and memory size as the image has them. */
// @ts-ignore: decorator
@inline
function restoreHeader(base: u32, descriptor: u32): void {
  store<u32>(base, load<u32>(descriptor, FUNCTION_MEMORY_PAGES), HOME_MEMORY_PAGES);
  const size = load<u32>(descriptor, FUNCTION_GLOBALS_SIZE);
  const image = load<u32>(descriptor, FUNCTION_GLOBALS_IMAGE);
  // Sizes are multiples of 8, and there is room for as much behind the globals.
  for (let i: u32 = 0; i < size; i += 8) {
    store<u64>(base + i, load<u64>(image + i), HOME_GLOBALS);
  }
}

/**
 * Brings a home back to its image. The cost is that of the chunks that were written to, and of one look at the map
 * (128 chunks at a time). Can be repeated: marks go after the bytes that they stand for are back.
 */
// @ts-ignore: decorator
@inline
export function restoreHome(base: u32, descriptor: u32): void {
  restoreHeader(base, descriptor);
  const map = base + load<u32>(descriptor, FUNCTION_MAP_OFFSET);
  const mapEnd = map + load<u32>(descriptor, FUNCTION_MAP_SIZE);
  // The map's size is a multiple of 128; marks are 0 or 1.
  for (let at = map; at < mapEnd; at += 128) {
    const first = v128.or(v128.or(v128.load(at, 0), v128.load(at, 16)), v128.or(v128.load(at, 32), v128.load(at, 48)));
    const last = v128.or(v128.or(v128.load(at, 64), v128.load(at, 80)), v128.or(v128.load(at, 96), v128.load(at, 112)));
    if (!v128.any_true(v128.or(first, last))) continue;
    for (let half = at; half < at + 128; half += 64) restoreMarked(base, descriptor, half, half - map);
  }
}

/** Sixteen bytes of the map as bits. */
// @ts-ignore: decorator
@inline
function marksAt(at: u32): u64 {
  return <u64>i8x16.bitmask(i8x16.neg(v128.load(at)));
}

/** Restores the chunks marked in 64 bytes of the map, each run of them at once. */
// @ts-ignore: decorator
@inline
function restoreMarked(base: u32, descriptor: u32, at: u32, firstChunk: u32): void {
  let marks = marksAt(at) | (marksAt(at + 16) << 16) | (marksAt(at + 32) << 32) | (marksAt(at + 48) << 48);
  if (marks == 0) return;
  while (marks != 0) {
    const chunk = ctz(marks);
    const run = ctz(~(marks >> chunk));
    restoreChunks(base, descriptor, firstChunk + <u32>chunk, <u32>run);
    // A carry runs through the run and clears it.
    marks &= marks + (<u64>1 << chunk);
  }
  v128.store(at, i64x2.splat(0), 0);
  v128.store(at, i64x2.splat(0), 16);
  v128.store(at, i64x2.splat(0), 32);
  v128.store(at, i64x2.splat(0), 48);
}

// @ts-ignore: decorator
@inline
function restoreChunks(base: u32, descriptor: u32, chunk: u32, count: u32): void {
  const shift = load<u32>(descriptor, FUNCTION_CHUNK_SHIFT);
  const memoryEnd = load<u32>(descriptor, FUNCTION_MEMORY_LIMIT) + RED_ZONE;
  const imageEnd = load<u32>(descriptor, FUNCTION_IMAGE_END);
  const first = chunk << shift;
  // A store that began in the last chunk may have ended behind it.
  const end = min(first + (count << shift) + RESTORED_BEHIND, memoryEnd);
  const memoryStart = base + load<u32>(descriptor, FUNCTION_HEADER_SIZE);
  const copyEnd = min(end, imageEnd);
  if (first < copyEnd) copyBytes(memoryStart + first, load<u32>(descriptor, FUNCTION_IMAGE) + first, copyEnd - first);
  const zeroFirst = max(first, imageEnd);
  if (zeroFirst < end) zeroBytes(memoryStart + zeroFirst, end - zeroFirst);
}

/** Up to this size an inline loop beats the call behind memory.copy. All sizes here are multiples of 64. */
const INLINE_SIZE_MAX: u32 = 1024;

// @ts-ignore: decorator
@inline
function copyBytes(to: u32, from: u32, size: u32): void {
  if (size > INLINE_SIZE_MAX) {
    memory.copy(to, from, size);
    return;
  }
  for (let i: u32 = 0; i < size; i += 64) {
    v128.store(to + i, v128.load(from + i));
    v128.store(to + i, v128.load(from + i, 16), 16);
    v128.store(to + i, v128.load(from + i, 32), 32);
    v128.store(to + i, v128.load(from + i, 48), 48);
  }
}

// @ts-ignore: decorator
@inline
function zeroBytes(to: u32, size: u32): void {
  if (size > INLINE_SIZE_MAX) {
    memory.fill(to, 0, size);
    return;
  }
  for (let i: u32 = 0; i < size; i += 64) {
    v128.store(to + i, i64x2.splat(0));
    v128.store(to + i, i64x2.splat(0), 16);
    v128.store(to + i, i64x2.splat(0), 32);
    v128.store(to + i, i64x2.splat(0), 48);
  }
}
