/** The address space as a whole: set-up, the lock over what is shared and slow, and the memory of homes. */
import {
  CONTROL_CALL_DEPTH_MAX,
  CONTROL_EXECUTORS,
  EXECUTOR_DOOMED,
  CONTROL_HOME_FREE,
  CONTROL_KV_BYTES_MAX,
  CONTROL_LOCK,
  CONTROL_MAGIC,
  CONTROL_NOW_MS64,
  GRANULE_COUNT,
  GRANULE_TABLE,
  HOME_ALIGNMENT,
  HOME_AREA,
  HOME_AREA_END_MIB,
  MAGIC,
  NULL_SHIFT,
  NULL_VTE,
} from './layout';
import { BAD_PARAMETER, HOME_MEMORY_EXHAUSTED, OK, WRONG_STATE } from './status';
import { reserveClasses } from './free-lists';

/** A free range of home memory begins with its size and the address of the next one. The rest of it is zero. */
const RANGE_SIZE: u32 = 0;
const RANGE_NEXT: u32 = 4;

/**
 * No holder keeps the lock longer than microseconds, but its thread may have to wait for a processor. After this many tries,
 * some seconds, something is broken.
 */
const LOCK_TRIES_MAX: u32 = 1 << 31;
/** After so many tries somebody else has set the time several times over. */
const CLOCK_TRIES_MAX = 64;
/** What the key-value store may have unless `kvSetLimit` says otherwise: about half of what there is for VMAs. */
const KV_BYTES_MAX: u32 = 1 << 30;
/** Frames that `reserveStack` needs: more than any path from an exported operation. */
const STACK_RESERVE_FRAMES: u32 = 48;
/** The same for `reserveShortStack`. */
const SHORT_STACK_RESERVE_FRAMES: u32 = 8;
/** The same for `reserveHostStack`. */
const HOST_STACK_RESERVE_FRAMES: u32 = 512;

/** Prepares an untouched address space. WRONG_STATE when it was done already. */
export function initialise(callDepthMax: u32): u32 {
  if (load<u32>(CONTROL_MAGIC) == MAGIC) return WRONG_STATE;
  if (callDepthMax == 0) return BAD_PARAMETER;
  const empty = ((<u64>NULL_VTE) << 32) | (<u64>NULL_SHIFT);
  for (let granule: u32 = 0; granule < <u32>GRANULE_COUNT; granule++) {
    store<u64>(GRANULE_TABLE + (granule << 3), empty);
  }
  reserveClasses();
  store<u32>(CONTROL_CALL_DEPTH_MAX, callDepthMax);
  store<u32>(CONTROL_EXECUTORS, 0);
  store<u32>(CONTROL_KV_BYTES_MAX, KV_BYTES_MAX);
  store<u32>(HOME_AREA, ((<u32>HOME_AREA_END_MIB) << 20) - HOME_AREA, RANGE_SIZE);
  store<u32>(HOME_AREA, 0, RANGE_NEXT);
  store<u32>(CONTROL_HOME_FREE, HOME_AREA);
  atomic.store<u32>(CONTROL_MAGIC, MAGIC);
  return OK;
}

/**
 * Takes the lock for an executor (0: for nobody whose thread is ever ended). Call `reserveStack` first: a stack overflow
 * between `lock` and `unlock` would leave it taken. Not re-entrant. Traps, without the lock, in a thread that is doomed: see
 * `executorDoom`.
 */
// @ts-ignore: decorator
@inline
export function lock(executor: u32): void {
  lockAt(CONTROL_LOCK, executor);
}

// @ts-ignore: decorator
@inline
export function unlock(): void {
  unlockAt(CONTROL_LOCK);
}

/** The same for another lock. Of several, each thread takes them in the order of their kinds: stripe, index, `lock`. */
// @ts-ignore: decorator
@inline
export function lockAt(at: u32, executor: u32): void {
  for (let tries: u32 = 0; tries < LOCK_TRIES_MAX; tries++) {
    if (atomic.load<u32>(at) != 0 || atomic.cmpxchg<u32>(at, 0, 1) != 0) continue;
    // With executor 0 this reads the page at address 0, where all is 0.
    if (atomic.load<u32>(executor, EXECUTOR_DOOMED) == 0) return;
    unlockAt(at);
    break;
  }
  unreachable();
}

// @ts-ignore: decorator
@inline
export function unlockAt(at: u32): void {
  atomic.store<u32>(at, 0);
}

/** Sets the time, unless it is later already: another thread may have looked at the clock after the caller did. */
export function clockAdvance(nowMs: u32): void {
  let seen = atomic.load<u64>(CONTROL_NOW_MS64);
  for (let i = 0; i < CLOCK_TRIES_MAX; i++) {
    const passedMs = nowMs - <u32>seen;
    if (<i32>passedMs <= 0) return;
    const found = atomic.cmpxchg<u64>(CONTROL_NOW_MS64, seen, seen + <u64>passedMs);
    if (found == seen) return;
    seen = found;
  }
}

/**
 * Overflows the stack here and now if less than STACK_RESERVE_FRAMES frames are left, before anything has changed.
 * A guest may ask with any amount of stack used up; see "Stack" in docs/internals/privlib.md.
 */
export function reserveStack(): void {
  probe(STACK_RESERVE_FRAMES, 1, 2, 3);
}

/** The same for operations that call one function that calls none: much less to look at, so it is fast. */
export function reserveShortStack(): void {
  probe(SHORT_STACK_RESERVE_FRAMES, 1, 2, 3);
}

/**
 * The same with room for the server's own JavaScript and what it calls: streams, regular expressions, whoever listens to
 * the log. Much of that does not survive a stack overflow in its midst. For host functions that are not fast anyway.
 */
export function reserveHostStack(): void {
  probe(HOST_STACK_RESERVE_FRAMES, 1, 2, 3);
}

function probe(frames: u32, a: u64, b: u64, c: u64): u64 {
  if (frames == 0) return a;
  // Not a tail call, and the operands stay live over it, so each level has a frame of its own.
  return probe(frames - 1, b + 1, c ^ a, a + b) + a * b + c;
}

/**
 * Takes zeroed home memory: first fit from the address-ordered list. The caller holds the lock.
 * Returns the address, a multiple of HOME_ALIGNMENT, or HOME_MEMORY_EXHAUSTED.
 */
export function takeHomeMemory(size: u32): u32 {
  const wanted = alignHomeSize(size);
  let link: u32 = CONTROL_HOME_FREE;
  let range = load<u32>(link);
  // Ranges are HOME_ALIGNMENT or larger, so there are fewer than 2^19 of them.
  for (let i = 0; range != 0 && i < 1 << 19; i++) {
    const rangeSize = load<u32>(range, RANGE_SIZE);
    const next = load<u32>(range, RANGE_NEXT);
    if (rangeSize >= wanted) {
      store<u64>(range, 0);
      if (rangeSize == wanted) {
        store<u32>(link, next);
      } else {
        const rest = range + wanted;
        store<u32>(rest, rangeSize - wanted, RANGE_SIZE);
        store<u32>(rest, next, RANGE_NEXT);
        store<u32>(link, rest);
      }
      return range;
    }
    link = range + RANGE_NEXT;
    range = next;
  }
  return HOME_MEMORY_EXHAUSTED;
}

/** Gives home memory back, all zero, and joins it with its neighbours. The caller holds the lock. */
export function giveHomeMemory(address: u32, size: u32): void {
  const given = alignHomeSize(size);
  let previous: u32 = 0;
  let next = load<u32>(CONTROL_HOME_FREE);
  for (let i = 0; next != 0 && next < address && i < 1 << 19; i++) {
    previous = next;
    next = load<u32>(next, RANGE_NEXT);
  }
  store<u32>(address, given, RANGE_SIZE);
  store<u32>(address, next, RANGE_NEXT);
  if (next != 0 && address + given == next) joinRange(address, next);
  if (previous == 0) {
    store<u32>(CONTROL_HOME_FREE, address);
    return;
  }
  store<u32>(previous, address, RANGE_NEXT);
  if (previous + load<u32>(previous, RANGE_SIZE) == address) joinRange(previous, address);
}

function joinRange(first: u32, second: u32): void {
  store<u32>(first, load<u32>(first, RANGE_SIZE) + load<u32>(second, RANGE_SIZE), RANGE_SIZE);
  store<u32>(first, load<u32>(second, RANGE_NEXT), RANGE_NEXT);
  store<u64>(second, 0);
}

function alignHomeSize(size: u32): u32 {
  return (size + (HOME_ALIGNMENT - 1)) & ~(HOME_ALIGNMENT - 1);
}

/** Free home memory in bytes, for statistics and tests. */
export function homeMemoryFree(): u32 {
  reserveStack();
  lock(0);
  let sum: u32 = 0;
  let range = load<u32>(CONTROL_HOME_FREE);
  for (let i = 0; range != 0 && i < 1 << 19; i++) {
    sum += load<u32>(range, RANGE_SIZE);
    range = load<u32>(range, RANGE_NEXT);
  }
  unlock();
  return sum;
}
