/** Where in a body each local is set, where it calls, and where its blocks end: found before anything else is looked at. */
import { WORD_A, WORDS } from './instructions.ts';
import { OP_LOOP, OP_RETURN_CALL, OP_RETURN_CALL_INDIRECT, OP_TRY_TABLE } from './opcodes.ts';
import { CALL, END, meanings, OPEN, SET, TEE } from './pointer-effects.ts';
import { grown, int32 } from './tables.ts';

/** Of a local: its number among those that the body sets, and the body that this is about. */
const NUMBER_WORDS = 2;

export class BodyIndex {
  /** By instruction: for one that opens a block, where its `end` is. */
  ends = int32(1024);
  hasTryTable = false;
  /** Instructions that set each local, and those that call, in ascending order; unreachable ones too. */
  #sets = int32(1024);
  #setsFirst = int32(256);
  #setsEnd = int32(256);
  #calls = int32(256);
  #callCount = 0;
  #loops = int32(256);
  #loopCount = 0;
  #numbers = int32(NUMBER_WORDS * 256);
  #localCount = 0;
  #body = 0;

  /** Looks at a body: counts, then sorts, what sets each local; and finds calls and the ends of loops. */
  find(words: Int32Array, count: number, localCount: number): void {
    if (count > this.ends.length) this.ends = int32(2 * count);
    this.#numbers = grown(this.#numbers, NUMBER_WORDS * localCount, int32);
    this.#body += 1;
    this.#localCount = 0;
    this.#callCount = 0;
    this.#loopCount = 0;
    this.hasTryTable = false;
    let sets = 0;
    const open: number[] = [];
    for (let at = 0; at < count; at += 1) {
      const opcode = words[at * WORDS] as number; // at is inside the list
      const meaning = meanings[opcode] as number; // as is every opcode
      if (opcode === OP_TRY_TABLE) this.hasTryTable = true;
      if (meaning === SET || meaning === TEE) {
        const index = this.#numberOf(words[at * WORDS + WORD_A] as number);
        this.#setsEnd[index] = (this.#setsEnd[index] as number) + 1;
        sets += 1;
      } else if (meaning === CALL || opcode === OP_RETURN_CALL || opcode === OP_RETURN_CALL_INDIRECT) {
        this.#calls = grown(this.#calls, this.#callCount + 1, int32);
        this.#calls[this.#callCount] = at;
        this.#callCount += 1;
      } else if (meaning === OPEN) {
        open.push(at);
        if (opcode !== OP_LOOP) continue;
        this.#loops = grown(this.#loops, this.#loopCount + 1, int32);
        this.#loops[this.#loopCount] = at;
        this.#loopCount += 1;
      } else if (meaning === END) {
        const opened = open.pop();
        if (opened !== undefined) this.ends[opened] = at;
      }
    }
    let first = 0;
    for (let index = 0; index < this.#localCount; index += 1) {
      const ofIndex = this.#setsEnd[index] as number;
      this.#setsFirst[index] = first;
      this.#setsEnd[index] = first;
      first += ofIndex;
    }
    this.#sets = grown(this.#sets, sets, int32);
    for (let at = 0; at < count; at += 1) {
      const meaning = meanings[words[at * WORDS] as number];
      if (meaning !== SET && meaning !== TEE) continue;
      const index = this.#numberOf(words[at * WORDS + WORD_A] as number);
      const place = this.#setsEnd[index] as number;
      this.#sets[place] = at;
      this.#setsEnd[index] = place + 1;
    }
  }

  /** The number of a local among those that are set, a new one when it is the first time. */
  #numberOf(local: number): number {
    const known = this.#known(local);
    if (known >= 0) return known;
    const number = this.#localCount;
    this.#localCount = number + 1;
    this.#setsFirst = grown(this.#setsFirst, number + 1, int32);
    this.#setsEnd = grown(this.#setsEnd, number + 1, int32);
    this.#setsEnd[number] = 0;
    this.#numbers[local * NUMBER_WORDS] = number;
    this.#numbers[local * NUMBER_WORDS + 1] = this.#body;
    return number;
  }

  /** The same of one that is not set: -1. A function may declare many locals that it does not use, so nothing is cleared. */
  #known(local: number): number {
    const word = local * NUMBER_WORDS;
    return this.#numbers[word + 1] === this.#body ? (this.#numbers[word] as number) : -1;
  }

  /** Whether one of the instructions behind `first` and before `end` sets this local. */
  isSetBetween(local: number, first: number, end: number): boolean {
    const index = this.#known(local);
    if (index < 0) return false;
    return isAnyBetween(this.#sets, this.#setsFirst[index] as number, this.#setsEnd[index] as number, first, end);
  }

  /** Whether all instructions behind `first` and before `end` that set this local are of a kind. */
  areAllBetween(local: number, first: number, end: number, isOfKind: (at: number) => boolean): boolean {
    const index = this.#known(local);
    if (index < 0) return true;
    const to = this.#setsEnd[index] as number;
    let set = firstBehind(this.#sets, this.#setsFirst[index] as number, to, first);
    for (; set < to && (this.#sets[set] as number) < end; set += 1) {
      if (!isOfKind(this.#sets[set] as number)) return false;
    }
    return true;
  }

  isLoopBetween(first: number, end: number): boolean {
    return isAnyBetween(this.#loops, 0, this.#loopCount, first, end);
  }

  isCalledBetween(first: number, end: number): boolean {
    return isAnyBetween(this.#calls, 0, this.#callCount, first, end);
  }
}

/** Whether one of the numbers table[from … to), which ascend, is above `first` and below `end`. */
function isAnyBetween(table: Int32Array, from: number, to: number, first: number, end: number): boolean {
  const place = firstBehind(table, from, to, first);
  return place < to && (table[place] as number) < end;
}

/** Where in table[from … to), whose numbers ascend, the first one above `first` is; `to` if there is none. */
function firstBehind(table: Int32Array, from: number, to: number, first: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((table[middle] as number) > first) high = middle;
    else low = middle + 1;
  }
  return low;
}
