/**
 * Translations: what is known of an address x that is in the home on some paths and in a VMA on others. It is the value of an
 * `if` whose arms are the two cases, or of a local that was set in such arms; a translation is put together where they meet.
 *
 *   in the home   x = base + d, HOME_LOW <= d <= HOME_HIGH; writes within [x + MARK_FROM, x + MARK_TO) need no further mark
 *   in a VMA      [x + VMA_FROM, x + VMA_TO) may be read (and written, VMA_WRITE) in epoch VMA_EPOCH
 *
 * SELECTOR is the pointer that decided which it is, if one value did: x = base + selector + HOME_OFFSET where
 * selector <= HOME_MAX, and x = selector + VMA_OFFSET where selector >= VMA_MIN. So what is found out later about the
 * selector (that it is in the home after all, a check anew after a call, a mark of other chunks) counts for x too.
 */
import {
  type Fact,
  FLAG_MARK,
  FLAG_READ,
  FLAG_WRITE,
  KIND_HOME,
  KIND_SECRET,
  KIND_SHIFTED,
  KIND_TRANSLATED,
  VALUE_ZERO,
  type Values,
} from './verify-values.ts';

const WORDS = 16;
/** Which cases there can be: CAN_BE_HOME | CAN_BE_VMA. */
export const CASES = 0;
/** 0: no value. */
export const SELECTOR = 1;
export const HOME_LOW = 2;
export const HOME_HIGH = 3;
export const MARK_FROM = 4;
export const MARK_TO = 5;
export const HOME_MAX = 6;
export const HOME_OFFSET = 7;
export const VMA_FROM = 8;
export const VMA_TO = 9;
export const VMA_WRITE = 10;
export const VMA_EPOCH = 11;
export const VMA_MIN = 12;
export const VMA_OFFSET = 13;

export const CAN_BE_HOME = 1;
export const CAN_BE_VMA = 2;

const HOME_ADDRESS_MAX = 0x7fff_ffff;
/** How far a translation can be moved, so that no sum of it leaves 32 bits. */
const MOVE_MAX = 0x0040_0000;

export class Translations {
  words = new Int32Array(WORDS * 64);
  #count = 0;
  readonly #values: Values;
  readonly #fact: Fact = { from: 0, size: 0, condition: 0, bound: 0, epoch: 0 };

  /** Whether addresses are masked. */
  readonly #isMasked: boolean;

  constructor(values: Values, isMasked: boolean) {
    this.#values = values;
    this.#isMasked = isMasked;
  }

  begin(): void {
    this.#count = 0;
  }

  get(translation: number, word: number): number {
    return this.words[translation * WORDS + word] as number; // translations are inside the table
  }

  #set(translation: number, word: number, value: number): void {
    this.words[translation * WORDS + word] = value;
  }

  #make(cases: number): number {
    const translation = this.#count;
    this.#count = translation + 1;
    if (this.#count * WORDS > this.words.length) {
      const words = new Int32Array(2 * this.words.length);
      words.set(this.words);
      this.words = words;
    }
    const { words } = this;
    const first = translation * WORDS;
    for (let at = first; at < first + WORDS; at += 1) words[at] = 0;
    words[first + CASES] = cases;
    return translation;
  }

  /**
   * A new translation of a value as it is known on this path, or -1 when it is no address that could be proven.
   * `selector` is the value that decided in other cases, or 0.
   */
  describe(value: number, selector: number, epoch: number): number {
    const values = this.#values;
    const kind = values.kinds[value] as number; // values are inside the table
    if (kind === KIND_HOME) return this.#describeHome(value);
    if (kind === KIND_TRANSLATED) return this.#copy(values.a[value] as number);
    if (kind >= KIND_SECRET) return -1;
    return this.#describeVma(value, selector, epoch);
  }

  #copy(from: number): number {
    const translation = this.#make(0);
    this.words.copyWithin(translation * WORDS, from * WORDS, (from + 1) * WORDS);
    return translation;
  }

  #describeHome(value: number): number {
    const values = this.#values;
    const selector = values.a[value] as number;
    const offset = values.b[value] as number;
    // A mask bounds the address itself, and not one at a distance; what is shifted was not masked.
    const isBounded = selector === VALUE_ZERO || (offset === 0 && values.kinds[selector] !== KIND_SHIFTED);
    if (this.#isMasked && !isBounded) return -1;
    const low = values.low(selector) + offset;
    const high = values.high(selector) + offset;
    if (low < 0 || high > HOME_ADDRESS_MAX || low > high) return -1;
    const translation = this.#make(CAN_BE_HOME);
    this.#set(translation, HOME_LOW, low);
    this.#set(translation, HOME_HIGH, high);
    this.#set(translation, SELECTOR, selector);
    this.#set(translation, HOME_MAX, values.high(selector));
    this.#set(translation, HOME_OFFSET, offset);
    const root = values.rootOf(selector);
    if (!values.hasFact(root, FLAG_MARK)) return translation;
    const fact = this.#fact;
    values.readFact(root, FLAG_MARK, fact);
    if (fact.condition !== 0 && values.high(fact.condition) > fact.bound) return translation;
    const from = (fact.from - values.offsetOf(selector) - offset) | 0;
    this.#set(translation, MARK_FROM, from);
    this.#set(translation, MARK_TO, from + fact.size);
    return translation;
  }

  #describeVma(value: number, selector: number, epoch: number): number {
    const values = this.#values;
    const root = values.rootOf(value);
    const fact = this.#fact;
    let flag = FLAG_WRITE;
    if (!this.#readCheck(root, FLAG_WRITE, epoch)) {
      if (!this.#readCheck(root, FLAG_READ, epoch)) return -1;
      flag = FLAG_READ;
    } else {
      // Of two checks the one for reading is of use only where that for writing does not reach.
      const { from, size } = fact;
      const isWider =
        this.#readCheck(root, FLAG_READ, epoch) &&
        (((fact.from - from) | 0) < 0 || ((fact.from - from) | 0) + fact.size > size);
      if (isWider) flag = FLAG_READ;
      else this.#readCheck(root, FLAG_WRITE, epoch);
    }
    const translation = this.#make(CAN_BE_VMA);
    const from = (fact.from - values.offsetOf(value)) | 0;
    this.#set(translation, VMA_FROM, from);
    this.#set(translation, VMA_TO, from + fact.size);
    this.#set(translation, VMA_WRITE, flag === FLAG_WRITE ? 1 : 0);
    this.#set(translation, VMA_EPOCH, epoch);
    const decides = selector !== 0 && values.rootOf(selector) === root ? selector : root;
    this.#set(translation, SELECTOR, decides);
    this.#set(translation, VMA_MIN, values.low(decides));
    this.#set(translation, VMA_OFFSET, (values.offsetOf(value) - values.offsetOf(decides)) | 0);
    return translation;
  }

  /** Reads the check of this flag into the fact; false when there is none that holds here. */
  #readCheck(root: number, flag: number, epoch: number): boolean {
    const values = this.#values;
    if (!values.hasFact(root, flag)) return false;
    const fact = this.#fact;
    values.readFact(root, flag, fact);
    return fact.epoch === epoch && (fact.condition === 0 || values.low(fact.condition) >= fact.bound);
  }

  selectorOf(translation: number): number {
    return this.get(translation, SELECTOR);
  }

  /** Makes the first one hold whichever of the two does. */
  join(into: number, other: number): void {
    const cases = this.get(into, CASES);
    const otherCases = this.get(other, CASES);
    let decides = this.get(into, SELECTOR) === this.get(other, SELECTOR);
    if ((otherCases & CAN_BE_HOME) !== 0) {
      if ((cases & CAN_BE_HOME) === 0) this.#take(into, other, HOME_LOW, HOME_OFFSET);
      else decides = this.#joinHome(into, other) && decides;
    }
    if ((otherCases & CAN_BE_VMA) !== 0) {
      if ((cases & CAN_BE_VMA) === 0) this.#take(into, other, VMA_FROM, VMA_OFFSET);
      else decides = this.#joinVma(into, other) && decides;
    }
    this.#set(into, CASES, cases | otherCases);
    if (!decides) this.#set(into, SELECTOR, 0);
  }

  #take(into: number, other: number, first: number, last: number): void {
    for (let word = first; word <= last; word += 1) this.#set(into, word, this.get(other, word));
  }

  #joinHome(into: number, other: number): boolean {
    this.#set(into, HOME_LOW, Math.min(this.get(into, HOME_LOW), this.get(other, HOME_LOW)));
    this.#set(into, HOME_HIGH, Math.max(this.get(into, HOME_HIGH), this.get(other, HOME_HIGH)));
    this.#intersect(into, other, MARK_FROM, MARK_TO);
    const most = Math.max(this.get(into, HOME_MAX) >>> 0, this.get(other, HOME_MAX) >>> 0);
    this.#set(into, HOME_MAX, most);
    return this.get(into, HOME_OFFSET) === this.get(other, HOME_OFFSET);
  }

  #joinVma(into: number, other: number): boolean {
    this.#intersect(into, other, VMA_FROM, VMA_TO);
    this.#set(into, VMA_WRITE, this.get(into, VMA_WRITE) & this.get(other, VMA_WRITE));
    if (this.get(into, VMA_EPOCH) !== this.get(other, VMA_EPOCH)) this.#set(into, VMA_TO, this.get(into, VMA_FROM));
    const least = Math.min(this.get(into, VMA_MIN) >>> 0, this.get(other, VMA_MIN) >>> 0);
    this.#set(into, VMA_MIN, least);
    return this.get(into, VMA_OFFSET) === this.get(other, VMA_OFFSET);
  }

  /** Ranges that do not meet leave an empty one. */
  #intersect(into: number, other: number, from: number, to: number): void {
    const low = Math.max(this.get(into, from), this.get(other, from));
    this.#set(into, from, low);
    this.#set(into, to, Math.max(low, Math.min(this.get(into, to), this.get(other, to))));
  }

  /** A new translation of x + distance, or -1. */
  move(translation: number, distance: number): number {
    if (Math.abs(distance) > MOVE_MAX) return -1;
    const isHome = (this.get(translation, CASES) & CAN_BE_HOME) !== 0;
    if (isHome && this.#isMasked) return -1;
    const low = this.get(translation, HOME_LOW) + distance;
    const high = this.get(translation, HOME_HIGH) + distance;
    if (isHome && (low < 0 || high > HOME_ADDRESS_MAX)) return -1;
    const moved = this.#copy(translation);
    this.#set(moved, HOME_LOW, low);
    this.#set(moved, HOME_HIGH, high);
    this.#set(moved, HOME_OFFSET, (this.get(moved, HOME_OFFSET) + distance) | 0);
    this.#set(moved, VMA_OFFSET, (this.get(moved, VMA_OFFSET) + distance) | 0);
    for (const word of [MARK_FROM, MARK_TO, VMA_FROM, VMA_TO]) this.#set(moved, word, this.get(moved, word) - distance);
    return moved;
  }
}
