/** Expressions of every type, among them all accesses that leave a value, blocks with statements inside, and calls. */
import { MEMORY_FORMS, type MemoryForm } from '../memory-forms.ts';
import type { Access, Expression, Statement, Type } from './code.ts';
import { get, i32, moved, operation, type Place, type State, unite } from './places.ts';
import { PointerGenerator } from './pointer-generator.ts';
import type { CallableFunction } from './scope.ts';

const DEPTH_MAX = 3;

/** What an access leaves. */
export function resultType({ name, result }: MemoryForm): Type | undefined {
  if (!result) return undefined;
  const [prefix = ''] = name.split('.');
  return prefix === 'memory' ? 'i32' : (prefix as Type);
}

const WITH_RESULT = new Map<Type, readonly MemoryForm[]>(
  (['i32', 'i64', 'f32', 'f64', 'v128'] as const).map((type) => [
    type,
    MEMORY_FORMS.filter((form) => resultType(form) === type && form.kind !== 'wait'),
  ]),
);
const WAITS = MEMORY_FORMS.filter(({ kind }) => kind === 'wait');
const STORES = MEMORY_FORMS.filter(({ kind }) => kind === 'store');
/** The ones that compilers make most of. */
const COMMON_LOADS = MEMORY_FORMS.filter(({ name }) => /^(i32|i64|f64|v128)\.load(8_u)?$/.test(name));
const COMMON_STORES = MEMORY_FORMS.filter(({ name }) => /^(i32|i64|f64|v128)\.store8?$/.test(name));

const I32_OPERATIONS = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'shl', 'shr_u', 'shr_s', 'rotl', 'eq', 'lt_u', 'ge_s'];
const I64_OPERATIONS = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'shl', 'rotr'];
const V128_OPERATIONS = ['i32x4.add', 'v128.xor', 'i8x16.sub', 'i64x2.mul', 'v128.and'];

export abstract class ValueGenerator extends PointerGenerator {
  abstract statements(count: number): Statement[];

  value(type: Type, depth: number): Expression {
    const { random } = this;
    const isLeaf = depth >= DEPTH_MAX || this.scope.left <= 0;
    const choice = random.weighted([
      [30, 'constant'],
      [35, 'local'],
      [isLeaf ? 2 : 30, 'access'],
      [isLeaf ? 0 : 25, 'operation'],
      [isLeaf || this.scope.nesting > 4 ? 0 : 3, 'block'],
      [isLeaf || this.scope.nesting > 4 ? 0 : 2, 'choice'],
      [isLeaf ? 0 : 3, 'select'],
      [isLeaf ? 0 : 2, 'tee'],
      [isLeaf || type !== 'i32' ? 0 : 3, 'special'],
    ] as const);
    switch (choice) {
      case 'local':
        return this.#anyLocal(type) ?? this.constant(type);
      case 'access':
        return this.load(type, depth + 1);
      case 'operation':
        return this.#operation(type, depth + 1);
      case 'block':
        return this.#block(type, depth + 1);
      case 'choice':
        return this.#choice(type, depth + 1);
      case 'select':
        return this.#select(type, depth + 1);
      case 'tee':
        return this.#tee(type, depth + 1);
      case 'special':
        return this.#special(depth + 1);
      default:
        return this.constant(type);
    }
  }

  constant(type: Type): Expression {
    const { random } = this;
    if (type === 'i32') {
      const value = random.weighted([
        [60, random.below(64)],
        [10, random.pick([0, 1, -1, 255, 4096, 65535, 65536, 2 ** 31 - 1, -(2 ** 31)])],
        [10, random.next()],
      ] as const);
      return i32(value);
    }
    const word = (): bigint => BigInt(random.chance(0.5) ? random.below(100) : random.next());
    if (type === 'i64') return { kind: 'const', type, value: word() | (word() << 32n) };
    if (type === 'v128') {
      return { kind: 'const', type, value: word() | (word() << 32n) | (word() << 64n) | (word() << 96n) };
    }
    // No NaNs: their bits may differ from one compiler of V8 to the other.
    const view = new DataView(new ArrayBuffer(8));
    const value = random.pick([0, 1, -1.5, 1e9, 0.1, random.next()]);
    view.setFloat64(0, value);
    if (type === 'f64') return { kind: 'const', type, value: view.getBigUint64(0) };
    view.setFloat32(0, value);
    return { kind: 'const', type, value: view.getUint32(0) };
  }

  #anyLocal(type: Type): Expression | undefined {
    const locals = this.scope.localsOf(type);
    return locals.length === 0 ? undefined : { kind: 'get', type, local: this.random.pick(locals) };
  }

  /** An i32 that is 0 or not, in ways that are hard to foresee. */
  condition(): Expression {
    const { random } = this;
    const value = this.value('i32', DEPTH_MAX - 1);
    return random.weighted([
      [30, operation('and', value, i32(random.pick([1, 2, 4, 8])))],
      [20, operation('lt_u', value, i32(random.pick([1, 8, 64, 128, 2 ** 31])))],
      [10, operation('eqz', value)],
      [10, operation('ne', value, this.value('i32', DEPTH_MAX))],
      [3, i32(1)],
      [3, i32(0)],
    ] as const);
  }

  /** An access that leaves a value of this type. */
  load(type: Type, depth: number): Expression {
    const { random } = this;
    const common = COMMON_LOADS.filter((form) => resultType(form) === type);
    const all = WITH_RESULT.get(type) ?? [];
    if (type === 'i32' && random.chance(0.002))
      return { kind: 'access', type, ...this.access(random.pick(WAITS), depth) };
    const form = random.pick(common.length > 0 && random.chance(0.5) ? common : all);
    return { kind: 'access', type, ...this.access(form, depth) };
  }

  storeForm(): MemoryForm {
    return this.random.pick(this.random.chance(0.55) ? COMMON_STORES : STORES);
  }

  /** Any form of this size that needs no alignment. */
  formLike(size: number, write: boolean): MemoryForm {
    const access = write ? 'write' : 'read';
    return this.random.pick(
      MEMORY_FORMS.filter((form) => form.sizeBytes === size && form.access === access && !form.atomic),
    );
  }

  store(local?: number): Statement {
    return { kind: 'store', ...this.access(this.#fitting(this.storeForm(), local), 1, local) };
  }

  /** The form, unless it is an atomic one and the pointer may not be aligned. */
  #fitting(form: MemoryForm, local: number | undefined): MemoryForm {
    const fits =
      local === undefined || !form.atomic || this.isUsable(local, form.sizeBytes, form.access === 'write', true);
    return fits ? form : this.random.pick(COMMON_STORES);
  }

  /** A load into a local, through a pointer when that is given. */
  setValue(pointer?: number): Statement {
    const { random, scope } = this;
    const type = random.weighted([
      [50, 'i32'],
      [20, 'i64'],
      [8, 'f32'],
      [8, 'f64'],
      [14, 'v128'],
    ] as const);
    let value: Expression;
    if (pointer === undefined) value = this.value(type, 0);
    else {
      const loaded = this.load(type, 2);
      value = loaded;
      if (loaded.kind === 'access' && this.#fitting(loaded.form, pointer) === loaded.form)
        value = { kind: 'access', type, ...this.access(loaded.form, 2, pointer) };
    }
    const local = scope.target(type);
    if (type === 'i32') scope.state.set(local, []);
    return { kind: 'set', local, value };
  }

  /** Puts most pointers that a loop has changed back to where they were when it began, so that it can go round again. */
  restored(entry: State): Statement[] {
    const { random, scope } = this;
    return entry.pointers.flatMap((local) => {
      const [place, ...others] = entry.placesOf(local);
      const [now] = scope.state.placesOf(local);
      const isSame = now?.region === place?.region && now?.low === place?.low && now?.high === place?.high;
      if (place === undefined || others.length > 0 || isSame || scope.reserved.has(local)) return [];
      const value = random.chance(0.15) ? undefined : this.pointerTo(place);
      if (value === undefined) return [];
      scope.state.set(local, [place]);
      return [{ kind: 'set' as const, local, value }];
    });
  }

  /** An access of this form; through `local` when that is given. */
  access(form: MemoryForm, depth: number, local?: number): Access {
    const { random } = this;
    const write = form.access === 'write';
    const isAligned = form.atomic && !random.chance(0.01);
    const { pointer, offset } =
      local === undefined
        ? this.target(form.sizeBytes, write, isAligned)
        : this.through(local, form.sizeBytes, write, isAligned);
    const natural = Math.log2(form.sizeBytes);
    return {
      form,
      pointer,
      offset,
      alignment: form.atomic ? natural : random.between(0, natural),
      lane: form.lane ? random.below(16 / form.sizeBytes) : 0,
      operands: form.operands.map((type) => this.value(type, depth)),
    };
  }

  #operation(type: Type, depth: number): Expression {
    const { random } = this;
    const binary = (name: string): Expression => ({
      kind: 'operation',
      type,
      name,
      operands: [this.value(type, depth), this.value(type, depth)],
    });
    const unary = (name: string, from: Type, lane?: number): Expression => ({
      kind: 'operation',
      type,
      name,
      operands: [this.value(from, depth)],
      ...(lane === undefined ? {} : { lane }),
    });
    switch (type) {
      case 'i32':
        if (random.chance(0.01)) return binary(random.pick(['i32.div_u', 'i32.rem_s']));
        return random.weighted([
          [20, () => binary(`i32.${random.pick(I32_OPERATIONS)}`)],
          [3, () => unary('i32.wrap_i64', 'i64')],
          [1, () => unary('i32.reinterpret_f32', 'f32')],
          [1, () => unary('i32x4.extract_lane', 'v128', random.below(4))],
          [1, () => unary('i8x16.bitmask', 'v128')],
        ] as const)();
      case 'i64':
        return random.weighted([
          [8, () => binary(`i64.${random.pick(I64_OPERATIONS)}`)],
          [3, () => unary('i64.extend_i32_u', 'i32')],
          [1, () => unary('i64.reinterpret_f64', 'f64')],
        ] as const)();
      case 'f32':
        return unary('f32.reinterpret_i32', 'i32');
      case 'f64':
        return unary('f64.reinterpret_i64', 'i64');
      case 'v128':
        return random.chance(0.5) ? binary(random.pick(V128_OPERATIONS)) : unary('i32x4.splat', 'i32');
    }
  }

  #block(type: Type, depth: number): Expression {
    const { scope, random } = this;
    const label = scope.newLabel();
    scope.valueLabels.push({ label, type });
    const body = scope.nested(() => this.statements(random.between(1, 3)));
    let result = this.value(type, depth);
    if (random.chance(0.4)) {
      result = { kind: 'leave if', type, label, value: result, condition: this.condition() };
      if (random.chance(0.5)) {
        body.push({ kind: 'drop', value: result });
        result = this.value(type, depth);
      }
    }
    scope.valueLabels.pop();
    return { kind: 'block', type, label, body, result };
  }

  #choice(type: Type, depth: number): Expression {
    const { scope, random } = this;
    const condition = this.condition();
    const before = scope.state.clone();
    const whenTrue = scope.nested(() => this.statements(random.below(3)));
    const trueResult = this.value(type, depth);
    const afterThen = scope.state;
    scope.state = before;
    const otherwise = scope.nested(() => this.statements(random.below(3)));
    const falseResult = this.value(type, depth);
    scope.state.merge(afterThen);
    return { kind: 'choice', type, condition, whenTrue, trueResult, whenFalse: otherwise, falseResult };
  }

  #select(type: Type, depth: number): Expression {
    const [first, second] = [this.value(type, depth), this.value(type, depth)];
    return { kind: 'select', type, first, second, condition: this.condition() };
  }

  #tee(type: Type, depth: number): Expression {
    const { scope, random } = this;
    if (type === 'i32' && random.chance(0.5)) {
      const pointer = this.pointerValue();
      if (pointer !== undefined) {
        const local = scope.target('i32');
        scope.state.set(local, pointer.places);
        return { kind: 'tee', type, local, value: pointer.value };
      }
    }
    const value = this.value(type, depth);
    const local = scope.target(type);
    if (type === 'i32') scope.state.set(local, []);
    return { kind: 'tee', type, local, value };
  }

  #special(depth: number): Expression {
    const { random } = this;
    return random.weighted([
      [3, (): Expression => ({ kind: 'size', type: 'i32' })],
      [2, (): Expression => ({ kind: 'grow', type: 'i32', pages: i32(random.pick([0, 0, 1, 2, 100, -1])) })],
      [5, (): Expression => this.call('i32') ?? this.constant('i32')],
      [3, (): Expression => this.indirectCall() ?? this.constant('i32')],
      [3, (): Expression => this.carried(depth)],
    ] as const)();
  }

  /** A new pointer, and where it points. */
  pointerValue(): { readonly value: Expression; readonly places: readonly Place[] } | undefined {
    const { random, state } = this;
    const locals = state.pointers;
    if (locals.length > 0 && random.chance(0.5)) {
      const from = random.pick(locals);
      const reach = state.reach(state.placesOf(from), 1, false);
      const by =
        reach === undefined ? 0 : Math.min(Math.max(random.pick([-8, 4, 8, 16, 64, 256, 4096]), reach.low), reach.high);
      const value = by === 0 ? get(from) : operation('add', get(from), i32(by));
      return { value, places: moved(state.placesOf(from), by) };
    }
    const place = this.anyPlace();
    const first = this.pointerTo(place);
    if (first === undefined) return undefined;
    if (!random.chance(0.25)) return { value: first, places: [place] };
    const other = this.anyPlace();
    const second = this.pointerTo(other);
    if (second === undefined) return { value: first, places: [place] };
    const value: Expression = { kind: 'select', type: 'i32', first, second, condition: this.condition() };
    return { value, places: unite([place], [other]) };
  }

  /** A call that leaves a value of this type. */
  call(type: Type): Expression | undefined {
    const fitting = this.scope.callables.filter(({ signature }) => signature.results.join() === type);
    const callee = this.#callee(fitting);
    if (callee === undefined) return undefined;
    return { kind: 'call', type, callee: callee.name, operands: this.operandsFor(callee) };
  }

  #callee(fitting: readonly CallableFunction[]): CallableFunction | undefined {
    const callable = fitting.filter(({ isRecursive }) => !isRecursive || this.scope.depth !== undefined);
    return callable.length === 0 ? undefined : this.random.pick(callable);
  }

  /** Pointers where the callee expects some; its last parameter is the depth. */
  operandsFor({ signature, places, isRecursive }: CallableFunction): Expression[] {
    return signature.parameters.map((type, i) => {
      if (i === signature.parameters.length - 1) return this.#depth(isRecursive);
      const alternatives = (places[i] ?? []).filter(({ region }) => this.state.rightsTo(region) > 0);
      if (type !== 'i32' || alternatives.length === 0) return this.value(type, DEPTH_MAX);
      return this.pointerTo(this.random.pick(alternatives)) ?? this.value(type, DEPTH_MAX);
    });
  }

  #depth(isRecursive: boolean): Expression {
    const { depth } = this.scope;
    if (depth === undefined) return i32(this.random.between(1, 3));
    return isRecursive ? operation('sub', get(depth), i32(1)) : get(depth);
  }

  /** A call through the table, of a function (i32, i32, depth) → i32. */
  indirectCall(): Expression | undefined {
    const { random } = this;
    const fitting = this.scope.callables.filter(
      ({ signature }) => signature.parameters.join() === 'i32,i32,i32' && signature.results.join() === 'i32',
    );
    const [like] = fitting;
    // Any of them can come, recursive ones too.
    if (like === undefined || this.scope.depth === undefined) return undefined;
    const operands = this.operandsFor({ ...random.pick(fitting), isRecursive: true });
    const index = random.chance(0.97)
      ? operation('rem_u', this.value('i32', DEPTH_MAX), i32(fitting.length))
      : this.value('i32', DEPTH_MAX);
    return { kind: 'indirect', type: 'i32', signature: like.name, operands, index };
  }

  /** A loop that carries a pointer on the stack. */
  carried(depth: number): Expression {
    const { scope, random } = this;
    const first = this.pointerValue();
    const times = Math.min(random.between(1, 5), Math.max(scope.iterations, 1));
    const local = scope.newLocal('i32');
    const counter = scope.newLocal('i32');
    scope.reserved.add(counter);
    const value = first?.value ?? this.value('i32', depth);
    scope.state.set(local, first?.places ?? []);
    const before = scope.iterations;
    scope.iterations = Math.floor(before / times);
    const step = random.pick([0, 4, 8, 16]);
    const body = scope.nested(() => this.statements(random.between(1, 3)));
    const next = operation('add', get(local), i32(step));
    const condition = this.condition();
    scope.iterations = before;
    return {
      kind: 'carried',
      type: 'i32',
      label: scope.newLabel(),
      local,
      counter,
      times,
      first: value,
      body,
      next,
      condition,
    };
  }
}
