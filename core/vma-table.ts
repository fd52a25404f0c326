/**
 * The VMA table: a plain list. The address of a VMA tells its size class (through the granule table) and its place in the
 * class, so its entry (VTE) is found by arithmetic. Source of the structure: Jord, ISCA 2025, "plain list VMA table".
 *
 * Every operation is told who asks (`asker`, the base of a PD's home) and believes it only if that PD is the one its
 * executor runs now. An operation that fails returns a status below 65,536 and has changed nothing.
 *
 * The exported operations of the hot path call nothing that could overflow the stack after the first change: what they
 * use is inlined, and the slow path (`refill`) reserves its stack first.
 */
import { freeMax, refill, spill } from './free-lists';
import { grantSlot } from './grant';
import {
  CLASS_SHIFT_MAX,
  CLASS_SHIFT_MIN,
  CONTROL_NOW_MS,
  EXECUTOR_CURRENT,
  EXECUTOR_FREE,
  EXECUTOR_VMAS,
  FAULT_CANCELLED,
  FAULT_DEADLINE,
  FUNCTION_VMA_BYTES_MAX,
  GRANTS_ORPHAN,
  GRANULE_SHIFT,
  GRANULE_TABLE,
  HOME_DEADLINE_MS,
  HOME_DEPTH,
  HOME_END_MS,
  HOME_EXECUTOR,
  HOME_FAULT_KIND,
  HOME_FUNCTION,
  HOME_INVOCATION,
  HOME_LAST_READ_LENGTH,
  HOME_LAST_READ_START,
  HOME_OWNED,
  HOME_VMA_BYTES,
  INVOCATION_CANCELLED,
  NULL_SHIFT,
  OWNER_NOBODY,
  PERMISSION_NONE,
  PERMISSION_READ,
  PERMISSION_READ_WRITE,
  VTE_CLASS_MASK,
  VTE_END,
  VTE_GRANTS,
  VTE_NEXT,
  VTE_OWNER,
  VTE_PREVIOUS,
  VTE_READ_END,
  VTE_SHIFT,
  VTE_START,
  VTE_WRITE_END,
} from './layout';
import {
  ARGBUFS_EXHAUSTED,
  BAD_PERMISSION,
  CLASS_EXHAUSTED,
  NOT_A_VMA,
  NOT_MAPPED,
  NOT_THE_OWNER,
  NOT_THE_START,
  OK,
  SHARED,
  STALE_PD,
  STATUS_MAX,
  TOO_LARGE,
} from './status';

// @ts-ignore: decorator
@inline
export function failed(result: u32): bool {
  return result <= <u32>STATUS_MAX;
}

/** Whether this PD runs on its executor now, which is when it may ask. */
// @ts-ignore: decorator
@inline
export function mayAsk(asker: u32): bool {
  return load<u32>(load<u32>(asker, HOME_EXECUTOR), EXECUTOR_CURRENT) == asker;
}

/**
 * Ends the asker as the guard's own check does (src/guard/deadline.ts) when its deadline has passed; hosts have none. For the
 * operations that take time: a function can ask for them many times without a check of the guard between. The trap goes
 * through the server's frames, and no handler of the function sees it. Nothing has changed before.
 */
// @ts-ignore: decorator
@inline
export function checkDeadline(asker: u32): void {
  const late = <i32>(load<u32>(CONTROL_NOW_MS) - load<u32>(asker, HOME_DEADLINE_MS)) >= 0;
  if (late && load<u32>(asker, HOME_DEPTH) != 0) interrupted(asker);
}

/** What the guard's `jord:interrupted` does: HOME_DEADLINE_MS may be early only to make us look here. */
function interrupted(asker: u32): void {
  const end = load<u32>(asker, HOME_END_MS);
  if (load<u32>(load<u32>(asker, HOME_INVOCATION), INVOCATION_CANCELLED) != 0) {
    store<u32>(asker, FAULT_CANCELLED, HOME_FAULT_KIND);
    unreachable();
  }
  if (<i32>(load<u32>(CONTROL_NOW_MS) - end) >= 0) {
    store<u32>(asker, FAULT_DEADLINE, HOME_FAULT_KIND);
    unreachable();
  }
  store<u32>(asker, end, HOME_DEADLINE_MS);
}

// @ts-ignore: decorator
@inline
export function classShiftOf(length: u32): u32 {
  return length <= 1 << CLASS_SHIFT_MIN ? CLASS_SHIFT_MIN : 32 - clz<u32>(length - 1);
}

/** The address of the VTE of an address, or NOT_A_VMA. */
// @ts-ignore: decorator
@inline
export function vteOf(address: u32): u32 {
  const granule = load<u64>(GRANULE_TABLE + ((address >>> GRANULE_SHIFT) << 3));
  const shift = <u32>granule;
  if (shift == NULL_SHIFT) return NOT_A_VMA;
  return ((address >>> shift) << VTE_SHIFT) + <u32>(granule >>> 32);
}

/** The VTE of the VMA that starts at this address, or a status. */
// @ts-ignore: decorator
@inline
export function vteAtStart(address: u32): u32 {
  const vte = vteOf(address);
  if (vte == NOT_A_VMA) return NOT_A_VMA;
  const start = load<u32>(vte, VTE_START);
  // A VTE that was never carved has no start yet.
  if (start == 0) return NOT_A_VMA;
  if ((start & ~VTE_CLASS_MASK) != address) return NOT_THE_START;
  return load<u32>(vte, VTE_OWNER) == 0 ? NOT_MAPPED : vte;
}

/** The VTE of the asker's own VMA that starts at this address, or a status. */
// @ts-ignore: decorator
@inline
export function ownVte(asker: u32, address: u32): u32 {
  const vte = vteAtStart(address);
  if (failed(vte)) return vte;
  return load<u32>(vte, VTE_OWNER) == asker ? vte : NOT_THE_OWNER;
}

/** What a VMA counts as: the size of its class. */
// @ts-ignore: decorator
@inline
export function sizeOf(vte: u32): u32 {
  return 1 << (load<u32>(vte, VTE_START) & VTE_CLASS_MASK);
}

// @ts-ignore: decorator
@inline
export function link(vte: u32, owner: u32): void {
  store<u32>(owner, load<u32>(owner, HOME_VMA_BYTES) + sizeOf(vte), HOME_VMA_BYTES);
  const head = load<u32>(owner, HOME_OWNED);
  store<u32>(vte, head, VTE_NEXT);
  store<u32>(vte, 0, VTE_PREVIOUS);
  if (head != 0) store<u32>(head, vte, VTE_PREVIOUS);
  store<u32>(owner, vte, HOME_OWNED);
}

/** A PD loses something: what the guard remembers of its VMAs may not be so any more. */
// @ts-ignore: decorator
@inline
export function forgetLast(base: u32): void {
  // Of reading and of writing: two starts, and two lengths, are one word of 64 bits each.
  store<u64>(base, 0, HOME_LAST_READ_START);
  store<u64>(base, 0, HOME_LAST_READ_LENGTH);
}

// @ts-ignore: decorator
@inline
export function unlink(vte: u32, owner: u32): void {
  forgetLast(owner);
  store<u32>(owner, load<u32>(owner, HOME_VMA_BYTES) - sizeOf(vte), HOME_VMA_BYTES);
  const next = load<u32>(vte, VTE_NEXT);
  const previous = load<u32>(vte, VTE_PREVIOUS);
  if (next != 0) store<u32>(next, previous, VTE_PREVIOUS);
  if (previous != 0) store<u32>(previous, next, VTE_NEXT);
  else store<u32>(owner, next, HOME_OWNED);
}

// @ts-ignore: decorator
@inline
function setPermission(vte: u32, permission: u32): void {
  const end = load<u32>(vte, VTE_END);
  store<u32>(vte, permission != PERMISSION_NONE ? end : 0, VTE_READ_END);
  store<u32>(vte, permission == PERMISSION_READ_WRITE ? end : 0, VTE_WRITE_END);
}

// @ts-ignore: decorator
@inline
function isPermission(permission: u32): bool {
  return permission == PERMISSION_NONE || permission == PERMISSION_READ || permission == PERMISSION_READ_WRITE;
}

/**
 * Maps a VMA of exactly `length` bytes, read and write, for the asker. Its content is what the last owner left: a guest
 * gets ArgBufs through `argBufNew`, which clears them.
 * Returns its address, or TOO_LARGE, CLASS_EXHAUSTED, ARGBUFS_EXHAUSTED, STALE_PD.
 */
export function vmaMap(length: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  return mapVma(asker, length);
}

// @ts-ignore: decorator
@inline
export function mapVma(asker: u32, length: u32): u32 {
  const shift = classShiftOf(length);
  if (shift > <u32>CLASS_SHIFT_MAX) return TOO_LARGE;
  // A host has no function and so no limit: the page at address 0 is all 0.
  const bytesMax = load<u32>(load<u32>(asker, HOME_FUNCTION), FUNCTION_VMA_BYTES_MAX);
  if (bytesMax != 0 && load<u32>(asker, HOME_VMA_BYTES) + (1 << shift) > bytesMax) return ARGBUFS_EXHAUSTED;
  const executor = load<u32>(asker, HOME_EXECUTOR);
  const list = executor + EXECUTOR_FREE + ((shift - CLASS_SHIFT_MIN) << 3);
  if (load<u32>(list) == 0 && !refill(executor, shift)) return CLASS_EXHAUSTED;
  const vte = load<u32>(list);
  store<u32>(list, load<u32>(vte, VTE_NEXT));
  store<u32>(list, load<u32>(list, 4) - 1, 4);
  const start = load<u32>(vte, VTE_START) & ~VTE_CLASS_MASK;
  const end = start + length;
  store<u32>(vte, end, VTE_END);
  // A VMA of length 0 has end == start: no access passes, though the words are not 0.
  store<u32>(vte, end, VTE_READ_END);
  store<u32>(vte, end, VTE_WRITE_END);
  store<u32>(vte, 0, VTE_GRANTS);
  link(vte, asker);
  store<u32>(vte, asker, VTE_OWNER);
  store<u32>(executor, load<u32>(executor, EXECUTOR_VMAS) + 1, EXECUTOR_VMAS);
  return start;
}

/** Unmaps. NOT_MAPPED for a second time, SHARED while somebody else holds it. */
export function vmaUnmap(address: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const vte = ownVte(asker, address);
  if (failed(vte)) return vte;
  if (atomic.load<u32>(vte, VTE_GRANTS) != 0) return SHARED;
  const executor = load<u32>(asker, HOME_EXECUTOR);
  unlink(vte, asker);
  if (release(vte, executor)) spill(executor);
  return OK;
}

/**
 * Puts a VMA that nobody has any more on the executor's free list. Returns whether that is too long now: then call `spill`
 * where all is done, or what is left to do can be done again, since that call may find no stack.
 */
// @ts-ignore: decorator
@inline
export function release(vte: u32, executor: u32): bool {
  store<u32>(vte, 0, VTE_OWNER);
  store<u32>(vte, 0, VTE_READ_END);
  store<u32>(vte, 0, VTE_WRITE_END);
  store<u32>(executor, load<u32>(executor, EXECUTOR_VMAS) - 1, EXECUTOR_VMAS);
  const shift = load<u32>(vte, VTE_START) & VTE_CLASS_MASK;
  const list = executor + EXECUTOR_FREE + ((shift - CLASS_SHIFT_MIN) << 3);
  const count = load<u32>(list, 4) + 1;
  store<u32>(vte, load<u32>(list), VTE_NEXT);
  store<u32>(list, vte);
  store<u32>(list, count, 4);
  return count > freeMax(shift);
}

/** Changes what the owner may do. SHARED when that would take something away while others hold it too. */
export function vmaProtect(address: u32, permission: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const vte = ownVte(asker, address);
  if (failed(vte)) return vte;
  if (!isPermission(permission)) return BAD_PERMISSION;
  if (atomic.load<u32>(vte, VTE_GRANTS) != 0) return SHARED;
  forgetLast(asker);
  setPermission(vte, permission);
  return OK;
}

/**
 * Sets a new exact length within the size class; bytes that come in are zero.
 * TOO_LARGE beyond the class, SHARED while shared.
 */
export function vmaResize(address: u32, length: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  checkDeadline(asker);
  const vte = ownVte(asker, address);
  if (failed(vte)) return vte;
  const shift = load<u32>(vte, VTE_START) & VTE_CLASS_MASK;
  if (length > (1 << shift)) return TOO_LARGE;
  if (atomic.load<u32>(vte, VTE_GRANTS) != 0) return SHARED;
  const oldEnd = load<u32>(vte, VTE_END);
  forgetLast(asker);
  const newEnd = address + length;
  if (newEnd > oldEnd) memory.fill(oldEnd, 0, newEnd - oldEnd);
  store<u32>(vte, newEnd, VTE_END);
  if (load<u32>(vte, VTE_READ_END) != 0) store<u32>(vte, newEnd, VTE_READ_END);
  if (load<u32>(vte, VTE_WRITE_END) != 0) store<u32>(vte, newEnd, VTE_WRITE_END);
  return OK;
}

/** Moves a VMA with its permissions to another PD. SHARED while shared. `to` is a base the caller has checked. */
// @ts-ignore: decorator
@inline
export function moveVma(vte: u32, from: u32, to: u32): void {
  unlink(vte, from);
  link(vte, to);
  store<u32>(vte, to, VTE_OWNER);
}

// @ts-ignore: decorator
@inline
export function isShared(vte: u32): bool {
  return atomic.load<u32>(vte, VTE_GRANTS) != 0;
}

/**
 * Unmaps all that a PD owns. What is still granted to others stays until the last of them lets go. Can be taken up again where
 * its thread was ended, and calls nothing. Returns what `release` does.
 */
// @ts-ignore: decorator
@inline
export function dropOwned(owner: u32): bool {
  const executor = load<u32>(owner, HOME_EXECUTOR);
  let isFull = false;
  for (let vte = load<u32>(owner, HOME_OWNED); vte != 0; vte = load<u32>(owner, HOME_OWNED)) {
    store<u32>(owner, load<u32>(vte, VTE_NEXT), HOME_OWNED);
    const isLast = atomic.load<u32>(vte, VTE_GRANTS) == 0 || orphan(vte);
    if (isLast && release(vte, executor)) isFull = true;
  }
  return isFull;
}

/** The owner of a shared VMA is gone. Returns whether nobody has it any more. */
// @ts-ignore: decorator
@inline
export function orphan(vte: u32): bool {
  store<u32>(vte, OWNER_NOBODY, VTE_OWNER);
  // In one word with the count: either this sees that it is 0 by now, or the last holder sees that there is no owner.
  return atomic.add<u32>(vte, GRANTS_ORPHAN, VTE_GRANTS) == 0;
}

/**
 * Exact length of a VMA that the asker owns or shares; 0xFFFF_FFFF for anything else.
 */
export function vmaLength(address: u32, asker: u32): u32 {
  const vte = vteAtStart(address);
  if (failed(vte)) return -1;
  if (load<u32>(vte, VTE_OWNER) != asker && grantSlot(asker, vte) == 0) return -1;
  return load<u32>(vte, VTE_END) - address;
}

/**
 * Whether the asker may access [address, address + length) in one of its VMAs: the same answer as the guard's.
 * A length of 0 passes at the start, inside and at the end.
 */
export function vmaAllows(asker: u32, address: u32, length: u32, write: bool): bool {
  const vte = vteOf(address);
  if (vte != NOT_A_VMA && vteAllows(asker, vte, address, length, write)) return true;
  if (length != 0 || address == 0) return false;
  // One past the last byte of a full VMA belongs to the next one.
  const before = vteOf(address - 1);
  return before != NOT_A_VMA && vteAllows(asker, before, address, 0, write);
}

function vteAllows(asker: u32, vte: u32, address: u32, length: u32, write: bool): bool {
  if (load<u32>(vte, VTE_OWNER) != asker) {
    const slot = grantSlot(asker, vte);
    if (slot == 0) return false;
    if (write && (load<u32>(slot) & PERMISSION_READ_WRITE) != PERMISSION_READ_WRITE) return false;
  }
  const end = write ? load<u32>(vte, VTE_WRITE_END) : load<u32>(vte, VTE_READ_END);
  return address <= end && length <= end - address;
}
