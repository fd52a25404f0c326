/**
 * `node scripts/run.mjs scripts/conformance.ts [FOLDER [FILE …]]`: the tests of the WebAssembly specification through guard and
 * PD, with every failure. FOLDER has files as wabt's wast2json makes them; without it, that which `npm test` uses.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { runFolder, SUITE } from '../test/conformance/folder.ts';

const [folder, ...files] = process.argv.slice(2);
const url = folder === undefined ? SUITE : pathToFileURL(path.resolve(folder) + path.sep);
if (existsSync(url)) {
  const tally = await runFolder(url, files);
  for (const line of [...tally.report(), ...tally.failures.map((failure) => `FAILED ${failure}`)]) console.log(line);
  process.exitCode = tally.failures.length === 0 ? 0 : 1;
} else {
  console.error(`${url.pathname} is not there`);
  process.exitCode = 2;
}
