/**
 * Rewrites function bodies: the instruction list of each is walked twice, once to see what temporaries it needs (and
 * whether it does something that is refused), once to emit. Instructions that need no change are copied.
 */
import { ACCESS_WRITE, HOME_MEMORY_PAGES } from '../../core/layout.ts';
import {
  accessFlags,
  accessNeeds,
  type CheckedRange,
  emitAccess,
  emitAt,
  emitConstantMark,
  emitHomeTranslation,
  emitMarkedRange,
  emitMarks,
  emitMore,
  emitStackPointer,
  emitStackTranslation,
  emitTranslation,
  foldedOffset,
  MARKED_BYTES,
  markOffset,
  putOperandsBack,
  setOperandsAside,
  valueNeed,
} from './access.ts';
import { ADDED_COPY, ADDED_FILL, ADDED_GROW, ADDED_INIT_SEGMENT } from './added.ts';
import type { HintWriter } from './branch-hints.ts';
import { emitDrop } from './bulk.ts';
import { emitCounter, emitEntryCheck, emitLateCheck, emitLoopCheck } from './deadline.ts';
import { BLOCK_EMPTY, Emitter, NEED_POINTER, TEMPORARY_TYPES } from './emit.ts';
import { LIMITS, malformed, refusal, tooLarge, unsupported } from './errors.ts';
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
import { LateLoops, mayHaveBlocksAround } from './late-loops.ts';
import { type Body, type BranchHints, describeFunction, type Module } from './module.ts';
import {
  type Access,
  accessOf,
  IMMEDIATE_MEMORY_LANE,
  immediates,
  OP_BLOCK,
  OP_BR,
  OP_BR_IF,
  OP_BR_TABLE,
  OP_CALL,
  OP_CALL_INDIRECT,
  OP_CATCH,
  OP_CATCH_ALL,
  OP_DATA_DROP,
  OP_DELEGATE,
  OP_ELEM_DROP,
  OP_ELSE,
  OP_END,
  OP_F32_LOAD,
  OP_F32_STORE,
  OP_F64_LOAD,
  OP_F64_STORE,
  OP_GLOBAL_GET,
  OP_GLOBAL_SET,
  OP_I32_ADD,
  OP_I32_CONST,
  OP_I32_LOAD,
  OP_I32_STORE,
  OP_I64_LOAD,
  OP_I64_STORE,
  OP_IF,
  OP_LOCAL_GET,
  OP_LOCAL_SET,
  OP_LOCAL_TEE,
  OP_LOOP,
  OP_MEMORY_COPY,
  OP_MEMORY_FILL,
  OP_MEMORY_GROW,
  OP_MEMORY_INIT,
  OP_MEMORY_SIZE,
  OP_REF_FUNC,
  OP_RETHROW,
  OP_RETURN,
  OP_RETURN_CALL,
  OP_RETURN_CALL_INDIRECT,
  OP_TABLE_COPY,
  OP_TABLE_FILL,
  OP_TABLE_GROW,
  OP_TABLE_INIT,
  OP_TABLE_SET,
  OP_THROW,
  OP_THROW_REF,
  OP_TRY,
  OP_TRY_TABLE,
  OP_UNREACHABLE,
  OP_V128_LOAD,
  OP_V128_STORE,
  OPCODE_COUNT,
  opcodeName,
} from './opcodes.ts';
import { constantGlobal, globalSlot, type Plan, twin } from './plan.ts';
import { FROM_ACCESS, FROM_CONSTANT, FROM_LOCAL, FROM_STACK } from './pointer-sites.ts';
import { Pointers } from './pointers.ts';
import { Reader } from './reader.ts';
import { emitSearch, type Streams } from './streams.ts';
import { NO_VALUE, TranslatedPointers } from './translated.ts';
import type { Alone, FunctionType, ValueType } from './types.ts';
import { readValueType, valueTypeByte } from './value-types.ts';
import { Writer } from './writer.ts';

// What is done with an instruction.
const COPY = 0;
const LOCAL = 1;
const ACCESS = 2;
const CALL = 3;
const CALL_INDIRECT = 4;
const GLOBAL_GET = 5;
const GLOBAL_SET = 6;
const BRANCH = 7;
const MEMORY_SIZE = 8;
const CALL_ADDED = 9;
const MEMORY_INIT = 10;
const DATA_DROP = 11;
const REMOVE = 12;
const REF_FUNC = 13;
const REFUSE_TABLE_CHANGE = 14;
const LOOP = 15;
const FLOW = 16;

const actions = new Uint8Array(OPCODE_COUNT);
/** Temporaries of each access. */
const needsOf = new Uint16Array(OPCODE_COUNT);

function setActions(action: number, opcodes: readonly number[]): void {
  for (const opcode of opcodes) actions[opcode] = action;
}

setActions(LOCAL, [OP_LOCAL_GET, OP_LOCAL_SET, OP_LOCAL_TEE]);
setActions(CALL, [OP_CALL, OP_RETURN_CALL]);
setActions(CALL_INDIRECT, [OP_CALL_INDIRECT, OP_RETURN_CALL_INDIRECT]);
setActions(GLOBAL_GET, [OP_GLOBAL_GET]);
setActions(GLOBAL_SET, [OP_GLOBAL_SET]);
setActions(BRANCH, [OP_IF, OP_BR_IF]);
setActions(LOOP, [OP_LOOP]);
setActions(FLOW, [OP_BLOCK, OP_ELSE, OP_END, OP_BR, OP_BR_TABLE, OP_RETURN, OP_UNREACHABLE, OP_THROW, OP_THROW_REF]);
setActions(FLOW, [OP_RETHROW, OP_TRY, OP_TRY_TABLE, OP_CATCH, OP_CATCH_ALL, OP_DELEGATE]);
setActions(MEMORY_SIZE, [OP_MEMORY_SIZE]);
setActions(CALL_ADDED, [OP_MEMORY_GROW, OP_MEMORY_COPY, OP_MEMORY_FILL]);
setActions(MEMORY_INIT, [OP_MEMORY_INIT]);
setActions(DATA_DROP, [OP_DATA_DROP]);
setActions(REMOVE, [OP_ELEM_DROP]);
setActions(REF_FUNC, [OP_REF_FUNC]);
setActions(REFUSE_TABLE_CHANGE, [OP_TABLE_SET, OP_TABLE_INIT, OP_TABLE_COPY, OP_TABLE_GROW, OP_TABLE_FILL]);
for (let opcode = 0; opcode < OPCODE_COUNT; opcode += 1) {
  const access = accessOf(opcode);
  if (access === undefined) continue;
  actions[opcode] = ACCESS;
  needsOf[opcode] = accessNeeds(access);
}

interface MemoryForm {
  readonly load: number;
  readonly store: number;
  /** log2 of the size. */
  readonly alignment: number;
}

const FORMS: ReadonlyMap<ValueType, MemoryForm> = new Map([
  ['i32', { load: OP_I32_LOAD, store: OP_I32_STORE, alignment: 2 }],
  ['i64', { load: OP_I64_LOAD, store: OP_I64_STORE, alignment: 3 }],
  ['f32', { load: OP_F32_LOAD, store: OP_F32_STORE, alignment: 2 }],
  ['f64', { load: OP_F64_LOAD, store: OP_F64_STORE, alignment: 3 }],
  ['v128', { load: OP_V128_LOAD, store: OP_V128_STORE, alignment: 4 }],
]);

/** How a global of this type is kept in the header. */
export function memoryForm(type: ValueType): MemoryForm {
  const form = FORMS.get(type);
  if (form === undefined) throw new Error(`no home for a global of type ${type}`);
  return form;
}

/** Instead of the local that holds a pointer translated. */
const NOT_HELD = -1;
const NOT_SEEN = -2;

/** Comparisons in joining paths, by the number of instructions; what compilers make takes five at most. */
const JOINS_PER_INSTRUCTION = 64;
const JOINS_MIN = 20_000;

/** From so many accesses on the memory limit is held in a local. */
const LIMIT_SITES_MIN = 4;

/** Local declarations of a body, as `count` groups in `bytes`. */
interface Locals {
  readonly groups: number;
  readonly start: number;
  readonly end: number;
  /** Without parameters. */
  readonly count: number;
}

export class FunctionRewriter {
  readonly #module: Module;
  readonly #alone: Alone;
  readonly #plan: Plan;
  readonly #out: Writer;
  readonly #hints: HintWriter;
  readonly #list = new InstructionList();
  readonly #emitter: Emitter;
  readonly #context: ExpressionContext;
  readonly #pointers: Pointers;
  readonly #translated = new TranslatedPointers();
  /** For each local of the module that is a pointer the local that holds it translated, or NOT_HELD. */
  #held = new Int32Array(256);
  readonly #range: CheckedRange = { low: 0, high: 0, flags: 0 };
  readonly #marks: number[] = [];
  /** Where the open blocks begin. */
  readonly #opened: number[] = [];
  readonly #late: LateLoops;
  readonly #reader: Reader;
  #parameterCount = 0;
  #heldFirst = 0;
  #windowFirst = 0;
  /** The streams of the loop whose copy is emitted; the loop that is copied, or -1; and the locals that bound its windows. */
  #streams: Streams | undefined;
  #copied = -1;
  #counts: ReadonlySet<number> = new Set();
  /** The hint of the module that comes next. */
  #hint = 0;
  /** Whether each access of the function at work is guarded by itself. */
  #isAlone = false;
  /** The function at work, for messages. */
  #function = 0;

  /** Bodies go to `out` with their sizes, hints to `hints`; functions in `alone` get each access guarded by itself. */
  constructor(module: Module, plan: Plan, out: Writer, hints: HintWriter, alone: Alone) {
    this.#alone = alone;
    this.#module = module;
    this.#plan = plan;
    this.#out = out;
    this.#hints = hints;
    const body = new Writer(1 << 16, LIMITS.functionBytes, () => this.#bodyTooLarge());
    this.#emitter = new Emitter(body, plan.layout, plan.addedFirst);
    this.#context = { typeCount: module.types.length, where: () => this.#where() };
    this.#pointers = new Pointers(module, plan.layout.memoryLimit, plan.stackPointer);
    this.#late = new LateLoops(this.#emitter);
    this.#reader = new Reader(module.bytes, 0, module.bytes.length);
  }

  #where(): string {
    return describeFunction(this.#module, this.#function);
  }

  #bodyTooLarge(): Error {
    const start = this.#module.bodies[this.#function - this.#module.importedFunctions]?.start ?? 0;
    const what = `A function is larger than ${LIMITS.functionBytes} bytes with its guards`;
    return refusal('MODULE_TOO_LARGE', what, start, this.#where());
  }

  /** Rewrites the body of one of the module's functions. */
  rewrite(index: number, body: Body): void {
    this.#function = index;
    const { parameters, results } = this.#typeOf(index, body.start);
    this.#parameterCount = parameters.length;
    const reader = new Reader(this.#module.bytes, body.start, body.end);
    const locals = this.#readLocals(reader);
    decodeExpression(reader, this.#list, this.#context);
    if (!reader.atEnd) throw malformed(`a body goes on behind its end (in ${this.#where()})`, reader.position);
    const localCount = parameters.length + locals.count;
    this.#refuseTableChanges();
    this.#isAlone = this.#alone === 'all' || this.#alone.has(index);
    this.#pointers.find(this.#list, parameters.length, localCount, results.length, this.#isAlone);
    const { needs, hasCall } = this.#analyse();
    if (hasCall) this.#pointers.loops.forgetCounters();
    const held = this.#holdPointers(localCount);
    const holdsLimit = this.#pointers.sites.count > LIMIT_SITES_MIN;
    const windows = this.#plan.layout.addressMask === 0 ? this.#pointers.loops.windowsMax : 0;
    this.#begin(parameters.length, locals, needs, held + windows + (holdsLimit ? 1 : 0));
    this.#windowFirst = this.#heldFirst + held;
    if (holdsLimit) this.#emitter.holdLimit(this.#windowFirst + windows);
    if (hasCall || this.#pointers.loops.hasCounters) emitEntryCheck(this.#emitter);
    this.#emit(body.start);
    this.#finish(index);
  }

  /** Emits a function that the module does not have: `emit` makes its instructions without the last `end`. */
  add(index: number, parameterCount: number, needs: number, emit: (emitter: Emitter) => void): void {
    this.#function = index;
    const none: Locals = { groups: 0, start: 0, end: 0, count: 0 };
    // `base` is the last parameter, so there is one parameter less before it.
    this.#begin(parameterCount - 1, none, needs, 0);
    emit(this.#emitter);
    this.#emitter.op(OP_END);
    this.#finish(index);
  }

  #typeOf(index: number, offset: number): FunctionType {
    const type = this.#module.types[this.#module.functions[index] ?? -1];
    if (type === undefined) throw malformed(`function ${index} has no type`, offset);
    return type;
  }

  #readLocals(reader: Reader): Locals {
    const groups = reader.u32();
    const start = reader.position;
    let count = 0;
    for (let i = 0; i < groups; i += 1) {
      count += reader.u32();
      readValueType(reader, this.#context.where);
    }
    return { groups, start, end: reader.position, count };
  }

  /**
   * Gives each local that holds the pointer of more than one access a local for the address, numbered from 0 here. Returns
   * how many there are.
   */
  #holdPointers(localCount: number): number {
    const pointers = this.#pointers;
    if (localCount > this.#held.length) this.#held = new Int32Array(2 * localCount);
    const held = this.#held;
    let count = 0;
    // Only those that are used, however many are declared.
    for (let site = 1; site < pointers.sites.count; site += 1) {
      if (pointers.sites.from(site) === FROM_LOCAL) held[pointers.sites.source(site)] = NOT_SEEN;
    }
    for (let site = 1; site < pointers.sites.count; site += 1) {
      if (pointers.sites.from(site) !== FROM_LOCAL) continue;
      const local = pointers.sites.source(site);
      if (held[local] === NOT_SEEN) held[local] = NOT_HELD;
      else if (held[local] === NOT_HELD) {
        held[local] = count;
        count += 1;
      }
    }
    return count;
  }

  /**
   * Begins a body with `base` behind `parameterCount` parameters, and behind the module's locals the temporaries and `held`
   * more of type i32.
   */
  #begin(parameterCount: number, locals: Locals, needs: number, held: number): void {
    const e = this.#emitter;
    const firstTemporary = parameterCount + 1 + locals.count;
    e.begin(parameterCount, firstTemporary, needs);
    const types = TEMPORARY_TYPES.filter((_, bit) => (needs & (1 << bit)) !== 0);
    this.#heldFirst = firstTemporary + types.length;
    const count = this.#heldFirst + held;
    if (count > LIMITS.locals)
      throw tooLarge(`locals in ${this.#where()}, those of the guard included`, count, LIMITS.locals);
    e.out.u32(locals.groups + types.length + (held > 0 ? 1 : 0));
    e.out.bytes(this.#module.bytes.subarray(locals.start, locals.end));
    for (const type of types) {
      e.out.u32(1);
      e.out.byte(valueTypeByte(type));
    }
    if (held > 0) {
      e.out.u32(held);
      e.out.byte(valueTypeByte('i32'));
    }
  }

  #finish(index: number): void {
    const e = this.#emitter;
    this.#out.u32(e.out.length);
    this.#out.append(e.out);
    this.#hints.add(index, e.hintOffsets, e.hintValues, e.hintCount);
  }

  /** Temporaries that the body needs, as NEED_ bits, and whether it calls. */
  #analyse(): { readonly needs: number; readonly hasCall: boolean } {
    const { words, count } = this.#list;
    let needs = 0;
    let hasCall = false;
    const pointers = this.#pointers;
    for (let i = 0; i < count; i += 1) {
      const at = i * WORDS;
      const opcode = words[at] as number; // at is inside the list
      const action = actions[opcode] as number; // as is every opcode
      if (action === ACCESS) needs |= this.#accessNeeds(opcode, i);
      else if (action === CALL) hasCall = true;
      else if (action === CALL_INDIRECT) {
        hasCall = true;
        if (pointers.hasBase[i] === 0) needs |= NEED_POINTER;
      } else if (action === GLOBAL_SET) {
        const need = this.#globalSetNeeds(words[at + WORD_A] ?? -1, words[at + WORD_OFFSET] ?? 0);
        if (pointers.hasBase[i] === 0) needs |= need;
      }
    }
    return { needs, hasCall };
  }

  #refuseTableChanges(): void {
    const { words, count } = this.#list;
    for (let at = 0; at < count * WORDS; at += WORDS) {
      const opcode = words[at] as number; // at is inside the list
      if (actions[opcode] !== REFUSE_TABLE_CHANGE) continue;
      const construct = `${opcodeName(opcode)}, which changes a table at run time`;
      throw unsupported(construct, words[at + WORD_OFFSET] ?? 0, this.#where());
    }
  }

  #accessNeeds(opcode: number, i: number): number {
    const pointers = this.#pointers;
    const site = pointers.accesses[i] as number; // one for each instruction
    const all = needsOf[opcode] as number;
    if (site === 0) return all;
    const from = pointers.sites.from(site);
    if (from === FROM_ACCESS) return all;
    if (from === FROM_LOCAL) return pointers.sites.isLate(site) ? all & ~NEED_POINTER : 0;
    return from === FROM_CONSTANT ? 0 : NEED_POINTER;
  }

  #globalSetNeeds(global: number, offset: number): number {
    const type = this.#module.globals[global]?.type;
    if (type === undefined || globalSlot(this.#plan, global, offset) < 0) {
      throw malformed(`global ${global} cannot be set`, offset);
    }
    return valueNeed(type);
  }

  #emit(bodyStart: number): void {
    const { count } = this.#list;
    this.#opened.length = 0;
    this.#streams = undefined;
    this.#hint = 0;
    this.#translated.begin(JOINS_MIN + JOINS_PER_INSTRUCTION * count);
    this.#emitRange(0, count, bodyStart);
  }

  /** Instructions from `first` to before `last`. Those that stay as they are are copied in runs. */
  #emitRange(first: number, last: number, bodyStart: number): void {
    const { words } = this.#list;
    const { bytes } = this.#module;
    const { leaves, bases, instead } = this.#pointers;
    const e = this.#emitter;
    const hints = this.#module.branchHints.get(this.#function);
    let run = words[first * WORDS + WORD_OFFSET] as number; // at is inside the list, and one more offset is behind it
    for (let i = first; i < last; i += 1) {
      const at = i * WORDS;
      const opcode = words[at] as number;
      const action = actions[opcode] as number;
      const site = this.#isStreamed(leaves[i] as number) ? 0 : (leaves[i] as number);
      const unsigned = this.#streams === undefined ? 0 : this.#unsignedInCopy(i);
      if (action === COPY && site === 0 && bases[i] === 0 && instead[i] === 0 && unsigned === 0) continue;
      const start = words[at + WORD_OFFSET] as number;
      if (site !== 0 && this.#isFolded(i, site)) {
        e.out.slice(bytes, run, words[at - WORDS + WORD_OFFSET] as number);
        run = words[at + WORDS + WORD_OFFSET] as number;
        e.get(e.base);
        e.op(OP_I32_ADD);
        continue;
      }
      e.out.slice(bytes, run, start);
      run = words[at + WORDS + WORD_OFFSET] as number;
      for (let rest = bases[i] as number; rest > 0; rest -= 1) e.get(e.base);
      if (site !== 0 && this.#emitSource(opcode, words[at + WORD_A] as number, site)) continue;
      const streams = this.#streams;
      const window = action === LOCAL ? streams?.gets.get(i) : undefined;
      if (window !== undefined) e.get(this.#windowFirst + window);
      else if (unsigned !== 0) e.op(unsigned);
      else if (action === LOCAL) {
        const local = words[at + WORD_A] as number;
        e.out.indexed(opcode, this.#renumbered(local));
        if (opcode !== OP_LOCAL_GET) this.#translated.set(local);
      } else if (action === BRANCH) {
        if (hints !== undefined) this.#emitHint(hints, start - bodyStart);
        if (opcode === OP_IF) {
          run = start;
          this.#opened.push(i);
          this.#translated.openIf();
        } else {
          const label = words[at + WORD_A] as number;
          e.out.indexed(OP_BR_IF, this.#late.label(label, this.#opened.length));
          this.#branch(label);
        }
      } else if (action === LOOP) {
        const end = this.#pointers.body.ends[i] as number;
        const calls = this.#pointers.body.isCalledBetween(i, end);
        const found = this.#streamsOf(i);
        if (found !== undefined) {
          this.#emitCopies(found, i, end, bodyStart);
          i = end;
          run = words[(end + 1) * WORDS + WORD_OFFSET] as number;
          continue;
        }
        this.#markBefore(i);
        const counter = this.#pointers.loops.counterOf(i);
        const isLate = counter < 0 && !this.#isAlone && this.#late.open(this.#list, i, end, calls, this.#opened.length);
        if (isLate) this.#late.emitOpen(bytes, start + 1, run);
        else if (!calls) this.#late.openOther(this.#opened.length);
        e.out.slice(bytes, start, run);
        if (counter >= 0) emitCounter(e, this.#renumbered(counter));
        else if (isLate) emitLateCheck(e);
        else emitLoopCheck(e);
        const isChanged = (local: number): boolean => this.#pointers.body.isSetBetween(local, i, end);
        this.#opened.push(i);
        this.#translated.openLoop(isChanged, calls);
      } else if (action === FLOW) {
        run = this.#flow(opcode, words[at + WORD_A] as number, start, run, i);
      } else if (instead[i] !== 0) {
        e.op(instead[i] as number);
      } else if (action === COPY) {
        run = start;
      } else {
        this.#emitChanged(action, i, opcode, words[at + WORD_A] as number, words[at + WORD_B] as number, start);
      }
      if (site !== 0) {
        const next = words[at + WORDS + WORD_OFFSET] as number;
        e.out.slice(bytes, run, next);
        run = next;
        this.#emitStackPointer(site);
      }
    }
    e.out.slice(bytes, run, words[last * WORDS + WORD_OFFSET] as number);
  }

  #emitHint(hints: BranchHints, offset: number): void {
    while ((hints.offsets[this.#hint] ?? Infinity) < offset) this.#hint += 1;
    if (hints.offsets[this.#hint] === offset) this.#emitter.hint(hints.values[this.#hint] ?? 0);
  }

  /**
   * Whether an instruction leaves x + constant, a pointer that is known to be in the home and needs no mark: then the constant goes into
   * the offset of the access, and `base` is added to x. Nothing wraps, since x + constant is known to be small.
   */
  #isFolded(i: number, site: number): boolean {
    const { sites, bases } = this.#pointers;
    const { words } = this.#list;
    const isSum =
      words[i * WORDS] === OP_I32_ADD &&
      words[(i - 1) * WORDS] === OP_I32_CONST &&
      (words[(i - 1) * WORDS + WORD_A] as number) >= 0 &&
      bases[i] === 0 &&
      bases[i - 1] === 0;
    if (!isSum || sites.from(site) !== FROM_STACK || !sites.isHome(site)) return false;
    if (this.#plan.layout.addressMask !== 0) return false;
    return !this.#accessOf(site).access.write || this.#isMarkedBefore(site);
  }

  // Loops that are copied, see streams.ts.

  /** Whether an access is at a window, in the copy that is emitted. */
  #isStreamed(site: number): boolean {
    return site !== 0 && this.#streams?.accesses.has(this.#pointers.sites.accessAt(site)) === true;
  }

  /** What stands in the place of a comparison in the copy that is emitted, or 0. */
  #unsignedInCopy(i: number): number {
    const comparison = this.#streams?.comparisons.get(i);
    return comparison !== undefined && this.#counts.has(comparison.count) ? comparison.unsigned : 0;
  }

  /** The streams of a loop that is to be copied, and has not been. */
  #streamsOf(loop: number): Streams | undefined {
    const type = this.#list.words[loop * WORDS + WORD_A] as number; // it is inside the list
    const hasParameters = type !== BLOCK_TYPE_EMPTY && type !== BLOCK_TYPE_VALUE;
    if (hasParameters || this.#copied === loop || this.#plan.layout.addressMask !== 0) return undefined;
    const streams = this.#pointers.loops.streamsOf(loop);
    return streams !== undefined && mayHaveBlocksAround(this.#list, loop, streams.end) ? streams : undefined;
  }

  #emitCopies(streams: Streams, loop: number, end: number, bodyStart: number): void {
    const e = this.#emitter;
    const translated = this.#translated;
    const at = loop * WORDS;
    const { words } = this.#list;
    const isChanged = (local: number): boolean => this.#pointers.body.isSetBetween(local, loop, end);
    this.#copied = loop;
    this.#counts = streams.counts;
    e.op(OP_BLOCK);
    e.out.slice(this.#module.bytes, (words[at + WORD_OFFSET] as number) + 1, words[at + WORDS + WORD_OFFSET] as number);
    e.out.pair(OP_BLOCK, BLOCK_EMPTY);
    translated.openBlock();
    translated.openBlock();
    emitSearch(e, streams, this.#windowFirst, (local) => this.#renumbered(local));
    translated.branch(0);
    const hint = this.#hint;
    this.#streams = streams;
    this.#late.setCopies(2);
    this.#emitRange(loop, end + 1, bodyStart);
    this.#streams = undefined;
    this.#hint = hint;
    e.out.pair(OP_BR, 1);
    translated.branch(1);
    translated.leave();
    e.op(OP_END);
    translated.close(isChanged);
    this.#late.setCopies(1);
    this.#emitRange(loop, end + 1, bodyStart);
    this.#late.setCopies(0);
    e.op(OP_END);
    translated.close(isChanged);
    this.#copied = -1;
  }

  #renumbered(local: number): number {
    return local < this.#parameterCount ? local : local + 1;
  }

  /** An instruction of the flow at [start, next); returns from where on what stands there is to be copied. */
  #flow(opcode: number, a: number, start: number, next: number, i: number): number {
    const translated = this.#translated;
    switch (opcode) {
      case OP_BLOCK:
        this.#opened.push(i);
        translated.openBlock();
        return start;
      case OP_TRY:
        this.#opened.push(i);
        translated.openTry();
        return start;
      case OP_TRY_TABLE:
        this.#branchClauses(start);
        this.#opened.push(i);
        translated.openBlock();
        return start;
      case OP_ELSE:
        translated.otherwise();
        return start;
      case OP_CATCH:
      case OP_CATCH_ALL:
        translated.handle();
        return start;
      case OP_END:
      case OP_DELEGATE: {
        const opened = this.#opened.pop() ?? -1;
        translated.close((local) => this.#pointers.body.isSetBetween(local, opened, i));
        if (!this.#late.isOpenAt(this.#opened.length)) return start;
        this.#late.emitClose();
        return next;
      }
      case OP_BR:
        this.#branch(a);
        translated.leave();
        this.#emitter.out.indexed(OP_BR, this.#late.label(a, this.#opened.length));
        return next;
      case OP_BR_TABLE:
        this.#branchTable(start);
        translated.leave();
        return next;
    }
    translated.leave();
    return start;
  }

  /** The path that is followed goes to a label of the module. */
  #branch(label: number): void {
    this.#translated.branch(this.#late.labelInCopy(label, this.#opened.length));
  }

  #branchTable(start: number): void {
    const reader = this.#reader;
    const { out } = this.#emitter;
    reader.position = start + 1;
    const count = reader.u32();
    out.byte(OP_BR_TABLE);
    out.u32(count);
    for (let rest = count + 1; rest > 0; rest -= 1) {
      const label = reader.u32();
      this.#branch(label);
      out.u32(this.#late.label(label, this.#opened.length));
    }
  }

  /** The clauses of a try_table: exceptions go to blocks around it. */
  #branchClauses(start: number): void {
    const reader = this.#reader;
    reader.position = start + 1;
    reader.skipSigned(33);
    for (let rest = reader.u32(); rest > 0; rest -= 1) {
      if (reader.byte() < 2) reader.u32();
      this.#translated.branchUnknown(reader.u32());
    }
  }

  // Pointers.

  /** At the instruction that leaves a pointer: true when an address was emitted in its place. */
  #emitSource(opcode: number, a: number, site: number): boolean {
    const pointers = this.#pointers;
    const e = this.#emitter;
    const from = pointers.sites.from(site);
    if (from === FROM_CONSTANT) {
      e.get(e.base);
      return true;
    }
    if (from !== FROM_LOCAL) return false;
    if (opcode === OP_LOCAL_TEE) {
      e.set(this.#renumbered(a));
      this.#translated.set(a);
    }
    if (!pointers.sites.isLate(site)) this.#emitLocalPointer(site);
    return true;
  }

  #accessOf(site: number): { readonly access: Access; readonly offset: number } {
    const at = this.#pointers.sites.accessAt(site) * WORDS;
    const access = accessOf(this.#list.words[at] ?? -1);
    if (access === undefined) throw new Error('a site without an access');
    return { access, offset: (this.#list.words[at + WORD_A] ?? 0) >>> 0 };
  }

  /** A pointer is on the stack, and will not be needed again. */
  #emitStackPointer(site: number): void {
    const { access, offset } = this.#accessOf(site);
    const isHome = this.#pointers.sites.isHome(site);
    const isMarked = this.#isMarkedBefore(site);
    if (!isHome || (access.write && !isMarked)) this.#translated.replace(this.#pointers.kin(site), NO_VALUE);
    emitStackPointer(this.#emitter, access, offset, isHome, isMarked);
  }

  /** Before a loop: marks what it writes to the home, where that is known. */
  #markBefore(loop: number): void {
    const marked = this.#pointers.marked.markedBefore(loop);
    if (marked === undefined) return;
    this.#translated.replace(this.#pointers.kinOfConstants, NO_VALUE);
    emitMarkedRange(this.#emitter, marked.low, marked.high);
  }

  /** Whether what is written there has been marked before the loop. */
  #isMarkedBefore(site: number): boolean {
    const { sites, marked } = this.#pointers;
    return sites.isHome(site) && marked.isMarkedIn(sites.loop(site));
  }

  /** Leaves the address of the pointer in a local of the module, translated here or before. */
  #emitLocalPointer(site: number): void {
    const pointers = this.#pointers;
    const translated = this.#translated;
    const e = this.#emitter;
    const { access, offset } = this.#accessOf(site);
    const local = pointers.sites.source(site);
    const high = offset + access.sizeBytes;
    const range = this.#range;
    range.low = pointers.sites.groupLow(site);
    range.high = pointers.sites.groupHigh(site);
    const writeHigh = pointers.sites.groupWriteHigh(site);
    range.flags = accessFlags(access) | (writeHigh > 0 ? ACCESS_WRITE : 0);
    const marks = this.#marks;
    marks.length = 0;
    const isStack = pointers.isStack(site);
    const isHome = isStack || pointers.sites.isHome(site);
    const isMarkedBefore = this.#isMarkedBefore(site);
    const known = translated.find(pointers.sites.value(site));
    const entry = this.#usable(known, site, isStack);
    if (entry >= 0) {
      const isChecked = isHome || translated.isChecked(entry, range.low, range.high, writeHigh > 0);
      if (access.write && !isMarkedBefore && !translated.isMarked(entry, offset, high)) {
        this.#addMarks(offset, high);
        translated.addMarked(entry, marks[0] ?? 0, (marks.at(-1) ?? 0) + MARKED_BYTES, e.layout.chunkShift);
      }
      if (!isChecked || marks.length > 0) {
        translated.replace(pointers.kin(site), pointers.sites.value(site));
        if (isHome) emitMarks(e, this.#renumbered(local), marks);
        else emitMore(e, this.#renumbered(local), isChecked ? undefined : range, marks);
        if (!isChecked) translated.setChecked(entry, range.low, range.high, writeHigh > 0);
      }
      e.get(this.#heldFirst + (this.#held[translated.localOf(entry)] as number));
      return;
    }
    translated.replace(pointers.kin(site), pointers.sites.value(site));
    if (isStack && pointers.sites.writeHigh(site) > 0) this.#addMarks(0, pointers.sites.writeHigh(site));
    else if (writeHigh > 0 && !isMarkedBefore) this.#addMarks(pointers.sites.groupWriteLow(site), writeHigh);
    if (pointers.sites.isHome(site)) emitHomeTranslation(e, this.#renumbered(local), marks);
    else if (isStack) emitStackTranslation(e, this.#renumbered(local), range, marks);
    else emitTranslation(e, this.#renumbered(local), range, marks);
    const held = this.#held[local] as number;
    const isKept = known >= 0 && !translated.mayTranslateAgain(known);
    if (held < 0 || isKept || translated.isPinned(local)) return;
    e.tee(this.#heldFirst + held);
    const added = translated.add(local, pointers.sites.value(site), pointers.kin(site));
    translated.setChecked(added, range.low, range.high, writeHigh > 0);
    const last = marks.at(-1);
    if (last !== undefined) translated.addMarked(added, marks[0] ?? 0, last + MARKED_BYTES, e.layout.chunkShift);
  }

  /**
   * An entry if it can be used, or -1. Where addresses are masked, a mask is good for what was checked with it and nothing more, so
   * what lacks a check or a mark is translated again.
   */
  #usable(entry: number, site: number, isStack: boolean): number {
    if (entry < 0 || isStack || this.#plan.layout.addressMask === 0) return entry;
    const pointers = this.#pointers;
    const translated = this.#translated;
    const { access, offset } = this.#accessOf(site);
    const isWritten = pointers.sites.groupWriteHigh(site) > 0;
    const isChecked = translated.isChecked(
      entry,
      pointers.sites.groupLow(site),
      pointers.sites.groupHigh(site),
      isWritten,
    );
    const isMarked = !access.write || translated.isMarked(entry, offset, offset + access.sizeBytes);
    return isChecked && isMarked ? entry : -1;
  }

  /** Marks that cover writes of [pointer + low, pointer + high): one, or one for each chunk and one more. */
  #addMarks(low: number, high: number): void {
    const marks = this.#marks;
    const chunk = 2 ** this.#plan.layout.chunkShift;
    let mark = markOffset(low, high);
    marks.push(mark);
    while (mark + MARKED_BYTES < high) {
      mark = Math.min(mark + chunk, high - MARKED_BYTES);
      marks.push(mark);
    }
  }

  #emitChanged(action: number, i: number, opcode: number, a: number, b: number, start: number): void {
    const e = this.#emitter;
    const plan = this.#plan;
    switch (action) {
      case ACCESS:
        this.#emitAccess(i, opcode, a >>> 0, b);
        return;
      case CALL:
        e.get(e.base);
        e.out.indexed(opcode, this.#functionIndex(a, start));
        this.#called(opcode === OP_CALL);
        return;
      case REF_FUNC:
        e.out.indexed(opcode, this.#functionIndex(a, start));
        return;
      case CALL_INDIRECT:
        this.#emitCallIndirect(i, opcode, a, b, start);
        this.#called(opcode === OP_CALL_INDIRECT);
        return;
      case GLOBAL_GET:
        this.#emitGlobalGet(a, start);
        return;
      case GLOBAL_SET:
        this.#emitGlobalSet(i, a, start);
        return;
      case MEMORY_SIZE:
        e.get(e.base);
        e.load32(HOME_MEMORY_PAGES);
        return;
      case CALL_ADDED:
        e.callAdded(opcode === OP_MEMORY_GROW ? ADDED_GROW : opcode === OP_MEMORY_COPY ? ADDED_COPY : ADDED_FILL);
        return;
      case MEMORY_INIT:
        e.callAdded(ADDED_INIT_SEGMENT + this.#segment(a, start));
        return;
      case DATA_DROP:
        emitDrop(e, plan.segmentFlags + this.#segment(a, start));
        return;
      case REMOVE:
        return;
      default:
        throw new Error(`nothing is known to be done with ${opcodeName(opcode)}`);
    }
  }

  /** Function indices stay, and those of the added functions, which come next, are not the module's to name. */
  #functionIndex(index: number, start: number): number {
    if (index < 0 || index >= this.#module.functions.length) throw malformed(`there is no function ${index}`, start);
    return index;
  }

  #segment(segment: number, start: number): number {
    if (segment < 0 || segment >= this.#module.data.length)
      throw malformed(`there is no data segment ${segment}`, start);
    return segment;
  }

  #called(returns: boolean): void {
    if (returns) this.#translated.newEpoch();
    else this.#translated.leave();
  }

  #emitAccess(i: number, opcode: number, offset: number, b: number): void {
    const access = accessOf(opcode);
    if (access === undefined) throw new Error(`${opcodeName(opcode)} is no access`);
    const lane = immediates[opcode] === IMMEDIATE_MEMORY_LANE ? b >> 8 : undefined;
    const alignment = b & 0xff;
    const e = this.#emitter;
    const pointers = this.#pointers;
    const site = pointers.accesses[i] as number; // one for each instruction
    if (this.#streams?.accesses.has(i)) {
      e.memory(opcode, alignment, offset);
      if (lane !== undefined) e.op(lane);
      return;
    }
    const from = site === 0 ? FROM_ACCESS : pointers.sites.from(site);
    if (from === FROM_ACCESS) {
      const isHome = site !== 0 && pointers.sites.isHome(site);
      const isMarked = isHome && this.#isMarkedBefore(site);
      if (site !== 0 && !isMarked) this.#translated.replace(pointers.kin(site), NO_VALUE);
      emitAccess(e, opcode, access, offset, alignment, lane, isHome, isMarked);
      return;
    }
    if (from === FROM_LOCAL && pointers.sites.isLate(site)) {
      setOperandsAside(e, access);
      this.#emitLocalPointer(site);
      putOperandsBack(e, access);
    }
    const constant = from === FROM_CONSTANT ? pointers.sites.source(site) >>> 0 : 0;
    if (from === FROM_CONSTANT && access.write) {
      // Here, so that nothing is marked between the mark and the write.
      this.#translated.replace(pointers.kinOfConstants, NO_VALUE);
      emitConstantMark(e, constant + offset);
    }
    const folded = from === FROM_STACK ? foldedOffset(this.#plan.layout, access, offset) : 0;
    const left = from === FROM_STACK ? pointers.sites.left(site) : 0;
    const added =
      left > 0 && this.#isFolded(left, site) ? (this.#list.words[(left - 1) * WORDS + WORD_A] as number) : 0;
    emitAt(e, opcode, constant + added + offset - folded, alignment, lane);
  }

  /** `base` goes below the index into the table. */
  #emitCallIndirect(i: number, opcode: number, type: number, table: number, start: number): void {
    if (type < 0 || type >= this.#module.types.length) throw malformed(`there is no type ${type}`, start);
    const e = this.#emitter;
    if (this.#pointers.hasBase[i] === 0) {
      const index = e.temporary(NEED_POINTER);
      e.set(index);
      e.get(e.base);
      e.get(index);
    }
    e.out.byte(opcode);
    e.out.u32(twin(this.#module, type));
    e.out.u32(table);
  }

  #emitGlobalGet(global: number, start: number): void {
    const e = this.#emitter;
    const slot = globalSlot(this.#plan, global, start);
    if (slot < 0) {
      e.out.indexed(OP_GLOBAL_GET, constantGlobal(this.#plan, global, start));
      return;
    }
    const { load, alignment } = memoryForm(this.#globalType(global));
    e.get(e.base);
    e.memory(load, alignment, slot);
  }

  #emitGlobalSet(i: number, global: number, start: number): void {
    const e = this.#emitter;
    const type = this.#globalType(global);
    const { store, alignment } = memoryForm(type);
    if (this.#pointers.hasBase[i] === 0) {
      const value = e.temporary(valueNeed(type));
      e.set(value);
      e.get(e.base);
      e.get(value);
    }
    e.memory(store, alignment, globalSlot(this.#plan, global, start));
  }

  #globalType(global: number): ValueType {
    const type = this.#module.globals[global]?.type;
    if (type === undefined) throw new Error(`there is no global ${global}`);
    return type;
  }
}
