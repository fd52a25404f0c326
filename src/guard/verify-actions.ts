/** What the walk does with each instruction: one action each, and those that have none are refused. */
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
  OP_DELEGATE,
  OP_ELSE,
  OP_END,
  OP_I32_ADD,
  OP_I32_AND,
  OP_I32_CONST,
  OP_I32_EQ,
  OP_I32_EQZ,
  OP_I32_GE_U,
  OP_I32_GT_U,
  OP_I32_LE_U,
  OP_I32_LT_U,
  OP_I32_NE,
  OP_I32_OR,
  OP_I32_SHL,
  OP_I32_SHR_U,
  OP_I32_SUB,
  OP_IF,
  OP_LOCAL_GET,
  OP_LOCAL_SET,
  OP_LOCAL_TEE,
  OP_LOOP,
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
import { NOT_PLAIN, operandCounts } from './stack-effects.ts';

/** Changes of memory, tables and segments by themselves, `memory.atomic.wait`, `global.set`, and whatever is not listed. */
export const FORBIDDEN = 0;
/** Only computes. */
export const PLAIN = 1;
export const GET = 2;
export const SET = 3;
export const TEE = 4;
export const CONSTANT = 5;
/** Computes something that the verifier understands. */
export const BINARY = 7;
export const IS_ZERO = 8;
export const ACCESS = 9;
export const BLOCK = 10;
/** `else`, and the handlers of `try`. */
export const NEXT_PART = 11;
export const END = 12;
export const BRANCH = 13;
export const UNREACHABLE = 14;
export const CALL = 15;
export const REF_FUNC = 16;
export const EXCEPTION = 17;

export const actions = new Uint8Array(OPCODE_COUNT).fill(FORBIDDEN);

function setActions(action: number, opcodes: readonly number[]): void {
  for (const opcode of opcodes) actions[opcode] = action;
}

for (let opcode = 0; opcode < OPCODE_COUNT; opcode += 1) {
  if (operandCounts[opcode] !== NOT_PLAIN) actions[opcode] = PLAIN;
  const access = accessOf(opcode);
  if (access !== undefined && access.kind !== 'wait') actions[opcode] = ACCESS;
}
setActions(GET, [OP_LOCAL_GET]);
setActions(SET, [OP_LOCAL_SET]);
setActions(TEE, [OP_LOCAL_TEE]);
setActions(CONSTANT, [OP_I32_CONST]);
setActions(BINARY, [OP_I32_ADD, OP_I32_SUB, OP_I32_AND, OP_I32_OR, OP_I32_SHL, OP_I32_SHR_U]);
setActions(BINARY, [OP_I32_LT_U, OP_I32_GT_U, OP_I32_LE_U, OP_I32_GE_U, OP_I32_EQ, OP_I32_NE]);
setActions(IS_ZERO, [OP_I32_EQZ]);
setActions(BLOCK, [OP_BLOCK, OP_LOOP, OP_IF, OP_TRY, OP_TRY_TABLE]);
setActions(NEXT_PART, [OP_ELSE, OP_CATCH, OP_CATCH_ALL]);
setActions(END, [OP_END, OP_DELEGATE]);
setActions(BRANCH, [OP_BR, OP_BR_IF, OP_BR_TABLE, OP_RETURN]);
setActions(UNREACHABLE, [OP_UNREACHABLE]);
setActions(CALL, [OP_CALL, OP_CALL_INDIRECT, OP_RETURN_CALL, OP_RETURN_CALL_INDIRECT]);
setActions(REF_FUNC, [OP_REF_FUNC]);
setActions(EXCEPTION, [OP_THROW, OP_THROW_REF, OP_RETHROW]);
