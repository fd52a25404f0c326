import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { FUNCTIONS_MAX } from '../../core/layout.ts';
import { FAULT_KINDS, type FaultKind, summarize, ThreadStats } from './stats.ts';
import type { LatencySummary } from './types.ts';

/** Generous, since the machine may be busy with something else. */
const PATIENCE_MS = 20_000;
const EMPTY: LatencySummary = { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
const NOTHING = { queueingUs: EMPTY, serviceUs: EMPTY, faults: {} };

function newStats(): ThreadStats {
  return new ThreadStats(ThreadStats.allocate());
}

/** A summary of one time, or of the same one several times: when it is the max, percentiles are exact. */
function same(us: number, count: number): LatencySummary {
  return { count, mean: us, p50: us, p90: us, p99: us, p999: us, max: us };
}

test('queueing, service and faults of each function are apart, up to the last one', () => {
  const stats = newStats();
  const last = FUNCTIONS_MAX - 1;
  // Long times, which are in the last buckets.
  for (const index of [0, 1, last]) stats.record(index, 1e12 + index, 2e12 + index);
  for (const kind of FAULT_KINDS) {
    stats.fault(1, kind);
    stats.fault(last, kind);
  }
  stats.fault(last, 'trap');
  const all = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 1]));
  const latencies = (index: number) => ({ queueingUs: same(1e12 + index, 1), serviceUs: same(2e12 + index, 1) });
  assert.deepEqual(summarize([stats], 0), { ...latencies(0), faults: {} });
  assert.deepEqual(summarize([stats], 1), { ...latencies(1), faults: all });
  assert.deepEqual(summarize([stats], 2), NOTHING);
  assert.deepEqual(summarize([stats], last - 1), NOTHING);
  assert.deepEqual(summarize([stats], last), { ...latencies(last), faults: { ...all, trap: 2 } });
});

test('queueing that was not measured is left out', () => {
  const stats = newStats();
  stats.record(7, Number.NaN, 30);
  stats.record(7, -1, 30);
  assert.deepEqual(summarize([stats], 7), { queueingUs: EMPTY, serviceUs: same(30, 2), faults: {} });
  stats.record(7, 0, 30);
  assert.deepEqual(summarize([stats], 7), { queueingUs: same(0, 1), serviceUs: same(30, 3), faults: {} });
});

test('an index that no function can have changes nothing', () => {
  const buffer = ThreadStats.allocate();
  const stats = new ThreadStats(buffer);
  for (const index of [FUNCTIONS_MAX, FUNCTIONS_MAX + 1, -1, Number.NaN, Infinity]) {
    stats.record(index, 1, 2);
    stats.fault(index, 'deadline');
    assert.deepEqual(summarize([stats], index), NOTHING);
  }
  assert.ok(Buffer.from(buffer).equals(Buffer.alloc(buffer.byteLength)));
});

test('a buffer that is not from `allocate` is refused', () => {
  assert.throws(() => new ThreadStats(new SharedArrayBuffer(64)), /^RangeError: a buffer of 64 bytes: use one that/);
});

test('no kind of fault is there twice', () => {
  assert.equal(new Set(FAULT_KINDS).size, FAULT_KINDS.length);
});

interface Event {
  readonly thread: number;
  readonly index: number;
  readonly queueingUs: number;
  readonly serviceUs: number;
  readonly fault: FaultKind | undefined;
}

const THREADS = 4;
const INDICES = 3;
/** Whole numbers, whose sums are exact in any order. */
const us = fc.nat(1e7);
const event: fc.Arbitrary<Event> = fc.record({
  thread: fc.nat(THREADS - 1),
  index: fc.nat(INDICES - 1),
  queueingUs: fc.oneof(us, fc.constant(Number.NaN)),
  serviceUs: us,
  fault: fc.option(fc.constantFrom(...FAULT_KINDS), { nil: undefined }),
});

function apply(stats: ThreadStats | undefined, first: number, { index, queueingUs, serviceUs, fault }: Event): void {
  assert.ok(stats !== undefined);
  stats.record(first + index, queueingUs, serviceUs);
  if (fault !== undefined) stats.fault(first + index, fault);
}

test('property: several threads together have what one would have', () => {
  const threads = Array.from({ length: THREADS }, newStats);
  const one = newStats();
  // Each run has functions of its own, since memory for all of them in each run takes long.
  let first = 0;
  fc.assert(
    fc.property(fc.array(event, { maxLength: 300, size: 'max' }), (events) => {
      first += INDICES;
      for (const each of events) {
        apply(threads[each.thread], first, each);
        apply(one, first, each);
      }
      for (let index = 0; index < INDICES; index++) {
        const summary = summarize(threads, first + index);
        assert.deepEqual(summary, summarize([one], first + index));
        const own = events.filter((each) => each.index === index);
        assert.equal(summary.serviceUs.count, own.length);
        const faults = Object.values(summary.faults).reduce((sum, count) => sum + count, 0);
        assert.equal(faults, own.filter((each) => each.fault !== undefined).length);
      }
    }),
    { numRuns: 200 },
  );
});

test('memory is taken only where something is recorded', () => {
  const before = process.memoryUsage.rss();
  const threads = Array.from({ length: 8 }, newStats);
  for (const stats of threads) stats.record(9, 1, 1);
  for (let index = 0; index < FUNCTIONS_MAX; index++) summarize(threads, index);
  // All of it would be 152 MB. The heads alone are 4 MB.
  const grown = process.memoryUsage.rss() - before;
  assert.ok(grown < 48e6, `${grown} bytes`);
});

/** Records until it is told to stop: times in µs of 1 to 1000 and 1001 to 3000, and every tenth time a fault. */
const WRITER = `
const { parentPort, workerData } = require('node:worker_threads');
import(workerData.module).then(({ ThreadStats }) => {
  const stats = new ThreadStats(workerData.buffer);
  const hasToStop = () => Atomics.load(workerData.stop, 0) !== 0;
  let written = 0;
  while (!hasToStop()) {
    stats.record(3, 1 + (written % 1000), 1001 + (written % 2000));
    if (written % 10 === 0) stats.fault(3, 'trap');
    written++;
    if (written === 1000) parentPort.postMessage('begun');
  }
  parentPort.postMessage(written);
});`;

/** What must hold of two summaries of one histogram, read one after the other while somebody records. */
function checkProgress(before: LatencySummary, now: LatencySummary, [min, max]: readonly [number, number]): void {
  // The mean can be anything for a moment, should this thread stand still between reading the count and the sum.
  assert.ok(now.count >= before.count);
  assert.ok(now.max >= before.max && now.max <= max);
  assert.ok(min <= now.p50 && now.p50 <= now.p90 && now.p90 <= now.p99 && now.p99 <= now.p999 && now.p999 <= now.max);
}

test('who reads while another thread records sees counters that only go up, and in the end all', async () => {
  const buffer = ThreadStats.allocate();
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const module = new URL('./stats.ts', import.meta.url).href;
  const worker = new Worker(WRITER, { eval: true, execArgv: [], workerData: { buffer, stop, module } });
  const threads = [new ThreadStats(buffer)];
  await once(worker, 'message');
  try {
    let before = summarize(threads, 3);
    const start = performance.now();
    for (let changes = 0; changes < 500; ) {
      const now = summarize(threads, 3);
      checkProgress(before.queueingUs, now.queueingUs, [1, 1000]);
      checkProgress(before.serviceUs, now.serviceUs, [1001, 3000]);
      assert.ok((now.faults['trap'] ?? 0) >= (before.faults['trap'] ?? 0));
      if (now.serviceUs.count > before.serviceUs.count) changes++;
      before = now;
      assert.ok(performance.now() - start < PATIENCE_MS, 'nothing of the other thread is seen');
    }
  } finally {
    Atomics.store(stop, 0, 1);
  }
  const [written] = (await once(worker, 'message')) as [number];
  const { queueingUs, serviceUs, faults } = summarize(threads, 3);
  assert.deepEqual([queueingUs.count, serviceUs.count], [written, written]);
  assert.deepEqual(faults, { trap: Math.ceil(written / 10) });
  await worker.terminate();
});
