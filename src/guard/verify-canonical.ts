/**
 * Code that the verifier knows word for word: the functions that the guard adds, and the deadline check.
 *
 * The added functions are compared with what stands here, and not interpreted. They are few and the same in every module
 * but for numbers of the layout; they hold what is hard to prove and easy to read (ranges of any length, grants, marks of
 * many chunks, the order of atomics); and what a caller may rely on is then a sentence, next to the text. This text is
 * written by hand from the algebra in access.ts, bulk.ts and deadline.ts, and shares nothing with the emitter.
 */
import {
  ACCESS_BULK,
  ACCESS_WRITE,
  CONTROL_NOW_MS,
  FAULT_ACCESS,
  FAULT_CANCELLED,
  FAULT_DEADLINE,
  FAULT_GROW_REFUSED,
  FAULT_SEGMENT,
  GRANT_FACTOR_A,
  GRANT_FACTOR_B,
  GRANT_MASK,
  GRANT_SHIFT,
  GRANULE_SHIFT,
  GRANULE_TABLE,
  HOME_DEADLINE_MS,
  HOME_END_MS,
  HOME_FAULT_ACCESS,
  HOME_FAULT_ADDRESS,
  HOME_FAULT_KIND,
  HOME_GRANT_TABLE_A,
  HOME_GRANT_TABLE_B,
  HOME_INVOCATION,
  HOME_LAST_READ_LENGTH,
  HOME_LAST_READ_START,
  HOME_LAST_WRITE_LENGTH,
  HOME_LAST_WRITE_START,
  HOME_MEMORY_PAGES,
  INVOCATION_CANCELLED,
  NULL_VTE,
  VTE_CLASS_MASK,
  VTE_OWNER,
  VTE_READ_END,
  VTE_SHIFT,
  VTE_START,
  VTE_WRITE_END,
} from '../../core/layout.ts';
import { BLOCK_TYPE_EMPTY, BLOCK_TYPE_VALUE, type InstructionList, WORD_A, WORD_B, WORDS } from './instructions.ts';
import {
  IMMEDIATE_BLOCK,
  IMMEDIATE_I64,
  IMMEDIATE_INDEX_PAIR,
  IMMEDIATE_NONE,
  immediates,
  OP_I32_LOAD8_U,
  opcodeNamed,
} from './opcodes.ts';
import type { HomeLayout, ValueType } from './types.ts';

/** Three words an instruction: opcode, and its immediates a and b or ANYTHING. */
export type Canonical = Int32Array;
const CANONICAL_WORDS = 3;
const ANYTHING = -0x8000_0000;
/** Stand for the local that holds `base`, and for the index of a function that the guard adds. */
const BASE = -0x7fff_ffff;
const ADDED_FIRST = -0x7000_0000;
/** Stand for the number of a data segment and the place of its flag. */
const SEGMENT = -0x6000_0000;
const FLAG = -0x6000_0001;

/** Places of the functions that the guard adds, from the first of them on. */
export const CHECK_READ = 0;
export const CHECK_WRITE = 1;
const LOOK_UP_READ = 2;
const LOOK_UP_WRITE = 3;
export const REFUSE = 4;
const READABLE_END = 5;
const WRITABLE_END = 6;
const READ_RANGE = 7;
export const WRITE_RANGE = 8;
export const COPY = 9;
export const FILL = 10;
export const GROW = 11;
export const INTERRUPTED = 12;
export const FIND_READ = 13;
export const FIND_WRITE = 14;
/** One for each data segment, then `jord:init`. */
export const INIT_SEGMENT_FIRST = 15;

const end = (write: boolean): number => (write ? VTE_WRITE_END : VTE_READ_END);
const lastStart = (write: boolean): number => (write ? HOME_LAST_WRITE_START : HOME_LAST_READ_START);
const lastLength = (write: boolean): number => (write ? HOME_LAST_WRITE_LENGTH : HOME_LAST_READ_LENGTH);

const ADDED_NAMES: ReadonlyMap<string, number> = new Map([
  ['$check-read', CHECK_READ],
  ['$check-write', CHECK_WRITE],
  ['$look-up-read', LOOK_UP_READ],
  ['$look-up-write', LOOK_UP_WRITE],
  ['$readable-end', READABLE_END],
  ['$writable-end', WRITABLE_END],
  ['$read-range', READ_RANGE],
  ['$write-range', WRITE_RANGE],
  ['$interrupted', INTERRUPTED],
]);

/** `NAME`, `NAME a` or `NAME a b`, separated by semicolons and line ends; `base` is the local that holds it. */
function canonical(text: string): Canonical {
  const instructions = text
    .split(/[;\n]/)
    .map((part) => part.trim().split(/\s+/))
    .filter(([name]) => name !== '');
  return Int32Array.from(instructions.flatMap(([name = '', ...words]) => canonicalInstruction(name, words)));
}

function canonicalInstruction(name: string, words: readonly string[]): readonly number[] {
  const [a, b] = words.map(canonicalWord);
  const opcode = opcodeNamed(name);
  const immediate = immediates[opcode] as number; // an opcode is inside the table
  if (immediate === IMMEDIATE_NONE) return [opcode, ANYTHING, ANYTHING];
  if (immediate === IMMEDIATE_BLOCK) return [opcode, a ?? BLOCK_TYPE_EMPTY, ANYTHING];
  if (a === undefined) throw new Error(`${name} has an immediate`);
  // A constant of one byte, which is known by its value.
  if (immediate === IMMEDIATE_I64) return [opcode, a, 1];
  return [opcode, a, immediate === IMMEDIATE_INDEX_PAIR ? (b ?? 0) : ANYTHING];
}

function canonicalWord(word: string): number {
  if (word === 'base') return BASE;
  if (word === 'i32') return BLOCK_TYPE_VALUE;
  if (word === 'segment') return SEGMENT;
  if (word === 'flag') return FLAG;
  if (word === 'any') return ANYTHING;
  const added = ADDED_NAMES.get(word);
  if (added !== undefined) return ADDED_FIRST + added;
  const value = Number(word);
  if (!Number.isInteger(value)) throw new Error(`${word} is no number`);
  return value | 0;
}

/** How many instructions it has. */
export function canonicalLength(wanted: Canonical): number {
  return wanted.length / CANONICAL_WORDS;
}

/** Whether these instructions stand in the list from instruction `first` on. */
export function standsAt(
  wanted: Canonical,
  { words, count }: InstructionList,
  first: number,
  base: number,
  addedFirst: number,
): boolean {
  if (first + canonicalLength(wanted) > count) return false;
  let at = first * WORDS;
  for (let i = 0; i < wanted.length; i += CANONICAL_WORDS) {
    if (words[at] !== wanted[i]) return false;
    const a = wanted[i + 1] as number; // whole instructions
    if (a !== ANYTHING && words[at + WORD_A] !== actual(a, base, addedFirst)) return false;
    const b = wanted[i + 2];
    if (b !== ANYTHING && words[at + WORD_B] !== b) return false;
    at += WORDS;
  }
  return true;
}

function actual(word: number, base: number, addedFirst: number): number {
  if (word === BASE) return base;
  return word >= ADDED_FIRST && word < ADDED_FIRST + INIT_SEGMENT_FIRST ? word - ADDED_FIRST + addedFirst : word;
}

/** How much time is left until that at an offset of the header, and 0. */
const left = (time: number): string => `
  local.get base; i32.load ${time}; i32.const 0; i32.load ${CONTROL_NOW_MS}; i32.sub; i32.const 0`;
/** Whether now is that time, or later. */
const reached = (time: number): string => `${left(time)}; i32.le_s`;

const CANCELLED = `local.get base; i32.load ${HOME_INVOCATION}; i32.atomic.load ${INVOCATION_CANCELLED}`;

/** In this order and with these atomics, or a cancellation can be lost. */
const MUST_END = `
  local.get base; local.get base; i32.load ${HOME_END_MS}; i32.atomic.store ${HOME_DEADLINE_MS}
  ${CANCELLED}
  ${reached(HOME_END_MS)}
  i32.or`;

const DEADLINE = `${left(HOME_DEADLINE_MS)}; i32.gt_s; if; else; local.get base; call $interrupted; end`;

/** The deadline check in its two forms: behind it, the deadline had not passed when it was reached. */
export const DEADLINE_CHECKS: readonly Canonical[] = [
  canonical(DEADLINE),
  canonical(`${reached(HOME_DEADLINE_MS)}; if; ${MUST_END}
    if; local.get base; call $interrupted; unreachable; end
    end`),
];

/**
 * The check of a loop whose closer look is elsewhere, up to the `br_if` that leads there; and that closer look: behind it, neither had the
 * deadline passed when it was reached, nor was the invocation cancelled.
 */
export const LATE_CHECK: Canonical = canonical(reached(HOME_DEADLINE_MS));
export const CLOSER_LOOK: Canonical = canonical(`${MUST_END}; if; local.get base; call $interrupted; unreachable; end`);

/** Locals of a canonical body, behind the parameters. */
export interface CanonicalFunction {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly locals: readonly ValueType[];
  readonly code: Canonical;
}

const I32 = 'i32';

function added(
  name: string,
  parameterCount: number,
  results: readonly ValueType[],
  locals: readonly ValueType[],
  text: string,
): CanonicalFunction {
  const parameters = Array.from({ length: parameterCount }, (): ValueType => I32);
  return { name, parameters, results, locals, code: canonical(`${text}; end`) };
}

/** Sets local `entry` to the VTE of the address in a local. `granule` is an i64 local. */
function findEntry(address: number, entry: number, granule: number): string {
  return `
    local.get ${address}
    local.get ${address}; i32.const ${GRANULE_SHIFT}; i32.shr_u; i32.const 3; i32.shl
    i64.load ${GRANULE_TABLE}; local.tee ${granule}
    i32.wrap_i64; i32.shr_u; i32.const ${VTE_SHIFT}; i32.shl
    local.get ${granule}; i64.const 32; i64.shr_u; i32.wrap_i64
    i32.add; local.set ${entry}`;
}

function granted(entry: number, write: boolean, factor: number, table: number): string {
  return `
    local.get ${entry}; i32.const ${factor}; i32.mul; i32.const ${GRANT_SHIFT}; i32.shr_u; i32.const ${GRANT_MASK}; i32.and
    local.get base; i32.add; i32.load ${table}
    local.get ${entry}; i32.xor; ${write ? '' : 'i32.const 2; i32.or;'} i32.const 3; i32.eq`;
}

/** Sets `entry`; leaves whether the PD owns the VMA of the address, or was granted the permission: without a branch where addresses are masked. */
function permitted(address: number, entry: number, granule: number, write: boolean, isMasked: boolean): string {
  return `
    ${findEntry(address, entry, granule)}
    local.get ${entry}; i32.load ${VTE_OWNER}; local.get base; i32.eq
    ${isMasked ? '' : 'if i32; i32.const 1; else'}
    ${granted(entry, write, GRANT_FACTOR_A, HOME_GRANT_TABLE_A)}
    ${granted(entry, write, GRANT_FACTOR_B, HOME_GRANT_TABLE_B)}
    i32.or
    ${isMasked ? 'i32.or' : 'end'}`;
}

/** Records a fault and traps. `access` leaves what it was. */
function fault(kind: number, address: number, access: string): string {
  return `
    local.get base; i32.const ${kind}; i32.store ${HOME_FAULT_KIND}
    local.get base; local.get ${address}; i32.store ${HOME_FAULT_ADDRESS}
    local.get base; ${access}; i32.store ${HOME_FAULT_ACCESS}
    unreachable`;
}

/**
 * (e, code, base) → e. Returns only if [e, e + (code & 0xff)) is in one VMA that may be read, or written. Where addresses are masked,
 * e is computed from that VMA's bounds: access.ts says why it is e.
 */
function check(write: boolean, isMasked: boolean): CanonicalFunction {
  const kind = write ? 'write' : 'read';
  const distance = `local.get 0; local.get base; i32.load ${lastStart(write)}; i32.sub`;
  const length = `local.get base; i64.load32_u ${lastLength(write)}`;
  const masked = `
    ${distance}
    ${distance}; i64.extend_i32_u
    local.get 1; i32.const 255; i32.and; i32.const 1; i32.sub; i64.extend_i32_u; i64.add; ${length}; i64.sub
    i64.const 63; i64.shr_s; i32.wrap_i64; i32.and
    local.get base; i32.load ${lastStart(write)}; i32.add`;
  return added(
    `jord:check-${kind}`,
    3,
    [I32],
    [],
    `${distance}; i64.extend_i32_u; local.get 1; i32.const 255; i32.and; i64.extend_i32_u; i64.add; ${length}; i64.gt_u
     if
       local.get 0; local.get 1; local.get base; call $look-up-${kind}
     end
     ${isMasked ? masked : 'local.get 0'}`,
  );
}

/** (e, code, base): the same, without the result; and that VMA is then the one in HOME_LAST_…. */
function lookUp(write: boolean, isMasked: boolean): CanonicalFunction {
  const [pointer, entry, granule] = isMasked ? [3, 4, 5] : [-1, 3, 4];
  // Behind it the entry is NULL_VTE if the answer is no.
  const mask = `
    local.tee ${pointer}; i32.const 0; local.get ${pointer}; i32.sub
    local.get ${entry}; i32.const ${NULL_VTE}; i32.sub; i32.and; i32.const ${NULL_VTE}; i32.add; local.set ${entry}`;
  return added(
    `jord:look-up-${write ? 'write' : 'read'}`,
    3,
    [],
    isMasked ? ['i32', 'i32', 'i64'] : ['i32', 'i64'],
    `${permitted(0, entry, granule, write, isMasked)}
     local.get 0; local.get 1; i32.const 255; i32.and; i32.add; local.get ${entry}; i32.load ${end(write)}; i32.le_u
     i32.and; ${isMasked ? mask : ''}; i32.eqz
     if
       ${fault(FAULT_ACCESS, 0, 'local.get 1')}
     end
     local.get base; local.get ${entry}; i32.load ${VTE_START}; i32.const ${~VTE_CLASS_MASK}; i32.and
     i32.store ${lastStart(write)}
     local.get base; local.get ${entry}; i32.load ${end(write)}; local.get base; i32.load ${lastStart(write)}; i32.sub
     i32.store ${lastLength(write)}`,
  );
}

/** (e, code, base): records the fault, and traps. */
const REFUSE_FUNCTION = added('jord:refuse', 3, [], [], fault(FAULT_ACCESS, 0, 'local.get 1'));

/** (e, base) → the end of the VMA of e if it may be read, or written; 0 if not. */
function vmaEnd(write: boolean, isMasked: boolean): CanonicalFunction {
  return added(
    `jord:${write ? 'writable' : 'readable'}-end`,
    2,
    [I32],
    ['i32', 'i64'],
    `${permitted(0, 2, 3, write, isMasked)}
     if i32
       local.get 2; i32.load ${end(write)}
     else
       i32.const 0
     end`,
  );
}

function checkFunctions(isMasked: boolean): readonly CanonicalFunction[] {
  return [
    check(false, isMasked),
    check(true, isMasked),
    lookUp(false, isMasked),
    lookUp(true, isMasked),
    REFUSE_FUNCTION,
    vmaEnd(false, isMasked),
    vmaEnd(true, isMasked),
  ];
}

const CHECK_FUNCTIONS = checkFunctions(false);
const MASKED_CHECK_FUNCTIONS = checkFunctions(true);

/** Marks the chunks of [a, a + n), n in local 1, if it is not 0. */
function markChunks({ chunkShift, mapOffset }: HomeLayout): string {
  const chunk = (address: string): string => `${address}; i32.const ${chunkShift}; i32.shr_u`;
  const first = chunk('local.get 0');
  const last = chunk('local.get 0; local.get 1; i32.add; i32.const 1; i32.sub');
  return `
    local.get 1
    if
      local.get base; ${first}; i32.add; i32.const 1; i32.store8 ${mapOffset}
      local.get base; ${last}; i32.add; i32.const 1; i32.store8 ${mapOffset}
      ${last}; ${first}; i32.sub; i32.const 1; i32.gt_u
      if
        local.get base; i32.const ${mapOffset}; i32.add; ${first}; i32.add
        i32.const 1
        ${last}; ${first}; i32.sub; i32.const 1; i32.add
        memory.fill 0
      end
    end`;
}

/**
 * (a, n, base) → where [a, a + n) is in the address space: all of it in the home, and all its chunks marked if it is for writing; or all
 * of it in one VMA that may be read, or written. 0 if it is neither, or, for writing, in the home and longer than 64 KiB. An address is
 * never 0: in the home it is behind base, and in a VMA 2^31 at least.
 */
function find(write: boolean, layout: HomeLayout): CanonicalFunction {
  const { memoryLimit, headerSize } = layout;
  return added(
    `jord:find-${write ? 'write' : 'read'}`,
    3,
    [I32],
    ['i32'],
    `local.get 0; i32.const ${memoryLimit}; i32.le_u
     local.get 1; i32.const ${memoryLimit}; local.get 0; i32.sub; i32.le_u
     i32.and
     ${write ? 'local.get 1; i32.const 65536; i32.le_u; i32.and' : ''}
     if i32
       ${write ? markChunks(layout) : ''}
       local.get base; local.get 0; i32.add; i32.const ${headerSize}; i32.add
     else
       local.get 0; local.get base; call ${write ? '$writable-end' : '$readable-end'}; local.set 3
       local.get 0; i32.const 0
       local.get 0; local.get 3; i32.le_u
       local.get 1; local.get 3; local.get 0; i32.sub; i32.le_u
       i32.and
       select
     end`,
  );
}

/**
 * (a, n, base) → where [a, a + n) is in the address space. Returns only if that is wholly in the home and, for writing, all
 * its chunks are marked; or wholly in one VMA that may be read, or written.
 */
function range(write: boolean, layout: HomeLayout): CanonicalFunction {
  const { memoryLimit, headerSize } = layout;
  const endFunction = write ? '$writable-end' : '$readable-end';
  const faultHere = fault(FAULT_ACCESS, 0, `i32.const ${ACCESS_BULK | (write ? ACCESS_WRITE : 0)}`);
  return added(
    `jord:${write ? 'write' : 'read'}-range`,
    3,
    [I32],
    ['i32'],
    `local.get 0; i32.const ${memoryLimit}; i32.le_u
     local.get 1; i32.const ${memoryLimit}; local.get 0; i32.sub; i32.le_u
     i32.and
     if i32
       ${write ? markChunks(layout) : ''}
       local.get base; local.get 0; i32.add; i32.const ${headerSize}; i32.add
     else
       local.get 0; local.get base; call ${endFunction}; local.set 3
       local.get 0; local.get 3; i32.gt_u
       local.get 1; local.get 3; local.get 0; i32.sub; i32.gt_u
       i32.or
       if
         local.get 1
         if
           ${faultHere}
         end
         local.get 0; i32.const 1; i32.sub; local.get base; call ${endFunction}; local.set 3
         local.get 0; local.get 3; i32.gt_u
         if
           ${faultHere}
         end
       end
       local.get 0
     end`,
  );
}

/** (to, from, n, base) */
const COPY_FUNCTION = added(
  'jord:memory.copy',
  4,
  [],
  [],
  `${DEADLINE}
   local.get 0; local.get 2; local.get base; call $write-range
   local.get 1; local.get 2; local.get base; call $read-range
   local.get 2; memory.copy 0 0`,
);

/** (to, value, n, base) */
const FILL_FUNCTION = added(
  'jord:memory.fill',
  4,
  [],
  [],
  `${DEADLINE}
   local.get 0; local.get 2; local.get base; call $write-range
   local.get 1; local.get 2; memory.fill 0`,
);

/** (pages, base) → the old size, or -1. Changes no more than HOME_MEMORY_PAGES, and what was refused. */
function grow({ memoryMaximumPages }: HomeLayout): CanonicalFunction {
  return added(
    'jord:memory.grow',
    2,
    [I32],
    ['i32'],
    `local.get 0
     i32.const ${memoryMaximumPages}; local.get base; i32.load ${HOME_MEMORY_PAGES}; local.tee 2; i32.sub
     i32.gt_u
     if i32
       local.get base; i32.const ${FAULT_GROW_REFUSED}; i32.store ${HOME_FAULT_KIND}; i32.const -1
     else
       local.get base; local.get 2; local.get 0; i32.add; i32.store ${HOME_MEMORY_PAGES}; local.get 2
     end`,
  );
}

/** (base): returns only if the PD may go on. */
const INTERRUPTED_FUNCTION = added(
  'jord:interrupted',
  1,
  [],
  [],
  `${MUST_END}
   if
     local.get base; i32.const ${FAULT_CANCELLED}; i32.const ${FAULT_DEADLINE}; ${CANCELLED}; select
     i32.store ${HOME_FAULT_KIND}
     unreachable
   end`,
);

/** (to, from, n, base): memory.init of one segment, whose flag (1: dropped) is in the header. */
const SEGMENT_FUNCTION = added(
  'jord:memory.init',
  4,
  [],
  [],
  `${DEADLINE}
   local.get 1; local.get 2; i32.or; i32.const 0; i32.ne; local.get base; i32.load8_u flag; i32.and
   if
     ${fault(FAULT_SEGMENT, 0, `i32.const ${ACCESS_BULK | ACCESS_WRITE}`)}
   end
   local.get 0; local.get 2; local.get base; call $write-range
   local.get 1; local.get 2; memory.init segment 0`,
);

/** The functions that the guard adds, without those of the segments and `jord:init`. */
export function canonicalFunctions(layout: HomeLayout): readonly CanonicalFunction[] {
  return [
    ...(layout.addressMask === 0 ? CHECK_FUNCTIONS : MASKED_CHECK_FUNCTIONS),
    range(false, layout),
    range(true, layout),
    COPY_FUNCTION,
    FILL_FUNCTION,
    grow(layout),
    INTERRUPTED_FUNCTION,
    find(false, layout),
    find(true, layout),
  ];
}

/**
 * The function of a data segment. Where its flag is, is read from its body and need only be in the globals: a wrong one
 * would mislead the function about itself, and nobody else.
 */
export function canonicalSegment(segment: number, flag: number): CanonicalFunction {
  const code = SEGMENT_FUNCTION.code.map((word) => (word === SEGMENT ? segment : word === FLAG ? flag : word));
  return { ...SEGMENT_FUNCTION, name: `${SEGMENT_FUNCTION.name} ${segment}`, code };
}

/** The flag that a segment's function reads, or -1. */
export function segmentFlag({ words, count }: InstructionList): number {
  const load = OP_I32_LOAD8_U;
  for (let at = 0; at < count * WORDS; at += WORDS) {
    if (words[at] === load) return words[at + WORD_A] as number;
  }
  return -1;
}
