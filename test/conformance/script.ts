/** The commands of a converted test file of the specification, and how its values travel through JavaScript. */
import { carriers } from '../../src/guard/testing-modules.ts';
import type { ValueType } from '../../src/guard/types.ts';

export interface ScriptValue {
  readonly type: string;
  readonly lane_type?: string;
  readonly value?: string | readonly string[];
  /** Of type `either`: any of these. */
  readonly values?: readonly ScriptValue[];
}

export interface Action {
  readonly type: 'invoke' | 'get';
  readonly module?: string;
  readonly field: string;
  readonly args?: readonly ScriptValue[];
}

export interface Command {
  readonly type: string;
  readonly line: number;
  readonly name?: string;
  readonly filename?: string;
  readonly module_type?: 'binary' | 'text';
  readonly as?: string;
  readonly action?: Action;
  readonly expected?: readonly ScriptValue[];
  readonly text?: string;
}

export interface Script {
  readonly commands: readonly Command[];
}

/** What crosses between Wasm and JavaScript for a value: see `carriers`. */
export type Carried = number | bigint | string | null;

const LANE_BITS: Readonly<Record<string, number>> = { i8: 8, i16: 16, i32: 32, i64: 64, f32: 32, f64: 64 };

/** A v128 from its lanes, lowest first, as 128 bits. */
function lanesToBits(value: ScriptValue): bigint {
  const width = LANE_BITS[value.lane_type ?? ''] ?? 0;
  const lanes = Array.isArray(value.value) ? value.value : [];
  return lanes.reduce((bits: bigint, lane: string, i: number) => bits | (BigInt(lane) << BigInt(i * width)), 0n);
}

/** A parameter as its carriers. */
export function toCarried(value: ScriptValue): Carried[] {
  const { type, value: text = 'null' } = value;
  if (type === 'v128') {
    const bits = lanesToBits(value);
    return [BigInt.asIntN(64, bits), BigInt.asIntN(64, bits >> 64n)];
  }
  if (type === 'i32' || type === 'f32') return [Number(BigInt.asIntN(32, BigInt(String(text))))];
  if (type === 'i64' || type === 'f64') return [BigInt.asIntN(64, BigInt(String(text)))];
  return [text === 'null' ? null : `${type} ${text}`];
}

interface FloatFormat {
  readonly width: number;
  readonly exponent: bigint;
  readonly quiet: bigint;
}
const FLOATS: Readonly<Record<string, FloatFormat>> = {
  f32: { width: 32, exponent: 0x7f80_0000n, quiet: 0x40_0000n },
  f64: { width: 64, exponent: 0x7ff0_0000_0000_0000n, quiet: 0x8_0000_0000_0000n },
};

/** One number or lane: its bits, or a kind of NaN. */
function sameNumber(type: string, bits: bigint, expected: string): boolean {
  const format = FLOATS[type];
  if (format === undefined || !expected.startsWith('nan')) return bits === BigInt(expected);
  const magnitude = bits & ((1n << BigInt(format.width - 1)) - 1n);
  const canonical = format.exponent | format.quiet;
  return expected === 'nan:canonical' ? magnitude === canonical : (magnitude & canonical) === canonical;
}

function sameVector(bits: bigint, expected: ScriptValue): boolean {
  const type = expected.lane_type ?? '';
  const width = LANE_BITS[type] ?? 0;
  const lanes = Array.isArray(expected.value) ? expected.value : [];
  return lanes.every((lane: string, i: number) =>
    sameNumber(type, BigInt.asUintN(width, bits >> BigInt(i * width)), lane),
  );
}

function sameReference(value: unknown, expected: ScriptValue): boolean {
  const text = expected.value;
  if (text === undefined) return value !== null;
  if (text === 'null') return value === null;
  return value === `${expected.type} ${String(text)}`;
}

function bitsOf(value: unknown, width: number): bigint {
  return BigInt.asUintN(width, BigInt(typeof value === 'bigint' ? value : Number(value)));
}

/** Whether results, as carriers, are what is expected. */
export function sameResults(values: readonly unknown[], expected: readonly ScriptValue[]): boolean {
  const counts = expected.map((want) => carriers(alternatives(want)[0]?.type as ValueType).length);
  if (values.length !== counts.reduce((a, b) => a + b, 0)) return false;
  let at = 0;
  return expected.every((want, i) => {
    const [first, second] = [values[at], values[at + 1]];
    at += counts[i] ?? 0;
    return alternatives(want).some((alternative) => sameValue(first, second, alternative));
  });
}

function alternatives(want: ScriptValue): readonly ScriptValue[] {
  return want.type === 'either' ? (want.values ?? []) : [want];
}

/** One value in one carrier, or two. */
function sameValue(first: unknown, second: unknown, want: ScriptValue): boolean {
  switch (want.type) {
    case 'i32':
    case 'f32':
      return sameNumber(want.type, bitsOf(first, 32), String(want.value));
    case 'i64':
    case 'f64':
      return sameNumber(want.type, bitsOf(first, 64), String(want.value));
    case 'v128':
      return sameVector(bitsOf(first, 64) | (bitsOf(second, 64) << 64n), want);
    case 'funcref':
    case 'externref':
    case 'exnref':
      return sameReference(first, want);
    default:
      throw new Error(`values of type ${want.type} cannot be compared`);
  }
}
