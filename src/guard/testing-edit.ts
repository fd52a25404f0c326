/** For tests: takes a guarded module apart, and puts it together again with other parts or bodies. */
import { HintWriter } from './branch-hints.ts';
import { decodeModule } from './decode.ts';
import { codeWriter, encodeModule, moduleWriter } from './encode.ts';
import { GUARDED_LIMITS } from './errors.ts';
import type { ModuleParts } from './module.ts';
import {
  accessOf,
  IMMEDIATE_BLOCK,
  IMMEDIATE_BYTE,
  IMMEDIATE_F32,
  IMMEDIATE_F64,
  IMMEDIATE_I32,
  IMMEDIATE_I64,
  IMMEDIATE_INDEX,
  IMMEDIATE_INDEX_PAIR,
  IMMEDIATE_LABELS,
  IMMEDIATE_MEMORY,
  IMMEDIATE_MEMORY_LANE,
  IMMEDIATE_NONE,
  IMMEDIATE_REFERENCE_TYPE,
  IMMEDIATE_TRY_TABLE,
  immediates,
  opcodeNamed,
} from './opcodes.ts';
import { opcodeBytes, signed, unsigned } from './testing-modules.ts';
import type { GuardedModule, ValueType } from './types.ts';
import { valueTypeByte } from './value-types.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A guarded module whose parts can be changed. Bodies are without their sizes, by function index less the imported ones. */
export interface OpenModule {
  readonly guarded: GuardedModule;
  readonly parts: Mutable<ModuleParts>;
  readonly bodies: Uint8Array[];
  readonly importedFunctions: number;
  readonly hasDataCount: boolean;
}

export function openModule(guarded: GuardedModule): OpenModule {
  const { bytes, bodies, hasDataCount, importedFunctions, ...rest } = decodeModule(guarded.bytes, GUARDED_LIMITS);
  const { branchHints: _, ...parts } = rest;
  return {
    guarded,
    parts,
    bodies: bodies.map(({ start, end }) => bytes.slice(start, end)),
    importedFunctions,
    hasDataCount,
  };
}

/** The module as it is now, with the layout and what is said of it as they were. */
export function closeModule({ guarded, parts, bodies, hasDataCount }: OpenModule): GuardedModule {
  const size = bodies.reduce((sum, body) => sum + body.length + 5, 0);
  const { bodies: code, gap } = codeWriter(size);
  for (const body of bodies) {
    code.u32(body.length);
    code.bytes(body);
  }
  const hints = new HintWriter(moduleWriter(16));
  const bytes = encodeModule(parts, { count: bodies.length, bodies: code, gap, hints, dataCount: hasDataCount });
  return { ...guarded, bytes: new Uint8Array(bytes) };
}

/** Index of the function of this name in the name section; functions without one have their export's. */
export function functionNamed({ parts }: OpenModule, name: string): number {
  const found = [...parts.names.functions].find(([, other]) => other === name);
  if (found === undefined) throw new RangeError(`there is no function ${name}`);
  return found[0];
}

/** The same module with another body for a function. */
export function withBody(guarded: GuardedModule, name: string, body: Uint8Array): GuardedModule {
  const module = openModule(guarded);
  module.bodies[functionNamed(module, name) - module.importedFunctions] = body;
  return closeModule(module);
}

/** A body: single declarations of locals, and instructions as `assembleCode` takes them. The last `end` is added. */
export function assembleBody(locals: readonly ValueType[], text: string): Uint8Array {
  const declarations = locals.flatMap((type) => [1, valueTypeByte(type)]);
  return Uint8Array.from([...unsigned(locals.length), ...declarations, ...assembleCode(text), 0x0b]);
}

/**
 * Instructions in the manner of the text format, flat, separated by semicolons or line ends: `local.get 0`, `i32.load 16`
 * (an offset; alignment is natural), `if i32`, `br_table 0 1 2` (the default last), `try_table - 0:1 :2` (a block type or none,
 * and clauses TAG:LABEL). Behind `;;` is a comment.
 */
function assembleCode(text: string): number[] {
  return text
    .replaceAll(/;;.*$/gm, '')
    .split(/[;\n]/)
    .map((part) => part.trim().split(/\s+/))
    .filter(([name]) => name !== '')
    .flatMap(([name = '', ...words]) => assembleInstruction(name, words));
}

function assembleInstruction(name: string, words: readonly string[]): number[] {
  const opcode = opcodeNamed(name);
  return [...opcodeBytes(opcode), ...assembleImmediates(opcode, words)];
}

function assembleImmediates(opcode: number, words: readonly string[]): number[] {
  const [a = 0, b = 0] = words.map(Number);
  switch (immediates[opcode]) {
    case IMMEDIATE_NONE:
      return [];
    case IMMEDIATE_BLOCK:
      return blockType(words[0]);
    case IMMEDIATE_INDEX:
      return unsigned(a);
    case IMMEDIATE_INDEX_PAIR:
      return [...unsigned(a), ...unsigned(b)];
    case IMMEDIATE_MEMORY:
      return [alignment(opcode), ...unsigned(a)];
    case IMMEDIATE_MEMORY_LANE:
      return [alignment(opcode), ...unsigned(a), b];
    case IMMEDIATE_BYTE:
      return [a];
    case IMMEDIATE_I32:
      return signed(a | 0);
    case IMMEDIATE_I64:
      return signed(a);
    case IMMEDIATE_F32:
      return [...new Uint8Array(Float32Array.of(a).buffer)];
    case IMMEDIATE_F64:
      return [...new Uint8Array(Float64Array.of(a).buffer)];
    case IMMEDIATE_REFERENCE_TYPE:
      return [valueTypeByte(words[0] as ValueType)];
    case IMMEDIATE_TRY_TABLE:
      return [...blockType(words[0]), ...catchClauses(words.slice(1))];
    case IMMEDIATE_LABELS:
      return [...unsigned(words.length - 1), ...words.flatMap((label) => unsigned(Number(label)))];
    default:
      throw new Error(`instruction ${opcode} is not assembled here`);
  }
}

function blockType(word: string | undefined): number[] {
  if (word === undefined || word === '-') return [0x40];
  return Number.isInteger(Number(word)) ? signed(Number(word)) : [valueTypeByte(word as ValueType)];
}

/** `TAG:LABEL` each, or `:LABEL` for all exceptions. */
function catchClauses(words: readonly string[]): number[] {
  const clauses = words.map((word) => {
    const [tag = '', label = ''] = word.split(':');
    return tag === '' ? [2, ...unsigned(Number(label))] : [0, ...unsigned(Number(tag)), ...unsigned(Number(label))];
  });
  return [...unsigned(clauses.length), ...clauses.flat()];
}

function alignment(opcode: number): number {
  return 31 - Math.clz32(accessOf(opcode)?.sizeBytes ?? 1);
}
