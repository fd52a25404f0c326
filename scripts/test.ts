/** `npm test [-- PART_OF_A_PATH …]`: runs all tests, or those whose path contains one of the parts. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const parts = process.argv.slice(2);
const files = globSync('{src,core,sdk,demo,apps,bench,test,scripts}/**/*.test.ts', { cwd: root })
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`no test file matches ${parts.join(' ')}`);
  process.exit(2);
}
const { status } = spawnSync(
  process.execPath,
  ['--test', `--test-concurrency=${availableParallelism()}`, '--test-timeout=240000', ...files],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
