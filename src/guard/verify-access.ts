/*
 * Whether an access is proven. Numbers are as in access.ts: offset o and size s of the instruction, H, L, R of the layout.
 * All are integers, not modulo anything unless it says so. An instruction at address x accesses [x + o, x + o + s); there is
 * no wrap, and below 2^33 that is exact in doubles.
 *
 * Home. x = base + y + c modulo 2^32, where y is a value of the function with low <= y <= high and c a constant, -2^31 <= c
 *     < 2^31. With 0 <= low + c and high + c + o + s <= H + L + R, no modulo was needed, since base + H + L + R <= 2^31: so
 *     x + o = base + (y + c + o). With H <= low + c + o too, the access is in the memory of the home and its red zone. ✓
 *
 * VMA. A check of root r says that a = r + from modulo 2^32 has 2^31 <= a and a + size <= 2^32 - 2^24, and that
 *     [a, a + size) is permitted. x = r + f modulo 2^32. Let k = f + o - from, where f - from is taken as an i32, and let
 *     0 <= k <= size - s. Then x + o = a + k modulo 2^32, and a + k + s < 2^32. That the sums are equal, not only modulo 2^32:
 *     otherwise x + o = a + k + 2^32, so x = a + (f - from) + 2^32 < 2^32, so f - from < -2^31, which no i32 is. ✓
 *
 * Marks. A mark of index i = r + m, taken modulo 2^32, sets byte i >>> chunkShift of the map; `markFrom` has seen to it that
 *     i < mapSize << chunkShift, so the byte is in the map, and i < 2^30. It stands for the chunk of i and for the
 *     RESTORED_BEHIND bytes behind that chunk. i is at most the chunk's last byte, so writes in
 *     [i, i + 1 + RESTORED_BEHIND) are covered wherever in the chunk i is. A write at home address h < 2^30 that is i + k
 *     modulo 2^32 with 0 <= k is i + k. ✓ Marks are not taken back while the PD lives, so they last on a path.
 *     Marks of i and of i + d, 0 <= d <= a chunk, cover all of [i, i + d + 1 + RESTORED_BEHIND): what lies between i and i + d is
 *     in the chunk of one or of the other, since there is no third in between. ✓
 *     Marks of places that are constants, [f, t), are good for a write at home address y + o of a value y in a range: where
 *     f <= low + o and high + o + s <= t, it is in [f, t) whichever y is. (Home addresses are below 2^30: no sum here wraps.) ✓
 *     jord:write-range with constants a and n, 0 < n, a + n <= L, finds them in the home and marks all chunks of [a, a + n):
 *     so it is as if i = a, and each chunk's first index, and at last i = a + n - 1 had been marked. ✓
 *
 * A check lasts until the next call that could change a permission: an epoch. Marks and ranges last.
 */
import { RED_ZONE, RESTORED_BEHIND } from '../../core/layout.ts';
import type { HomeLayout } from './types.ts';
import {
  CAN_BE_HOME,
  CAN_BE_VMA,
  CASES,
  HOME_HIGH,
  HOME_LOW,
  HOME_MAX,
  HOME_OFFSET,
  MARK_FROM,
  MARK_TO,
  SELECTOR,
  type Translations,
  VMA_EPOCH,
  VMA_FROM,
  VMA_MIN,
  VMA_OFFSET,
  VMA_TO,
  VMA_WRITE,
} from './verify-translations.ts';
import {
  type Fact,
  FLAG_MARK,
  FLAG_READ,
  FLAG_WRITE,
  KIND_BASE,
  KIND_HOME,
  KIND_PLACE,
  KIND_SECRET,
  KIND_SHIFTED,
  KIND_TRANSLATED,
  KIND_WINDOW,
  VALUE_ZERO,
  type Values,
} from './verify-values.ts';
import type { Windows } from './verify-windows.ts';

/** Bytes that one mark covers, from the byte on that it was made for. */
export const MARKED_BYTES = 1 + RESTORED_BEHIND;

/** An access that is to be proven. */
export interface ProofAccess {
  offset: number;
  sizeBytes: number;
  write: boolean;
  epoch: number;
}

export class AccessProof {
  readonly #values: Values;
  readonly #translations: Translations;
  readonly #windows: Windows;
  readonly #layout: HomeLayout;
  readonly #homeEnd: number;
  /** Indices of the home that can be marked are below this. */
  readonly mapEnd: number;
  readonly #fact: Fact = { from: 0, size: 0, condition: 0, bound: 0, epoch: 0 };

  constructor(values: Values, translations: Translations, windows: Windows, layout: HomeLayout) {
    this.#values = values;
    this.#windows = windows;
    this.#translations = translations;
    this.#layout = layout;
    this.#homeEnd = layout.headerSize + layout.memoryLimit + RED_ZONE;
    this.mapEnd = layout.mapSize * 2 ** layout.chunkShift;
  }

  /** Why the access at `address` is not proven; undefined when it is. */
  missing(address: number, access: ProofAccess): string | undefined {
    const values = this.#values;
    const kind = values.kinds[address] as number; // values are inside the table
    if (kind === KIND_TRANSLATED) return this.#missingTranslated(values.a[address] as number, access);
    if (kind === KIND_HOME) return this.#missingHome(values.a[address] as number, values.b[address] as number, access);
    if (kind === KIND_WINDOW) return this.#missingInWindow(address, VALUE_ZERO, access);
    if (kind === KIND_PLACE) {
      return this.#missingInWindow(values.a[address] as number, values.b[address] as number, access);
    }
    if (kind === KIND_BASE) return this.#missingHome(VALUE_ZERO, 0, access);
    if (kind >= KIND_SECRET) return 'an access at what is no address of the function';
    return this.#missingCheck(address, 0, access, 0, 0);
  }

  /** Of an access at a window, if it has been found, + y. */
  #missingInWindow(window: number, y: number, access: ProofAccess): string | undefined {
    if (this.#values.low(window) === 0) return 'an access to a range that may not have been found';
    return this.#windows.missing(this.#values.a[window] as number, y, access);
  }

  /** Of an access at base + value + constant. */
  #missingHome(value: number, constant: number, access: ProofAccess): string | undefined {
    const { offset, sizeBytes } = access;
    if (this.#layout.addressMask !== 0 && !this.#isMasked(value, constant, access)) {
      return 'an access at an address that was not masked';
    }
    const low = this.#values.low(value) + constant;
    const high = this.#values.high(value) + constant;
    const range = this.#missingRange(low, high, offset, sizeBytes);
    if (range !== undefined || !access.write) return range;
    return this.#isMarked(value, constant + offset, sizeBytes, 0, 0) ? undefined : 'a write to the home without a mark';
  }

  /** Whether the mask bounds the access too: it is at the masked pointer, or little behind it, or at a constant place. */
  #isMasked(value: number, constant: number, { offset, sizeBytes }: ProofAccess): boolean {
    if (value === VALUE_ZERO) return true;
    return this.#values.kinds[value] !== KIND_SHIFTED && constant === 0 && this.#isNear(offset, sizeBytes);
  }

  /** Whether it is in the home and the red zone for each pointer that a mask can leave. */
  #isNear(offset: number, sizeBytes: number): boolean {
    const { headerSize } = this.#layout;
    return offset >= headerSize && offset + sizeBytes <= headerSize + RED_ZONE;
  }

  /** Of an access at base + d + offset, low <= d <= high. */
  #missingRange(low: number, high: number, offset: number, sizeBytes: number): string | undefined {
    if (low < 0) return 'an access that may lie before the home';
    if (low + offset < this.#layout.headerSize) return 'an access to the header of the home';
    if (high + offset + sizeBytes > this.#homeEnd) return 'an access that may lie behind the home';
    return undefined;
  }

  /** Whether a write at base + value + offset is marked, where `selector` is known to be at most `most`. */
  #isMarked(value: number, offset: number, sizeBytes: number, selector: number, most: number): boolean {
    const values = this.#values;
    const fact = this.#fact;
    const root = values.rootOf(value);
    if (!values.hasFact(root, FLAG_MARK)) return this.#isInMarkedRange(value, offset, sizeBytes, selector, most);
    values.readFact(root, FLAG_MARK, fact);
    const { condition, bound } = fact;
    const holds = condition === 0 || values.high(condition) <= bound || (condition === selector && most <= bound);
    const behind = (values.offsetOf(value) + offset - fact.from) | 0;
    if (holds && behind >= 0 && behind + sizeBytes <= fact.size) return true;
    return this.#isInMarkedRange(value, offset, sizeBytes, selector, most);
  }

  /** The same by what is marked of constant places, wherever in its range the value is. */
  #isInMarkedRange(value: number, offset: number, sizeBytes: number, selector: number, most: number): boolean {
    const values = this.#values;
    const fact = this.#fact;
    if (!values.hasFact(VALUE_ZERO, FLAG_MARK)) return false;
    values.readFact(VALUE_ZERO, FLAG_MARK, fact);
    const high = selector === 0 ? values.high(value) : Math.min(values.high(value), most);
    const from = values.low(value) + offset;
    const to = high + offset + sizeBytes;
    return fact.condition === 0 && fact.from >= 0 && from >= fact.from && to <= fact.from + fact.size;
  }

  /** Of an access at value + distance + offset in a VMA, where `selector` is known to be at least `least`. */
  #missingCheck(
    value: number,
    distance: number,
    access: ProofAccess,
    selector: number,
    least: number,
  ): string | undefined {
    const root = this.#values.rootOf(value);
    const from = (this.#values.offsetOf(value) + distance) | 0;
    if (this.#isChecked(root, from, access, FLAG_WRITE, selector, least)) return undefined;
    if (!access.write && this.#isChecked(root, from, access, FLAG_READ, selector, least)) return undefined;
    return 'an access without a check of its address';
  }

  #isChecked(root: number, from: number, access: ProofAccess, flag: number, selector: number, least: number): boolean {
    const values = this.#values;
    if (!values.hasFact(root, flag)) return false;
    const fact = this.#fact;
    values.readFact(root, flag, fact);
    if (fact.epoch !== access.epoch) return false;
    const { condition, bound } = fact;
    if (condition !== 0 && values.low(condition) < bound && !(condition === selector && least >= bound)) return false;
    const behind = ((from - fact.from) | 0) + access.offset;
    return behind >= 0 && behind + access.sizeBytes <= fact.size;
  }

  #missingTranslated(translation: number, access: ProofAccess): string | undefined {
    const t = this.#translations;
    const values = this.#values;
    const cases = t.get(translation, CASES);
    const selector = t.get(translation, SELECTOR);
    const homeMax = t.get(translation, HOME_MAX) >>> 0;
    const vmaMin = t.get(translation, VMA_MIN) >>> 0;
    const isHome = (cases & CAN_BE_HOME) !== 0 && !(selector !== 0 && values.low(selector) > homeMax);
    const isVma = (cases & CAN_BE_VMA) !== 0 && !(selector !== 0 && values.high(selector) < vmaMin);
    return (
      (isHome ? this.#missingInHome(translation, access, selector, homeMax) : undefined) ??
      (isVma ? this.#missingInVma(translation, access, selector, vmaMin) : undefined)
    );
  }

  #missingInHome(translation: number, access: ProofAccess, selector: number, most: number): string | undefined {
    const t = this.#translations;
    const { offset, sizeBytes } = access;
    const range = this.#missingRange(t.get(translation, HOME_LOW), t.get(translation, HOME_HIGH), offset, sizeBytes);
    const isMasked =
      this.#layout.addressMask === 0 ||
      t.get(translation, HOME_HIGH) === t.get(translation, HOME_LOW) ||
      this.#isNear(offset, sizeBytes);
    if (!isMasked) return 'an access at an address that was not masked';
    if (range !== undefined || !access.write) return range;
    if (offset >= t.get(translation, MARK_FROM) && offset + sizeBytes <= t.get(translation, MARK_TO)) return undefined;
    const distance = t.get(translation, HOME_OFFSET) + offset;
    if (selector !== 0 && this.#isMarked(selector, distance, sizeBytes, selector, most)) return undefined;
    return 'a write to the home without a mark';
  }

  #missingInVma(translation: number, access: ProofAccess, selector: number, least: number): string | undefined {
    const t = this.#translations;
    const { offset, sizeBytes, write, epoch } = access;
    const isInside = offset >= t.get(translation, VMA_FROM) && offset + sizeBytes <= t.get(translation, VMA_TO);
    const isValid = t.get(translation, VMA_EPOCH) === epoch && (!write || t.get(translation, VMA_WRITE) !== 0);
    if (isInside && isValid) return undefined;
    if (selector === 0) return 'an access to a VMA beyond what was checked';
    return this.#missingCheck(selector, t.get(translation, VMA_OFFSET), access, selector, least);
  }

  /** Takes note of a mark for index `value` of the home; false when the byte might not be in the map. */
  markFrom(value: number): boolean {
    if (this.#values.high(value) >= this.mapEnd) return false;
    this.#mark(value, 0, MARKED_BYTES, 0, 0);
    return true;
  }

  /** The same for chunk number `chunk`, a constant inside the map: all of the chunk, and what is restored behind it. */
  markChunk(chunk: number): void {
    const size = 2 ** this.#layout.chunkShift;
    this.#mark(VALUE_ZERO, chunk * size, size + RESTORED_BEHIND, 0, 0);
  }

  /** The same for all chunks of [from, from + size), constants. False when they are not all in the memory of the home. */
  markRange(from: number, size: number): boolean {
    if (size === 0 || from + size > this.#layout.memoryLimit) return false;
    this.#mark(VALUE_ZERO, from, size + RESTORED_BEHIND, 0, 0);
    return true;
  }

  #mark(value: number, offset: number, size: number, condition: number, bound: number): void {
    const root = this.#values.rootOf(value);
    const fact = this.#fact;
    let from = (this.#values.offsetOf(value) + offset + this.#layout.headerSize) | 0;
    let to = from + size;
    if (this.#values.hasFact(root, FLAG_MARK)) {
      this.#values.readFact(root, FLAG_MARK, fact);
      const knownTo = fact.from + fact.size;
      const isSame = fact.condition === condition && fact.bound === bound;
      const holds = condition === 0 && fact.condition !== 0 && this.#values.high(fact.condition) <= fact.bound;
      if ((isSame || holds) && this.#areNeighbours(fact.from, knownTo, from, to)) {
        from = Math.min(from, fact.from);
        to = Math.max(to, knownTo);
      }
    }
    fact.from = from;
    fact.size = to - from;
    fact.condition = condition;
    fact.bound = bound;
    this.#values.setFact(root, FLAG_MARK, fact);
  }

  /** Whether what two marks cover is one piece: the last index that one was made for is not more than a chunk before the other. */
  #areNeighbours(from: number, to: number, otherFrom: number, otherTo: number): boolean {
    const chunk = 2 ** this.#layout.chunkShift;
    return otherFrom >= from ? otherFrom - (to - MARKED_BYTES) <= chunk : from - (otherTo - MARKED_BYTES) <= chunk;
  }

  /** Takes note that [value, value + sizeBytes) is in one VMA that may be read, or written too. */
  setChecked(value: number, sizeBytes: number, write: boolean, epoch: number): void {
    const fact = this.#fact;
    const root = this.#values.rootOf(value);
    const from = this.#values.offsetOf(value);
    const flag = write ? FLAG_WRITE : FLAG_READ;
    if (this.#values.hasFact(root, flag)) {
      this.#values.readFact(root, flag, fact);
      const behind = (from - fact.from) | 0;
      const isKnown = fact.epoch === epoch && fact.condition === 0 && behind >= 0 && behind + sizeBytes <= fact.size;
      if (isKnown) return;
    }
    fact.from = from;
    fact.size = sizeBytes;
    fact.condition = 0;
    fact.bound = 0;
    fact.epoch = epoch;
    this.#values.setFact(root, flag, fact);
  }
}
