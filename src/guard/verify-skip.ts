/** Code behind an instruction that does not go on: it is never executed, and passed over. */
import { WORDS } from './instructions.ts';
import {
  OP_BLOCK,
  OP_CATCH,
  OP_CATCH_ALL,
  OP_DELEGATE,
  OP_ELSE,
  OP_END,
  OP_IF,
  OP_LOOP,
  OP_TRY,
  OP_TRY_TABLE,
  OPCODE_COUNT,
} from './opcodes.ts';

const OPENS = 1;
const CLOSES = 2;
const DIVIDES = 3;

const meanings = new Uint8Array(OPCODE_COUNT);
for (const opcode of [OP_BLOCK, OP_LOOP, OP_IF, OP_TRY, OP_TRY_TABLE]) meanings[opcode] = OPENS;
for (const opcode of [OP_END, OP_DELEGATE]) meanings[opcode] = CLOSES;
for (const opcode of [OP_ELSE, OP_CATCH, OP_CATCH_ALL]) meanings[opcode] = DIVIDES;

/** From the instruction at word `at` to the next one that ends or divides the block that it is in; the word of that one. */
export function skipDeadCode(words: Int32Array, at: number): number {
  let depth = 0;
  // There is one: a decoded body ends with the `end` of its outermost block.
  for (let next = at + WORDS; ; next += WORDS) {
    const meaning = meanings[words[next] as number];
    if (meaning === OPENS) depth += 1;
    else if (meaning === CLOSES) {
      if (depth === 0) return next;
      depth -= 1;
    } else if (meaning === DIVIDES && depth === 0) return next;
  }
}
