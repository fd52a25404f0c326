/**
 * Streams: accesses in a loop at p + y, p a local that the loop does not set, and y in a range that is known before the loop begins.
 * Before the loop, the whole range is looked for once, as a window; where it is found, a copy of the loop is taken in which these
 * accesses are at window + y, without any check or mark. Otherwise the loop as it is, so that nothing faults that would not
 * have been accessed.
 *
 *     block $done
 *       block $slow
 *         n >u 2^28: br_if $slow                      for each n that bounds an index, so that n << 3 loses no bit
 *         find(p, size): tee window; eqz: br_if $slow   for each window; size is a constant or n << k
 *         the loop, with `window` in the place of p in these accesses
 *         br $done
 *       end
 *       the loop
 *     end
 *
 * y is below a constant by what ranges.ts knows of it, or it is (i << k) + c where a condition on the path says i < n, n a local that the
 * loop does not set. It may say so with a sign, if i is a counter: in the copy n is not negative, and the comparison has none.
 */
import { ADDED_FIND_READ, ADDED_FIND_WRITE } from './added.ts';
import { type Emitter, HINT_UNLIKELY } from './emit.ts';
import { WORD_A, WORDS } from './instructions.ts';
import { OP_BR_IF, OP_I32_ADD, OP_I32_EQZ, OP_I32_GT_U, OP_I32_SHL, OP_LOCAL_GET } from './opcodes.ts';
import type { Operand, Ranges } from './ranges.ts';

/** Most windows of one loop, and the largest loop that is copied, in instructions. */
const WINDOWS_MAX = 4;
const COPIED_MAX = 200;
/** Constant sizes of windows. */
const SIZE_MAX = 2 ** 20;
const WRITTEN_SIZE_MAX = 65_536;
const SHIFT_MAX = 3;
const COUNT_MAX = 2 ** 28;

export interface Window {
  readonly pointer: number;
  /** The local that bounds the index, which is shifted; -1: the size is a constant. */
  readonly count: number;
  readonly shift: number;
  size: number;
  write: boolean;
}

/** What a sum on the operand stack is: the pointer's `local.get`, and what is added. */
interface Sum {
  readonly get: number;
  readonly pointer: number;
  readonly index: Operand;
  readonly constant: number;
}

/** The streams of one loop. */
export class Streams {
  readonly #at: number;
  /** Where the loop ends. */
  readonly end: number;
  readonly #isSet: (local: number) => boolean;
  readonly #sums = new Map<number, Sum>();
  readonly windows: Window[] = [];
  /** By the `local.get` of a pointer, and by the access: the window. */
  readonly gets = new Map<number, number>();
  readonly accesses = new Map<number, number>();
  /** Comparisons that bound an index if they have no sign: by instruction, that without a sign, and the local that is the bound. */
  readonly comparisons = new Map<number, { readonly unsigned: number; readonly count: number }>();

  /** `isSet` says of a local whether the loop sets it. */
  constructor(at: number, end: number, isSet: (local: number) => boolean) {
    this.#at = at;
    this.end = end;
    this.#isSet = isSet;
  }

  /** Whether the loop is to be copied. */
  get isOfUse(): boolean {
    return this.accesses.size > 0 && this.end - this.#at <= COPIED_MAX;
  }

  /** Locals that bound the sizes of windows. */
  get counts(): ReadonlySet<number> {
    return new Set(this.windows.flatMap(({ count }) => (count < 0 ? [] : [count])));
  }

  /** An `i32.add` at an instruction: its operands, and the instructions that left them. */
  noteSum(words: Int32Array, at: number, left: Operand, leftAt: number, right: Operand, rightAt: number): void {
    const known = this.#sums.get(leftAt);
    if (known !== undefined) {
      const isMoved = right.value < 0 && right.constant >= 0 && known.constant + right.constant < SIZE_MAX;
      if (isMoved) this.#sums.set(at, { ...known, constant: known.constant + right.constant });
    } else if (this.#isPointer(words, leftAt)) this.#begin(words, at, leftAt, right);
    else if (this.#isPointer(words, rightAt)) this.#begin(words, at, rightAt, left);
  }

  #isPointer(words: Int32Array, at: number): boolean {
    return at > this.#at && words[at * WORDS] === OP_LOCAL_GET && !this.#isSet(words[at * WORDS + WORD_A] as number);
  }

  #begin(words: Int32Array, at: number, get: number, { value, constant }: Operand): void {
    const pointer = words[get * WORDS + WORD_A] as number; // it is inside the list
    this.#sums.set(at, { get, pointer, index: { value, constant }, constant: 0 });
  }

  /** An access whose pointer the instruction `left` has left. */
  noteAccess(words: Int32Array, ranges: Ranges, left: number, at: number, high: number, write: boolean): void {
    const sum = words[left * WORDS] === OP_I32_ADD ? this.#sums.get(left) : undefined;
    if (sum === undefined) return;
    const window = this.#counted(sum, ranges, high, write) ?? this.#constant(sum, ranges, high, write);
    if (window === undefined) return;
    const place = this.#place(window);
    if (place < 0) return;
    this.gets.set(sum.get, place);
    this.accesses.set(at, place);
  }

  /** A window of a constant size, for an access that ends at p + index + constant + high. */
  #constant({ pointer, index, constant }: Sum, ranges: Ranges, high: number, write: boolean): Window | undefined {
    const size = ranges.high(index) + constant + high;
    return size <= (write ? WRITTEN_SIZE_MAX : SIZE_MAX) ? { pointer, count: -1, shift: 0, size, write } : undefined;
  }

  /** A window of a size that a local bounds. */
  #counted({ pointer, index, constant }: Sum, ranges: Ranges, high: number, write: boolean): Window | undefined {
    if (index.value < 0 || ranges.high(index) < SIZE_MAX) return undefined;
    const step = ranges.stepOf(index.value);
    const { value, shift } = ranges.scaledOf(ranges.rootOf(index.value));
    const count = ranges.boundOf(value);
    const isInside = count >= 0 && shift <= SHIFT_MAX && step >= 0 && step + constant + high <= 2 ** shift;
    return isInside && !this.#isSet(count) ? { pointer, count, shift, size: 0, write } : undefined;
  }

  /** The place of a window in the list, or of one that is as good, or -1 when there are too many. */
  #place(window: Window): number {
    const place = this.windows.findIndex(
      ({ pointer, count, shift }) => pointer === window.pointer && count === window.count && shift === window.shift,
    );
    const known = this.windows[place];
    if (known !== undefined) {
      known.size = Math.max(known.size, window.size);
      known.write ||= window.write;
      return known.write && known.size > WRITTEN_SIZE_MAX ? -1 : place;
    }
    if (this.windows.length === WINDOWS_MAX) return -1;
    this.windows.push(window);
    return this.windows.length - 1;
  }
}

/** Looks for the windows of a loop, which become the locals from `windowFirst` on, and leaves the block if one is not there. */
export function emitSearch(
  e: Emitter,
  streams: Streams,
  windowFirst: number,
  renumbered: (local: number) => number,
): void {
  const leaveIf = (): void => {
    e.hint(HINT_UNLIKELY);
    e.out.pair(OP_BR_IF, 0);
  };
  for (const count of streams.counts) {
    e.get(renumbered(count));
    e.i32(COUNT_MAX);
    e.op(OP_I32_GT_U);
    leaveIf();
  }
  for (const [place, { pointer, count, shift, size, write }] of streams.windows.entries()) {
    e.get(renumbered(pointer));
    if (count < 0) e.i32(size);
    else {
      e.get(renumbered(count));
      if (shift > 0) {
        e.i32(shift);
        e.op(OP_I32_SHL);
      }
    }
    e.callAdded(write ? ADDED_FIND_WRITE : ADDED_FIND_READ);
    e.tee(windowFirst + place);
    e.op(OP_I32_EQZ);
    leaveIf();
  }
}
