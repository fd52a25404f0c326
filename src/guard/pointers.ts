/**
 * Finds out where the pointers of a body come from: for each access the instruction that leaves its pointer, the local that
 * holds it if one does, and which accesses are about one and the same pointer.
 *
 * One pass over the instruction list with symbols instead of values. Two pointers have the same number only if they are the
 * same on every path; what is set on one path and used where paths meet gets a new number.
 *
 * Accesses of one pointer form a GROUP when all of them are in one stretch without branches and calls: once the first has been
 * reached, the others are too, unless there is a trap. So the first may ask for the whole range that they need.
 */
import { RED_ZONE } from '../../core/layout.ts';
import { BodyIndex } from './body-index.ts';
import { Counters } from './counters.ts';
import { BLOCK_TYPE_EMPTY, BLOCK_TYPE_VALUE, type InstructionList, WORD_A, WORDS } from './instructions.ts';
import { Kin } from './kin.ts';
import { type LoopFact, LoopFacts, noteBranch, noteHeader, noteOtherBranch } from './loop-facts.ts';
import { MarkedRanges } from './marked-ranges.ts';
import type { Module } from './module.ts';
import {
  type Access,
  accessOf,
  OP_BLOCK,
  OP_BR,
  OP_BR_TABLE,
  OP_CALL,
  OP_CALL_INDIRECT,
  OP_CATCH,
  OP_GLOBAL_GET,
  OP_I32_ADD,
  OP_I32_EQZ,
  OP_I32_GT_S,
  OP_I32_LOAD8_U,
  OP_I32_LOAD16_U,
  OP_I32_SHR_U,
  OP_I32_SUB,
  OP_IF,
  OP_LOCAL_GET,
  OP_LOOP,
  OP_UNREACHABLE,
} from './opcodes.ts';
import {
  ACCESS,
  BRANCH_IF,
  CALL,
  CONSTANT,
  ELSE,
  END,
  GET,
  GLOBAL_SET,
  HANDLER,
  LEAVE,
  meanings,
  OPEN,
  operands,
  PLAIN,
  results,
  SET,
  skipDead,
  TAKES_3,
  TEE,
} from './pointer-effects.ts';
import { FROM_ACCESS, FROM_CONSTANT, FROM_LOCAL, FROM_STACK, PointerSites } from './pointer-sites.ts';
import { type Operand, Ranges } from './ranges.ts';
import { grown, int32, uint8 } from './tables.ts';

/** Constants have numbers of their own when they are in locals; this one is their kin. */
const VALUE_OF_CONSTANTS = 1;

// Words of an operand.
const OPERAND_WORDS = 5;
const OPERAND_VALUE = 0;
/** The local it was read from, or -1. */
const OPERAND_LOCAL = 1;
/** The instruction that left it. */
const OPERAND_AT = 2;
/** The first instruction of the expression, or -1 when that is not known. */
const OPERAND_START = 3;
/** How many calls there were before. */
const OPERAND_CALLS = 4;

// Words of a block.
const BLOCK_WORDS = 8;
const BLOCK_HEIGHT = 0;
const BLOCK_RESULTS = 1;
const BLOCK_PARAMETERS = 2;
const BLOCK_START = 3;
/** Its part's number, for `#partParent`; and whether it is a loop, then where. */
const BLOCK_PART = 4;
const BLOCK_LOOP = 5;
/** A value whose kin are the results, 0 if there are none. */
const BLOCK_VALUE = 6;
/** The value that an `if` asks, or -1. */
const BLOCK_CONDITION = 7;

// Words of a local.
const LOCAL_WORDS = 4;
/** The number of its value, 0 before it has one; the part of a block where it got that, and the instruction. */
const LOCAL_VALUE = 0;
const LOCAL_PART = 1;
const LOCAL_AT = 2;
/** The body that these words are about. */
const LOCAL_BODY = 3;

export class Pointers {
  readonly #module: Module;
  readonly #memoryLimit: number;
  readonly #stackPointer: number;
  /** By instruction: the site whose pointer it leaves; the site whose access it is; 0: none. */
  leaves = int32(1024);
  accesses = int32(1024);
  /** By instruction: how many times `base` goes onto the stack before it, for a `global.set` or a call through a table. */
  bases = uint8(1024);
  /** By instruction: for a `global.set` or a call through a table, 1 if `base` is below its operand. */
  hasBase = uint8(1024);
  /** What is known of loops. */
  readonly loops = new LoopFacts();
  readonly marked = new MarkedRanges();
  /** What is known of the innermost loop that is open, if there is nothing but blocks in it, and how deep it is. */
  #loop: LoopFact | undefined;
  #loopDepth = 0;
  /** By instruction: what stands in its place, or 0. */
  instead = uint8(1024);
  /** What else is known of the body. */
  readonly body = new BodyIndex();
  readonly sites = new PointerSites();
  #stack = int32(OPERAND_WORDS * 256);
  #top = 0;
  #blocks = int32(BLOCK_WORDS * 64);
  #depth = 0;
  /** Parts of blocks: the part around each, and whether it is still open. */
  #partParent = int32(256);
  #partOpen = uint8(256);
  #partCount = 0;
  /** By local. */
  #locals = int32(LOCAL_WORDS * 256);
  #valueCount = 0;
  readonly #kin = new Kin();
  /** By number of a value: whether it was computed from the stack pointer. */
  #isStack = uint8(1024);
  #stretch = 0;
  #floor = 0;
  #openLoops: number[] = [];
  #callsSoFar = 0;
  #bodyNumber = 0;
  #isAlone = false;
  #parameterCount = 0;
  #words: Int32Array = int32(0);
  readonly #ranges = new Ranges();
  readonly #counters: Counters;
  readonly #left: Operand = { value: 0, constant: 0 };
  readonly #right: Operand = { value: 0, constant: 0 };

  /** `memoryLimit` as in access.ts; `stackPointer` is the global that holds it, or -1. */
  constructor(module: Module, memoryLimit: number, stackPointer: number) {
    this.#module = module;
    this.#stackPointer = stackPointer;
    this.#memoryLimit = memoryLimit;
    this.#counters = new Counters(this.body);
  }

  /** The number that stands for the kin of the pointer. */
  kin(site: number): number {
    return this.#kin.of(this.sites.value(site));
  }

  /** The number that stands for the kin of all constants. */
  get kinOfConstants(): number {
    return this.#kin.of(VALUE_OF_CONSTANTS);
  }

  /** Whether the pointer was computed from the stack pointer. */
  isStack(site: number): boolean {
    return this.#isStack[this.sites.value(site)] === 1;
  }

  /**
   * Looks at a body; the first locals are its parameters. `isAlone`: each access takes its pointer from the stack, and has nothing to do
   * with another.
   */
  find(
    { words, count }: InstructionList,
    parameterCount: number,
    localCount: number,
    resultCount: number,
    isAlone = false,
  ): void {
    this.#isAlone = isAlone;
    this.#parameterCount = parameterCount;
    this.body.find(words, count, localCount);
    this.#counters.begin(words, count);
    do {
      this.#counters.beginLook();
      this.#begin(words, count, localCount, resultCount);
      let at = 0;
      while (at < count) at = this.#step(words, at, count) + 1;
      this.marked.finish();
    } while (this.#counters.hasFailed);
  }

  #begin(words: Int32Array, count: number, localCount: number, resultCount: number): void {
    if (count > this.leaves.length) {
      const length = 2 * count;
      this.leaves = int32(length);
      this.accesses = int32(length);
      this.bases = uint8(length);
      this.hasBase = uint8(length);
      this.instead = uint8(length);
    } else {
      this.leaves.fill(0, 0, count);
      this.accesses.fill(0, 0, count);
      this.bases.fill(0, 0, count);
      this.hasBase.fill(0, 0, count);
      this.instead.fill(0, 0, count);
    }
    this.#locals = grown(this.#locals, LOCAL_WORDS * localCount, int32);
    this.#bodyNumber += 1;
    this.#ranges.begin();
    this.loops.begin();
    this.marked.begin();
    this.#loop = undefined;
    this.sites.begin();
    this.#top = 0;
    this.#depth = 0;
    this.#partCount = 0;
    this.#valueCount = VALUE_OF_CONSTANTS;
    this.#newValue();
    this.#stretch = 1;
    this.#openLoops.length = 0;
    this.#callsSoFar = 0;
    this.#words = words;
    this.#open(0, 0, resultCount, 0, -1);
  }

  /** Where a local's words are, made when it is first used: a function may declare many that it does not use. */
  #localWord(local: number): number {
    const word = local * LOCAL_WORDS;
    const locals = this.#locals;
    if (locals[word + LOCAL_BODY] !== this.#bodyNumber) {
      locals[word + LOCAL_BODY] = this.#bodyNumber;
      locals[word + LOCAL_VALUE] = 0;
    }
    return word;
  }

  #newValue(): number {
    const value = this.#valueCount;
    this.#valueCount = value + 1;
    this.sites.addValue(value);
    this.#kin.add(value);
    this.#ranges.add(value);
    this.#isStack = grown(this.#isStack, value + 1, uint8);
    this.#isStack[value] = 0;
    return value;
  }

  /** The number of a constant in a local. */
  #newConstant(constant: number): number {
    const value = this.#newValue();
    this.#ranges.setRange(value, constant, constant);
    this.#unite(VALUE_OF_CONSTANTS, value);
    return value;
  }

  // Operands.

  #push(value: number, local: number, at: number, start: number): void {
    this.#stack = grown(this.#stack, (this.#top + 1) * OPERAND_WORDS, int32);
    const word = this.#top * OPERAND_WORDS;
    const stack = this.#stack;
    stack[word + OPERAND_VALUE] = value;
    stack[word + OPERAND_LOCAL] = local;
    stack[word + OPERAND_AT] = at;
    stack[word + OPERAND_START] = start;
    stack[word + OPERAND_CALLS] = this.#callsSoFar;
    this.#top += 1;
  }

  /** Takes operands away; where the lowest of them begins, or -1. */
  #take(count: number, at: number): number {
    if (count === 0) return at;
    if (this.#top - count < this.#floor) throw new Error('an operand is missing');
    this.#top -= count;
    return this.#stack[this.#top * OPERAND_WORDS + OPERAND_START] as number;
  }

  /** What is known by its number of the operand in a place of the stack, which may have been taken away just now. */
  #operand(operand: Operand, place: number): Operand {
    const word = place * OPERAND_WORDS;
    operand.value = this.#stack[word + OPERAND_VALUE] as number;
    operand.constant = this.#stack[word + OPERAND_LOCAL] as number;
    return operand;
  }

  // Locals.

  #setLocal(local: number, value: number, part: number, at: number): void {
    const word = this.#localWord(local);
    this.#locals[word + LOCAL_VALUE] = value;
    this.#locals[word + LOCAL_PART] = part;
    this.#locals[word + LOCAL_AT] = at;
  }

  #innermostPart(): number {
    return this.#partOf(this.#depth - 1);
  }

  #partOf(block: number): number {
    return this.#blocks[block * BLOCK_WORDS + BLOCK_PART] as number;
  }

  /** The number of a local's value, a new one if paths have met, or a loop begun, since it was set. */
  #valueOf(local: number, at: number): number {
    const word = this.#localWord(local);
    const locals = this.#locals;
    if (locals[word + LOCAL_VALUE] === 0) {
      // It has had its value since the function began.
      const value = this.#newValue();
      // Those that are no parameters begin with 0. The verifier does not look at that, so it is no range.
      if (local >= this.#parameterCount) this.#ranges.setCounter(value);
      this.#setLocal(local, value, 0, -1);
    }
    const part = locals[word + LOCAL_PART] as number;
    if (this.#partOpen[part] === 0) {
      this.#setLocal(local, this.#newerValue(locals[word + LOCAL_VALUE] as number), this.#openPartAround(part), at);
      return this.#locals[word + LOCAL_VALUE] as number;
    }
    const loop = this.#outermostLoopBehind(locals[word + LOCAL_AT] as number);
    if (loop >= 0 && this.body.isSetBetween(local, loop, this.body.ends[loop] as number)) {
      const before = locals[word + LOCAL_VALUE] as number;
      const value = this.#newerValue(before);
      this.#setLocal(local, value, this.#innermostPart(), at);
      this.#left.value = before;
      const counts = this.#ranges.isNotNegative(this.#left) && this.#counters.mayCount(local, loop, at);
      if (counts) this.#ranges.setCounter(value);
      const isAtHeader = this.#loop?.at === loop && this.#innermostPart() === this.#partOf(this.#loopDepth);
      if (isAtHeader) noteHeader(this.#loop, local, value);
    }
    return locals[word + LOCAL_VALUE] as number;
  }

  /** What may still be a value, or be another one. */
  #newerValue(older: number): number {
    const value = this.#newValue();
    this.#unite(older, value);
    return value;
  }

  /** The innermost part around one that is closed which is still open. Shortens the way for the next time. */
  #openPartAround(closed: number): number {
    const parents = this.#partParent;
    let open = closed;
    while (this.#partOpen[open] === 0) open = parents[open] as number;
    for (let part = closed; part !== open; ) {
      const next = parents[part] as number;
      parents[part] = open;
      part = next;
    }
    return open;
  }

  /** The outermost open loop that begins behind an instruction, or -1. */
  #outermostLoopBehind(at: number): number {
    const loops = this.#openLoops;
    let low = 0;
    let high = loops.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((loops[middle] as number) > at) high = middle;
      else low = middle + 1;
    }
    return loops[low] ?? -1;
  }

  // Blocks.

  #open(height: number, parameters: number, resultCount: number, start: number, loop: number): void {
    this.#blocks = grown(this.#blocks, (this.#depth + 1) * BLOCK_WORDS, int32);
    const part = this.#newPart();
    const word = this.#depth * BLOCK_WORDS;
    const blocks = this.#blocks;
    blocks[word + BLOCK_HEIGHT] = height;
    blocks[word + BLOCK_PARAMETERS] = parameters;
    blocks[word + BLOCK_RESULTS] = resultCount;
    blocks[word + BLOCK_START] = start;
    blocks[word + BLOCK_PART] = part;
    blocks[word + BLOCK_LOOP] = loop;
    blocks[word + BLOCK_VALUE] = resultCount > 0 ? this.#newValue() : 0;
    this.#depth += 1;
    this.#floor = height;
    this.#ranges.open();
  }

  #newPart(): number {
    const part = this.#partCount;
    this.#partCount = part + 1;
    this.#partParent = grown(this.#partParent, part + 1, int32);
    this.#partOpen = grown(this.#partOpen, part + 1, uint8);
    this.#partParent[part] =
      this.#depth === 0 ? 0 : (this.#blocks[(this.#depth - 1) * BLOCK_WORDS + BLOCK_PART] as number);
    this.#partOpen[part] = 1;
    return part;
  }

  #openBlock(opcode: number, blockType: number, at: number): void {
    const type = blockType < 0 ? undefined : this.#module.types[blockType];
    const parameters = type?.parameters.length ?? 0;
    const resultCount =
      blockType === BLOCK_TYPE_EMPTY ? 0 : blockType === BLOCK_TYPE_VALUE ? 1 : (type?.results.length ?? 0);
    let start = at;
    const condition = { value: -1, constant: 0 };
    if (opcode === OP_IF) {
      start = this.#take(1, at);
      this.#operand(condition, this.#top);
    }
    if (parameters > 0) start = this.#take(parameters, at);
    this.#open(this.#top, parameters, resultCount, start, opcode === OP_LOOP ? at : -1);
    this.#blocks[(this.#depth - 1) * BLOCK_WORDS + BLOCK_CONDITION] = condition.value;
    this.#ranges.learn(condition, true);
    if (opcode === OP_LOOP) {
      this.#openLoops.push(at);
      const end = this.body.ends[at] as number;
      const calls = this.body.isCalledBetween(at, end);
      if (calls) this.#callsSoFar += 1;
      this.marked.openLoop(at, this.#depth - 1, calls || this.#isAlone);
      const isInnermost = !calls && !this.body.isLoopBetween(at, end) && !this.body.hasTryTable && !this.#isAlone;
      const isSet = (local: number): boolean => this.body.isSetBetween(local, at, end);
      this.#loop = isInnermost ? this.loops.add(at, end, isSet) : undefined;
      this.#loopDepth = this.#depth - 1;
    }
    this.#pushUnknown(parameters, at);
    if (opcode !== OP_BLOCK) this.#stretch += 1;
  }

  /** Another part of a block begins: `else`, or a handler. */
  #nextPart(at: number): void {
    const word = (this.#depth - 1) * BLOCK_WORDS;
    const blocks = this.#blocks;
    this.#joinResults();
    const ended = blocks[word + BLOCK_PART] as number;
    this.#partOpen[ended] = 0;
    this.#depth -= 1;
    const part = this.#newPart();
    this.#depth += 1;
    blocks[word + BLOCK_PART] = part;
    // What was set in the part before is not what is there now, and will be something else again when the block ends.
    this.#partParent[ended] = part;
    this.#top = blocks[word + BLOCK_HEIGHT] as number;
    this.#stretch += 1;
    this.#ranges.close();
    this.#ranges.open();
    this.#left.value = blocks[word + BLOCK_CONDITION] as number;
    this.#ranges.learn(this.#left, false);
    this.#pushUnknown(blocks[word + BLOCK_PARAMETERS] as number, at);
  }

  #pushUnknown(count: number, at: number): void {
    for (let i = 0; i < count; i += 1) this.#push(this.#newValue(), -1, at, -1);
  }

  /** The path that is looked at goes to the end of the innermost block, with its results on the stack. */
  #joinResults(): void {
    this.#branch(this.#depth - 1);
  }

  /** The same of any block. Only what can be kin of its results is of interest. */
  #branch(block: number): void {
    const word = block * BLOCK_WORDS;
    const result = this.#blocks[word + BLOCK_VALUE] as number;
    if (result === 0) return;
    const count = this.#blocks[word + BLOCK_RESULTS] as number;
    for (let i = 1; i <= count && i <= this.#top; i += 1) {
      this.#unite(result, this.#stack[(this.#top - i) * OPERAND_WORDS + OPERAND_VALUE] as number);
    }
  }

  #close(at: number): void {
    this.#joinResults();
    this.#ranges.close();
    this.#depth -= 1;
    const word = this.#depth * BLOCK_WORDS;
    const blocks = this.#blocks;
    this.#partOpen[blocks[word + BLOCK_PART] as number] = 0;
    if (blocks[word + BLOCK_LOOP] !== -1) {
      this.#openLoops.pop();
      this.marked.closeLoop();
      this.#loop = undefined;
    }
    this.#stretch += 1;
    this.#top = blocks[word + BLOCK_HEIGHT] as number;
    if (this.#depth === 0) return;
    this.#floor = blocks[word - BLOCK_WORDS + BLOCK_HEIGHT] as number;
    const start = blocks[word + BLOCK_START] as number;
    const result = blocks[word + BLOCK_VALUE] as number;
    const count = blocks[word + BLOCK_RESULTS] as number;
    for (let i = 0; i < count; i += 1) this.#push(this.#newerValue(result), -1, at, count === 1 ? start : -1);
    if (this.body.hasTryTable) this.#callsSoFar += 1;
  }

  // Instructions.

  /** Returns the place of the last instruction that this was about. */
  #step(words: Int32Array, at: number, count: number): number {
    const opcode = words[at * WORDS] as number;
    const a = words[at * WORDS + WORD_A] as number;
    switch (meanings[opcode]) {
      case PLAIN: {
        const start = this.#take(operands[opcode] as number, at);
        if (results[opcode] === 0) return at;
        const value = this.#newValue();
        if (opcode === OP_GLOBAL_GET && a === this.#stackPointer) this.#isStack[value] = 1;
        if (opcode === OP_I32_ADD || opcode === OP_I32_SUB) this.#sum(opcode, value);
        if (opcode >= OP_I32_EQZ && opcode <= OP_I32_SHR_U) this.#compute(opcode, value, at);
        this.#push(value, -1, at, start);
        return at;
      }
      case GET:
        this.#push(this.#valueOf(a, at), a, at, at);
        return at;
      case SET:
        this.#set(a, at);
        return at;
      case TEE: {
        const start = this.#set(a, at);
        this.#push(this.#locals[a * LOCAL_WORDS + LOCAL_VALUE] as number, a, at, start);
        return at;
      }
      case CONSTANT:
        // A negative number stands for no value but a constant, which is in the list.
        this.#push(-1, a, at, at);
        return at;
      case ACCESS:
        this.#access(opcode, a >>> 0, at);
        return at;
      case OPEN:
        this.#openBlock(opcode, a, at);
        return at;
      case ELSE:
      case HANDLER:
        this.#nextPart(at);
        // An exception comes from anywhere in the block, also from behind a call.
        if (meanings[opcode] === HANDLER) this.#callsSoFar += 1;
        if (meanings[opcode] === HANDLER && opcode === OP_CATCH) this.#pushTag(a, at);
        return at;
      case END:
        this.#close(at);
        return at;
      case BRANCH_IF:
        this.#take(1, at);
        if (a < this.#depth) this.#branch(this.#depth - 1 - a);
        this.#branchIf(this.#depth - 1 - a, at);
        this.#stretch += 1;
        return at;
      case LEAVE:
        this.#leave(opcode, a, at);
        return skipDead(words, at, count);
      case CALL:
        this.#call(opcode, a, at);
        return at;
      case GLOBAL_SET:
        this.#baseBelow(this.#take(1, at), at);
        return at;
      case TAKES_3:
        this.#take(3, at);
        return at;
      default:
        throw new Error(`nothing is known of instruction ${opcode}`);
    }
  }

  /** Takes note of what an instruction for one or two i32, which were just taken, makes of them. */
  #compute(opcode: number, value: number, at: number): void {
    const left = this.#operand(this.#left, this.#top);
    const right = this.#operand(this.#right, this.#top + (operands[opcode] as number) - 1);
    const instead = this.#ranges.compute(opcode, value, left, right);
    if (instead !== opcode) this.instead[at] = instead;
    else if (this.#loop !== undefined) this.#noteStream(this.#loop, opcode, at);
  }

  #noteStream({ streams }: LoopFact, opcode: number, at: number): void {
    const [left, right] = [this.#left, this.#right];
    if (opcode === OP_I32_ADD) {
      const word = this.#top * OPERAND_WORDS;
      const leftAt = this.#stack[word + OPERAND_AT] as number;
      streams.noteSum(this.#words, at, left, leftAt, right, this.#stack[word + OPERAND_WORDS + OPERAND_AT] as number);
      return;
    }
    const unsigned = this.#ranges.unsignedOfCounter(opcode, left, right);
    const count = opcode === OP_I32_GT_S ? left : right;
    if (unsigned !== 0 && count.value >= 0) streams.comparisons.set(at, { unsigned, count: count.constant });
  }

  /** The sum, or difference, of the operands that were just taken. */
  #sum(opcode: number, sum: number): void {
    const word = this.#top * OPERAND_WORDS + OPERAND_VALUE;
    const left = this.#stack[word] as number;
    const right = this.#stack[word + OPERAND_WORDS] as number;
    if (this.#mayBeConstant(right)) this.#joinSum(sum, left, right);
    if (opcode === OP_I32_ADD && this.#mayBeConstant(left)) this.#joinSum(sum, right, left);
  }

  /** sum = value + constant. */
  #joinSum(sum: number, value: number, constant: number): void {
    this.#unite(sum, value);
    if (constant < 0 && value > 0) this.#isStack[sum] = this.#isStack[value] as number;
  }

  #mayBeConstant(value: number): boolean {
    return value < 0 || this.#kin.of(value) === this.kinOfConstants;
  }

  /** Two values become kin; constants that are in the list have a negative number. */
  #unite(value: number, other: number): void {
    this.#kin.unite(value < 0 ? VALUE_OF_CONSTANTS : value, other < 0 ? VALUE_OF_CONSTANTS : other);
  }

  #leave(opcode: number, label: number, at: number): void {
    if (opcode === OP_BR && label < this.#depth) this.#branch(this.#depth - 1 - label);
    if (opcode === OP_BR) this.#noteBranch(this.#depth - 1 - label, at);
    else if (opcode !== OP_UNREACHABLE) this.marked.branch(-1);
    if (opcode === OP_BR_TABLE) noteOtherBranch(this.#loop);
    if (opcode !== OP_BR_TABLE) return;
    this.#take(1, at);
    // To which of them is not looked at.
    for (let block = 0; block < this.#depth; block += 1) this.#branch(block);
  }

  /** A `br_if` to a block, whose condition has been taken. */
  #branchIf(block: number, at: number): void {
    const condition = this.#operand({ value: -1, constant: 0 }, this.#top);
    this.#ranges.open();
    this.#ranges.learn(condition, true);
    this.#noteBranch(block, at);
    this.#ranges.close();
    this.#ranges.learn(condition, false);
  }

  /** The path goes to a block, in the loop that is looked at. */
  #noteBranch(block: number, at: number): void {
    const fact = this.#loop;
    this.marked.branch(block);
    if (fact === undefined || block !== this.#loopDepth) return;
    noteBranch(fact, this.#ranges, (local) => {
      const value = this.#valueOf(local, at);
      return { value, root: this.#ranges.rootOf(value), step: this.#ranges.stepOf(value) };
    });
  }

  #pushTag(tag: number, at: number): void {
    const type = this.#module.types[this.#module.tags[tag] ?? -1];
    this.#pushUnknown(type?.parameters.length ?? 0, at);
  }

  /** Sets a local to the value on the stack, which is taken; where its expression begins. */
  #set(local: number, at: number): number {
    const start = this.#take(1, at);
    const value = this.#stack[this.#top * OPERAND_WORDS + OPERAND_VALUE] as number;
    const before = this.#locals[this.#localWord(local) + LOCAL_VALUE] as number;
    const now = value > 0 ? value : this.#newConstant(this.#stack[this.#top * OPERAND_WORDS + OPERAND_LOCAL] as number);
    if (this.#counters.isAny && !this.#ranges.isNotNegative(this.#operand(this.#left, this.#top))) {
      this.#counters.setsOther(local, at);
    }
    if (before !== 0) this.#unite(before, now);
    this.#setLocal(local, now, this.#innermostPart(), at);
    return start;
  }

  #call(opcode: number, a: number, at: number): void {
    let start = at;
    if (opcode === OP_CALL_INDIRECT) {
      start = this.#take(1, at);
      this.#baseBelow(start, at);
    }
    const type = this.#module.types[opcode === OP_CALL ? (this.#module.functions[a] ?? -1) : a];
    const parameters = type?.parameters.length ?? 0;
    if (parameters > 0) start = this.#take(parameters, at);
    this.#stretch += 1;
    this.#callsSoFar += 1;
    this.#pushResults(type?.results.length ?? 0, at, start);
  }

  /** Of more than one result it is not known where each begins, and only the last is on top behind the instruction. */
  #pushResults(count: number, at: number, start: number): void {
    for (let i = 0; i < count; i += 1) this.#push(this.#newValue(), -1, at, count === 1 ? start : -1);
  }

  #baseBelow(start: number, at: number): void {
    if (start < 0 || (this.bases[start] as number) === 255) return;
    this.bases[start] = (this.bases[start] as number) + 1;
    this.hasBase[at] = 1;
  }

  #access(opcode: number, offset: number, at: number): void {
    const access = accessOf(opcode) as Access; // it has that meaning
    this.#take(access.operands.length, at);
    const start = this.#take(1, at);
    if (access.kind !== 'wait') this.#site(access, offset, at);
    if (access.result === undefined) return;
    const value = this.#newValue();
    if (opcode === OP_I32_LOAD8_U) this.#ranges.setRange(value, 0, 0xff);
    else if (opcode === OP_I32_LOAD16_U) this.#ranges.setRange(value, 0, 0xffff);
    this.#push(value, -1, at, start);
  }

  /** The operand that was taken last is a pointer. */
  #site(access: Access, offset: number, at: number): void {
    const word = this.#top * OPERAND_WORDS;
    const stack = this.#stack;
    const value = stack[word + OPERAND_VALUE] as number;
    const local = stack[word + OPERAND_LOCAL] as number;
    const left = stack[word + OPERAND_AT] as number;
    if (this.#isAlone) {
      this.#addSite(
        FROM_ACCESS,
        local,
        VALUE_OF_CONSTANTS,
        this.sites.newGroup(offset, access, this.#stretch),
        left,
        at,
        false,
      );
      return;
    }
    if (value < 0) {
      const isHome = (local >>> 0) + offset + access.sizeBytes <= this.#memoryLimit;
      // The address of a constant does not change, whatever is between it and the access.
      const group = this.sites.newGroup(offset, access, this.#stretch);
      this.#addSite(isHome ? FROM_CONSTANT : FROM_ACCESS, local, VALUE_OF_CONSTANTS, group, left, at, false);
      if (access.write || !isHome) this.#kin.note(VALUE_OF_CONSTANTS, group, at);
      if (access.write) this.marked.otherMark();
      return;
    }
    const isNear = offset + access.sizeBytes <= RED_ZONE && offset < this.#memoryLimit;
    let from = local >= 0 && isNear ? FROM_LOCAL : FROM_STACK;
    const group =
      from === FROM_LOCAL
        ? this.sites.groupFor(value, offset, access, this.#stretch)
        : this.sites.newGroup(offset, access, this.#stretch);
    const end = isNear ? this.#memoryLimit : this.#memoryLimit - offset;
    const pointer = this.#operand(this.#left, this.#top);
    const isHome = this.#ranges.high(pointer) < end;
    const needsNothing = isHome && !access.write;
    const isLate =
      !needsNothing && (stack[word + OPERAND_CALLS] !== this.#callsSoFar || this.#kin.isOtherSince(value, group, left));
    const isLost =
      from === FROM_STACK
        ? isLate || stack[word + OPERAND_START] === -1
        : isLate && !this.#holds(local, value, left, at);
    if (isLost || offset >= this.#memoryLimit) from = FROM_ACCESS;
    this.#addSite(from, local, value, group, left, at, isLate);
    if (!needsNothing) this.#kin.note(value, group, isLate || from === FROM_ACCESS ? at : left);
    if (isHome) this.sites.setHome(this.sites.count - 1, this.#openLoops.at(-1) ?? -1);
    if (!isHome && isNear && this.#loop !== undefined) {
      this.#loop.streams.noteAccess(this.#words, this.#ranges, left, at, offset + access.sizeBytes, access.write);
    }
    if (access.write) this.#noteWrite(isHome, pointer, access, offset);
  }

  #noteWrite(isHome: boolean, pointer: Operand, access: Access, offset: number): void {
    const high = this.#ranges.high(pointer) + offset + access.sizeBytes;
    if (isHome && high <= this.#memoryLimit) this.marked.write(this.#ranges.low(pointer) + offset, high);
    else if (isHome) this.marked.otherMark();
    if (this.#kin.of(pointer.value) === this.kinOfConstants) this.marked.otherMark();
  }

  #addSite(
    from: number,
    source: number,
    value: number,
    group: number,
    left: number,
    at: number,
    isLate: boolean,
  ): void {
    const site = this.sites.add(from, source, value, group, left, at, isLate);
    if (from !== FROM_ACCESS) this.leaves[left] = site;
    this.accesses[at] = site;
  }

  /** Whether a local that was read at `left` by a `local.get` still has that value. */
  #holds(local: number, value: number, left: number, at: number): boolean {
    return this.#valueOf(local, at) === value && this.#words[left * WORDS] === OP_LOCAL_GET;
  }
}
