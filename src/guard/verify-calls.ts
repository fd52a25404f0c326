/** Calls: `base` goes along as the last parameter, and nothing else that is secret. */
import { WORDS } from './instructions.ts';
import { OP_CALL, OP_CALL_INDIRECT, OP_DROP, OP_RETURN_CALL } from './opcodes.ts';
import {
  CHECK_READ,
  CHECK_WRITE,
  COPY,
  FILL,
  FIND_READ,
  FIND_WRITE,
  GROW,
  INIT_SEGMENT_FIRST,
  REFUSE,
  WRITE_RANGE,
} from './verify-canonical.ts';
import { CHECKED_ENTRY } from './verify-flow.ts';
import type { WalkState } from './verify-state.ts';
import { KIND_CONSTANT, KIND_OPAQUE, KIND_WINDOW, VALUE_ANY, VALUE_BASE } from './verify-values.ts';

export class Calls {
  readonly #state: WalkState;

  constructor(state: WalkState) {
    this.#state = state;
  }

  /**
   * At a call: whether it is one of jord:write-range with constants, which marks what they say, and is followed by a `drop` of what it
   * returns, an address in the home.
   */
  isMark(at: number, opcode: number, a: number): boolean {
    const state = this.#state;
    const isCall = opcode === OP_CALL && a === state.context.addedFirst + WRITE_RANGE;
    if (!isCall || !state.isAt(at + WORDS, OP_DROP)) return false;
    const { values } = state;
    const { stack, top } = state.flow;
    const from = stack[top - 3] ?? VALUE_ANY;
    const size = stack[top - 2] ?? VALUE_ANY;
    this.#passParameters(state.context.functions[a] ?? -1);
    const isConstant = values.kinds[from] === KIND_CONSTANT && values.kinds[size] === KIND_CONSTANT;
    if (state.flow.isCounting) throw state.refuse('a mark of a range in a loop without a deadline check');
    if (isConstant && state.proof.markRange(values.low(from), values.low(size))) return true;
    throw state.refuse('a mark of a range that may be outside of the home');
  }

  /** False when nothing goes on behind it: a tail call. */
  call(opcode: number, a: number): boolean {
    const isDirect = opcode === OP_CALL || opcode === OP_RETURN_CALL;
    if (!isDirect) this.#state.popOwn(1, 'an index');
    const type = isDirect ? (this.#state.context.functions[a] ?? -1) : a;
    if (isDirect && a >= this.#state.context.addedFirst) {
      this.#callAdded(a - this.#state.context.addedFirst, type);
    } else {
      this.#state.expectChecked(CHECKED_ENTRY, 'a call');
      if (this.#state.flow.hasCounters)
        throw this.#state.refuse('a call in a function with a loop that counts its turns');
      this.#state.flow.hasCalls = true;
      this.#passParameters(type);
      this.#state.flow.newEpoch();
      this.#state.flow.pushAny(this.#state.context.typeResults[type] as number); // passParameters has seen to it that it is a type
    }
    return opcode === OP_CALL || opcode === OP_CALL_INDIRECT;
  }

  /** Values of the function itself, and `base` as the last one. */
  #passParameters(type: number): void {
    const parameters = this.#state.context.typeParameters[type];
    if (parameters === undefined) throw this.#state.refuse('a call of nothing');
    if (this.#state.context.typeTakesBase[type] !== 1) throw this.#state.refuse('a call of a type without base');
    if (this.#state.pop() !== VALUE_BASE) throw this.#state.refuse('a call that does not pass base');
    this.#state.popOwn(parameters - 1, 'a parameter');
  }

  /** A search for a range that may be read, or written: what it returns is a window of that size. */
  #find(write: boolean, type: number): void {
    const { stack, top } = this.#state.flow;
    const size = stack[top - 2] ?? VALUE_ANY;
    this.#passParameters(type);
    if (this.#state.context.layout.addressMask !== 0) throw this.#state.refuse('a search where addresses are masked');
    const window = this.#state.windows.make(size, write, this.#state.flow.epoch);
    if (window < 0) throw this.#state.refuse('a search for a range of a size that is not known');
    this.#state.flow.push(this.#state.values.make(KIND_WINDOW, window, 0));
  }

  /** The checks, whose e and size say what is known behind them, and those that take any parameters. */
  #callAdded(place: number, type: number): void {
    if (place === FIND_READ || place === FIND_WRITE) {
      this.#find(place === FIND_WRITE, type);
      return;
    }
    const isCheck = place === CHECK_READ || place === CHECK_WRITE;
    const isSegment = place >= INIT_SEGMENT_FIRST && place < INIT_SEGMENT_FIRST + this.#state.context.segmentCount;
    if (!isCheck && !isSegment && ![REFUSE, COPY, FILL, GROW].includes(place))
      throw this.#state.refuse(`a call of function ${place} of the guard`);
    const { stack, top } = this.#state.flow;
    const address = stack[top - 3] ?? VALUE_ANY;
    const code = stack[top - 2] ?? VALUE_ANY;
    this.#passParameters(type);
    if (!isCheck) {
      this.#state.flow.pushAny(this.#state.context.typeResults[type] as number);
      return;
    }
    const values = this.#state.values;
    if (values.kinds[code] !== KIND_CONSTANT) throw this.#state.refuse('a check of a size that is no constant');
    const size = (values.a[code] as number) & 0xff;
    if (size === 0) throw this.#state.refuse('a check of no bytes');
    // Where addresses are masked only the result may be accessed, so it is what is known to be checked, and nothing else.
    const isMasked = this.#state.context.layout.addressMask !== 0;
    const result = isMasked || address === VALUE_ANY ? values.make(KIND_OPAQUE, 0, 0) : address;
    this.#state.proof.setChecked(result, size, place === CHECK_WRITE, this.#state.flow.epoch);
    this.#state.flow.push(result);
  }
}
