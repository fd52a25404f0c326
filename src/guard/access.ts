/*
 * ┌──────────────────────────────────────────────────────────────────────────────────────────────────────────────────┐
 * │ THIS IS THE CODE THAT MUST NOT BE WRONG. What is emitted here is all that stands between a function and the memory │
 * │ of every other one. Do not change a case without going through the algebra below again.                           │
 * └──────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * Numbers. All are non-negative integers, not modulo anything unless it says so.
 *
 *     t   the pointer, a u32 that the function chose                      0 <= t < 2^32
 *     o   the static offset, a constant                                   0 <= o < 2^32
 *     s   the bytes accessed, a constant                                  1 <= s <= 16
 *     L   layout.memoryLimit, a constant, a multiple of 64 KiB            0 <= L <= 2^29
 *     R   RED_ZONE = 4096
 *     H   layout.headerSize, a constant                                   H < 2^19 (asserted in checkLayout)
 *     B   base, a parameter that only trusted code passes and the function cannot name
 *
 * The home is [B, B + H + L + R), all of it below 2 GiB, so B + H + L + R <= 2^31. The function's address 0 is B + H.
 * The access wants [t + o, t + o + s). It is an access to
 *
 *   the home   when t + o + s <= L + R, at B + H + t + o: never below B + H (the header) and never behind the red zone;
 *   a VMA      when t + o < 2^32 and the VTE of address e = t + o is B's or granted to it with the permission, and
 *              e + s <= VTE.end (readEnd, writeEnd for writes), at e;
 *
 * and must be refused otherwise. (It is also refused for home addresses from L on that case 1 does not reach. That is
 * allowed: nothing lives there.) Both arms leave an address a on the stack for one and the same instruction with static
 * offset d = o' + H, where o' is o in cases 1 and 2 and 0 in case 3. Wasm computes a + d without wrapping.
 *
 * Case 1, o + s <= R: home when t < L.
 *     Home arm: a = B + t < 2^31, no wrap. a + d = B + H + t + o, and t + o + s <= L - 1 + R. ✓
 *     Other arm, t >= L: see "VMA arm".
 *
 * Case 2, o + s > R and o < L: home when t < L - o, a constant > 0.
 *     Home arm: a = B + t. t + o < L, so t + o + s <= L - 1 + 16 < L + R. ✓
 *     Other arm, t >= L - o: see "VMA arm".
 *
 * Case 3, o + s > R and o >= L: never home. First t' = min(t + o, 2^32 - 1), then the VMA arm for pointer t' and o' = 0.
 *     t' is t + o mod 2^32, or 2^32 - 1 if that is < o, which is the carry of the addition. 2^32 - 1 is in the granule
 *     that is never given out, so the check fails; otherwise t' = t + o is e itself.
 *
 * VMA arm. e = t + o' mod 2^32. The VTE is found from e alone:
 *     g = i64 at GRANULE_TABLE + 8 * (e >>> 24), inside the table since e >>> 24 <= 255
 *     v = ((e >>> g) << 5) + (g >>> 32) mod 2^32 (the shift counts modulo 32, so only the table's low five bits matter)
 *     The trusted side keeps: for e of a granule that was given out, v is the VTE of the only VMA whose area contains e,
 *     that VMA begins at the area's start, and VTE.end <= the area's end; for any other e it is the zero VTE.
 *     Allowed when (owner of v = B, or entry of v in one of B's grant tables is v | permission) and e + s <= VTE.end.
 *     - e in no granule (any e < 2^31, and e >= 2^32 - 2^24): owner of the zero VTE is 0, B is not 0, and no grant table
 *       names the zero VTE: refused.
 *     - so if it passes, 2^31 <= e < 2^32 - 2^24: e + s did not wrap, and e is in the VMA from its first byte on. ✓
 *     - if t + o' >= 2^32, then e = t + o' - 2^32 < o'. o' > 0, so case 1 or 2: o' < R or o' < L <= 2^29, so e < 2^29:
 *       refused. So if it passes, e = t + o' exactly. ✓
 *     - address: a = t - H mod 2^32. If it passes, t = e - o' >= 2^31 - 2^29 > H, so a = t - H and
 *       a + d = t - H + o' + H = e. ✓
 *     jord:check-read or jord:check-write asks the question, grants included, and returns e only if the answer is yes; otherwise
 *     the fault is recorded, and it traps. First it asks whether the bytes are in the VMA that was looked up last, which the header
 *     has: where it starts, S, and its length N. PrivLib makes N 0 whenever this PD loses anything, so while N > 0, [S, S + N) is in
 *     a VMA that is permitted, and S + N <= 2^32 - 2^24. If (e - S mod 2^32) + s <= N, in 64 bits, so without another wrap, then
 *     e - S mod 2^32 <= N - s, and e = S + that, since the sum is below 2^32: [e, e + s) is in the VMA. If not, jord:look-up-…
 *     finds the VTE, and leaves S and N of it. This is what the paper has its VMA look-aside buffer for.
 *
 * Groups. Accesses with offsets o1, o2, … of one pointer t, all near (case 1), that nothing comes between but what computes,
 *     share a check: of [t + low, t + high), low the least offset and high the greatest o + s, for writing if one of them writes,
 *     and they share an address. In the home arm each is proven by itself. In the VMA arm e = t + low, s = high - low <= 255, and
 *     what was said of e and o' = low gives t + low = e exactly; so t + o = e + (o - low) is inside. VTEs that may be written may be
 *     read as far, so one check of both kinds is enough. If it fails, one of the accesses would have.
 *
 * The stack. A pointer that was computed from the stack pointer has case 1 only: home, or a fault. After that its address is
 *     good for as long as the pointer is, whatever is called: where the home is does not change.
 *
 * Known ranges. Where t < L (case 1) or t < L - o (case 2) whatever the path, as ranges.ts finds it, there is no question: a = B + t, as
 *     in the home arm. Where t = x + c, c a constant, and nothing wraps, a = B + x and the offset is larger by c: the same a + d. What a loop
 *     writes at such places, [f, e) with e <= L, can be marked before it, by jord:write-range.
 *
 * Windows. jord:find-read and jord:find-write leave where [t, t + n) is, A = B + H + t or A = t, or 0. Where it is not 0, A + y is
 *     accessed at o where y + o + s <= n, as if t + y had been: streams.ts has when that is known.
 *
 * Masks, where layout.addressMask = L - 1, L a power of two. In the home arm t < L, so t & (L - 1) = t. In case 2 t + o < L, and
 *     B + ((t + o) & (L - 1)) is accessed at H. In the VMA arm e is computed again from S and N, see `emitMasked`.
 *
 * Marks. In the home arm of a write the byte (t + m) >>> chunkShift of the dirty map becomes 1, at B + mapOffset + it. m is 0
 * where o + s <= 1 + RESTORED_BEHIND, and o otherwise. t + m < L + R, so it is below mapSize. With a marked chunk the
 * RESTORED_BEHIND bytes behind it are restored, and t + m is in the chunk: so all of the write is. For a group, marks stand at most a chunk
 * apart, up to the one that covers its last byte: what lies between two of them is in the chunk of one or the other.
 *
 * Which pointers have been translated, checked and marked, is known in translated.ts. What was checked is good until the next call,
 * the rest until the pointer changes. Every temporary is set before it is read, within what one access emits.
 */
import {
  ACCESS_ATOMIC,
  ACCESS_WRITE,
  FAULT_ACCESS,
  FAULT_ATOMIC_WAIT,
  GRANT_FACTOR_A,
  GRANT_FACTOR_B,
  GRANT_MASK,
  GRANT_SHIFT,
  GRANULE_SHIFT,
  GRANULE_TABLE,
  HOME_FAULT_ACCESS,
  HOME_FAULT_ADDRESS,
  HOME_FAULT_KIND,
  HOME_GRANT_TABLE_A,
  HOME_GRANT_TABLE_B,
  HOME_LAST_READ_LENGTH,
  HOME_LAST_READ_START,
  HOME_LAST_WRITE_LENGTH,
  HOME_LAST_WRITE_START,
  MEMORY_LIMIT_MAX,
  NULL_VTE,
  PERMISSION_READ_WRITE,
  RED_ZONE,
  RESTORED_BEHIND,
  VTE_CLASS_MASK,
  VTE_OWNER,
  VTE_READ_END,
  VTE_SHIFT,
  VTE_START,
  VTE_WRITE_END,
} from '../../core/layout.ts';
import {
  ADDED_CHECK_READ,
  ADDED_CHECK_WRITE,
  ADDED_LOOK_UP_READ,
  ADDED_LOOK_UP_WRITE,
  ADDED_REFUSE,
  ADDED_WRITE_RANGE,
} from './added.ts';
import {
  BLOCK_EMPTY,
  BLOCK_I32,
  type Emitter,
  HINT_LIKELY,
  HINT_UNLIKELY,
  NEED_ENTRY,
  NEED_GRANULE,
  NEED_POINTER,
  NEED_SECOND_I32,
  NEED_SECOND_I64,
  NEED_VALUE_F32,
  NEED_VALUE_F64,
  NEED_VALUE_I32,
  NEED_VALUE_I64,
  NEED_VALUE_V128,
} from './emit.ts';
import {
  type Access,
  OP_DROP,
  OP_ELSE,
  OP_END,
  OP_I32_ADD,
  OP_I32_AND,
  OP_I32_EQ,
  OP_I32_EQZ,
  OP_I32_GE_U,
  OP_I32_LE_U,
  OP_I32_LT_U,
  OP_I32_MUL,
  OP_I32_OR,
  OP_I32_SHL,
  OP_I32_SHR_U,
  OP_I32_STORE8,
  OP_I32_SUB,
  OP_I32_WRAP_I64,
  OP_I32_XOR,
  OP_I64_ADD,
  OP_I64_CONST,
  OP_I64_EXTEND_I32_U,
  OP_I64_GT_U,
  OP_I64_LOAD,
  OP_I64_LOAD32_U,
  OP_I64_SHR_S,
  OP_I64_SHR_U,
  OP_I64_SUB,
  OP_SELECT,
  OP_UNREACHABLE,
} from './opcodes.ts';
import type { HomeLayout, ValueType } from './types.ts';

const VALUE_NEEDS: Readonly<Partial<Record<ValueType, number>>> = {
  i32: NEED_VALUE_I32,
  i64: NEED_VALUE_I64,
  f32: NEED_VALUE_F32,
  f64: NEED_VALUE_F64,
  v128: NEED_VALUE_V128,
};

/** The NEED_ bit of the temporary that holds a value of this type. */
export function valueNeed(type: ValueType): number {
  const need = VALUE_NEEDS[type];
  if (need === undefined) throw new Error(`no temporary for values of type ${type}`);
  return need;
}

function secondNeed(type: ValueType): number {
  return type === 'i64' ? NEED_SECOND_I64 : NEED_SECOND_I32;
}

/** Temporaries that `emitAccess` needs for this access. */
export function accessNeeds(access: Access): number {
  return NEED_POINTER | (access.kind === 'wait' ? 0 : operandNeeds(access));
}

/** Temporaries that `setOperandsAside` needs. */
export function operandNeeds({ operands: [first, second] }: Access): number {
  return (first === undefined ? 0 : valueNeed(first)) | (second === undefined ? 0 : secondNeed(second));
}

/** What the algebra above takes for granted of a layout. */
export function checkLayout(layout: HomeLayout): void {
  const { headerSize, memoryLimit, mapOffset, mapSize, chunkShift, homeSize } = layout;
  const holds =
    headerSize < 2 ** 19 &&
    memoryLimit <= MEMORY_LIMIT_MAX &&
    mapOffset + mapSize <= headerSize &&
    mapSize * 2 ** chunkShift >= memoryLimit + RED_ZONE &&
    homeSize >= headerSize + memoryLimit + RED_ZONE;
  if (!holds) throw new Error('the guard cannot work with this home layout');
}

/** Bytes of a VMA that are checked together, from a pointer on: [pointer + low, pointer + high), not more than 255 of them. */
export interface CheckedRange {
  low: number;
  high: number;
  /** HOME_FAULT_ACCESS without the size. */
  flags: number;
}

/** Flags of HOME_FAULT_ACCESS. */
export function accessFlags(access: Access): number {
  return (access.write ? ACCESS_WRITE : 0) | (access.atomic ? ACCESS_ATOMIC : 0);
}

/**
 * The access of instruction `opcode`, whose operands and pointer are on the stack. `lane` is undefined for those without one; the last
 * two as in `emitStackPointer`.
 */
export function emitAccess(
  e: Emitter,
  opcode: number,
  access: Access,
  offset: number,
  alignment: number,
  lane: number | undefined,
  isHome = false,
  isMarked = false,
): void {
  if (access.kind === 'wait') {
    emitWait(e, access, offset);
    return;
  }
  setOperandsAside(e, access);
  emitStackPointer(e, access, offset, isHome, isMarked);
  putOperandsBack(e, access);
  emitAt(e, opcode, offset - foldedOffset(e.layout, access, offset), alignment, lane);
}

export function setOperandsAside(e: Emitter, access: Access): void {
  const [first, second] = access.operands;
  if (second !== undefined) e.set(e.temporary(secondNeed(second)));
  if (first !== undefined) e.set(e.temporary(valueNeed(first)));
}

export function putOperandsBack(e: Emitter, access: Access): void {
  const [first, second] = access.operands;
  if (first !== undefined) e.get(e.temporary(valueNeed(first)));
  if (second !== undefined) e.get(e.temporary(secondNeed(second)));
}

/** The instruction itself, at an address that stands for the pointer. */
export function emitAt(e: Emitter, opcode: number, offset: number, alignment: number, lane: number | undefined): void {
  e.memory(opcode, alignment, offset + e.layout.headerSize);
  if (lane !== undefined) e.op(lane);
}

/**
 * How much of an access's offset goes into the address of a pointer on the stack: all of it where the address is not that of the
 * pointer itself (case 3), or where it must be masked with the offset (case 2).
 */
export function foldedOffset(layout: HomeLayout, access: Access, offset: number): number {
  const isNear = offset + access.sizeBytes <= RED_ZONE;
  return !isNear && (layout.addressMask !== 0 || offset >= layout.memoryLimit) ? offset : 0;
}

/**
 * Takes a pointer from the stack and leaves an address for it and `foldedOffset`. `isHome`: it is known to be in the home;
 * `isMarked`: and what is written there is marked.
 */
export function emitStackPointer(e: Emitter, access: Access, offset: number, isHome: boolean, isMarked: boolean): void {
  const pointer = e.temporary(NEED_POINTER);
  const isNear = offset + access.sizeBytes <= RED_ZONE;
  if (isHome && (isMarked || !access.write) && e.layout.addressMask === 0) {
    e.get(e.base);
    e.op(OP_I32_ADD);
    return;
  }
  if (!isNear && offset >= e.layout.memoryLimit) {
    emitSaturatingAdd(e, pointer, offset);
    emitVmaArm(e, pointer, { low: 0, high: access.sizeBytes, flags: accessFlags(access) }, 0);
    return;
  }
  e.set(pointer);
  const marks = access.write ? [markOffset(offset, offset + access.sizeBytes)] : [];
  if (isHome) {
    emitMarks(e, pointer, marks);
    emitHomeAddress(e, pointer, foldedOffset(e.layout, access, offset));
    return;
  }
  const range = { low: offset, high: offset + access.sizeBytes, flags: accessFlags(access) };
  const end = isNear ? e.layout.memoryLimit : e.layout.memoryLimit - offset;
  emitTranslation(e, pointer, range, marks, end, foldedOffset(e.layout, access, offset));
}

/** Cases 1 and 2: leaves the address of the pointer in a local, which is in the home when it is below `end`, and of `offset`. */
export function emitTranslation(
  e: Emitter,
  pointer: number,
  range: CheckedRange,
  marks: readonly number[],
  end: number = e.layout.memoryLimit,
  offset = 0,
): void {
  e.get(pointer);
  if (end === e.layout.memoryLimit) e.limit();
  else e.i32(end);
  e.op(OP_I32_LT_U);
  e.if(BLOCK_I32, HINT_LIKELY);
  emitMarks(e, pointer, marks);
  emitHomeAddress(e, pointer, offset);
  e.op(OP_ELSE);
  emitVmaArm(e, pointer, range, offset);
  e.op(OP_END);
}

/** The same for a pointer that is known to be in the home. */
export function emitHomeTranslation(e: Emitter, pointer: number, marks: readonly number[]): void {
  emitMarks(e, pointer, marks);
  emitHomeAddress(e, pointer, 0);
}

/** Leaves the address of pointer + offset in the home. */
function emitHomeAddress(e: Emitter, pointer: number, offset: number): void {
  const { addressMask } = e.layout;
  e.get(e.base);
  e.get(pointer);
  if (offset !== 0) {
    e.i32(offset);
    e.op(OP_I32_ADD);
  }
  if (addressMask !== 0) {
    e.i32(addressMask);
    e.op(OP_I32_AND);
  }
  e.op(OP_I32_ADD);
}

/** The same for a pointer into the stack, which is in the home or faults. */
export function emitStackTranslation(e: Emitter, pointer: number, range: CheckedRange, marks: readonly number[]): void {
  e.get(pointer);
  e.limit();
  e.op(OP_I32_LT_U);
  e.if(BLOCK_EMPTY, HINT_LIKELY);
  e.op(OP_ELSE);
  e.get(pointer);
  if (range.low !== 0) {
    e.i32(range.low);
    e.op(OP_I32_ADD);
  }
  e.i32((range.high - range.low) | range.flags);
  e.callAdded(ADDED_REFUSE);
  e.op(OP_UNREACHABLE);
  e.op(OP_END);
  emitMarks(e, pointer, marks);
  emitHomeAddress(e, pointer, 0);
}

/** Body of jord:refuse, (e, access, base): the access is a fault. */
export function emitRefuse(e: Emitter): void {
  emitFault(e, FAULT_ACCESS, 0, () => e.get(1));
}

/** What a pointer that has been translated lacks: marks if it is in the home, a check if it is in a VMA. */
export function emitMore(e: Emitter, pointer: number, range: CheckedRange | undefined, marks: readonly number[]): void {
  e.get(pointer);
  e.limit();
  e.op(OP_I32_LT_U);
  e.if(BLOCK_EMPTY, HINT_LIKELY);
  emitMarks(e, pointer, marks);
  if (range !== undefined) {
    e.op(OP_ELSE);
    emitCheckCall(e, pointer, range);
    e.op(OP_DROP);
  }
  e.op(OP_END);
}

/** Case 3: pointer = min(stack + offset, 2^32 - 1). */
function emitSaturatingAdd(e: Emitter, pointer: number, offset: number): void {
  e.i32(offset);
  e.op(OP_I32_ADD);
  e.tee(pointer);
  e.i32(-1);
  e.get(pointer);
  e.i32(offset);
  e.op(OP_I32_GE_U);
  e.op(OP_SELECT);
  e.set(pointer);
}

/** Marks of a pointer that is known to be in the home. */
export function emitMarks(e: Emitter, pointer: number, marks: readonly number[]): void {
  for (const offset of marks) emitMark(e, pointer, offset);
}

/** Where to mark for a write of [pointer + low, pointer + high): at the pointer if a mark there covers it. */
export function markOffset(low: number, high: number): number {
  return high <= MARKED_BYTES ? 0 : low;
}

/** Bytes that a mark covers, from where it is made. */
export const MARKED_BYTES = 1 + RESTORED_BEHIND;

/** The mark of pointer + offset in the home. */
function emitMark(e: Emitter, pointer: number, offset: number): void {
  e.get(e.base);
  e.get(pointer);
  if (offset !== 0) {
    e.i32(offset);
    e.op(OP_I32_ADD);
  }
  e.i32(e.layout.chunkShift);
  e.op(OP_I32_SHR_U);
  e.op(OP_I32_ADD);
  e.i32(1);
  e.memory(OP_I32_STORE8, 0, e.layout.mapOffset);
}

/** The mark of a place in the home that is a constant. */
export function emitConstantMark(e: Emitter, place: number): void {
  e.get(e.base);
  e.i32(1);
  e.memory(OP_I32_STORE8, 0, e.layout.mapOffset + (place >>> e.layout.chunkShift));
}

/** Marks [low, high) of the home, all of it below the memory limit. */
export function emitMarkedRange(e: Emitter, low: number, high: number): void {
  e.i32(low);
  e.i32(high - low);
  e.callAdded(ADDED_WRITE_RANGE);
  e.op(OP_DROP);
}

/** Checks a range of a VMA, and leaves the address that stands for pointer + offset. */
function emitVmaArm(e: Emitter, pointer: number, range: CheckedRange, offset: number): void {
  emitCheckCall(e, pointer, range);
  e.i32(range.low - offset + e.layout.headerSize);
  e.op(OP_I32_SUB);
}

/** Leaves where the range begins. */
function emitCheckCall(e: Emitter, pointer: number, { low, high, flags }: CheckedRange): void {
  e.get(pointer);
  if (low !== 0) {
    e.i32(low);
    e.op(OP_I32_ADD);
  }
  e.i32((high - low) | flags);
  e.callAdded((flags & ACCESS_WRITE) !== 0 ? ADDED_CHECK_WRITE : ADDED_CHECK_READ);
}

/**
 * Body of jord:check-read and jord:check-write, (e, access, base) → e: returns only when the access of (access & 0xff) bytes at e
 * is allowed. It is small so that V8 puts it in the place of calls that are made often.
 */
export function emitCheck(e: Emitter, write: boolean): void {
  const [address, access] = [0, 1];
  emitIsElsewhere(e, address, access, write);
  e.if(BLOCK_EMPTY, HINT_UNLIKELY);
  e.get(address);
  e.get(access);
  e.callAdded(write ? ADDED_LOOK_UP_WRITE : ADDED_LOOK_UP_READ);
  e.op(OP_END);
  if (e.layout.addressMask === 0) e.get(address);
  else emitMasked(e, write);
}

/**
 * e again, computed: S + ((e - S) & m), m = ((e - S) + (s - 1) - N) >> 63 in 64 bits. That is all ones, since (e - S) + s <= N;
 * where a processor has guessed otherwise, it is 0, and the address S.
 */
function emitMasked(e: Emitter, write: boolean): void {
  const [address, access] = [0, 1];
  const start = write ? HOME_LAST_WRITE_START : HOME_LAST_READ_START;
  emitDistance(e, address, write);
  emitDistance(e, address, write);
  e.op(OP_I64_EXTEND_I32_U);
  e.get(access);
  e.i32(0xff);
  e.op(OP_I32_AND);
  e.i32(1);
  e.op(OP_I32_SUB);
  e.op(OP_I64_EXTEND_I32_U);
  e.op(OP_I64_ADD);
  e.get(e.base);
  e.memory(OP_I64_LOAD32_U, 2, write ? HOME_LAST_WRITE_LENGTH : HOME_LAST_READ_LENGTH);
  e.op(OP_I64_SUB);
  e.op(OP_I64_CONST);
  e.out.s32(63);
  e.op(OP_I64_SHR_S);
  e.op(OP_I32_WRAP_I64);
  e.op(OP_I32_AND);
  e.get(e.base);
  e.load32(start);
  e.op(OP_I32_ADD);
}

/**
 * Body of jord:look-up-read and jord:look-up-write, (e, access, base): the same by the VTE, grants included. Leaves the VMA in
 * HOME_LAST_…, or records the fault and traps.
 */
export function emitLookUp(e: Emitter, write: boolean): void {
  const [address, access] = [0, 1];
  emitPermitted(e, address, write);
  e.get(address);
  e.get(access);
  e.i32(0xff);
  e.op(OP_I32_AND);
  e.op(OP_I32_ADD);
  e.get(e.temporary(NEED_ENTRY));
  e.load32(write ? VTE_WRITE_END : VTE_READ_END);
  e.op(OP_I32_LE_U);
  e.op(OP_I32_AND);
  if (e.layout.addressMask !== 0) emitMaskEntry(e);
  e.op(OP_I32_EQZ);
  e.if(BLOCK_EMPTY, HINT_UNLIKELY);
  emitFault(e, FAULT_ACCESS, address, () => e.get(access));
  e.op(OP_END);
  emitRemember(e, write);
}

/** The entry becomes the null VTE if the answer on the stack, which stays there, is 0: by computing. */
function emitMaskEntry(e: Emitter): void {
  const answer = e.temporary(NEED_POINTER);
  const entry = e.temporary(NEED_ENTRY);
  e.tee(answer);
  e.i32(0);
  e.get(answer);
  e.op(OP_I32_SUB);
  e.get(entry);
  e.i32(NULL_VTE);
  e.op(OP_I32_SUB);
  e.op(OP_I32_AND);
  e.i32(NULL_VTE);
  e.op(OP_I32_ADD);
  e.set(entry);
}

/** Leaves whether some of the bytes are not in the VMA that was looked up last. */
function emitIsElsewhere(e: Emitter, address: number, access: number, write: boolean): void {
  emitDistance(e, address, write);
  e.op(OP_I64_EXTEND_I32_U);
  e.get(access);
  e.i32(0xff);
  e.op(OP_I32_AND);
  e.op(OP_I64_EXTEND_I32_U);
  e.op(OP_I64_ADD);
  e.get(e.base);
  e.memory(OP_I64_LOAD32_U, 2, write ? HOME_LAST_WRITE_LENGTH : HOME_LAST_READ_LENGTH);
  e.op(OP_I64_GT_U);
}

/** Leaves e - S modulo 2^32: how far the address is behind where the VMA that was looked up last starts. */
function emitDistance(e: Emitter, address: number, write: boolean): void {
  e.get(address);
  e.get(e.base);
  e.load32(write ? HOME_LAST_WRITE_START : HOME_LAST_READ_START);
  e.op(OP_I32_SUB);
}

/** HOME_LAST_… become those of the VMA whose VTE is in the entry temporary. */
function emitRemember(e: Emitter, write: boolean): void {
  const entry = e.temporary(NEED_ENTRY);
  const start = write ? HOME_LAST_WRITE_START : HOME_LAST_READ_START;
  e.get(e.base);
  e.get(entry);
  e.load32(VTE_START);
  e.i32(~VTE_CLASS_MASK);
  e.op(OP_I32_AND);
  e.store32(start);
  e.get(e.base);
  e.get(entry);
  e.load32(write ? VTE_WRITE_END : VTE_READ_END);
  e.get(e.base);
  e.load32(start);
  e.op(OP_I32_SUB);
  e.store32(write ? HOME_LAST_WRITE_LENGTH : HOME_LAST_READ_LENGTH);
}

/** Sets the entry temporary to the VTE of `address` and leaves whether this PD owns it or has the grant: 0 or 1. */
export function emitPermitted(e: Emitter, address: number, write: boolean): void {
  const entry = e.temporary(NEED_ENTRY);
  emitFindEntry(e, address, entry);
  e.get(entry);
  e.load32(VTE_OWNER);
  e.get(e.base);
  e.op(OP_I32_EQ);
  // Masks must not depend on a branch.
  const hasBranch = e.layout.addressMask === 0;
  if (hasBranch) {
    e.if(BLOCK_I32, HINT_LIKELY);
    e.i32(1);
    e.op(OP_ELSE);
  }
  emitGranted(e, entry, write, GRANT_FACTOR_A, HOME_GRANT_TABLE_A);
  emitGranted(e, entry, write, GRANT_FACTOR_B, HOME_GRANT_TABLE_B);
  e.op(OP_I32_OR);
  e.op(hasBranch ? OP_END : OP_I32_OR);
}

/** v = ((e >>> g) << 5) + (g >>> 32). One load reads both halves of g, so another thread cannot be seen half-way. */
function emitFindEntry(e: Emitter, address: number, entry: number): void {
  const granule = e.temporary(NEED_GRANULE);
  e.get(address);
  e.get(address);
  e.i32(GRANULE_SHIFT);
  e.op(OP_I32_SHR_U);
  e.i32(3);
  e.op(OP_I32_SHL);
  e.memory(OP_I64_LOAD, 3, GRANULE_TABLE);
  e.tee(granule);
  e.op(OP_I32_WRAP_I64);
  e.op(OP_I32_SHR_U);
  e.i32(VTE_SHIFT);
  e.op(OP_I32_SHL);
  e.get(granule);
  e.op(OP_I64_CONST);
  e.out.s32(32);
  e.op(OP_I64_SHR_U);
  e.op(OP_I32_WRAP_I64);
  e.op(OP_I32_ADD);
  e.set(entry);
}

/**
 * Leaves whether the entry's slot in a grant table is v | permission: 0 or 1. VTEs are multiples of 32, so x = slot ^ v
 * is the permission, if the slot is v's at all. Write: x = 3. Read: x = 1 or 3, that is (x | 2) = 3.
 */
function emitGranted(e: Emitter, entry: number, write: boolean, factor: number, table: number): void {
  e.get(entry);
  e.i32(factor);
  e.op(OP_I32_MUL);
  e.i32(GRANT_SHIFT);
  e.op(OP_I32_SHR_U);
  e.i32(GRANT_MASK);
  e.op(OP_I32_AND);
  e.get(e.base);
  e.op(OP_I32_ADD);
  e.load32(table);
  e.get(entry);
  e.op(OP_I32_XOR);
  if (!write) {
    e.i32(2);
    e.op(OP_I32_OR);
  }
  e.i32(PERMISSION_READ_WRITE);
  e.op(OP_I32_EQ);
}

/** Records the fault in the header and traps. `address` is a local, `access` leaves what HOME_FAULT_ACCESS gets. */
export function emitFault(e: Emitter, kind: number, address: number, access: () => void): void {
  e.get(e.base);
  e.i32(kind);
  e.store32(HOME_FAULT_KIND);
  e.get(e.base);
  e.get(address);
  e.store32(HOME_FAULT_ADDRESS);
  e.get(e.base);
  access();
  e.store32(HOME_FAULT_ACCESS);
  e.op(OP_UNREACHABLE);
}

/** memory.atomic.wait would block the executor: it faults always. */
function emitWait(e: Emitter, access: Access, offset: number): void {
  const pointer = e.temporary(NEED_POINTER);
  e.op(OP_DROP);
  e.op(OP_DROP);
  e.i32(offset);
  e.op(OP_I32_ADD);
  e.set(pointer);
  emitFault(e, FAULT_ATOMIC_WAIT, pointer, () => e.i32(access.sizeBytes | accessFlags(access)));
}
