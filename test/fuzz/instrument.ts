/**
 * The reference's form of a module: the same instructions, in an imported memory of 4 GiB, with a question before each access.
 * The guard's decoder says where instructions begin; which of them access memory, and how, says memory-forms.ts, which knows
 * nothing of the guard. Questions go through a table, so that no index of the module changes.
 */
import { ACCESS_ATOMIC, ACCESS_BULK, ACCESS_WRITE, ADDRESS_SPACE_PAGES } from '../../core/layout.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import { decodeExpression, InstructionList, WORD_A, WORD_OFFSET, WORDS } from '../../src/guard/instructions.ts';
import type { Module } from '../../src/guard/module.ts';
import { opcodeName } from '../../src/guard/opcodes.ts';
import { Reader } from '../../src/guard/reader.ts';
import {
  functionType,
  moduleBytes,
  section,
  signed,
  text,
  unsigned,
  VALUE_TYPE_BYTES,
  vector,
} from '../../src/guard/testing-modules.ts';
import type { FunctionType } from '../../src/guard/types.ts';
import { MEMORY_FORMS, type MemoryForm, type Operand } from '../memory-forms.ts';
import { ACCESS_WAIT } from './model.ts';
import { append, joinSections, sectionsOf } from './sections.ts';

/** The questions. All numbers are i32; `check` and `range` answer 1 for no. */
export interface Hooks {
  check(pointer: number, offset: number, access: number): number;
  range(pointer: number, length: number, access: number): number;
  size(): number;
  grow(pages: number): number;
  /** A function or a round of a loop begins. */
  step(): void;
}

export const HOOKS_EXPORT = 'reference:hooks';
export const REFERENCE_MEMORY = { module: 'reference', name: 'memory' };

const I32_3: FunctionType = { parameters: ['i32', 'i32', 'i32'], results: ['i32'] };
const I32_0: FunctionType = { parameters: [], results: ['i32'] };
const I32_1: FunctionType = { parameters: ['i32'], results: ['i32'] };
const VOID_0: FunctionType = { parameters: [], results: [] };
const HOOKS = [
  { name: 'check', type: I32_3 },
  { name: 'range', type: I32_3 },
  { name: 'size', type: I32_0 },
  { name: 'grow', type: I32_1 },
  { name: 'step', type: VOID_0 },
] as const satisfies readonly { readonly name: keyof Hooks; readonly type: FunctionType }[];

type HookName = (typeof HOOKS)[number]['name'];

const FORMS: ReadonlyMap<string, MemoryForm> = new Map(MEMORY_FORMS.map((form) => [form.name, form]));

/** Locals that each body gets: a pointer, numbers, and values of each type. */
const ADDED_LOCALS: readonly Operand[] = ['i32', 'i32', 'i32', 'i64', 'i64', 'f32', 'f64', 'v128'];
const POINTER = 0;
/** Places of the first and the second operand of each type, from the first added local. */
const VALUE_LOCALS: Readonly<Record<Operand, readonly [number, number]>> = {
  i32: [1, 2],
  i64: [3, 4],
  f32: [5, 5],
  f64: [6, 6],
  v128: [7, 7],
};

/** The hooks as functions that a table can hold. */
export function hookFunctions(hooks: Hooks): readonly unknown[] {
  const bytes = moduleBytes(
    section(1, vector(HOOKS.map(({ type }) => functionType(type)))),
    section(2, vector(HOOKS.map(({ name }, i) => [...text('h'), ...text(name), 0, ...unsigned(i)]))),
    section(7, vector(HOOKS.map(({ name }, i) => [...text(name), 0, ...unsigned(i)]))),
  );
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { h: { ...hooks } });
  return HOOKS.map(({ name }) => instance.exports[name]);
}

/** HOME_FAULT_ACCESS of an access. */
function accessCode(form: MemoryForm): number {
  const write = form.access === 'write' ? ACCESS_WRITE : 0;
  return form.sizeBytes | write | (form.atomic ? ACCESS_ATOMIC : 0) | (form.kind === 'wait' ? ACCESS_WAIT : 0);
}

/** The reference's form of a valid module that the guard accepts. */
export function instrument(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Instrumenter(bytes).module();
}

class Instrumenter {
  readonly #bytes: Uint8Array;
  readonly #module: Module;
  readonly #list = new InstructionList();
  /** Of the body at work. */
  #out: number[] = [];
  #firstLocal = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#module = decodeModule(bytes);
  }

  /** Without the memory and custom sections. */
  module(): Uint8Array<ArrayBuffer> {
    const { memories, start, tables, bodies } = this.#module;
    if (start !== undefined) throw new RangeError('a start function runs before the hooks are there');
    const sections = sectionsOf(this.#bytes);
    append(
      sections,
      1,
      HOOKS.map(({ type }) => functionType(type)),
    );
    if (memories.length > 0) sections.set(2, this.#imports(sections.get(2)));
    append(sections, 4, [[0x70, 0, ...unsigned(HOOKS.length)]]);
    sections.delete(5);
    append(sections, 7, [[...text(HOOKS_EXPORT), 1, ...unsigned(tables.length)]]);
    sections.set(10, vector(bodies.map((_, i) => this.#body(i))));
    return joinSections(sections);
  }

  /** The imports without a memory, and the reference's. */
  #imports(content: Uint8Array | readonly number[] | undefined): number[] {
    const end = content instanceof Uint8Array ? content.byteOffset - this.#bytes.byteOffset + content.length : 0;
    const { imports } = this.#module;
    const kept = imports.flatMap(({ kind, offset }, i) =>
      kind === 'memory' ? [] : [[...this.#bytes.subarray(offset, imports[i + 1]?.offset ?? end)]],
    );
    const { module, name } = REFERENCE_MEMORY;
    const limits = [3, ...unsigned(ADDRESS_SPACE_PAGES), ...unsigned(ADDRESS_SPACE_PAGES)];
    return vector([...kept, [...text(module), ...text(name), 2, ...limits]]);
  }

  /** A body with its size. */
  #body(index: number): number[] {
    const body = this.#module.bodies[index];
    const type = this.#module.types[this.#module.functions[this.#module.importedFunctions + index] ?? -1];
    if (body === undefined || type === undefined) throw new RangeError(`there is no body ${index}`);
    const reader = new Reader(this.#bytes, body.start, body.end);
    const groups = reader.u32();
    const groupsStart = reader.position;
    let locals = type.parameters.length;
    for (let i = 0; i < groups; i += 1) {
      locals += reader.u32();
      reader.byte();
    }
    this.#firstLocal = locals;
    const added = ADDED_LOCALS.flatMap((local) => [1, VALUE_TYPE_BYTES[local]]);
    this.#out = [
      ...unsigned(groups + ADDED_LOCALS.length),
      ...this.#bytes.subarray(groupsStart, reader.position),
      ...added,
    ];
    decodeExpression(reader, this.#list, { typeCount: this.#module.types.length, where: () => `body ${index}` });
    this.#hook('step');
    for (let at = 0; at < this.#list.count * WORDS; at += WORDS) this.#instruction(at);
    return [...unsigned(this.#out.length), ...this.#out];
  }

  #instruction(at: number): void {
    const { words } = this.#list;
    const name = opcodeName(words[at] ?? 0) ?? '';
    const raw = this.#bytes.subarray(words[at + WORD_OFFSET], words[at + WORDS + WORD_OFFSET]);
    const form = FORMS.get(name);
    if (form !== undefined) this.#access(form, (words[at + WORD_A] ?? 0) >>> 0, raw);
    else if (name === 'memory.copy') this.#bulk([ACCESS_BULK | ACCESS_WRITE, ACCESS_BULK], raw);
    else if (name === 'memory.fill' || name === 'memory.init') this.#bulk([ACCESS_BULK | ACCESS_WRITE], raw);
    else if (name === 'memory.size') this.#hook('size');
    else if (name === 'memory.grow') this.#hook('grow');
    else for (const byte of raw) this.#out.push(byte);
    if (name === 'loop') this.#hook('step');
  }

  #get(local: number): void {
    this.#out.push(0x20, ...unsigned(this.#firstLocal + local));
  }

  #set(local: number): void {
    this.#out.push(0x21, ...unsigned(this.#firstLocal + local));
  }

  #i32(value: number): void {
    this.#out.push(0x41, ...signed(value | 0));
  }

  /** Calls a hook, whose parameters are on the stack. */
  #hook(name: HookName): void {
    const index = HOOKS.findIndex((hook) => hook.name === name);
    this.#i32(index);
    this.#out.push(0x11, ...unsigned(this.#module.types.length + index), ...unsigned(this.#module.tables.length));
  }

  #trapIf(): void {
    this.#out.push(0x04, 0x40, 0x00, 0x0b);
  }

  #access(form: MemoryForm, offset: number, raw: Uint8Array): void {
    const locals = form.operands.map((type, i) => VALUE_LOCALS[type][i === 0 ? 0 : 1]);
    for (const local of locals.toReversed()) this.#set(local);
    this.#set(POINTER);
    this.#get(POINTER);
    this.#i32(offset);
    this.#i32(accessCode(form));
    this.#hook('check');
    this.#trapIf();
    this.#get(POINTER);
    for (const local of locals) this.#get(local);
    for (const byte of raw) this.#out.push(byte);
  }

  /** A bulk instruction: three numbers, of which the first ones are pointers with these accesses; the last is the length. */
  #bulk(accesses: readonly number[], raw: Uint8Array): void {
    for (const local of [2, 1, 0]) this.#set(local);
    for (const [local, access] of accesses.entries()) {
      this.#get(local);
      this.#get(2);
      this.#i32(access);
      this.#hook('range');
      this.#trapIf();
    }
    for (const local of [0, 1, 2]) this.#get(local);
    for (const byte of raw) this.#out.push(byte);
  }
}
