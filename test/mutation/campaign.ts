/**
 * A campaign: mutants of guarded modules, those that V8 takes are given to the verifier, and what that lets pass to the oracle.
 * What passes and does harm is a hole.
 */
import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { below, uniformSource } from '../../bench/harness/random.ts';
import { CONTROL_NOW_MS } from '../../core/layout.ts';
import { JordError } from '../../src/errors.ts';
import { TestSpace } from '../../src/guard/testing.ts';
import type { GuardedModule } from '../../src/guard/types.ts';
import { verifyModule } from '../../src/guard/verify.ts';
import { type CodeMutation, CodeMutator, type MutationKind } from './code-mutants.ts';
import { harmOf, type OracleCall } from './oracle.ts';
import { applyByte, applyPart, partMutations } from './part-mutants.ts';
import { type AccessForm, accessForms, accessSubject, type Subject } from './subjects.ts';
import { World } from './world.ts';

export interface Counts {
  /** Made, and valid for V8. */
  made: number;
  valid: number;
  refused: number;
  /** Let pass by the verifier; the oracle saw no harm in any of them. */
  accepted: number;
  /** Of those that were refused and given to the oracle: how many there were, and in how many it saw harm. */
  refusedTried: number;
  refusedHarmful: number;
}

export interface Hole {
  readonly subject: string;
  readonly what: string;
  readonly harm: string;
}

export interface CampaignResult {
  readonly byKind: Map<MutationKind, Counts>;
  readonly holes: Hole[];
  /** What was let pass, for those who want to look: by kind, with subject. */
  readonly accepted: string[];
  /** What was refused, run, and did no harm that could be seen. */
  readonly harmless: string[];
}

export interface CampaignOptions {
  readonly seed: number;
  /** About how many valid mutants of each subject are tried; Infinity for all there are. */
  readonly perSubject: number;
  /** One of so many refused mutants is given to the oracle too, to see whether it sees harm; 0 for none. */
  readonly refusedEvery: number;
  readonly progress?: (line: string) => void;
}

interface Mutant {
  readonly kind: MutationKind;
  readonly what: string;
  readonly calls: readonly OracleCall[];
  /** Whether it can be run when it was refused: code that was not verified may never end. */
  readonly isStraight: boolean;
  readonly make: () => GuardedModule | undefined;
}

/** Advances the time of an address space, so that what does not end by itself is ended. */
function startClock(space: TestSpace): Worker {
  const code = `
    const { workerData: { memory, now } } = require('node:worker_threads');
    const words = new Int32Array(memory.buffer);
    for (;;) { Atomics.wait(words, 0, 0, 2); Atomics.add(words, now, 2); }`;
  const worker = new Worker(code, { eval: true, workerData: { memory: space.memory, now: CONTROL_NOW_MS >> 2 } });
  worker.unref();
  return worker;
}

export class Campaign {
  readonly #space = new TestSpace();
  readonly #clock = startClock(this.#space);
  readonly #options: CampaignOptions;
  readonly #random: () => number;
  /** Mutants that were refused and could be run. */
  #straight = 0;
  readonly result: CampaignResult = { byKind: new Map(), holes: [], accepted: [], harmless: [] };

  constructor(options: CampaignOptions) {
    this.#options = options;
    this.#random = uniformSource(options.seed);
  }

  /** Ends the clock. */
  async close(): Promise<void> {
    await this.#clock.terminate();
  }

  /** Tries about `perSubject` valid mutants of a subject, as many of each kind. */
  run(subject: Subject): void {
    const { perSubject, progress } = this.#options;
    verifyModule(subject.guarded, { imports: subject.imports });
    const world = new World(this.#space, subject.guarded.layout);
    const harm = harmOf(subject.guarded, world, subject.calls, subject.host, this.#random);
    assert.equal(harm, undefined, `${subject.name} itself`);
    const kinds = Map.groupBy(this.#mutants(subject), ({ kind }) => kind);
    const perKind = Math.ceil(perSubject / kinds.size);
    let tried = 0;
    for (const mutants of kinds.values()) {
      let valid = 0;
      for (let i = 0; i < mutants.length && valid < perKind; i += 1) {
        // A random one of those that are left.
        const at = i + below(this.#random, mutants.length - i);
        const mutant = mutants[at] as Mutant; // at < length
        mutants[at] = mutants[i] as Mutant;
        if (this.#try(subject, mutant, world)) valid += 1;
      }
      tried += valid;
    }
    progress?.(`${subject.name}: ${tried} valid mutants`);
  }

  #mutants(subject: Subject): Mutant[] {
    const { guarded, functions, calls } = subject;
    const mutator = new CodeMutator(guarded);
    const mutants: Mutant[] = [];
    for (const { index, calls: its, isStraight } of functions) {
      const all = [...mutator.mutations(index)];
      const pick = (): CodeMutation => all[below(this.#random, all.length)] as CodeMutation; // there are some
      for (const mutation of all) {
        const { kind, what } = mutation;
        const make = (): GuardedModule => mutator.apply(index, mutation);
        mutants.push({ kind, what: `function ${index}: ${what}`, calls: its, isStraight, make });
      }
      // Two at once: what the one breaks, the other may seem to mend.
      for (let i = 0; i < all.length / DOUBLES_RATIO; i += 1) {
        const [x, y] = [pick(), pick()];
        if (x.end > y.first && y.end > x.first) continue;
        const make = (): GuardedModule => mutator.apply(index, x, y);
        const what = `function ${index}: ${x.what}; ${y.what}`;
        mutants.push({ kind: 'double', what, calls: its, isStraight, make });
      }
    }
    // An export can be another function then, which counts nothing.
    const exported = calls.map(({ counter: _, ...call }) => call);
    for (const mutation of partMutations(guarded)) {
      const make = (): GuardedModule | undefined => applyPart(guarded, mutation);
      mutants.push({ kind: 'parts', what: mutation.what, calls: exported, isStraight: false, make });
    }
    for (let i = 0; i < BYTES_PER_SUBJECT; i += 1) {
      const { what, guarded: changed } = applyByte(guarded, this.#random);
      mutants.push({ kind: 'bytes', what, calls: exported, isStraight: false, make: () => changed });
    }
    return mutants;
  }

  #countsOf(kind: MutationKind): Counts {
    const { byKind } = this.result;
    const counts = byKind.get(kind) ?? {
      made: 0,
      valid: 0,
      refused: 0,
      accepted: 0,
      refusedTried: 0,
      refusedHarmful: 0,
    };
    byKind.set(kind, counts);
    return counts;
  }

  /** False when the mutant is not valid. */
  #try(subject: Subject, mutant: Mutant, world: World): boolean {
    const counts = this.#countsOf(mutant.kind);
    counts.made += 1;
    const guarded = mutant.make();
    if (guarded === undefined) return false;
    const verdict = verdictOf(guarded, subject);
    if (!WebAssembly.validate(guarded.bytes)) return false;
    counts.valid += 1;
    const harm = (): string | undefined => harmOf(guarded, world, mutant.calls, subject.host, this.#random);
    const line = `${mutant.kind} | ${subject.name} | ${mutant.what}`;
    if (verdict === ACCEPTED) {
      counts.accepted += 1;
      this.result.accepted.push(line);
      const seen = harm();
      if (seen !== undefined) this.result.holes.push({ subject: subject.name, what: mutant.what, harm: seen });
      return true;
    }
    counts.refused += 1;
    const { refusedEvery } = this.#options;
    if (refusedEvery === 0 || !mutant.isStraight) return true;
    this.#straight += 1;
    if (this.#straight % refusedEvery !== 0) return true;
    counts.refusedTried += 1;
    if (harm() !== undefined) counts.refusedHarmful += 1;
    else this.result.harmless.push(line);
    return true;
  }
}

/** One mutant with two mutations for so many with one. */
const DOUBLES_RATIO = 8;

/** Mutants with a byte changed, of which few are valid. */
const BYTES_PER_SUBJECT = 1000;

const ACCEPTED = 'accepted';

/** ACCEPTED, or the code of the refusal. Anything but a JordError is an error of the verifier. */
function verdictOf(guarded: GuardedModule, { imports }: Subject): string {
  try {
    verifyModule(guarded, { imports });
    return ACCEPTED;
  } catch (error) {
    if (error instanceof JordError) return error.code;
    throw error;
  }
}

/** Single accesses, a few to a module, in an order that the seed determines. */
export function* accessSubjects(seed: number): Generator<Subject> {
  const random = uniformSource(seed);
  const forms = accessForms();
  for (let i = 0; i < forms.length; i += 1) {
    const at = i + below(random, forms.length - i);
    [forms[i], forms[at]] = [forms[at] as AccessForm, forms[i] as AccessForm]; // inside the list
  }
  for (let i = 0; i < forms.length; i += FORMS_PER_SUBJECT) yield accessSubject(forms.slice(i, i + FORMS_PER_SUBJECT));
}

const FORMS_PER_SUBJECT = 2;

/** The counts as lines of a table. */
export function report({ byKind }: CampaignResult): string {
  const header = ['kind', 'made', 'valid', 'refused', 'accepted', 'refused and run', 'harm seen'];
  const rows = [...byKind].map(([kind, c]) =>
    [kind, c.made, c.valid, c.refused, c.accepted, c.refusedTried, c.refusedHarmful].map(String),
  );
  return [header, ...rows].map((row) => row.map((cell) => cell.padStart(10)).join(' ')).join('\n');
}
