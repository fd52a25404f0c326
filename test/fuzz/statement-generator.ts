/** Statements of all kinds, and the control flow around them. */
import type { Expression, LoopShape, Statement } from './code.ts';
import { get, i32, operation, type Place, plus } from './places.ts';
import { RowGenerator } from './row-generator.ts';
import { ITERATIONS_MAX } from './scope.ts';

const NESTING_MAX = 5;

export class StatementGenerator extends RowGenerator {
  statements(count: number): Statement[] {
    const made: Statement[] = [];
    for (let i = 0; i < count && this.scope.left > 0; i++) {
      if (this.state.isDead && !this.random.chance(0.2)) break;
      this.scope.left -= 1;
      made.push(...this.#one());
    }
    return made;
  }

  #one(): Statement[] {
    const { random, scope } = this;
    const isFlat = scope.nesting >= NESTING_MAX;
    const nested = isFlat ? 0 : 1;
    const { permissionWeight, hasExceptions } = scope.profile;
    return random.weighted([
      [36, () => this.row()],
      [14, () => [this.store()]],
      [12, () => [this.setValue()]],
      [12, () => this.setPointer()],
      [8 * nested, () => [this.#if()]],
      [6 * nested, () => [this.#group()]],
      [scope.iterations > 1 ? 9 * nested : 0, () => this.#loop()],
      [2 * nested, () => [this.#branchTable()]],
      [hasExceptions ? 3 * nested : 0, () => [this.#try()]],
      [5, () => this.callStatement()],
      [
        6 * permissionWeight * (scope.iterations < ITERATIONS_MAX ? 0.3 : 1),
        () => this.changePermission(this.ownRegion()),
      ],
      [4 + 20 * scope.profile.wildness, () => this.#bulk()],
      [3, () => this.#setGlobal()],
      [2, () => this.grow()],
      [1.5 * nested, () => [this.keepOrDrop(this.carried(1))]],
      [scope.labels.length > 0 ? 3 : 0, () => this.#branch()],
      [0.4, () => this.#end()],
    ] as const)();
  }

  #if(): Statement {
    const { scope, random } = this;
    const condition = this.condition();
    const before = scope.state.clone();
    const whenTrue = scope.nested(() => this.statements(random.between(1, 3)));
    const afterThen = scope.state;
    scope.state = before;
    const otherwise = random.chance(0.5) ? scope.nested(() => this.statements(random.between(1, 3))) : [];
    scope.state.merge(afterThen);
    return { kind: 'if', condition, whenTrue, whenFalse: otherwise };
  }

  #group(): Statement {
    const { scope, random } = this;
    const label = scope.newLabel();
    const body = scope.inside(label, () => {
      const first = this.statements(random.between(1, 2));
      if (scope.state.isDead || !random.chance(0.7)) return first;
      const condition = this.condition();
      const target = scope.branchTarget() ?? label;
      return [
        ...first,
        { kind: 'branch' as const, label: target, condition },
        ...this.statements(random.between(1, 3)),
      ];
    });
    return { kind: 'group', label, body };
  }

  #branch(): Statement[] {
    const { scope, random } = this;
    const condition = random.chance(0.7) ? this.condition() : undefined;
    const label = scope.branchTarget();
    if (label === undefined) return [];
    if (condition === undefined) scope.state.isDead = true;
    return [{ kind: 'branch', label, condition }];
  }

  #branchTable(): Statement {
    const { scope, random } = this;
    const labels = [scope.newLabel(), scope.newLabel()];
    const [outer = 0, inner = 0] = labels;
    const body = scope.inside(outer, (): Statement[] => {
      const innerBody = scope.inside(inner, (): Statement[] => {
        const first = this.statements(random.below(3));
        const index = operation('and', this.value('i32', 2), i32(3));
        const targets = Array.from({ length: random.between(2, 4) }, () => scope.branchTarget() ?? inner);
        return [...first, { kind: 'branch table', labels: targets, index }];
      });
      return [{ kind: 'group', label: inner, body: innerBody }, ...this.statements(random.between(1, 2))];
    });
    return { kind: 'group', label: outer, body };
  }

  #try(): Statement {
    const { scope, random } = this;
    const label = scope.newLabel();
    const before = scope.state.clone();
    const wasCaught = scope.isCaught;
    scope.isCaught = true;
    const tag = random.pick([0, 0, 1, undefined, undefined]);
    const body = scope.inside(label, () => {
      const made = this.statements(random.between(1, 3));
      const condition = this.condition();
      made.push({ kind: 'if', condition, whenTrue: [this.throwing(tag)], whenFalse: [] });
      return [...made, ...this.statements(random.below(2))];
    });
    scope.isCaught = wasCaught;
    const after = scope.state.clone();
    scope.state.merge(before);
    const payload = scope.target('i32');
    scope.state.set(payload, []);
    const caught = scope.nested(() => this.statements(random.between(1, 2)));
    scope.state.merge(after);
    return { kind: 'try', label, tag, payload, body, caught };
  }

  #bulk(): Statement[] {
    const { random, scope } = this;
    const { wildness, memoryLimit } = scope.profile;
    const isWild = random.chance(Math.max(wildness, 0.02));
    const lengths = [0, 1, 7, 16, 60, 100, 256, 600];
    const length = random.pick(isWild ? [...lengths, 4097, 5000, 70_000, memoryLimit, 2 ** 31, -1] : lengths);
    const size = isWild ? 1 : Math.max(length, 1);
    const pointer = (write: boolean): Expression => {
      const { pointer: at, offset } = this.target(size, write, false);
      return plus(at, offset, 2);
    };
    const dynamic = random.chance(0.3) ? operation('and', this.value('i32', 2), i32(length)) : i32(length);
    const { passiveSegments } = scope.profile;
    return random.weighted([
      [4, (): Statement[] => [{ kind: 'copy', to: pointer(true), from: pointer(false), length: dynamic }]],
      [4, (): Statement[] => [{ kind: 'fill', to: pointer(true), from: this.value('i32', 2), length: dynamic }]],
      [passiveSegments.length > 0 ? 2 : 0, (): Statement[] => this.#init()],
    ] as const)();
  }

  #init(): Statement[] {
    const { random, scope } = this;
    const segment = random.pick(scope.profile.passiveSegments);
    const isForgotten = random.chance(0.25);
    const forget: Statement[] = isForgotten ? [{ kind: 'forget segment', segment }] : [];
    if (isForgotten && random.chance(0.5)) return forget;
    const { pointer, offset } = this.target(16, true, false);
    const length = i32(random.pick([0, 1, 8, 15, 16, 17]));
    const from = i32(random.pick([0, 0, 1, 16]));
    return [...forget, { kind: 'init', segment, to: plus(pointer, offset, 2), from, length }];
  }

  #setGlobal(): Statement[] {
    const { random } = this;
    const [global, type] = random.pick([
      [2, 'i32'],
      [3, 'i64'],
      [4, 'f64'],
      [5, 'v128'],
    ] as const);
    if (type === 'i32' && random.chance(0.3)) {
      const local = this.scope.target('i32');
      this.scope.state.set(local, []);
      return [{ kind: 'set', local, value: { kind: 'global', type, global } }];
    }
    return [{ kind: 'set global', global, value: this.value(type, 1) }];
  }

  #end(): Statement[] {
    const { random, scope } = this;
    const zero = (): Expression[] => scope.results.map((type) => ({ kind: 'const', type, value: 0 }));
    if (scope.isCaught && random.chance(0.6)) {
      scope.state.isDead = true;
      return [this.throwing(undefined)];
    }
    const tail = scope.callables.filter(({ signature }) => signature.results.join() === scope.results.join());
    scope.state.isDead = true;
    if (tail.length > 0 && scope.depth !== undefined && random.chance(0.5)) {
      const callee = random.pick(tail);
      return [{ kind: 'tail call', callee: callee.name, operands: this.operandsFor({ ...callee, isRecursive: true }) }];
    }
    if (random.chance(0.1)) return [{ kind: 'unreachable' }];
    return [{ kind: 'return', values: zero() }];
  }

  #loop(): Statement[] {
    const { random, scope } = this;
    const shape = random.pick<LoopShape>(['until', 'until', 'while', 'while', 'for', 'down', 'equal']);
    const times = random.between(shape === 'while' || shape === 'for' ? 0 : 1, Math.min(8, scope.iterations));
    const isPointer = shape !== 'down' && random.chance(0.6);
    return isPointer ? this.#pointerLoop(shape, times) : this.#countedLoop(shape, times);
  }

  /** Counts, and may use the counter as an index. */
  #countedLoop(shape: LoopShape, times: number): Statement[] {
    const { random, scope } = this;
    const counter = this.newCounter();
    const step = random.pick([1, 1, 1, 4, 8]);
    const indexed = random.chance(0.6) ? this.#indexed(counter, step * times, shape) : undefined;
    const body = this.#loopBody(counter, step, times, shape, indexed === undefined ? [] : indexed.body, true);
    const before = indexed?.before ?? [];
    const loop: Statement = {
      kind: 'loop',
      label: scope.newLabel(),
      shape,
      counter,
      from: i32(0),
      step,
      times,
      limit: undefined,
      body: body.statements,
    };
    if (body.label !== undefined) loop.label = body.label;
    return [...before, loop];
  }

  /** An access at a pointer and the counter, for which there is room in the pointer's region. */
  #indexed(counter: number, span: number, shape: LoopShape): { before: Statement[]; body: Statement[] } | undefined {
    const { random, scope } = this;
    const write = random.chance(0.6);
    const size = random.pick([1, 4, 8]);
    // A counter that goes down begins with the span.
    const pointer = this.usable(span + (shape === 'down' || shape === 'for' ? size : 0) + size, write, false);
    if (pointer === undefined) return undefined;
    const form = write ? this.storeForm() : undefined;
    const address = operation('add', get(pointer), get(counter));
    if (form === undefined || form.sizeBytes > size || form.operands.length !== 1) {
      const local = scope.target('i32');
      scope.state.set(local, []);
      const load: Expression = { ...this.loadPointer(0), kind: 'access', pointer: address, alignment: 0 } as Expression;
      return size < 4 ? undefined : { before: [], body: [{ kind: 'set', local, value: load }] };
    }
    if (form.atomic) return undefined;
    const operands = form.operands.map((type) => this.value(type, 2));
    const alignment = random.between(0, Math.log2(form.sizeBytes));
    const lane = form.lane ? random.below(16 / form.sizeBytes) : 0;
    return { before: [], body: [{ kind: 'store', form, pointer: address, offset: 0, alignment, lane, operands }] };
  }

  /** The counter is a pointer. */
  #pointerLoop(shape: LoopShape, times: number): Statement[] {
    const { random, scope } = this;
    const step = random.pick([1, 4, 8, 16, 20, 256]);
    const isAstray = random.chance(Math.max(scope.profile.wildness, 0.02));
    const place = isAstray ? undefined : this.#roomFor(step * times + 16);
    const from = isAstray ? this.#anywhere() : place === undefined ? undefined : this.pointerTo(place);
    if (from === undefined) return this.#countedLoop(shape, times);
    const counter = this.newCounter();
    const limit = this.newCounter();
    if (place !== undefined) scope.state.set(counter, [{ ...place, high: place.high + step * times }]);
    const first = [random.chance(0.6) ? this.store(counter) : this.setValue(counter)];
    if (random.chance(0.08 * scope.profile.permissionWeight)) first.push(...this.changePermissionMaybe(place?.region));
    const body = this.#loopBody(counter, step, times, shape, first, !isAstray);
    const label = body.label ?? scope.newLabel();
    return [{ kind: 'loop', label, shape, counter, from, step, times, limit, body: body.statements }];
  }

  #anywhere(): Expression {
    const { pointer, offset } = this.astray(4);
    return plus(pointer, offset | 0, 2);
  }

  /** A place behind which there is so much room. Now and then there is a little less. */
  #roomFor(span: number): Place | undefined {
    const { random, scope } = this;
    const regions = scope.state.regions.filter((region) => scope.state.rightsTo(region) === 3 && region.length >= span);
    if (regions.length === 0) return undefined;
    const region = random.pick(regions);
    const room = region.length - span;
    const at = random.chance(0.3) ? room : random.between(0, Math.min(room, 4096));
    const low = random.chance(Math.max(scope.profile.wildness, 0.04)) ? at + 17 + random.below(24) : at;
    return { region, low, high: low };
  }

  #loopBody(
    counter: number,
    step: number,
    times: number,
    shape: LoopShape,
    first: readonly Statement[],
    mayGrow: boolean,
  ): { readonly label: number | undefined; readonly statements: Statement[] } {
    const { random, scope } = this;
    const before = scope.iterations;
    scope.iterations = Math.floor(before / Math.max(times, 1));
    const entry = scope.state.clone();
    // A branch to the head of the other shapes would go round without a step.
    const label = shape === 'for' ? scope.newLabel() : undefined;
    if (label !== undefined) scope.labels.push({ label, leaving: undefined });
    // Not where the counter can pass the end of the addresses: it would go round for long.
    const grows = mayGrow && (shape === 'until' || shape === 'while' || shape === 'for') && random.chance(0.15);
    const statements = scope.nested(() => [...first, ...this.statements(random.between(0, 3))]);
    if (grows) {
      const whenTrue: Statement[] = [{ kind: 'set', local: counter, value: operation('add', get(counter), i32(step)) }];
      statements.push({ kind: 'if', condition: this.condition(), whenTrue, whenFalse: [] });
    }
    if (label !== undefined) scope.labels.pop();
    statements.push(...this.restored(entry));
    scope.state.merge(entry);
    scope.state.isDead = false;
    scope.iterations = before;
    return { label, statements };
  }
}
