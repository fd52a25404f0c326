/** Runs many cases of one kind, and keeps what fails. For the script and for the test. */
import { assemble } from './assemble.ts';
import { binaryenCase, NoModule } from './binaryen.ts';
import { mutantOf, parentOf, tryMutant } from './decoder.ts';
import {
  addCounts,
  type CaseCounts,
  type CaseResult,
  Differential,
  type FuzzCase,
  type MadeCase,
  NO_COUNTS,
} from './differential.ts';
import { finish, randomCalls } from './finish.ts';
import { caseOf, type GeneratedCase, generateCase } from './generate.ts';
import { writeReport } from './report.ts';
import { shrink } from './shrink.ts';

export const KINDS = ['generated', 'binaryen', 'mutants'] as const;
export type Kind = (typeof KINDS)[number];

export interface Failure {
  readonly kind: Kind;
  readonly seed: number;
  readonly number: number;
  readonly problems: readonly string[];
}

/** How many cases ended how, and what they did. */
export interface Tally {
  readonly cases: Record<string, number>;
  counts: CaseCounts;
}

/** The tables of PrivLib are looked at after so many cases. */
const CENSUS_EVERY = 250;

export class Campaign {
  readonly #differential: Differential;
  readonly tallies: Readonly<Record<Kind, Tally>> = {
    generated: { cases: {}, counts: NO_COUNTS },
    binaryen: { cases: {}, counts: NO_COUNTS },
    mutants: { cases: {}, counts: NO_COUNTS },
  };
  #sinceCensus = 0;

  constructor(differential: Differential) {
    this.#differential = differential;
  }

  static async open(): Promise<Campaign> {
    return new Campaign(await Differential.open());
  }

  close(): Promise<void> {
    return this.#differential.close();
  }

  /** Runs one case. After a failure nothing is certain any more but what it says. */
  run(kind: Kind, seed: number, number: number): Failure | undefined {
    let problems: readonly string[];
    try {
      problems = kind === 'mutants' ? this.#runMutant(seed, number) : this.#runCase(kind, seed, number);
    } catch (error) {
      // PrivLib, or what looks at it, does not get on.
      this.#count(kind, 'a problem');
      problems = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
    }
    return problems.length === 0 ? undefined : { kind, seed, number, problems };
  }

  #count(kind: Kind, what: string): void {
    const { cases } = this.tallies[kind];
    cases[what] = (cases[what] ?? 0) + 1;
  }

  #runMutant(seed: number, number: number): readonly string[] {
    const mutant = this.#mutant(seed, number);
    const { verdict, problem, isDecoded } = tryMutant(mutant.bytes);
    this.#count('mutants', problem === undefined ? verdict : 'a problem');
    if (isDecoded && verdict !== 'accepted') this.#count('mutants', 'decoded and refused');
    if (problem !== undefined) return [problem];
    if (verdict !== 'accepted') return [];
    const result = this.#resultOf(() => mutant.fuzzCase);
    this.#countResult('mutants', result);
    return result.kind === 'different' ? result.problems : [];
  }

  /** A mutant, and how it is run where the guard accepts it. */
  #mutant(seed: number, number: number): { readonly bytes: Uint8Array<ArrayBuffer>; readonly fuzzCase: FuzzCase } {
    const { firstCallee } = this.#differential;
    const { module, vmas, memoryLimitBytes } = parentOf(seed, number, firstCallee);
    const addresses = this.#differential.addressesOf(vmas);
    const bytes = mutantOf(seed, number, assemble(module, addresses));
    const make = (): MadeCase => {
      const finished = finish(bytes);
      return { bytes: finished, invocations: randomCalls(finished, number, addresses) };
    };
    return { bytes, fuzzCase: { vmas, memoryLimitBytes, make } };
  }

  #countResult(kind: Kind, result: CaseResult): void {
    this.#count(kind, result.kind);
    if (result.kind === 'same') this.tallies[kind].counts = addCounts(this.tallies[kind].counts, result.counts);
  }

  #runCase(kind: Exclude<Kind, 'mutants'>, seed: number, number: number): readonly string[] {
    const result = this.#resultOf(() => this.#caseOf(kind, seed, number));
    this.#countResult(kind, result);
    // What the generator makes must be accepted; binaryen makes what the ABI does not have, too.
    if (result.kind === 'refused' && kind === 'generated') return [result.reason];
    return result.kind === 'different' ? result.problems : [];
  }

  #caseOf(kind: Exclude<Kind, 'mutants'>, seed: number, number: number): FuzzCase {
    const { firstCallee } = this.#differential;
    return kind === 'binaryen'
      ? binaryenCase(seed, number, firstCallee)
      : caseOf(generateCase(seed, number, { firstCallee }));
  }

  #resultOf(make: () => FuzzCase): CaseResult {
    let result: CaseResult;
    try {
      result = this.#differential.run(make());
    } catch (error) {
      if (error instanceof NoModule) return { kind: 'given up', reason: 'binaryen makes no module of it' };
      throw error;
    }
    this.#sinceCensus += 1;
    if (this.#sinceCensus >= CENSUS_EVERY) {
      this.#sinceCensus = 0;
      this.#differential.census();
    }
    return result;
  }

  /** Makes a failure as small as it gets in this time, writes it to a folder, and returns that. */
  async report(failure: Failure, shrinkMsMax: number): Promise<string> {
    const { kind, seed, number } = failure;
    const name = `${kind}-${seed}-${number}`;
    if (kind === 'mutants') return writeReport(name, this.#mutant(seed, number).bytes, failure);
    if (kind === 'binaryen') {
      const fuzzCase = this.#caseOf(kind, seed, number);
      const { bytes, invocations } = this.#differential.make(fuzzCase);
      return writeReport(name, bytes, { ...failure, vmas: fuzzCase.vmas, invocations });
    }
    const { firstCallee } = this.#differential;
    const small = shrink(generateCase(seed, number, { firstCallee }), (one) => this.#fails(one), shrinkMsMax);
    const { bytes, invocations } = this.#differential.make(caseOf(small));
    const result = this.#differential.run(caseOf(small));
    const problems = result.kind === 'different' ? result.problems : failure.problems;
    const { vmas, memoryLimitBytes } = small;
    return writeReport(name, bytes, { ...failure, shrunk: { problems, vmas, memoryLimitBytes, invocations } });
  }

  #fails(candidate: GeneratedCase): boolean {
    try {
      return this.#differential.run(caseOf(candidate)).kind === 'different';
    } catch {
      return false;
    }
  }
}
