/**
 * Bodies of the added functions for bulk memory. All raw bulk instructions of a guarded module are in these. Each of them
 * checks the deadline first: one of them is bounded, but not a row of them (see deadline.ts).
 *
 * A range [a, a + n) is permitted when it is wholly in the home, a + n <= memoryLimit, or wholly in one VMA that is this
 * PD's, a + n <= VTE.end. Zero lengths are checked too: a may then be in the home or just behind it, and in a VMA or
 * just behind its last byte. A VTE is found as access.ts explains. Its end is 0 here when the VMA is not permitted;
 * since a > memoryLimit >= 0 in that case, a <= 0 is false and nothing passes.
 */
import {
  ACCESS_BULK,
  ACCESS_WRITE,
  FAULT_ACCESS,
  FAULT_GROW_REFUSED,
  FAULT_SEGMENT,
  HOME_FAULT_KIND,
  HOME_MEMORY_PAGES,
  VTE_READ_END,
  VTE_WRITE_END,
} from '../../core/layout.ts';
import { emitFault, emitPermitted } from './access.ts';
import { ADDED_READ_RANGE, ADDED_READABLE_END, ADDED_WRITABLE_END, ADDED_WRITE_RANGE } from './added.ts';
import { emitEntryCheck } from './deadline.ts';
import { BLOCK_EMPTY, BLOCK_I32, type Emitter, HINT_LIKELY, HINT_UNLIKELY, NEED_ENTRY, NEED_POINTER } from './emit.ts';
import {
  OP_ELSE,
  OP_END,
  OP_I32_ADD,
  OP_I32_AND,
  OP_I32_GT_U,
  OP_I32_LE_U,
  OP_I32_LOAD8_U,
  OP_I32_NE,
  OP_I32_OR,
  OP_I32_SHR_U,
  OP_I32_STORE8,
  OP_I32_SUB,
  OP_MEMORY_COPY,
  OP_MEMORY_FILL,
  OP_MEMORY_INIT,
  OP_SELECT,
} from './opcodes.ts';

/** (address, base) → the end of its VMA when this PD may read or write there, otherwise 0. */
export function emitEnd(e: Emitter, write: boolean): void {
  emitPermitted(e, 0, write);
  e.if(BLOCK_I32, HINT_LIKELY);
  e.get(e.temporary(NEED_ENTRY));
  e.load32(write ? VTE_WRITE_END : VTE_READ_END);
  e.op(OP_ELSE);
  e.i32(0);
  e.op(OP_END);
}

/** (a, n, base) → the address of a. Faults when the range is not permitted; marks the chunks of a range of the home. */
export function emitRange(e: Emitter, write: boolean): void {
  const [a, n] = [0, 1];
  const { memoryLimit, headerSize } = e.layout;
  e.get(a);
  e.i32(memoryLimit);
  e.op(OP_I32_LE_U);
  e.get(n);
  e.i32(memoryLimit);
  e.get(a);
  e.op(OP_I32_SUB);
  e.op(OP_I32_LE_U);
  e.op(OP_I32_AND);
  e.if(BLOCK_I32, HINT_LIKELY);
  if (write) emitMarkRange(e, a, n);
  e.get(e.base);
  e.get(a);
  e.op(OP_I32_ADD);
  e.i32(headerSize);
  e.op(OP_I32_ADD);
  e.op(OP_ELSE);
  emitVmaRange(e, write);
  e.op(OP_END);
}

/** More than so many bytes of the home are not marked because they might be written. */
export const FOUND_BYTES_MAX = 65_536;

/**
 * (a, n, base) → the address of a, or 0 when the range is not permitted: nothing faults. Marks the chunks of a range of the home, of
 * which no more than FOUND_BYTES_MAX are found for writing. An address is never 0.
 */
export function emitFind(e: Emitter, write: boolean): void {
  const [a, n] = [0, 1];
  const { memoryLimit, headerSize } = e.layout;
  e.get(a);
  e.i32(memoryLimit);
  e.op(OP_I32_LE_U);
  e.get(n);
  e.i32(memoryLimit);
  e.get(a);
  e.op(OP_I32_SUB);
  e.op(OP_I32_LE_U);
  e.op(OP_I32_AND);
  if (write) {
    e.get(n);
    e.i32(FOUND_BYTES_MAX);
    e.op(OP_I32_LE_U);
    e.op(OP_I32_AND);
  }
  e.if(BLOCK_I32, HINT_LIKELY);
  if (write) emitMarkRange(e, a, n);
  e.get(e.base);
  e.get(a);
  e.op(OP_I32_ADD);
  e.i32(headerSize);
  e.op(OP_I32_ADD);
  e.op(OP_ELSE);
  const end = e.temporary(NEED_POINTER);
  e.get(a);
  e.callAdded(write ? ADDED_WRITABLE_END : ADDED_READABLE_END);
  e.set(end);
  // a, if a <= end and n <= end - a
  e.get(a);
  e.i32(0);
  e.get(a);
  e.get(end);
  e.op(OP_I32_LE_U);
  e.get(n);
  e.get(end);
  e.get(a);
  e.op(OP_I32_SUB);
  e.op(OP_I32_LE_U);
  e.op(OP_I32_AND);
  e.op(OP_SELECT);
  e.op(OP_END);
}

/**
 * Marks chunks a >>> shift to (a + n - 1) >>> shift, if n > 0: the first, the last, and all of them where there are more. Most are of one
 * or two, and to fill takes V8 a call. Inside the map since a + n <= memoryLimit.
 */
function emitMarkRange(e: Emitter, a: number, n: number): void {
  const { chunkShift, mapOffset } = e.layout;
  const first = (): void => {
    e.get(a);
    e.i32(chunkShift);
    e.op(OP_I32_SHR_U);
  };
  const last = (): void => {
    e.get(a);
    e.get(n);
    e.op(OP_I32_ADD);
    e.i32(1);
    e.op(OP_I32_SUB);
    e.i32(chunkShift);
    e.op(OP_I32_SHR_U);
  };
  e.get(n);
  e.if(BLOCK_EMPTY, HINT_LIKELY);
  for (const chunk of [first, last]) {
    e.get(e.base);
    chunk();
    e.op(OP_I32_ADD);
    e.i32(1);
    e.memory(OP_I32_STORE8, 0, mapOffset);
  }
  last();
  first();
  e.op(OP_I32_SUB);
  e.i32(1);
  e.op(OP_I32_GT_U);
  e.if(BLOCK_EMPTY, HINT_UNLIKELY);
  e.get(e.base);
  e.i32(mapOffset);
  e.op(OP_I32_ADD);
  first();
  e.op(OP_I32_ADD);
  e.i32(1);
  last();
  first();
  e.op(OP_I32_SUB);
  e.i32(1);
  e.op(OP_I32_ADD);
  e.out.opcode(OP_MEMORY_FILL);
  e.out.byte(0);
  e.op(OP_END);
  e.op(OP_END);
}

/** Leaves a, or faults. */
function emitVmaRange(e: Emitter, write: boolean): void {
  const [a, n] = [0, 1];
  const end = e.temporary(NEED_POINTER);
  const endFunction = write ? ADDED_WRITABLE_END : ADDED_READABLE_END;
  const faultIf = (): void => {
    e.if(BLOCK_EMPTY, HINT_UNLIKELY);
    emitFault(e, FAULT_ACCESS, a, () => e.i32(ACCESS_BULK | (write ? ACCESS_WRITE : 0)));
    e.op(OP_END);
  };
  e.get(a);
  e.callAdded(endFunction);
  e.set(end);
  // a > end, or n > end - a
  e.get(a);
  e.get(end);
  e.op(OP_I32_GT_U);
  e.get(n);
  e.get(end);
  e.get(a);
  e.op(OP_I32_SUB);
  e.op(OP_I32_GT_U);
  e.op(OP_I32_OR);
  e.if(BLOCK_EMPTY, HINT_UNLIKELY);
  e.get(n);
  faultIf();
  // Nothing, perhaps just behind the last byte: then a - 1 (a is not 0 here) is in the VMA or in its area.
  e.get(a);
  e.i32(1);
  e.op(OP_I32_SUB);
  e.callAdded(endFunction);
  e.set(end);
  e.get(a);
  e.get(end);
  e.op(OP_I32_GT_U);
  faultIf();
  e.op(OP_END);
  e.get(a);
}

/** (to, from, n, base). Both ranges are checked before anything is written. */
export function emitCopy(e: Emitter): void {
  const [to, from, n] = [0, 1, 2];
  emitEntryCheck(e);
  for (const [address, range] of [
    [to, ADDED_WRITE_RANGE],
    [from, ADDED_READ_RANGE],
  ] as const) {
    e.get(address);
    e.get(n);
    e.callAdded(range);
  }
  e.get(n);
  e.out.opcode(OP_MEMORY_COPY);
  e.out.byte(0);
  e.out.byte(0);
}

/** (to, value, n, base) */
export function emitFill(e: Emitter): void {
  const [to, value, n] = [0, 1, 2];
  emitEntryCheck(e);
  e.get(to);
  e.get(n);
  e.callAdded(ADDED_WRITE_RANGE);
  e.get(value);
  e.get(n);
  e.out.opcode(OP_MEMORY_FILL);
  e.out.byte(0);
}

/** (pages, base) → the old size in pages, or -1 beyond memoryMaximumPages. The size never is above that. */
export function emitGrow(e: Emitter): void {
  const pages = 0;
  const old = e.temporary(NEED_POINTER);
  e.get(pages);
  e.i32(e.layout.memoryMaximumPages);
  e.get(e.base);
  e.load32(HOME_MEMORY_PAGES);
  e.tee(old);
  e.op(OP_I32_SUB);
  e.op(OP_I32_GT_U);
  e.if(BLOCK_I32, HINT_UNLIKELY);
  e.get(e.base);
  e.i32(FAULT_GROW_REFUSED);
  e.store32(HOME_FAULT_KIND);
  e.i32(-1);
  e.op(OP_ELSE);
  e.get(e.base);
  e.get(old);
  e.get(pages);
  e.op(OP_I32_ADD);
  e.store32(HOME_MEMORY_PAGES);
  e.get(old);
  e.op(OP_END);
}

/** (to, from, n, base). A dropped segment is as one of length 0; the other bounds of the segment V8 checks. */
export function emitInitSegment(e: Emitter, segment: number, flag: number): void {
  const [to, from, n] = [0, 1, 2];
  emitEntryCheck(e);
  e.get(from);
  e.get(n);
  e.op(OP_I32_OR);
  e.i32(0);
  e.op(OP_I32_NE);
  e.get(e.base);
  e.memory(OP_I32_LOAD8_U, 0, flag);
  e.op(OP_I32_AND);
  e.if(BLOCK_EMPTY, HINT_UNLIKELY);
  emitFault(e, FAULT_SEGMENT, to, () => e.i32(ACCESS_BULK | ACCESS_WRITE));
  e.op(OP_END);
  e.get(to);
  e.get(n);
  e.callAdded(ADDED_WRITE_RANGE);
  e.get(from);
  e.get(n);
  e.out.opcode(OP_MEMORY_INIT);
  e.out.u32(segment);
  e.out.byte(0);
}

/** Sets the flag of a segment; for data.drop and for active segments. */
export function emitDrop(e: Emitter, flag: number): void {
  e.get(e.base);
  e.i32(1);
  e.memory(OP_I32_STORE8, 0, flag);
}
