/** Blocks, branches and exceptions of the body that is walked. */
import { BLOCK_TYPE_EMPTY, BLOCK_TYPE_VALUE, WORD_A, WORD_B, WORD_OFFSET, WORDS } from './instructions.ts';
import {
  OP_BLOCK,
  OP_BR,
  OP_BR_IF,
  OP_BR_TABLE,
  OP_CATCH,
  OP_DROP,
  OP_ELSE,
  OP_IF,
  OP_LOCAL_GET,
  OP_LOOP,
  OP_THROW,
  OP_THROW_REF,
  OP_TRY,
  opcodeName,
} from './opcodes.ts';
import { Reader } from './reader.ts';
import { CLOSER_LOOK } from './verify-canonical.ts';
import { turnsOf, WORK_MAX } from './verify-counters.ts';
import {
  BLOCK_CATCH,
  BLOCK_ELSE,
  BLOCK_FUNCTION,
  BLOCK_IF,
  BLOCK_LOOP,
  BLOCK_PLAIN,
  BLOCK_TRY,
  CHECKED_ENTRY,
  CHECKED_LOOP,
} from './verify-flow.ts';
import type { Loops } from './verify-loops.ts';
import { skipDeadCode } from './verify-skip.ts';
import type { WalkState } from './verify-state.ts';

/** Methods that return a place return that of the last instruction that was dealt with. */
export class Control {
  readonly #state: WalkState;
  readonly #loops: Loops;
  /** For what the instruction list does not hold. */
  readonly #reader: Reader;
  readonly #labels = new Set<number>();

  constructor(state: WalkState, loops: Loops) {
    const { bytes } = state.context;
    this.#state = state;
    this.#loops = loops;
    this.#reader = new Reader(bytes, 0, bytes.length);
  }

  /** Behind an instruction that may have found out that no path goes on. */
  goOn(at: number): number {
    return this.#state.flow.isReachable || this.#state.flow.depth === 0 ? at : this.skip(at);
  }

  /** Nothing goes on from here: passes over what comes, up to the next part of the block. */
  skip(at: number): number {
    this.#state.flow.isReachable = false;
    return skipDeadCode(this.#state.words, at) - WORDS;
  }

  open(opcode: number, at: number, blockType: number): void {
    const flow = this.#state.flow;
    const { typeParameters, typeResults } = this.#state.context;
    const parameters = blockType < 0 ? 0 : (typeParameters[blockType] ?? 0);
    const results =
      blockType === BLOCK_TYPE_EMPTY ? 0 : blockType === BLOCK_TYPE_VALUE ? 1 : (typeResults[blockType] ?? 0);
    if (opcode === OP_IF) {
      const condition = this.#state.popCondition();
      this.#forgetParameters(parameters);
      flow.open(BLOCK_IF, parameters, results, condition);
      flow.isReachable = this.#state.arithmetic.learn(condition, true);
    } else if (opcode === OP_LOOP) {
      this.#forgetParameters(parameters);
      flow.open(BLOCK_LOOP, parameters, results);
      this.#enterLoop(at, this.#state.words[at + WORD_B] as number);
    } else if (opcode === OP_BLOCK) {
      if (flow.top - parameters < flow.floor) throw this.#state.refuse('more operands than there are');
      flow.open(BLOCK_PLAIN, parameters, results);
    } else {
      this.#forgetParameters(parameters);
      if (opcode !== OP_TRY) this.#catchClauses(at);
      flow.open(opcode === OP_TRY ? BLOCK_TRY : BLOCK_PLAIN, parameters, results);
    }
  }

  #forgetParameters(count: number): void {
    this.#state.popOwn(count, 'a parameter of a block');
    this.#state.flow.pushAny(count);
  }

  #enterLoop(at: number, loop: number): void {
    const flow = this.#state.flow;
    const loops = this.#loops;
    if (loops.calls(loop)) flow.newEpoch();
    flow.forget(loops.written, loops.writtenStart(loop), loops.writtenEnd(loop));
    // A loop that counts its turns need not pass a check; then one that was passed before it is still good for the loops around.
    if (!this.#noteCounter(at, loop)) flow.checks &= ~CHECKED_LOOP;
  }

  /**
   * Whether a loop, at `at`, begins with `local.get; drop`, in a function that has looked at the deadline when it was entered and does
   * not call: it has to count its turns in that local.
   */
  #noteCounter(at: number, loop: number): boolean {
    const state = this.#state;
    if (!state.isAt(at + WORDS, OP_LOCAL_GET) || !state.isAt(at + 2 * WORDS, OP_DROP)) return false;
    if (this.#loops.calls(loop) || this.#loops.hasLoops(loop)) return false;
    if (state.flow.hasCalls || (state.flow.checks & CHECKED_ENTRY) === 0) return false;
    state.flow.hasCounters = true;
    const local = state.words[at + WORDS + WORD_A] as number;
    const value = state.readLocal(local);
    if (state.values.isSecret(value)) return false;
    state.flow.setCounter(state.flow.depth - 1, local, value, this.#loops.instructions(loop));
    return true;
  }

  /**
   * Whether the path that goes to the header of a loop without a deadline check does so a few times only, since it has raised the
   * counter. verify-counters.ts says why.
   */
  #isCounted(target: number): boolean {
    const { flow, values } = this.#state;
    const now = values.locals[flow.counterOf(target)] as number; // a local of the function
    const turns = turnsOf(values, flow.countedOf(target), now);
    return turns > 0 && flow.addTurns(target, turns) <= WORK_MAX;
  }

  /** Clauses of try_table: exceptions go to blocks around it, from anywhere in it. */
  #catchClauses(at: number): void {
    const reader = this.#reader;
    reader.position = (this.#state.words[at + WORD_OFFSET] as number) + 1;
    reader.skipSigned(33);
    for (let rest = reader.u32(); rest > 0; rest -= 1) {
      if (reader.byte() < 2) reader.u32();
      const target = this.#target(reader.u32());
      if (this.#state.flow.kindOf(target) === BLOCK_LOOP) this.#expectChecked(target);
      else if (this.#state.flow.kindOf(target) !== BLOCK_FUNCTION) this.#state.flow.joinException(target);
    }
  }

  nextPart(opcode: number, tag: number): void {
    const flow = this.#state.flow;
    const current = flow.depth - 1;
    const kind = flow.kindOf(current);
    const fits = opcode === OP_ELSE ? kind === BLOCK_IF : kind === BLOCK_TRY || kind === BLOCK_CATCH;
    if (!fits) throw this.#state.refuse(`${opcodeName(opcode)} where there can be none`);
    if (flow.isReachable) {
      this.#expectResults(current);
      flow.join(current);
    }
    if (opcode === OP_ELSE) {
      this.#otherwise(current);
      return;
    }
    flow.reopen(BLOCK_CATCH);
    if (opcode === OP_CATCH) flow.pushAny(this.#tagParameters(tag));
  }

  /** The path on which the condition of an `if` is false. */
  #otherwise(current: number): void {
    const flow = this.#state.flow;
    flow.reopen(BLOCK_ELSE);
    flow.isReachable = this.#state.arithmetic.learn(flow.conditionOf(current), false);
  }

  #tagParameters(tag: number): number {
    const count = this.#state.context.typeParameters[this.#state.context.tags[tag] ?? -1];
    if (count === undefined) throw this.#state.refuse(`there is no tag ${tag}`);
    return count;
  }

  end(at: number): void {
    const flow = this.#state.flow;
    const current = flow.depth - 1;
    const kind = flow.kindOf(current);
    if (flow.isLate(current) && !this.#state.standsAt(CLOSER_LOOK, at + WORDS)) {
      throw this.#state.refuse('a deadline check that leads to no closer look');
    }
    if (flow.isReachable) this.#expectResults(current);
    if (kind === BLOCK_IF) {
      if (flow.isReachable) flow.join(current);
      this.#otherwise(current);
    }
    flow.close();
  }

  /** The results of a block must be on the stack, and nothing else of it. */
  #expectResults(current: number): void {
    const flow = this.#state.flow;
    const results = flow.resultsOf(current);
    if (flow.top !== flow.floor + results) throw this.#state.refuse('operands that are left behind');
    // Nothing is joined at the end of a loop: branches to it go to its header.
    if (flow.kindOf(current) !== BLOCK_LOOP) this.#expectJoinable(current, results);
  }

  /** What a path takes along to a label: one value may be an address; others are not looked at there. */
  #expectJoinable(target: number, arity: number): void {
    const kind = this.#state.flow.kindOf(target);
    const isOwn = arity > 1 || kind === BLOCK_FUNCTION || kind === BLOCK_LOOP;
    if (isOwn) this.#state.expectOwn(arity, 'a result');
    else if (this.#state.flow.top - arity < this.#state.flow.floor)
      throw this.#state.refuse('more operands than there are');
  }

  #target(label: number): number {
    const target = this.#state.flow.blockOf(label);
    if (target < 0) throw this.#state.refuse(`there is no label ${label}`);
    return target;
  }

  /** An exception goes to the header of a loop: from anywhere in the block, so what the counter is then is not known. */
  #expectChecked(target: number): void {
    if (this.#state.flow.counterOf(target) >= 0)
      throw this.#state.refuse('an exception that goes to a loop that counts its turns');
    this.#state.expectChecked(CHECKED_LOOP, 'a loop');
  }

  /** The path goes to the header of a loop: a deadline check has been passed, or it does not do so often. */
  #expectEnding(target: number): void {
    if (this.#state.flow.counterOf(target) < 0) this.#state.expectChecked(CHECKED_LOOP, 'a branch to a loop');
    else if (!this.#isCounted(target)) throw this.#state.refuse('a branch to a loop that may take too many turns');
  }

  /** The path that is looked at goes to a label. */
  #goTo(label: number): void {
    const target = this.#target(label);
    const kind = this.#state.flow.kindOf(target);
    this.#expectJoinable(target, this.#state.flow.arityOf(target));
    if (kind === BLOCK_LOOP) this.#expectEnding(target);
    else if (kind !== BLOCK_FUNCTION) this.#state.flow.join(target);
  }

  /**
   * The `br_if` of a deadline check: where the deadline has passed it leads to the end of a block, and `end` sees to it that the closer
   * look stands behind that. Here it has not.
   */
  branchLate(label: number): void {
    const flow = this.#state.flow;
    const target = this.#target(label);
    if (flow.kindOf(target) !== BLOCK_PLAIN) throw this.#state.refuse('a deadline check that leads to no closer look');
    flow.setLate(target);
    this.#goTo(label);
    flow.checks = CHECKED_ENTRY | CHECKED_LOOP;
  }

  branch(opcode: number, at: number, label: number): number {
    const flow = this.#state.flow;
    if (opcode === OP_BR) {
      this.#goTo(label);
    } else if (opcode === OP_BR_IF) {
      const condition = this.#state.popCondition();
      const mark = this.#state.values.trailTop;
      if (this.#state.arithmetic.learn(condition, true)) this.#goTo(label);
      this.#state.values.undo(mark);
      flow.isReachable = this.#state.arithmetic.learn(condition, false);
      return this.goOn(at);
    } else if (opcode === OP_BR_TABLE) {
      this.#branchTable(at);
    } else {
      this.#state.expectOwn(flow.arityOf(0), 'a result');
    }
    return this.skip(at);
  }

  #branchTable(at: number): void {
    this.#state.popOwn(1, 'an index');
    const reader = this.#reader;
    const labels = this.#labels;
    labels.clear();
    reader.position = (this.#state.words[at + WORD_OFFSET] as number) + 1;
    for (let rest = reader.u32() + 1; rest > 0; rest -= 1) labels.add(reader.u32());
    for (const label of labels) this.#goTo(label);
  }

  throw(opcode: number, tag: number): void {
    if (opcode === OP_THROW) this.#state.popOwn(this.#tagParameters(tag), 'a value of an exception');
    else if (opcode === OP_THROW_REF) this.#state.popOwn(1, 'an exception');
  }
}
