/** Which locals each loop of a body writes, and whether it calls: found before the body is walked, in one pass. */
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

/** Words of a loop: where its locals begin and end in `written`, and whether something in it can change a permission. */
const LOOP_WORDS = 3;
const NO_LOOP = -1;

export class Loops {
  /** Locals in the order in which the body writes them. */
  written = new Int32Array(1024);
  #loops = new Int32Array(LOOP_WORDS * 64);
  #count = 0;
  /** For each open block its loop, or NO_LOOP. */
  #open = new Int32Array(64);

  /** Looks at a body; calls of functions from `addedFirst` on change no permission. Puts the number of each loop into its word b. */
  find({ words, count }: InstructionList, addedFirst: number): void {
    this.#count = 0;
    if (count > this.written.length) this.written = new Int32Array(2 * count);
    const { written } = this;
    let writtenCount = 0;
    // Calls, by their place among the writes, would need a list too; it is enough to know the last one.
    let lastCall = -1;
    let depth = 0;
    for (let at = 0; at < count * WORDS; at += WORDS) {
      const meaning = meanings[words[at] as number] as number; // both are inside their tables
      if (meaning === NOTHING) continue;
      if (meaning === WRITE) {
        written[writtenCount] = words[at + WORD_A] as number;
        writtenCount += 1;
      } else if (meaning === CALL_INDIRECT || (meaning === CALL && (words[at + WORD_A] as number) < addedFirst)) {
        lastCall = at;
      } else if (meaning === CLOSE) {
        depth -= 1;
        const loop = depth >= 0 ? (this.#open[depth] as number) : NO_LOOP;
        if (loop !== NO_LOOP) this.#close(loop, writtenCount, lastCall);
      } else if (meaning !== CALL) {
        if (depth === this.#open.length) this.#open = doubled(this.#open);
        const loop = meaning === OPEN_LOOP ? this.#begin(writtenCount, at) : NO_LOOP;
        if (loop !== NO_LOOP) words[at + WORD_B] = loop;
        this.#open[depth] = loop;
        depth += 1;
      }
    }
  }

  /** The place of a loop's header is kept where its calls will be, so that they can be compared. */
  #begin(writtenCount: number, at: number): number {
    const loop = this.#count;
    this.#count = loop + 1;
    if (this.#count * LOOP_WORDS > this.#loops.length) this.#loops = doubled(this.#loops);
    this.#loops[loop * LOOP_WORDS] = writtenCount;
    this.#loops[loop * LOOP_WORDS + 2] = at;
    return loop;
  }

  #close(loop: number, writtenCount: number, lastCall: number): void {
    const word = loop * LOOP_WORDS;
    this.#loops[word + 1] = writtenCount;
    this.#loops[word + 2] = lastCall > (this.#loops[word + 2] as number) ? 1 : 0;
  }

  /** Of loop number `loop`: what it writes is from here on in `written`, up to `writtenEnd`. */
  writtenStart(loop: number): number {
    return this.#loops[loop * LOOP_WORDS] as number;
  }

  writtenEnd(loop: number): number {
    return this.#loops[loop * LOOP_WORDS + 1] as number;
  }

  calls(loop: number): boolean {
    return this.#loops[loop * LOOP_WORDS + 2] === 1;
  }
}

function doubled(from: Int32Array): Int32Array<ArrayBuffer> {
  const to = new Int32Array(2 * from.length);
  to.set(from);
  return to;
}
