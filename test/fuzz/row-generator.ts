/**
 * Rows: accesses through one local at the same few offsets, and between them everything after which an earlier check says
 * nothing any more: assignments in one arm, in a loop, around a branch, before an exception; calls that take permissions away.
 * A guard that keeps what it has translated goes wrong here first.
 */
import { MEMORY_FORMS, type MemoryForm } from '../memory-forms.ts';
import type { Access, Expression, Statement, Type } from './code.ts';
import { PermissionGenerator } from './permission-generator.ts';
import { get, i32, moved, operation, plus } from './places.ts';
import { resultType } from './value-generator.ts';

/** What the accesses of a row share. */
interface Row {
  readonly pointer: number;
  readonly probes: readonly Probe[];
}

interface Probe {
  readonly offset: number;
  readonly size: number;
}

const TOUCHES = MEMORY_FORMS.filter(({ name }) => /^(i32\.(load(8_u)?|store8?)|(i64|v128)\.(load|store))$/.test(name));

export abstract class RowGenerator extends PermissionGenerator {
  row(): Statement[] {
    const { random } = this;
    const made: Statement[] = [];
    let pointer = this.usable(1, random.chance(0.5), false);
    if (pointer === undefined || random.chance(0.4)) {
      made.push(...this.setPointer());
      pointer = this.usable(1, false, false);
    }
    if (pointer === undefined) return made;
    const row = { pointer, probes: this.#probes(pointer) };
    for (let i = random.between(3, 7); i > 0 && !this.state.isDead; i--) {
      if (random.chance(0.5)) made.push(...this.#touch(row));
      else made.push(...this.#disturb(row));
    }
    return made;
  }

  setPointer(): Statement[] {
    const { scope } = this;
    const pointer = this.pointerValue();
    if (pointer === undefined) return [];
    const local = scope.target('i32');
    scope.state.set(local, pointer.places);
    return [{ kind: 'set', local, value: pointer.value }];
  }

  /** One to three offsets that are near each other, and allowed where the row begins. */
  #probes(pointer: number): Probe[] {
    const { random, state } = this;
    const reach = state.reach(state.placesOf(pointer), 8, false) ?? { low: 0, high: 32 };
    const high = Math.max(reach.high, 0);
    const first = random.weighted([
      [6, Math.min(random.below(8) * 4, high)],
      [2, high],
      [1, Math.min(random.below(5000), high)],
    ] as const);
    const other = (): Probe => ({
      offset: Math.max(Math.min(first + random.pick([-8, -4, -1, 0, 1, 4, 8, 12, 16]), high), 0),
      size: random.pick([1, 4, 8, 16]),
    });
    return [{ offset: first, size: random.pick([1, 4, 8]) }, ...Array.from({ length: random.below(3) }, other)];
  }

  /** An access of the row; now and then one that goes somewhere else, or, where it may be refused, none. */
  #touch(row: Row, isForced = false): Statement[] {
    const { random, scope } = this;
    const { pointer } = row;
    const places = scope.state.placesOf(pointer);
    const { offset, size } = random.pick(row.probes);
    const mayWrite = scope.state.reach(places, size, true);
    const mayRead = scope.state.reach(places, size, false);
    const isInside = (mayRead?.low ?? 1) <= offset && offset <= (mayRead?.high ?? 0);
    if (!isInside && !isForced && !random.chance(scope.profile.staleness)) {
      return mayRead === undefined || random.chance(0.5) ? [] : [this.setValue(pointer)];
    }
    const write = mayWrite === undefined ? random.chance(scope.profile.wildness) : random.chance(0.5);
    const forms = TOUCHES.filter((form) => form.sizeBytes === size && (form.access === 'write') === write);
    const form = random.chance(0.8) ? random.pick(forms) : this.formLike(size, write);
    return [this.#accessAt(form, get(pointer), offset)];
  }

  /** An access with simple operands, at a pointer as it is. */
  #accessAt(form: MemoryForm, pointer: Expression, offset: number): Statement {
    const { random, scope } = this;
    const access: Access = {
      form,
      pointer,
      offset,
      alignment: form.atomic ? Math.log2(form.sizeBytes) : 0,
      lane: form.lane ? random.below(16 / form.sizeBytes) : 0,
      operands: form.operands.map((type) => this.#simple(type)),
    };
    const type = resultType(form);
    if (type === undefined) return { kind: 'store', ...access };
    const local = scope.target(type);
    // The pointer of the row stays one.
    if (scope.state.placesOf(local).length > 0) return { kind: 'drop', value: { kind: 'access', type, ...access } };
    return { kind: 'set', local, value: { kind: 'access', type, ...access } };
  }

  #simple(type: Type): Expression {
    return this.value(type, this.random.chance(0.8) ? 3 : 1);
  }

  /** Something after which what is known of the row's pointer may be wrong. */
  #disturb(row: Row): Statement[] {
    const { random, scope } = this;
    const { pointer } = row;
    const region = scope.state.placesOf(pointer)[0]?.region;
    const isFree = !scope.reserved.has(pointer);
    const isOwn = region?.isOwned === true && !region.isHome;
    const { permissionWeight, hasExceptions } = scope.profile;
    const isFlat = scope.nesting >= 5;
    return random.weighted([
      [4, () => [this.#skipped(row)]],
      [3, () => [this.#arms(row)]],
      [isFree ? 3 : 0, () => [this.#moveInArm(row)]],
      [isFree ? 3 : 0, () => [this.move(pointer)]],
      [isFree ? 2 : 0, () => this.#setTo(pointer)],
      [isFree ? 2 : 0, () => [this.#moveAround(row)]],
      [isFree ? 2 : 0, () => this.#moveByTee(row)],
      [isFree && !isFlat && scope.iterations > 1 ? 3 : 0, () => [this.#inLoop(row)]],
      [hasExceptions ? 2 : 0, () => [this.#inTry(row)]],
      [1, () => this.#renamed(row)],
      [isOwn ? 5 * permissionWeight : 0, () => this.#permissionBetween(row)],
      [isOwn ? 2 * permissionWeight : 0, () => this.changePermissionMaybe(region)],
      [2, () => this.callStatement()],
      [isFlat ? 0 : 1, () => this.statements(1)],
      [1, () => this.grow()],
      [1, () => [this.#inValue(row)]],
      [isFlat ? 0 : 2, () => this.#inOperand(row)],
    ] as const)();
  }

  /** The same access before and after something that may take the permission away. */
  #permissionBetween(row: Row): Statement[] {
    const { random, scope } = this;
    const region = scope.state.placesOf(row.pointer)[0]?.region;
    const probe = random.pick(row.probes);
    const only = { ...row, probes: [probe] };
    const first = random.chance(0.5) ? this.#touch(only) : [];
    const isForced = scope.profile.staleness > 0 && random.chance(0.35);
    return [...first, ...this.changePermission(region), ...(isForced ? this.#touch(only, true) : [])];
  }

  /** By how much a pointer can move and still be in its region. */
  #by(pointer: number): number {
    const { state } = this;
    const by = this.random.pick([-16, -4, 4, 8, 12, 16, 32, 64, 128, 256, 4096]);
    const reach = state.reach(state.placesOf(pointer), 16, false);
    return reach === undefined ? by : Math.min(Math.max(by, reach.low), reach.high);
  }

  move(pointer: number, by: number = this.#by(pointer)): Statement {
    const { scope } = this;
    scope.state.set(pointer, moved(scope.state.placesOf(pointer), by));
    return { kind: 'set', local: pointer, value: plus(get(pointer), by, this.random.below(3)) };
  }

  #setTo(pointer: number): Statement[] {
    const { scope } = this;
    const to = this.pointerValue();
    if (to === undefined) return [];
    scope.state.set(pointer, to.places);
    return [{ kind: 'set', local: pointer, value: to.value }];
  }

  /** An access that a branch may leave out. */
  #skipped(row: Row): Statement {
    const { scope, random } = this;
    const label = scope.newLabel();
    const body = scope.inside(label, (): Statement[] => {
      const condition = this.condition();
      const target = random.chance(0.8) ? label : (scope.branchTarget() ?? label);
      return [{ kind: 'branch', label: target, condition }, ...this.#touch(row)];
    });
    return { kind: 'group', label, body };
  }

  /** One access in each arm, or in one of them. */
  #arms(row: Row): Statement {
    const { random, scope } = this;
    const condition = this.condition();
    const whenTrue = this.#touch(row);
    const otherwise = random.chance(0.7) ? this.#touch(row) : [];
    if (!random.chance(0.3) || scope.reserved.has(row.pointer))
      return { kind: 'if', condition, whenTrue, whenFalse: otherwise };
    const before = scope.state.clone();
    const more = [...this.#setTo(row.pointer), ...this.#touch(row)];
    scope.state.merge(before);
    return { kind: 'if', condition, whenTrue: [...whenTrue, ...more], whenFalse: otherwise };
  }

  #moveInArm(row: Row): Statement {
    const { scope, random } = this;
    const condition = this.condition();
    const before = scope.state.clone();
    const whenTrue = random.chance(0.7) ? [this.move(row.pointer)] : this.#setTo(row.pointer);
    if (random.chance(0.4)) whenTrue.push(...this.#touch(row));
    scope.state.merge(before);
    return random.chance(0.3)
      ? { kind: 'if', condition, whenTrue: random.chance(0.5) ? this.#touch(row) : [], whenFalse: whenTrue }
      : { kind: 'if', condition, whenTrue, whenFalse: [] };
  }

  /** In a block that a branch may leave before. */
  #moveAround(row: Row): Statement {
    const { scope, random } = this;
    const label = scope.newLabel();
    const body = scope.inside(label, (): Statement[] => {
      const first = random.chance(0.5) ? this.#touch(row) : [];
      const condition = this.condition();
      const target = scope.branchTarget() ?? label;
      const rest = [...this.#setTo(row.pointer), ...(random.chance(0.5) ? this.#touch(row) : [])];
      return [...first, { kind: 'branch', label: target, condition }, ...rest];
    });
    return { kind: 'group', label, body };
  }

  /** Where another access evaluates its pointer. */
  #moveByTee(row: Row): Statement[] {
    const { scope, random } = this;
    const { pointer } = row;
    const by = this.#by(pointer);
    scope.state.set(pointer, moved(scope.state.placesOf(pointer), by));
    const value: Expression = { kind: 'tee', type: 'i32', local: pointer, value: plus(get(pointer), by, 2) };
    const isWritable = scope.state.reach(scope.state.placesOf(pointer), 4, true) !== undefined;
    const isReadable = scope.state.reach(scope.state.placesOf(pointer), 4, false) !== undefined;
    if (!isReadable || random.chance(0.4)) {
      const other = scope.target('i32');
      if (other === pointer) return [{ kind: 'drop', value }];
      scope.state.set(other, scope.state.placesOf(pointer));
      return [{ kind: 'set', local: other, value }];
    }
    return [this.#accessAt(this.formLike(4, isWritable && random.chance(0.5)), value, 0)];
  }

  /** Moved at the end of a loop, or now and then inside. */
  #inLoop(row: Row): Statement {
    const { scope, random } = this;
    const { pointer } = row;
    const counter = this.newCounter();
    const times = random.between(1, Math.min(3, scope.iterations));
    const step = random.pick([4, 8, 16]);
    const reach = scope.state.reach(scope.state.placesOf(pointer), 16, false);
    const hasRoom = reach !== undefined && reach.high >= step * times;
    const before = scope.iterations;
    scope.iterations = Math.floor(before / times);
    const entry = scope.state.clone();
    const first = this.#touch(row);
    const middle = random.weighted([
      [3, (): Statement[] => []],
      [2, () => [this.#skipped(row)]],
      [1, () => this.callStatement()],
      [scope.profile.permissionWeight, () => this.changePermissionMaybe(scope.state.placesOf(pointer)[0]?.region)],
    ] as const)();
    const last = hasRoom ? [this.move(pointer, step)] : this.#setTo(pointer);
    if (random.chance(0.3)) last.push(...this.#touch(row));
    const restored = hasRoom ? [] : this.restored(entry);
    scope.iterations = before;
    if (hasRoom) {
      const places = entry.placesOf(pointer).map((place) => ({ ...place, high: place.high + step * times }));
      scope.state.set(pointer, places);
    }
    const body = [...first, ...middle, ...last, ...restored];
    const shape = random.pick(['until', 'while', 'down', 'equal'] as const);
    const label = scope.newLabel();
    return { kind: 'loop', label, shape, counter, from: i32(0), step: 1, times, limit: undefined, body };
  }

  newCounter(): number {
    const counter = this.scope.newLocal('i32');
    this.scope.reserved.add(counter);
    return counter;
  }

  /** Before an exception and after it. */
  #inTry(row: Row): Statement {
    const { scope, random } = this;
    const before = scope.state.clone();
    const wasCaught = scope.isCaught;
    scope.isCaught = true;
    const tag = random.pick([0, 0, 1, undefined, undefined]);
    const isFree = !scope.reserved.has(row.pointer);
    const condition = this.condition();
    const body: Statement[] = [
      ...(random.chance(0.4) ? this.#touch(row) : []),
      ...(isFree && random.chance(0.7) ? this.#setTo(row.pointer) : []),
      { kind: 'if', condition, whenTrue: [this.throwing(tag)], whenFalse: [] },
      ...(random.chance(0.3) ? this.callStatement() : []),
      ...this.#touch(row),
    ];
    scope.isCaught = wasCaught;
    const after = scope.state.clone();
    scope.state.merge(before);
    const payload = this.newCounter();
    const caught = random.chance(0.7) ? this.#touch(row) : [];
    scope.state.merge(after);
    return { kind: 'try', label: scope.newLabel(), tag, payload, body, caught };
  }

  /** Mostly what the innermost `try` catches. */
  throwing(caught: number | undefined): Statement {
    const { random } = this;
    const tag = caught === undefined || random.chance(0.1) ? random.below(2) : caught;
    return { kind: 'throw', tag, values: tag === 0 ? [this.value('i32', 2)] : [] };
  }

  /** The pointer under another name, before it moves. */
  #renamed(row: Row): Statement[] {
    const { scope } = this;
    const other = scope.target('i32');
    if (other === row.pointer) return [];
    scope.state.set(other, scope.state.placesOf(row.pointer));
    const copy: Statement = { kind: 'set', local: other, value: get(row.pointer) };
    const first = this.#touch({ ...row, pointer: other });
    const change = scope.reserved.has(row.pointer) ? [] : [this.move(row.pointer)];
    return [copy, ...first, ...change, ...this.#touch({ ...row, pointer: other })];
  }

  /** Inside of an expression, which a branch may leave before. */
  #inValue(row: Row): Statement {
    const { scope } = this;
    const label = scope.newLabel();
    const condition = this.condition();
    const before = scope.state.clone();
    const leave: Expression = { kind: 'leave if', type: 'i32', label, value: get(row.pointer), condition };
    const body: Statement[] = [{ kind: 'drop', value: leave }];
    scope.nested(() => {
      if (!scope.reserved.has(row.pointer)) body.push(...this.#setTo(row.pointer));
      body.push(...this.#touch(row));
    });
    scope.state.merge(before);
    const result = operation('add', get(row.pointer), i32(0));
    return { kind: 'drop', value: { kind: 'block', type: 'i32', label, body, result } };
  }

  /** In the value of a store through the same pointer, which was evaluated before. */
  #inOperand(row: Row): Statement[] {
    const { scope, random } = this;
    const { offset, size } = random.pick(row.probes);
    const reach = scope.state.reach(scope.state.placesOf(row.pointer), size, true);
    if (reach === undefined || offset < reach.low || offset > reach.high) return [];
    const form = this.formLike(size, true);
    const store = this.#accessAt(form, get(row.pointer), offset);
    const [operand] = store.kind === 'store' ? store.operands : [];
    if (store.kind !== 'store' || operand === undefined) return [store];
    const label = scope.newLabel();
    scope.valueLabels.push({ label, type: operand.type });
    const body = scope.nested(() => [...this.#disturb(row), ...(random.chance(0.5) ? this.#touch(row) : [])]);
    scope.valueLabels.pop();
    store.operands[0] = { kind: 'block', type: operand.type, label, body, result: operand };
    return [store];
  }
}
