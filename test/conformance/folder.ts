/** All files of a folder with tests of the specification. */
import { readdirSync } from 'node:fs';
import { Runner } from './runner.ts';
import { Tally } from './tally.ts';

/** Beside the project. */
export const SUITE: URL = new URL('../../../shared/spec-testsuite/', import.meta.url);

/** Runs the files of a folder, or those whose names are given. */
export async function runFolder(folder: URL, names: readonly string[] = []): Promise<Tally> {
  const tally = new Tally();
  const runner = new Runner(folder, tally);
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  for (const file of files) {
    if (names.length === 0 || names.includes(file) || names.includes(file.replace(/\.json$/, ''))) {
      await runner.runFile(file);
    }
  }
  return tally;
}
