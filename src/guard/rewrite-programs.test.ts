/**
 * Random functions that are mostly about pointers (testing-programs.ts): what the guard makes of each must be proven, and do the
 * same as the function without guards, for pointers to the home and to VMAs.
 *
 * JORD_PROGRAMS_SEED and JORD_PROGRAMS_RUNS try others, and more.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PROGRAM_FEATURES, PROGRAM_PLACES, type ProgramFeature, programText } from './testing-programs.ts';
import { compareCalls, guardProgram } from './testing-twins.ts';

const SEED = Number(process.env['JORD_PROGRAMS_SEED'] ?? 20_261_129);
const RUNS = Number(process.env['JORD_PROGRAMS_RUNS'] ?? 500);

const [HOME = 0, VMA = 0, OTHER = 0] = PROGRAM_PLACES;
/** Three pointers and a number. */
const CALLS = [
  [HOME, HOME, HOME, 0],
  [HOME, HOME, HOME, 1],
  [VMA, VMA, VMA, 0],
  [VMA, OTHER, HOME, 1],
  [OTHER, HOME, VMA, 0],
  [HOME, VMA, VMA, 1],
];

/**
 * Returns whether a function had to be guarded access by access: one that compares a pointer so that the verifier knows it not to be
 * in the home, of which the guard knows nothing.
 */
function checkTape(tape: readonly number[], features: readonly ProgramFeature[]): boolean {
  const text = programText(tape, features);
  try {
    const program = guardProgram(text);
    compareCalls(program, 'run', CALLS);
    return program.again > 0;
  } catch (error) {
    throw new Error(`${String(error)}\n${text}`, { cause: error });
  }
}

const VARIANTS: readonly (readonly [name: string, features: readonly ProgramFeature[]])[] = [
  ['of everything', PROGRAM_FEATURES],
  ['without what compilers do not make', ['bounds', 'addresses', 'results', 'stack', 'ranges']],
  ['of nothing rare', []],
];

for (const [name, features] of VARIANTS) {
  test(`random programs ${name} are proven, and do the same with guards as without`, () => {
    const tape = fc.array(fc.nat(255), { minLength: 20, maxLength: 400, size: 'max' });
    let again = 0;
    const check = (numbers: readonly number[]): void => {
      if (checkTape(numbers, features)) again += 1;
    };
    fc.assert(fc.property(tape, check), { seed: SEED, numRuns: RUNS });
    assert.ok(again <= RUNS / 100 + 1, `${again} of ${RUNS} had to be guarded access by access`);
  });
}
