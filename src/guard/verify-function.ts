/**
 * Walks the body of one function of a guarded module and proves it, instruction by instruction, in one pass.
 *
 * Operands of plain instructions, of calls and branches, what is stored and returned must be values of the function itself;
 * verify-arithmetic.ts lists what may be done with others.
 */
import {
  FAULT_ACCESS,
  FAULT_ATOMIC_WAIT,
  HOME_DEADLINE_MS,
  HOME_FAULT_ACCESS,
  HOME_FAULT_ADDRESS,
  HOME_FAULT_KIND,
} from '../../core/layout.ts';
import { LIMITS, refusal, unproven } from './errors.ts';
import { decodeExpression, WORD_A, WORD_OFFSET, WORDS } from './instructions.ts';
import {
  accessOf,
  OP_BR_IF,
  OP_I32_ADD,
  OP_I32_AND,
  OP_I32_CONST,
  OP_I32_EQ,
  OP_I32_GE_U,
  OP_I32_GT_U,
  OP_I32_LE_U,
  OP_I32_LOAD,
  OP_I32_LT_U,
  OP_I32_OR,
  OP_I32_SHL,
  OP_I32_SHR_U,
  OP_I32_STORE,
  OP_I32_SUB,
  OP_LOCAL_GET,
  OP_UNREACHABLE,
  opcodeName,
} from './opcodes.ts';
import { Reader } from './reader.ts';
import { operandCounts, resultCounts } from './stack-effects.ts';
import { readValueType } from './value-types.ts';
import {
  ACCESS,
  actions,
  BINARY,
  BLOCK,
  BRANCH,
  CALL,
  CONSTANT,
  END,
  EXCEPTION,
  GET,
  IS_ZERO,
  NEXT_PART,
  PLAIN,
  REF_FUNC,
  SET,
  TEE,
  UNREACHABLE,
} from './verify-actions.ts';
import {
  COMPARE_EQUAL,
  COMPARE_GREATER,
  COMPARE_GREATER_OR_EQUAL,
  COMPARE_LESS,
  COMPARE_LESS_OR_EQUAL,
  COMPARE_NOT_EQUAL,
} from './verify-arithmetic.ts';
import { Calls } from './verify-calls.ts';
import { type Canonical, CLOSER_LOOK, canonicalLength, DEADLINE_CHECKS, LATE_CHECK } from './verify-canonical.ts';
import { Control } from './verify-control.ts';
import { CHECKED_ENTRY, CHECKED_LOOP } from './verify-flow.ts';
import { Loops } from './verify-loops.ts';
import { MemoryInstructions } from './verify-memory.ts';
import { type FunctionContext, WalkState } from './verify-state.ts';
import { KIND_CONSTANT, VALUE_ANY, VALUE_BASE, VALUE_MIXED } from './verify-values.ts';

/**
 * Steps in joining paths, by the number of instructions: so that a body which is made to take long does not (thousands of
 * blocks in each other, with a way out of each). What compilers make takes a few per instruction.
 */
const STEPS_PER_INSTRUCTION = 32;
const STEPS_MIN = 20_000;

const COMPARISONS: ReadonlyMap<number, number> = new Map([
  [OP_I32_LT_U, COMPARE_LESS],
  [OP_I32_GT_U, COMPARE_GREATER],
  [OP_I32_LE_U, COMPARE_LESS_OR_EQUAL],
  [OP_I32_GE_U, COMPARE_GREATER_OR_EQUAL],
  [OP_I32_EQ, COMPARE_EQUAL],
]);

export class FunctionVerifier {
  readonly #state: WalkState;
  readonly #loops: Loops;
  readonly #memory: MemoryInstructions;
  readonly #control: Control;
  readonly #calls: Calls;

  constructor(context: FunctionContext) {
    const onTooMuch = (): Error => this.#tooMuch();
    const state = new WalkState(context, onTooMuch);
    this.#state = state;
    this.#loops = new Loops(onTooMuch);
    this.#memory = new MemoryInstructions(state.values, state.proof, context.layout);
    this.#control = new Control(state, this.#loops);
    this.#calls = new Calls(state);
  }

  /** Proves the body of function `index`, which is between these bytes, or throws MODULE_UNPROVEN. */
  verify(index: number, start: number, end: number): void {
    const state = this.#state;
    const { context, decoding, list } = state;
    state.function = index;
    const type = context.functions[index] ?? -1;
    const parameters = context.typeParameters[type] ?? 0;
    const results = context.typeResults[type] ?? 0;
    const reader = new Reader(context.bytes, start, end);
    let localCount = parameters;
    for (let groups = reader.u32(); groups > 0; groups -= 1) {
      localCount += reader.u32();
      readValueType(reader, decoding.where);
    }
    if (localCount > LIMITS.locals) throw unproven('too many locals', start, decoding.where());
    if (context.typeTakesBase[type] !== 1) throw unproven('a function without base', start, decoding.where());
    decodeExpression(reader, list, decoding);
    if (!reader.atEnd) throw unproven('the body goes on behind its end', reader.position, decoding.where());
    state.begin(parameters - 1, localCount);
    const stepsMax = STEPS_MIN + STEPS_PER_INSTRUCTION * list.count;
    state.flow.begin(list.count, localCount, results, stepsMax);
    this.#loops.find(list, localCount, context.addedFirst, stepsMax);
    this.#walk();
  }

  #tooMuch(): Error {
    const what = 'A function takes too long to prove: too many ways lead out of too many blocks, or loops are too deep';
    const { words, at, decoding } = this.#state;
    return refusal('MODULE_TOO_LARGE', what, words[at + WORD_OFFSET] ?? 0, decoding.where());
  }

  #walk(): void {
    const words = this.#state.words;
    const end = this.#state.list.count * WORDS;
    const flow = this.#state.flow;
    const { locals } = this.#state.values;
    let at = 0;
    while (at < end) {
      this.#state.at = at;
      const opcode = words[at] as number; // at is inside the list
      switch (actions[opcode]) {
        case GET: {
          const local = words[at + WORD_A] as number;
          const value = locals[local] as number;
          if (local === this.#state.base) {
            at = this.#skipDeadlineCheck(at);
            if (at !== this.#state.at) continue;
          }
          flow.push(value > VALUE_MIXED && local < this.#state.localCount ? value : this.#state.readLocal(local));
          break;
        }
        case CONSTANT:
          flow.push(this.#state.values.make(KIND_CONSTANT, words[at + WORD_A] as number, 0));
          break;
        case BINARY: {
          const y = this.#state.pop();
          const x = this.#state.pop();
          flow.push(this.#state.allowed(this.#binary(opcode, x, y)));
          break;
        }
        case PLAIN:
          this.#plain(opcode);
          break;
        case SET:
          this.#state.write(words[at + WORD_A] as number, this.#state.pop());
          break;
        case TEE:
          this.#state.tee(words[at + WORD_A] as number);
          break;
        case ACCESS:
          at = this.#access(opcode, at);
          break;
        default:
          at = this.#rest(opcode, at);
      }
      at += WORDS;
    }
    if (flow.depth > 0) throw this.#state.refuse('a body without its end');
  }

  // Computing.

  #plain(opcode: number): void {
    const flow = this.#state.flow;
    const count = operandCounts[opcode] as number;
    if (count > 0) this.#state.popOwn(count, 'an operand');
    if (resultCounts[opcode] !== 0) flow.push(VALUE_ANY);
  }

  #binary(opcode: number, x: number, y: number): number {
    const arithmetic = this.#state.arithmetic;
    switch (opcode) {
      case OP_I32_ADD:
        return arithmetic.add(x, y);
      case OP_I32_SUB:
        return arithmetic.subtract(x, y);
      case OP_I32_AND:
        return arithmetic.and(x, y);
      case OP_I32_OR:
        return arithmetic.or(x, y);
      case OP_I32_SHL:
        return arithmetic.shiftLeft(x, y);
      case OP_I32_SHR_U:
        return arithmetic.shiftRight(x, y);
      default:
        return arithmetic.compare(COMPARISONS.get(opcode) ?? COMPARE_NOT_EQUAL, x, y);
    }
  }

  // Memory.

  /** Returns the place of the last instruction that this was about. */
  #access(opcode: number, at: number): number {
    const access = accessOf(opcode);
    if (access === undefined) throw new Error(`${opcodeName(opcode)} is no access`);
    const { operands, result, write } = access;
    const flow = this.#state.flow;
    const offset = (this.#state.words[at + WORD_A] as number) >>> 0;
    if (operands.length > 0) this.#state.expectOwn(operands.length, 'a value for memory');
    const value = operands.length > 0 ? this.#state.pop() : VALUE_ANY;
    if (operands.length > 1) this.#state.pop();
    const address = this.#state.pop();
    if (!write) {
      const loaded = this.#memory.load(opcode, access, address, offset, flow.epoch);
      if (loaded < 0) throw this.#state.refuse(this.#memory.reason);
      flow.push(loaded);
      return at;
    }
    if (opcode === OP_I32_STORE && address === VALUE_BASE && offset === HOME_FAULT_KIND) return this.#fault(value, at);
    if (!this.#memory.store(opcode, access, address, value, offset, flow.epoch))
      throw this.#state.refuse(this.#memory.reason);
    if (result !== undefined) flow.push(VALUE_ANY);
    return at;
  }

  /** At the store of a fault's kind: its address and access must be stored next, and then a trap. */
  #fault(kind: number, at: number): number {
    const values = this.#state.values;
    const isKnown =
      values.kinds[kind] === KIND_CONSTANT && [FAULT_ACCESS, FAULT_ATOMIC_WAIT].includes(values.a[kind] ?? 0);
    const trap = at + 7 * WORDS;
    const isRecorded =
      isKnown &&
      this.#isFaultWord(at + WORDS, HOME_FAULT_ADDRESS) &&
      this.#isFaultWord(at + 4 * WORDS, HOME_FAULT_ACCESS) &&
      this.#state.isAt(trap, OP_UNREACHABLE);
    if (!isRecorded) throw this.#state.refuse('a fault that is not recorded as one');
    return this.#control.skip(trap);
  }

  /** base, then a constant or a local of the function itself, then the store. */
  #isFaultWord(at: number, place: number): boolean {
    const isStored =
      this.#state.isAt(at, OP_LOCAL_GET, this.#state.base) && this.#state.isAt(at + 2 * WORDS, OP_I32_STORE, place);
    if (!isStored) return false;
    if (this.#state.isAt(at + WORDS, OP_I32_CONST)) return true;
    return (
      this.#state.isAt(at + WORDS, OP_LOCAL_GET) &&
      !this.#state.values.isSecret(this.#state.readLocal(this.#state.words[at + WORDS + WORD_A] as number))
    );
  }

  /** At a `local.get` of base: the place behind the deadline check that begins here, or the same place. */
  #skipDeadlineCheck(at: number): number {
    const state = this.#state;
    if (state.isAt(at + WORDS, OP_LOCAL_GET, state.base)) return this.#skipForm(CLOSER_LOOK, at);
    if (!state.isAt(at + WORDS, OP_I32_LOAD, HOME_DEADLINE_MS)) return at;
    for (const form of DEADLINE_CHECKS) {
      const behind = this.#skipForm(form, at);
      if (behind !== at) return behind;
    }
    const branch = at + canonicalLength(LATE_CHECK) * WORDS;
    if (!state.standsAt(LATE_CHECK, at) || !state.isAt(branch, OP_BR_IF)) return at;
    this.#control.branchLate(state.words[branch + WORD_A] as number);
    return branch + WORDS;
  }

  /** The place behind one of the forms of the deadline check, if it begins here; or the same place. */
  #skipForm(form: Canonical, at: number): number {
    if (!this.#state.standsAt(form, at)) return at;
    this.#state.flow.checks = CHECKED_ENTRY | CHECKED_LOOP;
    return at + canonicalLength(form) * WORDS;
  }

  /** All other instructions. Returns the place of the last one that was dealt with. */
  #rest(opcode: number, at: number): number {
    const control = this.#control;
    const a = this.#state.words[at + WORD_A] as number;
    switch (actions[opcode]) {
      case IS_ZERO:
        this.#state.flow.push(this.#state.allowed(this.#state.arithmetic.isZero(this.#state.pop())));
        return at;
      case BLOCK:
        control.open(opcode, at, a);
        return control.goOn(at);
      case NEXT_PART:
        control.nextPart(opcode, a);
        return control.goOn(at);
      case END:
        control.end(at);
        return control.goOn(at);
      case BRANCH:
        return control.branch(opcode, at, a);
      case CALL:
        if (this.#calls.isMark(at, opcode, a)) return at + WORDS;
        return this.#calls.call(opcode, a) ? at : control.skip(at);
      case REF_FUNC:
        if (a < 0 || a >= this.#state.context.addedFirst) throw this.#state.refuse(`a reference to function ${a}`);
        this.#state.flow.push(VALUE_ANY);
        return at;
      case EXCEPTION:
        control.throw(opcode, a);
        return control.skip(at);
      case UNREACHABLE:
        return control.skip(at);
      default:
        throw this.#state.refuse(
          `${opcodeName(opcode) ?? 'an unknown instruction'}, which the guard does not leave in a module`,
        );
    }
  }
}
