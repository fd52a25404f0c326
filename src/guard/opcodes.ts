/**
 * The one table of WebAssembly's instructions: name, immediates and, for what touches memory, the kind of access.
 *
 * Every instruction has a dense number: its byte, or for a prefixed one the start of its prefix's range plus the number
 * behind the prefix. What is not in the table is unknown, and unknown instructions are refused: fail closed.
 */
import type { ValueType } from './types.ts';

// Dense numbers.
export const OPCODE_COUNT = 0x400;
export const PREFIX_GC = 0xfb;
export const PREFIX_MISC = 0xfc;
export const PREFIX_SIMD = 0xfd;
export const PREFIX_ATOMIC = 0xfe;
const GC_FIRST = 0x100;
const MISC_FIRST = 0x140;
const ATOMIC_FIRST = 0x180;
const SIMD_FIRST = 0x200;

// Those that the guard or the verifier looks at.
export const OP_UNREACHABLE = 0x00;
export const OP_BLOCK = 0x02;
export const OP_LOOP = 0x03;
export const OP_IF = 0x04;
export const OP_ELSE = 0x05;
export const OP_TRY = 0x06;
export const OP_CATCH = 0x07;
export const OP_THROW = 0x08;
export const OP_RETHROW = 0x09;
export const OP_THROW_REF = 0x0a;
export const OP_END = 0x0b;
export const OP_BR = 0x0c;
export const OP_BR_IF = 0x0d;
export const OP_BR_TABLE = 0x0e;
export const OP_RETURN = 0x0f;
export const OP_CALL = 0x10;
export const OP_CALL_INDIRECT = 0x11;
export const OP_RETURN_CALL = 0x12;
export const OP_RETURN_CALL_INDIRECT = 0x13;
export const OP_DELEGATE = 0x18;
export const OP_CATCH_ALL = 0x19;
export const OP_DROP = 0x1a;
export const OP_SELECT = 0x1b;
export const OP_TRY_TABLE = 0x1f;
export const OP_LOCAL_GET = 0x20;
export const OP_LOCAL_SET = 0x21;
export const OP_LOCAL_TEE = 0x22;
export const OP_GLOBAL_GET = 0x23;
export const OP_GLOBAL_SET = 0x24;
export const OP_TABLE_SET = 0x26;
export const OP_I32_LOAD = 0x28;
export const OP_I64_LOAD = 0x29;
export const OP_F32_LOAD = 0x2a;
export const OP_F64_LOAD = 0x2b;
export const OP_I32_LOAD8_U = 0x2d;
export const OP_I32_LOAD16_U = 0x2f;
export const OP_I64_LOAD32_U = 0x35;
export const OP_I32_STORE = 0x36;
export const OP_I64_STORE = 0x37;
export const OP_F32_STORE = 0x38;
export const OP_F64_STORE = 0x39;
export const OP_I32_STORE8 = 0x3a;
export const OP_MEMORY_SIZE = 0x3f;
export const OP_MEMORY_GROW = 0x40;
export const OP_I32_CONST = 0x41;
export const OP_I64_CONST = 0x42;
export const OP_I32_EQZ = 0x45;
export const OP_I32_EQ = 0x46;
export const OP_I32_NE = 0x47;
export const OP_I32_LT_S = 0x48;
export const OP_I32_LT_U = 0x49;
export const OP_I32_GT_U = 0x4b;
export const OP_I32_GT_S = 0x4a;
export const OP_I32_LE_S = 0x4c;
export const OP_I32_LE_U = 0x4d;
export const OP_I32_GE_S = 0x4e;
export const OP_I32_GE_U = 0x4f;
export const OP_I32_ADD = 0x6a;
export const OP_I32_SUB = 0x6b;
export const OP_I32_AND = 0x71;
export const OP_I32_OR = 0x72;
export const OP_I32_XOR = 0x73;
export const OP_I32_MUL = 0x6c;
export const OP_I32_SHL = 0x74;
export const OP_I32_SHR_U = 0x76;
export const OP_I64_GT_U = 0x56;
export const OP_I64_ADD = 0x7c;
export const OP_I64_SUB = 0x7d;
export const OP_I64_SHR_S = 0x87;
export const OP_I64_SHR_U = 0x88;
export const OP_I32_WRAP_I64 = 0xa7;
export const OP_I64_EXTEND_I32_U = 0xad;
export const OP_REF_FUNC = 0xd2;
export const OP_MEMORY_INIT = MISC_FIRST + 8;
export const OP_DATA_DROP = MISC_FIRST + 9;
export const OP_MEMORY_COPY = MISC_FIRST + 10;
export const OP_MEMORY_FILL = MISC_FIRST + 11;
export const OP_TABLE_INIT = MISC_FIRST + 12;
export const OP_ELEM_DROP = MISC_FIRST + 13;
export const OP_TABLE_COPY = MISC_FIRST + 14;
export const OP_TABLE_GROW = MISC_FIRST + 15;
export const OP_TABLE_FILL = MISC_FIRST + 17;
export const OP_I32_ATOMIC_LOAD = ATOMIC_FIRST + 0x10;
export const OP_I32_ATOMIC_STORE = ATOMIC_FIRST + 0x17;
export const OP_V128_LOAD = SIMD_FIRST;
export const OP_V128_STORE = SIMD_FIRST + 11;

// Immediates. What words a and b of a decoded instruction hold stands behind the dash.
export const IMMEDIATE_UNKNOWN = 0;
/** Known by name, never supported. */
export const IMMEDIATE_REFUSED = 1;
export const IMMEDIATE_NONE = 2;
/** A block type — a: index of the type, or a BLOCK_TYPE_ constant of instructions.ts. */
export const IMMEDIATE_BLOCK = 3;
/** One index — a: index. Of a label, local, global, function, table, tag or segment; which one the instruction says. */
export const IMMEDIATE_INDEX = 4;
/** Two indices — a, b in the order of the bytes. */
export const IMMEDIATE_INDEX_PAIR = 5;
/** Alignment and offset — a: offset, b: alignment (log2). */
export const IMMEDIATE_MEMORY = 6;
/** The same and a lane — b: alignment | lane << 8. */
export const IMMEDIATE_MEMORY_LANE = 7;
/** One byte — a. */
export const IMMEDIATE_BYTE = 8;
/** Constants — a: the value. */
export const IMMEDIATE_I32 = 9;
/** — b: its bytes; a: the value, where that is one. */
export const IMMEDIATE_I64 = 10;
export const IMMEDIATE_F32 = 11;
export const IMMEDIATE_F64 = 12;
/** 16 bytes: a constant or the lanes of a shuffle. */
export const IMMEDIATE_V128 = 13;
/** A reference type — a: its byte. */
export const IMMEDIATE_REFERENCE_TYPE = 14;
/** A vector of value types. */
export const IMMEDIATE_TYPES = 15;
/** Vector of labels and the default. */
export const IMMEDIATE_LABELS = 16;
/** A block type and catch clauses — a: as for a block. */
export const IMMEDIATE_TRY_TABLE = 17;

/** How an instruction touches memory. Operands are below the result and above the pointer on the stack. */
export interface Access {
  readonly kind: 'load' | 'store' | 'rmw' | 'notify' | 'wait';
  readonly sizeBytes: number;
  readonly write: boolean;
  readonly atomic: boolean;
  readonly operands: readonly ValueType[];
  readonly result: ValueType | undefined;
}

const names: (string | undefined)[] = new Array(OPCODE_COUNT).fill(undefined);
const refusals: (string | undefined)[] = new Array(OPCODE_COUNT).fill(undefined);
const accesses: (Access | undefined)[] = new Array(OPCODE_COUNT).fill(undefined);
/** Kind of immediates of each instruction. */
export const immediates = new Uint8Array(OPCODE_COUNT);

/** The dense number of a prefixed instruction, or -1 when there cannot be such a one. */
export function prefixedOpcode(prefix: number, sub: number): number {
  if (prefix === PREFIX_SIMD) return sub < OPCODE_COUNT - SIMD_FIRST ? SIMD_FIRST + sub : -1;
  if (prefix === PREFIX_ATOMIC) return sub < SIMD_FIRST - ATOMIC_FIRST ? ATOMIC_FIRST + sub : -1;
  if (prefix === PREFIX_MISC) return sub < ATOMIC_FIRST - MISC_FIRST ? MISC_FIRST + sub : -1;
  if (prefix === PREFIX_GC) return sub < MISC_FIRST - GC_FIRST ? GC_FIRST + sub : -1;
  return -1;
}

/** Prefix and number behind it; prefix 0 and the byte itself for plain instructions. */
export function opcodeParts(opcode: number): readonly [prefix: number, sub: number] {
  if (opcode < GC_FIRST) return [0, opcode];
  if (opcode < MISC_FIRST) return [PREFIX_GC, opcode - GC_FIRST];
  if (opcode < ATOMIC_FIRST) return [PREFIX_MISC, opcode - MISC_FIRST];
  if (opcode < SIMD_FIRST) return [PREFIX_ATOMIC, opcode - ATOMIC_FIRST];
  return [PREFIX_SIMD, opcode - SIMD_FIRST];
}

/** The name in the text format, or undefined for an unknown instruction. */
export function opcodeName(opcode: number): string | undefined {
  return names[opcode];
}

/** Why a known instruction is never supported. */
export function refusalReason(opcode: number): string {
  return refusals[opcode] ?? 'unknown';
}

/** The access of an instruction that touches memory at a pointer; undefined for others, bulk ones included. */
export function accessOf(opcode: number): Access | undefined {
  return accesses[opcode];
}

/** The number of the instruction of this name; for tests and tools. */
export function opcodeNamed(name: string): number {
  const opcode = names.indexOf(name);
  if (opcode < 0) throw new RangeError(`no instruction is called ${name}`);
  return opcode;
}

/** Names from `first` on, separated by spaces; `-` leaves a gap. `*` in front stands for `shape`. */
function define(first: number, immediate: number, list: string, shape = ''): void {
  let opcode = first;
  for (const word of list.trim().split(/\s+/)) {
    if (word !== '-') {
      names[opcode] = word.startsWith('*') ? shape + word.slice(1) : word;
      immediates[opcode] = immediate;
    }
    opcode += 1;
  }
}

function refuseAll(first: number, reason: string, list: string): void {
  define(first, IMMEDIATE_REFUSED, list);
  list
    .trim()
    .split(/\s+/)
    .forEach((_, i) => {
      refusals[first + i] = reason;
    });
}

type AccessShape = Omit<Access, 'sizeBytes'>;

/** Words `name:size` from `first` on. */
function defineAccesses(first: number, immediate: number, shape: AccessShape, list: string): void {
  list
    .trim()
    .split(/\s+/)
    .forEach((word, i) => {
      const [name = '', size = ''] = word.split(':');
      define(first + i, immediate, name);
      accesses[first + i] = { ...shape, sizeBytes: Number(size) };
    });
}

const load = (result: ValueType, atomic = false): AccessShape => ({
  kind: 'load',
  write: false,
  atomic,
  operands: [],
  result,
});
const store = (operand: ValueType, atomic = false): AccessShape => ({
  kind: 'store',
  write: true,
  atomic,
  operands: [operand],
  result: undefined,
});
const rmw = (operands: number, type: ValueType): AccessShape => ({
  kind: 'rmw',
  write: true,
  atomic: true,
  operands: Array<ValueType>(operands).fill(type),
  result: type,
});

function defineControl(): void {
  define(0x00, IMMEDIATE_NONE, 'unreachable nop');
  define(0x02, IMMEDIATE_BLOCK, 'block loop if - try');
  define(0x05, IMMEDIATE_NONE, 'else');
  define(0x07, IMMEDIATE_INDEX, 'catch throw rethrow');
  define(0x0a, IMMEDIATE_NONE, 'throw_ref end');
  define(0x0c, IMMEDIATE_INDEX, 'br br_if');
  define(0x0e, IMMEDIATE_LABELS, 'br_table');
  define(0x0f, IMMEDIATE_NONE, 'return');
  define(0x10, IMMEDIATE_INDEX, 'call - return_call');
  define(0x11, IMMEDIATE_INDEX_PAIR, 'call_indirect - return_call_indirect');
  refuseAll(0x14, 'typed function references', 'call_ref return_call_ref');
  define(0x18, IMMEDIATE_INDEX, 'delegate');
  define(0x19, IMMEDIATE_NONE, 'catch_all drop select');
  define(0x1c, IMMEDIATE_TYPES, 'select');
  define(0x1f, IMMEDIATE_TRY_TABLE, 'try_table');
  define(0x20, IMMEDIATE_INDEX, 'local.get local.set local.tee global.get global.set table.get table.set');
  define(0xd0, IMMEDIATE_REFERENCE_TYPE, 'ref.null');
  define(0xd1, IMMEDIATE_NONE, 'ref.is_null');
  define(0xd2, IMMEDIATE_INDEX, 'ref.func');
  refuseAll(0xd3, 'garbage collection', 'ref.eq');
  refuseAll(0xd4, 'typed function references', 'ref.as_non_null br_on_null br_on_non_null');
  refuseAll(0xe0, 'stack switching', 'cont.new cont.bind suspend resume resume_throw resume_throw_ref switch');
}

function defineNumbers(): void {
  define(0x3f, IMMEDIATE_INDEX, 'memory.size memory.grow');
  define(0x41, IMMEDIATE_I32, 'i32.const');
  define(0x42, IMMEDIATE_I64, 'i64.const');
  define(0x43, IMMEDIATE_F32, 'f32.const');
  define(0x44, IMMEDIATE_F64, 'f64.const');
  const compare = '*eqz *eq *ne *lt_s *lt_u *gt_s *gt_u *le_s *le_u *ge_s *ge_u';
  define(0x45, IMMEDIATE_NONE, compare, 'i32.');
  define(0x50, IMMEDIATE_NONE, compare, 'i64.');
  define(0x5b, IMMEDIATE_NONE, '*eq *ne *lt *gt *le *ge', 'f32.');
  define(0x61, IMMEDIATE_NONE, '*eq *ne *lt *gt *le *ge', 'f64.');
  const integer =
    '*clz *ctz *popcnt *add *sub *mul *div_s *div_u *rem_s *rem_u *and *or *xor *shl *shr_s *shr_u *rotl *rotr';
  define(0x67, IMMEDIATE_NONE, integer, 'i32.');
  define(0x79, IMMEDIATE_NONE, integer, 'i64.');
  const float = '*abs *neg *ceil *floor *trunc *nearest *sqrt *add *sub *mul *div *min *max *copysign';
  define(0x8b, IMMEDIATE_NONE, float, 'f32.');
  define(0x99, IMMEDIATE_NONE, float, 'f64.');
  define(0xa7, IMMEDIATE_NONE, '*wrap_i64 *trunc_f32_s *trunc_f32_u *trunc_f64_s *trunc_f64_u', 'i32.');
  define(
    0xac,
    IMMEDIATE_NONE,
    '*extend_i32_s *extend_i32_u *trunc_f32_s *trunc_f32_u *trunc_f64_s *trunc_f64_u',
    'i64.',
  );
  define(0xb2, IMMEDIATE_NONE, '*convert_i32_s *convert_i32_u *convert_i64_s *convert_i64_u *demote_f64', 'f32.');
  define(0xb7, IMMEDIATE_NONE, '*convert_i32_s *convert_i32_u *convert_i64_s *convert_i64_u *promote_f32', 'f64.');
  define(0xbc, IMMEDIATE_NONE, 'i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64');
  define(0xc0, IMMEDIATE_NONE, 'i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s');
  define(MISC_FIRST, IMMEDIATE_NONE, '*f32_s *f32_u *f64_s *f64_u', 'i32.trunc_sat_');
  define(MISC_FIRST + 4, IMMEDIATE_NONE, '*f32_s *f32_u *f64_s *f64_u', 'i64.trunc_sat_');
}

function defineMemory(): void {
  defineAccesses(0x28, IMMEDIATE_MEMORY, load('i32'), 'i32.load:4');
  defineAccesses(0x29, IMMEDIATE_MEMORY, load('i64'), 'i64.load:8');
  defineAccesses(0x2a, IMMEDIATE_MEMORY, load('f32'), 'f32.load:4');
  defineAccesses(0x2b, IMMEDIATE_MEMORY, load('f64'), 'f64.load:8');
  defineAccesses(0x2c, IMMEDIATE_MEMORY, load('i32'), 'i32.load8_s:1 i32.load8_u:1 i32.load16_s:2 i32.load16_u:2');
  defineAccesses(
    0x30,
    IMMEDIATE_MEMORY,
    load('i64'),
    'i64.load8_s:1 i64.load8_u:1 i64.load16_s:2 i64.load16_u:2 i64.load32_s:4 i64.load32_u:4',
  );
  defineAccesses(0x36, IMMEDIATE_MEMORY, store('i32'), 'i32.store:4');
  defineAccesses(0x37, IMMEDIATE_MEMORY, store('i64'), 'i64.store:8');
  defineAccesses(0x38, IMMEDIATE_MEMORY, store('f32'), 'f32.store:4');
  defineAccesses(0x39, IMMEDIATE_MEMORY, store('f64'), 'f64.store:8');
  defineAccesses(0x3a, IMMEDIATE_MEMORY, store('i32'), 'i32.store8:1 i32.store16:2');
  defineAccesses(0x3c, IMMEDIATE_MEMORY, store('i64'), 'i64.store8:1 i64.store16:2 i64.store32:4');
  define(MISC_FIRST + 8, IMMEDIATE_INDEX_PAIR, 'memory.init - memory.copy - table.init - table.copy');
  define(MISC_FIRST + 9, IMMEDIATE_INDEX, 'data.drop - memory.fill - elem.drop - table.grow table.size table.fill');
  refuseAll(MISC_FIRST + 19, 'wide arithmetic', 'i64.add128 i64.sub128 i64.mul_wide_s i64.mul_wide_u');
}

function defineSimdMemory(): void {
  defineAccesses(
    SIMD_FIRST,
    IMMEDIATE_MEMORY,
    load('v128'),
    `v128.load:16 v128.load8x8_s:8 v128.load8x8_u:8 v128.load16x4_s:8 v128.load16x4_u:8 v128.load32x2_s:8
     v128.load32x2_u:8 v128.load8_splat:1 v128.load16_splat:2 v128.load32_splat:4 v128.load64_splat:8`,
  );
  defineAccesses(SIMD_FIRST + 0x0b, IMMEDIATE_MEMORY, store('v128'), 'v128.store:16');
  defineAccesses(
    SIMD_FIRST + 0x54,
    IMMEDIATE_MEMORY_LANE,
    { ...load('v128'), operands: ['v128'] },
    'v128.load8_lane:1 v128.load16_lane:2 v128.load32_lane:4 v128.load64_lane:8',
  );
  defineAccesses(
    SIMD_FIRST + 0x58,
    IMMEDIATE_MEMORY_LANE,
    store('v128'),
    'v128.store8_lane:1 v128.store16_lane:2 v128.store32_lane:4 v128.store64_lane:8',
  );
  defineAccesses(SIMD_FIRST + 0x5c, IMMEDIATE_MEMORY, load('v128'), 'v128.load32_zero:4 v128.load64_zero:8');
}

function defineSimdShapes(): void {
  define(SIMD_FIRST + 0x0c, IMMEDIATE_V128, 'v128.const i8x16.shuffle');
  define(
    SIMD_FIRST + 0x0e,
    IMMEDIATE_NONE,
    'i8x16.swizzle i8x16.splat i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat',
  );
  define(SIMD_FIRST + 0x15, IMMEDIATE_BYTE, '*extract_lane_s *extract_lane_u *replace_lane', 'i8x16.');
  define(SIMD_FIRST + 0x18, IMMEDIATE_BYTE, '*extract_lane_s *extract_lane_u *replace_lane', 'i16x8.');
  define(SIMD_FIRST + 0x1b, IMMEDIATE_BYTE, '*extract_lane *replace_lane', 'i32x4.');
  define(SIMD_FIRST + 0x1d, IMMEDIATE_BYTE, '*extract_lane *replace_lane', 'i64x2.');
  define(SIMD_FIRST + 0x1f, IMMEDIATE_BYTE, '*extract_lane *replace_lane', 'f32x4.');
  define(SIMD_FIRST + 0x21, IMMEDIATE_BYTE, '*extract_lane *replace_lane', 'f64x2.');
  const compare = '*eq *ne *lt_s *lt_u *gt_s *gt_u *le_s *le_u *ge_s *ge_u';
  define(SIMD_FIRST + 0x23, IMMEDIATE_NONE, compare, 'i8x16.');
  define(SIMD_FIRST + 0x2d, IMMEDIATE_NONE, compare, 'i16x8.');
  define(SIMD_FIRST + 0x37, IMMEDIATE_NONE, compare, 'i32x4.');
  define(SIMD_FIRST + 0x41, IMMEDIATE_NONE, '*eq *ne *lt *gt *le *ge', 'f32x4.');
  define(SIMD_FIRST + 0x47, IMMEDIATE_NONE, '*eq *ne *lt *gt *le *ge', 'f64x2.');
  define(SIMD_FIRST + 0x4d, IMMEDIATE_NONE, '*not *and *andnot *or *xor *bitselect *any_true', 'v128.');
  define(SIMD_FIRST + 0x5e, IMMEDIATE_NONE, 'f32x4.demote_f64x2_zero f64x2.promote_low_f32x4');
}

function defineSimdArithmetic(): void {
  define(
    SIMD_FIRST + 0x60,
    IMMEDIATE_NONE,
    '*abs *neg *popcnt *all_true *bitmask *narrow_i16x8_s *narrow_i16x8_u',
    'i8x16.',
  );
  define(SIMD_FIRST + 0x67, IMMEDIATE_NONE, '*ceil *floor *trunc *nearest', 'f32x4.');
  define(
    SIMD_FIRST + 0x6b,
    IMMEDIATE_NONE,
    '*shl *shr_s *shr_u *add *add_sat_s *add_sat_u *sub *sub_sat_s *sub_sat_u - - *min_s *min_u *max_s *max_u - *avgr_u',
    'i8x16.',
  );
  define(SIMD_FIRST + 0x74, IMMEDIATE_NONE, '*ceil *floor - - - - *trunc', 'f64x2.');
  define(SIMD_FIRST + 0x7c, IMMEDIATE_NONE, '*s *u', 'i16x8.extadd_pairwise_i8x16_');
  define(SIMD_FIRST + 0x7e, IMMEDIATE_NONE, '*s *u', 'i32x4.extadd_pairwise_i16x8_');
  define(
    SIMD_FIRST + 0x80,
    IMMEDIATE_NONE,
    `*abs *neg *q15mulr_sat_s *all_true *bitmask *narrow_i32x4_s *narrow_i32x4_u *extend_low_i8x16_s
     *extend_high_i8x16_s *extend_low_i8x16_u *extend_high_i8x16_u *shl *shr_s *shr_u *add *add_sat_s *add_sat_u *sub
     *sub_sat_s *sub_sat_u - *mul *min_s *min_u *max_s *max_u - *avgr_u *extmul_low_i8x16_s *extmul_high_i8x16_s
     *extmul_low_i8x16_u *extmul_high_i8x16_u`,
    'i16x8.',
  );
  define(SIMD_FIRST + 0x94, IMMEDIATE_NONE, 'f64x2.nearest');
  define(
    SIMD_FIRST + 0xa0,
    IMMEDIATE_NONE,
    `*abs *neg - *all_true *bitmask - - *extend_low_i16x8_s *extend_high_i16x8_s *extend_low_i16x8_u
     *extend_high_i16x8_u *shl *shr_s *shr_u *add - - *sub - - - *mul *min_s *min_u *max_s *max_u *dot_i16x8_s -
     *extmul_low_i16x8_s *extmul_high_i16x8_s *extmul_low_i16x8_u *extmul_high_i16x8_u`,
    'i32x4.',
  );
  define(
    SIMD_FIRST + 0xc0,
    IMMEDIATE_NONE,
    `*abs *neg - *all_true *bitmask - - *extend_low_i32x4_s *extend_high_i32x4_s *extend_low_i32x4_u
     *extend_high_i32x4_u *shl *shr_s *shr_u *add - - *sub - - - *mul *eq *ne *lt_s *gt_s *le_s *ge_s
     *extmul_low_i32x4_s *extmul_high_i32x4_s *extmul_low_i32x4_u *extmul_high_i32x4_u`,
    'i64x2.',
  );
  const float = '*abs *neg - *sqrt *add *sub *mul *div *min *max *pmin *pmax';
  define(SIMD_FIRST + 0xe0, IMMEDIATE_NONE, float, 'f32x4.');
  define(SIMD_FIRST + 0xec, IMMEDIATE_NONE, float, 'f64x2.');
  define(
    SIMD_FIRST + 0xf8,
    IMMEDIATE_NONE,
    `i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u
     i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u`,
  );
  define(
    SIMD_FIRST + 0x100,
    IMMEDIATE_NONE,
    `i8x16.relaxed_swizzle i32x4.relaxed_trunc_f32x4_s i32x4.relaxed_trunc_f32x4_u i32x4.relaxed_trunc_f64x2_s_zero
     i32x4.relaxed_trunc_f64x2_u_zero f32x4.relaxed_madd f32x4.relaxed_nmadd f64x2.relaxed_madd f64x2.relaxed_nmadd
     i8x16.relaxed_laneselect i16x8.relaxed_laneselect i32x4.relaxed_laneselect i64x2.relaxed_laneselect
     f32x4.relaxed_min f32x4.relaxed_max f64x2.relaxed_min f64x2.relaxed_max i16x8.relaxed_q15mulr_s
     i16x8.relaxed_dot_i8x16_i7x16_s i32x4.relaxed_dot_i8x16_i7x16_add_s`,
  );
}

function defineAtomics(): void {
  const wait = (type: ValueType): AccessShape => ({
    kind: 'wait',
    write: false,
    atomic: true,
    operands: [type, 'i64'],
    result: 'i32',
  });
  const notify: AccessShape = { kind: 'notify', write: false, atomic: true, operands: ['i32'], result: 'i32' };
  const at = (sub: number, shape: AccessShape, list: string): void =>
    defineAccesses(ATOMIC_FIRST + sub, IMMEDIATE_MEMORY, shape, list);
  at(0x00, notify, 'memory.atomic.notify:4');
  at(0x01, wait('i32'), 'memory.atomic.wait32:4');
  at(0x02, wait('i64'), 'memory.atomic.wait64:8');
  define(ATOMIC_FIRST + 3, IMMEDIATE_BYTE, 'atomic.fence');
  at(0x10, load('i32', true), 'i32.atomic.load:4');
  at(0x11, load('i64', true), 'i64.atomic.load:8');
  at(0x12, load('i32', true), 'i32.atomic.load8_u:1 i32.atomic.load16_u:2');
  at(0x14, load('i64', true), 'i64.atomic.load8_u:1 i64.atomic.load16_u:2 i64.atomic.load32_u:4');
  at(0x17, store('i32', true), 'i32.atomic.store:4');
  at(0x18, store('i64', true), 'i64.atomic.store:8');
  at(0x19, store('i32', true), 'i32.atomic.store8:1 i32.atomic.store16:2');
  at(0x1b, store('i64', true), 'i64.atomic.store8:1 i64.atomic.store16:2 i64.atomic.store32:4');
  ['add', 'sub', 'and', 'or', 'xor', 'xchg', 'cmpxchg'].forEach((operation, i) => {
    const first = 0x1e + 7 * i;
    const count = operation === 'cmpxchg' ? 2 : 1;
    const o = operation;
    at(first, rmw(count, 'i32'), `i32.atomic.rmw.${o}:4`);
    at(first + 1, rmw(count, 'i64'), `i64.atomic.rmw.${o}:8`);
    at(first + 2, rmw(count, 'i32'), `i32.atomic.rmw8.${o}_u:1 i32.atomic.rmw16.${o}_u:2`);
    at(first + 4, rmw(count, 'i64'), `i64.atomic.rmw8.${o}_u:1 i64.atomic.rmw16.${o}_u:2 i64.atomic.rmw32.${o}_u:4`);
  });
}

function defineRefusedGroups(): void {
  refuseAll(
    GC_FIRST,
    'garbage collection',
    `struct.new struct.new_default struct.get struct.get_s struct.get_u struct.set array.new array.new_default
     array.new_fixed array.new_data array.new_elem array.get array.get_s array.get_u array.set array.len array.fill
     array.copy array.init_data array.init_elem ref.test ref.test_null ref.cast ref.cast_null br_on_cast
     br_on_cast_fail any.convert_extern extern.convert_any ref.i31 i31.get_s i31.get_u`,
  );
  refuseAll(
    ATOMIC_FIRST + 0x4f,
    'shared-everything threads',
    'global.atomic.get global.atomic.set global.atomic.rmw.add global.atomic.rmw.sub global.atomic.rmw.and',
  );
}

defineControl();
defineNumbers();
defineMemory();
defineSimdMemory();
defineSimdShapes();
defineSimdArithmetic();
defineAtomics();
defineRefusedGroups();
