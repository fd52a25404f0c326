/** One case on both sides, and what differs. docs/internals/fuzzing.md says what may differ, and why. */
import { ACCESS_BULK, ACCESS_WRITE, RED_ZONE } from '../../core/layout.ts';
import { JordError } from '../../src/errors.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import type { ModuleExport } from '../../src/guard/types.ts';
import { isGetterName, MEMORY_EXPORT } from './getters.ts';
import { DEADLINE_MS_MAX, type GuardedRun, GuardedSide, type LoadedModule, type Sabotage } from './guarded.ts';
import type { HostCall, Model } from './model.ts';
import { type Call, callables, describeOutcome, type Outcome, trapOf, valuesOf } from './outcome.ts';
import { exportedTypes, Reference, type ReferenceModule, type ReferenceRun, TooLong } from './reference.ts';
import { initialBytes, type MappedVma, modelVmas, type VmaSpec } from './vmas.ts';

/** A module with what is around it and what is asked of it. */
export interface FuzzCase {
  readonly vmas: readonly VmaSpec[];
  readonly memoryLimitBytes: number | undefined;
  /** The module and the invocations, for VMAs at these addresses. */
  make(addresses: readonly number[]): MadeCase;
}

export interface MadeCase {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The calls of each invocation, which is one PD. */
  readonly invocations: readonly (readonly Call[])[];
}

export interface CaseCounts {
  /** Calls that returned, and that trapped, by reason. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly accesses: number;
  readonly hostCalls: number;
  /** Invocations in which the module itself was run beside its instrumented form. */
  readonly plain: number;
}

export type CaseResult =
  | { readonly kind: 'same'; readonly counts: CaseCounts }
  | { readonly kind: 'different'; readonly problems: readonly string[] }
  /** The guard refuses the module. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** It ran too long, or too deep. */
  | { readonly kind: 'given up'; readonly reason: string };

/** What does not end ends then, in a guarded module; a case takes milliseconds. */
const DEADLINE_MS = 250;
/** Larger homes take long to be looked at. */
const MEMORY_LIMIT_MAX = 2 ** 24;
/** So many equal accesses in the red zone may come before the one that was refused. */
const ALLOWED_BEFORE_MAX = 50;

export class Differential {
  readonly #guarded: GuardedSide;
  readonly #reference = new Reference();

  private constructor(guarded: GuardedSide) {
    this.#guarded = guarded;
  }

  static async open(sabotage: Sabotage = {}): Promise<Differential> {
    return new Differential(await GuardedSide.open(sabotage));
  }

  close(): Promise<void> {
    return this.#guarded.close();
  }

  /** Id of the first callee, see CALLEES. */
  get firstCallee(): number {
    return this.#guarded.firstCallee;
  }

  /** Throws an AssertionError when the tables of PrivLib are not as they should be. For between cases. */
  census(): void {
    this.#guarded.census();
  }

  run(fuzzCase: FuzzCase): CaseResult {
    const { bytes, invocations } = this.make(fuzzCase);
    let loaded: LoadedModule;
    try {
      loaded = this.#guarded.load(bytes, fuzzCase.memoryLimitBytes);
    } catch (error) {
      return isStartTrap(error) ? failedStart(bytes, error) : refusal(error);
    }
    try {
      if (loaded.guarded.layout.memoryLimit > MEMORY_LIMIT_MAX) return { kind: 'given up', reason: 'too much memory' };
      const module = this.#reference.load(bytes);
      let counts = NO_COUNTS;
      for (const calls of invocations) {
        const result = this.#invoke({ bytes, module, loaded, specs: fuzzCase.vmas }, calls);
        if (result.kind !== 'same') return result;
        counts = addCounts(counts, result.counts);
      }
      return { kind: 'same', counts };
    } finally {
      this.#guarded.unload(loaded);
    }
  }

  /** The addresses that VMAs get: the same ones each time. */
  addressesOf(specs: readonly VmaSpec[]): number[] {
    const vmas = this.#guarded.map(specs);
    this.#guarded.unmap(vmas);
    return vmas.map(({ start }) => start);
  }

  /** The module of a case and its invocations. */
  make(fuzzCase: FuzzCase): MadeCase {
    return fuzzCase.make(this.addressesOf(fuzzCase.vmas));
  }

  #invoke(target: Target, calls: readonly Call[]): CaseResult {
    const { result, wasLate } = this.#attempt(target, calls, DEADLINE_MS);
    // Perhaps the machine was busy.
    return wasLate && result.kind === 'different' ? this.#attempt(target, calls, DEADLINE_MS_MAX).result : result;
  }

  #attempt(
    target: Target,
    calls: readonly Call[],
    deadlineMs: number,
  ): { readonly result: CaseResult; readonly wasLate: boolean } {
    const { loaded, specs } = target;
    const getters = loaded.guarded.exports.filter(isGetter);
    const allCalls = [...calls, ...getters.map(({ name }) => ({ name, values: [] }))];
    const vmas = this.#guarded.map(specs);
    try {
      let result: CaseResult;
      let problems: readonly string[] = [];
      let wasLate = false;
      try {
        const run = this.#guarded.run(loaded, vmas, allCalls, deadlineMs);
        wasLate = run.outcomes.some(isLate);
        result = this.#compare({ ...target, calls: allCalls, called: calls.length, vmas, run });
      } finally {
        problems = this.#guarded.end(vmas);
      }
      if (problems.length === 0) return { result, wasLate };
      const all = [...(result.kind === 'different' ? result.problems : []), ...problems];
      return { result: { kind: 'different', problems: all }, wasLate: false };
    } finally {
      this.#guarded.unmap(vmas);
    }
  }

  #compare(case_: RunCase): CaseResult {
    const { run, called } = case_;
    if (run.outcomes.some(isStackOverflow)) return { kind: 'given up', reason: 'stack' };
    try {
      const reference = this.#runReference(case_);
      if (reference.outcomes.some(isStackOverflow)) return { kind: 'given up', reason: 'stack' };
      const problems = this.#differences(case_, reference);
      const { isPlain } = reference.model;
      if (problems.length === 0 && isPlain) problems.push(...plainDifferences(case_, reference, this.#reference.bytes));
      if (problems.length > 0) return { kind: 'different', problems };
      return { kind: 'same', counts: countsOf(run, called, reference.model) };
    } catch (error) {
      if (error instanceof TooLong) return { kind: 'given up', reason: error.message };
      throw error;
    }
  }

  /** Which of several equal accesses in the red zone was refused is found by trying, for one call at a time. */
  #runReference(case_: RunCase): ReferenceRun {
    const { module, vmas, calls, run } = case_;
    const { layout } = case_.loaded.guarded;
    const allowedBefore = calls.map(() => 0);
    const options = {
      memoryLimit: layout.memoryLimit,
      pages: layout.memoryInitialPages,
      vmas: modelVmas(vmas),
      reserved: this.#guarded.reserved(vmas),
      firstCallee: this.#guarded.firstCallee,
      hostCalls: run.hostCalls,
      calls,
      there: run.outcomes,
      allowedBefore,
      contents: new Map(vmas.map(({ start, length }, i) => [start, initialBytes(i, length)])),
    };
    const differs = (result: ReferenceRun): boolean => this.#differences(case_, result).length > 0;
    const first = this.#reference.run(module, options);
    const free = calls.flatMap((_, i) => (first.wasFree[i] === true ? [i] : []));
    if (free.length === 0 || !differs(first)) return first;
    for (const call of free) {
      for (let allowed = 1; allowed < ALLOWED_BEFORE_MAX; allowed++) {
        allowedBefore[call] = allowed;
        const result = this.#reference.run(module, options);
        if (!differs(result)) return result;
        if (result.wasFree[call] !== true) break;
      }
      allowedBefore[call] = 0;
    }
    if (free.length > 1) throw new TooLong('more than one access in the red zone was refused');
    return this.#reference.run(module, options);
  }

  /** What the run with guards has that the reference has not. */
  #differences({ loaded, calls, run }: RunCase, reference: ReferenceRun): string[] {
    const problems: string[] = [];
    for (const [i, call] of calls.entries()) {
      const [there, here] = [run.outcomes[i], reference.outcomes[i]];
      if (there === undefined || here === undefined || sameOutcome(there, here)) continue;
      const what = `${call.name}(${call.values.join(', ')})`;
      problems.push(`${what} ${describeOutcome(there)}; without guards it ${describeOutcome(here)}`);
    }
    const { model, problem } = reference;
    if (problem !== undefined) {
      const there = run.outcomes[reference.outcomes.length];
      problems.push(
        problem,
        `the call that this was in ${there === undefined ? 'did not end' : describeOutcome(there)}`,
      );
    }
    if (problem === undefined && !model.isComplete) {
      const rest = run.hostCalls.slice(model.hostCallCount).map(describeHostCall);
      problems.push(`without guards these were not called: ${rest.join('; ')}`);
    }
    const size = loaded.guarded.layout.memoryLimit + RED_ZONE;
    problems.push(...this.#memoryDifference('memory', run.start, 0, size));
    for (const { start, length } of model.vmas.values())
      problems.push(...this.#memoryDifference(`the VMA at 0x${start.toString(16)}`, start, start, length));
    return problems;
  }

  #memoryDifference(what: string, there: number, here: number, length: number): string[] {
    const a = this.#guarded.bytes.subarray(there, there + length);
    const b = this.#reference.bytes.subarray(here, here + length);
    if (a.equals(b)) return [];
    const at = a.findIndex((byte, i) => byte !== b[i]);
    const show = (bytes: Buffer): string => bytes.subarray(at, at + 16).toString('hex');
    return [`${what} differs from byte ${at} on: ${show(a)}, without guards ${show(b)}`];
  }
}

/** A module on both sides, and the VMAs that its invocations have. */
interface Target {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly module: ReferenceModule;
  readonly loaded: LoadedModule;
  readonly specs: readonly VmaSpec[];
}

interface RunCase extends Target {
  /** Those of the invocation, then those that look at what it left. */
  readonly calls: readonly Call[];
  /** How many of them are the invocation's. */
  readonly called: number;
  readonly vmas: readonly MappedVma[];
  readonly run: GuardedRun;
}

/** What guard and verifier refuse with. */
const REFUSALS: readonly string[] = [
  'MODULE_MALFORMED',
  'MODULE_UNSUPPORTED',
  'MODULE_IMPORT_UNKNOWN',
  'MODULE_TOO_LARGE',
  'BAD_OPTION',
];

/** A trap of the initialiser; that it throws nothing and does not use up the stack is the guard's affair. */
function isStartTrap(error: unknown): error is JordError {
  if (!(error instanceof JordError) || error.code !== 'MODULE_INIT_FAILED') return false;
  return error.details['fault'] !== 'exception' && error.details['fault'] !== 'stack-exhausted';
}

function refusal(error: unknown): CaseResult {
  if (error instanceof JordError && REFUSALS.includes(error.code)) {
    return { kind: 'refused', reason: `${error.code}: ${error.message}` };
  }
  return { kind: 'different', problems: [`guarding, compiling or initialising fails: ${String(error)}`] };
}

function isGetter({ name, type }: ModuleExport): boolean {
  return isGetterName(name) && type.parameters.length === 0;
}

/** The module traps when it is instantiated: then so must it without guards. */
function failedStart(bytes: Uint8Array<ArrayBuffer>, error: JordError): CaseResult {
  try {
    new WebAssembly.Instance(
      new WebAssembly.Module(bytes),
      importsOf(bytes, () => 0),
    );
  } catch (plain) {
    if (plain instanceof WebAssembly.RuntimeError) return { kind: 'given up', reason: 'it does not start' };
    throw plain;
  }
  return { kind: 'different', problems: [`it starts without guards only: ${error.message}`] };
}

/** Functions that do nothing else for all imports of functions. */
function importsOf(bytes: Uint8Array, f: () => number | undefined): WebAssembly.Imports {
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const { kind, module, name } of decodeModule(bytes).imports)
    if (kind === 'function') imports[module] = { ...imports[module], [name]: f };
  return imports;
}

function isLate(outcome: Outcome): boolean {
  return 'trap' in outcome && outcome.trap.reason === 'deadline';
}

function isStackOverflow(outcome: Outcome): boolean {
  return 'trap' in outcome && outcome.trap.reason === 'stack';
}

function describeHostCall({ name, parameters, result }: HostCall): string {
  return `${name}(${parameters.join(', ')}) = ${result}`;
}

function sameOutcome(there: Outcome, here: Outcome): boolean {
  if ('values' in there || 'values' in here) {
    if (!('values' in there && 'values' in here) || there.values.length !== here.values.length) return false;
    return there.values.every((value, i) => value === here.values[i]);
  }
  const [a, b] = [there.trap, here.trap];
  // memory.init has bounds of two kinds, and does not say which it looks at first.
  const isInit = a.reason === 'segment' && b.reason === 'memory' && b.access === (ACCESS_BULK | ACCESS_WRITE);
  if (isInit) return true;
  if (a.reason !== b.reason || a.access !== b.access) return false;
  if (a.address === undefined || b.address === undefined) return a.address === b.address;
  // The guard has 32 bits for an address: the rest of the sum, or the highest address where the sum was too large.
  return a.address === b.address % 2 ** 32 || (b.address >= 2 ** 32 && a.address === 2 ** 32 - 1);
}

export const NO_COUNTS: CaseCounts = { outcomes: {}, accesses: 0, hostCalls: 0, plain: 0 };

function countsOf(run: GuardedRun, called: number, model: Model): CaseCounts {
  const outcomes: Record<string, number> = {};
  for (const outcome of run.outcomes.slice(0, called)) {
    const key = 'values' in outcome ? 'returned' : outcome.trap.reason;
    outcomes[key] = (outcomes[key] ?? 0) + 1;
  }
  return { outcomes, accesses: model.accesses, hostCalls: run.hostCalls.length, plain: model.isPlain ? 1 : 0 };
}

export function addCounts(a: CaseCounts, b: CaseCounts): CaseCounts {
  const outcomes = { ...a.outcomes };
  for (const [key, count] of Object.entries(b.outcomes)) outcomes[key] = (outcomes[key] ?? 0) + count;
  return {
    outcomes,
    accesses: a.accesses + b.accesses,
    hostCalls: a.hostCalls + b.hostCalls,
    plain: a.plain + b.plain,
  };
}

/**
 * The module itself, without guard and questions, in a memory of its own: where nothing happened that only the ABI knows of, it
 * must do what the reference did. So an error of the instrumentation shows.
 */
function plainDifferences(case_: RunCase, reference: ReferenceRun, referenceBytes: Buffer): string[] {
  const decoded = decodeModule(case_.bytes);
  let next = 0;
  const imports = importsOf(case_.bytes, () => case_.run.hostCalls[next++]?.result);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(case_.bytes), imports);
  const functions = callables(exports, exportedTypes(decoded));
  const problems: string[] = [];
  for (const [i, { name, values }] of case_.calls.entries()) {
    const plain = plainOutcome(() => functions.get(name)?.(...values));
    const here = reference.outcomes[i];
    if (here !== undefined && !samePlain(plain, here))
      problems.push(`${name}: the module itself ${describeOutcome(plain)}, the reference ${describeOutcome(here)}`);
  }
  const memory = exports[MEMORY_EXPORT];
  if (memory instanceof WebAssembly.Memory) {
    const bytes = Buffer.from(memory.buffer);
    if (!bytes.equals(referenceBytes.subarray(0, bytes.length)))
      problems.push('the reference has another memory than the module itself');
  }
  return problems;
}

function plainOutcome(f: () => unknown): Outcome {
  try {
    return { values: valuesOf(f()) };
  } catch (error) {
    return { trap: trapOf(error) };
  }
}

/** V8 says `segment` for all bounds, and may look at the alignment of an atomic access first. */
function samePlain(plain: Outcome, here: Outcome): boolean {
  if ('trap' in plain && 'trap' in here && here.trap.reason === 'memory') {
    return plain.trap.reason === 'segment' || /unaligned/.test(plain.trap.reason);
  }
  return sameOutcome(plain, here);
}
