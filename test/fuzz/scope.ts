/** What the generator keeps while it makes one function: its locals, what is known of pointers, what can be branched to. */
import type { FunctionCode, Type } from './code.ts';
import type { Place, Region, State } from './places.ts';
import type { Random } from './random.ts';

/** How a module is made; chosen once for each. */
export interface Profile {
  readonly memoryLimit: number;
  readonly home: Region;
  /** Regions of the case's VMAs, by their numbers. */
  readonly vmas: readonly Region[];
  /** How often an access goes where it likes. */
  readonly wildness: number;
  /** How often a pointer is used whose region may be gone. */
  readonly staleness: number;
  /** Weight of what changes permissions. */
  readonly permissionWeight: number;
  /** Where the stack pointer begins; undefined when that is nowhere to be. */
  readonly stackTop: number | undefined;
  /** Places in the home that have addresses of VMAs, and of which. */
  readonly pointerSlots: readonly { readonly at: number; readonly vma: number }[];
  readonly firstCallee: number;
  readonly hasExceptions: boolean;
  readonly passiveSegments: readonly number[];
}

/** A function that the one at work can call. */
export interface CallableFunction {
  readonly name: string;
  readonly signature: FunctionCode['signature'];
  /** Places that each of its parameters can have, where it is a pointer. */
  readonly places: readonly (readonly Place[])[];
  /** Whether it can come back to the function at work: then it is called only while `depth` lasts. */
  readonly isRecursive: boolean;
}

/** A part of the stack that the function has: a local that points to it, and its size. */
export interface Frame {
  readonly local: number;
  readonly size: number;
}

const LABELS_MAX = 8;
/** Of all loops of a function together, one inside the other. */
export const ITERATIONS_MAX = 48;

export class Scope {
  readonly random: Random;
  readonly profile: Profile;
  readonly callables: readonly CallableFunction[];
  readonly parameters: readonly Type[];
  readonly results: readonly Type[];
  /** The parameter that counts how deep calls may still go. */
  readonly depth: number | undefined;
  readonly locals: Type[] = [];
  state: State;
  /** Labels that can be branched to without a value, innermost last, with what is known where they are left. */
  readonly labels: { readonly label: number; readonly leaving: State[] | undefined }[] = [];
  /** Labels that need a value of this type. */
  readonly valueLabels: { readonly label: number; readonly type: Type }[] = [];
  /** Locals that only loops change. */
  readonly reserved = new Set<number>();
  /** Counters that a body may make larger, with the step. */
  readonly growing: { readonly local: number; readonly step: number }[] = [];
  readonly frames: Frame[] = [];
  /** How many iterations a loop here may have. */
  iterations: number = ITERATIONS_MAX;
  /** How many statements are left to be made. */
  left: number;
  nesting = 0;
  /** Whether exceptions that are thrown here are caught. */
  isCaught = false;
  #labelCount = 0;

  constructor(
    random: Random,
    profile: Profile,
    callables: readonly CallableFunction[],
    signature: FunctionCode['signature'],
    options: { readonly depth: number | undefined; readonly size: number; readonly state: State },
  ) {
    this.random = random;
    this.profile = profile;
    this.callables = callables;
    this.parameters = signature.parameters;
    this.results = signature.results;
    this.depth = options.depth;
    this.left = options.size;
    this.state = options.state;
    if (options.depth !== undefined) this.reserved.add(options.depth);
  }

  newLabel(): number {
    this.#labelCount += 1;
    return this.#labelCount;
  }

  newLocal(type: Type): number {
    return this.parameters.length + this.locals.push(type) - 1;
  }

  /** Locals of a type that may be set. */
  settable(type: Type): number[] {
    return this.localsOf(type).filter((local) => !this.reserved.has(local));
  }

  localsOf(type: Type): number[] {
    const all = [...this.parameters, ...this.locals];
    return [...all.keys()].filter((local) => all[local] === type);
  }

  /** A local of a type to be set: one that is there, or a new one. */
  target(type: Type): number {
    const there = this.settable(type);
    const enough = type === 'i32' ? 9 : 3;
    const isReused = there.length >= enough || (there.length > 0 && this.random.chance(0.5));
    return isReused ? this.random.pick(there) : this.newLocal(type);
  }

  /** Makes something inside a block that can be left by a branch, and merges what is known at the branches. */
  inside<T>(label: number, make: () => T): T {
    const leaving: State[] = [];
    this.labels.push({ label, leaving });
    const made = this.nested(make);
    this.labels.pop();
    for (const state of leaving) this.state.merge(state);
    return made;
  }

  nested<T>(make: () => T): T {
    this.nesting += 1;
    const made = make();
    this.nesting -= 1;
    return made;
  }

  /** A label to branch to. What is known here is known there too. */
  branchTarget(): number | undefined {
    const near = this.labels.slice(-LABELS_MAX);
    if (near.length === 0) return undefined;
    const target = this.random.pick(near);
    target.leaving?.push(this.state.clone());
    return target.label;
  }
}
