/** The tests of the WebAssembly specification, through the guard and in PDs. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SENTENCES } from './conformance/abi.ts';
import { runFolder, SUITE } from './conformance/folder.ts';

/** What passes today. Less means that something is refused, excused or not run that was not. */
const PASSED_MIN = 33_456;

test('the tests of the specification pass', async (context) => {
  if (!existsSync(SUITE)) {
    context.skip('../shared/spec-testsuite is not there, so the tests of the specification are not run');
    return;
  }
  const tally = await runFolder(SUITE);
  for (const line of tally.report()) context.diagnostic(`conformance: ${line}`);
  assert.deepEqual(tally.failures, []);
  assert.ok(tally.passed >= PASSED_MIN, `only ${tally.passed} commands passed; ${PASSED_MIN} are expected`);
});

test('what is excused stands in the ABI', () => {
  const abi = readFileSync(new URL('../docs/abi.md', import.meta.url), 'utf8').replace(/\s+/g, ' ');
  for (const sentence of SENTENCES) assert.ok(abi.includes(sentence), `docs/abi.md does not say: ${sentence}`);
});
