/** Threads that change the same keys at the same time, round by round, and whether what they saw can have happened. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { KV_CONFLICT, KV_NO_SUCH_KEY, KV_NOT_A_COUNTER, OK } from '../core/status.ts';
import { KvFixture } from './kv-fixture.ts';
import * as D from './kv-history-data.ts';
import { type Content, type Event, isLinearizable, type Operation } from './linearizability.ts';
import { takeCensus } from './privlib-census.ts';

export interface HistoriesOptions {
  readonly seed: number;
  readonly milliseconds: number;
  readonly progress?: (result: HistoriesResult) => void;
}

export interface HistoriesResult {
  /** One for each key of each round. */
  readonly histories: number;
  readonly operations: number;
  /** Operations that began while another one on the same key was under way. */
  readonly overlaps: number;
}

const ROUND_TIMEOUT_MS = 30_000;

/** Throws the history that has no order, if there is one. */
export async function checkHistories(options: HistoriesOptions): Promise<HistoriesResult> {
  const threads = new Threads(options.seed);
  await threads.start();
  let result: HistoriesResult = { histories: 0, operations: 0, overlaps: 0 };
  try {
    const end = performance.now() + options.milliseconds;
    for (let round = 1; performance.now() < end; round++) {
      for (const history of threads.run(round)) {
        const { length } = history;
        if (!isLinearizable(history))
          assert.fail(`round ${round} of seed ${options.seed} has no order:\n${show(history)}`);
        result = {
          histories: result.histories + 1,
          operations: result.operations + length,
          overlaps: result.overlaps + overlapsOf(history),
        };
      }
      options.progress?.(result);
    }
    await threads.finish();
  } finally {
    await threads.stop();
  }
  return result;
}

function overlapsOf(history: readonly Event[]): number {
  return history.filter((a) => history.some((b) => b !== a && b.invoked < a.invoked && a.invoked < b.responded)).length;
}

function show(history: readonly Event[]): string {
  const lines = [...history]
    .sort((a, b) => a.invoked - b.invoked)
    .map((event) => JSON.stringify(event, (_, value) => (typeof value === 'bigint' ? `${value}` : value)));
  return lines.join('\n');
}

class Threads {
  readonly #fixture = new KvFixture();
  readonly #space: number;
  readonly #shared = new Int32Array(new SharedArrayBuffer(4 * D.SHARED_WORDS));
  readonly #records: readonly BigInt64Array[];
  readonly #seed: number;
  readonly #workers: Worker[] = [];
  readonly #errors: unknown[] = [];

  constructor(seed: number) {
    this.#space = this.#fixture.createSpace('s');
    this.#seed = seed;
    const bytes = D.OPERATIONS * D.RECORD_WORDS * 8;
    this.#records = Array.from({ length: D.THREADS }, () => new BigInt64Array(new SharedArrayBuffer(bytes)));
  }

  async start(): Promise<void> {
    for (const [i, records] of this.#records.entries()) {
      const workerData: D.HistoryWorkerData = {
        addressSpace: this.#fixture.space,
        control: this.#fixture.addExecutor().control,
        space: this.#space,
        seed: this.#seed + i * 7919,
        shared: this.#shared.buffer as SharedArrayBuffer,
        records: records.buffer as SharedArrayBuffer,
      };
      const worker = new Worker(new URL('./kv-history-worker.ts', import.meta.url), { execArgv: [], workerData });
      worker.on('error', (error) => this.#errors.push(error));
      this.#workers.push(worker);
      await once(worker, 'message');
    }
  }

  /** Has all threads do a round; returns what was seen of each key. */
  run(round: number): Event[][] {
    const shared = this.#shared;
    for (const word of [D.CLOCK, D.READY, D.DONE]) Atomics.store(shared, word, 0);
    Atomics.store(shared, D.ROUND, round);
    Atomics.notify(shared, D.ROUND);
    const end = performance.now() + ROUND_TIMEOUT_MS;
    for (let done = Atomics.load(shared, D.DONE); done < D.THREADS; done = Atomics.load(shared, D.DONE)) {
      assert.ok(performance.now() < end, `round ${round} does not end`);
      Atomics.wait(shared, D.DONE, done, 1000);
    }
    const events = this.#records.flatMap((records) =>
      Array.from({ length: D.OPERATIONS }, (_, i) => readRecord(records, i * D.RECORD_WORDS)),
    );
    const { host } = this.#fixture;
    return Array.from({ length: D.KEYS }, (_, key) => {
      this.#fixture.delete(this.#space, D.keyName(round, key), host);
      return events.filter((event) => event.key === key).map(({ event }) => event);
    });
  }

  /** Ends the threads. Nothing of what they did is left. */
  async finish(): Promise<void> {
    Atomics.store(this.#shared, D.ROUND, D.OVER);
    Atomics.notify(this.#shared, D.ROUND);
    await Promise.all(this.#workers.map((worker) => once(worker, 'exit')));
    assert.deepEqual(this.#errors, []);
    const { privLib, host, memory } = this.#fixture;
    takeCensus(memory);
    privLib.kvSpaceDrop(this.#space, host);
    assert.equal(takeCensus(memory).vmas, 1, 'the memory for keys of this thread is left');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function readRecord(records: BigInt64Array, at: number): { readonly key: number; readonly event: Event } {
  const word = (index: number): bigint => records[at + index] ?? 0n;
  const content: Content =
    word(D.RECORD_WORD_COUNT) === 1n ? `n${word(D.RECORD_CONTENT)}` : `t${word(D.RECORD_CONTENT)}`;
  return {
    key: Number(word(D.RECORD_KEY)),
    event: {
      invoked: Number(word(D.RECORD_INVOKED)),
      responded: Number(word(D.RECORD_RESPONDED)),
      operation: operationOf(Number(word(D.RECORD_KIND)), word, content),
    },
  };
}

function operationOf(kind: number, word: (index: number) => bigint, content: Content): Operation {
  const result = word(D.RECORD_RESULT);
  const expected = word(D.RECORD_EXPECTED);
  switch (kind) {
    case D.GET:
      if (result > 65535n) return { kind: 'get', found: { version: result, content } };
      assert.equal(result, BigInt(KV_NO_SUCH_KEY));
      return { kind: 'get', found: undefined };
    case D.PUT:
      if (result > 65535n) return { kind: 'put', content, expected, version: result };
      assert.equal(result, BigInt(KV_CONFLICT));
      return { kind: 'put', content, expected, version: undefined };
    case D.DELETE: {
      if (result === BigInt(OK)) return { kind: 'delete', expected, result: 'ok' };
      if (result === BigInt(KV_NO_SUCH_KEY)) return { kind: 'delete', expected, result: 'absent' };
      assert.equal(result, BigInt(KV_CONFLICT));
      return { kind: 'delete', expected, result: 'conflict' };
    }
    default: {
      const delta = word(D.RECORD_DELTA);
      if (result === BigInt(OK)) return { kind: 'add', delta, sum: word(D.RECORD_CONTENT) };
      assert.equal(result, BigInt(KV_NOT_A_COUNTER));
      return { kind: 'add', delta, sum: undefined };
    }
  }
}
