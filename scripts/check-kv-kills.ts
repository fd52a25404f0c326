/**
 * Ends threads in the midst of operations on the key-value store, for longer than the tests do:
 * `node scripts/run.mjs scripts/check-kv-kills.ts [--seed n] [--minutes 1]`. Exit code 1 when a lock stays taken or anything is not
 * where it should be.
 */
import { parseArgs } from 'node:util';
import { runKills } from '../test/kv-kills.ts';

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
  const result = await runKills({
    seed,
    milliseconds: minutes * 60_000,
    killsMin: 1,
    progress: (done) => {
      if (performance.now() - shownMs < SHOW_EVERY_MS) return;
      shownMs = performance.now();
      console.log(JSON.stringify(done));
    },
  });
  console.log(`nothing is lost: ${JSON.stringify(result)}`);
} catch (error) {
  console.error(error);
  process.exit(1);
}
