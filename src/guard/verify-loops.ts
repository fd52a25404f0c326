/** Which locals each loop of a body writes, whether it calls, and how large it is: found before the body is walked, in one pass. */
import { type InstructionList, WORD_A, WORD_B, WORDS } from './instructions.ts';
import {
  OP_BLOCK,
  OP_CALL,
  OP_CALL_INDIRECT,
  OP_DELEGATE,
  OP_END,
  OP_IF,
  OP_LOCAL_SET,
  OP_LOCAL_TEE,
  OP_LOOP,
  OP_RETURN_CALL,
  OP_RETURN_CALL_INDIRECT,
  OP_TRY,
  OP_TRY_TABLE,
  OPCODE_COUNT,
} from './opcodes.ts';
import { WrittenLocals } from './verify-written.ts';

// What an instruction means here.
const NOTHING = 0;
const WRITE = 1;
const OPEN = 2;
const OPEN_LOOP = 3;
const CLOSE = 4;
const CALL = 5;
const CALL_INDIRECT = 6;

const meanings = new Uint8Array(OPCODE_COUNT).fill(NOTHING);
for (const opcode of [OP_LOCAL_SET, OP_LOCAL_TEE]) meanings[opcode] = WRITE;
for (const opcode of [OP_BLOCK, OP_IF, OP_TRY, OP_TRY_TABLE]) meanings[opcode] = OPEN;
for (const opcode of [OP_END, OP_DELEGATE]) meanings[opcode] = CLOSE;
for (const opcode of [OP_CALL, OP_RETURN_CALL]) meanings[opcode] = CALL;
for (const opcode of [OP_CALL_INDIRECT, OP_RETURN_CALL_INDIRECT]) meanings[opcode] = CALL_INDIRECT;
meanings[OP_LOOP] = OPEN_LOOP;

/**
 * Words of a loop: where its locals begin and end in `written`, whether something in it can change a permission; for `close`; whether
 * there are loops in it, the loop around it, and how many instructions it has.
 */
const LOOP_WORDS = 7;
const START = 0;
const END = 1;
const CALLS = 2;
const AROUND = 3;
const LOOPS = 4;
const OUTER = 5;
const INSTRUCTIONS = 6;
const NO_LOOP = -1;

export class Loops {
  /** The locals that each loop writes, one loop behind the other. */
  written = new Int32Array(256);
  #writtenCount = 0;
  #loops = new Int32Array(LOOP_WORDS * 64);
  #count = 0;
  /** For each open block its loop, or NO_LOOP. */
  #open = new Int32Array(64);
  readonly #sets = new WrittenLocals();

  /** The innermost loop that is open. */
  #innermost = NO_LOOP;
  /** Most locals of all loops together; `onTooMuch` makes the error when there are more. */
  #writtenMax = 0;
  readonly #onTooMuch: () => Error;

  constructor(onTooMuch: () => Error) {
    this.#onTooMuch = onTooMuch;
  }

  /** Looks at a body; calls of functions from `addedFirst` on change no permission. Puts the number of each loop into its word b. */
  find({ words, count }: InstructionList, localCount: number, addedFirst: number, writtenMax: number): void {
    this.#writtenMax = writtenMax;
    this.#count = 0;
    this.#innermost = NO_LOOP;
    this.#writtenCount = 0;
    this.#sets.begin(localCount);
    let lastCall = -1;
    let depth = 0;
    for (let at = 0; at < count * WORDS; at += WORDS) {
      const meaning = meanings[words[at] as number] as number; // both are inside their tables
      if (meaning === NOTHING) continue;
      if (meaning === WRITE) {
        this.#sets.note(words[at + WORD_A] as number);
      } else if (meaning === CALL_INDIRECT || (meaning === CALL && (words[at + WORD_A] as number) < addedFirst)) {
        lastCall = at;
      } else if (meaning === CLOSE) {
        depth -= 1;
        const loop = depth >= 0 ? (this.#open[depth] as number) : NO_LOOP;
        if (loop !== NO_LOOP) this.#close(loop, lastCall, at);
      } else if (meaning !== CALL) {
        if (depth === this.#open.length) this.#open = doubled(this.#open);
        const loop = meaning === OPEN_LOOP ? this.#begin(at) : NO_LOOP;
        if (loop !== NO_LOOP) words[at + WORD_B] = loop;
        this.#open[depth] = loop;
        depth += 1;
      }
    }
  }

  /** The place of a loop's header is kept where its calls will be, so that they can be compared. */
  #begin(at: number): number {
    const loop = this.#count;
    this.#count = loop + 1;
    if (this.#count * LOOP_WORDS > this.#loops.length) this.#loops = doubled(this.#loops);
    this.#loops[loop * LOOP_WORDS + CALLS] = at;
    this.#loops[loop * LOOP_WORDS + AROUND] = this.#sets.open();
    this.#loops[loop * LOOP_WORDS + LOOPS] = 0;
    this.#loops[loop * LOOP_WORDS + OUTER] = this.#innermost;
    if (this.#innermost !== NO_LOOP) this.#loops[this.#innermost * LOOP_WORDS + LOOPS] = 1;
    this.#innermost = loop;
    return loop;
  }

  #close(loop: number, lastCall: number, at: number): void {
    const word = loop * LOOP_WORDS;
    this.#innermost = this.#loops[word + OUTER] as number;
    this.#loops[word + INSTRUCTIONS] = (at - (this.#loops[word + CALLS] as number)) / WORDS;
    const { list, first, count } = this.#sets;
    const start = this.#writtenCount;
    this.#writtenCount = start + count - first;
    if (this.#writtenCount > this.#writtenMax) throw this.#onTooMuch();
    while (this.#writtenCount > this.written.length) this.written = doubled(this.written);
    this.written.set(list.subarray(first, count), start);
    this.#loops[word + START] = start;
    this.#loops[word + END] = this.#writtenCount;
    this.#loops[word + CALLS] = lastCall > (this.#loops[word + CALLS] as number) ? 1 : 0;
    this.#sets.close(this.#loops[word + AROUND] as number);
  }

  /** Of loop number `loop`: what it writes is from here on in `written`, up to `writtenEnd`. */
  writtenStart(loop: number): number {
    return this.#loops[loop * LOOP_WORDS + START] as number;
  }

  writtenEnd(loop: number): number {
    return this.#loops[loop * LOOP_WORDS + END] as number;
  }

  calls(loop: number): boolean {
    return this.#loops[loop * LOOP_WORDS + CALLS] === 1;
  }

  /** Whether there are loops in it. */
  hasLoops(loop: number): boolean {
    return this.#loops[loop * LOOP_WORDS + LOOPS] === 1;
  }

  instructions(loop: number): number {
    return this.#loops[loop * LOOP_WORDS + INSTRUCTIONS] as number;
  }
}

function doubled(from: Int32Array): Int32Array<ArrayBuffer> {
  const to = new Int32Array(2 * from.length);
  to.set(from);
  return to;
}
