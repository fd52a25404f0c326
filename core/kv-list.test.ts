/** Lists of keys while others come and go: what is there all the time is listed once, in order, and a list comes to an end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { ChurnWorkerData } from '../test/kv-churn-worker.ts';
import { KvFixture } from '../test/kv-fixture.ts';
import { takeCensus } from '../test/privlib-census.ts';
import { SPACE_HANDLE_FIRST, SPACE_INDEX_CHANGES, SPACE_SIZE, SPACE_TABLE } from './layout.ts';

/** A thread in which these keys come and go until it is stopped. */
async function churn(
  t: TestContext,
  f: KvFixture,
  space: number,
  keys: readonly string[],
): Promise<() => Promise<void>> {
  const { control } = f.addExecutor();
  const workerData: ChurnWorkerData = { addressSpace: f.space, control, space, keys };
  const worker = new Worker(new URL('../test/kv-churn-worker.ts', import.meta.url), { execArgv: [], workerData });
  // A doomed thread ends by itself, when PrivLib traps.
  worker.on('error', () => {});
  t.after(() => worker.terminate());
  await once(worker, 'message');
  return async () => {
    f.privLib.executorDoom(control);
    await worker.terminate();
    f.privLib.executorRecover(control);
  };
}

function changesOf(f: KvFixture, space: number): number {
  return f.word(SPACE_TABLE + (space - SPACE_HANDLE_FIRST) * SPACE_SIZE + SPACE_INDEX_CHANGES);
}

test('a list gets past very many expired keys while the index changes all the time', { timeout: 60_000 }, async (t) => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  for (let i = 0; i < 5000; i++) f.put(space, `e${String(i).padStart(5, '0')}`, 'v', f.host, -1n, 10n);
  f.put(space, 'a', 'first', f.host);
  f.put(space, 'f', 'last', f.host);
  f.passMs(20);
  const stop = await churn(t, f, space, ['d', 'e02500', 'z']);
  let changed = 0;
  for (let i = 0; i < 200 || changed < 20; i++) {
    const before = changesOf(f, space);
    const began = performance.now();
    const page = f.list(space, '', '', 100, f.host);
    assert.ok(typeof page === 'object' && !page.more && performance.now() - began < 5000);
    if (changesOf(f, space) !== before) changed++;
    const keys = page.keys.map(({ key }) => key).filter((key) => !['d', 'e02500', 'z'].includes(key));
    assert.deepEqual(keys, ['a', 'f']);
  }
  await stop();
  takeCensus(f.memory);
});

test('what is there all the time is listed once and in order, beside what comes and goes', {
  timeout: 60_000,
}, async (t) => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const stay = Array.from({ length: 1000 }, (_, i) => `k${String(i).padStart(4, '0')}`);
  for (const key of stay) f.put(space, key, 'v', f.host);
  const come = Array.from({ length: 300 }, (_, i) => `k${String((i * 37) % 1000).padStart(4, '0')}+`);
  const stop = await churn(t, f, space, come);
  const others = new Set(come);
  for (let i = 0; i < 60; i++) {
    const seen: string[] = [];
    for (let after = ''; ; ) {
      const page = f.list(space, 'k', after, 150, f.host);
      assert.ok(typeof page === 'object');
      seen.push(...page.keys.map(({ key }) => key));
      if (!page.more) break;
      after = seen.at(-1) ?? '';
    }
    assert.deepEqual(seen, [...new Set(seen)].sort(), 'in order, and each once');
    assert.deepEqual(
      seen.filter((key) => !others.has(key)),
      stay,
    );
  }
  await stop();
  takeCensus(f.memory);
});
