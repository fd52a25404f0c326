/** Threads that are ended in the midst of operations on the key-value store. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { ChurnWorkerData } from '../test/kv-churn-worker.ts';
import { KvFixture } from '../test/kv-fixture.ts';
import { runKills } from '../test/kv-kills.ts';
import { takeCensus } from '../test/privlib-census.ts';
import {
  CONTROL_LOCK,
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

/** A space in which the key `k` comes and goes in a thread of its own, and its locks as this thread sees them. */
class Waiting {
  readonly f = new KvFixture();
  readonly space: number = this.f.createSpace('s');
  readonly words = new Int32Array(this.f.memory.buffer, 0, 2 ** 29);
  readonly #index = SPACE_TABLE + (this.space - SPACE_HANDLE_FIRST) * SPACE_SIZE + SPACE_INDEX_LOCK;
  readonly #stripes = STRIPE_TABLE + (this.space - SPACE_HANDLE_FIRST) * STRIPES * STRIPE_SIZE;

  async start(t: TestContext): Promise<{ readonly control: number; readonly worker: Worker }> {
    const { control } = this.f.addExecutor();
    const workerData: ChurnWorkerData = { addressSpace: this.f.space, control, space: this.space, keys: ['k'] };
    const worker = new Worker(new URL('../test/kv-churn-worker.ts', import.meta.url), { execArgv: [], workerData });
    t.after(() => worker.terminate());
    // A doomed thread ends by itself, when PrivLib traps.
    worker.on('error', () => {});
    await once(worker, 'message');
    return { control, worker };
  }

  /** Those of the space, and the one over what all have in common; of the stripes only the first and the last. */
  get locks(): readonly number[] {
    return [CONTROL_LOCK, this.#stripes, this.#stripes + (STRIPES - 1) * STRIPE_SIZE, this.#index];
  }

  get isStripeTaken(): boolean {
    return Array.from({ length: STRIPES }, (_, i) => this.#stripes + i * STRIPE_SIZE + STRIPE_LOCK).some(
      (lock) => Atomics.load(this.words, lock >>> 2) !== 0,
    );
  }

  /** This thread takes the index, until the other one has its stripe and waits. */
  async takeIndex(): Promise<void> {
    while (Atomics.compareExchange(this.words, this.#index >>> 2, 0, 1) !== 0);
    await this.until(() => this.isStripeTaken, 'it takes its stripe');
    await delay(2);
    assert.ok(this.isStripeTaken, 'and waits');
  }

  giveIndex(): void {
    Atomics.store(this.words, this.#index >>> 2, 0);
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    for (const limit = performance.now() + 20_000; !condition(); await delay(1)) {
      assert.ok(performance.now() < limit, what);
    }
  }
}

test('a thread that is doomed while it waits for the index gives back the lock of the stripe', {
  timeout: 90_000,
}, async (t) => {
  const waiting = new Waiting();
  const { f, words } = waiting;
  for (let i = 0; i < 5; i++) {
    const { control, worker } = await waiting.start(t);
    await waiting.takeIndex();
    Atomics.store(words, (control + EXECUTOR_DOOMED) >>> 2, 1);
    waiting.giveIndex();
    await waiting.until(() => !waiting.isStripeTaken, 'it has given its stripe back');
    f.privLib.executorDoom(control);
    await worker.terminate();
    f.privLib.executorRecover(control);
    takeCensus(f.memory);
  }
});

/** Dooms an executor, and says when that is done. */
const DOOM = `
  const { privLib, memory, control } = require('node:worker_threads').workerData;
  const { exports } = new WebAssembly.Instance(privLib, { env: { memory } });
  require('node:worker_threads').parentPort.postMessage('ready');
  exports.executorDoom(control);
  require('node:worker_threads').parentPort.postMessage('doomed');`;

test('who dooms a thread waits for each lock that it may hold', { timeout: 60_000 }, async (t) => {
  const waiting = new Waiting();
  const { f, words } = waiting;
  const { control } = f.addExecutor();
  for (const lock of waiting.locks) {
    // As if it had that one.
    Atomics.store(words, lock >>> 2, 1);
    const doom = new Worker(DOOM, { eval: true, workerData: { ...f.space, control } });
    t.after(() => doom.terminate());
    let said = '';
    doom.on('message', (message: string) => {
      said = message;
    });
    await waiting.until(() => f.word(control + EXECUTOR_DOOMED) === 1, 'the thread is doomed');
    await delay(50);
    assert.equal(said, 'ready', 'it waits');
    Atomics.store(words, lock >>> 2, 0);
    await waiting.until(() => said === 'doomed', 'it goes on');
    await doom.terminate();
    f.privLib.executorRecover(control);
  }
  takeCensus(f.memory);
});
