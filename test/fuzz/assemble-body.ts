/** Function bodies of assemble.ts. */
import { opcodeNamed } from '../../src/guard/opcodes.ts';
import {
  functionBody,
  opcodeBytes,
  signed,
  unsigned,
  VALUE_TYPE_BYTES,
  vector,
} from '../../src/guard/testing-modules.ts';
import type { FunctionType } from '../../src/guard/types.ts';
import {
  type Access,
  type Constant,
  type Expression,
  FUEL,
  FUEL_PER_CALL,
  type FunctionCode,
  type Loop,
  type ModuleCode,
  type Statement,
  type Type,
} from './code.ts';

const BLOCK_EMPTY = 0x40;

const instructionBytes = new Map<string, readonly number[]>();

/** The bytes of an instruction without its immediates. */
export function opcode(name: string): readonly number[] {
  let bytes = instructionBytes.get(name);
  if (bytes === undefined) {
    bytes = opcodeBytes(opcodeNamed(name));
    instructionBytes.set(name, bytes);
  }
  return bytes;
}

export function littleEndian(value: bigint, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

/** A label that the code does not have, or a name: the shrinker makes such code, and gives it up. */
export class AssembleError extends Error {}

/** An i32 constant of a module whose VMAs are at these addresses. */
export function i32Of(value: Constant, addresses: readonly number[]): number {
  if (typeof value === 'object') return ((addresses[value.vma] ?? 0) + value.delta) | 0;
  return Number(BigInt.asIntN(32, BigInt(value)));
}

/** The instruction for a constant. */
export function constantBytes(type: Type, value: Constant, addresses: readonly number[]): number[] {
  if (type === 'i32') return [0x41, ...signed(i32Of(value, addresses))];
  if (typeof value === 'object') throw new AssembleError(`an address as ${type}`);
  const bits = BigInt(value);
  if (type === 'i64') return [0x42, ...signed(BigInt.asIntN(64, bits))];
  if (type === 'f32') return [0x43, ...littleEndian(bits, 4)];
  if (type === 'f64') return [0x44, ...littleEndian(bits, 8)];
  return [...opcode('v128.const'), ...littleEndian(bits, 16)];
}

/** What bodies need to know of their module: indices of functions and types, which are made as they are asked for. */
export class ModuleIndices {
  readonly code: ModuleCode;
  /** Of the case's VMAs. */
  readonly addresses: readonly number[];
  readonly types: FunctionType[] = [];
  readonly #typeIndices = new Map<string, number>();
  readonly #functionIndices = new Map<string, number>();

  constructor(code: ModuleCode, addresses: readonly number[]) {
    this.code = code;
    this.addresses = addresses;
    for (const name of code.imports) this.#functionIndices.set(name, this.#functionIndices.size);
    for (const { name } of code.functions) this.#functionIndices.set(name, this.#functionIndices.size);
  }

  typeIndex(signature: FunctionType): number {
    const key = `${signature.parameters.join()}:${signature.results.join()}`;
    const known = this.#typeIndices.get(key);
    if (known !== undefined) return known;
    this.#typeIndices.set(key, this.types.length);
    return this.types.push(signature) - 1;
  }

  functionIndex(name: string): number {
    const index = this.#functionIndices.get(name);
    if (index === undefined) throw new AssembleError(`there is no function ${name}`);
    return index;
  }

  /** Index of the type of a function. */
  signatureOf(name: string): number {
    const f = this.code.functions.find((one) => one.name === name);
    if (f === undefined) throw new AssembleError(`there is no function ${name}`);
    return this.typeIndex(f.signature);
  }
}

export class BodyAssembler {
  readonly #module: ModuleIndices;
  #out: number[] = [];
  readonly #labels: number[] = [];

  constructor(module: ModuleIndices) {
    this.#module = module;
  }

  /** A body with its size. */
  body(f: FunctionCode): number[] {
    this.#out = [];
    const out = this.#out;
    if (f.isEntry) out.push(0x41, ...signed(FUEL_PER_CALL), 0x24, FUEL);
    else if (f.usesFuel) {
      out.push(0x23, FUEL, ...opcode('i32.eqz'), 0x04, BLOCK_EMPTY, 0x00, 0x0b);
      out.push(0x23, FUEL, 0x41, 1, ...opcode('i32.sub'), 0x24, FUEL);
    }
    this.#statements(f.body);
    for (const result of f.results) this.#expression(result);
    return functionBody(f.locals, out);
  }

  #index(byte: number, index: number): void {
    this.#out.push(byte, ...unsigned(index));
  }

  #operation(name: string): void {
    this.#out.push(...opcode(name));
  }

  #open(byte: number, type: Type | undefined, label: number | undefined): void {
    this.#out.push(byte, type === undefined ? BLOCK_EMPTY : VALUE_TYPE_BYTES[type]);
    this.#labels.push(label ?? -1);
  }

  #close(): void {
    this.#out.push(0x0b);
    this.#labels.pop();
  }

  #depth(label: number): number {
    const at = this.#labels.lastIndexOf(label);
    if (at < 0) throw new AssembleError(`there is no label ${label}`);
    return this.#labels.length - 1 - at;
  }

  #expressions(list: readonly Expression[]): void {
    for (const one of list) this.#expression(one);
  }

  #statements(list: readonly Statement[]): void {
    for (const one of list) this.#statement(one);
  }

  #expression(e: Expression): void {
    const out = this.#out;
    switch (e.kind) {
      case 'const':
        out.push(...constantBytes(e.type, e.value, this.#module.addresses));
        return;
      case 'get':
        this.#index(0x20, e.local);
        return;
      case 'tee':
        this.#expression(e.value);
        this.#index(0x22, e.local);
        return;
      case 'global':
        this.#index(0x23, e.global);
        return;
      case 'operation':
        this.#expressions(e.operands);
        this.#operation(e.name);
        if (e.lane !== undefined) out.push(e.lane);
        return;
      case 'access':
        this.#access(e);
        return;
      case 'call':
        this.#expressions(e.operands);
        this.#index(0x10, this.#module.functionIndex(e.callee));
        return;
      case 'indirect':
        this.#expressions(e.operands);
        this.#expression(e.index);
        out.push(0x11, ...unsigned(this.#module.signatureOf(e.signature)), 0);
        return;
      case 'select':
        this.#expressions([e.first, e.second, e.condition]);
        out.push(0x1b);
        return;
      case 'leave if':
        this.#expressions([e.value, e.condition]);
        this.#index(0x0d, this.#depth(e.label));
        return;
      case 'size':
        out.push(0x3f, 0);
        return;
      case 'grow':
        this.#expression(e.pages);
        out.push(0x40, 0);
        return;
      default:
        this.#blockExpression(e);
    }
  }

  #blockExpression(e: Extract<Expression, { kind: 'block' | 'choice' | 'carried' }>): void {
    if (e.kind === 'block') {
      this.#open(0x02, e.type, e.label);
      this.#statements(e.body);
      this.#expression(e.result);
      this.#close();
    } else if (e.kind === 'choice') {
      this.#expression(e.condition);
      this.#open(0x04, e.type, undefined);
      this.#statements(e.whenTrue);
      this.#expression(e.trueResult);
      this.#out.push(0x05);
      this.#statements(e.whenFalse);
      this.#expression(e.falseResult);
      this.#close();
    } else this.#carried(e);
  }

  #carried(e: Extract<Expression, { kind: 'carried' }>): void {
    const out = this.#out;
    out.push(0x41, 0);
    this.#index(0x21, e.counter);
    this.#expression(e.first);
    out.push(0x03, ...signed(this.#module.typeIndex({ parameters: ['i32'], results: ['i32'] })));
    this.#labels.push(e.label);
    this.#index(0x21, e.local);
    this.#statements(e.body);
    this.#expression(e.next);
    this.#expression(e.condition);
    this.#advance(e.counter, 1);
    out.push(0x41, ...signed(e.times));
    this.#operation('i32.lt_u');
    this.#operation('i32.and');
    this.#index(0x0d, this.#depth(e.label));
    this.#close();
  }

  /** Adds to a local, and leaves it. */
  #advance(local: number, step: number): void {
    this.#index(0x20, local);
    this.#out.push(0x41, ...signed(step));
    this.#operation('i32.add');
    this.#index(0x22, local);
  }

  #access({ form, pointer, offset, alignment, lane, operands }: Access): void {
    this.#expression(pointer);
    this.#expressions(operands);
    this.#operation(form.name);
    this.#out.push(...unsigned(alignment), ...unsigned(offset));
    if (form.lane) this.#out.push(lane);
  }

  #statement(s: Statement): void {
    const out = this.#out;
    switch (s.kind) {
      case 'nop':
        return;
      case 'set':
        this.#expression(s.value);
        this.#index(0x21, s.local);
        return;
      case 'set global':
        this.#expression(s.value);
        this.#index(0x24, s.global);
        return;
      case 'store':
        this.#access(s);
        return;
      case 'drop':
        this.#expression(s.value);
        out.push(0x1a);
        return;
      case 'do':
        this.#expressions(s.operands);
        this.#index(0x10, this.#module.functionIndex(s.callee));
        return;
      case 'set both':
        this.#expressions(s.operands);
        this.#index(0x10, this.#module.functionIndex(s.callee));
        this.#index(0x21, s.locals[1]);
        this.#index(0x21, s.locals[0]);
        return;
      case 'return':
        this.#expressions(s.values);
        out.push(0x0f);
        return;
      case 'tail call':
        this.#expressions(s.operands);
        this.#index(0x12, this.#module.functionIndex(s.callee));
        return;
      case 'unreachable':
        out.push(0x00);
        return;
      case 'throw':
        this.#expressions(s.values);
        this.#index(0x08, s.tag);
        return;
      case 'copy':
      case 'fill':
      case 'init':
      case 'forget segment':
        this.#bulk(s);
        return;
      case 'branch':
      case 'leave':
      case 'branch table':
        this.#branch(s);
        return;
      default:
        this.#block(s);
    }
  }

  #bulk(s: Extract<Statement, { kind: 'copy' | 'fill' | 'init' | 'forget segment' }>): void {
    if (s.kind === 'forget segment') {
      this.#operation('data.drop');
      this.#out.push(...unsigned(s.segment));
      return;
    }
    this.#expressions([s.to, s.from, s.length]);
    this.#operation(`memory.${s.kind}`);
    if (s.kind === 'init') this.#out.push(...unsigned(s.segment), 0);
    else this.#out.push(...(s.kind === 'copy' ? [0, 0] : [0]));
  }

  #branch(s: Extract<Statement, { kind: 'branch' | 'leave' | 'branch table' }>): void {
    if (s.kind === 'branch table') {
      this.#expression(s.index);
      const depths = s.labels.map((label) => unsigned(this.#depth(label)));
      this.#out.push(0x0e, ...vector(depths.slice(0, -1)), ...(depths.at(-1) ?? [0]));
      return;
    }
    const condition = s.kind === 'leave' ? undefined : s.condition;
    if (s.kind === 'leave') this.#expression(s.value);
    if (condition !== undefined) this.#expression(condition);
    this.#index(condition === undefined ? 0x0c : 0x0d, this.#depth(s.label));
  }

  #block(s: Extract<Statement, { kind: 'group' | 'if' | 'loop' | 'try' }>): void {
    if (s.kind === 'group') {
      this.#open(0x02, undefined, s.label);
      this.#statements(s.body);
      this.#close();
    } else if (s.kind === 'if') {
      this.#expression(s.condition);
      this.#open(0x04, undefined, undefined);
      this.#statements(s.whenTrue);
      if (s.whenFalse.length > 0) this.#out.push(0x05);
      this.#statements(s.whenFalse);
      this.#close();
    } else if (s.kind === 'loop') this.#loop(s);
    else if (this.#module.code.legacyExceptions) this.#legacyTry(s);
    else this.#tryTable(s);
  }

  #legacyTry(s: Extract<Statement, { kind: 'try' }>): void {
    this.#open(0x06, undefined, s.label);
    this.#statements(s.body);
    if (s.tag === undefined) this.#out.push(0x19);
    else this.#index(0x07, s.tag);
    this.#takePayload(s.tag, s.payload);
    this.#statements(s.caught);
    this.#close();
  }

  #tryTable(s: Extract<Statement, { kind: 'try' }>): void {
    const payload = s.tag === undefined ? undefined : this.#module.code.tags[s.tag]?.parameters[0];
    this.#open(0x02, undefined, s.label);
    this.#open(0x02, payload, undefined);
    this.#out.push(0x1f, BLOCK_EMPTY, 1, ...(s.tag === undefined ? [2, 0] : [0, ...unsigned(s.tag), 0]));
    this.#labels.push(-1);
    this.#statements(s.body);
    this.#close();
    this.#out.push(0x0c, 1);
    this.#close();
    this.#takePayload(s.tag, s.payload);
    this.#statements(s.caught);
    this.#close();
  }

  #takePayload(tag: number | undefined, local: number): void {
    if (tag !== undefined && this.#module.code.tags[tag]?.parameters.length === 1) this.#index(0x21, local);
  }

  #loop(s: Loop): void {
    this.#expression(s.from);
    this.#index(0x21, s.counter);
    if (s.limit !== undefined) {
      this.#index(0x20, s.counter);
      this.#out.push(0x41, ...signed(s.step * s.times));
      this.#operation('i32.add');
      this.#index(0x21, s.limit);
    }
    const isTestedFirst = s.shape === 'while' || s.shape === 'for';
    const exit = -2 - s.label;
    if (isTestedFirst) this.#open(0x02, undefined, exit);
    if (s.shape === 'down') {
      this.#out.push(0x41, ...signed(s.step * s.times));
      this.#index(0x21, s.counter);
    }
    this.#open(0x03, undefined, s.label);
    if (isTestedFirst) {
      this.#index(0x20, s.counter);
      this.#limit(s);
      this.#operation('i32.ge_u');
      this.#index(0x0d, this.#depth(exit));
    }
    if (s.shape === 'for') {
      this.#advance(s.counter, s.step);
      this.#out.push(0x1a);
    }
    this.#statements(s.body);
    this.#loopEnd(s);
    this.#close();
    if (isTestedFirst) this.#close();
  }

  #loopEnd(s: Loop): void {
    const depth = this.#depth(s.label);
    if (s.shape === 'for') {
      this.#index(0x0c, depth);
      return;
    }
    this.#advance(s.counter, s.shape === 'down' ? -s.step : s.step);
    if (s.shape === 'while') {
      this.#out.push(0x1a);
      this.#index(0x0c, depth);
      return;
    }
    if (s.shape !== 'down') {
      this.#limit(s);
      this.#operation(s.shape === 'until' ? 'i32.lt_u' : 'i32.ne');
    }
    this.#index(0x0d, depth);
  }

  #limit({ limit, step, times }: Loop): void {
    if (limit === undefined) this.#out.push(0x41, ...signed(step * times));
    else this.#index(0x20, limit);
  }
}
