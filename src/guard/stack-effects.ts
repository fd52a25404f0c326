/**
 * What plain instructions do to the operand stack: those that only compute, that is, take some operands and leave some
 * results and do nothing else. What is not in the table is not plain. A test asks V8 about each.
 */
import { OPCODE_COUNT, opcodeName } from './opcodes.ts';

/** How many operands a plain instruction takes; NOT_PLAIN for all others. */
export const operandCounts = new Uint8Array(OPCODE_COUNT).fill(255);
/** How many results it leaves: 0 or 1. */
export const resultCounts = new Uint8Array(OPCODE_COUNT);
export const NOT_PLAIN = 255;

/** `NAME` or `/PATTERN/` of instructions, by the number of their operands. All of them have one result. */
const PLAIN: readonly (readonly [operands: number, names: string])[] = [
  [0, String.raw`[if]\d+\.const v128\.const ref\.null ref\.func global\.get table\.size`],
  [1, String.raw`[if]\d+\.(eqz|clz|ctz|popcnt|abs|neg|ceil|floor|trunc|nearest|sqrt)`],
  [1, String.raw`[if]\d+\.(wrap|extend|trunc|trunc_sat|convert|demote|promote|reinterpret)_[if]\d+(_[su])?`],
  [1, String.raw`i\d+\.extend(8|16|32)_s ref\.is_null table\.get`],
  [2, String.raw`i\d+\.(eq|ne|(lt|gt|le|ge)_[su]|add|sub|mul|(div|rem)_[su]|and|or|xor|shl|shr_[su]|rotl|rotr)`],
  [2, String.raw`f\d+\.(eq|ne|lt|gt|le|ge|add|sub|mul|div|min|max|copysign)`],
  [3, 'select'],
  [
    1,
    String.raw`[if]\d+x\d+\.(splat|extract_lane(_[su])?|abs|neg|popcnt|all_true|bitmask|ceil|floor|trunc|nearest|sqrt)`,
  ],
  [1, String.raw`i\d+x\d+\.(extadd_pairwise|extend_low|extend_high)_i\d+x\d+_[su]`],
  [1, String.raw`i32x4\.(relaxed_)?trunc(_sat)?_f\d+x\d+_[su](_zero)? f\d+x\d+\.convert(_low)?_i32x4_[su]`],
  [1, String.raw`f32x4\.demote_f64x2_zero f64x2\.promote_low_f32x4 v128\.(not|any_true)`],
  [2, String.raw`[if]\d+x\d+\.(replace_lane|eq|ne|(lt|gt|le|ge)(_[su])?|add|sub|mul|div|p?min|p?max|(min|max)_[su])`],
  [2, String.raw`i\d+x\d+\.(shl|shr_[su]|(add|sub)_sat_[su]|avgr_u|q15mulr_sat_s|narrow_i\d+x\d+_[su])`],
  [2, String.raw`i\d+x\d+\.(dot_i16x8_s|extmul_(low|high)_i\d+x\d+_[su]) i8x16\.(shuffle|swizzle)`],
  [2, String.raw`v128\.(and|andnot|or|xor) i8x16\.relaxed_swizzle f\d+x\d+\.relaxed_(min|max)`],
  [2, String.raw`i16x8\.(relaxed_q15mulr_s|relaxed_dot_i8x16_i7x16_s)`],
  [3, String.raw`v128\.bitselect f\d+x\d+\.relaxed_n?madd i\d+x\d+\.relaxed_laneselect`],
  [3, String.raw`i32x4\.relaxed_dot_i8x16_i7x16_add_s`],
];

/** Those without a result. */
const WITHOUT_RESULT: ReadonlyMap<string, number> = new Map([
  ['nop', 0],
  ['atomic.fence', 0],
  ['drop', 1],
]);

const patterns = PLAIN.flatMap(([operands, names]) =>
  names.split(' ').map((name) => ({ operands, pattern: new RegExp(`^(?:${name})$`) })),
);

for (let opcode = 0; opcode < OPCODE_COUNT; opcode += 1) {
  const name = opcodeName(opcode);
  if (name === undefined) continue;
  const bare = WITHOUT_RESULT.get(name);
  const operands = bare ?? patterns.find(({ pattern }) => pattern.test(name))?.operands;
  if (operands === undefined) continue;
  operandCounts[opcode] = operands;
  resultCounts[opcode] = bare === undefined ? 1 : 0;
}
