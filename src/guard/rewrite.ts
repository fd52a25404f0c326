/**
 * Rewrites function bodies: the instruction list of each is walked twice, once to see what temporaries it needs (and
 * whether it does something that is refused), once to emit. Instructions that need no change are copied.
 */
import { HOME_MEMORY_PAGES } from '../../core/layout.ts';
import { accessNeeds, emitAccess, valueNeed } from './access.ts';
import { ADDED_COPY, ADDED_FILL, ADDED_GROW, ADDED_INIT_SEGMENT } from './added.ts';
import type { HintWriter } from './branch-hints.ts';
import { emitDrop } from './bulk.ts';
import { emitEntryCheck, emitLoopCheck } from './deadline.ts';
import { Emitter, NEED_POINTER, TEMPORARY_TYPES } from './emit.ts';
import { LIMITS, malformed, refusal, tooLarge, unsupported } from './errors.ts';
import {
  decodeExpression,
  type ExpressionContext,
  InstructionList,
  WORD_A,
  WORD_B,
  WORD_OFFSET,
  WORDS,
} from './instructions.ts';
import { type Body, describeFunction, type Module } from './module.ts';
import {
  accessOf,
  IMMEDIATE_MEMORY_LANE,
  immediates,
  OP_BR_IF,
  OP_CALL,
  OP_CALL_INDIRECT,
  OP_DATA_DROP,
  OP_ELEM_DROP,
  OP_END,
  OP_F32_LOAD,
  OP_F32_STORE,
  OP_F64_LOAD,
  OP_F64_STORE,
  OP_GLOBAL_GET,
  OP_GLOBAL_SET,
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
  OP_RETURN_CALL,
  OP_RETURN_CALL_INDIRECT,
  OP_TABLE_COPY,
  OP_TABLE_FILL,
  OP_TABLE_GROW,
  OP_TABLE_INIT,
  OP_TABLE_SET,
  OP_V128_LOAD,
  OP_V128_STORE,
  OPCODE_COUNT,
  opcodeName,
} from './opcodes.ts';
import { constantGlobal, globalSlot, type Plan, twin } from './plan.ts';
import { Reader } from './reader.ts';
import type { ValueType } from './types.ts';
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
  readonly #plan: Plan;
  readonly #out: Writer;
  readonly #hints: HintWriter;
  readonly #list = new InstructionList();
  readonly #emitter: Emitter;
  readonly #context: ExpressionContext;
  /** The function at work, for messages. */
  #function = 0;

  /** Bodies go to `out` with their sizes, hints to `hints`. */
  constructor(module: Module, plan: Plan, out: Writer, hints: HintWriter) {
    this.#module = module;
    this.#plan = plan;
    this.#out = out;
    this.#hints = hints;
    const body = new Writer(1 << 16, LIMITS.functionBytes, () => this.#bodyTooLarge());
    this.#emitter = new Emitter(body, plan.layout, plan.addedFirst);
    this.#context = { typeCount: module.types.length, where: () => this.#where() };
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
    const { parameters } = this.#typeOf(index, body.start);
    const reader = new Reader(this.#module.bytes, body.start, body.end);
    const locals = this.#readLocals(reader);
    decodeExpression(reader, this.#list, this.#context);
    if (!reader.atEnd) throw malformed(`a body goes on behind its end (in ${this.#where()})`, reader.position);
    const { needs, hasCall } = this.#analyse();
    this.#begin(parameters.length, locals, needs);
    if (hasCall) emitEntryCheck(this.#emitter);
    this.#emit(parameters.length, body.start);
    this.#finish(index);
  }

  /** Emits a function that the module does not have: `emit` makes its instructions without the last `end`. */
  add(index: number, parameterCount: number, needs: number, emit: (emitter: Emitter) => void): void {
    this.#function = index;
    const none: Locals = { groups: 0, start: 0, end: 0, count: 0 };
    // `base` is the last parameter, so there is one parameter less before it.
    this.#begin(parameterCount - 1, none, needs);
    emit(this.#emitter);
    this.#emitter.op(OP_END);
    this.#finish(index);
  }

  #typeOf(index: number, offset: number): { readonly parameters: readonly ValueType[] } {
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

  /** Begins a body with `base` behind `parameterCount` parameters, and the temporaries behind the module's locals. */
  #begin(parameterCount: number, locals: Locals, needs: number): void {
    const e = this.#emitter;
    const firstTemporary = parameterCount + 1 + locals.count;
    e.begin(parameterCount, firstTemporary, needs);
    const types = TEMPORARY_TYPES.filter((_, bit) => (needs & (1 << bit)) !== 0);
    const count = firstTemporary + types.length;
    if (count > LIMITS.locals)
      throw tooLarge(`locals in ${this.#where()}, those of the guard included`, count, LIMITS.locals);
    e.out.u32(locals.groups + types.length);
    e.out.bytes(this.#module.bytes.subarray(locals.start, locals.end));
    for (const type of types) {
      e.out.u32(1);
      e.out.byte(valueTypeByte(type));
    }
  }

  #finish(index: number): void {
    const e = this.#emitter;
    this.#out.u32(e.out.length);
    this.#out.append(e.out);
    this.#hints.add(index, e.hintOffsets, e.hintValues, e.hintCount);
  }

  /** Temporaries that the body needs, as NEED_ bits, and whether it calls. Refuses what a table does not allow. */
  #analyse(): { readonly needs: number; readonly hasCall: boolean } {
    const { words, count } = this.#list;
    let needs = 0;
    let hasCall = false;
    for (let at = 0; at < count * WORDS; at += WORDS) {
      const opcode = words[at] as number; // at is inside the list
      const action = actions[opcode] as number; // as is every opcode
      if (action === ACCESS) needs |= needsOf[opcode] as number;
      else if (action === CALL) hasCall = true;
      else if (action === CALL_INDIRECT) {
        hasCall = true;
        needs |= NEED_POINTER;
      } else if (action === GLOBAL_SET)
        needs |= this.#globalSetNeeds(words[at + WORD_A] ?? -1, words[at + WORD_OFFSET] ?? 0);
      else if (action === REFUSE_TABLE_CHANGE) {
        const construct = `${opcodeName(opcode)}, which changes a table at run time`;
        throw unsupported(construct, words[at + WORD_OFFSET] ?? 0, this.#where());
      }
    }
    return { needs, hasCall };
  }

  #globalSetNeeds(global: number, offset: number): number {
    const type = this.#module.globals[global]?.type;
    if (type === undefined || globalSlot(this.#plan, global, offset) < 0) {
      throw malformed(`global ${global} cannot be set`, offset);
    }
    return valueNeed(type);
  }

  /** Instructions that stay as they are are copied in runs. */
  #emit(parameterCount: number, bodyStart: number): void {
    const { words, count } = this.#list;
    const { bytes } = this.#module;
    const e = this.#emitter;
    const hints = this.#module.branchHints.get(this.#function);
    let hint = 0;
    let run = words[WORD_OFFSET] as number; // at is inside the list, and one more offset is behind it
    for (let at = 0; at < count * WORDS; at += WORDS) {
      const opcode = words[at] as number;
      const action = actions[opcode] as number;
      if (action === COPY) continue;
      const start = words[at + WORD_OFFSET] as number;
      e.out.slice(bytes, run, start);
      run = words[at + WORDS + WORD_OFFSET] as number;
      if (action === LOCAL) {
        const local = words[at + WORD_A] as number;
        e.out.indexed(opcode, local < parameterCount ? local : local + 1);
      } else if (action === BRANCH) {
        while (hints !== undefined && (hints.offsets[hint] ?? Infinity) < start - bodyStart) hint += 1;
        if (hints?.offsets[hint] === start - bodyStart) e.hint(hints.values[hint] ?? 0);
        run = start;
      } else if (action === LOOP) {
        e.out.slice(bytes, start, run);
        emitLoopCheck(e);
      } else {
        this.#emitChanged(action, opcode, words[at + WORD_A] as number, words[at + WORD_B] as number, start);
      }
    }
    e.out.slice(bytes, run, words[count * WORDS + WORD_OFFSET] as number);
  }

  #emitChanged(action: number, opcode: number, a: number, b: number, start: number): void {
    const e = this.#emitter;
    const plan = this.#plan;
    switch (action) {
      case ACCESS:
        this.#emitAccess(opcode, a >>> 0, b);
        return;
      case CALL:
        e.get(e.base);
        e.out.indexed(opcode, this.#functionIndex(a, start));
        return;
      case REF_FUNC:
        e.out.indexed(opcode, this.#functionIndex(a, start));
        return;
      case CALL_INDIRECT:
        this.#emitCallIndirect(opcode, a, b, start);
        return;
      case GLOBAL_GET:
        this.#emitGlobalGet(a, start);
        return;
      case GLOBAL_SET:
        this.#emitGlobalSet(a, start);
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

  #emitAccess(opcode: number, offset: number, b: number): void {
    const access = accessOf(opcode);
    if (access === undefined) throw new Error(`${opcodeName(opcode)} is no access`);
    const lane = immediates[opcode] === IMMEDIATE_MEMORY_LANE ? b >> 8 : undefined;
    emitAccess(this.#emitter, opcode, access, offset, b & 0xff, lane);
  }

  /** `base` goes below the index into the table. */
  #emitCallIndirect(opcode: number, type: number, table: number, start: number): void {
    if (type < 0 || type >= this.#module.types.length) throw malformed(`there is no type ${type}`, start);
    const e = this.#emitter;
    const index = e.temporary(NEED_POINTER);
    e.set(index);
    e.get(e.base);
    e.get(index);
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

  #emitGlobalSet(global: number, start: number): void {
    const e = this.#emitter;
    const type = this.#globalType(global);
    const value = e.temporary(valueNeed(type));
    const { store, alignment } = memoryForm(type);
    e.set(value);
    e.get(e.base);
    e.get(value);
    e.memory(store, alignment, globalSlot(this.#plan, global, start));
  }

  #globalType(global: number): ValueType {
    const type = this.#module.globals[global]?.type;
    if (type === undefined) throw new Error(`there is no global ${global}`);
    return type;
  }
}
