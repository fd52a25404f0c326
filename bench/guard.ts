/**
 * What the guard costs: the same module on the same V8, with and without it.
 *
 * Each case runs in a plain instance with a memory of its own and in a guarded one, whose home and ArgBufs are in a
 * 4 GiB shared memory. What counts is time in the guest: its guarded accesses, the marks of dirty chunks, the parameter
 * more. Not counted: making a home and restoring it, and everything else that the worker server does.
 */
import v8 from 'node:v8';
import { setInliningLimits } from '../src/server/proven-module.ts';
import {
  ARGBUF_KERNELS,
  type ArgBufKernel,
  KERNELS,
  kernelImports,
  startArgBufKernel,
  startKernel,
} from './applications/kernels.ts';
import { expectedResult, quickJsImports, quickJsModule, startInterpreter } from './applications/quickjs.ts';
import { SCRIPTS } from './applications/quickjs-scripts.ts';
import { openDatabase, sqliteImports, sqliteModule } from './applications/sqlite.ts';
import { fill, QUERIES } from './applications/sqlite-queries.ts';
import { compileAssemblyScript } from './harness/assemblyscript.ts';
import { type Experiment, type ExperimentOptions, runExperiment } from './harness/experiment.ts';
import { type Guest, type MakeImports, plainGuest } from './harness/guest.ts';
import { type AddressSpace, createAddressSpace, guardedGuest } from './harness/home.ts';
import { type MeasureOptions, measure, type Variant } from './harness/measure.ts';
import { type Result, resultOf } from './harness/report.ts';
import { geometricMeans, pairwiseRatios, summarize } from './harness/statistics.ts';

interface Pair<T> {
  readonly plain: T;
  readonly guarded: T;
}

interface Case {
  readonly name: string;
  /** Does the work once; the same result at every call. */
  readonly run: Pair<() => number>;
  /** The result, known from elsewhere. */
  readonly expected: number | undefined;
  /** Guarded by plain, in bytes of Wasm. */
  readonly sizeFactor: number;
}

/** A case's result, and its ratio in each round. */
interface Outcome {
  readonly result: Result;
  readonly ratios: readonly number[];
}

const KERNEL_RUNS: MeasureOptions = { rounds: 21, batchMs: 8, warmUpMs: 300 };
const APPLICATION_RUNS: MeasureOptions = { rounds: 21, batchMs: 10, warmUpMs: 1000 };
const QUICK_KERNEL_RUNS: MeasureOptions = { rounds: 5, batchMs: 5, warmUpMs: 60 };
const QUICK_APPLICATION_RUNS: MeasureOptions = { rounds: 5, batchMs: 5, warmUpMs: 250 };

/** The kernel that also runs plain against plain. */
const CONTROL = 'sha256';

/** The two variants of a module that are compared. */
export interface Variants {
  /** Of the rows: `name/case`. */
  readonly name: string;
  readonly plain: (bytes: Uint8Array, imports: MakeImports, space: AddressSpace) => Guest;
  readonly guarded: (bytes: Uint8Array, imports: MakeImports, space: AddressSpace) => Guest;
}

/** Makes guests of one comparison. */
class Preparation {
  readonly #variants: Variants;
  readonly #space: AddressSpace = createAddressSpace();

  constructor(variants: Variants) {
    this.#variants = variants;
  }

  /** A module in both variants. */
  both<T>(
    bytes: Uint8Array,
    imports: MakeImports,
    start: (guest: Guest) => T,
  ): Pair<T> & { readonly sizeFactor: number } {
    const plain = this.plain(bytes, imports);
    const guarded = this.#variants.guarded(bytes, imports, this.#space);
    return { plain: start(plain), guarded: start(guarded), sizeFactor: guarded.moduleBytes / plain.moduleBytes };
  }

  plain(bytes: Uint8Array, imports: MakeImports): Guest {
    return this.#variants.plain(bytes, imports, this.#space);
  }
}

async function kernelCase(name: string, prepare: Preparation): Promise<Case> {
  const bytes = await compileAssemblyScript(`kernels/${name}.ts`);
  const { plain, guarded, sizeFactor } = prepare.both(bytes, kernelImports, startKernel);
  return { name, run: { plain, guarded }, expected: KERNELS[name]?.(), sizeFactor };
}

async function argBufCase(name: string, kernel: ArgBufKernel, prepare: Preparation): Promise<Case> {
  const bytes = await compileAssemblyScript(`kernels/${kernel.source}.ts`);
  const start = (guest: Guest): (() => number) => startArgBufKernel(guest, kernel);
  const { plain, guarded, sizeFactor } = prepare.both(bytes, kernelImports, start);
  return { name, run: { plain, guarded }, expected: kernel.expected?.(), sizeFactor };
}

/** Two plain instances: how far from 1 a ratio is when there is no difference. */
async function controlCase(prepare: Preparation): Promise<Case> {
  const bytes = await compileAssemblyScript(`kernels/${CONTROL}.ts`);
  const start = (): (() => number) => startKernel(prepare.plain(bytes, kernelImports));
  return { name: 'control', run: { plain: start(), guarded: start() }, expected: KERNELS[CONTROL]?.(), sizeFactor: 1 };
}

async function quickJsCases(names: readonly string[], prepare: Preparation): Promise<Case[]> {
  if (names.length === 0) return [];
  const { plain, guarded, sizeFactor } = prepare.both(await quickJsModule(), quickJsImports, startInterpreter);
  return names.map((name) => {
    const source = SCRIPTS[name.slice('quickjs-'.length)] ?? '';
    const run = { plain: plain(source), guarded: guarded(source) };
    return { name, run, expected: expectedResult(source), sizeFactor };
  });
}

async function sqliteCases(names: readonly string[], prepare: Preparation): Promise<Case[]> {
  if (names.length === 0) return [];
  const { plain, guarded, sizeFactor } = prepare.both(await sqliteModule(), sqliteImports, (guest) => {
    const database = openDatabase(guest);
    fill(database);
    return database;
  });
  return names.flatMap((name) => {
    const query = QUERIES[name.slice('sqlite-'.length)];
    if (query === undefined) return [];
    const run = { plain: query.prepare(plain), guarded: query.prepare(guarded) };
    return [{ name, run, expected: query.expected(), sizeFactor }];
  });
}

function check(name: string, variant: string, result: number, expected: number): void {
  if (result !== expected) throw new Error(`${name}, ${variant}: computed ${result}, expected ${expected}`);
}

function variant(name: string, run: () => number): Variant {
  return {
    name,
    run: (iterations) => {
      let sum = 0;
      for (let iteration = 0; iteration < iterations; iteration++) sum = (sum + run()) | 0;
      return sum;
    },
  };
}

function measureCase(prefix: string, { name, run, expected, sizeFactor }: Case, options: MeasureOptions): Outcome {
  const result = run.plain();
  check(name, 'plain', result, expected ?? result);
  check(name, 'guarded', run.guarded(), result);
  const { series } = measure([variant('plain', run.plain), variant('guarded', run.guarded)], options);
  const [plain, guarded] = series.map(({ iterationUs }) => iterationUs);
  if (plain === undefined || guarded === undefined) throw new Error(`${name} was not measured`);
  const ratios = pairwiseRatios(guarded, plain);
  return {
    result: row(`${prefix}/${name}`, ratios, {
      plainUs: summarize(plain).median,
      guardedUs: summarize(guarded).median,
      sizeFactor,
    }),
    ratios,
  };
}

function row(name: string, ratios: readonly number[], more: Result['more'] = {}): Result {
  return resultOf(name, 'ratio', ratios, more);
}

/** Of each round's ratios; the spread is that of the rounds' means. */
function meanRow(name: string, outcomes: readonly Outcome[]): Result[] {
  if (outcomes.length === 0) return [];
  const sizes = geometricMeans(outcomes.map(({ result }) => [Number(result.more?.['sizeFactor'])]));
  return [
    row(name, geometricMeans(outcomes.map(({ ratios }) => ratios)), {
      sizeFactor: sizes[0] ?? Number.NaN,
      cases: outcomes.length,
    }),
  ];
}

/** Compares the two variants over all cases. */
export async function compare(variants: Variants, options: ExperimentOptions): Promise<readonly Result[]> {
  const { quick, only, progress } = options;
  const { name: prefix } = variants;
  v8.setFlagsFromString('--wasm-sync-tier-up');
  setInliningLimits();
  const prepare = new Preparation(variants);
  const wanted = (name: string): boolean => name.includes(only);
  const measureAll = (cases: readonly Case[], runs: MeasureOptions): Outcome[] =>
    cases.map((one) => {
      const outcome = measureCase(prefix, one, runs);
      progress(`${one.name}: ${outcome.result.value.toFixed(2)}`);
      return outcome;
    });

  const kernelOptions = quick ? QUICK_KERNEL_RUNS : KERNEL_RUNS;
  const control = wanted('control') ? measureAll([await controlCase(prepare)], kernelOptions) : [];
  const kernels: Outcome[] = [];
  for (const name of Object.keys(KERNELS).filter(wanted)) {
    kernels.push(...measureAll([await kernelCase(name, prepare)], kernelOptions));
  }
  const argBufs: Outcome[] = [];
  const sharedArgBufs: Outcome[] = [];
  for (const [name, kernel] of Object.entries(ARGBUF_KERNELS).filter(([name]) => wanted(name))) {
    const measured = measureAll([await argBufCase(name, kernel, prepare)], kernelOptions);
    (kernel.shared ? sharedArgBufs : argBufs).push(...measured);
  }
  const scripts = Object.keys(SCRIPTS).map((name) => `quickjs-${name}`);
  const queries = Object.keys(QUERIES).map((name) => `sqlite-${name}`);
  const runs = quick ? QUICK_APPLICATION_RUNS : APPLICATION_RUNS;
  const applications = [
    ...measureAll(await quickJsCases(scripts.filter(wanted), prepare), runs),
    ...measureAll(await sqliteCases(queries.filter(wanted), prepare), runs),
  ];
  const outcomes = [...kernels, ...applications];
  return [
    ...[...control, ...outcomes, ...argBufs, ...sharedArgBufs].map(({ result }) => result),
    ...meanRow(`${prefix}/geomean-kernels`, kernels),
    ...meanRow(`${prefix}/geomean-applications`, applications),
    ...meanRow(`${prefix}/geomean`, outcomes),
    ...meanRow(`${prefix}/geomean-argbuf`, argBufs),
  ];
}

export const experiment: Experiment = {
  name: 'guard',
  summary: 'the time of guarded modules, as a ratio to the same modules unguarded',
  method: [
    'Plain: the module as it is, in a memory of its own. Guarded: after the guard, in a home of a 4 GiB shared memory.',
    'Same process, same V8, warmed up until neither gets faster; V8 optimises at once instead of in the background',
    '(--wasm-sync-tier-up), so that no case is measured half-compiled. Then batches alternate (A B, B A, …). A ratio is',
    'taken for each pair of batches; shown are the median and the quartiles over all pairs. plainUs and guardedUs are',
    'the median times of one run. Included: guards, marks of dirty chunks, the additional parameter of each function.',
    'Not included: making and restoring homes, calls between functions. Results of both are compared, and with a',
    'computation outside of the guest where there is one. sizeFactor: bytes of Wasm after the guard by before.',
    'guard/argbuf-…: data in ArgBufs that the PD owns (plain: in its memory), in a mean of their own.',
    'argbuf-shared-scan: in one that it may only read, by a grant; in no mean.',
    'guard/control is plain against plain, and in no mean: it shows what a ratio of 1 looks like on this machine.',
  ],
  run: (options) => compare({ name: 'guard', plain: plainGuest, guarded: guardedGuest }, options),
};

if (import.meta.main) process.exitCode = await runExperiment(experiment, process.argv.slice(2));
