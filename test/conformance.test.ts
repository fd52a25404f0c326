/** The WebAssembly specification's own tests, through the guard. `TRACE_CONFORMANCE=1` prints every deviation. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { PAGE_SIZE } from '../core/layout.ts';
import { TestSpace } from '../src/guard/testing.ts';
import { Runner, Tally } from './conformance/runner.ts';

const SUITE = new URL('../../shared/spec-testsuite/', import.meta.url);

/** Files that grow their memory beyond the default limit. */
const LIMITS = new Map(['memory_grow.json', 'call.json', 'call_indirect.json'].map((file) => [file, 1024 * PAGE_SIZE]));

function lines(title: string, counts: ReadonlyMap<string, number>): string[] {
  return [...counts].sort((a, b) => b[1] - a[1]).map(([reason, count]) => `${title}: ${count} × ${reason}`);
}

test('the specification’s tests', (context) => {
  if (!existsSync(SUITE)) {
    context.skip('../shared/spec-testsuite is not there');
    return;
  }
  const tally = new Tally();
  const runner = new Runner(new TestSpace(), SUITE, tally, LIMITS);
  const files = readdirSync(SUITE).filter((name) => name.endsWith('.json'));
  for (const file of files) runner.runFile(file);
  const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);
  const { passed, refused, permitted, skipped, deviations } = tally;
  context.diagnostic(
    `conformance: ${files.length} files, ${passed} passed, ${sum(refused)} modules refused, ${sum(permitted)} permitted differences, ${sum(skipped)} not applicable, ${deviations.length} deviations`,
  );
  for (const line of [
    ...lines('refused', refused),
    ...lines('permitted', permitted),
    ...lines('not applicable', skipped),
  ]) {
    context.diagnostic(line);
  }
  for (const deviation of deviations.slice(0, process.env['TRACE_CONFORMANCE'] === undefined ? 20 : Infinity))
    context.diagnostic(`deviation: ${deviation}`);
  assert.equal(deviations.length, 0);
  assert.ok(passed > 30_000);
});
