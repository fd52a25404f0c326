/**
 * Which pointers have been translated already, on every path to here: their addresses are in locals of the guard's own.
 *
 * For each local of the module that holds a pointer there is at most one such local. At the end of a block is known what all
 * paths to it agree on; at the header of a loop what was known before and the loop does not change.
 */

import { MARKED_BYTES } from './access.ts';
import { grown, int32, uint8 } from './tables.ts';

/** Most pointers that are remembered at a time; the oldest is forgotten first. */
const ENTRIES_MAX = 24;

// Words of an entry.
const ENTRY_WORDS = 11;
const LOCAL = 0;
/** The number of the pointer's value in pointers.ts. */
const VALUE = 1;
/** Whether the module's local still holds the pointer. */
const CURRENT = 2;
/** What was checked for the case that it is in a VMA: [pointer + LOW, pointer + HIGH), for writing, in this epoch. */
const LOW = 3;
const HIGH = 4;
const WRITE = 5;
/** What a mark covers: [pointer + MARK_LOW, pointer + MARK_HIGH). */
const MARK_LOW = 6;
const MARK_HIGH = 7;
/** The number that stands for the pointer's kin. */
const KIN = 8;
/** Which translation it is: they are counted. */
const TIME = 9;
/** The number of the block in which it was translated. */
const BLOCK = 10;

const STATE_WORDS = 2 + ENTRIES_MAX * ENTRY_WORDS;
/** How many entries there are, and the epoch: a number that changes when a permission may have. */
const COUNT = 0;
const EPOCH = 1;
const FIRST = 2;
/** COUNT of a place that no path has reached. */
const UNREACHED = -1;

// Kinds of blocks.
const PLAIN = 0;
const LOOP = 1;
const IF = 2;
const ELSE = 3;
/** Nothing is wanted of its end. */
const FUNCTION = 4;
const TRY = 5;

/** No value has this number. */
export const NO_VALUE = -1;

export class TranslatedPointers {
  /** The state, then for each open block two: what paths to its end agree on, and for an `if` what was known before it. */
  #words = int32(STATE_WORDS * 65);
  /** By depth: the kind of the block. */
  #kinds = uint8(64);
  /** By depth: the block's number. */
  readonly #numbers: number[] = [];
  /** By depth: how many translations there were before the block. */
  readonly #times: number[] = [];
  #blockCount = 0;
  #depth = 0;
  #lastEpoch = 0;
  /** Locals whose addresses open loops and `try` blocks began with, one behind the other, and how many each has before it. */
  readonly #pinned: number[] = [];
  readonly #pinnedBefore: number[] = [];
  readonly #pins = new Map<number, number>();
  #lastTime = 0;
  /** Comparisons that joining paths may still take. */
  #rest = 0;

  /**
   * Begins a body. When joining its paths would take more than so many comparisons, nothing is remembered any more: a body can be
   * made in which it takes long.
   */
  begin(comparisonsMax: number): void {
    this.#lastTime = 0;
    this.#rest = comparisonsMax;
    this.#depth = 0;
    this.#lastEpoch = 1;
    this.#words[COUNT] = 0;
    this.#words[EPOCH] = 1;
    this.#unpin(0);
    this.#pinnedBefore.length = 0;
    this.#open(FUNCTION);
  }

  // Entries.

  /** The entry of a pointer whose value has this number, or -1. */
  find(value: number): number {
    const words = this.#words;
    const end = FIRST + (words[COUNT] as number) * ENTRY_WORDS;
    for (let at = FIRST; at < end; at += ENTRY_WORDS) {
      if (words[at + VALUE] === value) return at;
    }
    return -1;
  }

  localOf(entry: number): number {
    return this.#words[entry + LOCAL] as number; // entries are inside the table
  }

  /** A new entry for what `local` holds, which is not checked and not marked yet. */
  add(local: number, value: number, kin: number): number {
    this.#forget(local, value);
    if (this.#rest < 0) this.#words[COUNT] = 0;
    const words = this.#words;
    if (words[COUNT] === ENTRIES_MAX) this.#remove(FIRST);
    const entry = FIRST + (words[COUNT] as number) * ENTRY_WORDS;
    words[COUNT] = (words[COUNT] as number) + 1;
    words.fill(0, entry, entry + ENTRY_WORDS);
    words[entry + LOCAL] = local;
    words[entry + VALUE] = value;
    words[entry + CURRENT] = 1;
    words[entry + KIN] = kin;
    words[entry + BLOCK] = this.#innermostBlock();
    this.#lastTime += 1;
    words[entry + TIME] = this.#lastTime;
    return entry;
  }

  /** Forgets what is in the local for this local's address, and other addresses of the value. */
  #forget(local: number, value: number): void {
    const words = this.#words;
    for (let at = FIRST + ((words[COUNT] as number) - 1) * ENTRY_WORDS; at >= FIRST; at -= ENTRY_WORDS) {
      if (words[at + LOCAL] === local || words[at + VALUE] === value) this.#remove(at);
    }
  }

  #remove(entry: number): void {
    const words = this.#words;
    const count = (words[COUNT] as number) - 1;
    words.copyWithin(entry, entry + ENTRY_WORDS, FIRST + (count + 1) * ENTRY_WORDS);
    words[COUNT] = count;
  }

  /**
   * Something is found out about a pointer. What is known of its kin is forgotten: the verifier keeps one check and one mark for
   * those that have one root.
   */
  replace(kin: number, value: number): void {
    const words = this.#words;
    const end = FIRST + (words[COUNT] as number) * ENTRY_WORDS;
    for (let at = FIRST; at < end; at += ENTRY_WORDS) {
      if (words[at + KIN] !== kin || words[at + VALUE] === value) continue;
      words[at + HIGH] = 0;
      words[at + MARK_HIGH] = 0;
    }
  }

  /**
   * Whether the pointer may be translated again to where its address is: in a block inside of that in which it was translated, others
   * would find it written that have not been there.
   */
  mayTranslateAgain(entry: number): boolean {
    return this.#words[entry + BLOCK] === this.#innermostBlock();
  }

  #innermostBlock(): number {
    return this.#numbers[this.#depth - 1] as number; // the function is a block
  }

  isChecked(entry: number, low: number, high: number, write: boolean): boolean {
    const words = this.#words;
    return (
      (words[entry + LOW] as number) <= low &&
      high <= (words[entry + HIGH] as number) &&
      (!write || words[entry + WRITE] === 1)
    );
  }

  setChecked(entry: number, low: number, high: number, write: boolean): void {
    const words = this.#words;
    words[entry + LOW] = low;
    words[entry + HIGH] = high;
    words[entry + WRITE] = write ? 1 : 0;
  }

  isMarked(entry: number, low: number, high: number): boolean {
    const words = this.#words;
    return (words[entry + MARK_LOW] as number) <= low && high <= (words[entry + MARK_HIGH] as number);
  }

  /** Takes note of marks that cover [pointer + low, pointer + high); what was marked before counts too if they are not far apart. */
  addMarked(entry: number, low: number, high: number, chunkShift: number): void {
    const words = this.#words;
    const knownLow = words[entry + MARK_LOW] as number;
    const knownHigh = words[entry + MARK_HIGH] as number;
    const gap = low >= knownLow ? low - (knownHigh - MARKED_BYTES) : knownLow - (high - MARKED_BYTES);
    const isOne = knownHigh > 0 && gap <= 2 ** chunkShift;
    words[entry + MARK_LOW] = isOne ? Math.min(low, knownLow) : low;
    words[entry + MARK_HIGH] = isOne ? Math.max(high, knownHigh) : high;
  }

  // What changes.

  /** The module sets one of its locals. */
  set(local: number): void {
    const words = this.#words;
    const end = FIRST + (words[COUNT] as number) * ENTRY_WORDS;
    for (let at = FIRST; at < end; at += ENTRY_WORDS) if (words[at + LOCAL] === local) words[at + CURRENT] = 0;
  }

  /** A permission may have changed. */
  newEpoch(): void {
    this.#lastEpoch += 1;
    this.#words[EPOCH] = this.#lastEpoch;
    this.#uncheck();
  }

  #uncheck(): void {
    const words = this.#words;
    const end = FIRST + (words[COUNT] as number) * ENTRY_WORDS;
    for (let at = FIRST; at < end; at += ENTRY_WORDS) words[at + HIGH] = 0;
  }

  // Blocks.

  #endOf(depth: number): number {
    return (1 + 2 * depth) * STATE_WORDS;
  }

  #copy(to: number, from: number): void {
    const count = this.#words[from + COUNT] as number;
    this.#words.copyWithin(to, from, from + FIRST + Math.max(count, 0) * ENTRY_WORDS);
  }

  #open(kind: number): void {
    const end = this.#endOf(this.#depth);
    this.#words = grown(this.#words, end + 2 * STATE_WORDS, int32);
    this.#kinds = grown(this.#kinds, this.#depth + 1, uint8);
    this.#words[end + COUNT] = UNREACHED;
    if (kind === IF) this.#copy(end + STATE_WORDS, 0);
    this.#kinds[this.#depth] = kind;
    this.#blockCount += 1;
    this.#numbers[this.#depth] = this.#blockCount;
    this.#times[this.#depth] = this.#lastTime;
    this.#depth += 1;
  }

  openBlock(): void {
    this.#open(PLAIN);
  }

  /** Opens a block whose handlers begin with nothing, and must not write what is known without an exception. */
  openTry(): void {
    const pinnedBefore = this.#pinned.length;
    this.#pinAll();
    this.#open(TRY);
    this.#pinnedBefore.push(pinnedBefore);
  }

  openIf(): void {
    this.#open(IF);
  }

  /** Opens a loop; `isChanged` says of a local whether the loop sets it. */
  openLoop(isChanged: (local: number) => boolean, hasCalls: boolean): void {
    const words = this.#words;
    if (words[COUNT] === UNREACHED) words[COUNT] = 0;
    const pinnedBefore = this.#pinned.length;
    for (let at = FIRST + ((words[COUNT] as number) - 1) * ENTRY_WORDS; at >= FIRST; at -= ENTRY_WORDS) {
      if (words[at + CURRENT] === 0 || isChanged(words[at + LOCAL] as number)) this.#remove(at);
    }
    this.#pinAll();
    if (hasCalls) this.newEpoch();
    this.#open(LOOP);
    this.#pinnedBefore.push(pinnedBefore);
  }

  #pinAll(): void {
    const words = this.#words;
    for (let at = FIRST; at < FIRST + (words[COUNT] as number) * ENTRY_WORDS; at += ENTRY_WORDS) {
      const local = words[at + LOCAL] as number; // inside the table
      this.#pinned.push(local);
      this.#pins.set(local, (this.#pins.get(local) ?? 0) + 1);
    }
  }

  #unpin(count: number): void {
    while (this.#pinned.length > count) {
      const local = this.#pinned.pop() ?? 0;
      const pins = (this.#pins.get(local) ?? 1) - 1;
      if (pins === 0) this.#pins.delete(local);
      else this.#pins.set(local, pins);
    }
  }

  /** Whether an open loop or `try` began with what the local for this local's address holds: it must not be written then. */
  isPinned(local: number): boolean {
    return this.#pins.has(local);
  }

  /** This path goes to a label. */
  branch(label: number): void {
    const block = this.#depth - 1 - label;
    if (this.#wantsEnd(block)) this.#join(this.#endOf(block));
  }

  /** Branches to a loop go to its header, and nothing is behind the end of a function. */
  #wantsEnd(block: number): boolean {
    return this.#kinds[block] !== LOOP && this.#kinds[block] !== FUNCTION;
  }

  /** A path of which nothing is known goes to a label. */
  branchUnknown(label: number): void {
    const end = this.#endOf(this.#depth - 1 - label);
    this.#words[end + COUNT] = 0;
    this.#words[end + EPOCH] = 0;
  }

  #join(end: number): void {
    const words = this.#words;
    if (words[COUNT] === UNREACHED) return;
    this.#rest -= 1 + (words[COUNT] as number) * Math.max(1, words[end + COUNT] as number);
    if (this.#rest < 0) words[COUNT] = 0;
    if (words[end + COUNT] === UNREACHED) {
      this.#copy(end, 0);
      this.#keepCurrent(end);
      return;
    }
    if (words[end + EPOCH] !== words[EPOCH]) words[end + EPOCH] = 0;
    let to = end + FIRST;
    const last = end + FIRST + (words[end + COUNT] as number) * ENTRY_WORDS;
    for (let at = end + FIRST; at < last; at += ENTRY_WORDS) {
      const entry = this.#current(words[at + LOCAL] as number);
      if (entry < 0 || words[entry + VALUE] !== words[at + VALUE] || !this.#areBothKnown(end, entry, at)) continue;
      if (to !== at) words.copyWithin(to, at, at + ENTRY_WORDS);
      this.#meet(to, entry, LOW, HIGH);
      words[to + WRITE] = (words[to + WRITE] as number) & (words[entry + WRITE] as number);
      this.#meet(to, entry, MARK_LOW, MARK_HIGH);
      to += ENTRY_WORDS;
    }
    words[end + COUNT] = (to - end - FIRST) / ENTRY_WORDS;
  }

  /**
   * Whether two addresses of one pointer, on two paths to the end of a block, are there for who comes behind: they are one and the
   * same, or were both made in the block. Otherwise it is written on one path what is from before the block on the other.
   */
  #areBothKnown(end: number, entry: number, other: number): boolean {
    const time = this.#words[entry + TIME] as number;
    const otherTime = this.#words[other + TIME] as number;
    const before = this.#times[(end / STATE_WORDS - 1) / 2] as number;
    return time === otherTime || (time > before && otherTime > before);
  }

  /** The entry of what a local holds now. */
  #current(local: number): number {
    const words = this.#words;
    const end = FIRST + (words[COUNT] as number) * ENTRY_WORDS;
    for (let at = FIRST; at < end; at += ENTRY_WORDS) {
      if (words[at + LOCAL] === local) return words[at + CURRENT] === 1 ? at : -1;
    }
    return -1;
  }

  #keepCurrent(end: number): void {
    const words = this.#words;
    let to = end + FIRST;
    const last = to + (words[end + COUNT] as number) * ENTRY_WORDS;
    for (let at = to; at < last; at += ENTRY_WORDS) {
      if (words[at + CURRENT] === 0) continue;
      if (to !== at) words.copyWithin(to, at, at + ENTRY_WORDS);
      to += ENTRY_WORDS;
    }
    words[end + COUNT] = (to - end - FIRST) / ENTRY_WORDS;
  }

  /** Ranges that do not meet leave an empty one. */
  #meet(to: number, from: number, low: number, high: number): void {
    const words = this.#words;
    const least = Math.max(words[to + low] as number, words[from + low] as number);
    words[to + low] = least;
    words[to + high] = Math.min(words[to + high] as number, words[from + high] as number);
    if ((words[to + high] as number) < least) words[to + high] = 0;
  }

  /** Nothing goes on here. */
  leave(): void {
    this.#words[COUNT] = UNREACHED;
  }

  /** The other part of an `if`. */
  otherwise(): void {
    const end = this.#endOf(this.#depth - 1);
    this.#join(end);
    this.#copy(0, end + STATE_WORDS);
    this.#kinds[this.#depth - 1] = ELSE;
  }

  /** A handler: an exception comes from anywhere in the block. */
  handle(): void {
    this.#join(this.#endOf(this.#depth - 1));
    this.#words[COUNT] = 0;
    this.#lastEpoch += 1;
    this.#words[EPOCH] = this.#lastEpoch;
  }

  /**
   * The end of a block; `isChanged` says of a local whether the block sets it, on whatever path: its address may have been written
   * then too, on a path that has left.
   */
  close(isChanged: (local: number) => boolean): void {
    this.#depth -= 1;
    const words = this.#words;
    const kind = this.#kinds[this.#depth];
    if (kind === LOOP || kind === TRY) this.#unpin(this.#pinnedBefore.pop() ?? 0);
    if (this.#wantsEnd(this.#depth)) {
      const end = this.#endOf(this.#depth);
      this.#join(end);
      if (kind === IF) {
        this.#copy(0, end + STATE_WORDS);
        this.#join(end);
      }
      this.#copy(0, end);
      for (let at = FIRST + ((words[COUNT] as number) - 1) * ENTRY_WORDS; at >= FIRST; at -= ENTRY_WORDS) {
        if (isChanged(words[at + LOCAL] as number)) this.#remove(at);
      }
      if (words[EPOCH] === 0) this.newEpoch();
    }
    // Code behind it may be dead, and is not looked at then.
    if (words[COUNT] === UNREACHED) words[COUNT] = 0;
  }
}
