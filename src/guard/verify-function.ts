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
  VTE_WRITE_END,
} from '../../core/layout.ts';
import { LIMITS, refusal, unproven } from './errors.ts';
import {
  BLOCK_TYPE_EMPTY,
  BLOCK_TYPE_VALUE,
  decodeExpression,
  type ExpressionContext,
  InstructionList,
  WORD_A,
  WORD_B,
  WORD_OFFSET,
  WORDS,
} from './instructions.ts';
import {
  accessOf,
  OP_BLOCK,
  OP_BR,
  OP_BR_IF,
  OP_BR_TABLE,
  OP_CALL,
  OP_CALL_INDIRECT,
  OP_CATCH,
  OP_ELSE,
  OP_I32_ADD,
  OP_I32_AND,
  OP_I32_CONST,
  OP_I32_EQ,
  OP_I32_EQZ,
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
  OP_I64_SHR_U,
  OP_IF,
  OP_LOCAL_GET,
  OP_LOOP,
  OP_RETURN_CALL,
  OP_THROW,
  OP_THROW_REF,
  OP_TRY,
  OP_UNREACHABLE,
  opcodeName,
} from './opcodes.ts';
import { Reader } from './reader.ts';
import { operandCounts, resultCounts } from './stack-effects.ts';
import type { HomeLayout } from './types.ts';
import { readValueType } from './value-types.ts';
import { AccessProof, MARKED_BYTES } from './verify-access.ts';
import * as action from './verify-actions.ts';
import {
  Arithmetic,
  COMPARE_EQUAL,
  COMPARE_GREATER,
  COMPARE_GREATER_OR_EQUAL,
  COMPARE_LESS,
  COMPARE_LESS_OR_EQUAL,
  COMPARE_NOT_EQUAL,
  REFUSED,
} from './verify-arithmetic.ts';
import {
  CHECK_READ,
  CHECK_WRITE,
  COPY,
  canonicalLength,
  DEADLINE_CHECKS,
  FILL,
  GROW,
  INIT_SEGMENT_FIRST,
  standsAt,
} from './verify-canonical.ts';
import * as block from './verify-flow.ts';
import { Loops } from './verify-loops.ts';
import { MemoryInstructions } from './verify-memory.ts';
import {
  KnownPieces,
  PIECE_CHECK,
  PIECE_WRITE,
  SLOT_BACK,
  SLOT_END,
  SLOT_ENTRY,
  SLOT_GRANULE,
  SLOT_LIMIT,
  SLOT_OFFSET,
  SLOT_POINTER,
  SLOT_SIZE,
} from './verify-pieces.ts';
import { skipDeadCode } from './verify-skip.ts';
import { CAN_BE_HOME, CAN_BE_VMA, HOME_MAX, Translations } from './verify-translations.ts';
import {
  KIND_CONSTANT,
  KIND_GRANULE,
  KIND_LONG,
  KIND_OPAQUE,
  KIND_TRANSLATED,
  KIND_VTE,
  VALUE_ANY,
  VALUE_BASE,
  VALUE_MIXED,
  Values,
} from './verify-values.ts';

/** What the walk must know of the module. */
export interface FunctionContext {
  readonly bytes: Uint8Array;
  readonly layout: HomeLayout;
  /** By type index: numbers of parameters and results, and whether the last parameter can be `base`. */
  readonly typeParameters: Int32Array;
  readonly typeResults: Int32Array;
  readonly typeTakesBase: Uint8Array;
  /** Type index of every function, imported ones first, and of every tag. */
  readonly functions: readonly number[];
  readonly tags: readonly number[];
  /** The first function that the guard added, and how many of those are for data segments. */
  readonly addedFirst: number;
  readonly segmentCount: number;
  readonly describe: (index: number) => string;
  /** Whether pieces that are known are passed over, which is faster, or interpreted as well. */
  readonly usePieces: boolean;
}

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
  readonly #context: FunctionContext;
  readonly #decoding: ExpressionContext;
  readonly #list = new InstructionList();
  readonly #loops: Loops;
  readonly #values = new Values();
  readonly #flow: block.Flow;
  readonly #arithmetic: Arithmetic;
  readonly #memory: MemoryInstructions;
  readonly #proof: AccessProof;
  readonly #translations: Translations;
  /** For what the instruction list does not hold. */
  readonly #reader: Reader;
  readonly #labels = new Set<number>();
  readonly #pieces: KnownPieces;
  #function = 0;
  /** The local that holds `base`. */
  #base = 0;
  #localCount = 0;
  /** Words of the list; place of the instruction that is looked at. */
  #words: Int32Array = this.#list.words;
  #at = 0;

  constructor(context: FunctionContext) {
    const { layout, bytes } = context;
    this.#context = context;
    this.#decoding = {
      typeCount: context.typeParameters.length,
      where: () => context.describe(this.#function),
    };
    this.#translations = new Translations(this.#values);
    const onTooMuch = (): Error => this.#tooMuch();
    this.#loops = new Loops(onTooMuch);
    this.#flow = new block.Flow(this.#values, this.#translations, onTooMuch);
    this.#proof = new AccessProof(this.#values, this.#translations, layout);
    this.#arithmetic = new Arithmetic(this.#values, this.#translations, this.#proof);
    this.#memory = new MemoryInstructions(this.#values, this.#proof, layout);
    this.#reader = new Reader(bytes, 0, bytes.length);
    this.#pieces = new KnownPieces(layout, context.addedFirst);
  }

  /** Proves the body of function `index`, which is between these bytes, or throws MODULE_UNPROVEN. */
  verify(index: number, start: number, end: number): void {
    this.#function = index;
    const type = this.#context.functions[index] ?? -1;
    const parameters = this.#context.typeParameters[type] ?? 0;
    const results = this.#context.typeResults[type] ?? 0;
    const reader = new Reader(this.#context.bytes, start, end);
    let localCount = parameters;
    for (let groups = reader.u32(); groups > 0; groups -= 1) {
      localCount += reader.u32();
      readValueType(reader, this.#decoding.where);
    }
    if (localCount > LIMITS.locals) throw unproven('too many locals', start, this.#decoding.where());
    this.#pieces.begin(parameters - 1);
    decodeExpression(reader, this.#list, this.#decoding, this.#context.usePieces ? this.#pieces : undefined);
    if (!reader.atEnd) throw unproven('the body goes on behind its end', reader.position, this.#decoding.where());
    this.#words = this.#list.words;
    this.#at = 0;
    this.#localCount = localCount;
    this.#base = parameters - 1;
    if (this.#context.typeTakesBase[type] !== 1) throw this.#refuse('a function without base');
    this.#values.begin(localCount, this.#base);
    this.#translations.begin();
    const stepsMax = STEPS_MIN + STEPS_PER_INSTRUCTION * this.#list.count;
    this.#flow.begin(this.#list.count, localCount, results, stepsMax);
    this.#loops.find(this.#list, localCount, this.#context.addedFirst, this.#pieces, stepsMax);
    this.#walk();
  }

  #refuse(reason: string): Error {
    return unproven(reason, this.#words[this.#at + WORD_OFFSET] ?? 0, this.#decoding.where());
  }

  #tooMuch(): Error {
    const what = 'A function takes too long to prove: too many ways lead out of too many blocks, or loops are too deep';
    return refusal('MODULE_TOO_LARGE', what, this.#words[this.#at + WORD_OFFSET] ?? 0, this.#decoding.where());
  }

  #walk(): void {
    const words = this.#words;
    const end = this.#list.count * WORDS;
    const flow = this.#flow;
    const { locals } = this.#values;
    let at = 0;
    while (at < end) {
      this.#at = at;
      const opcode = words[at] as number; // at is inside the list
      switch (action.actions[opcode]) {
        case action.GET: {
          const local = words[at + WORD_A] as number;
          const value = locals[local] as number;
          if (local === this.#base) at = this.#skipDeadlineCheck(at);
          if (at !== this.#at) continue;
          flow.push(value > VALUE_MIXED && local < this.#localCount ? value : this.#readLocal(local));
          break;
        }
        case action.CONSTANT:
          flow.push(this.#values.make(KIND_CONSTANT, words[at + WORD_A] as number, 0));
          break;
        case action.BINARY: {
          const y = this.#pop();
          const x = this.#pop();
          flow.push(this.#allowed(this.#binary(opcode, x, y)));
          break;
        }
        case action.PLAIN:
          this.#plain(opcode);
          break;
        case action.SET:
          this.#write(words[at + WORD_A] as number, this.#pop());
          break;
        case action.TEE:
          this.#tee(words[at + WORD_A] as number);
          break;
        case action.ACCESS:
          at = this.#access(opcode, at);
          break;
        case action.PIECE:
          this.#piece(words[at + WORD_A] as number, words[at + WORD_B] as number);
          break;
        default:
          at = this.#control(opcode, at);
      }
      at += WORDS;
    }
    if (flow.depth > 0) throw this.#refuse('a body without its end');
  }

  // Operands.

  #pop(): number {
    const flow = this.#flow;
    if (flow.top <= flow.floor) throw this.#refuse('more operands than there are');
    flow.top -= 1;
    return flow.stack[flow.top] as number;
  }

  #popCondition(): number {
    const condition = this.#pop();
    if (!this.#arithmetic.mayDecide(condition, this.#flow.epoch)) {
      throw this.#refuse("a branch on something that is not the function's to know");
    }
    return condition;
  }

  /** Takes `count` values of the function itself from the stack. */
  #popOwn(count: number, what: string): void {
    const flow = this.#flow;
    this.#expectOwn(count, what);
    flow.top -= count;
  }

  /** The uppermost `count` values must be the function's own. */
  #expectOwn(count: number, what: string): void {
    const { stack, top, floor } = this.#flow;
    if (top - count < floor) throw this.#refuse('more operands than there are');
    for (let i = top - count; i < top; i += 1) {
      if (this.#values.isSecret(stack[i] as number)) throw this.#refuse(`${what} that is not the function's own`);
    }
  }

  #allowed(value: number): number {
    if (value === REFUSED) throw this.#refuse("a computation with a value that is not the function's own");
    return value;
  }

  // Locals.

  #readLocal(local: number): number {
    if (local >= this.#localCount) throw this.#refuse(`there is no local ${local}`);
    const value = this.#values.readLocal(local);
    if (value < 0) throw this.#refuse(`local ${local} may hold something that is not the function's own`);
    return value;
  }

  #write(local: number, value: number): void {
    if (local >= this.#localCount) throw this.#refuse(`there is no local ${local}`);
    if (local === this.#base) throw this.#refuse('a write to the local that holds base');
    this.#flow.noteWritten(local);
    if (!this.#values.writeLocal(local, value)) {
      throw this.#refuse(`local ${local} may have held something that is not the function's own when it was read`);
    }
  }

  #tee(local: number): void {
    const popped = this.#pop();
    const value = popped === VALUE_ANY ? this.#values.make(KIND_OPAQUE, 0, 0) : popped;
    this.#write(local, value);
    this.#flow.push(value);
  }

  // Computing.

  #plain(opcode: number): void {
    const flow = this.#flow;
    const count = operandCounts[opcode] as number;
    if (count > 0) this.#popOwn(count, `an operand of ${opcodeName(opcode)}`);
    if (resultCounts[opcode] !== 0) flow.push(VALUE_ANY);
  }

  #binary(opcode: number, x: number, y: number): number {
    const arithmetic = this.#arithmetic;
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
      case OP_I64_SHR_U:
        return arithmetic.shiftRightLong(x, y);
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
    const flow = this.#flow;
    const offset = (this.#words[at + WORD_A] as number) >>> 0;
    if (operands.length > 0) this.#expectOwn(operands.length, 'a value for memory');
    const value = operands.length > 0 ? this.#pop() : VALUE_ANY;
    if (operands.length > 1) this.#pop();
    const address = this.#pop();
    if (!write) {
      const loaded = this.#memory.load(opcode, access, address, offset, flow.epoch);
      if (loaded < 0) throw this.#refuse(this.#memory.reason);
      flow.push(loaded);
      return at;
    }
    if (opcode === OP_I32_STORE && address === VALUE_BASE && offset === HOME_FAULT_KIND) return this.#fault(value, at);
    if (!this.#memory.store(opcode, access, address, value, offset, flow.epoch))
      throw this.#refuse(this.#memory.reason);
    if (result !== undefined) flow.push(VALUE_ANY);
    return at;
  }

  /** What a piece of verify-pieces.ts does, from its slots. */
  #piece(piece: number, first: number): void {
    const { slots } = this.#pieces;
    const values = this.#values;
    const translations = this.#translations;
    const flow = this.#flow;
    const pointerLocal = slots[first + SLOT_POINTER] as number; // slots are inside the table
    const size = slots[first + SLOT_SIZE] as number;
    const write = (slots[first + SLOT_END] as number) === VTE_WRITE_END;
    if (piece !== PIECE_CHECK) this.#tee(pointerLocal);
    const pointer = piece === PIECE_CHECK ? this.#readLocal(pointerLocal) : this.#pop();
    if (values.isSecret(pointer)) throw this.#refuse("a pointer that is not the function's own");
    if (piece === PIECE_CHECK) {
      this.#writeFound(slots[first + SLOT_ENTRY] as number, slots[first + SLOT_GRANULE] as number, pointer, false);
      this.#proof.setChecked(pointer, size, write, flow.epoch);
      return;
    }
    const offset = slots[first + SLOT_OFFSET] as number;
    const back = slots[first + SLOT_BACK] as number;
    const translation = translations.select(
      pointer,
      slots[first + SLOT_LIMIT] as number,
      (offset - back) | 0,
      flow.epoch,
    );
    translations.setChecked(translation, back, size, write);
    const canBeHome = translations.can(translation, CAN_BE_HOME);
    if (translations.can(translation, CAN_BE_VMA)) {
      const address = offset === 0 ? pointer : values.sum(pointer, offset);
      if (offset !== 0) this.#write(pointerLocal, canBeHome ? VALUE_MIXED : address);
      this.#writeFound(slots[first + SLOT_ENTRY] as number, slots[first + SLOT_GRANULE] as number, address, canBeHome);
      if (!canBeHome) this.#proof.setChecked(address, size, write, flow.epoch);
    }
    if (piece === PIECE_WRITE) {
      const homeMax = translations.get(translation, HOME_MAX);
      const isInMap = offset >= 0 && homeMax + offset < this.#proof.mapEnd;
      if (canBeHome && !isInMap) throw this.#refuse('a mark that may be outside of the dirty map');
      if (canBeHome) this.#proof.markBelow(pointer, offset, homeMax);
      translations.setMarked(translation, offset + this.#context.layout.headerSize, MARKED_BYTES);
    }
    flow.push(values.make(KIND_TRANSLATED, translation, 0));
  }

  /** What a look-up leaves in its locals; forgotten where there is another path on which it is not made. */
  #writeFound(entryLocal: number, granuleLocal: number, address: number, isForgotten: boolean): void {
    const values = this.#values;
    const granule = values.make(KIND_GRANULE, address, this.#flow.epoch);
    this.#write(granuleLocal, granule);
    this.#write(entryLocal, values.make(KIND_VTE, address, granule));
    if (!isForgotten) return;
    this.#write(granuleLocal, VALUE_MIXED);
    this.#write(entryLocal, VALUE_MIXED);
  }

  /** At the store of a fault's kind: its address and access must be stored next, and then a trap. */
  #fault(kind: number, at: number): number {
    const values = this.#values;
    const isKnown =
      values.kinds[kind] === KIND_CONSTANT && [FAULT_ACCESS, FAULT_ATOMIC_WAIT].includes(values.a[kind] ?? 0);
    const trap = at + 7 * WORDS;
    const isRecorded =
      isKnown &&
      this.#isFaultWord(at + WORDS, HOME_FAULT_ADDRESS) &&
      this.#isFaultWord(at + 4 * WORDS, HOME_FAULT_ACCESS) &&
      this.#isAt(trap, OP_UNREACHABLE);
    if (!isRecorded) throw this.#refuse('a fault that is not recorded as one');
    this.#flow.isReachable = false;
    return skipDeadCode(this.#words, trap) - WORDS;
  }

  #isAt(at: number, opcode: number, a?: number): boolean {
    if (at >= this.#list.count * WORDS) return false;
    return this.#words[at] === opcode && (a === undefined || this.#words[at + WORD_A] === a);
  }

  /** base, then a constant or a local of the function itself, then the store. */
  #isFaultWord(at: number, place: number): boolean {
    const isStored = this.#isAt(at, OP_LOCAL_GET, this.#base) && this.#isAt(at + 2 * WORDS, OP_I32_STORE, place);
    if (!isStored) return false;
    if (this.#isAt(at + WORDS, OP_I32_CONST)) return true;
    return (
      this.#isAt(at + WORDS, OP_LOCAL_GET) &&
      !this.#values.isSecret(this.#readLocal(this.#words[at + WORDS + WORD_A] as number))
    );
  }

  /** At a `local.get` of base: the place behind the deadline check that begins here, or the same place. */
  #skipDeadlineCheck(at: number): number {
    if (!this.#isAt(at + WORDS, OP_I32_LOAD, HOME_DEADLINE_MS)) return at;
    for (const form of DEADLINE_CHECKS) {
      if (!standsAt(form, this.#list, at / WORDS, this.#base, this.#context.addedFirst)) continue;
      this.#flow.checks = block.CHECKED_ENTRY | block.CHECKED_LOOP;
      return at + canonicalLength(form) * WORDS;
    }
    return at;
  }

  // Control. Each method returns the place of the last instruction that was dealt with.

  #control(opcode: number, at: number): number {
    const a = this.#words[at + WORD_A] as number;
    switch (action.actions[opcode]) {
      case action.LONG_CONSTANT:
        this.#flow.push(this.#words[at + WORD_B] === 1 ? this.#values.make(KIND_LONG, a, 0) : VALUE_ANY);
        return at;
      case action.UNARY: {
        const x = this.#pop();
        this.#flow.push(this.#allowed(opcode === OP_I32_EQZ ? this.#arithmetic.isZero(x) : this.#arithmetic.wrap(x)));
        return at;
      }
      case action.BLOCK:
        this.#open(opcode, at, a);
        return this.#goOn(at);
      case action.NEXT_PART:
        this.#nextPart(opcode, a);
        return this.#goOn(at);
      case action.END:
        this.#end();
        return this.#goOn(at);
      case action.BRANCH:
        return this.#branch(opcode, at, a);
      case action.CALL:
        return this.#call(opcode, at, a);
      case action.REF_FUNC:
        if (a < 0 || a >= this.#context.addedFirst) throw this.#refuse(`a reference to function ${a}`);
        this.#flow.push(VALUE_ANY);
        return at;
      case action.EXCEPTION:
        this.#throw(opcode, a);
        return this.#skip(at);
      case action.UNREACHABLE:
        return this.#skip(at);
      default:
        throw this.#refuse(
          `${opcodeName(opcode) ?? 'an unknown instruction'}, which the guard does not leave in a module`,
        );
    }
  }

  /** Behind an instruction that may have found out that no path goes on. */
  #goOn(at: number): number {
    return this.#flow.isReachable || this.#flow.depth === 0 ? at : this.#skip(at);
  }

  /** Nothing goes on from here: passes over what comes, up to the next part of the block. */
  #skip(at: number): number {
    this.#flow.isReachable = false;
    return skipDeadCode(this.#words, at) - WORDS;
  }

  #open(opcode: number, at: number, blockType: number): void {
    const flow = this.#flow;
    const { typeParameters, typeResults } = this.#context;
    const parameters = blockType < 0 ? 0 : (typeParameters[blockType] ?? 0);
    const results =
      blockType === BLOCK_TYPE_EMPTY ? 0 : blockType === BLOCK_TYPE_VALUE ? 1 : (typeResults[blockType] ?? 0);
    if (opcode === OP_IF) {
      const condition = this.#popCondition();
      this.#forgetParameters(parameters);
      flow.open(block.BLOCK_IF, parameters, results, condition);
      flow.isReachable = this.#arithmetic.learn(condition, true, flow.epoch);
    } else if (opcode === OP_LOOP) {
      this.#forgetParameters(parameters);
      flow.open(block.BLOCK_LOOP, parameters, results);
      this.#enterLoop(this.#words[at + WORD_B] as number);
    } else if (opcode === OP_BLOCK) {
      if (flow.top - parameters < flow.floor) throw this.#refuse('more operands than there are');
      flow.open(block.BLOCK_PLAIN, parameters, results);
    } else {
      this.#forgetParameters(parameters);
      if (opcode !== OP_TRY) this.#catchClauses(at);
      flow.open(opcode === OP_TRY ? block.BLOCK_TRY : block.BLOCK_PLAIN, parameters, results);
    }
  }

  #forgetParameters(count: number): void {
    this.#popOwn(count, 'a parameter of a block');
    this.#flow.pushAny(count);
  }

  #enterLoop(loop: number): void {
    const flow = this.#flow;
    const loops = this.#loops;
    flow.checks &= ~block.CHECKED_LOOP;
    if (loops.calls(loop)) flow.newEpoch();
    flow.forget(loops.written, loops.writtenStart(loop), loops.writtenEnd(loop));
  }

  /** Clauses of try_table: exceptions go to blocks around it, from anywhere in it. */
  #catchClauses(at: number): void {
    const reader = this.#reader;
    reader.position = (this.#words[at + WORD_OFFSET] as number) + 1;
    reader.skipSigned(33);
    for (let rest = reader.u32(); rest > 0; rest -= 1) {
      if (reader.byte() < 2) reader.u32();
      const target = this.#target(reader.u32());
      if (this.#flow.kindOf(target) === block.BLOCK_LOOP) this.#expectChecked(block.CHECKED_LOOP, 'a loop');
      else if (this.#flow.kindOf(target) !== block.BLOCK_FUNCTION) this.#flow.joinException(target);
    }
  }

  #nextPart(opcode: number, tag: number): void {
    const flow = this.#flow;
    const current = flow.depth - 1;
    const kind = flow.kindOf(current);
    const fits = opcode === OP_ELSE ? kind === block.BLOCK_IF : kind === block.BLOCK_TRY || kind === block.BLOCK_CATCH;
    if (!fits) throw this.#refuse(`${opcodeName(opcode)} where there can be none`);
    if (flow.isReachable) {
      this.#expectResults(current);
      flow.join(current);
    }
    if (opcode === OP_ELSE) {
      this.#otherwise(current);
      return;
    }
    flow.reopen(block.BLOCK_CATCH);
    if (opcode === OP_CATCH) flow.pushAny(this.#tagParameters(tag));
  }

  /** The path on which the condition of an `if` is false. */
  #otherwise(current: number): void {
    const flow = this.#flow;
    flow.reopen(block.BLOCK_ELSE);
    flow.isReachable = this.#arithmetic.learn(flow.conditionOf(current), false, flow.epoch);
  }

  #tagParameters(tag: number): number {
    const count = this.#context.typeParameters[this.#context.tags[tag] ?? -1];
    if (count === undefined) throw this.#refuse(`there is no tag ${tag}`);
    return count;
  }

  #end(): void {
    const flow = this.#flow;
    const current = flow.depth - 1;
    const kind = flow.kindOf(current);
    if (flow.isReachable) this.#expectResults(current);
    if (kind === block.BLOCK_IF) {
      if (flow.isReachable) flow.join(current);
      this.#otherwise(current);
    }
    flow.close();
  }

  /** The results of a block must be on the stack, and nothing else of it. */
  #expectResults(current: number): void {
    const flow = this.#flow;
    const results = flow.resultsOf(current);
    if (flow.top !== flow.floor + results) throw this.#refuse('operands that are left behind');
    // Nothing is joined at the end of a loop: branches to it go to its header.
    if (flow.kindOf(current) !== block.BLOCK_LOOP) this.#expectJoinable(current, results);
  }

  /** What a path takes along to a label: one value may be an address; others are not looked at there. */
  #expectJoinable(target: number, arity: number): void {
    const kind = this.#flow.kindOf(target);
    const isOwn = arity > 1 || kind === block.BLOCK_FUNCTION || kind === block.BLOCK_LOOP;
    if (isOwn) this.#expectOwn(arity, 'a result');
    else if (this.#flow.top - arity < this.#flow.floor) throw this.#refuse('more operands than there are');
  }

  #target(label: number): number {
    const target = this.#flow.blockOf(label);
    if (target < 0) throw this.#refuse(`there is no label ${label}`);
    return target;
  }

  #expectChecked(check: number, what: string): void {
    if ((this.#flow.checks & check) === 0) throw this.#refuse(`${what} without a deadline check before it`);
  }

  /** The path that is looked at goes to a label. */
  #goTo(label: number): void {
    const target = this.#target(label);
    const kind = this.#flow.kindOf(target);
    this.#expectJoinable(target, this.#flow.arityOf(target));
    if (kind === block.BLOCK_LOOP) this.#expectChecked(block.CHECKED_LOOP, 'a branch to a loop');
    else if (kind !== block.BLOCK_FUNCTION) this.#flow.join(target);
  }

  #branch(opcode: number, at: number, label: number): number {
    const flow = this.#flow;
    if (opcode === OP_BR) {
      this.#goTo(label);
    } else if (opcode === OP_BR_IF) {
      const condition = this.#popCondition();
      const mark = this.#values.trailTop;
      if (this.#arithmetic.learn(condition, true, flow.epoch)) this.#goTo(label);
      this.#values.undo(mark);
      flow.isReachable = this.#arithmetic.learn(condition, false, flow.epoch);
      return this.#goOn(at);
    } else if (opcode === OP_BR_TABLE) {
      this.#branchTable(at);
    } else {
      this.#expectOwn(flow.arityOf(0), 'a result');
    }
    return this.#skip(at);
  }

  #branchTable(at: number): void {
    this.#popOwn(1, 'an index');
    const reader = this.#reader;
    const labels = this.#labels;
    labels.clear();
    reader.position = (this.#words[at + WORD_OFFSET] as number) + 1;
    for (let rest = reader.u32() + 1; rest > 0; rest -= 1) labels.add(reader.u32());
    for (const label of labels) this.#goTo(label);
  }

  #throw(opcode: number, tag: number): void {
    if (opcode === OP_THROW) this.#popOwn(this.#tagParameters(tag), 'a value of an exception');
    else if (opcode === OP_THROW_REF) this.#popOwn(1, 'an exception');
  }

  // Calls.

  #call(opcode: number, at: number, a: number): number {
    const isDirect = opcode === OP_CALL || opcode === OP_RETURN_CALL;
    if (!isDirect) this.#popOwn(1, 'an index');
    const type = isDirect ? (this.#context.functions[a] ?? -1) : a;
    if (isDirect && a >= this.#context.addedFirst) {
      this.#callAdded(a - this.#context.addedFirst, type);
    } else {
      this.#expectChecked(block.CHECKED_ENTRY, 'a call');
      this.#passParameters(type);
      this.#flow.newEpoch();
    }
    this.#flow.pushAny(this.#context.typeResults[type] as number); // passParameters has seen to it that it is a type
    return opcode === OP_CALL || opcode === OP_CALL_INDIRECT ? at : this.#skip(at);
  }

  /** Values of the function itself, and `base` as the last one. */
  #passParameters(type: number): void {
    const parameters = this.#context.typeParameters[type];
    if (parameters === undefined) throw this.#refuse('a call of nothing');
    if (this.#context.typeTakesBase[type] !== 1) throw this.#refuse('a call of a type without base');
    if (this.#pop() !== VALUE_BASE) throw this.#refuse('a call that does not pass base');
    this.#popOwn(parameters - 1, 'a parameter');
  }

  /** The checks, whose e and size say what is known behind them, and those that take any parameters. */
  #callAdded(place: number, type: number): void {
    const isCheck = place === CHECK_READ || place === CHECK_WRITE;
    const isSegment = place >= INIT_SEGMENT_FIRST && place < INIT_SEGMENT_FIRST + this.#context.segmentCount;
    if (!isCheck && !isSegment && ![COPY, FILL, GROW].includes(place))
      throw this.#refuse(`a call of function ${place} of the guard`);
    const { stack, top } = this.#flow;
    const address = stack[top - 3] ?? VALUE_ANY;
    const code = stack[top - 2] ?? VALUE_ANY;
    this.#passParameters(type);
    if (!isCheck) return;
    const values = this.#values;
    if (values.kinds[code] !== KIND_CONSTANT) throw this.#refuse('a check of a size that is no constant');
    if (address === VALUE_ANY) return;
    this.#proof.setChecked(address, (values.a[code] as number) & 0xff, place === CHECK_WRITE, this.#flow.epoch);
  }
}
