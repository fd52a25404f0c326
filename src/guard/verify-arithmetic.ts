/**
 * What instructions make of values, and what a condition says of them when it holds or does not.
 *
 * Of the function's own values little is kept: sums with constants, shifts, ranges, comparisons. Secret values go into exactly
 * the computations that the guard needs; any other is refused (REFUSED), so nothing secret becomes a value of the function.
 */
import type { Translations } from './verify-translations.ts';
import {
  KIND_AND,
  KIND_BASE,
  KIND_CONSTANT,
  KIND_EQUAL,
  KIND_HOME,
  KIND_IS_ZERO,
  KIND_LESS,
  KIND_LESS_OR_EQUAL,
  KIND_MASKED,
  KIND_NO_WINDOW,
  KIND_NOT_EQUAL,
  KIND_OPAQUE,
  KIND_OR,
  KIND_PLACE,
  KIND_SCALED,
  KIND_SECRET,
  KIND_SHIFTED,
  KIND_TRANSLATED,
  KIND_WINDOW,
  U32_MAX,
  VALUE_ANY,
  VALUE_ZERO,
  type Values,
} from './verify-values.ts';

/** Instead of a value: the computation is not allowed with a secret. */
export const REFUSED = -1;

/** How deep conditions are looked into. */
const CONDITION_DEPTH_MAX = 8;

/** Unsigned comparisons. */
export const COMPARE_LESS = 0;
export const COMPARE_GREATER = 1;
export const COMPARE_LESS_OR_EQUAL = 2;
export const COMPARE_GREATER_OR_EQUAL = 3;
export const COMPARE_EQUAL = 4;
export const COMPARE_NOT_EQUAL = 5;

export class Arithmetic {
  readonly #values: Values;
  readonly #translations: Translations;

  /** Addresses in the home must have gone through this mask; 0: none. */
  readonly #mask: number;

  constructor(values: Values, translations: Translations, addressMask: number) {
    this.#values = values;
    this.#translations = translations;
    this.#mask = addressMask;
  }

  add(x: number, y: number): number {
    const { kinds, a } = this.#values;
    const kindX = kinds[x] as number; // values are inside the table
    const kindY = kinds[y] as number;
    if (kindX >= KIND_SECRET || kindY >= KIND_SECRET) {
      return kindX >= KIND_SECRET ? this.#addSecret(x, y) : this.#addSecret(y, x);
    }
    if (kindY === KIND_CONSTANT) return this.#values.sum(x, a[y] as number);
    if (kindX === KIND_CONSTANT) return this.#values.sum(y, a[x] as number);
    if (!this.#values.hasRange(x) || !this.#values.hasRange(y)) return VALUE_ANY;
    return this.#inRange(this.#values.low(x) + this.#values.low(y), this.#values.high(x) + this.#values.high(y));
  }

  /** A value of the function, of which at least the range is known if that says anything. */
  #inRange(low: number, high: number): number {
    return high < U32_MAX ? this.#values.ranged(KIND_OPAQUE, 0, 0, low, high) : VALUE_ANY;
  }

  /** x is secret. */
  #addSecret(x: number, y: number): number {
    const values = this.#values;
    const kindY = values.kinds[y] as number;
    switch (values.kinds[x]) {
      case KIND_BASE:
        if (kindY >= KIND_SECRET) return REFUSED;
        if (kindY === KIND_CONSTANT) return values.make(KIND_HOME, VALUE_ZERO, values.a[y] as number);
        if (kindY === KIND_MASKED) return values.make(KIND_HOME, values.a[y] as number, 0);
        // What is marked is not masked: a chunk of the map, by its number.
        return this.#mask !== 0 && kindY !== KIND_SHIFTED ? REFUSED : values.make(KIND_HOME, y, 0);
      case KIND_HOME:
      case KIND_TRANSLATED:
        return kindY === KIND_CONSTANT ? this.#move(x, values.a[y] as number) : REFUSED;
      case KIND_WINDOW:
        return kindY < KIND_SECRET && y !== VALUE_ANY ? values.make(KIND_PLACE, x, y) : REFUSED;
      case KIND_PLACE: {
        if (kindY !== KIND_CONSTANT) return REFUSED;
        const moved = values.sum(values.b[x] as number, values.a[y] as number);
        return values.make(KIND_PLACE, values.a[x] as number, moved);
      }
      default:
        return REFUSED;
    }
  }

  /** An address in the home or a translated one, plus a constant. */
  #move(x: number, constant: number): number {
    const values = this.#values;
    if (values.kinds[x] === KIND_HOME) {
      return values.make(KIND_HOME, values.a[x] as number, ((values.b[x] as number) + constant) | 0);
    }
    const moved = this.#translations.move(values.a[x] as number, constant);
    return moved < 0 ? REFUSED : values.make(KIND_TRANSLATED, moved, 0);
  }

  subtract(x: number, y: number): number {
    const values = this.#values;
    const kindX = values.kinds[x] as number;
    const kindY = values.kinds[y] as number;
    if (kindY === KIND_CONSTANT) {
      const constant = -(values.a[y] as number) | 0;
      if (kindX < KIND_SECRET) return values.sum(x, constant);
      if (kindX === KIND_HOME || kindX === KIND_TRANSLATED) return this.#move(x, constant);
    }
    return kindX >= KIND_SECRET || kindY >= KIND_SECRET ? REFUSED : VALUE_ANY;
  }

  and(x: number, y: number): number {
    const values = this.#values;
    const kindX = values.kinds[x] as number;
    const kindY = values.kinds[y] as number;
    if (kindX >= KIND_SECRET || kindY >= KIND_SECRET) return REFUSED;
    const isMask = this.#mask !== 0 && kindY === KIND_CONSTANT && (values.a[y] as number) === this.#mask;
    if (isMask && x !== VALUE_ANY && values.high(x) <= this.#mask) {
      return values.ranged(KIND_MASKED, x, 0, values.low(x), values.high(x));
    }
    if (kindY === KIND_CONSTANT) return this.#atMost((values.a[y] as number) >>> 0, x);
    if (kindX === KIND_CONSTANT) return this.#atMost((values.a[x] as number) >>> 0, y);
    if (isCondition(kindX) && isCondition(kindY)) return values.make(KIND_AND, x, y);
    return values.hasRange(x) || values.hasRange(y) ? this.#atMost(values.high(x), y) : VALUE_ANY;
  }

  #atMost(high: number, x: number): number {
    return this.#inRange(0, this.#values.hasRange(x) ? Math.min(high, this.#values.high(x)) : high);
  }

  or(x: number, y: number): number {
    const values = this.#values;
    const kindX = values.kinds[x] as number;
    const kindY = values.kinds[y] as number;
    if (kindX >= KIND_SECRET || kindY >= KIND_SECRET) return REFUSED;
    return isCondition(kindX) && isCondition(kindY) ? values.make(KIND_OR, x, y) : VALUE_ANY;
  }

  isZero(x: number): number {
    if (this.#values.kinds[x] === KIND_WINDOW) return this.#values.make(KIND_NO_WINDOW, x, 0);
    if (this.#values.isSecret(x)) return REFUSED;
    return x === VALUE_ANY ? VALUE_ANY : this.#values.make(KIND_IS_ZERO, x, 0);
  }

  shiftLeft(x: number, y: number): number {
    const values = this.#values;
    if (values.isSecret(x) || values.isSecret(y)) return REFUSED;
    if (values.kinds[y] !== KIND_CONSTANT || x === VALUE_ANY) return VALUE_ANY;
    const shift = (values.a[y] as number) & 31;
    const high = values.high(x) * 2 ** shift;
    if (high >= U32_MAX) return values.make(KIND_SCALED, x, shift);
    return values.ranged(KIND_SCALED, x, shift, values.low(x) * 2 ** shift, high);
  }

  shiftRight(x: number, y: number): number {
    const values = this.#values;
    if (values.isSecret(x) || values.isSecret(y)) return REFUSED;
    if (x === VALUE_ANY || values.kinds[y] !== KIND_CONSTANT) return VALUE_ANY;
    const shift = (values.a[y] as number) & 31;
    return values.ranged(KIND_SHIFTED, x, shift, values.low(x) >>> shift, values.high(x) >>> shift);
  }

  compare(how: number, x: number, y: number): number {
    const values = this.#values;
    if (values.isSecret(x) || values.isSecret(y)) return REFUSED;
    if (x === VALUE_ANY || y === VALUE_ANY) return VALUE_ANY;
    switch (how) {
      case COMPARE_LESS:
        return values.make(KIND_LESS, x, y);
      case COMPARE_GREATER:
        return values.make(KIND_LESS, y, x);
      case COMPARE_LESS_OR_EQUAL:
        return values.make(KIND_LESS_OR_EQUAL, x, y);
      case COMPARE_GREATER_OR_EQUAL:
        return values.make(KIND_LESS_OR_EQUAL, y, x);
      default:
        return values.make(how === COMPARE_EQUAL ? KIND_EQUAL : KIND_NOT_EQUAL, x, y);
    }
  }

  /** Takes note that a condition is true (not 0), or false. Returns false when it never is. */
  learn(condition: number, isTrue: boolean): boolean {
    return this.#learn(condition, isTrue, CONDITION_DEPTH_MAX);
  }

  #learn(condition: number, isTrue: boolean, depth: number): boolean {
    if (depth === 0 || condition === VALUE_ANY) return true;
    const values = this.#values;
    const kind = values.kinds[condition] as number;
    const a = values.a[condition] as number;
    const b = values.b[condition] as number;
    switch (kind) {
      case KIND_IS_ZERO:
        return this.#learn(a, !isTrue, depth - 1);
      case KIND_NO_WINDOW:
        // The address 0 stands for none. As long as it is 1 at least, it is there.
        return isTrue ? values.narrow(a, 0, 0) : values.narrow(a, 1, U32_MAX);
      case KIND_AND:
        return !isTrue || (this.#learn(a, true, depth - 1) && this.#learn(b, true, depth - 1));
      case KIND_OR:
        return isTrue || (this.#learn(a, false, depth - 1) && this.#learn(b, false, depth - 1));
      default:
        return kind >= KIND_SECRET || this.#learnRange(condition, kind, a, b, isTrue);
    }
  }

  #learnRange(condition: number, kind: number, a: number, b: number, isTrue: boolean): boolean {
    const values = this.#values;
    if (kind === KIND_LESS || kind === KIND_LESS_OR_EQUAL) {
      // Not (a < b) is b <= a.
      const distance = isTrue === (kind === KIND_LESS) ? 1 : 0;
      const small = isTrue ? a : b;
      const large = isTrue ? b : a;
      if (distance === 1) values.setBound(small, large);
      return (
        values.narrow(small, 0, (values.hasRange(large) ? values.high(large) : U32_MAX) - distance) &&
        (values.kinds[large] === KIND_CONSTANT || values.narrow(large, values.low(small) + distance, U32_MAX))
      );
    }
    if (kind === KIND_EQUAL || kind === KIND_NOT_EQUAL) {
      if (isTrue !== (kind === KIND_EQUAL)) return true;
      return values.narrow(a, values.low(b), values.high(b)) && values.narrow(b, values.low(a), values.high(a));
    }
    return isTrue ? values.narrow(condition, 1, U32_MAX) : values.narrow(condition, 0, 0);
  }
}

function isCondition(kind: number): boolean {
  return kind >= KIND_IS_ZERO && kind <= KIND_NOT_EQUAL;
}
