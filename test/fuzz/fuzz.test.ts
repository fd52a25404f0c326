/** The short form of `scripts/fuzz-guard.ts`: the same cases each time. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Campaign, type Kind } from './campaign.ts';
import { handMade, tryMutant } from './decoder.ts';

const SEED = 1;

let campaign: Campaign;

before(async () => {
  campaign = await Campaign.open();
});
after(() => campaign.close());

function runAll(kind: Kind, count: number): void {
  for (let number = 0; number < count; number++) {
    const failure = campaign.run(kind, SEED, number);
    const again = `node scripts/run.mjs scripts/fuzz-guard.ts --kind ${kind} --seed ${SEED} --case ${number}`;
    assert.equal(failure, undefined, `${failure?.problems.join('\n')}\n${again}`);
  }
}

test('modules that aim at the guard do the same with guards as without', (t) => {
  runAll('generated', 500);
  const { cases, counts } = campaign.tallies.generated;
  t.diagnostic(JSON.stringify({ cases, counts }));
  // What the cases come to, so that they do not end before they begin.
  assert.ok((cases['same'] ?? 0) > 490);
  assert.ok(counts.accesses > 60_000 && counts.hostCalls > 1000 && counts.plain > 100);
  for (const reason of ['returned', 'memory', 'exception', 'wait', 'operation does not support unaligned accesses'])
    assert.ok((counts.outcomes[reason] ?? 0) > 0, reason);
  assert.ok((counts.outcomes['returned'] ?? 0) > 1000);
});

test('modules of binaryen’s fuzzer do, too', (t) => {
  runAll('binaryen', 10);
  const { cases, counts } = campaign.tallies.binaryen;
  t.diagnostic(JSON.stringify({ cases, counts }));
  assert.ok((cases['same'] ?? 0) >= 8);
  assert.ok(counts.accesses > 150 && counts.plain > 10);
});

test('the modules that mutants are made of are accepted', () => {
  for (const bytes of handMade())
    assert.deepEqual(tryMutant(bytes), { verdict: 'accepted', isDecoded: true, problem: undefined });
});

test('mutants are refused with an error of the table, or do the same with guards as without', (t) => {
  runAll('mutants', 1000);
  const { cases, counts } = campaign.tallies.mutants;
  t.diagnostic(JSON.stringify({ cases, counts }));
  for (const verdict of ['MODULE_MALFORMED', 'accepted', 'same', 'decoded and refused'])
    assert.ok((cases[verdict] ?? 0) > 50, verdict);
  assert.ok(counts.accesses > 5000);
});
