/** What instructions are for who follows pointers through a body, and what they take from the operand stack and leave there. */
import { WORDS } from './instructions.ts';
import {
  accessOf,
  OP_BLOCK,
  OP_BR,
  OP_BR_IF,
  OP_BR_TABLE,
  OP_CALL,
  OP_CALL_INDIRECT,
  OP_CATCH,
  OP_CATCH_ALL,
  OP_DATA_DROP,
  OP_DELEGATE,
  OP_ELEM_DROP,
  OP_ELSE,
  OP_END,
  OP_GLOBAL_GET,
  OP_GLOBAL_SET,
  OP_I32_CONST,
  OP_IF,
  OP_LOCAL_GET,
  OP_LOCAL_SET,
  OP_LOCAL_TEE,
  OP_LOOP,
  OP_MEMORY_COPY,
  OP_MEMORY_FILL,
  OP_MEMORY_GROW,
  OP_MEMORY_INIT,
  OP_MEMORY_SIZE,
  OP_REF_FUNC,
  OP_RETHROW,
  OP_RETURN,
  OP_RETURN_CALL,
  OP_RETURN_CALL_INDIRECT,
  OP_THROW,
  OP_THROW_REF,
  OP_TRY,
  OP_TRY_TABLE,
  OP_UNREACHABLE,
  OPCODE_COUNT,
} from './opcodes.ts';
import { NOT_PLAIN, operandCounts, resultCounts } from './stack-effects.ts';

// What an instruction means here.
export const PLAIN = 1;
export const ACCESS = 2;
export const GET = 3;
export const SET = 4;
export const TEE = 5;
export const CONSTANT = 6;
export const OPEN = 7;
export const ELSE = 8;
export const END = 9;
export const BRANCH_IF = 10;
export const LEAVE = 11;
export const CALL = 12;
export const GLOBAL_SET = 13;
export const HANDLER = 14;
export const TAKES_3 = 15;

export const meanings = new Uint8Array(OPCODE_COUNT);

function setMeanings(meaning: number, opcodes: readonly number[]): void {
  for (const opcode of opcodes) meanings[opcode] = meaning;
}

/** Operands and results of instructions that stack-effects.ts does not list, since they do more than compute. */
export const operands = new Uint8Array(operandCounts);
export const results = new Uint8Array(resultCounts);

for (let opcode = 0; opcode < OPCODE_COUNT; opcode += 1) {
  if (operandCounts[opcode] !== NOT_PLAIN) meanings[opcode] = PLAIN;
  if (accessOf(opcode) !== undefined) meanings[opcode] = ACCESS;
}
for (const [opcode, taken, left] of [
  [OP_GLOBAL_GET, 0, 1],
  [OP_MEMORY_SIZE, 0, 1],
  [OP_MEMORY_GROW, 1, 1],
  [OP_DATA_DROP, 0, 0],
  [OP_ELEM_DROP, 0, 0],
  [OP_REF_FUNC, 0, 1],
] as const) {
  meanings[opcode] = PLAIN;
  operands[opcode] = taken;
  results[opcode] = left;
}
setMeanings(TAKES_3, [OP_MEMORY_COPY, OP_MEMORY_FILL, OP_MEMORY_INIT]);
setMeanings(GET, [OP_LOCAL_GET]);
setMeanings(SET, [OP_LOCAL_SET]);
setMeanings(TEE, [OP_LOCAL_TEE]);
setMeanings(CONSTANT, [OP_I32_CONST]);
setMeanings(OPEN, [OP_BLOCK, OP_LOOP, OP_IF, OP_TRY, OP_TRY_TABLE]);
setMeanings(ELSE, [OP_ELSE]);
setMeanings(HANDLER, [OP_CATCH, OP_CATCH_ALL]);
setMeanings(END, [OP_END, OP_DELEGATE]);
setMeanings(BRANCH_IF, [OP_BR_IF]);
setMeanings(LEAVE, [OP_BR, OP_BR_TABLE, OP_RETURN, OP_UNREACHABLE, OP_RETURN_CALL, OP_RETURN_CALL_INDIRECT]);
setMeanings(LEAVE, [OP_THROW, OP_THROW_REF, OP_RETHROW]);
setMeanings(CALL, [OP_CALL, OP_CALL_INDIRECT]);
setMeanings(GLOBAL_SET, [OP_GLOBAL_SET]);

/** Behind an instruction that nothing goes on after: the place before the `else`, handler or `end` of its block. */
export function skipDead(words: Int32Array, first: number, count: number): number {
  let depth = 0;
  for (let at = first + 1; at < count; at += 1) {
    const meaning = meanings[words[at * WORDS] as number];
    if (meaning === OPEN) depth += 1;
    else if (depth === 0 && (meaning === ELSE || meaning === HANDLER || meaning === END)) return at - 1;
    else if (meaning === END) depth -= 1;
  }
  throw new Error('a block has no end');
}
