/**
 * The state on a path through a function (operand stack, epoch, deadline checks passed), its blocks, and what is known where
 * paths meet.
 *
 * Where paths meet, a local that was written in the block has no known value any more (VALUE_MIXED), and facts that were
 * learned in the block are forgotten; except what all of the paths agree on, as `#collect` and `#intersect` find out. What was
 * known before the block and not written in it stays. A loop begins with all that it writes forgotten, so one look at its
 * body holds for each iteration, and the whole is one pass.
 */
import type { Translations } from './verify-translations.ts';
import {
  type Fact,
  FLAG_MARK,
  FLAG_RANGE,
  KIND_CONSTANT,
  KIND_OPAQUE,
  KIND_SUM,
  KIND_TRANSLATED,
  TRAIL_STEP,
  U32_MAX,
  VALUE_ANY,
  VALUE_BASE,
  VALUE_MIXED,
  VALUE_POISON,
  type Values,
} from './verify-values.ts';
import { WrittenLocals } from './verify-written.ts';

// Kinds of blocks.
export const BLOCK_FUNCTION = 0;
export const BLOCK_PLAIN = 1;
export const BLOCK_LOOP = 2;
export const BLOCK_IF = 3;
export const BLOCK_ELSE = 4;
export const BLOCK_TRY = 5;
export const BLOCK_CATCH = 6;

/** Deadline checks passed: since the function was entered; and since then or the last loop header. */
export const CHECKED_ENTRY = 1;
export const CHECKED_LOOP = 2;

// Words of a block.
const WORDS = 20;
const KIND = 0;
/** Height of the operand stack below the block's parameters. */
const HEIGHT = 1;
const PARAMETERS = 2;
const RESULTS = 3;
const TRAIL = 4;
/** Where the locals written in the block around begin. */
const WRITTEN = 5;
const EPOCH = 6;
const CHECKS = 7;
/** Condition of an `if`. */
const CONDITION = 8;
/** How many paths went to its end so far; what they have in common. */
const PATHS = 9;
const END_EPOCH = 10;
const END_CHECKS = 11;
/** The result, if there is one: a value of the function all paths agree on, or VALUE_ANY; its translation or -1. */
const END_VALUE = 12;
const END_TRANSLATION = 13;
/** First entry of the list of what the paths agree on, or -1. */
const END_LIST = 14;
/** Whether a path has a secret result. */
const END_SECRET = 15;
/** Whether a deadline check leads to its end. */
const LATE = 16;
/** Of a loop: the local that counts its turns, or -1; its value at the header; its instructions. */
const COUNTER = 17;
const COUNTED = 18;
const SIZE = 19;

// Entries of those lists.
const ENTRY_WORDS = 8;
const ENTRY_NEXT = 0;
/** A local and its value; or a flag of a fact and the value it is about. DROPPED: they do not agree. */
const ENTRY_WHAT = 1;
const ENTRY_INDEX = 2;
const ENTRY_A = 3;
const ENTRY_B = 4;
const ENTRY_C = 5;
const ENTRY_D = 6;
const ENTRY_E = 7;
const WHAT_LOCAL = 0x100;
const DROPPED = 0x200;

/** Paths that are not in one epoch. */
const NO_EPOCH = -1;

export class Flow {
  readonly #values: Values;
  readonly #translations: Translations;
  stack = new Int32Array(1024);
  top = 0;
  /** Height of the stack that nothing in the innermost block may take away. */
  floor = 0;
  isReachable = true;
  epoch = 0;
  checks = 0;
  /** Whether the body calls, and whether it has loops that count their turns: so far. Turns by instructions of those. */
  hasCalls = false;
  hasCounters = false;
  #work = 0;
  #lastEpoch = 0;
  #blocks = new Int32Array(WORDS * 64);
  #depth = 0;
  readonly #written = new WrittenLocals();
  #entries = new Int32Array(ENTRY_WORDS * 64);
  #entryCount = 0;
  /** Steps that joining paths may still take. */
  #rest = 0;
  readonly #onTooMuch: () => Error;
  readonly #fact: Fact = { from: 0, size: 0, condition: 0, bound: 0, epoch: 0 };

  /** `onTooMuch` makes the error for a function whose paths take too many steps to join. */
  constructor(values: Values, translations: Translations, onTooMuch: () => Error) {
    this.#values = values;
    this.#translations = translations;
    this.#onTooMuch = onTooMuch;
  }

  /** Begins a function of so many instructions, whose paths may take so many steps to join. */
  begin(instructionCount: number, localCount: number, results: number, stepsMax: number): void {
    this.top = 0;
    this.isReachable = true;
    this.epoch = 1;
    this.#lastEpoch = 1;
    this.checks = 0;
    this.#work = 0;
    this.hasCalls = false;
    this.hasCounters = false;
    this.#depth = 0;
    this.#written.begin(localCount);
    this.#entryCount = 0;
    this.#rest = stepsMax;
    if (instructionCount > this.stack.length) this.stack = new Int32Array(2 * instructionCount);
    this.open(BLOCK_FUNCTION, 0, results);
  }

  #spend(steps: number): void {
    this.#rest -= steps;
    if (this.#rest < 0) throw this.#onTooMuch();
  }

  push(value: number): void {
    if (this.top === this.stack.length) this.#growStack();
    this.stack[this.top] = value;
    this.top += 1;
  }

  #growStack(): void {
    const stack = new Int32Array(2 * this.stack.length);
    stack.set(this.stack);
    this.stack = stack;
  }

  pushAny(count: number): void {
    for (let i = 0; i < count; i += 1) this.push(VALUE_ANY);
  }

  /** A permission may have changed. */
  newEpoch(): void {
    this.#lastEpoch += 1;
    this.epoch = this.#lastEpoch;
  }

  /** Takes note that a local was written, for the blocks around. */
  noteWritten(local: number): void {
    this.#written.note(local);
  }

  // Blocks.

  get depth(): number {
    return this.#depth;
  }

  /** The block that a label means; -1 when there is none. */
  blockOf(label: number): number {
    return label < this.#depth ? this.#depth - 1 - label : -1;
  }

  #get(block: number, word: number): number {
    return this.#blocks[block * WORDS + word] as number; // blocks are inside the table
  }

  #set(block: number, word: number, value: number): void {
    this.#blocks[block * WORDS + word] = value;
  }

  kindOf(block: number): number {
    return this.#get(block, KIND);
  }

  /** How many values a branch to the block takes along. */
  arityOf(block: number): number {
    return this.#get(block, this.#get(block, KIND) === BLOCK_LOOP ? PARAMETERS : RESULTS);
  }

  resultsOf(block: number): number {
    return this.#get(block, RESULTS);
  }

  conditionOf(block: number): number {
    return this.#get(block, CONDITION);
  }

  /** Opens a block whose parameters are on the stack. */
  open(kind: number, parameters: number, results: number, condition = VALUE_ANY): void {
    if ((this.#depth + 1) * WORDS > this.#blocks.length) {
      const blocks = new Int32Array(2 * this.#blocks.length);
      blocks.set(this.#blocks);
      this.#blocks = blocks;
    }
    const at = this.#depth * WORDS;
    const blocks = this.#blocks;
    this.#depth += 1;
    blocks[at + KIND] = kind;
    this.floor = this.top - parameters;
    blocks[at + HEIGHT] = this.floor;
    blocks[at + PARAMETERS] = parameters;
    blocks[at + RESULTS] = results;
    blocks[at + TRAIL] = this.#values.openTrail();
    blocks[at + WRITTEN] = this.#written.open();
    blocks[at + EPOCH] = this.epoch;
    blocks[at + CHECKS] = this.checks;
    blocks[at + CONDITION] = condition;
    blocks[at + PATHS] = 0;
    blocks[at + LATE] = 0;
    blocks[at + COUNTER] = -1;
  }

  /** A loop of `size` instructions counts its turns in a local, which has this value at its header. */
  setCounter(block: number, local: number, value: number, size: number): void {
    this.#set(block, SIZE, size);
    this.#set(block, COUNTER, local);
    this.#set(block, COUNTED, value);
  }

  /** The local that counts the turns of a loop, or -1. */
  counterOf(block: number): number {
    return this.#get(block, COUNTER);
  }

  /** Whether the innermost loop that is open has a counter: no other loop can be in such a one. */
  get isCounting(): boolean {
    for (let block = this.#depth - 1; block >= 0; block -= 1) {
      this.#spend(1);
      if (this.kindOf(block) === BLOCK_LOOP) return this.counterOf(block) >= 0;
    }
    return false;
  }

  countedOf(block: number): number {
    return this.#get(block, COUNTED);
  }

  /**
   * Another branch to a loop can be taken so many times. Returns turns by instructions, of all loops with counters in the body that is
   * looked at, by what is known up to here.
   */
  addTurns(block: number, turns: number): number {
    this.#work += turns * this.#get(block, SIZE);
    return this.#work;
  }

  /** A deadline check leads to the end of a block. */
  setLate(block: number): void {
    this.#set(block, LATE, 1);
  }

  isLate(block: number): boolean {
    return this.#get(block, LATE) === 1;
  }

  /** The innermost block goes on with another part: `else` or a handler. The path before has been joined to its end. */
  reopen(kind: number): void {
    const block = this.#depth - 1;
    this.#values.undo(this.#get(block, TRAIL));
    this.#set(block, KIND, kind);
    this.top = this.#get(block, HEIGHT);
    this.isReachable = true;
    this.epoch = this.#get(block, EPOCH);
    this.checks = this.#get(block, CHECKS);
    if (kind === BLOCK_ELSE) {
      // What the parameters were is not kept.
      this.pushAny(this.#get(block, PARAMETERS));
      return;
    }
    // An exception can come from anywhere in the block.
    this.newEpoch();
    this.#forgetWritten();
  }

  /** What the innermost block has written so far is not known any more. */
  #forgetWritten(): void {
    const { list, first, count } = this.#written;
    this.#spend(count - first);
    for (let i = first; i < count; i += 1) this.#values.writeLocal(list[i] as number, VALUE_MIXED);
  }

  /** Forgets what a loop writes, at its header. */
  forget(locals: Int32Array, from: number, to: number): void {
    this.#spend(to - from);
    for (let i = from; i < to; i += 1) this.#values.writeLocal(locals[i] as number, VALUE_MIXED);
  }

  /** Closes the innermost block. The path that reaches its end, if one does, has its results on the stack. */
  close(): void {
    const block = this.#depth - 1;
    if (this.#get(block, PATHS) > 0) this.#meet(block);
    this.#written.close(this.#get(block, WRITTEN));
    this.#depth -= 1;
    if (this.#depth === 0) return;
    this.#values.closeTrail(this.#get(this.#depth - 1, TRAIL));
    this.floor = this.#get(this.#depth - 1, HEIGHT);
  }

  /** The path that is looked at goes to the end of a block, with its results on the stack. */
  join(block: number): void {
    const paths = this.#get(block, PATHS);
    this.#set(block, PATHS, paths + 1);
    if (paths === 0) {
      this.#set(block, END_EPOCH, this.epoch);
      this.#set(block, END_CHECKS, this.checks);
      this.#set(block, END_LIST, -1);
      this.#collect(block);
    } else {
      if (this.#get(block, END_EPOCH) !== this.epoch) this.#set(block, END_EPOCH, NO_EPOCH);
      this.#set(block, END_CHECKS, this.#get(block, END_CHECKS) & this.checks);
      const more = this.#get(block, KIND) === BLOCK_ELSE && paths === 1 ? this.#collectConditional(block) : -1;
      this.#intersect(block);
      this.#prepend(block, more);
    }
    if (this.#get(block, RESULTS) === 1) this.#joinResult(block, this.stack[this.top - 1] as number, paths === 0);
  }

  /** An exception goes to the end of a block, from wherever in the block that is open. Its results are the function's own. */
  joinException(block: number): void {
    const paths = this.#get(block, PATHS);
    this.#set(block, PATHS, paths + 1);
    this.#set(block, END_EPOCH, NO_EPOCH);
    this.#set(block, END_CHECKS, paths === 0 ? this.checks : this.#get(block, END_CHECKS) & this.checks);
    this.#set(block, END_LIST, -1);
    if (this.#get(block, RESULTS) === 1) this.#joinResult(block, VALUE_ANY, paths === 0);
  }

  #joinResult(block: number, value: number, isFirst: boolean): void {
    const values = this.#values;
    if (isFirst) {
      this.#set(block, END_VALUE, value);
      this.#set(block, END_SECRET, values.isSecret(value) ? 1 : 0);
      this.#set(block, END_TRANSLATION, this.#translations.describe(value, 0, this.epoch));
      return;
    }
    const known = this.#get(block, END_VALUE);
    if (values.isSecret(value)) this.#set(block, END_SECRET, 1);
    this.#set(block, END_VALUE, values.common(known, value));
    this.#set(block, END_TRANSLATION, this.#joinTranslation(this.#get(block, END_TRANSLATION), value));
  }

  /** The translation that holds for both, or -1. */
  #joinTranslation(translation: number, value: number): number {
    if (translation < 0) return -1;
    const t = this.#translations;
    const other = t.describe(value, t.selectorOf(translation), this.epoch);
    if (other < 0) return -1;
    t.join(translation, other);
    return translation;
  }

  /** The first path to the end of a block: what it has that others may agree on. */
  #collect(block: number): void {
    const values = this.#values;
    const mark = this.#get(block, TRAIL);
    const { trailTop } = values;
    this.#spend(trailTop - mark);
    for (let at = mark; at < trailTop; at += TRAIL_STEP) {
      const flag = values.trailFlag(at);
      const local = values.trailLocal(at);
      if (flag !== 0) this.#collectFact(block, values.trailIndex(at), flag);
      else if (local >= 0) this.#collectLocal(block, local);
    }
  }

  #collectLocal(block: number, local: number): void {
    const values = this.#values;
    const value = values.locals[local] as number;
    if (value <= VALUE_MIXED) return;
    if (values.isSecret(value)) {
      const translation = value === VALUE_BASE ? -1 : this.#translations.describe(value, 0, this.epoch);
      if (value === VALUE_BASE || translation >= 0) this.#addEntry(block, WHAT_LOCAL, local, value, translation);
    } else if (values.flags[value] !== 0 || isKept(values.kinds[value])) {
      this.#addEntry(block, WHAT_LOCAL, local, value, -1, values.low(value), values.high(value));
    }
  }

  #collectFact(block: number, value: number, flag: number): void {
    const values = this.#values;
    if (flag === FLAG_RANGE) {
      this.#addEntry(block, flag, value, values.low(value), values.high(value));
      return;
    }
    const fact = this.#fact;
    values.readFact(value, flag, fact);
    this.#addEntry(block, flag, value, fact.from, fact.size, fact.condition, fact.bound, fact.epoch);
  }

  #addEntry(block: number, what: number, index: number, a: number, b = 0, c = 0, d = 0, e = 0): void {
    const entry = this.#entryCount;
    this.#entryCount = entry + 1;
    if (this.#entryCount * ENTRY_WORDS > this.#entries.length) {
      const entries = new Int32Array(2 * this.#entries.length);
      entries.set(this.#entries);
      this.#entries = entries;
    }
    const at = entry * ENTRY_WORDS;
    const entries = this.#entries;
    entries[at + ENTRY_NEXT] = this.#get(block, END_LIST);
    entries[at + ENTRY_WHAT] = what;
    entries[at + ENTRY_INDEX] = index;
    entries[at + ENTRY_A] = a;
    entries[at + ENTRY_B] = b;
    entries[at + ENTRY_C] = c;
    entries[at + ENTRY_D] = d;
    entries[at + ENTRY_E] = e;
    this.#set(block, END_LIST, entry);
  }

  /** Another path to the end of a block: drops from the list what it does not agree on. */
  #intersect(block: number): void {
    for (let entry = this.#get(block, END_LIST); entry >= 0; ) {
      const at = entry * ENTRY_WORDS;
      this.#spend(1);
      const what = this.#entries[at + ENTRY_WHAT];
      if (what === WHAT_LOCAL) this.#intersectLocal(at);
      else if (what === FLAG_RANGE) this.#intersectRange(at);
      else if (what !== DROPPED) this.#intersectFact(at);
      entry = this.#entries[at + ENTRY_NEXT] as number;
    }
  }

  /**
   * The second path of an `if` with `else`: what it has learned for a case that the first one rules out, as a list that is not
   * the block's yet.
   */
  #collectConditional(block: number): number {
    const values = this.#values;
    const mark = this.#get(block, TRAIL);
    const { trailTop } = values;
    const list = this.#get(block, END_LIST);
    this.#spend(trailTop - mark);
    let more = -1;
    for (let at = mark; at < trailTop; at += TRAIL_STEP) {
      const flag = values.trailFlag(at);
      if (flag === 0 || flag === FLAG_RANGE) continue;
      const root = values.trailIndex(at);
      const condition = this.#conditionApart(list, root, flag);
      if (condition < 0) continue;
      const fact = this.#fact;
      values.readFact(root, flag, fact);
      if (fact.condition !== 0) continue;
      const bound = flag === FLAG_MARK ? values.high(condition) : values.low(condition);
      this.#set(block, END_LIST, more);
      this.#addEntry(block, flag, root, fact.from, fact.size, condition, bound, fact.epoch);
      more = this.#get(block, END_LIST);
    }
    this.#set(block, END_LIST, list);
    return more;
  }

  /** A value of this root that is larger here than on all other paths, or smaller for a mark; -1 if the list has the fact, or there is none. */
  #conditionApart(list: number, root: number, flag: number): number {
    const entries = this.#entries;
    const values = this.#values;
    let condition = -1;
    for (let entry = list; entry >= 0; entry = entries[entry * ENTRY_WORDS + ENTRY_NEXT] as number) {
      this.#spend(1);
      const at = entry * ENTRY_WORDS;
      const index = entries[at + ENTRY_INDEX] as number;
      if (entries[at + ENTRY_WHAT] === flag && index === root) return -1;
      if (entries[at + ENTRY_WHAT] !== FLAG_RANGE || values.rootOf(index) !== root) continue;
      const isApart =
        flag === FLAG_MARK
          ? values.high(index) < (entries[at + ENTRY_A] as number) >>> 0
          : values.low(index) > (entries[at + ENTRY_B] as number) >>> 0;
      if (isApart) condition = index;
    }
    return condition;
  }

  /** Puts a list of entries before those of a block. */
  #prepend(block: number, more: number): void {
    if (more < 0) return;
    let last = more;
    for (;;) {
      const next = this.#entries[last * ENTRY_WORDS + ENTRY_NEXT] as number;
      if (next < 0) break;
      last = next;
    }
    this.#entries[last * ENTRY_WORDS + ENTRY_NEXT] = this.#get(block, END_LIST);
    this.#set(block, END_LIST, more);
  }

  #drop(at: number): void {
    this.#entries[at + ENTRY_WHAT] = DROPPED;
  }

  /** a: value, or VALUE_ANY; b: translation; c, d: range. */
  #intersectLocal(at: number): void {
    const entries = this.#entries;
    const values = this.#values;
    const value = values.locals[entries[at + ENTRY_INDEX] as number] as number;
    if (entries[at + ENTRY_B] === -1) {
      // A value of the function, or base.
      const known = entries[at + ENTRY_A] as number;
      // Of VALUE_ANY nothing is known: that it is in the list too, for two values with a range, does not make it one of them.
      if (value <= VALUE_MIXED || values.isSecret(value) || values.isSecret(known)) {
        if (value <= VALUE_MIXED || value !== known) this.#drop(at);
        return;
      }
      entries[at + ENTRY_A] = values.common(known, value);
      this.#widen(at, ENTRY_C, value);
      return;
    }
    entries[at + ENTRY_A] = VALUE_ANY;
    const translation = value > VALUE_MIXED ? this.#joinTranslation(entries[at + ENTRY_B] as number, value) : -1;
    if (translation < 0) this.#drop(at);
  }

  /** The range in the words from `word` on becomes one that holds for `value` as well. */
  #widen(at: number, word: number, value: number): void {
    const entries = this.#entries;
    const low = Math.min((entries[at + word] as number) >>> 0, this.#values.low(value));
    const high = Math.max((entries[at + word + 1] as number) >>> 0, this.#values.high(value));
    entries[at + word] = low;
    entries[at + word + 1] = high;
  }

  #intersectRange(at: number): void {
    const entries = this.#entries;
    this.#widen(at, ENTRY_A, entries[at + ENTRY_INDEX] as number);
  }

  #intersectFact(at: number): void {
    const entries = this.#entries;
    const values = this.#values;
    const root = entries[at + ENTRY_INDEX] as number;
    const flag = entries[at + ENTRY_WHAT] as number;
    if (values.hasFact(root, flag) && this.#keepCommon(at, root, flag)) return;
    this.#makeConditional(at, root, flag);
  }

  /** The part of a check or mark that both paths have stays in the list; false when they have none in common. */
  #keepCommon(at: number, root: number, flag: number): boolean {
    const entries = this.#entries;
    const fact = this.#fact;
    this.#values.readFact(root, flag, fact);
    const isSame =
      entries[at + ENTRY_C] === fact.condition &&
      (entries[at + ENTRY_D] as number) >>> 0 === fact.bound &&
      (flag === FLAG_MARK || entries[at + ENTRY_E] === fact.epoch);
    const behind = (fact.from - (entries[at + ENTRY_A] as number)) | 0;
    const from = Math.max(0, behind);
    const to = Math.min(entries[at + ENTRY_B] as number, behind + fact.size);
    if (!isSame || from >= to) return false;
    entries[at + ENTRY_A] = (entries[at + ENTRY_A] as number) + from;
    entries[at + ENTRY_B] = to - from;
    return true;
  }

  /**
   * This path lacks a fact that others have. If some value was in a range there that it is not in here, it is the
   * condition: checks hold for large values (VMAs), marks for small ones (the home).
   */
  #makeConditional(at: number, root: number, flag: number): void {
    const entries = this.#entries;
    const values = this.#values;
    const isMark = flag === FLAG_MARK;
    const isApart = (value: number, bound: number): boolean =>
      isMark ? values.low(value) > bound : values.high(value) < bound;
    const condition = entries[at + ENTRY_C] as number;
    if (condition !== 0) {
      if (!isApart(condition, (entries[at + ENTRY_D] as number) >>> 0)) this.#drop(at);
      return;
    }
    // Ranges that led to the fact are behind it in the list, and not widened yet.
    for (let other = entries[at + ENTRY_NEXT] as number; other >= 0; ) {
      const o = other * ENTRY_WORDS;
      this.#spend(1);
      const value = entries[o + ENTRY_INDEX] as number;
      if (entries[o + ENTRY_WHAT] === FLAG_RANGE && values.rootOf(value) === root) {
        const bound = (entries[o + (isMark ? ENTRY_B : ENTRY_A)] as number) >>> 0;
        if (isApart(value, bound)) {
          entries[at + ENTRY_C] = value;
          entries[at + ENTRY_D] = bound;
          return;
        }
      }
      other = entries[o + ENTRY_NEXT] as number;
    }
    this.#drop(at);
  }

  /** At the end of a block to which paths went before its end: puts together what is known of all of them. */
  #meet(block: number): void {
    if (this.isReachable) this.join(block);
    const values = this.#values;
    values.undo(this.#get(block, TRAIL));
    // What is written now belongs to the block around.
    if (block > 0) values.closeTrail(this.#get(block - 1, TRAIL));
    this.#forgetWritten();
    this.isReachable = true;
    const epoch = this.#get(block, END_EPOCH);
    if (epoch === NO_EPOCH) this.newEpoch();
    else this.epoch = epoch;
    this.checks = this.#get(block, END_CHECKS);
    for (let entry = this.#get(block, END_LIST); entry >= 0; ) {
      const at = entry * ENTRY_WORDS;
      this.#restore(at);
      entry = this.#entries[at + ENTRY_NEXT] as number;
    }
    this.top = this.#get(block, HEIGHT);
    const results = this.#get(block, RESULTS);
    if (results === 1) this.push(this.#result(block));
    else this.pushAny(results);
  }

  #restore(at: number): void {
    const entries = this.#entries;
    const values = this.#values;
    const what = entries[at + ENTRY_WHAT] as number;
    const index = entries[at + ENTRY_INDEX] as number;
    if (what === DROPPED) return;
    if (what === WHAT_LOCAL) {
      this.#restoreLocal(at, index);
    } else if (what === FLAG_RANGE) {
      values.narrow(index, (entries[at + ENTRY_A] as number) >>> 0, (entries[at + ENTRY_B] as number) >>> 0);
    } else {
      const fact = this.#fact;
      fact.from = entries[at + ENTRY_A] as number;
      fact.size = entries[at + ENTRY_B] as number;
      fact.condition = entries[at + ENTRY_C] as number;
      fact.bound = (entries[at + ENTRY_D] as number) >>> 0;
      fact.epoch = entries[at + ENTRY_E] as number;
      values.setFact(index, what, fact);
    }
  }

  #restoreLocal(at: number, local: number): void {
    const entries = this.#entries;
    const values = this.#values;
    const value = entries[at + ENTRY_A] as number;
    const translation = entries[at + ENTRY_B] as number;
    if (translation >= 0) {
      values.writeLocal(local, values.make(KIND_TRANSLATED, translation, 0));
      return;
    }
    const low = (entries[at + ENTRY_C] as number) >>> 0;
    const high = (entries[at + ENTRY_D] as number) >>> 0;
    if (value !== VALUE_ANY) values.writeLocal(local, value);
    else if (low > 0 || high < U32_MAX) values.writeLocal(local, values.ranged(KIND_OPAQUE, 0, 0, low, high));
  }

  #result(block: number): number {
    const translation = this.#get(block, END_TRANSLATION);
    if (this.#get(block, END_SECRET) === 0) return this.#get(block, END_VALUE);
    return translation < 0 ? VALUE_POISON : this.#values.make(KIND_TRANSLATED, translation, 0);
  }
}

/** Kinds of values that are worth to be kept where paths meet, whatever is known of them. */
function isKept(kind: number | undefined): boolean {
  return kind === KIND_CONSTANT || kind === KIND_SUM;
}
