/**
 * What instructions make of values, and what a condition says of them when it holds or does not.
 *
 * Of the function's own values little is kept: sums with constants, shifts, ranges, comparisons. Secret values go into
 * exactly the computations that the guard needs; any other is refused (REFUSED), so nothing secret becomes a value of the
 * function. The look-up of a VTE is recognised by what is computed, whatever instructions are between:
 *
 *     g = i64 at GRANULE_TABLE + 8 * (e >>> 24)        KIND_GRANULE, of the one load that has both halves
 *     v = ((e >>> g) << 5) + (g >>> 32)                KIND_VTE
 *     the i32 at v + VTE_OWNER = base                  KIND_OWNED
 *     e + s <= the i32 at v + VTE_READ_END             KIND_WITHIN
 *
 * If the PD owns v, and e + s <= its end, then [e, e + s) is in one VMA with the permission; access.ts has the proof. All
 * loads must be of one epoch: between two, the granule may have gone to another class and the PD may own other VMAs.
 */
import { GRANULE_SHIFT, VTE_SHIFT } from '../../core/layout.ts';
import type { AccessProof } from './verify-access.ts';
import type { Translations } from './verify-translations.ts';
import {
  KIND_AND,
  KIND_BASE,
  KIND_BEYOND,
  KIND_CONSTANT,
  KIND_END,
  KIND_EQUAL,
  KIND_GRANULE,
  KIND_GRANULE_BIAS,
  KIND_GRANULE_BIAS_LONG,
  KIND_GRANULE_OFFSET,
  KIND_GRANULE_SHIFT,
  KIND_HOME,
  KIND_IS_ZERO,
  KIND_LESS,
  KIND_LESS_OR_EQUAL,
  KIND_LONG,
  KIND_NOT_EQUAL,
  KIND_NOT_OWNED,
  KIND_OPAQUE,
  KIND_OR,
  KIND_OWNED,
  KIND_OWNER,
  KIND_SECRET,
  KIND_SECRET_AND,
  KIND_SECRET_IS_ZERO,
  KIND_SECRET_OR,
  KIND_SHIFTED,
  KIND_TRANSLATED,
  KIND_VTE,
  KIND_VTE_INDEX,
  KIND_VTE_OFFSET,
  KIND_WITHIN,
  U32_MAX,
  VALUE_ANY,
  VALUE_BASE,
  VALUE_ZERO,
  type Values,
} from './verify-values.ts';

/** Instead of a value: the computation is not allowed with a secret. */
export const REFUSED = -1;

/** Most bytes that one check can be for: e + s does not wrap, since no VMA is in the last 16 MiB. */
const CHECK_BYTES_MAX = 2 ** GRANULE_SHIFT;
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
  readonly #proof: AccessProof;

  constructor(values: Values, translations: Translations, proof: AccessProof) {
    this.#values = values;
    this.#translations = translations;
    this.#proof = proof;
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
        return values.make(KIND_HOME, y, 0);
      case KIND_HOME:
      case KIND_TRANSLATED:
        return kindY === KIND_CONSTANT ? this.#move(x, values.a[y] as number) : REFUSED;
      case KIND_VTE_OFFSET:
      case KIND_GRANULE_BIAS: {
        const isVte =
          (values.kinds[x] === KIND_VTE_OFFSET && kindY === KIND_GRANULE_BIAS) ||
          (values.kinds[x] === KIND_GRANULE_BIAS && kindY === KIND_VTE_OFFSET);
        const granule = values.a[x] as number;
        if (!isVte || granule !== values.a[y]) return REFUSED;
        return values.make(KIND_VTE, values.a[granule] as number, granule);
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
    if (kindX >= KIND_SECRET || kindY >= KIND_SECRET) return this.#combine(KIND_SECRET_AND, x, y);
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
    if (kindX >= KIND_SECRET || kindY >= KIND_SECRET) return this.#combine(KIND_SECRET_OR, x, y);
    return isCondition(kindX) && isCondition(kindY) ? values.make(KIND_OR, x, y) : VALUE_ANY;
  }

  #combine(kind: number, x: number, y: number): number {
    const kinds = this.#values.kinds;
    const isAllowed = (k: number): boolean => isCondition(k) || isSecretCondition(k);
    const allowed = isAllowed(kinds[x] as number) && isAllowed(kinds[y] as number);
    return allowed ? this.#values.make(kind, x, y) : REFUSED;
  }

  isZero(x: number): number {
    const kind = this.#values.kinds[x] as number;
    if (kind >= KIND_SECRET) return isSecretCondition(kind) ? this.#values.make(KIND_SECRET_IS_ZERO, x, 0) : REFUSED;
    return x === VALUE_ANY ? VALUE_ANY : this.#values.make(KIND_IS_ZERO, x, 0);
  }

  shiftLeft(x: number, y: number): number {
    const values = this.#values;
    const kindX = values.kinds[x] as number;
    if (kindX >= KIND_SECRET) {
      const isOffset = kindX === KIND_VTE_INDEX && values.kinds[y] === KIND_CONSTANT && values.a[y] === VTE_SHIFT;
      return isOffset ? values.make(KIND_VTE_OFFSET, values.a[x] as number, 0) : REFUSED;
    }
    if (values.kinds[y] !== KIND_CONSTANT) return values.isSecret(y) ? REFUSED : VALUE_ANY;
    const shift = (values.a[y] as number) & 31;
    if (kindX === KIND_SHIFTED && shift === 3 && values.b[x] === GRANULE_SHIFT) {
      return values.make(KIND_GRANULE_OFFSET, values.a[x] as number, 0);
    }
    if (!values.hasRange(x)) return VALUE_ANY;
    const high = values.high(x) * 2 ** shift;
    return high < U32_MAX ? this.#inRange(values.low(x) * 2 ** shift, high) : VALUE_ANY;
  }

  shiftRight(x: number, y: number): number {
    const values = this.#values;
    const kindY = values.kinds[y] as number;
    if (values.isSecret(x)) return REFUSED;
    if (kindY >= KIND_SECRET) {
      const granule = values.a[y] as number;
      const isIndex = kindY === KIND_GRANULE_SHIFT && x !== VALUE_ANY && values.same(x, values.a[granule] as number);
      return isIndex ? values.make(KIND_VTE_INDEX, granule, 0) : REFUSED;
    }
    if (x === VALUE_ANY || kindY !== KIND_CONSTANT) return VALUE_ANY;
    const shift = (values.a[y] as number) & 31;
    return values.ranged(KIND_SHIFTED, x, shift, values.low(x) >>> shift, values.high(x) >>> shift);
  }

  wrap(x: number): number {
    const values = this.#values;
    const kind = values.kinds[x];
    if (kind === KIND_GRANULE) return values.make(KIND_GRANULE_SHIFT, x, 0);
    if (kind === KIND_GRANULE_BIAS_LONG) return values.make(KIND_GRANULE_BIAS, values.a[x] as number, 0);
    return values.isSecret(x) ? REFUSED : VALUE_ANY;
  }

  shiftRightLong(x: number, y: number): number {
    const values = this.#values;
    if (values.kinds[x] === KIND_GRANULE && values.kinds[y] === KIND_LONG && values.a[y] === 32) {
      return values.make(KIND_GRANULE_BIAS_LONG, x, 0);
    }
    return values.isSecret(x) || values.isSecret(y) ? REFUSED : VALUE_ANY;
  }

  compare(how: number, x: number, y: number): number {
    const values = this.#values;
    if (values.isSecret(x) || values.isSecret(y)) return this.#compareSecret(how, x, y);
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

  #compareSecret(how: number, x: number, y: number): number {
    const values = this.#values;
    const kindX = values.kinds[x];
    const kindY = values.kinds[y];
    if (how === COMPARE_EQUAL || how === COMPARE_NOT_EQUAL) {
      const kind = how === COMPARE_EQUAL ? KIND_OWNED : KIND_NOT_OWNED;
      if (kindX === KIND_OWNER && y === VALUE_BASE) return values.make(kind, values.a[x] as number, 0);
      if (kindY === KIND_OWNER && x === VALUE_BASE) return values.make(kind, values.a[y] as number, 0);
      return REFUSED;
    }
    if (kindY === KIND_END && !values.isSecret(x)) {
      if (how === COMPARE_LESS_OR_EQUAL) return values.make(KIND_WITHIN, x, y);
      if (how === COMPARE_GREATER) return values.make(KIND_BEYOND, x, y);
    }
    if (kindX === KIND_END && !values.isSecret(y)) {
      if (how === COMPARE_GREATER_OR_EQUAL) return values.make(KIND_WITHIN, y, x);
      if (how === COMPARE_LESS) return values.make(KIND_BEYOND, y, x);
    }
    return REFUSED;
  }

  /**
   * Whether the function may branch on a condition. What it learns by that must be about itself: who owns a VMA says whether it
   * does, and the end of a VMA is for its owner to know. So an end counts only together with the owner.
   */
  mayDecide(condition: number, epoch: number): boolean {
    return this.#mayDecide(condition, epoch, CONDITION_DEPTH_MAX);
  }

  #mayDecide(condition: number, epoch: number, depth: number): boolean {
    const values = this.#values;
    const kind = values.kinds[condition] as number;
    if (kind < KIND_SECRET || kind === KIND_OWNED || kind === KIND_NOT_OWNED) return true;
    if (depth === 0) return false;
    const a = values.a[condition] as number;
    const b = values.b[condition] as number;
    switch (kind) {
      case KIND_WITHIN:
      case KIND_BEYOND:
        return values.isOwned(values.a[b] as number, epoch);
      case KIND_SECRET_IS_ZERO:
        return this.#mayDecide(a, epoch, depth - 1);
      case KIND_SECRET_OR:
        return this.#hidesEnd(KIND_NOT_OWNED, a, b) || this.#mayDecideBoth(a, b, epoch, depth - 1);
      case KIND_SECRET_AND:
        return this.#hidesEnd(KIND_OWNED, a, b) || this.#mayDecideBoth(a, b, epoch, depth - 1);
      default:
        return false;
    }
  }

  #mayDecideBoth(a: number, b: number, epoch: number, depth: number): boolean {
    return this.#mayDecide(a, epoch, depth) && this.#mayDecide(b, epoch, depth);
  }

  /** Whether one of two conditions is about the owner of a VTE, and decides alone for all others, and the other is about its end. */
  #hidesEnd(owner: number, a: number, b: number): boolean {
    const { kinds, a: first, b: second } = this.#values;
    const isEnd = (kind: number | undefined): boolean => kind === KIND_WITHIN || kind === KIND_BEYOND;
    if (kinds[a] === owner && isEnd(kinds[b])) return first[a] === first[second[b] as number];
    return kinds[b] === owner && isEnd(kinds[a]) && first[b] === first[second[a] as number];
  }

  /** Takes note that a condition is true (not 0), or false. Returns false when it never is. */
  learn(condition: number, isTrue: boolean, epoch: number): boolean {
    return this.#learn(condition, isTrue, epoch, CONDITION_DEPTH_MAX);
  }

  #learn(condition: number, isTrue: boolean, epoch: number, depth: number): boolean {
    if (depth === 0 || condition === VALUE_ANY) return true;
    const values = this.#values;
    const kind = values.kinds[condition] as number;
    const a = values.a[condition] as number;
    const b = values.b[condition] as number;
    switch (kind) {
      case KIND_IS_ZERO:
      case KIND_SECRET_IS_ZERO:
        return this.#learn(a, !isTrue, epoch, depth - 1);
      case KIND_AND:
      case KIND_SECRET_AND:
        return !isTrue || this.#learnBoth(a, b, true, epoch, depth - 1);
      case KIND_OR:
      case KIND_SECRET_OR:
        return isTrue || this.#learnBoth(a, b, false, epoch, depth - 1);
      case KIND_OWNED:
      case KIND_NOT_OWNED:
        if (isTrue === (kind === KIND_OWNED)) this.#learnOwned(a, epoch);
        return true;
      case KIND_WITHIN:
      case KIND_BEYOND:
        if (isTrue === (kind === KIND_WITHIN)) this.#learnWithin(a, b, epoch);
        return true;
      default:
        return kind >= KIND_SECRET || this.#learnRange(condition, kind, a, b, isTrue);
    }
  }

  /** Who owns a VTE must be known before its end says anything. */
  #learnBoth(a: number, b: number, isTrue: boolean, epoch: number, depth: number): boolean {
    const kindA = this.#values.kinds[a];
    const endFirst = kindA === KIND_WITHIN || kindA === KIND_BEYOND;
    const [first, second] = endFirst ? [b, a] : [a, b];
    return this.#learn(first, isTrue, epoch, depth) && this.#learn(second, isTrue, epoch, depth);
  }

  #learnOwned(vte: number, epoch: number): void {
    const granule = this.#values.b[vte] as number;
    if (this.#values.b[granule] === epoch) this.#values.setOwned(vte, epoch);
  }

  /** x <= end, which is an end of a VTE of e: then [e, e + (x - e)) is in the VMA, if the PD owns it. */
  #learnWithin(x: number, end: number, epoch: number): void {
    const values = this.#values;
    const vte = values.a[end] as number;
    if (x === VALUE_ANY || !values.isOwned(vte, epoch)) return;
    const address = values.a[vte] as number;
    if (values.rootOf(x) !== values.rootOf(address)) return;
    const size = (values.offsetOf(x) - values.offsetOf(address)) | 0;
    if (size < 0 || size > CHECK_BYTES_MAX) return;
    this.#proof.setChecked(address, size, values.b[end] === 1, epoch);
  }

  #learnRange(condition: number, kind: number, a: number, b: number, isTrue: boolean): boolean {
    const values = this.#values;
    if (kind === KIND_LESS || kind === KIND_LESS_OR_EQUAL) {
      // Not (a < b) is b <= a.
      const distance = isTrue === (kind === KIND_LESS) ? 1 : 0;
      const small = isTrue ? a : b;
      const large = isTrue ? b : a;
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

function isSecretCondition(kind: number): boolean {
  return kind >= KIND_OWNED && kind <= KIND_SECRET_OR;
}
