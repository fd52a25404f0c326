/** Modules that aim at the guard, with the VMAs around them and calls: all of it follows from a seed. */
import { PAGE_SIZE } from '../../core/layout.ts';
import { assemble } from './assemble.ts';
import {
  type Constant,
  type Expression,
  type FunctionCode,
  type GlobalCode,
  type ModuleCode,
  type Segment,
  type Signature,
  STACK_POINTER,
  type Statement,
} from './code.ts';
import type { FuzzCase } from './differential.ts';
import { addressIn, get, i32, operation, type Place, plus, type Region, type Rights, State } from './places.ts';
import { Random } from './random.ts';
import { type CallableFunction, type Profile, Scope } from './scope.ts';
import { StatementGenerator } from './statement-generator.ts';
import type { VmaSpec } from './vmas.ts';

/** A call of an entry. */
export interface EntryCall {
  readonly name: string;
  readonly values: readonly Constant[];
}

/** All that a case consists of; plain data. */
export interface GeneratedCase {
  readonly module: ModuleCode;
  readonly vmas: readonly VmaSpec[];
  /** The calls of each invocation. */
  readonly invocations: readonly (readonly EntryCall[])[];
  readonly memoryLimitBytes: number | undefined;
}

const LENGTHS = [0, 1, 15, 16, 60, 100, 127, 128, 129, 200, 256, 1000, 4000, 4096, 4097, 9000, 32768];
/** More may have no room in the grant tables, which have two places for each. */
const SHARED_MAX = 2;
const POINTER_SLOTS_AT = 32;
const DATA_AT = 1024;
const TAGS = [
  { parameters: ['i32' as const], results: [] },
  { parameters: [], results: [] },
];
const HOST_FUNCTIONS = ['argbuf_new', 'argbuf_free', 'argbuf_protect', 'argbuf_resize', 'argbuf_length', 'call'];

export interface GenerateOptions {
  /** Id of the first of CALLEES. */
  readonly firstCallee: number;
  /** Default: they are used. */
  readonly withoutExceptions?: boolean;
}

/** The case of this number of a seed. */
export function generateCase(seed: number, number: number, options: GenerateOptions): GeneratedCase {
  return new ModuleGenerator(new Random(seed, number), options).generate();
}

/** The same for the comparison. */
export function caseOf({ module, vmas, invocations, memoryLimitBytes }: GeneratedCase): FuzzCase {
  return {
    vmas,
    memoryLimitBytes,
    make: (addresses) => ({
      bytes: assemble(module, addresses),
      invocations: invocations.map((calls) =>
        calls.map(({ name, values }) => ({ name, values: values.map((value) => resolve(value, addresses)) })),
      ),
    }),
  };
}

function resolve(value: Constant, addresses: readonly number[]): number | bigint {
  return typeof value === 'object' ? ((addresses[value.vma] ?? 0) + value.delta) | 0 : value;
}

/** Of what is called through the table. */
const INDIRECT_SHAPE: Signature = { parameters: ['i32', 'i32', 'i32'], results: ['i32'] };
const SHAPES: readonly Signature[] = [
  INDIRECT_SHAPE,
  INDIRECT_SHAPE,
  { parameters: ['i32', 'i64', 'i32'], results: [] },
  { parameters: ['i32', 'i32'], results: ['i32', 'i32'] },
  { parameters: ['i32', 'v128', 'f64', 'i32'], results: ['i64'] },
];
const ENTRY_SHAPE: Signature = { parameters: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] };

class ModuleGenerator {
  readonly #random: Random;
  readonly #firstCallee: number;
  readonly #hasExceptions: boolean;

  constructor(random: Random, options: GenerateOptions) {
    this.#random = random;
    this.#firstCallee = options.firstCallee;
    this.#hasExceptions = options.withoutExceptions !== true;
  }

  generate(): GeneratedCase {
    const random = this.#random;
    const pages = random.pick([1, 1, 1, 1, 2, 2, 3]);
    const maximumPages = random.pick([pages, pages, pages + 1, undefined]);
    const limitPages = maximumPages ?? random.pick([pages, pages + 1, pages + 16]);
    const memoryLimitBytes = maximumPages === undefined ? limitPages * PAGE_SIZE : undefined;
    const vmas = this.#vmas();
    const passive: Segment = { place: undefined, words: [1, 2, 3, 4].map((n) => n * 0x01010101) };
    // Many small entries that go astray, or few that go on for long.
    const isProbing = random.chance(0.15);
    const profile = this.#profile(limitPages * PAGE_SIZE, vmas, isProbing);
    const segments = [...this.#segments(profile), passive];
    const full = { ...profile, passiveSegments: [segments.length - 1] };
    const { functions, table, invocations } = this.#functions(full, vmas, isProbing);
    const module: ModuleCode = {
      pages,
      maximumPages,
      imports: HOST_FUNCTIONS,
      globals: this.#globals(full),
      functions,
      table,
      segments,
      tags: this.#hasExceptions ? TAGS : [],
      legacyExceptions: random.chance(0.4),
    };
    return { module, vmas, invocations, memoryLimitBytes };
  }

  #vmas(): VmaSpec[] {
    const random = this.#random;
    const count = random.between(2, 7);
    let shared = 0;
    return Array.from({ length: count }, (): VmaSpec => {
      const isShareable = shared < SHARED_MAX;
      const kind = random.weighted([
        [10, 'own'],
        [3, 'own, to read'],
        [1, 'own, closed'],
        [isShareable ? 3 : 0, 'shared'],
        [isShareable ? 2 : 0, 'shared, to read'],
        [1, 'foreign'],
        [1, 'freed'],
      ] as const);
      if (kind.startsWith('shared')) shared += 1;
      return { kind, length: random.pick(LENGTHS) };
    });
  }

  #profile(memoryLimit: number, vmas: readonly VmaSpec[], isProbing: boolean): Profile {
    const random = this.#random;
    const home: Region = { vma: undefined, isHome: true, isOwned: true, length: memoryLimit };
    const regions = vmas.map(
      ({ kind, length }, vma): Region => ({ vma, isHome: false, isOwned: kind.startsWith('own'), length }),
    );
    const slots = regions.map((_, vma) => ({ at: POINTER_SLOTS_AT + vma * 4, vma }));
    return {
      memoryLimit,
      home,
      vmas: regions,
      wildness: isProbing ? 0.6 : random.pick([0, 0, 0.003, 0.01, 0.05]),
      staleness: random.pick([0, 0.2, 0.6]),
      permissionWeight: random.pick([0, 0.5, 1, 1, 3]),
      stackTop: random.weighted([
        [8, memoryLimit - 4096],
        [2, memoryLimit],
        [1, 600],
        [1, undefined],
      ] as const),
      pointerSlots: slots,
      firstCallee: this.#firstCallee,
      hasExceptions: this.#hasExceptions,
      passiveSegments: [],
    };
  }

  /** Addresses of the VMAs, and some bytes. */
  #segments({ pointerSlots }: Profile): Segment[] {
    const random = this.#random;
    const addresses = pointerSlots.map(({ vma }): Constant => ({ vma, delta: 0 }));
    const words = Array.from({ length: 64 }, () => (random.chance(0.5) ? random.below(256) : random.next()));
    return [
      { place: POINTER_SLOTS_AT, words: addresses },
      { place: DATA_AT, words },
    ];
  }

  /** As code.ts says: the stack pointer, the fuel, then one of each type, which the statements know by their indices. */
  #globals({ stackTop, vmas }: Profile): GlobalCode[] {
    const random = this.#random;
    const far: Constant = vmas.length > 0 ? { vma: random.below(vmas.length), delta: 64 } : random.next();
    return [
      { name: '__stack_pointer', type: 'i32', mutable: true, value: stackTop ?? random.pick([far, 0, -16, 2 ** 31]) },
      { name: 'fuel', type: 'i32', mutable: true, value: 0 },
      { name: 'pointer', type: 'i32', mutable: true, value: 2048 },
      { name: 'long', type: 'i64', mutable: true, value: BigInt(random.next()) },
      { name: 'double', type: 'f64', mutable: true, value: 0 },
      { name: 'vector', type: 'v128', mutable: true, value: BigInt(random.next()) << 64n },
    ];
  }

  #functions(
    profile: Profile,
    vmas: readonly VmaSpec[],
    isProbing: boolean,
  ): { functions: FunctionCode[]; table: string[]; invocations: EntryCall[][] } {
    const random = this.#random;
    const count = random.between(1, 4);
    const inner = Array.from({ length: count }, (_, i) => ({ name: `inner${i}`, signature: random.pick(SHAPES) }));
    const owned = profile.vmas.filter(({ isOwned }) => isOwned).map((region): Place => ({ region, low: 0, high: 0 }));
    const permission: CallableFunction = {
      name: 'permission',
      signature: INDIRECT_SHAPE,
      places: [owned],
      isRecursive: false,
    };
    const callables = inner.map(
      ({ name, signature }): CallableFunction => ({
        name,
        signature,
        places: signature.parameters.map((type, i) =>
          type === 'i32' && i < signature.parameters.length - 1 ? this.#alternatives(profile, vmas) : [],
        ),
        isRecursive: true,
      }),
    );
    const functions = [permissionFunction(this.#firstCallee)];
    for (const [i, callable] of callables.entries()) {
      const known = callables.map((other, j) => ({ ...other, isRecursive: j <= i }));
      functions.push(this.#inner(profile, vmas, callable, [permission, ...known]));
    }
    const fromOutside = callables.map((callable) => ({ ...callable, isRecursive: false }));
    const invocations: EntryCall[][] = [];
    for (let i = isProbing ? 11 : random.between(1, 2); i >= 0; i--) {
      const name = `entry${i}`;
      const places = [0, 1, 2].map(() => this.#alternatives(profile, vmas));
      const size = isProbing ? random.between(1, 2) : random.pick([6, 12, 20, 30]);
      functions.push(this.#entry(name, profile, vmas, places, [permission, ...fromOutside], size));
      const call = (): EntryCall => ({ name, values: this.#values(profile, places) });
      for (let n = random.between(1, 2); n > 0; n--)
        invocations.push(random.chance(0.15) ? [call(), call()] : [call()]);
    }
    const isIndirect = ({ signature }: FunctionCode): boolean => signature === INDIRECT_SHAPE;
    const table = [...functions.filter(isIndirect), ...functions.filter((f) => !isIndirect(f))].map(({ name }) => name);
    return { functions, table, invocations };
  }

  /** Places that a parameter can have: one or two. */
  #alternatives(profile: Profile, vmas: readonly VmaSpec[]): Place[] {
    const random = this.#random;
    const readable = profile.vmas.filter((_, i) => rightsOf(vmas[i]) > 0);
    const place = (): Place => {
      const region = readable.length === 0 || random.chance(0.45) ? profile.home : random.pick(readable);
      const room = Math.max(region.length - 64, 0);
      const at = random.weighted([
        [50, 0],
        [25, Math.min(random.below(64) * 16, room)],
        [15, room],
        [10, random.between(0, room)],
      ] as const);
      const low = region.isHome && at === 0 ? random.pick([0, 128, 4000, 4096, 8192]) : at;
      return { region, low, high: low };
    };
    const first = place();
    const second = place();
    return random.chance(0.35) && first.region !== second.region ? [first, second] : [first];
  }

  #values(profile: Profile, places: readonly (readonly Place[])[]): Constant[] {
    const random = this.#random;
    const pointers = places.map((alternatives): Constant => {
      if (random.chance(profile.wildness))
        return random.pick([0, -1, profile.memoryLimit - 4, 2 ** 31, random.next()]) | 0;
      const { region, low } = random.pick(alternatives);
      return addressIn(region, low) ?? 0;
    });
    return [...pointers, random.pick([0, 1, 2, 7, 100, -1])];
  }

  #state(profile: Profile, vmas: readonly VmaSpec[]): State {
    const rights = new Map<Region, Rights>([[profile.home, 3]]);
    for (const [i, region] of profile.vmas.entries()) rights.set(region, rightsOf(vmas[i]));
    return new State(rights);
  }

  #entry(
    name: string,
    profile: Profile,
    vmas: readonly VmaSpec[],
    places: readonly (readonly Place[])[],
    callables: readonly CallableFunction[],
    size: number,
  ): FunctionCode {
    const state = this.#state(profile, vmas);
    for (const [local, alternatives] of places.entries()) state.set(local, alternatives);
    const scope = new Scope(this.#random, profile, callables, ENTRY_SHAPE, { depth: undefined, size, state });
    const body = new StatementGenerator(scope).statements(size);
    return {
      name,
      signature: ENTRY_SHAPE,
      locals: scope.locals,
      body,
      results: [mixed(scope)],
      usesFuel: false,
      isEntry: true,
    };
  }

  #inner(
    profile: Profile,
    vmas: readonly VmaSpec[],
    { name, signature, places }: CallableFunction,
    callables: readonly CallableFunction[],
  ): FunctionCode {
    const random = this.#random;
    const state = this.#state(profile, vmas);
    for (const [local, alternatives] of places.entries()) state.set(local, alternatives);
    // Callers may have given some up.
    const known = new Set(places.flat().map(({ region }) => region));
    for (const region of profile.vmas)
      if (region.isOwned && !known.has(region) && random.chance(0.6)) state.setRights(region, 0);
    const depth = signature.parameters.length - 1;
    const size = random.pick([3, 6, 12, 18]);
    const permissionWeight = random.chance(0.6) ? 0 : profile.permissionWeight;
    const scope = new Scope(random, { ...profile, permissionWeight }, callables, signature, { depth, size, state });
    const zeros = signature.results.map((type): Expression => ({ kind: 'const', type, value: 0 }));
    const stop: Statement = {
      kind: 'if',
      condition: operation('lt_s', get(depth), i32(1)),
      whenTrue: [{ kind: 'return', values: zeros }],
      whenFalse: [],
    };
    const frame = random.chance(0.5) ? this.#frame(scope) : undefined;
    const body = new StatementGenerator(scope).statements(size);
    const results = signature.results.map((type, i): Expression => {
      if (type !== 'i32') return new StatementGenerator(scope).value(type, 2);
      return i === 0 ? mixed(scope) : get(0);
    });
    return {
      name,
      signature,
      locals: scope.locals,
      body: [stop, ...(frame?.begin ?? []), ...body, ...(frame?.end ?? [])],
      results,
      usesFuel: true,
      isEntry: false,
    };
  }

  /** Takes a frame from the stack, and gives it back, as compilers do. */
  #frame(scope: Scope): { begin: Statement[]; end: Statement[] } {
    const random = this.#random;
    const size = random.pick([16, 16, 32, 64, 256, 4096, 5000]);
    const local = scope.newLocal('i32');
    scope.reserved.add(local);
    const { stackTop, home } = scope.profile;
    if (stackTop !== undefined && stackTop > size) {
      const low = Math.max(stackTop - 4 * size, 0);
      scope.state.set(local, [{ region: home, low, high: Math.max(stackTop - size, low) }]);
    }
    scope.frames.push({ local, size });
    const top: Expression = { kind: 'global', type: 'i32', global: STACK_POINTER };
    const below = operation('sub', top, i32(size));
    const begin: Statement[] = random.chance(0.5)
      ? [{ kind: 'set global', global: STACK_POINTER, value: { kind: 'tee', type: 'i32', local, value: below } }]
      : [
          { kind: 'set', local, value: below },
          { kind: 'set global', global: STACK_POINTER, value: get(local) },
        ];
    return { begin, end: [{ kind: 'set global', global: STACK_POINTER, value: plus(get(local), size, 2) }] };
  }
}

function rightsOf(spec: VmaSpec | undefined): Rights {
  if (spec === undefined) return 0;
  if (spec.kind === 'own' || spec.kind === 'shared') return 3;
  return spec.kind === 'own, to read' || spec.kind === 'shared, to read' ? 1 : 0;
}

/** All i32 locals in one number. */
function mixed(scope: Scope): Expression {
  return scope
    .localsOf('i32')
    .slice(0, 8)
    .map(get)
    .reduce((sum, local) => operation('add', operation('rotl', sum, i32(5)), local), i32(0));
}

/** $permission (start, what, depth): changes what the function may do with an ArgBuf, behind a call. */
function permissionFunction(firstCallee: number): FunctionCode {
  const [start, what, result] = [0, 1, 3];
  const call = (callee: string, ...operands: Expression[]): Statement => ({
    kind: 'set',
    local: result,
    value: { kind: 'call', type: 'i32', callee, operands },
  });
  const choices: readonly Statement[] = [
    call('argbuf_free', get(start)),
    call('argbuf_protect', get(start), i32(1)),
    call('argbuf_protect', get(start), i32(3)),
    call('call', i32(firstCallee + 1), get(start)),
    call('argbuf_resize', get(start), i32(16)),
  ];
  return {
    name: 'permission',
    signature: INDIRECT_SHAPE,
    locals: ['i32'],
    body: choices.map((choice, i) => ({
      kind: 'if',
      condition: operation('eq', get(what), i32(i + 1)),
      whenTrue: [choice],
      whenFalse: [],
    })),
    results: [get(result)],
    usesFuel: true,
    isEntry: false,
  };
}
