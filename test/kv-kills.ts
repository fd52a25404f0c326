/**
 * Threads that are ended in the midst of operations on the key-value store, while another one goes on, a writer takes what
 * changes, and spaces are dropped. After each, no lock is taken and everything is in its place.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import * as L from '../core/layout.ts';
import * as status from '../core/status.ts';
import { KvFixture } from './kv-fixture.ts';
import { GO, type KillWorkerData, OPERATIONS, PAUSE, PAUSED, SHARED_WORDS, SPACES, WRONG } from './kv-kill-data.ts';
import { takeCensus } from './privlib-census.ts';
import type { TestExecutor, TestFunction } from './privlib-fixture.ts';

export interface KillsOptions {
  readonly seed: number;
  readonly milliseconds: number;
  /** Even where the machine is busy with something else. */
  readonly killsMin: number;
  readonly progress?: (result: KillsResult) => void;
}

export interface KillsResult {
  readonly kills: number;
  readonly operations: number;
  /** How many threads were ended while a PD of theirs lived. */
  readonly inTheMidst: number;
  readonly written: number;
}

// So that code that is not optimised yet looks where functions return, too: by itself it does so only once in a long time.
setFlagsFromString('--wasm-tiering-budget=2000');

const PAUSE_TIMEOUT_MS = 20_000;
/** Spaces by the slot that the function has them in. */
const FLAGS = [0, L.SPACE_IS_DURABLE, L.SPACE_IS_CACHE, 0];
const CACHE_KEYS_MAX = 100;
const CACHE = 2;
const DROPPED = SPACES - 1;

/** PrivLib as code that no thread has run yet, and that is not optimised: V8 keeps code by the bytes of the module. */
let copies = 0;
function freshCode(): WebAssembly.Module {
  const bytes = readFileSync(new URL('../build/privlib.wasm', import.meta.url));
  // A custom section with a name of three bytes and nothing else.
  const name = [copies & 0x7f, (copies >>> 7) & 0x7f, (copies++ >>> 14) & 0x7f];
  return new WebAssembly.Module(Buffer.concat([bytes, Uint8Array.of(0, 4, 3, ...name)]));
}

/** Throws what is wrong. */
export async function runKills(options: KillsOptions): Promise<KillsResult> {
  const store = new Store(options.seed);
  try {
    return await store.run(options);
  } finally {
    await store.stop();
  }
}

class Store {
  readonly #fixture = new KvFixture();
  readonly #victim: TestExecutor = this.#fixture.addExecutor();
  readonly #survivor: TestExecutor = this.#fixture.addExecutor();
  readonly #shared = new Int32Array(new SharedArrayBuffer(4 * SHARED_WORDS));
  readonly #made: TestFunction = this.#fixture.makeFunction(() => {}, 131072, 10_000, { vmaBytesMax: 2 ** 20 });
  readonly #spaces: number[] = [];
  readonly #workers: Promise<Worker>[] = [];
  #state: number;
  #written = 0;

  constructor(seed: number) {
    this.#state = seed;
    const { host } = this.#fixture;
    this.#fixture.setWord(host + L.HOME_END_MS, 0x3fff_ffff);
    for (let slot = 0; slot < SPACES; slot++) this.#bind(slot);
  }

  #random(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return this.#state / 2 ** 32;
  }

  #bind(slot: number): void {
    const keysMax = slot === CACHE ? CACHE_KEYS_MAX : 0;
    const space = this.#fixture.createSpace(`space${slot}`, { flags: FLAGS[slot] ?? 0, keysMax });
    this.#spaces[slot] = space;
    this.#fixture.bind(this.#made, space, L.KV_MAY_READ_WRITE, slot);
  }

  async run({ milliseconds, killsMin, progress }: KillsOptions): Promise<KillsResult> {
    const { privLib, memory } = this.#fixture;
    await this.#start(this.#survivor, 0);
    let next = this.#start(this.#victim, 1);
    let [kills, inTheMidst] = [0, 0];
    for (const end = performance.now() + milliseconds; performance.now() < end || kills < killsMin; kills++) {
      const worker = await next;
      next = this.#start(this.#victim, kills + 2);
      Atomics.store(this.#shared, PAUSE, 0);
      Atomics.notify(this.#shared, PAUSE);
      Atomics.store(this.#shared, GO, kills + 1);
      Atomics.notify(this.#shared, GO);
      await this.#disturb();
      privLib.executorDoom(this.#victim.control);
      if (this.#random() < 0.3) await delay(this.#random() * 3);
      await worker.terminate();
      await this.#pause(kills + 1);
      const current = this.#fixture.word(this.#victim.control + L.EXECUTOR_CURRENT);
      if (current !== this.#victim.host) inTheMidst++;
      privLib.executorRecover(this.#victim.control);
      const { pds } = takeCensus(memory);
      assert.equal(pds, 0, `after kill ${kills}`);
      progress?.(this.#result(kills, inTheMidst));
    }
    this.#finish();
    return this.#result(kills, inTheMidst);
  }

  #result(kills: number, inTheMidst: number): KillsResult {
    return { kills, operations: Atomics.load(this.#shared, OPERATIONS), inTheMidst, written: this.#written };
  }

  /** Starts a thread, which begins when it is its turn. */
  #start({ control }: TestExecutor, turn: number): Promise<Worker> {
    const workerData: KillWorkerData = {
      addressSpace: { ...this.#fixture.space, privLib: freshCode() },
      control,
      shared: this.#shared.buffer as SharedArrayBuffer,
      seed: Math.floor(this.#random() * 2 ** 31),
      made: this.#made,
      turn,
    };
    const worker = new Worker(new URL('./kv-kill-worker.ts', import.meta.url), { execArgv: [], workerData });
    // A doomed thread may end by itself, when PrivLib traps.
    worker.on('error', (error) => {
      if (Atomics.load(this.#shared, WRONG) !== 0) console.error(error);
    });
    const started = once(worker, 'message').then(() => worker);
    this.#workers.push(started);
    return started;
  }

  /** For some milliseconds: time passes, expired keys are swept, the writer writes, a space is dropped. */
  async #disturb(): Promise<void> {
    const { privLib, host } = this.#fixture;
    for (const end = performance.now() + this.#random() * 15; performance.now() < end; await delay(1)) {
      this.#fixture.passMs(Math.floor(this.#random() * 5));
      for (const space of this.#spaces) privLib.kvSweep(space, 10, host);
      if (this.#random() < 0.5) this.#write();
      if (this.#random() < 0.1) this.#dropSpace();
    }
  }

  /** It is made again where it was, and the function has it no more: its binding is to the one that is gone. */
  #dropSpace(): void {
    const { privLib, host } = this.#fixture;
    assert.equal(privLib.kvSpaceDrop(this.#spaces[DROPPED] ?? 0, host), status.OK);
    this.#bind(DROPPED);
  }

  /** A batch of the writer's. */
  #write(): void {
    const { privLib } = this.#fixture;
    const space = this.#spaces[1] ?? 0;
    const words = space - L.SPACE_HANDLE_FIRST;
    Atomics.store(
      new Int32Array(this.#fixture.memory.buffer, 0, 2 ** 29),
      (L.SPACE_TABLE + words * L.SPACE_SIZE + L.SPACE_DIRTY_BYTES) >>> 2,
      0,
    );
    const taken: (readonly [entry: number, value: number])[] = [];
    for (let stripe = 0; stripe < L.STRIPES; stripe++) {
      for (let isFirst = 1; ; isFirst = 0) {
        const entry = privLib.kvDirtyTake(space, stripe, isFirst) >>> 0;
        if (entry === 0) break;
        taken.push([entry, this.#fixture.word(L.KV_WRITER_RECORD + L.RECORD_VALUE)]);
      }
    }
    const isWritten = this.#random() < 0.8 ? 1 : 0;
    for (const [entry, value] of taken) privLib.kvDirtyDone(space, entry, value, isWritten);
    if (isWritten === 1) this.#written += taken.length;
  }

  /** Has the survivor stop between two rounds: it does, unless a lock is lost. */
  async #pause(number: number): Promise<void> {
    const shared = this.#shared;
    Atomics.store(shared, PAUSE, number);
    for (const limit = performance.now() + PAUSE_TIMEOUT_MS; Atomics.load(shared, PAUSED) < number; await delay(1)) {
      assert.equal(shared[WRONG], 0, 'a thread has found something wrong');
      assert.ok(performance.now() < limit, 'the survivor does not pause');
    }
    assert.equal(shared[WRONG], 0, 'a thread has found something wrong');
  }

  /** All that is left is the spaces', and goes with them. */
  #finish(): void {
    const { privLib, host, memory } = this.#fixture;
    for (const space of this.#spaces) assert.equal(privLib.kvSpaceDrop(space, host), status.OK);
    assert.equal(takeCensus(memory).vmas, 1, 'the memory for keys of this thread is left');
  }

  async stop(): Promise<void> {
    await Promise.all(
      (await Promise.allSettled(this.#workers)).map((one) => one.status === 'fulfilled' && one.value.terminate()),
    );
  }
}
