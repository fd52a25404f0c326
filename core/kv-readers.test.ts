/** Readers of a value that others replace all the time. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { KvFixture } from '../test/kv-fixture.ts';
import { GO, KEY, READS, REPLACED, type ReaderWorkerData, SHARED_WORDS } from '../test/kv-reader-data.ts';
import { takeCensus } from '../test/privlib-census.ts';
import { KV_MAY_READ, KV_MAY_READ_WRITE } from './layout.ts';
import * as status from './status.ts';

const REPLACEMENTS = 1_000_000;
const LARGE_BYTES = 65_536;

test('a value that is held stays what it is while it is replaced a million times', { timeout: 200_000 }, async (t) => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const reader = f.makeFunction();
  f.bind(reader, space, KV_MAY_READ);
  const content = Buffer.alloc(LARGE_BYTES, 'a value that stays');
  f.put(space, KEY, content.toString(), f.host);
  const a = f.enter(reader);
  const held = f.get(a.space, KEY, a.base);
  f.privLib.pdSuspend(a.base);
  const version = f.privLib.kvVersion(held, a.base);
  f.put(space, KEY, '12345678', f.host);
  const shared = new Int32Array(new SharedArrayBuffer(4 * SHARED_WORDS));
  const workers: Worker[] = [];
  for (const part of ['replace', 'replace', 'read'] as const) {
    const workerData: ReaderWorkerData = {
      addressSpace: f.space,
      control: f.addExecutor().control,
      space,
      shared: shared.buffer,
      part,
      replacements: REPLACEMENTS,
    };
    const worker = new Worker(new URL('../test/kv-reader-worker.ts', import.meta.url), { execArgv: [], workerData });
    t.after(() => worker.terminate());
    workers.push(worker);
    await once(worker, 'message');
  }
  const over = Promise.all(workers.map((worker) => once(worker, 'exit')));
  // Whatever goes wrong in a thread ends the test.
  over.catch(() => Atomics.store(shared, REPLACED, REPLACEMENTS));
  Atomics.store(shared, GO, 1);
  Atomics.notify(shared, GO);
  let looks = 0;
  for (; Atomics.load(shared, REPLACED) < REPLACEMENTS; looks++) {
    assert.ok(content.equals(f.bytes.slice(held, held + LARGE_BYTES)), 'what is held is what was got');
    assert.equal(f.privLib.kvVersion(held, a.base), version);
    await delay(5);
  }
  await over;
  t.diagnostic(`${looks} looks, ${shared[READS]} reads`);
  assert.ok((shared[READS] ?? 0) > 1000);
  const { vmas, vmasFree } = takeCensus(f.memory);
  // The value that is held, the one that is there, its entry, the table of its stripe, and memory for keys of host and PD.
  assert.equal(vmas, 6);
  assert.ok(vmasFree < 5000, `what was replaced is used again: ${vmasFree}`);
  f.privLib.pdResume(a.base);
  assert.equal(f.privLib.vmaRelease(held, a.base), status.OK);
  assert.equal(takeCensus(f.memory).vmas, 5);
  f.leave(a.pd);
});

test('a PD that ends lets go of all that it holds, of values that were replaced, deleted, and of a space that is gone', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const gone = f.createSpace('gone');
  const made = f.makeFunction();
  f.bind(made, space, KV_MAY_READ_WRITE);
  f.bind(made, gone, KV_MAY_READ_WRITE, 1);
  const empty = takeCensus(f.memory).vmas;
  for (const end of ['ends', 'releases'] as const) {
    for (let i = 0; i < 60; i++) {
      f.put(space, `k${i}`, `value ${i}`, f.host);
      if (end === 'ends') f.put(gone, `k${i}`, `gone ${i}`, f.host);
    }
    const a = f.enter(made);
    const held = Array.from({ length: 60 }, (_, i) => f.get(a.space, `k${i}`, a.base));
    if (end === 'ends') for (let i = 0; i < 60; i++) held.push(f.get(a.space + 1, `k${i}`, a.base));
    f.privLib.pdSuspend(a.base);
    for (let i = 0; i < 60; i += 2) f.put(space, `k${i}`, 'another', f.host);
    for (let i = 0; i < 60; i += 3) f.delete(space, `k${i}`, f.host);
    if (end === 'ends') assert.equal(f.privLib.kvSpaceDrop(gone, f.host), status.OK);
    f.privLib.pdResume(a.base);
    for (const [i, address] of held.entries()) {
      assert.equal(f.textAt(address, a.base), i < 60 ? `value ${i}` : `gone ${i - 60}`);
      if (end === 'releases') assert.equal(f.privLib.vmaRelease(address, a.base), status.OK);
    }
    takeCensus(f.memory);
    f.leave(a.pd);
    takeCensus(f.memory);
    for (let i = 0; i < 60; i++) f.delete(space, `k${i}`, f.host);
  }
  f.privLib.kvSpaceDrop(space, f.host);
  assert.equal(takeCensus(f.memory).vmas, Math.max(empty, 1));
});
