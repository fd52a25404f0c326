/**
 * The values of one function as the verifier sees them: what each was computed from, and what is known of it on the path
 * that is looked at.
 *
 * A value is a number in tables, made when an instruction makes it, and stands for one u32 (or a value of another type, of
 * which nothing is known). Its kind and operands never change. Two values may be equal without the verifier knowing; the
 * same number always means the same value. Sums with constants are kept as root + constant, so that pointers at different
 * distances from one root are comparable.
 *
 * Facts about values (ranges, checks, marks) hold on a path. They, and the values of locals, are written through a trail
 * and undone when the path is left.
 *
 * Secret are values that come from `base`. The function may compute nothing with them: each kind has the few uses that it is
 * for. What the kinds mean stands beside them.
 */

// Values that always are.
/** A value of the function of which nothing is known, and which has no identity. */
export const VALUE_ANY = 0;
/** The same, of a local whose value is not the same on all paths to here. It may be secret; see `readLocal`. */
export const VALUE_MIXED = 1;
export const VALUE_BASE = 2;
/** Secret, and of no use. */
export const VALUE_POISON = 3;
/** The constant 0, root of all constants. */
export const VALUE_ZERO = 4;
const VALUE_FIRST = 5;

// Kinds. Values of the function itself:
export const KIND_OPAQUE = 0;
/** a: the value. */
export const KIND_CONSTANT = 1;
/** a + b modulo 2^32, b a constant, a the root. */
export const KIND_SUM = 2;
/** a >>> b, b a constant. */
export const KIND_SHIFTED = 3;
/** a = 0; a & b, a | b; a < b, a <= b (unsigned); a = b, a ≠ b. */
export const KIND_IS_ZERO = 4;
export const KIND_AND = 5;
export const KIND_OR = 6;
export const KIND_LESS = 7;
export const KIND_LESS_OR_EQUAL = 8;
export const KIND_EQUAL = 9;
export const KIND_NOT_EQUAL = 10;
/** a & the layout's mask, where a was known to be no larger than that: the same number. */
export const KIND_MASKED = 11;
/** a << b, b a constant. */
export const KIND_SCALED = 12;
/** Secret ones from here on. */
export const KIND_SECRET = 16;
export const KIND_BASE = 16;
const KIND_POISON = 17;
/** base + a + b modulo 2^32, b a constant. */
export const KIND_HOME = 18;
/** An address in the home or in a VMA, as translation a says. */
export const KIND_TRANSLATED = 19;
/** What a search has found, or 0: window a. Where its low end is known to be 1, it has been found. */
export const KIND_WINDOW = 20;
/** Whether the window that value a is has not been found. */
export const KIND_NO_WINDOW = 21;
/** The window that value a is + b, a value of the function, modulo 2^32. */
export const KIND_PLACE = 22;
export const U32_MAX = 0xffff_ffff;

// Flags of values: which facts there are.
export const FLAG_RANGE = 1;
export const FLAG_READ = 2;
export const FLAG_WRITE = 4;
export const FLAG_MARK = 8;

/*
 * Facts about a root r, of which it can have three, in a record. Each has the same words; its condition is a value, or 0 for
 * none.
 *
 * Check (FLAG_READ, FLAG_WRITE): if condition >= bound, [r + from, r + from + size) modulo 2^32 is in one VMA that may be
 * read, or read and written, in this epoch. Then r + from is at least 2^31, and r + from + size at most 2^32 - 2^24.
 *
 * Mark (FLAG_MARK): if condition <= bound, writes to the home within [base + r + from, base + r + from + size) need no
 * further mark, in any epoch.
 */
const FROM = 0;
const SIZE = 1;
const CONDITION = 2;
const BOUND = 3;
const EPOCH = 4;
const FACT_WORDS = 5;
const RECORD_WORDS = 3 * FACT_WORDS;

// Trail entries: what to restore, of what, and the old words.
const TRAIL_WORDS = 8;
export const TRAIL_STEP = TRAIL_WORDS;
const TRAIL_LOCAL = 0;
const TRAIL_RANGE = 1;
/** With the flag of the fact above. */
const TRAIL_FACT = 2;
const TRAIL_BOUND = 3;
const TRAIL_FLAG_SHIFT = 8;

// Of a local: it was written or read, ever held a secret, was read when it was VALUE_MIXED.
const LOCAL_USED = 1;
const LOCAL_SECRET = 2;
const LOCAL_READ_MIXED = 4;

/** A check or a mark, as it is handed about. */
export interface Fact {
  from: number;
  size: number;
  condition: number;
  bound: number;
  epoch: number;
}

export class Values {
  kinds = new Uint8Array(1024);
  a = new Int32Array(1024);
  b = new Int32Array(1024);
  flags = new Uint8Array(1024);
  #lows = new Uint32Array(1024);
  #highs = new Uint32Array(1024);
  /** A value that it is less than, 0 for none. */
  #bounds = new Int32Array(1024);
  /** Record of each value that has one. */
  #records = new Int32Array(1024);
  #count = VALUE_FIRST;
  #recordWords = new Int32Array(RECORD_WORDS * 64);
  #recordCount = 0;
  locals = new Int32Array(64);
  /** Trail entry that last saved each local, or -1. */
  #saved = new Int32Array(64).fill(-1);
  /** LOCAL_ bits of each local, and the locals that have any. */
  #marks = new Uint8Array(64);
  #used = new Int32Array(64);
  #usedCount = 0;
  #trail = new Int32Array(TRAIL_WORDS * 256);
  #trailTop = 0;
  /** Trail entries from here on are of the innermost block. */
  #trailFloor = 0;

  /** Begins a function: forgets all values. All locals are the function's own but `base`. */
  begin(localCount: number, base: number): void {
    this.#count = VALUE_FIRST;
    this.#recordCount = 0;
    this.#trailTop = 0;
    this.#trailFloor = 0;
    for (const [value, kind] of [
      [VALUE_ANY, KIND_OPAQUE],
      [VALUE_MIXED, KIND_OPAQUE],
      [VALUE_BASE, KIND_BASE],
      [VALUE_POISON, KIND_POISON],
      [VALUE_ZERO, KIND_CONSTANT],
    ] as const) {
      this.kinds[value] = kind;
      this.a[value] = 0;
      this.b[value] = 0;
      this.flags[value] = 0;
    }
    if (localCount > this.locals.length) this.#growLocals(localCount);
    // Only what the last function used, however many it declared.
    for (let i = 0; i < this.#usedCount; i += 1) {
      const local = this.#used[i] as number;
      this.locals[local] = VALUE_ANY;
      this.#saved[local] = -1;
      this.#marks[local] = 0;
    }
    this.#usedCount = 0;
    this.#use(base);
    this.locals[base] = VALUE_BASE;
  }

  #growLocals(count: number): void {
    const size = 2 * count;
    this.locals = new Int32Array(size);
    this.#saved = new Int32Array(size).fill(-1);
    this.#marks = new Uint8Array(size);
    this.#used = new Int32Array(size);
    this.#usedCount = 0;
  }

  #use(local: number): void {
    if (this.#marks[local] !== 0) return;
    this.#marks[local] = LOCAL_USED;
    this.#used[this.#usedCount] = local;
    this.#usedCount += 1;
  }

  make(kind: number, a: number, b: number): number {
    const value = this.#count;
    if (value === this.kinds.length) this.#growValues();
    this.#count = value + 1;
    this.kinds[value] = kind;
    this.a[value] = a;
    this.b[value] = b;
    this.flags[value] = 0;
    this.#bounds[value] = 0;
    return value;
  }

  #growValues(): void {
    const size = 2 * this.kinds.length;
    this.kinds = grown(this.kinds, new Uint8Array(size));
    this.flags = grown(this.flags, new Uint8Array(size));
    this.a = grown(this.a, new Int32Array(size));
    this.b = grown(this.b, new Int32Array(size));
    this.#lows = grown(this.#lows, new Uint32Array(size));
    this.#highs = grown(this.#highs, new Uint32Array(size));
    this.#records = grown(this.#records, new Int32Array(size));
    this.#bounds = grown(this.#bounds, new Int32Array(size));
  }

  isSecret(value: number): boolean {
    return (this.kinds[value] as number) >= KIND_SECRET; // values are inside the tables
  }

  // Sums: every value is root + offset modulo 2^32.

  rootOf(value: number): number {
    const kind = this.kinds[value];
    if (kind === KIND_SUM) return this.a[value] as number;
    return kind === KIND_CONSTANT ? VALUE_ZERO : value;
  }

  offsetOf(value: number): number {
    const kind = this.kinds[value];
    if (kind === KIND_SUM) return this.b[value] as number;
    return kind === KIND_CONSTANT ? (this.a[value] as number) : 0;
  }

  /**
   * What stands for both of two values of the function: themselves, if they are one; a sum, if they are the same sum, of which nothing
   * is known that was known of one of them; otherwise VALUE_ANY.
   */
  common(a: number, b: number): number {
    if (a === b) return a;
    if (this.kinds[a] !== KIND_SUM || this.kinds[b] !== KIND_SUM) return VALUE_ANY;
    if (this.a[a] !== this.a[b] || this.b[a] !== this.b[b]) return VALUE_ANY;
    return this.make(KIND_SUM, this.a[a] as number, this.b[a] as number);
  }

  /** value + constant modulo 2^32, of a value of the function. */
  sum(value: number, constant: number): number {
    if (value === VALUE_ANY) return VALUE_ANY;
    const root = this.rootOf(value);
    const offset = (this.offsetOf(value) + constant) | 0;
    if (root === VALUE_ZERO) return this.make(KIND_CONSTANT, offset, 0);
    // What is known of this value, and not of its root, would be lost.
    if (root !== value && ((this.flags[value] as number) & FLAG_RANGE) !== 0) {
      const low = (this.#lows[value] as number) + constant;
      const high = (this.#highs[value] as number) + constant;
      if (low >= 0 && high <= U32_MAX) return this.ranged(KIND_SUM, root, offset, low, high);
    }
    return this.make(KIND_SUM, root, offset);
  }

  // Ranges: low <= value <= high, unsigned.

  low(value: number): number {
    if (((this.flags[value] as number) & FLAG_RANGE) !== 0) return this.#lows[value] as number;
    const kind = this.kinds[value];
    if (kind === KIND_CONSTANT) return (this.a[value] as number) >>> 0;
    return kind === KIND_SUM && this.#sumKeepsOrder(value)
      ? this.low(this.a[value] as number) + (this.b[value] as number)
      : 0;
  }

  high(value: number): number {
    if (((this.flags[value] as number) & FLAG_RANGE) !== 0) return this.#highs[value] as number;
    const kind = this.kinds[value];
    if (kind === KIND_CONSTANT) return (this.a[value] as number) >>> 0;
    return kind === KIND_SUM && this.#sumKeepsOrder(value)
      ? this.high(this.a[value] as number) + (this.b[value] as number)
      : U32_MAX;
  }

  /** Whether root + offset is the same without the modulo, for every root in its range. */
  #sumKeepsOrder(value: number): boolean {
    const root = this.a[value] as number;
    const offset = this.b[value] as number;
    return this.low(root) + offset >= 0 && this.high(root) + offset <= U32_MAX;
  }

  /** A new value with its range. */
  ranged(kind: number, a: number, b: number, low: number, high: number): number {
    const value = this.make(kind, a, b);
    this.flags[value] = FLAG_RANGE;
    this.#lows[value] = low;
    this.#highs[value] = high;
    return value;
  }

  /** Whether something is known of the range of a value. */
  hasRange(value: number): boolean {
    return ((this.flags[value] as number) & FLAG_RANGE) !== 0 || this.kinds[value] !== KIND_OPAQUE;
  }

  /** From here on low <= value <= high, beside what is known already. False when that cannot be: the path is never taken. */
  narrow(value: number, low: number, high: number): boolean {
    const isKnown = this.hasRange(value);
    const oldLow = isKnown ? this.low(value) : 0;
    const oldHigh = isKnown ? this.high(value) : U32_MAX;
    if (low > oldHigh || high < oldLow) return false;
    if (value === VALUE_ANY || this.kinds[value] === KIND_CONSTANT) return true;
    if (low <= oldLow && high >= oldHigh) return true;
    const at = this.#save(TRAIL_RANGE, value);
    this.#trail[at + 2] = this.flags[value] as number;
    this.#trail[at + 3] = this.#lows[value] as number;
    this.#trail[at + 4] = this.#highs[value] as number;
    this.flags[value] = (this.flags[value] as number) | FLAG_RANGE;
    this.#lows[value] = Math.max(low, oldLow);
    this.#highs[value] = Math.min(high, oldHigh);
    return true;
  }

  /** Whether the same number means the same value. */
  hasIdentity(value: number): boolean {
    return value >= VALUE_FIRST && !this.isSecret(value);
  }

  /** A value that this one is less than, unsigned, on this path; 0 when none is known. */
  boundOf(value: number): number {
    return this.#bounds[value] as number;
  }

  setBound(value: number, bound: number): void {
    if (!this.hasIdentity(value) || !this.hasIdentity(bound)) return;
    const at = this.#save(TRAIL_BOUND, value);
    this.#trail[at + 2] = this.#bounds[value] as number;
    this.#bounds[value] = bound;
  }

  // Checks and marks of roots.

  hasFact(root: number, flag: number): boolean {
    return ((this.flags[root] as number) & flag) !== 0;
  }

  /** Reads the fact of this flag into `fact`; only where there is one. */
  readFact(root: number, flag: number, fact: Fact): void {
    const words = this.#recordWords;
    const at = this.#factAt(root, flag);
    fact.from = words[at + FROM] as number; // facts are inside their records
    fact.size = words[at + SIZE] as number;
    fact.condition = words[at + CONDITION] as number;
    fact.bound = (words[at + BOUND] as number) >>> 0;
    fact.epoch = words[at + EPOCH] as number;
  }

  #factAt(root: number, flag: number): number {
    const place = flag === FLAG_READ ? 0 : flag === FLAG_WRITE ? 1 : 2;
    return (this.#records[root] as number) * RECORD_WORDS + place * FACT_WORDS;
  }

  setFact(root: number, flag: number, fact: Fact): void {
    const flags = this.flags[root] as number;
    const hasRecord = (flags & (FLAG_READ | FLAG_WRITE | FLAG_MARK)) !== 0;
    if (!hasRecord) this.#records[root] = this.#newRecord();
    const words = this.#recordWords;
    const at = this.#factAt(root, flag);
    const saved = this.#save(TRAIL_FACT | (flag << TRAIL_FLAG_SHIFT), root);
    this.#trail[saved + 2] = flags;
    for (let i = 0; i < FACT_WORDS; i += 1) this.#trail[saved + 3 + i] = words[at + i] as number;
    this.flags[root] = flags | flag;
    words[at + FROM] = fact.from;
    words[at + SIZE] = fact.size;
    words[at + CONDITION] = fact.condition;
    words[at + BOUND] = fact.bound;
    words[at + EPOCH] = fact.epoch;
  }

  #newRecord(): number {
    const record = this.#recordCount;
    this.#recordCount = record + 1;
    if (this.#recordCount * RECORD_WORDS > this.#recordWords.length) {
      this.#recordWords = grown(this.#recordWords, new Int32Array(2 * this.#recordWords.length));
    }
    return record;
  }

  // Locals.

  /** The value of a local, with an identity from now on; -1 when it may be a secret. */
  readLocal(local: number): number {
    const value = this.locals[local] as number;
    if (value > VALUE_MIXED) return value;
    if (value === VALUE_MIXED) {
      if (((this.#marks[local] as number) & LOCAL_SECRET) !== 0) return -1;
      this.#marks[local] = (this.#marks[local] as number) | LOCAL_READ_MIXED;
    } else this.#use(local);
    // No change of the local: it only gets a name, so nothing needs to be undone.
    const named = this.make(KIND_OPAQUE, 0, 0);
    this.locals[local] = named;
    return named;
  }

  /** False when the local may have been read as a value of the function while it held a secret. */
  writeLocal(local: number, value: number): boolean {
    if ((this.#saved[local] as number) < this.#trailFloor) {
      const at = this.#save(TRAIL_LOCAL, local);
      this.#trail[at + 2] = this.locals[local] as number;
      this.#trail[at + 3] = this.#saved[local] as number;
      this.#saved[local] = at;
    }
    this.#use(local);
    this.locals[local] = value;
    if ((this.kinds[value] as number) < KIND_SECRET) return true;
    this.#marks[local] = (this.#marks[local] as number) | LOCAL_SECRET;
    return ((this.#marks[local] as number) & LOCAL_READ_MIXED) === 0;
  }

  // The trail.

  get trailTop(): number {
    return this.#trailTop;
  }

  /** What is written from now on can be undone to here. Returns the mark for `undo`. */
  openTrail(): number {
    this.#trailFloor = this.#trailTop;
    return this.#trailTop;
  }

  /** Goes back to the block around; `floor` is its mark. */
  closeTrail(floor: number): void {
    this.#trailFloor = floor;
  }

  #save(what: number, index: number): number {
    const at = this.#trailTop;
    if (at === this.#trail.length) this.#trail = grown(this.#trail, new Int32Array(2 * this.#trail.length));
    this.#trail[at] = what;
    this.#trail[at + 1] = index;
    this.#trailTop = at + TRAIL_WORDS;
    return at;
  }

  undo(mark: number): void {
    const trail = this.#trail;
    for (let at = this.#trailTop - TRAIL_WORDS; at >= mark; at -= TRAIL_WORDS) {
      const what = trail[at] as number;
      const index = trail[at + 1] as number;
      const old = trail[at + 2] as number;
      if (what === TRAIL_LOCAL) {
        this.locals[index] = old;
        this.#saved[index] = trail[at + 3] as number;
        continue;
      }
      if (what === TRAIL_BOUND) {
        this.#bounds[index] = old;
        continue;
      }
      this.flags[index] = old;
      if (what === TRAIL_RANGE) {
        this.#lows[index] = trail[at + 3] as number;
        this.#highs[index] = trail[at + 4] as number;
      } else this.#undoFact(index, what >> TRAIL_FLAG_SHIFT, at);
    }
    this.#trailTop = mark;
  }

  #undoFact(root: number, flag: number, at: number): void {
    const first = this.#factAt(root, flag);
    for (let i = 0; i < FACT_WORDS; i += 1) this.#recordWords[first + i] = this.#trail[at + 3 + i] as number;
  }

  /*
   * What was written since a mark, for those who look at it: entries from the mark up to `trailTop`, in steps of
   * TRAIL_STEP. Each is about a local or about a fact of a value; a fact can have several entries.
   */

  /** Flag of the fact that an entry is about; 0 for a local, or what need not be looked at. */
  trailFlag(at: number): number {
    const what = this.#trail[at] as number;
    if (what === TRAIL_RANGE) return FLAG_RANGE;
    return what >> TRAIL_FLAG_SHIFT;
  }

  /** The local that an entry is about, or -1: there is one entry for each local. */
  trailLocal(at: number): number {
    const index = this.#trail[at + 1] as number;
    return this.#trail[at] === TRAIL_LOCAL && this.#saved[index] === at ? index : -1;
  }

  trailIndex(at: number): number {
    return this.#trail[at + 1] as number;
  }
}

function grown<T extends Uint8Array | Int32Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
