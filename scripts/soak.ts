/**
 * The long soak: `node scripts/run.mjs scripts/soak.ts [--invocations 1000000] [--seed n] [--loss-every n]`. Exit code 1 when
 * an answer is wrong, missing or given twice, or when anything is left in the address space in the end.
 */
import { parseArgs } from 'node:util';
import { soak } from '../test/dispatch-soak.ts';

const { values } = parseArgs({
  options: {
    invocations: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() & 0x7fff_ffff) },
    'loss-every': { type: 'string', default: '5000' },
  },
});
const [invocations, seed, lossEvery] = [values.invocations, values.seed, values['loss-every']].map(Number);
if (![invocations, seed, lossEvery].every((value) => Number.isInteger(value) && Number(value) >= 0)) {
  console.error('--invocations, --seed and --loss-every are whole numbers.');
  process.exit(2);
}
console.log(`${invocations} invocations, seed ${seed}`);
const startedMs = performance.now();
let shownMs = startedMs;
try {
  const result = await soak({
    invocations: invocations ?? 0,
    seed: seed ?? 0,
    lossEvery: lossEvery ?? 0,
    progress: (done) => {
      if (performance.now() - shownMs < 3000) return;
      shownMs = performance.now();
      console.log(`${done} answered after ${((shownMs - startedMs) / 1000).toFixed(0)} s`);
    },
  });
  console.log(
    `done in ${((performance.now() - startedMs) / 1000).toFixed(0)} s, nothing is left: ${JSON.stringify(result)}`,
  );
} catch (error) {
  console.error(error);
  process.exit(1);
}
