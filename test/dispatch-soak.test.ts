/** The short form of `scripts/soak.ts`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from './dispatch-soak.ts';

test('4,000 invocations of every kind, and executors that lose their threads, leave nothing', {
  timeout: 200_000,
}, async (t) => {
  const seed = Date.now() & 0x7fff_ffff;
  t.diagnostic(`seed ${seed}`);
  const { answers, errors, replacements } = await soak({ invocations: 4000, seed, lossEvery: 700 });
  t.diagnostic(JSON.stringify({ errors, replacements }));
  assert.equal(answers, 4000);
  for (const code of ['FUNCTION_FAULT', 'DEADLINE_EXCEEDED', 'INVOCATION_CANCELLED'])
    assert.ok((errors[code] ?? 0) > 0, code);
  assert.ok(replacements > 0);
});
