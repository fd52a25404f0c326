/** For tests: builds small modules byte by byte, independent of the guard's own encoder, and functions around single instructions. */
import { opcodeParts } from './opcodes.ts';
import type { FunctionType, ValueType } from './types.ts';

export const VALUE_TYPE_BYTES: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
  exnref: 0x69,
};

/** Unsigned LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return bytes;
}

/** Signed LEB128. */
export function signed(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (;;) {
    const low = Number(rest & 127n);
    rest >>= 7n;
    if ((rest === 0n && low < 64) || (rest === -1n && low >= 64)) return [...bytes, low];
    bytes.push(low + 128);
  }
}

/** An instruction without its immediates, by its dense number. */
export function opcodeBytes(opcode: number): number[] {
  const [prefix, sub] = opcodeParts(opcode);
  return prefix === 0 ? [sub] : [prefix, ...unsigned(sub)];
}

export function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsigned(bytes.length), ...bytes];
}

export function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

export function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

export function functionType(type: FunctionType): number[] {
  const types = (list: readonly ValueType[]): number[] => vector(list.map((t) => [VALUE_TYPE_BYTES[t]]));
  return [0x60, ...types(type.parameters), ...types(type.results)];
}

/** A body with its size; `locals` are single declarations. The last `end` is added. */
export function functionBody(locals: readonly ValueType[], instructions: readonly number[]): number[] {
  const body = [...vector(locals.map((t) => [1, VALUE_TYPE_BYTES[t]])), ...instructions, 0x0b];
  return [...unsigned(body.length), ...body];
}

/** Magic, version and sections. */
export function moduleBytes(...sections: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flat()]);
}

export interface TestFunction {
  readonly name: string;
  readonly type: FunctionType;
  readonly locals?: readonly ValueType[];
  readonly instructions: readonly number[];
}

/** A module of exported functions that imports `env.memory`, shared, of `pages` to 65,536 pages. */
export function memoryModule(pages: number, functions: readonly TestFunction[]): Uint8Array<ArrayBuffer> {
  return moduleBytes(
    section(1, vector(functions.map((f) => functionType(f.type)))),
    section(2, vector([[...text('env'), ...text('memory'), 2, 3, ...unsigned(pages), ...unsigned(65536)]])),
    section(3, vector(functions.map((_, i) => unsigned(i)))),
    section(7, vector(functions.map((f, i) => [...text(f.name), 0, ...unsigned(i)]))),
    section(10, vector(functions.map((f) => functionBody(f.locals ?? [], f.instructions)))),
  );
}

const get = (local: number): number[] => [0x20, ...unsigned(local)];

/** Types that carry a value through JavaScript with all its bits. */
export function carriers(type: ValueType): readonly ValueType[] {
  if (type === 'v128') return ['i64', 'i64'];
  if (type === 'f32') return ['i32'];
  if (type === 'f64') return ['i64'];
  return [type];
}

/** Makes a value from its carriers, which are in locals from `local` on. */
export function fromCarriers(type: ValueType, local: number): number[] {
  if (type === 'f32') return [...get(local), 0xbe];
  if (type === 'f64') return [...get(local), 0xbf];
  if (type !== 'v128') return get(local);
  return [...get(local), 0xfd, 0x12, ...get(local + 1), 0xfd, 0x1e, 1]; // i64x2.splat, i64x2.replace_lane 1
}

/** Takes the value on the stack apart; `scratch` is a local of its type. */
export function toCarriers(type: ValueType, scratch: number): number[] {
  if (type === 'f32') return [0xbc];
  if (type === 'f64') return [0xbd];
  if (type !== 'v128') return [];
  return [0x22, ...unsigned(scratch), 0xfd, 0x1d, 0, ...get(scratch), 0xfd, 0x1d, 1]; // i64x2.extract_lane 0 and 1
}

/**
 * A function (pointer, carriers of the operands) → carriers of the result around one instruction, whose bytes are given.
 */
export function instructionFunction(
  name: string,
  operands: readonly ValueType[],
  result: ValueType | undefined,
  instruction: readonly number[],
): TestFunction {
  const parameters: ValueType[] = ['i32'];
  const instructions = [...get(0)];
  for (const operand of operands) {
    instructions.push(...fromCarriers(operand, parameters.length));
    parameters.push(...carriers(operand));
  }
  instructions.push(...instruction);
  const results = result === undefined ? [] : carriers(result);
  const locals: ValueType[] = result === undefined ? [] : [result];
  if (result !== undefined) instructions.push(...toCarriers(result, parameters.length));
  return { name, type: { parameters, results }, locals, instructions };
}
