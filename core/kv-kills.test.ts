/** Threads that are ended in the midst of operations on the key-value store. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { KvFixture } from '../test/kv-fixture.ts';
import { runKills } from '../test/kv-kills.ts';
import { takeCensus } from '../test/privlib-census.ts';
import {
  EXECUTOR_DOOMED,
  SPACE_HANDLE_FIRST,
  SPACE_INDEX_LOCK,
  SPACE_SIZE,
  SPACE_TABLE,
  STRIPE_LOCK,
  STRIPE_SIZE,
  STRIPE_TABLE,
  STRIPES,
} from './layout.ts';

test('a thread that is ended at any moment leaves the store as it should be', { timeout: 120_000 }, async (t) => {
  const seed = Date.now() & 0x7fff_ffff;
  t.diagnostic(`seed ${seed}`);
  const result = await runKills({ seed, milliseconds: 5000, killsMin: 10 });
  t.diagnostic(JSON.stringify(result));
  assert.ok(result.inTheMidst > 3 && result.operations > 1000);
});

/** Does one thing with the key `k` over and over: an entry comes, or one goes. */
const PUT_AND_DELETE = `
  const { client, control, space } = require('node:worker_threads').workerData;
  import(client).then(({ KvClient }) => {
    const kv = new KvClient(space.addressSpace, control);
    kv.put(space.handle, 'k', 1n, 1);
    require('node:worker_threads').parentPort.postMessage('ready');
    for (;;) { kv.delete(space.handle, 'k'); kv.put(space.handle, 'k', 1n, 1); }
  });`;

test('a thread that is doomed while it waits for the index gives back the lock of the stripe', {
  timeout: 60_000,
}, async (t) => {
  const f = new KvFixture();
  const handle = f.createSpace('s');
  const index = SPACE_TABLE + (handle - SPACE_HANDLE_FIRST) * SPACE_SIZE;
  const stripes = STRIPE_TABLE + (handle - SPACE_HANDLE_FIRST) * STRIPES * STRIPE_SIZE;
  const locks = Array.from({ length: STRIPES }, (_, i) => stripes + i * STRIPE_SIZE + STRIPE_LOCK);
  const words = new Int32Array(f.memory.buffer, 0, 2 ** 29);
  const isTaken = (lock: number): boolean => Atomics.load(words, lock >>> 2) !== 0;
  for (let i = 0; i < 5; i++) {
    const { control } = f.addExecutor();
    const worker = new Worker(PUT_AND_DELETE, {
      eval: true,
      workerData: {
        client: new URL('../test/kv-client.ts', import.meta.url).href,
        control,
        space: { addressSpace: f.space, handle },
      },
    });
    t.after(() => worker.terminate());
    // A doomed thread ends by itself, when PrivLib traps.
    worker.on('error', () => {});
    await once(worker, 'message');
    // This thread takes the index, until the other one has its stripe and waits.
    while (Atomics.compareExchange(words, (index + SPACE_INDEX_LOCK) >>> 2, 0, 1) !== 0);
    for (const limit = performance.now() + 20_000; !locks.some(isTaken); await delay(1)) {
      assert.ok(performance.now() < limit, 'it takes its stripe');
    }
    await delay(2);
    assert.ok(locks.some(isTaken), 'and waits');
    Atomics.store(words, (control + EXECUTOR_DOOMED) >>> 2, 1);
    Atomics.store(words, (index + SPACE_INDEX_LOCK) >>> 2, 0);
    for (const limit = performance.now() + 5000; locks.some(isTaken); await delay(1)) {
      assert.ok(performance.now() < limit, 'it has given its stripe back');
    }
    f.privLib.executorDoom(control);
    await worker.terminate();
    f.privLib.executorRecover(control);
    takeCensus(f.memory);
  }
});
