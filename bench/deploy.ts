/**
 * How long a module takes from its bytes to being ready to be invoked, and where that time goes.
 *
 * Real modules of about 10, 100, 500 and 700 KB are deployed to a worker server without a store, warm (again and again in
 * one process) and cold (the first time in a new process). The parts are measured by themselves in further processes.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { quickJsModule } from './applications/quickjs.ts';
import { sqliteModule } from './applications/sqlite.ts';
import { asFunction } from './harness/as-function.ts';
import { compileAssemblyScript, writeCacheFile } from './harness/assemblyscript.ts';
import type { DeployMode, DeploySample } from './harness/deploy-sample.ts';
import { type Experiment, type ExperimentOptions, runExperiment } from './harness/experiment.ts';
import { type Result, resultOf } from './harness/report.ts';

interface Subject {
  readonly size: string;
  readonly what: string;
  readonly load: () => Promise<Uint8Array>;
}

interface Plan {
  readonly coldProcesses: number;
  readonly warmUpMs: number;
  readonly warmSamples: number;
}

/** Optimised, with a garbage collector. */
const LIBRARY_OPTIONS = ['-O3', '--runtime', 'incremental', '--use', 'abort='];

const SUBJECTS: readonly Subject[] = [
  {
    size: '10kb',
    what: 'string formatting in AssemblyScript',
    load: () => compileAssemblyScript('kernels/string-format.ts'),
  },
  {
    size: '100kb',
    what: 'most of the AssemblyScript library',
    load: () => compileAssemblyScript('kernels/library.ts', LIBRARY_OPTIONS),
  },
  { size: '500kb', what: 'QuickJS', load: quickJsModule },
  { size: '700kb', what: 'SQLite', load: sqliteModule },
];

const FULL: Plan = { coldProcesses: 7, warmUpMs: 2500, warmSamples: 15 };
const QUICK: Plan = { coldProcesses: 2, warmUpMs: 400, warmSamples: 5 };

/** The module whose times are scaled to 500 KB. */
const REFERENCE = '700kb';
const SCALED_BYTES = 500_000;

const WARM_PARTS = ['validate', 'decode', 'guard', 'verify', 'compile', 'instantiate', 'initialise'];
const COLD_PARTS = ['guard', 'verify', 'compile', 'instantiate', 'initialise'];

async function sampleProcess(
  file: string,
  mode: DeployMode,
  warmUpMs: number,
  samples: number,
): Promise<DeploySample[]> {
  const script = fileURLToPath(new URL('harness/deploy-sample.ts', import.meta.url));
  const parameters = [script, file, mode, String(warmUpMs), String(samples)];
  const { stdout } = await promisify(execFile)(process.execPath, parameters);
  return JSON.parse(stdout) as DeploySample[];
}

async function coldSamples(file: string, mode: DeployMode, processes: number): Promise<DeploySample[]> {
  const samples: DeploySample[] = [];
  while (samples.length < processes) samples.push(...(await sampleProcess(file, mode, 0, 1)));
  return samples;
}

function values(samples: readonly DeploySample[], member: string): number[] {
  return samples.map((sample) => {
    const value = sample[member];
    if (value === undefined) throw new RangeError(`no ${member} was measured`);
    return value;
  });
}

function row(name: string, samplesMs: readonly number[], more: Result['more'] = {}): Result {
  return resultOf(name, 'ms', samplesMs, more);
}

async function measureSubject({ size, load }: Subject, plan: Plan): Promise<Result[]> {
  const bytes = asFunction(await load());
  const file = await writeCacheFile(`deploy-${size}.wasm`, bytes);
  const warm = await sampleProcess(file, 'server', plan.warmUpMs, plan.warmSamples);
  const cold = await coldSamples(file, 'server', plan.coldProcesses);
  const warmParts = await sampleProcess(file, 'parts', plan.warmUpMs, plan.warmSamples);
  const coldParts = await coldSamples(file, 'chain', plan.coldProcesses);
  const scaled = (name: string, samples: readonly number[]): Result[] =>
    size === REFERENCE
      ? [
          row(
            name,
            samples.map((ms) => (ms * SCALED_BYTES) / bytes.length),
          ),
        ]
      : [];
  const sizes = { bytes: bytes.length, guardedBytes: values(warm, 'guardedBytes')[0] ?? Number.NaN };
  return [
    row(`deploy/${size}`, values(warm, 'totalMs'), sizes),
    row(`deploy/${size}/cold`, values(cold, 'totalMs')),
    ...WARM_PARTS.map((part) => row(`deploy/${size}/${part}`, values(warmParts, `${part}Ms`))),
    ...COLD_PARTS.map((part) => row(`deploy/${size}/${part}-cold`, values(coldParts, `${part}Ms`))),
    ...scaled('deploy/per-500kb', values(warm, 'totalMs')),
    ...scaled('deploy/per-500kb/cold', values(cold, 'totalMs')),
    ...scaled('deploy/per-500kb/guard', values(warmParts, 'guardMs')),
    ...scaled('deploy/per-500kb/guard-cold', values(coldParts, 'guardMs')),
    ...scaled('deploy/per-500kb/verify', values(warmParts, 'verifyMs')),
    ...scaled('deploy/per-500kb/verify-cold', values(coldParts, 'verifyMs')),
  ];
}

async function run({ quick, only, progress }: ExperimentOptions): Promise<readonly Result[]> {
  const subjects = SUBJECTS.filter(({ size }) => size.includes(only));
  if (subjects.length === 0) throw new RangeError(`no size has '${only}' in its name`);
  const results: Result[] = [];
  for (const subject of subjects) {
    progress(`${subject.size}: ${subject.what}`);
    results.push(...(await measureSubject(subject, quick ? QUICK : FULL)));
  }
  return results;
}

export const experiment: Experiment = {
  name: 'deploy',
  summary: 'the time from the bytes of a module to a function that is ready',
  method: [
    ...SUBJECTS.map(({ size, what }) => `${size.padStart(5)}: ${what}`),
    'Modules for other hosts are made deployable first: what they import traps, and `handle` returns 0; the rest stays.',
    'deploy/<size>: `deploy` of a worker server without a store, warm: repeated in one process, each time with other',
    'bytes, since V8 keeps what it compiled. …/cold: the first deploy of a new process. …/<part>: one part by itself, in',
    'a process of its own. `guard` is all of guardModule; within it are `validate` (by V8) and `decode` (all but the',
    'bodies, which are decoded, rewritten and encoded in one pass). `verify` is all of verifyModule, which in a deploy',
    'goes on while V8 compiles. `compile` is V8, which checks the module and leaves making code to the first calls.',
    '`initialise` fills a home made by hand; the image that the server makes of it, and',
    'the hash of the module, are in the total only. per-500kb: the 700kb one, scaled by its bytes before the guard.',
  ],
  run,
};

if (import.meta.main) process.exitCode = await runExperiment(experiment, process.argv.slice(2));
