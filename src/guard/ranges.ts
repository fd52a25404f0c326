/**
 * Ranges of values in a body, as far as the verifier finds them out too: of constants, masks, shifts, sums, bytes, and of what a
 * condition on the path compares with a constant. A pointer that is known to be in the home needs no check.
 *
 * Values have the numbers that pointers.ts gives them. What a condition says of a value is forgotten at the end of the block in which
 * it was asked.
 *
 * Compilers compare signed what begins at 0 and is counted up. Where neither side can be negative the comparison is the same without the
 * sign, and says more: so the rewriter puts the unsigned instruction there. The verifier does not care which of the two it is; that they
 * are the same is for the rewriter to know. Of a counter that is `isCounter`: it is not negative, as long as all that is set
 * to it is not.
 */
import {
  OP_I32_ADD,
  OP_I32_AND,
  OP_I32_EQ,
  OP_I32_EQZ,
  OP_I32_GE_S,
  OP_I32_GE_U,
  OP_I32_GT_S,
  OP_I32_GT_U,
  OP_I32_LE_S,
  OP_I32_LE_U,
  OP_I32_LT_S,
  OP_I32_LT_U,
  OP_I32_SHL,
  OP_I32_SHR_U,
  OP_I32_SUB,
} from './opcodes.ts';
import { grown, int32, uint8 } from './tables.ts';

const U32_MAX = 0xffff_ffff;
const I32_MAX = 0x7fff_ffff;

/** A constant, where `value` is negative; or a value, by its number, and the local that it was read from, or -1. */
export interface Operand {
  value: number;
  constant: number;
}

/** Signed comparisons, each with the same one without the sign. */
const UNSIGNED: ReadonlyMap<number, number> = new Map([
  [OP_I32_LT_S, OP_I32_LT_U],
  [OP_I32_GT_S, OP_I32_GT_U],
  [OP_I32_LE_S, OP_I32_LE_U],
  [OP_I32_GE_S, OP_I32_GE_U],
]);

// Words of a value: its range, and what it compares if it is a comparison.
const WORDS = 12;
const LOW = 0;
const HIGH = 1;
const COMPARISON = 2;
const LEFT = 3;
const LEFT_CONSTANT = 4;
const RIGHT = 5;
const RIGHT_CONSTANT = 6;
/** value = ROOT + STEP, a constant with a sign; its ROOT is itself if it is no sum. */
const ROOT = 7;
const STEP = 8;
/** value = SCALED << SHIFT, or itself; and twice the number of a local that holds what it is less than, plus 1 if with signs; or -1. */
const SCALED = 9;
const SHIFT = 10;
const BOUND = 11;
const NONE = -1;

const TRAIL_WORDS = 4;

export class Ranges {
  #words = int32(WORDS * 1024);
  #isCounter = uint8(1024);
  #trail = int32(TRAIL_WORDS * 64);
  #trailTop = 0;
  readonly #marks: number[] = [];

  begin(): void {
    this.#trailTop = 0;
    this.#marks.length = 0;
  }

  /** There is a value of this number from now on, of which nothing is known. */
  add(value: number): void {
    this.#words = grown(this.#words, WORDS * (value + 1), int32);
    this.#isCounter = grown(this.#isCounter, value + 1, uint8);
    const word = value * WORDS;
    this.#words[word + LOW] = 0;
    this.#words[word + HIGH] = U32_MAX | 0;
    this.#words[word + COMPARISON] = NONE;
    this.#words[word + ROOT] = value;
    this.#words[word + STEP] = 0;
    this.#words[word + SCALED] = value;
    this.#words[word + SHIFT] = 0;
    this.#words[word + BOUND] = NONE;
    this.#isCounter[value] = 0;
  }

  setRange(value: number, low: number, high: number): void {
    this.#words[value * WORDS + LOW] = low | 0;
    this.#words[value * WORDS + HIGH] = high | 0;
  }

  setCounter(value: number): void {
    this.#isCounter[value] = 1;
  }

  /** A value is root + step. */
  rootOf(value: number): number {
    return this.#words[value * WORDS + ROOT] as number; // values are inside the table
  }

  stepOf(value: number): number {
    return this.#words[value * WORDS + STEP] as number;
  }

  /** A value is another one, shifted. */
  scaledOf(value: number): { readonly value: number; readonly shift: number } {
    const word = value * WORDS;
    return { value: this.#words[word + SCALED] as number, shift: this.#words[word + SHIFT] as number };
  }

  /** A local that is known to hold more than the value is; or -1. With signs, only of a counter, so it is the same without. */
  boundOf(value: number): number {
    return (this.#words[value * WORDS + BOUND] as number) >> 1;
  }

  low({ value, constant }: Operand): number {
    return (value < 0 ? constant : (this.#words[value * WORDS + LOW] as number)) >>> 0; // values are inside the table
  }

  high({ value, constant }: Operand): number {
    return (value < 0 ? constant : (this.#words[value * WORDS + HIGH] as number)) >>> 0;
  }

  /** Whether it is known to be at least 0 when it has a sign. */
  isNotNegative(operand: Operand): boolean {
    if (this.high(operand) <= I32_MAX) return true;
    return operand.value >= 0 && (this.#isCounter[operand.value] === 1 || this.#isNext(operand.value));
  }

  /** Whether a value is a counter plus 1, and the counter less than something, with signs: so it is not the largest number there is. */
  #isNext(value: number): boolean {
    const root = this.rootOf(value);
    const bound = this.#words[root * WORDS + BOUND] as number;
    return this.stepOf(value) === 1 && this.#isCounter[root] === 1 && bound >= 0 && (bound & 1) === 1;
  }

  // What instructions make.

  /** Returns the instruction to use in place of a comparison, which may be itself, or of another instruction itself. */
  compute(opcode: number, value: number, left: Operand, right: Operand): number {
    switch (opcode) {
      case OP_I32_ADD:
        this.#sum(value, left, right);
        return opcode;
      case OP_I32_SUB:
        if (right.value < 0) this.#shift(value, left, -right.constant);
        return opcode;
      case OP_I32_AND:
        this.#setHigh(value, Math.min(this.high(left), this.high(right)));
        return opcode;
      case OP_I32_SHL:
        if (right.value < 0) this.#scale(value, left, right.constant & 31);
        return opcode;
      case OP_I32_SHR_U: {
        const shift = right.constant & 31;
        if (right.value < 0) this.setRange(value, this.low(left) >>> shift, this.high(left) >>> shift);
        return opcode;
      }
      default:
        return this.#compare(opcode, value, left, right);
    }
  }

  #setHigh(value: number, high: number): void {
    this.setRange(value, 0, high);
  }

  #sum(value: number, left: Operand, right: Operand): void {
    if (right.value < 0) this.#shift(value, left, right.constant);
    else if (left.value < 0) this.#shift(value, right, left.constant);
    else {
      const high = this.high(left) + this.high(right);
      if (high < U32_MAX) this.setRange(value, this.low(left) + this.low(right), high);
    }
  }

  /** value = operand + constant, which has a sign. */
  #shift(value: number, operand: Operand, constant: number): void {
    if (operand.value >= 0) {
      const word = value * WORDS;
      this.#words[word + ROOT] = this.rootOf(operand.value);
      this.#words[word + STEP] = (this.stepOf(operand.value) + constant) | 0;
    }
    const low = this.low(operand) + constant;
    const high = this.high(operand) + constant;
    if (low >= 0 && high <= U32_MAX) this.setRange(value, low, high);
  }

  #scale(value: number, operand: Operand, shift: number): void {
    const factor = 2 ** shift;
    if (operand.value >= 0) {
      this.#words[value * WORDS + SCALED] = operand.value;
      this.#words[value * WORDS + SHIFT] = shift;
    }
    const high = this.high(operand) * factor;
    if (high < U32_MAX) this.setRange(value, this.low(operand) * factor, high);
  }

  /** The comparison without a sign that says the same of a counter, where what it is compared with is not negative; 0 if there is none. */
  unsignedOfCounter(opcode: number, left: Operand, right: Operand): number {
    const counter = opcode === OP_I32_LT_S ? left : opcode === OP_I32_GT_S ? right : undefined;
    return counter !== undefined && this.isNotNegative(counter) ? (UNSIGNED.get(opcode) ?? 0) : 0;
  }

  #compare(opcode: number, value: number, left: Operand, right: Operand): number {
    const unsigned = UNSIGNED.get(opcode);
    const isUnsigned = unsigned !== undefined && this.isNotNegative(left) && this.isNotNegative(right);
    const actual = isUnsigned ? unsigned : opcode;
    const word = value * WORDS;
    const words = this.#words;
    words[word + COMPARISON] = actual;
    words[word + LEFT] = left.value;
    words[word + LEFT_CONSTANT] = left.constant;
    words[word + RIGHT] = right.value;
    words[word + RIGHT_CONSTANT] = right.constant;
    return actual;
  }

  // What conditions say.

  /** A condition is true on this path, or false. */
  learn({ value }: Operand, isTrue: boolean): void {
    for (let at = value, holds = isTrue; at >= 0; holds = !holds) {
      const word = at * WORDS;
      const comparison = this.#words[word + COMPARISON] as number;
      if (comparison !== OP_I32_EQZ) {
        if (comparison !== NONE) this.#learn(comparison, word, holds);
        return;
      }
      at = this.#words[word + LEFT] as number;
    }
  }

  #learn(comparison: number, word: number, holds: boolean): void {
    const words = this.#words;
    const left = { value: words[word + LEFT] as number, constant: words[word + LEFT_CONSTANT] as number };
    const right = { value: words[word + RIGHT] as number, constant: words[word + RIGHT_CONSTANT] as number };
    switch (comparison) {
      case OP_I32_LT_U:
        this.#order(holds ? left : right, holds ? right : left, holds ? 1 : 0);
        return;
      case OP_I32_GT_U:
        this.#order(holds ? right : left, holds ? left : right, holds ? 1 : 0);
        return;
      case OP_I32_LE_U:
        this.#order(holds ? left : right, holds ? right : left, holds ? 0 : 1);
        return;
      case OP_I32_GE_U:
        this.#order(holds ? right : left, holds ? left : right, holds ? 0 : 1);
        return;
      case OP_I32_LT_S:
        // Of a counter. What it is less than is not negative then.
        if (holds && this.isNotNegative(left)) this.#setBound(left, right, 1);
        return;
      case OP_I32_GT_S:
        if (holds && this.isNotNegative(right)) this.#setBound(right, left, 1);
        return;
      case OP_I32_EQ:
        if (holds) this.#narrow(left, this.low(right), this.high(right));
    }
  }

  /** small < large; `signs`: 1 if with signs. */
  #setBound(small: Operand, large: Operand, signs: number): void {
    if (small.value < 0 || large.value < 0 || large.constant < 0) return;
    const word = small.value * WORDS;
    this.#save(small.value);
    this.#words[word + BOUND] = 2 * large.constant + signs;
  }

  /** small + distance <= large. */
  #order(small: Operand, large: Operand, distance: number): void {
    if (distance === 1) this.#setBound(small, large, 0);
    this.#narrow(small, 0, this.high(large) - distance);
    this.#narrow(large, this.low(small) + distance, U32_MAX);
  }

  #narrow(operand: Operand, low: number, high: number): void {
    const { value } = operand;
    const least = Math.max(low, this.low(operand));
    const most = Math.min(high, this.high(operand));
    // A path that is never taken says nothing.
    if (value < 0 || least > most) return;
    this.#save(value);
    this.setRange(value, least, most);
  }

  #save(value: number): void {
    const word = value * WORDS;
    this.#trail = grown(this.#trail, this.#trailTop + TRAIL_WORDS, int32);
    this.#trail[this.#trailTop] = value;
    this.#trail[this.#trailTop + 1] = this.#words[word + LOW] as number;
    this.#trail[this.#trailTop + 2] = this.#words[word + HIGH] as number;
    this.#trail[this.#trailTop + 3] = this.#words[word + BOUND] as number;
    this.#trailTop += TRAIL_WORDS;
  }

  /** A block, or a part of one, begins. */
  open(): void {
    this.#marks.push(this.#trailTop);
  }

  /** It ends. */
  close(): void {
    const mark = this.#marks.pop() ?? 0;
    while (this.#trailTop > mark) {
      this.#trailTop -= TRAIL_WORDS;
      const trail = this.#trail;
      const value = trail[this.#trailTop] as number;
      this.setRange(value, trail[this.#trailTop + 1] as number, trail[this.#trailTop + 2] as number);
      this.#words[value * WORDS + BOUND] = trail[this.#trailTop + 3] as number;
    }
  }
}
