/*
 * The deadline check: what ends an invocation that does not end by itself, or that nobody wants any more.
 *
 *     if (HOME_DEADLINE_MS - now <= 0, signed, modulo 2^32)   hinted unlikely, or the opposite likely
 *       look closer:
 *         HOME_DEADLINE_MS = HOME_END_MS
 *         if (the invocation was cancelled)   record FAULT_CANCELLED in the header; unreachable
 *         if (HOME_END_MS - now <= 0)         record FAULT_DEADLINE in the header; unreachable
 *
 * now is CONTROL_NOW_MS, which a thread of the server advances. The function can write none of these words. It stands
 *
 *   1. behind each `loop` instruction, which is where each branch to that loop goes, whatever the branch is: br, br_if,
 *      br_table, a catch clause of try_table; but not where a local counts the turns of the loop, which are few;
 *   2. at the entry of each function that calls a function of the module or of the host, directly, through a table or by a
 *      tail call (`jord:init` is one of them where it calls the start function), or has a loop that counts its turns, which functions have that do not call;
 *   3. at the entry of the added functions with bulk memory instructions (jord:memory.copy, .fill, .init).
 *
 * Why that is enough for every stretch of execution without a check to be finite. By 1 no branch in it goes back, but those of loops that
 * end by themselves: within a frame it runs forward, each instruction once at most, or as often as such a loop turns
 * (verify-counters.ts: 2^17 instructions of all loops of a body together at most, and of one body in the stretch, by 2). By 2 a function that is entered in it does not call. So the stretch
 * is a piece of one body, with bodies that do not call put in where it calls them, and then, when it returns, a piece of
 * the frame below, which was there before; the stack is bounded. It has one bulk instruction at most, by 3, of 512 MiB at
 * most; and one host function that takes time, since those trap when the deadline has passed (`checkDeadline` in
 * core/vma-table.ts). The other added functions, jord:interrupted among them, run for a time bounded by a constant.
 *
 * Why the check behind such a stretch ends what must end. Another thread may write HOME_DEADLINE_MS at any time, to make
 * the PD look closer, but only a time that CONTROL_NOW_MS had reached. So the word is HOME_END_MS or a time that has passed,
 * and once HOME_END_MS is reached each check looks closer, and traps. A write that was meant for a PD that lived here before
 * causes a look and nothing else. No cancellation is lost: who cancels writes INVOCATION_CANCELLED and then
 * HOME_DEADLINE_MS, the look writes HOME_DEADLINE_MS and then reads INVOCATION_CANCELLED, all four atomically. So the look
 * sees it, or the other thread's write comes behind the look's, and the next check looks again.
 *
 * What is NOT guaranteed is that such a stretch is short. In what compilers make it is microseconds; but a module can have
 * millions of instructions in a row, and call as long a function as often.
 *
 * A trap is no exception: no handler of the module sees it.
 *
 * The closer look is jord:interrupted. Entries call it. Loops have it inline, and call only what then traps. Measured
 * against an arm that only traps: a call that returns, in loops, makes the kernel sieve take 1.7 times as long; the look
 * inline, at entries, makes small recursive functions take 1.8 to 2.1 times as long, since V8 then inlines less. This form
 * makes no difference to the kernels (mean 1.00); QuickJS and SQLite take about 1 % longer, and QuickJS is 1.5 % larger.
 *
 * Where a loop does not call otherwise, the closer look stands behind it (late-loops.ts), and the check in it is four instructions and a
 * branch: V8 unrolls small loops, which it does not with the look in them. Searching a tree took 1.32 times as long with the look
 * in the loop as without a check, 1.05 with the look behind it.
 *
 * Kernels and applications take 4 to 8 % longer with checks than without, half of it for each of 1 and 2. now - deadline
 * >= 0 costs the kernels 2 % more than this form; 64-bit clocks, which need no subtraction, gain nothing.
 *
 * The compare has ordinary loads, since V8 does not move those out of loops; test/deadlines.test.ts would not end if it
 * did. HOME_DEADLINE_MS is read anew each time, so that another thread can bring it forward.
 */
import {
  CONTROL_NOW_MS,
  FAULT_CANCELLED,
  FAULT_DEADLINE,
  HOME_DEADLINE_MS,
  HOME_END_MS,
  HOME_FAULT_KIND,
  HOME_INVOCATION,
  INVOCATION_CANCELLED,
} from '../../core/layout.ts';
import { ADDED_INTERRUPTED } from './added.ts';
import { BLOCK_EMPTY, type Emitter, HINT_LIKELY, HINT_UNLIKELY } from './emit.ts';
import {
  OP_BR_IF,
  OP_DROP,
  OP_ELSE,
  OP_END,
  OP_I32_ATOMIC_LOAD,
  OP_I32_ATOMIC_STORE,
  OP_I32_GT_S,
  OP_I32_LE_S,
  OP_I32_OR,
  OP_I32_SUB,
  OP_IF,
  OP_SELECT,
  OP_UNREACHABLE,
} from './opcodes.ts';

/** At the entry of a body. Leaves the stack as it is and needs no temporary. */
export function emitEntryCheck(e: Emitter): void {
  emitLeft(e, HOME_DEADLINE_MS);
  e.op(OP_I32_GT_S);
  e.if(BLOCK_EMPTY, HINT_LIKELY);
  e.op(OP_ELSE);
  e.callAdded(ADDED_INTERRUPTED);
  e.op(OP_END);
}

/** Behind a `loop`. Leaves the stack as it is and needs no temporary. */
export function emitLoopCheck(e: Emitter): void {
  emitReached(e, HOME_DEADLINE_MS);
  e.if(BLOCK_EMPTY, HINT_UNLIKELY);
  emitMustEnd(e);
  e.op(OP_IF);
  e.op(BLOCK_EMPTY);
  e.callAdded(ADDED_INTERRUPTED);
  // The call does not return, since a reason to end stays one. So that V8 knows, and has no call in the loop:
  e.op(OP_UNREACHABLE);
  e.op(OP_END);
  e.op(OP_END);
}

/**
 * Behind the `loop` of a loop that does not call, with the closer look outside of it: leads to the end of the block around the loop,
 * where `emitLateLook` stands. Leaves the stack as it is and needs no temporary.
 */
export function emitLateCheck(e: Emitter): void {
  emitReached(e, HOME_DEADLINE_MS);
  e.hint(HINT_UNLIKELY);
  e.out.pair(OP_BR_IF, 1);
}

/** Behind the `loop` of a loop that ends soon by itself: the local that counts its turns. Nothing is done with it. */
export function emitCounter(e: Emitter, local: number): void {
  e.get(local);
  e.op(OP_DROP);
}

/** Behind the block that `emitLateCheck` leads to the end of. */
export function emitLateLook(e: Emitter): void {
  emitMustEnd(e);
  e.if(BLOCK_EMPTY, HINT_UNLIKELY);
  e.callAdded(ADDED_INTERRUPTED);
  e.op(OP_UNREACHABLE);
  e.op(OP_END);
}

/** Body of jord:interrupted, (base): returns when this PD may go on; otherwise records why not and traps. */
export function emitInterrupted(e: Emitter): void {
  emitMustEnd(e);
  e.if(BLOCK_EMPTY, HINT_UNLIKELY);
  e.get(e.base);
  e.i32(FAULT_CANCELLED);
  e.i32(FAULT_DEADLINE);
  emitCancelled(e);
  e.op(OP_SELECT);
  e.store32(HOME_FAULT_KIND);
  e.op(OP_UNREACHABLE);
  e.op(OP_END);
}

/** HOME_DEADLINE_MS = HOME_END_MS; leaves whether this PD must end: 0 or not. */
function emitMustEnd(e: Emitter): void {
  e.get(e.base);
  e.get(e.base);
  e.load32(HOME_END_MS);
  e.memory(OP_I32_ATOMIC_STORE, 2, HOME_DEADLINE_MS);
  emitCancelled(e);
  emitReached(e, HOME_END_MS);
  e.op(OP_I32_OR);
}

/** Leaves whether the invocation was cancelled: 0 or not. Without a record it reads what is always 0. */
function emitCancelled(e: Emitter): void {
  e.get(e.base);
  e.load32(HOME_INVOCATION);
  e.memory(OP_I32_ATOMIC_LOAD, 2, INVOCATION_CANCELLED);
}

/** Leaves whether now is the time at an offset of the header, or later: 0 or 1. */
function emitReached(e: Emitter, time: number): void {
  emitLeft(e, time);
  e.op(OP_I32_LE_S);
}

/** Leaves how much time is left until that at an offset of the header, and 0, to be compared. */
function emitLeft(e: Emitter, time: number): void {
  e.get(e.base);
  e.load32(time);
  e.i32(0);
  e.load32(CONTROL_NOW_MS);
  e.op(OP_I32_SUB);
  e.i32(0);
}
