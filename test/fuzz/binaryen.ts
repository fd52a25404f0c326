/**
 * Modules of binaryen's fuzzer, `wasm-opt --translate-to-fuzz`: either all its own, or what it makes of one of ours. It makes the
 * same of the same bytes. The API of the npm package does not have it, its program has; that starts in 0.2 s.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FuzzCase, MadeCase } from './differential.ts';
import { finish, randomCalls } from './finish.ts';
import { caseOf, generateCase } from './generate.ts';
import { Random } from './random.ts';

const PROGRAM = path.join(
  path.dirname(createRequire(import.meta.url).resolve('binaryen/package.json')),
  'bin/wasm-opt',
);
/** What the ABI allows, but for references and exceptions: with these, nearly all modules have something that it does not. */
const FEATURES = [
  'simd',
  'threads',
  'bulk-memory',
  'sign-ext',
  'nontrapping-float-to-int',
  'multivalue',
  'tail-call',
  'mutable-globals',
  'extended-const',
].map((feature) => `--enable-${feature}`);
/** Bits of NaNs may differ between V8's compilers, so there must not be any. */
const WITHOUT_NANS = '--denan';
/** Most pointers are made small: otherwise nearly all calls end at their first access. */
const IN_BOUNDS = '--no-fuzz-oob';
const SHAPES: readonly (readonly string[])[] = [[], [], ['-O1'], ['-O3'], ['--fuzz-passes']];
const TIME_LIMIT_MS = 60_000;

/** The program refused the bytes, or failed: nothing that the guard is asked about. */
export class NoModule extends Error {}

/** Runs the program on bytes. Throws NoModule. */
function translateToFuzz(input: Uint8Array, parameters: readonly string[], initial?: Uint8Array): Uint8Array {
  const folder = mkdtempSync(path.join(tmpdir(), 'jord-fuzz-'));
  try {
    const file = (name: string): string => path.join(folder, name);
    writeFileSync(file('input'), input);
    if (initial !== undefined) writeFileSync(file('initial.wasm'), initial);
    const start =
      initial === undefined ? [] : ['--initial-fuzz', file('initial.wasm'), '--fuzz-preserve-imports-exports'];
    const all = [
      PROGRAM,
      file('input'),
      '--translate-to-fuzz',
      ...start,
      ...FEATURES,
      ...parameters,
      '-o',
      file('output'),
    ];
    const { status, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8', timeout: TIME_LIMIT_MS });
    if (status !== 0) throw new NoModule(stderr.slice(0, 500));
    return readFileSync(file('output'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Case number `number` of a seed. */
export function binaryenCase(seed: number, number: number, firstCallee: number): FuzzCase {
  const random = new Random(seed, number);
  const input = random.bytes(random.pick([200, 1000, 4000, 10_000]));
  const parameters = [WITHOUT_NANS, ...(random.chance(0.6) ? [IN_BOUNDS] : []), ...random.pick(SHAPES)];
  const callSeed = random.next();
  if (random.chance(0.5)) {
    const bytes = finish(translateToFuzz(input, parameters));
    return {
      vmas: [],
      memoryLimitBytes: undefined,
      make: () => ({ bytes, invocations: randomCalls(bytes, callSeed) }),
    };
  }
  const own = generateCase(seed, number, { firstCallee, withoutExceptions: true });
  const ownCase = caseOf(own);
  const make = (addresses: readonly number[]): MadeCase => {
    const made = ownCase.make(addresses);
    const bytes = finish(translateToFuzz(input, parameters, made.bytes));
    return { bytes, invocations: made.invocations };
  };
  return { vmas: own.vmas, memoryLimitBytes: undefined, make };
}
