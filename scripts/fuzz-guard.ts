/**
 * Fuzzes the guard: `node scripts/run.mjs scripts/fuzz-guard.ts [--minutes 1] [--count n] [--seed n] [--kind generated|binaryen|mutants]`.
 * `--case n` runs one case again. Stops at the first failure, makes it smaller for `--shrink-seconds`, writes it to a folder of
 * build/fuzz, and exits with 1.
 * docs/internals/fuzzing.md says what is compared.
 */
import { parseArgs } from 'node:util';
import { Campaign, type Failure, KINDS, type Kind } from '../test/fuzz/campaign.ts';
import { Watchdog } from '../test/fuzz/watchdog.ts';

/** Cases of each kind in one round: a module of binaryen takes as long as fifty of the others. */
const ROUND: Readonly<Record<Kind, number>> = { generated: 200, binaryen: 4, mutants: 500 };
const SHOW_EVERY_MS = 5000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() & 0x7fff_ffff) },
    minutes: { type: 'string', default: '1' },
    count: { type: 'string' },
    kind: { type: 'string' },
    case: { type: 'string' },
    'shrink-seconds': { type: 'string', default: '60' },
  },
});
const kinds = KINDS.filter((kind) => values.kind === undefined || values.kind === kind);
const seed = Number(values.seed);
const countMax = values.count === undefined ? Number.POSITIVE_INFINITY : Number(values.count);
const minutes = values.count === undefined ? Number(values.minutes) : Number.POSITIVE_INFINITY;
const shrinkSeconds = Number(values['shrink-seconds']);
const only = values.case === undefined ? undefined : Number(values.case);
const areWhole = [seed, only ?? 0].every((value) => Number.isInteger(value) && value >= 0);
if (kinds.length === 0 || !areWhole || !(minutes > 0) || !(countMax >= 1) || !(shrinkSeconds >= 0)) {
  console.error(`--kind is one of ${KINDS.join(', ')}; all others are numbers, and --seed and --case whole ones.`);
  process.exit(2);
}
if (only !== undefined && kinds.length > 1) {
  console.error('--case needs --kind, too.');
  process.exit(2);
}

const campaign = await Campaign.open();
const watchdog = new Watchdog();
const startedMs = performance.now();
console.log(`seed ${seed}: ${kinds.join(', ')}`);
const failure = only === undefined ? runRounds() : runOnly(only);
show();
if (failure !== undefined) await tell(failure);
await campaign.close();
process.exit(failure === undefined ? 0 : 1);

function seconds(): number {
  return (performance.now() - startedMs) / 1000;
}

/** A round of each kind in turn, until time or count is up, or one fails. */
function runRounds(): Failure | undefined {
  const next: Record<Kind, number> = { generated: 0, binaryen: 0, mutants: 0 };
  let shownMs = performance.now();
  for (;;) {
    for (const kind of kinds) {
      for (let i = 0; i < ROUND[kind]; i++) {
        const isOver = seconds() >= minutes * 60 || kinds.every((each) => next[each] >= countMax);
        if (isOver) return undefined;
        if (next[kind] >= countMax) break;
        const failed = runOne(kind, next[kind]);
        if (failed !== undefined) return failed;
        next[kind] += 1;
        if (performance.now() - shownMs < SHOW_EVERY_MS) continue;
        shownMs = performance.now();
        console.log(`${seconds().toFixed(0)} s: ${kinds.map((each) => `${next[each]} ${each}`).join(', ')}`);
      }
    }
  }
}

function runOnly(number: number): Failure | undefined {
  const [kind = 'generated'] = kinds;
  return runOne(kind, number);
}

function runOne(kind: Kind, number: number): Failure | undefined {
  watchdog.begin(again(kind, number));
  const failed = campaign.run(kind, seed, number);
  watchdog.pause();
  return failed;
}

function again(kind: Kind, number: number): string {
  return `node scripts/run.mjs scripts/fuzz-guard.ts --kind ${kind} --seed ${seed} --case ${number}`;
}

function show(): void {
  console.log(`after ${seconds().toFixed(1)} s:`);
  for (const kind of kinds) {
    const { cases, counts } = campaign.tallies[kind];
    console.log(`${kind}: ${JSON.stringify(cases)} ${JSON.stringify(counts)}`);
  }
}

async function tell({ kind, number, problems }: Failure): Promise<void> {
  console.log(`\nFAILED: ${kind} ${number} of seed ${seed}`);
  for (const problem of problems) console.log(`  ${problem}`);
  console.log(`again: ${again(kind, number)}`);
  const folder = await campaign.report({ kind, seed, number, problems }, shrinkSeconds * 1000);
  console.log(`written to ${folder}`);
}
