/** Grants: VMAs that a PD shares, kept in the tables in its own home's header, where the guard finds them in two looks. */
import { spill } from './free-lists';
import {
  CONTROL_KV_BYTES,
  GRANTS_ORPHAN,
  GRANT_FACTOR_A,
  GRANT_FACTOR_B,
  GRANT_MASK,
  GRANT_SHIFT,
  HOME_EXECUTOR,
  HOME_GRANT_TABLE_A,
  HOME_GRANT_TABLE_B,
  HOME_GRANTS,
  HOME_GRANT_GROUPS,
  OWNER_STORE,
  PERMISSION_READ,
  PERMISSION_READ_WRITE,
  VTE_GRANTS,
  VTE_OWNER,
  VTE_READ_END,
  VTE_WRITE_END,
} from './layout';
import { BAD_PERMISSION, GRANT_REFUSED, NOT_GRANTED, OK, STALE_PD } from './status';
import { failed, forgetLast, mayAsk, release, sizeOf, vteAtStart } from './vma-table';

/** Both tables are 2 KiB, in 32 groups of this size. */
const GROUP_SIZE: u32 = 64;
const GROUP_SHIFT: u32 = 6;

/** Where the entry of a VTE is in one of the tables, which has this factor: a byte offset. */
// @ts-ignore: decorator
@inline
function place(vte: u32, factor: u32): u32 {
  return ((vte * factor) >>> GRANT_SHIFT) & GRANT_MASK;
}

/**
 * Grants a VMA to another PD beside its owner. The grant is kept in the tables of the PD that gets it, where the guard
 * finds it in at most two looks; `to` must not run on another thread meanwhile, and is a base the caller has checked.
 */
export function grant(vte: u32, to: u32, permission: u32): u32 {
  if (permission != PERMISSION_READ && permission != PERMISSION_READ_WRITE) return BAD_PERMISSION;
  const end = permission == PERMISSION_READ ? load<u32>(vte, VTE_READ_END) : load<u32>(vte, VTE_WRITE_END);
  if (end == 0) return BAD_PERMISSION;
  const slotA = to + HOME_GRANT_TABLE_A + place(vte, GRANT_FACTOR_A);
  const slotB = to + HOME_GRANT_TABLE_B + place(vte, GRANT_FACTOR_B);
  const inA = load<u32>(slotA);
  const inB = load<u32>(slotB);
  if ((inA & ~31) == vte || (inB & ~31) == vte) return GRANT_REFUSED;
  let slot: u32 = 0;
  if (inA == 0) slot = slotA;
  else if (inB == 0) slot = slotB;
  else {
    // Both taken: one of the two may go elsewhere.
    if (vacate(to, inA, HOME_GRANT_TABLE_B, GRANT_FACTOR_B, HOME_GRANT_TABLE_A, GRANT_FACTOR_A)) slot = slotA;
    else if (vacate(to, inB, HOME_GRANT_TABLE_A, GRANT_FACTOR_A, HOME_GRANT_TABLE_B, GRANT_FACTOR_B)) slot = slotB;
    else return GRANT_REFUSED;
  }
  atomic.add<u32>(vte, 1, VTE_GRANTS);
  fill(to, slot, vte | permission);
  store<u32>(to, load<u32>(to, HOME_GRANTS) + 1, HOME_GRANTS);
  return OK;
}

/**
 * Copies an entry to its place in the other table, so that its own may be written over: where that is free, or what is there can go
 * to its own other place. Neither loops nor calls, so no thread is ended while an entry is in two places. False, having done nothing.
 */
// @ts-ignore: decorator
@inline
function vacate(holder: u32, entry: u32, otherTable: u32, otherFactor: u32, table: u32, factor: u32): bool {
  const other = holder + otherTable + place(entry & ~31, otherFactor);
  const there = load<u32>(other);
  if (there != 0) {
    const further = holder + table + place(there & ~31, factor);
    if (load<u32>(further) != 0) return false;
    fill(holder, further, there);
  }
  fill(holder, other, entry);
  return true;
}

/** Writes an entry, and notes that there may be some in these 64 bytes. */
// @ts-ignore: decorator
@inline
function fill(holder: u32, slot: u32, entry: u32): void {
  const group = (slot - (holder + HOME_GRANT_TABLE_A)) >>> GROUP_SHIFT;
  store<u32>(holder, load<u32>(holder, HOME_GRANT_GROUPS) | (1 << group), HOME_GRANT_GROUPS);
  store<u32>(slot, entry);
}

/** The slot of this PD's grant of this VMA, or 0. */
// @ts-ignore: decorator
@inline
export function grantSlot(holder: u32, vte: u32): u32 {
  const slotA = holder + HOME_GRANT_TABLE_A + place(vte, GRANT_FACTOR_A);
  if ((load<u32>(slotA) & ~31) == vte) return slotA;
  const slotB = holder + HOME_GRANT_TABLE_B + place(vte, GRANT_FACTOR_B);
  return (load<u32>(slotB) & ~31) == vte ? slotB : 0;
}

/** Gives up a VMA that is shared with the asker. */
export function vmaRelease(address: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const vte = vteAtStart(address);
  if (failed(vte)) return vte;
  const slot = grantSlot(asker, vte);
  if (slot == 0) return NOT_GRANTED;
  if (dropGrant(asker, slot, vte)) spill(load<u32>(asker, HOME_EXECUTOR));
  return OK;
}

/** The key-value store has so many bytes less: of a VMA that is freed, whoever frees it. */
// @ts-ignore: decorator
@inline
export function dischargeStore(bytes: u32): void {
  atomic.sub<u32>(CONTROL_KV_BYTES, bytes);
}

/** Returns what `release` does. */
// @ts-ignore: decorator
@inline
function dropGrant(holder: u32, slot: u32, vte: u32): bool {
  forgetLast(holder);
  store<u32>(slot, 0);
  const left = load<u32>(holder, HOME_GRANTS) - 1;
  store<u32>(holder, left, HOME_GRANTS);
  if (left == 0) store<u32>(holder, 0, HOME_GRANT_GROUPS);
  if (atomic.sub<u32>(vte, 1, VTE_GRANTS) != GRANTS_ORPHAN + 1) return false;
  if (load<u32>(vte, VTE_OWNER) == OWNER_STORE) dischargeStore(sizeOf(vte));
  return release(vte, load<u32>(holder, HOME_EXECUTOR));
}

/** Ends all grants of a PD. Can be taken up again where it was ended. */
export function dropGrants(holder: u32): void {
  for (let groups = load<u32>(holder, HOME_GRANT_GROUPS); groups != 0; groups = load<u32>(holder, HOME_GRANT_GROUPS)) {
    const group = ctz(groups);
    const first = holder + HOME_GRANT_TABLE_A + (group << GROUP_SHIFT);
    for (let slot = first; slot < first + GROUP_SIZE; slot += 4) {
      const entry = load<u32>(slot);
      if (entry != 0 && dropGrant(holder, slot, entry & ~31)) spill(load<u32>(holder, HOME_EXECUTOR));
    }
    store<u32>(holder, load<u32>(holder, HOME_GRANT_GROUPS) & ~(1 << group), HOME_GRANT_GROUPS);
  }
}
