/**
 * Mutants of the code of a guarded module: each differs from it in one thing about one function. Whether they are valid is
 * for V8 to say, whether they are safe for the verifier, and whether it is right for the oracle.
 */
import * as L from '../../core/layout.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import { GUARDED_LIMITS } from '../../src/guard/errors.ts';
import { decodeExpression, InstructionList, WORD_A, WORD_B, WORD_OFFSET, WORDS } from '../../src/guard/instructions.ts';
import {
  accessOf,
  IMMEDIATE_BLOCK,
  IMMEDIATE_I32,
  IMMEDIATE_I64,
  IMMEDIATE_INDEX,
  IMMEDIATE_INDEX_PAIR,
  IMMEDIATE_MEMORY,
  immediates,
  opcodeName,
  opcodeNamed,
} from '../../src/guard/opcodes.ts';
import { Reader } from '../../src/guard/reader.ts';
import { opcodeBytes, signed, unsigned } from '../../src/guard/testing-modules.ts';
import type { GuardedModule } from '../../src/guard/types.ts';
import { readValueType } from '../../src/guard/value-types.ts';

export type MutationKind =
  | 'drop'
  | 'opcode'
  | 'constant'
  | 'offset'
  | 'local'
  | 'index'
  | 'order'
  | 'branch'
  | 'repeat'
  | 'double'
  | 'parts'
  | 'bytes';

/** A change of one function: instructions `first` to `end` become others. */
export interface CodeMutation {
  readonly kind: MutationKind;
  readonly what: string;
  readonly first: number;
  readonly end: number;
  readonly code: readonly number[];
}

interface Instruction {
  readonly opcode: number;
  readonly name: string;
  readonly a: number;
  readonly b: number;
  readonly bytes: readonly number[];
}

/** Instructions that take and leave the same. */
const SIBLINGS: readonly (readonly string[])[] = [
  'i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u i32.or i32.and i32.add i32.sub',
  'i32.add i32.sub i32.mul i32.and i32.or i32.xor i32.shl i32.shr_u i32.shr_s i32.rotl i32.gt_u i32.lt_u',
  'i64.shr_u i64.shr_s i64.shl i64.add i64.sub i64.or i64.rotl',
  'i64.gt_u i64.ge_u i64.lt_u i64.le_u i64.gt_s i64.ne',
  'i64.extend_i32_u i64.extend_i32_s',
  'i32.eqz i32.clz i32.popcnt i32.extend8_s',
  'i32.load i32.load8_u i32.load8_s i32.load16_u i32.atomic.load',
  'i64.load i64.load8_u i64.load32_u i64.load32_s i64.atomic.load',
  'f64.load f32.load',
  'i32.store i32.store8 i32.store16 i32.atomic.store',
  'i64.store i64.store8 i64.store32 i64.atomic.store',
  'v128.load v128.load64_splat v128.load32x2_u v128.load32_zero v128.load8_splat',
  'i32.atomic.rmw.add i32.atomic.rmw.xchg i32.atomic.rmw8.add_u i32.atomic.rmw16.xchg_u',
  'i64.atomic.rmw.add i64.atomic.rmw.xchg i64.atomic.rmw32.add_u',
  'i32.wrap_i64 i32.eqz',
  'local.set local.tee',
  'call return_call',
  'call_indirect return_call_indirect',
  'br br_if',
  'block loop',
  'unreachable nop return drop',
].map((list) => list.split(' '));

const siblings: ReadonlyMap<string, readonly string[]> = new Map(
  SIBLINGS.flat().map((name) => [
    name,
    [...new Set(SIBLINGS.filter((group) => group.includes(name)).flat())].filter((other) => other !== name),
  ]),
);

/** A module cut at its code, so that a body can be replaced without looking at anything else. */
export class CodeMutator {
  readonly #guarded: GuardedModule;
  readonly #before: Uint8Array;
  readonly #behind: Uint8Array;
  readonly #bodies: Uint8Array[];
  readonly #importedFunctions: number;
  readonly #functionCount: number;
  readonly #typeCount: number;
  readonly #parameters: readonly number[];

  constructor(guarded: GuardedModule) {
    const { bytes } = guarded;
    const module = decodeModule(bytes, GUARDED_LIMITS);
    this.#guarded = guarded;
    this.#bodies = module.bodies.map(({ start, end }) => bytes.slice(start, end));
    this.#importedFunctions = module.importedFunctions;
    this.#functionCount = module.functions.length;
    this.#typeCount = module.types.length;
    this.#parameters = module.functions.map((type) => module.types[type]?.parameters.length ?? 0);
    const reader = new Reader(bytes, 8, bytes.length);
    let start = 8;
    for (;;) {
      start = reader.position;
      const id = reader.byte();
      reader.skip(reader.u32());
      if (id === 10) break;
    }
    this.#before = bytes.slice(0, start);
    this.#behind = bytes.slice(reader.position);
  }

  /** Every mutation of function `index`. */
  *mutations(index: number): Generator<CodeMutation> {
    const { instructions, localCount } = this.#decode(index);
    for (const [i, instruction] of instructions.entries()) {
      const where = `${instruction.name} ${instruction.a} (${i})`;
      const change = (kind: MutationKind, how: string, code: readonly number[], count = 1): CodeMutation => ({
        kind,
        what: `${where}: ${how}`,
        first: i,
        end: i + count,
        code,
      });
      yield* this.#opcodes(instruction, change);
      yield* this.#immediates(instruction, localCount, change);
      yield change('repeat', 'twice', [...instruction.bytes, ...instruction.bytes]);
      const next = instructions[i + 1];
      if (next !== undefined)
        yield change('order', `swapped with ${next.name}`, [...next.bytes, ...instruction.bytes], 2);
      const trap = instruction.name === 'unreachable' ? [] : [0x00];
      if (instruction.name === 'end') yield change('branch', 'a trap before it', [...trap, ...instruction.bytes]);
    }
    yield* drops(instructions);
  }

  *#opcodes(
    { name, opcode, bytes }: Instruction,
    change: (kind: MutationKind, how: string, code: readonly number[]) => CodeMutation,
  ): Generator<CodeMutation> {
    const rest = bytes.slice(opcodeBytes(opcode).length);
    for (const other of siblings.get(name) ?? [])
      yield change('opcode', other, [...opcodeBytes(opcodeNamed(other)), ...rest]);
    if (name === 'if') {
      yield change('branch', 'the other way round', [0x45, ...bytes]);
      yield change('branch', 'always', [0x1a, 0x02, ...rest]);
      yield change('branch', 'never', [0x1a, 0x41, 0, ...bytes]);
    } else if (name === 'br_if') {
      yield change('branch', 'the other way round', [0x45, ...bytes]);
      yield change('branch', 'never', [0x1a]);
    } else if (name === 'else') yield change('branch', 'a trap before it', [0x00, ...bytes]);
    const access = accessOf(opcode);
    if (access?.kind === 'load' && access.operands.length === 0) yield change('drop', 'not loaded', []);
  }

  *#immediates(
    { name, opcode, a, b, bytes }: Instruction,
    localCount: number,
    change: (kind: MutationKind, how: string, code: readonly number[]) => CodeMutation,
  ): Generator<CodeMutation> {
    const with_ = (kind: MutationKind, value: number, code: readonly number[]): CodeMutation =>
      change(kind, String(value), [...opcodeBytes(opcode), ...code]);
    const kind = immediates[opcode];
    if (kind === IMMEDIATE_I32) {
      for (const value of constantsNear(a)) yield with_('constant', value, signed(value));
    } else if (kind === IMMEDIATE_I64) {
      for (const value of [0, 1, 31, 33, a + 1]) yield with_('constant', value, signed(value));
    } else if (kind === IMMEDIATE_MEMORY) {
      for (const value of offsetsNear(a >>> 0)) {
        const alignment = bytes.slice(opcodeBytes(opcode).length, opcodeBytes(opcode).length + 1);
        yield with_('offset', value, [...alignment, ...unsigned(value)]);
      }
    } else if (kind === IMMEDIATE_INDEX && name.startsWith('local.')) {
      for (let local = 0; local < localCount; local += 1) if (local !== a) yield with_('local', local, unsigned(local));
    } else if (kind === IMMEDIATE_INDEX) {
      const most = name.includes('call') || name === 'ref.func' ? this.#functionCount : a + 3;
      for (let index = 0; index < most; index += 1) if (index !== a) yield with_('index', index, unsigned(index));
    } else if (kind === IMMEDIATE_INDEX_PAIR) {
      for (let type = 0; type < this.#typeCount; type += 1) {
        if (type !== a) yield with_('index', type, [...unsigned(type), ...unsigned(b)]);
      }
    } else if (kind === IMMEDIATE_BLOCK) {
      yield change('branch', 'another block', [...opcodeBytes(opcode), bytes[1] === 0x40 ? 0x7f : 0x40]);
    }
  }

  #decode(index: number): { readonly instructions: readonly Instruction[]; readonly localCount: number } {
    const body = this.#body(index);
    const reader = new Reader(body, 0, body.length);
    let localCount = this.#parameters[index] ?? 0;
    for (let groups = reader.u32(); groups > 0; groups -= 1) {
      localCount += reader.u32();
      readValueType(reader);
    }
    const list = new InstructionList();
    decodeExpression(reader, list, { typeCount: this.#typeCount, where: () => '' });
    const instructions = Array.from({ length: list.count }, (_, i) => {
      const word = (at: number): number => list.words[i * WORDS + at] ?? 0;
      const opcode = word(0);
      const bytes = [...body.subarray(word(WORD_OFFSET), list.words[(i + 1) * WORDS + WORD_OFFSET])];
      return { opcode, name: opcodeName(opcode) ?? '', a: word(WORD_A), b: word(WORD_B), bytes };
    });
    return { instructions, localCount };
  }

  #body(index: number): Uint8Array {
    const body = this.#bodies[index - this.#importedFunctions];
    if (body === undefined) throw new RangeError(`function ${index} has no body`);
    return body;
  }

  /** The module with mutations of function `index`, which do not overlap. */
  apply(index: number, ...mutations: readonly CodeMutation[]): GuardedModule {
    const { instructions } = this.#decode(index);
    const old = this.#body(index);
    const locals = old.length - instructions.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const bytesOf = (from: number, to?: number): number[] => instructions.slice(from, to).flatMap(({ bytes }) => bytes);
    const code: number[] = [];
    let at = 0;
    for (const { first, end, code: changed } of mutations.toSorted((x, y) => x.first - y.first)) {
      if (first < at) throw new RangeError('mutations overlap');
      code.push(...bytesOf(at, first), ...changed);
      at = end;
    }
    const body = Uint8Array.from([...old.subarray(0, locals), ...code, ...bytesOf(at)]);
    const bodies = this.#bodies.map((other, i) => (i === index - this.#importedFunctions ? body : other));
    return { ...this.#guarded, bytes: this.#join(bodies) };
  }

  #join(bodies: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
    const parts: (readonly number[] | Uint8Array)[] = [unsigned(bodies.length)];
    for (const body of bodies) parts.push(unsigned(body.length), body);
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    const all = [this.#before, [10, ...unsigned(size)], ...parts, this.#behind];
    const bytes = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of all) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}

function constantsNear(value: number): number[] {
  const special = [0, 1, 2, 3, 4, -1, 0x7fff_ffff, -0x8000_0000, 0x2000_0000, L.RED_ZONE];
  const near = [value - 1, value + 1, value + 4, value - 4, 2 * value, value >>> 1, -value, value + L.RED_ZONE];
  return distinct([...special, ...near].map((other) => other | 0)).filter((other) => other !== value);
}

function offsetsNear(value: number): number[] {
  const special = [
    0,
    L.HOME_LAST_READ_START,
    L.HOME_LAST_READ_LENGTH,
    L.HOME_LAST_WRITE_START,
    L.HOME_LAST_WRITE_LENGTH,
    L.HOME_DEADLINE_MS,
    L.HOME_GLOBALS,
    L.HOME_PD,
    0xffff_ffff,
  ];
  const near = [value + 1, value - 1, value + 4, value - 4, value + L.RED_ZONE, value - L.RED_ZONE, 2 * value];
  return distinct([...special, ...near]).filter((other) => other !== value && other >= 0 && other <= 0xffff_ffff);
}

function distinct(values: readonly number[]): number[] {
  return [...new Set(values)];
}

/** Longest row of instructions that is taken out. */
const DROPPED_MAX = 26;

function* drops(instructions: readonly Instruction[]): Generator<CodeMutation> {
  for (let first = 0; first < instructions.length - 1; first += 1) {
    for (let end = first + 1; end < instructions.length && end - first <= DROPPED_MAX; end += 1) {
      const what = `${instructions[first]?.name} (${first}): ${end - first} instructions taken out`;
      yield { kind: 'drop', what, first, end, code: [] };
      if (end - first < 3) continue;
      yield { kind: 'drop', what: `${what} for 0`, first, end, code: [0x41, 0] };
      yield { kind: 'drop', what: `${what} for a drop`, first, end, code: [0x1a] };
    }
  }
}
