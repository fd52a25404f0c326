/*
 * The deadline check: what ends an invocation that does not end by itself.
 *
 *     if (deadline - now <= 0, signed, modulo 2^32)   hinted unlikely
 *       record FAULT_DEADLINE in the header; unreachable
 *
 * now is CONTROL_NOW_MS, which a thread of the server advances, deadline is HOME_DEADLINE_MS of this PD's header. Neither
 * can be written by the function. It stands
 *
 *   1. behind each `loop` instruction, which is where each branch to that loop goes, whatever the branch is: br, br_if,
 *      br_table, a catch clause of try_table;
 *   2. at the entry of each function that calls a function of the module or of the host, directly, through a table or by a
 *      tail call (`jord:init` is one of them where it calls the start function);
 *   3. at the entry of the added functions with bulk memory instructions (jord:memory.copy, .fill, .init).
 *
 * Why that is enough for every stretch of execution without a check to be finite. By 1 no branch in it goes back: within a
 * frame it runs forward, each instruction once at most. By 2 a function that is entered in it does not call. So the stretch
 * is a piece of one body, with bodies that do not call put in where it calls them, and then, when it returns, a piece of
 * the frame below, which was there before; the stack is bounded. It has one bulk instruction at most, by 3, of 512 MiB at
 * most; and one host function that takes time, since those trap when the deadline has passed (`checkDeadline` in
 * core/vma-table.ts). The other added functions run for a time bounded by a constant.
 *
 * What is NOT guaranteed is that such a stretch is short. In what compilers make it is microseconds; but a module can have
 * millions of instructions in a row, and call as long a function as often.
 *
 * A trap is no exception: no handler of the module sees it.
 *
 * Measured: kernels and applications take 4 to 8 % longer with the checks than without, half of it for each of 1 and 2. now -
 * deadline >= 0 costs the kernels 2 % more than this form; 64-bit clocks, which need no subtraction, gain nothing.
 *
 * The word is read by an ordinary load, since V8 does not move those out of loops; test/deadlines.test.ts would not end if
 * it did. The deadline is read anew each time, so that it can be brought forward while the invocation runs.
 */
import { CONTROL_NOW_MS, FAULT_DEADLINE, HOME_DEADLINE_MS, HOME_FAULT_KIND } from '../../core/layout.ts';
import { BLOCK_EMPTY, type Emitter, HINT_UNLIKELY } from './emit.ts';
import { OP_END, OP_I32_LE_S, OP_I32_SUB, OP_UNREACHABLE } from './opcodes.ts';

/** Leaves the stack as it is and needs no temporary. The bytes are the same in all of a function. */
export function emitDeadlineCheck(e: Emitter): void {
  e.get(e.base);
  e.load32(HOME_DEADLINE_MS);
  e.i32(0);
  e.load32(CONTROL_NOW_MS);
  e.op(OP_I32_SUB);
  e.i32(0);
  e.op(OP_I32_LE_S);
  e.if(BLOCK_EMPTY, HINT_UNLIKELY);
  e.get(e.base);
  e.i32(FAULT_DEADLINE);
  e.store32(HOME_FAULT_KIND);
  e.op(OP_UNREACHABLE);
  e.op(OP_END);
}
