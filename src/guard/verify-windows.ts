/*
 * Windows: ranges of memory that jord:find-read and jord:find-write have found, or not.
 *
 * Such a function returns A, a window, for a size in bytes N. If A is not 0, [A, A + N) may be read (and written, and is marked where
 * it is in the home), A + N <= 2^32 - 2^24. This lasts for the epoch of the call: what is in a VMA could be taken away in the next one, and of
 * a window it is not known where it is. N is a constant, or n << k: n a value of the function, n <= 2^28, k <= 3, so it is less than 2^32 and
 * no bit is lost.
 *
 * A PLACE is x = A + y modulo 2^32, y a value of the function, 0 <= y < 2^32. An access at x with offset o and size s is proven
 *
 *   N a constant:   y <= high, high + o + s <= N. Then A + y <= A + N < 2^32: no modulo was needed, and
 *                   [x + o, x + o + s) is in [A, A + N). ✓
 *   N = n << k:     y = (i << k) + c modulo 2^32, c a constant with 0 <= c, c + o + s <= 2^k, and i < n on the path. So
 *                   i <= n - 1, and (i << k) + 2^k <= n << k, without a bit lost since n <= 2^28; so y = (i << k) + c without the
 *                   modulo, and y + o + s <= (i << k) + 2^k <= N. The rest is as above. ✓
 *
 * i < n is known of a value when a comparison has said so on the path (`boundOf`), and n must be the same value, by its number.
 */
import type { ProofAccess } from './verify-access.ts';
import { KIND_CONSTANT, KIND_SCALED, type Values } from './verify-values.ts';

/** What is scaled must be bounded, and by how much it may be scaled. */
const COUNT_MAX = 2 ** 28;
const SHIFT_MAX = 3;

const WORDS = 5;
/** The size; or the value that is the count, and by how much it is shifted. COUNT 0: it is a constant. */
const SIZE = 0;
const COUNT = 1;
const SHIFT = 2;
const WRITE = 3;
const EPOCH = 4;

export class Windows {
  readonly #values: Values;
  #words = new Int32Array(WORDS * 16);
  #count = 0;

  constructor(values: Values) {
    this.#values = values;
  }

  begin(): void {
    this.#count = 0;
  }

  /** A new window of a size that is a value of the function, or -1 when that is no size that could be of use. */
  make(size: number, write: boolean, epoch: number): number {
    const values = this.#values;
    const isConstant = values.kinds[size] === KIND_CONSTANT;
    const isScaled = values.kinds[size] === KIND_SCALED;
    const count = isScaled ? (values.a[size] as number) : size; // values are inside the tables
    const shift = isScaled ? (values.b[size] as number) : 0;
    const isKnown = isConstant || (values.hasIdentity(count) && values.high(count) <= COUNT_MAX && shift <= SHIFT_MAX);
    if (!isKnown) return -1;
    const window = this.#count;
    this.#count = window + 1;
    if (this.#count * WORDS > this.#words.length) {
      const words = new Int32Array(2 * this.#words.length);
      words.set(this.#words);
      this.#words = words;
    }
    const at = window * WORDS;
    this.#words[at + SIZE] = isConstant ? (values.a[size] as number) : 0;
    this.#words[at + COUNT] = isConstant ? 0 : count;
    this.#words[at + SHIFT] = shift;
    this.#words[at + WRITE] = write ? 1 : 0;
    this.#words[at + EPOCH] = epoch;
    return window;
  }

  /** Why an access at window + y is not proven; undefined when it is. */
  missing(window: number, y: number, { offset, sizeBytes, write, epoch }: ProofAccess): string | undefined {
    const at = window * WORDS;
    const words = this.#words;
    if (words[at + EPOCH] !== epoch) return 'an access to a range that was found before a call';
    if (write && words[at + WRITE] === 0) return 'a write to a range that was found for reading';
    const end = offset + sizeBytes;
    const isInside =
      words[at + COUNT] === 0
        ? this.#values.high(y) + end <= (words[at + SIZE] as number) >>> 0
        : this.#isCounted(y, end, words[at + COUNT] as number, words[at + SHIFT] as number);
    return isInside ? undefined : 'an access that may lie behind the range that was found';
  }

  /** Whether y + end <= count << shift. */
  #isCounted(y: number, end: number, count: number, shift: number): boolean {
    const values = this.#values;
    const root = values.rootOf(y);
    const constant = values.offsetOf(y);
    const isScaled = values.kinds[root] === KIND_SCALED && values.b[root] === shift;
    const index = isScaled ? (values.a[root] as number) : shift === 0 ? root : 0;
    return index !== 0 && values.boundOf(index) === count && constant >= 0 && constant + end <= 2 ** shift;
  }
}
