/**
 * Whether what threads see of keys that they change at the same time has an order, for longer than the tests do:
 * `node scripts/run.mjs scripts/check-linearizability.ts [--seed n] [--minutes 1]`. Shows the history that has none, and exits with 1.
 */
import { parseArgs } from 'node:util';
import { checkHistories } from '../test/kv-histories.ts';

const SHOW_EVERY_MS = 5000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() & 0x7fff_ffff) },
    minutes: { type: 'string', default: '1' },
  },
});
const [seed, minutes] = [Number(values.seed), Number(values.minutes)];
if (!Number.isInteger(seed) || seed < 0 || !(minutes > 0)) {
  console.error('--seed is a whole number, and --minutes one above 0.');
  process.exit(2);
}
console.log(`seed ${seed}`);
let shownMs = performance.now();
try {
  const result = await checkHistories({
    seed,
    milliseconds: minutes * 60_000,
    progress: (done) => {
      if (performance.now() - shownMs < SHOW_EVERY_MS) return;
      shownMs = performance.now();
      console.log(JSON.stringify(done));
    },
  });
  console.log(`all have an order: ${JSON.stringify(result)}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
