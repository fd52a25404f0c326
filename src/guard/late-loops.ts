/**
 * Loops whose closer look at the deadline stands behind them, so that nothing is called inside: V8 unrolls them then, and keeps their
 * values in registers. Of a loop becomes
 *
 *     block $done
 *       loop $again
 *         block $late
 *           loop
 *             deadline check: br_if $late
 *             what the loop does; its branches to blocks around it lead three blocks further out
 *           end
 *           br $done
 *         end
 *         the closer look
 *         br $again
 *       end
 *     end
 *
 * A branch to $late is only at the header of the loop, before anything is done there, and comes back to the same place with the same
 * locals; the loop has no parameters, so there is nothing of it on the stack. Loops that call, or have loops or handlers in them, stay as they
 * are: for those it would gain nothing.
 */
import { emitLateLook } from './deadline.ts';
import type { Emitter } from './emit.ts';
import { BLOCK_TYPE_EMPTY, BLOCK_TYPE_VALUE, type InstructionList, WORD_A, WORDS } from './instructions.ts';
import {
  OP_BLOCK,
  OP_BR,
  OP_DELEGATE,
  OP_END,
  OP_LOOP,
  OP_RETHROW,
  OP_TRY,
  OP_TRY_TABLE,
  OPCODE_COUNT,
} from './opcodes.ts';

/** Blocks that are put around such a loop. */
const BLOCKS_AROUND = 3;
const BLOCK_EMPTY = 0x40;

/** Instructions that a loop must not have around which the guard puts blocks: labels of theirs count blocks in other ways. */
const excludes = new Uint8Array(OPCODE_COUNT);
for (const opcode of [OP_LOOP, OP_TRY, OP_TRY_TABLE, OP_DELEGATE, OP_RETHROW]) excludes[opcode] = 1;

/** Whether the guard may put blocks around the loop that begins at an instruction. */
export function mayHaveBlocksAround({ words }: InstructionList, at: number, end: number): boolean {
  for (let i = at + 1; i < end; i += 1) if (excludes[words[i * WORDS] as number] === 1) return false;
  return true;
}

const NONE = -1;

export class LateLoops {
  readonly #emitter: Emitter;
  /** How many blocks of the module are open around the loop that is open, or NONE; and how many of the guard's own. */
  #depth = NONE;
  #around = 0;
  #copies = 0;
  /** Whether its closer look stands behind it. */
  #isLate = false;

  constructor(emitter: Emitter) {
    this.#emitter = emitter;
  }

  /** A loop begins at an instruction, inside of `depth` blocks: whether it becomes one of these. */
  open(list: InstructionList, at: number, end: number, calls: boolean, depth: number): boolean {
    const type = list.words[at * WORDS + WORD_A] as number; // it is inside the list
    if (calls || (type !== BLOCK_TYPE_EMPTY && type !== BLOCK_TYPE_VALUE)) return false;
    if (!mayHaveBlocksAround(list, at, end)) return false;
    this.#begin(depth, true);
    return true;
  }

  /** The same for a loop that becomes none of these, but has blocks around it. */
  openOther(depth: number): void {
    if (this.#copies > 0) this.#begin(depth, false);
  }

  #begin(depth: number, isLate: boolean): void {
    this.#depth = depth;
    this.#isLate = isLate;
    this.#around = this.#copies + (isLate ? BLOCKS_AROUND : 0);
  }

  /** There are so many blocks around the loops that come now. */
  setCopies(blocks: number): void {
    this.#copies = blocks;
  }

  /** What stands before the loop. Its type is in these bytes of the module. */
  emitOpen(bytes: Uint8Array, typeStart: number, typeEnd: number): void {
    const { out } = this.#emitter;
    out.byte(OP_BLOCK);
    out.slice(bytes, typeStart, typeEnd);
    out.byte(OP_LOOP);
    out.slice(bytes, typeStart, typeEnd);
    out.pair(OP_BLOCK, BLOCK_EMPTY);
  }

  /** Whether the block inside of `depth` others is the loop. */
  isOpenAt(depth: number): boolean {
    return this.#depth === depth;
  }

  /** The end of the loop, and what stands behind it. */
  emitClose(): void {
    const e = this.#emitter;
    this.#depth = NONE;
    e.op(OP_END);
    if (!this.#isLate) return;
    e.out.pair(OP_BR, 2);
    e.op(OP_END);
    emitLateLook(e);
    e.out.pair(OP_BR, 0);
    e.op(OP_END);
    e.op(OP_END);
  }

  /** What a label of the module is for who knows of copies, but not of late loops. */
  labelInCopy(label: number, depth: number): number {
    return this.#isOutside(label, depth) ? label + this.#copies : label;
  }

  #isOutside(label: number, depth: number): boolean {
    return this.#depth !== NONE && depth - 1 - label < this.#depth;
  }

  /** What a label of the module is now, inside of `depth` blocks of the module. */
  label(label: number, depth: number): number {
    return this.#isOutside(label, depth) ? label + this.#around : label;
  }
}
