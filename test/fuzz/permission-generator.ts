/** Statements that change what a function may do with an ArgBuf, or call functions that may. */
import type { Expression, Statement } from './code.ts';
import { i32, type Region, type Rights } from './places.ts';
import { ValueGenerator } from './value-generator.ts';

/** Callees of `call`, by their order in CALLEES, that leave a request with its owner, and what it may do then. */
const KEEPING: readonly { readonly callee: number; readonly rights: Rights }[] = [
  { callee: 0, rights: 3 },
  { callee: 4, rights: 1 },
  { callee: 6, rights: 3 },
];
/** Callees that do not give it back. */
const TAKING = [1, 2, 5];
/** What $permission does for which number. */
const FREE = 1;
const PROTECT = 2;
const UNPROTECT = 3;
const SINK = 4;

export abstract class PermissionGenerator extends ValueGenerator {
  ownRegion(): Region | undefined {
    const own = this.state.regions.filter((region) => region.isOwned && !region.isHome);
    return own.length === 0 ? undefined : this.random.pick(own);
  }

  keepOrDrop(value: Expression): Statement {
    const { scope } = this;
    if (this.random.chance(0.5)) return { kind: 'drop', value };
    const local = scope.target(value.type);
    scope.state.set(local, []);
    return { kind: 'set', local, value };
  }

  #host(callee: string, ...operands: Expression[]): Expression {
    return { kind: 'call', type: 'i32', callee, operands };
  }

  /** Changes what the function may do with a region, with a host function; where that cannot be, takes a new ArgBuf. */
  changePermission(region: Region | undefined): Statement[] {
    const { scope, random } = this;
    const start = region === undefined ? undefined : this.pointerTo({ region, low: 0, high: 0 });
    const rights = region === undefined ? 0 : scope.state.rightsTo(region);
    if (region === undefined || start === undefined || rights === 0) return this.newArgBuf();
    const callee = scope.profile.firstCallee + random.pick(TAKING);
    return random.weighted([
      [3, () => this.#set(region, 0, this.#host('argbuf_free', start))],
      [4, () => this.#set(region, 0, this.#behindCall(start, random.pick([FREE, SINK])))],
      [2, () => this.#protect(region, start, rights === 3 ? 1 : 3)],
      [3, () => this.#set(region, rights === 3 ? 1 : 3, this.#behindCall(start, rights === 3 ? PROTECT : UNPROTECT))],
      [1, () => this.#protect(region, start, 0)],
      [1, () => [this.keepOrDrop(this.#host('argbuf_resize', start, this.#otherLength(region)))]],
      [1, () => this.#set(region, 0, this.#host('call', i32(callee), start))],
      [2, () => this.#pass(region, start)],
      [2, () => this.#renew(region, start)],
      [1, () => this.newArgBuf()],
    ] as const)();
  }

  #otherLength(region: Region): Expression {
    return i32(Math.max(region.length - this.random.pick([0, 1, 8, 16, 64]), 0));
  }

  #set(region: Region, rights: Rights, value: Expression): Statement[] {
    this.scope.state.setRights(region, rights);
    return [this.keepOrDrop(value)];
  }

  /** The same from a function of the module, called directly or through the table. */
  #behindCall(start: Expression, what: number): Expression {
    const operands = [start, i32(what), i32(1)];
    if (this.random.chance(0.4)) return { kind: 'call', type: 'i32', callee: 'permission', operands };
    return { kind: 'indirect', type: 'i32', signature: 'permission', operands, index: i32(0) };
  }

  #protect(region: Region, start: Expression, rights: Rights): Statement[] {
    return this.#set(region, rights, this.#host('argbuf_protect', start, i32(rights)));
  }

  /** To a callee that gives it back. */
  #pass(region: Region, start: Expression): Statement[] {
    const { scope, random } = this;
    const { callee, rights } = random.pick(KEEPING);
    const local = scope.target('i32');
    scope.state.setRights(region, Math.min(rights, scope.state.rightsTo(region)) as Rights);
    scope.state.set(local, [{ region, low: 0, high: 0 }]);
    const value = this.#host('call', i32(scope.profile.firstCallee + callee), start);
    return [{ kind: 'set', local, value }];
  }

  /** Frees, and takes a new one, which may well be at the same address and of another length. */
  #renew(region: Region, start: Expression): Statement[] {
    this.scope.state.setRights(region, 0);
    const free: Statement = { kind: 'drop', value: this.#host('argbuf_free', start) };
    return [free, ...this.newArgBuf(Math.max(region.length - this.random.pick([0, 1, 8, 20]), 0))];
  }

  newArgBuf(like?: number): Statement[] {
    const { scope, random } = this;
    const length = like ?? random.pick([0, 1, 16, 100, 127, 128, 129, 1000, 4095, 4096]);
    const region: Region = { vma: undefined, isHome: false, isOwned: true, length };
    const local = scope.target('i32');
    scope.state.setRights(region, 3);
    scope.state.set(local, [{ region, low: 0, high: 0 }]);
    return [{ kind: 'set', local, value: this.#host('argbuf_new', i32(length)) }];
  }

  /** In one arm only. */
  changePermissionMaybe(region: Region | undefined): Statement[] {
    const { scope } = this;
    const condition = this.condition();
    const before = scope.state.clone();
    const whenTrue = scope.nested(() => this.changePermission(region));
    scope.state.merge(before);
    return [{ kind: 'if', condition, whenTrue, whenFalse: [] }];
  }

  callStatement(): Statement[] {
    const { scope, random } = this;
    const callee = scope.callables.length === 0 ? undefined : random.pick(scope.callables);
    if (callee === undefined || (callee.isRecursive && scope.depth === undefined)) return [];
    const operands = this.operandsFor(callee);
    const { results } = callee.signature;
    if (results.length === 0) return [{ kind: 'do', callee: callee.name, operands }];
    if (results.length === 2) {
      const locals: [number, number] = [scope.target('i32'), scope.target('i32')];
      for (const local of locals) scope.state.set(local, []);
      return [{ kind: 'set both', callee: callee.name, operands, locals }];
    }
    const [type = 'i32'] = results;
    return [this.keepOrDrop({ kind: 'call', type, callee: callee.name, operands })];
  }

  grow(): Statement[] {
    return [this.keepOrDrop({ kind: 'grow', type: 'i32', pages: i32(this.random.pick([0, 1, 1, 2, 70000])) })];
  }
}
