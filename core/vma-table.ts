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
import { lock, reserveStack, unlock } from './address-space';
import {
  CLASS_SHIFT_MAX,
  CLASS_SHIFT_MIN,
  CONTROL_CARVE,
  CONTROL_NOW_MS,
  CONTROL_SHARED_FREE,
  CONTROL_VTE_NEXT,
  EXECUTOR_CURRENT,
  EXECUTOR_FREE,
  EXECUTOR_VMAS,
  FAULT_DEADLINE,
  FREE_LIST_MAX,
  GRANT_MASK,
  GRANT_SHIFT_A,
  GRANT_SHIFT_B,
  GRANULE_FIRST,
  GRANULE_LAST,
  GRANULE_SHIFT,
  GRANULE_TABLE,
  HOME_DEADLINE_MS,
  HOME_DEPTH,
  HOME_EXECUTOR,
  HOME_FAULT_KIND,
  HOME_GRANT_TABLE_A,
  HOME_GRANT_TABLE_B,
  HOME_GRANTS,
  HOME_OWNED,
  NULL_SHIFT,
  OWNER_NOBODY,
  PERMISSION_NONE,
  PERMISSION_READ,
  PERMISSION_READ_WRITE,
  VTE_AREA_END,
  VTE_END,
  VTE_GRANTS,
  VTE_NEXT,
  VTE_OWNER,
  VTE_PREVIOUS,
  VTE_READ_END,
  VTE_SHIFT,
  VTE_SIZE,
  VTE_START,
  VTE_WRITE_END,
} from './layout';
import {
  BAD_PERMISSION,
  CLASS_EXHAUSTED,
  GRANT_REFUSED,
  NOT_A_VMA,
  NOT_GRANTED,
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
  if (late && load<u32>(asker, HOME_DEPTH) != 0) {
    store<u32>(asker, FAULT_DEADLINE, HOME_FAULT_KIND);
    unreachable();
  }
}

// @ts-ignore: decorator
@inline
function classShiftOf(length: u32): u32 {
  return length <= 1 << CLASS_SHIFT_MIN ? CLASS_SHIFT_MIN : 32 - clz<u32>(length - 1);
}

/** The address of the VTE of an address, or NOT_A_VMA. */
// @ts-ignore: decorator
@inline
function vteOf(address: u32): u32 {
  const granule = load<u64>(GRANULE_TABLE + ((address >>> GRANULE_SHIFT) << 3));
  const shift = <u32>granule;
  if (shift == NULL_SHIFT) return NOT_A_VMA;
  return ((address >>> shift) << VTE_SHIFT) + <u32>(granule >>> 32);
}

/** The VTE of the VMA that starts at this address, or a status. */
// @ts-ignore: decorator
@inline
function vteAtStart(address: u32): u32 {
  const vte = vteOf(address);
  if (vte == NOT_A_VMA) return NOT_A_VMA;
  const start = load<u32>(vte, VTE_START);
  // A VTE that was never carved has no start yet.
  if (start == 0) return NOT_A_VMA;
  if ((start & ~31) != address) return NOT_THE_START;
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

// @ts-ignore: decorator
@inline
function link(vte: u32, owner: u32): void {
  const head = load<u32>(owner, HOME_OWNED);
  store<u32>(vte, head, VTE_NEXT);
  store<u32>(vte, 0, VTE_PREVIOUS);
  if (head != 0) store<u32>(head, vte, VTE_PREVIOUS);
  store<u32>(owner, vte, HOME_OWNED);
}

// @ts-ignore: decorator
@inline
function unlink(vte: u32, owner: u32): void {
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
 * Returns its address, or TOO_LARGE, CLASS_EXHAUSTED, STALE_PD.
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
  const executor = load<u32>(asker, HOME_EXECUTOR);
  const list = executor + EXECUTOR_FREE + ((shift - CLASS_SHIFT_MIN) << 3);
  if (load<u32>(list) == 0 && !refill(list, shift)) return CLASS_EXHAUSTED;
  const vte = load<u32>(list);
  store<u32>(list, load<u32>(vte, VTE_NEXT));
  store<u32>(list, load<u32>(list, 4) - 1, 4);
  const start = load<u32>(vte, VTE_START) & ~31;
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
  unlink(vte, asker);
  release(vte, load<u32>(asker, HOME_EXECUTOR));
  return OK;
}

/** Puts a VMA that nobody has any more on the executor's free list, or on the shared one when that is full. */
// @ts-ignore: decorator
@inline
function release(vte: u32, executor: u32): void {
  store<u32>(vte, 0, VTE_OWNER);
  store<u32>(vte, 0, VTE_READ_END);
  store<u32>(vte, 0, VTE_WRITE_END);
  store<u32>(executor, load<u32>(executor, EXECUTOR_VMAS) - 1, EXECUTOR_VMAS);
  const shift = load<u32>(vte, VTE_START) & 31;
  const list = executor + EXECUTOR_FREE + ((shift - CLASS_SHIFT_MIN) << 3);
  const count = load<u32>(list, 4);
  if (count >= <u32>FREE_LIST_MAX) {
    releaseShared(vte, shift);
    return;
  }
  store<u32>(vte, load<u32>(list), VTE_NEXT);
  store<u32>(list, vte);
  store<u32>(list, count + 1, 4);
}

// @ts-ignore: decorator
@inline
function releaseShared(vte: u32, shift: u32): void {
  const head = CONTROL_SHARED_FREE + ((shift - CLASS_SHIFT_MIN) << 2);
  lock();
  store<u32>(vte, load<u32>(head), VTE_NEXT);
  store<u32>(head, vte);
  unlock();
}

/** Changes what the owner may do. SHARED when that would take something away while others hold it too. */
export function vmaProtect(address: u32, permission: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const vte = ownVte(asker, address);
  if (failed(vte)) return vte;
  if (!isPermission(permission)) return BAD_PERMISSION;
  if (atomic.load<u32>(vte, VTE_GRANTS) != 0) return SHARED;
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
  const shift = load<u32>(vte, VTE_START) & 31;
  if (length > (1 << shift)) return TOO_LARGE;
  if (atomic.load<u32>(vte, VTE_GRANTS) != 0) return SHARED;
  const oldEnd = load<u32>(vte, VTE_END);
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
 * Grants a VMA to another PD beside its owner. The grant is kept in the tables of the PD that gets it, where the guard
 * finds it in at most two looks; `to` must not run on another thread meanwhile, and is a base the caller has checked.
 */
export function grant(vte: u32, to: u32, permission: u32): u32 {
  if (permission != PERMISSION_READ && permission != PERMISSION_READ_WRITE) return BAD_PERMISSION;
  const end = permission == PERMISSION_READ ? load<u32>(vte, VTE_READ_END) : load<u32>(vte, VTE_WRITE_END);
  if (end == 0) return BAD_PERMISSION;
  const slotA = to + HOME_GRANT_TABLE_A + ((vte >>> GRANT_SHIFT_A) & GRANT_MASK);
  const slotB = to + HOME_GRANT_TABLE_B + ((vte >>> GRANT_SHIFT_B) & GRANT_MASK);
  const inA = load<u32>(slotA);
  const inB = load<u32>(slotB);
  if ((inA & ~31) == vte || (inB & ~31) == vte) return GRANT_REFUSED;
  let slot: u32 = 0;
  if (inA == 0) slot = slotA;
  else if (inB == 0) slot = slotB;
  else {
    // Both taken: one of the two may have its other place free.
    const otherOfA = to + HOME_GRANT_TABLE_B + ((inA >>> GRANT_SHIFT_B) & GRANT_MASK);
    const otherOfB = to + HOME_GRANT_TABLE_A + ((inB >>> GRANT_SHIFT_A) & GRANT_MASK);
    if (load<u32>(otherOfA) == 0) {
      store<u32>(otherOfA, inA);
      slot = slotA;
    } else if (load<u32>(otherOfB) == 0) {
      store<u32>(otherOfB, inB);
      slot = slotB;
    } else return GRANT_REFUSED;
  }
  atomic.add<u32>(vte, 1, VTE_GRANTS);
  store<u32>(slot, vte | permission);
  store<u32>(to, load<u32>(to, HOME_GRANTS) + 1, HOME_GRANTS);
  return OK;
}

/** The slot of this PD's grant of this VMA, or 0. */
// @ts-ignore: decorator
@inline
export function grantSlot(holder: u32, vte: u32): u32 {
  const slotA = holder + HOME_GRANT_TABLE_A + ((vte >>> GRANT_SHIFT_A) & GRANT_MASK);
  if ((load<u32>(slotA) & ~31) == vte) return slotA;
  const slotB = holder + HOME_GRANT_TABLE_B + ((vte >>> GRANT_SHIFT_B) & GRANT_MASK);
  return (load<u32>(slotB) & ~31) == vte ? slotB : 0;
}

/** Gives up a VMA that is shared with the asker. */
export function vmaRelease(address: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const vte = vteAtStart(address);
  if (failed(vte)) return vte;
  const slot = grantSlot(asker, vte);
  if (slot == 0) return NOT_GRANTED;
  dropGrant(asker, slot, vte);
  return OK;
}

// @ts-ignore: decorator
@inline
function dropGrant(holder: u32, slot: u32, vte: u32): void {
  store<u32>(slot, 0);
  store<u32>(holder, load<u32>(holder, HOME_GRANTS) - 1, HOME_GRANTS);
  const left = atomic.sub<u32>(vte, 1, VTE_GRANTS) - 1;
  if (left == 0 && atomic.cmpxchg<u32>(vte, OWNER_NOBODY, 0, VTE_OWNER) == OWNER_NOBODY) {
    release(vte, load<u32>(holder, HOME_EXECUTOR));
  }
}

/** Ends all grants of a PD. */
export function dropGrants(holder: u32): void {
  const tables = holder + HOME_GRANT_TABLE_A;
  const end = holder + HOME_GRANT_TABLE_B + GRANT_MASK;
  for (let slot = tables; slot <= end && load<u32>(holder, HOME_GRANTS) != 0; slot += 4) {
    const entry = load<u32>(slot);
    if (entry != 0) dropGrant(holder, slot, entry & ~31);
  }
}

/** Unmaps all that a PD owns. What is still granted to others stays until the last of them lets go. */
// @ts-ignore: decorator
@inline
export function dropOwned(owner: u32): void {
  const executor = load<u32>(owner, HOME_EXECUTOR);
  for (let vte = load<u32>(owner, HOME_OWNED); vte != 0; vte = load<u32>(owner, HOME_OWNED)) {
    // The list is shortened first, so that this can be taken up again where a stack overflow ended it.
    store<u32>(owner, load<u32>(vte, VTE_NEXT), HOME_OWNED);
    if (atomic.load<u32>(vte, VTE_GRANTS) == 0) release(vte, executor);
    else orphan(vte, executor);
  }
}

function orphan(vte: u32, executor: u32): void {
  atomic.store<u32>(vte, OWNER_NOBODY, VTE_OWNER);
  // The last holder may have let go between the look at the count and the store: then this is the last.
  if (atomic.load<u32>(vte, VTE_GRANTS) == 0 && atomic.cmpxchg<u32>(vte, OWNER_NOBODY, 0, VTE_OWNER) == OWNER_NOBODY) {
    release(vte, executor);
  }
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

/** How many VMAs of a class are fetched into an executor's empty list at once. */
function batchOf(shift: u32): u32 {
  return shift <= 12 ? 32 : shift <= 16 ? 8 : 1;
}

/** Fills an executor's empty free list from the shared one, or with VMAs that were never used. False: none left. */
function refill(list: u32, shift: u32): bool {
  reserveStack();
  lock();
  const filled = fillFromShared(list, shift) || fillByCarving(list, shift);
  unlock();
  return filled;
}

function pushFree(list: u32, vte: u32): void {
  store<u32>(vte, load<u32>(list), VTE_NEXT);
  store<u32>(list, vte);
  store<u32>(list, load<u32>(list, 4) + 1, 4);
}

function fillFromShared(list: u32, shift: u32): bool {
  const head = CONTROL_SHARED_FREE + ((shift - CLASS_SHIFT_MIN) << 2);
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
  const carve = CONTROL_CARVE + ((shift - CLASS_SHIFT_MIN) << 3);
  if (load<u32>(carve, 4) == 0 && !addGranule(carve, shift)) return false;
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

/** What each class up to 16 MiB has for itself, in VMAs: granules stay with their class, so one could take all of them. */
const RESERVED_VMAS: u32 = 8;

/** Gives the classes what is reserved for them. For `initialise`. */
export function reserveClasses(): void {
  for (let shift: u32 = CLASS_SHIFT_MIN; shift <= <u32>GRANULE_SHIFT; shift++) {
    const carve = CONTROL_CARVE + ((shift - CLASS_SHIFT_MIN) << 3);
    addGranules(carve, shift, max<u32>((RESERVED_VMAS << shift) >>> GRANULE_SHIFT, 1));
  }
}

/** Gives a class its next granule, or as many as one VMA of the class needs. */
function addGranule(carve: u32, shift: u32): bool {
  return addGranules(carve, shift, shift <= <u32>GRANULE_SHIFT ? 1 : 1 << (shift - GRANULE_SHIFT));
}

/** Gives granules that lie together to a class that has nothing left to carve, with VTEs for them. */
function addGranules(carve: u32, shift: u32, granules: u32): bool {
  const count = (granules << GRANULE_SHIFT) >>> shift;
  const vtes = load<u32>(CONTROL_VTE_NEXT);
  if (count * VTE_SIZE > <u32>VTE_AREA_END - vtes) return false;
  const granule = findGranules(granules);
  if (granule == 0) return false;
  const start = granule << GRANULE_SHIFT;
  const bias = vtes - ((start >>> shift) << VTE_SHIFT);
  for (let i: u32 = 0; i < granules; i++) {
    // One aligned 64-bit store: another thread sees the old entry or the new one.
    atomic.store<u64>(GRANULE_TABLE + ((granule + i) << 3), ((<u64>bias) << 32) | (<u64>shift));
  }
  store<u32>(CONTROL_VTE_NEXT, vtes + count * VTE_SIZE);
  store<u32>(carve, start);
  store<u32>(carve, count, 4);
  return true;
}

/** First of `granules` free ones that lie together, aligned; small classes from the bottom, large ones from the top. 0: none. */
function findGranules(granules: u32): u32 {
  if (granules == 1) {
    for (let granule: u32 = GRANULE_FIRST; granule < <u32>GRANULE_LAST; granule++) {
      if (isFree(granule, 1)) return granule;
    }
    return 0;
  }
  for (let granule: u32 = GRANULE_LAST + 1 - granules * 2; granule >= <u32>GRANULE_FIRST; granule -= granules) {
    if (isFree(granule, granules)) return granule;
  }
  return 0;
}

function isFree(granule: u32, granules: u32): bool {
  for (let i: u32 = 0; i < granules; i++) {
    if (load<u32>(GRANULE_TABLE + ((granule + i) << 3)) != NULL_SHIFT) return false;
  }
  return true;
}
