/**
 * The long form of what test/kv-durability.test.ts does with `kill -9`: `node scripts/run.mjs scripts/kv-crash.ts [--kills 500]
 * [--seed n]`. Exit code 1 when a write is missing that was acknowledged.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { crash } from '../test/kv-crash.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() & 0x7fff_ffff) },
  },
});
const [kills = 0, seed = 0] = [values.kills, values.seed].map(Number);
if (![kills, seed].every((value) => Number.isInteger(value) && value >= 0)) {
  console.error('--kills and --seed are whole numbers.');
  process.exit(2);
}
console.log(`${kills} kills, seed ${seed}`);
const folder = mkdtempSync(join(tmpdir(), 'jord-kv-crash-'));
const startedMs = performance.now();
const seconds = (): string => ((performance.now() - startedMs) / 1000).toFixed(0);
try {
  const progress = (done: number): void => {
    if (done % 20 === 0) console.log(`${done} kills after ${seconds()} s`);
  };
  const result = await crash({ folder, kills, seed, progress });
  console.log(`done in ${seconds()} s, nothing is missing: ${JSON.stringify(result)}`);
  rmSync(folder, { recursive: true });
} catch (error) {
  console.error(error, `\nThe folder is ${folder}.`);
  process.exit(1);
}
