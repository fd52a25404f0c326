/**
 * `jord:init`: what WebAssembly does to memory and globals when a module is instantiated, as a function of `base`. And
 * constant expressions, whose globals have other indices after the guard.
 */
import { ACCESS_BULK, ACCESS_WRITE, FAULT_ACCESS, PAGE_SIZE } from '../../core/layout.ts';
import { emitFault } from './access.ts';
import { ADDED_INIT_SEGMENT } from './added.ts';
import { emitDrop } from './bulk.ts';
import { emitEntryCheck } from './deadline.ts';
import { BLOCK_EMPTY, type Emitter, HINT_UNLIKELY, NEED_POINTER } from './emit.ts';
import { malformed } from './errors.ts';
import { decodeExpression, InstructionList, WORD_A, WORD_OFFSET, WORDS } from './instructions.ts';
import type { Module } from './module.ts';
import { OP_CALL, OP_END, OP_GLOBAL_GET, OP_I32_GT_U } from './opcodes.ts';
import { constantGlobal, type Plan } from './plan.ts';
import { Reader } from './reader.ts';
import { memoryForm } from './rewrite.ts';
import { Writer } from './writer.ts';

export const INIT_NEEDS = NEED_POINTER;

/** Emits `jord:init` without its last `end`. */
export function emitInit(e: Emitter, module: Module, plan: Plan): void {
  const constants = new ConstantRewriter(module, plan);
  // It is entered once, by the server. The check is there so that there is no exception to what deadline.ts says of calls.
  if (module.start !== undefined) emitEntryCheck(e);
  for (const [index, global] of module.globals.entries()) {
    const slot = plan.globalSlots[index] ?? -1;
    if (slot < 0) continue;
    const { store, alignment } = memoryForm(global.type);
    e.get(e.base);
    constants.copy(global.initial, e.out);
    e.memory(store, alignment, slot);
  }
  for (const [index, segment] of module.data.entries()) {
    if (segment.place === undefined) continue;
    constants.copy(segment.place, e.out);
    emitSegment(e, index, segment.content.length, plan);
  }
  if (module.start !== undefined) {
    e.get(e.base);
    e.out.indexed(OP_CALL, module.start);
  }
}

/** The place is on the stack. An active segment must lie in the initial memory, which may be less than the home has. */
function emitSegment(e: Emitter, index: number, length: number, plan: Plan): void {
  const to = e.temporary(NEED_POINTER);
  const spare = plan.layout.memoryInitialPages * PAGE_SIZE - length;
  e.set(to);
  if (spare >= 0) {
    e.get(to);
    e.i32(spare);
    e.op(OP_I32_GT_U);
  } else {
    e.i32(1);
  }
  e.if(BLOCK_EMPTY, HINT_UNLIKELY);
  emitFault(e, FAULT_ACCESS, to, () => e.i32(ACCESS_BULK | ACCESS_WRITE));
  e.op(OP_END);
  e.get(to);
  e.i32(0);
  e.i32(length);
  e.callAdded(ADDED_INIT_SEGMENT + index);
  emitDrop(e, plan.segmentFlags + index);
}

/** Constant expressions with the new indices of globals. */
export class ConstantRewriter {
  readonly #module: Module;
  readonly #plan: Plan;
  readonly #list = new InstructionList();

  constructor(module: Module, plan: Plan) {
    this.#module = module;
    this.#plan = plan;
  }

  /** With its `end`, in bytes of its own. */
  rewrite(expression: Uint8Array): Uint8Array {
    const most = 5 * expression.length;
    const out = new Writer(expression.length, most, () =>
      malformed('a constant expression grows', expression.byteOffset),
    );
    this.copy(expression, out);
    out.byte(OP_END);
    return out.written.slice();
  }

  /** Without its `end`, as a part of a function. */
  copy(expression: Uint8Array, out: Writer): void {
    const list = this.#list;
    const reader = new Reader(expression, 0, expression.length);
    decodeExpression(reader, list, { typeCount: this.#module.types.length, where: () => 'a constant expression' });
    for (let at = 0; at < (list.count - 1) * WORDS; at += WORDS) {
      const start = list.words[at + WORD_OFFSET] ?? 0;
      if (list.words[at] !== OP_GLOBAL_GET) {
        out.slice(expression, start, list.words[at + WORDS + WORD_OFFSET] ?? 0);
        continue;
      }
      out.indexed(
        OP_GLOBAL_GET,
        constantGlobal(this.#plan, list.words[at + WORD_A] ?? -1, expression.byteOffset + start),
      );
    }
  }
}
