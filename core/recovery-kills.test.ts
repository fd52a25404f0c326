/** Threads that are ended in the midst of PrivLib, at any moment, and what is left of what they did. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { takeCensus } from '../test/privlib-census.ts';
import { Fixture, type TestExecutor, type TestFunction } from '../test/privlib-fixture.ts';
import {
  FUNCTION_COUNT,
  FUNCTIONS,
  GO,
  PAUSE,
  PAUSED,
  type RecoveryWorkerData,
  ROUNDS,
  SHARED_WORDS,
  WRONG,
} from '../test/recovery-worker-data.ts';
import {
  CONTROL_INVOCATIONS_USED,
  CONTROL_LOCK,
  CONTROL_NOW_MS,
  EXECUTOR_CURRENT,
  EXECUTOR_DOOMED,
  EXECUTOR_FREE,
  FREE_LIST_MAX,
  HOME_END_MS,
  INVOCATION_QUEUED,
} from './layout.ts';
import * as status from './status.ts';

// So that code that is not optimised yet looks where functions return, too: by itself it does so only once in a long time.
setFlagsFromString('--wasm-tiering-budget=2000');

const ID = 65536;
const TIME_MS = 6000;
/** Even where the machine is busy with something else. */
const KILLS_MIN = 10;
const ROOTS = 12;

/** PrivLib as code that no thread has run yet, and that is not optimised: V8 keeps code by the bytes of the module. */
let copies = 0;
function freshCode(): WebAssembly.Module {
  const bytes = readFileSync(new URL('../build/privlib.wasm', import.meta.url));
  // A custom section with a name of three bytes and nothing else.
  const name = [copies & 0x7f, (copies >>> 7) & 0x7f, (copies++ >>> 14) & 0x7f];
  return new WebAssembly.Module(Buffer.concat([bytes, Uint8Array.of(0, 4, 3, ...name)]));
}

class Server {
  readonly fixture = new Fixture();
  readonly victim: TestExecutor = this.fixture.addExecutor();
  readonly survivor: TestExecutor = this.fixture.addExecutor();
  readonly shared: Int32Array = new Int32Array(new SharedArrayBuffer(4 * SHARED_WORDS));
  readonly functions: TestFunction[] = [];
  readonly random: () => number;
  #pauses = 0;

  constructor(seed: number) {
    let state = seed;
    this.random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    this.fixture.setWord(this.fixture.host + HOME_END_MS, 0x3fff_ffff);
    for (let i = 0; i < FUNCTION_COUNT; i++) this.setFunction(i);
  }

  /** A function with limits, in place of the one before. */
  setFunction(index: number): void {
    const limits = { concurrency: index === 0 ? 25 : 0, vmaBytesMax: index === 1 ? 2 ** 22 : 0, homesMax: 40 };
    const content = new Uint8Array(5000).fill(9);
    const made = this.fixture.makeFunction(
      (base, template) => this.fixture.writeHome(base, template, 1000, content),
      262144,
      10_000,
      limits,
    );
    this.functions[index] = made;
    Atomics.store(this.shared, FUNCTIONS + index, made.descriptor);
  }

  /** Starts a thread, which begins when it is its turn. */
  async start(
    { control }: TestExecutor,
    peer: TestExecutor,
    turn: number,
    part: RecoveryWorkerData['part'] = 'all',
  ): Promise<Worker> {
    const [layout] = this.functions;
    assert.ok(layout !== undefined);
    const workerData: RecoveryWorkerData = {
      space: { ...this.fixture.space, privLib: freshCode() },
      control,
      peer: peer.control,
      shared: this.shared.buffer as SharedArrayBuffer,
      seed: Math.floor(this.random() * 2 ** 31),
      layout,
      part,
      turn,
    };
    const worker = new Worker(new URL('../test/recovery-worker.ts', import.meta.url), { execArgv: [], workerData });
    // A doomed thread may end by itself, when PrivLib traps.
    worker.on('error', (error) => {
      if (Atomics.load(this.shared, WRONG) !== 0) console.error(error);
    });
    await once(worker, 'message');
    return worker;
  }

  /** Asks for invocations and gives them to the two executors. Returns their handles. */
  dispatch(): number[] {
    const { privLib, host } = this.fixture;
    return Array.from({ length: ROOTS }, (_, i) => {
      const request = this.random() < 0.5 ? 0 : privLib.vmaMap(Math.floor(this.random() * 2000), host);
      const handle = privLib.invocationNew(ID, request, 0, 0, 0, host) >>> 0;
      assert.ok(handle > status.STATUS_MAX);
      assert.equal(privLib.ringPush((i % 2 === 0 ? this.victim : this.survivor).control, handle, 64), 1);
      return handle;
    });
  }

  /** Has the survivor stop between two rounds. */
  async pause(): Promise<void> {
    const pause = ++this.#pauses;
    Atomics.store(this.shared, PAUSE, pause);
    for (const limit = performance.now() + 20_000; Atomics.load(this.shared, PAUSED) < pause; await delay(1)) {
      assert.equal(this.shared[WRONG], 0, 'a thread has found something wrong');
      assert.ok(performance.now() < limit, 'the survivor does not pause');
    }
  }

  resume(): void {
    Atomics.store(this.shared, PAUSE, 0);
    Atomics.notify(this.shared, PAUSE);
  }

  /** Each root has ended once, or was never taken: that one is forgotten. */
  finish(handles: readonly number[], lost: number): void {
    const { privLib, host, executor } = this.fixture;
    const arrived = new Map<number, number>();
    for (let handle = privLib.invocationArrived(executor); handle !== 0; handle = privLib.invocationArrived(executor)) {
      assert.ok(handles.includes(handle >>> 0) && !arrived.has(handle >>> 0), 'it was asked for, and ended once');
      const response = privLib.invocationCollect(handle, host) >>> 0;
      if (response > status.STATUS_MAX) privLib.vmaUnmap(response, host);
      arrived.set(handle >>> 0, response);
    }
    const lostRoots = [...arrived.values()].filter((response) => response === status.CALLEE_EXECUTOR_LOST).length;
    assert.ok(lostRoots <= lost && lostRoots <= 1, 'no more than the one that ran');
    for (const handle of handles) {
      if (arrived.has(handle)) continue;
      assert.equal(privLib.invocationState(handle, host), INVOCATION_QUEUED);
      assert.equal(privLib.invocationForget(handle, host), status.OK);
    }
    for (const { control } of [this.victim, this.survivor]) {
      while (privLib.ringPeek(control) !== 0) privLib.ringAdvance(control, privLib.ringPeek(control));
      while (privLib.offerPop(control) !== 0);
      assert.equal(privLib.invocationArrived(control), 0, 'only orphans come back');
    }
    // Fields that were collected are the host's.
    this.freeHosts();
  }

  freeHosts(): void {
    const { fixture } = this;
    for (let vte = fixture.word(fixture.host + 16); vte !== 0; vte = fixture.word(fixture.host + 16)) {
      fixture.privLib.vmaUnmap(fixture.word(vte + 28) & ~31, fixture.host);
    }
  }
}

test('a thread that is ended at any moment leaves everything in its place', { timeout: 120_000 }, async (t) => {
  const seed = Date.now() & 0xffff;
  t.diagnostic(`seed ${seed}`);
  const server = new Server(seed);
  const { fixture, victim, shared } = server;
  const { privLib } = fixture;
  const workers: Promise<Worker>[] = [];
  t.after(async () => Promise.all((await Promise.all(workers)).map((worker) => worker.terminate())));
  const begin = (executor: TestExecutor, peer: TestExecutor, turn: number): Promise<Worker> => {
    const worker = server.start(executor, peer, turn);
    workers.push(worker);
    return worker;
  };
  await begin(server.survivor, victim, 0);
  let next = begin(victim, server.survivor, 1);
  let [kills, lost] = [0, 0];
  for (const end = performance.now() + TIME_MS; performance.now() < end || kills < KILLS_MIN; kills++) {
    const worker = await next;
    next = begin(victim, server.survivor, kills + 2);
    const handles = server.dispatch();
    server.resume();
    Atomics.store(shared, GO, kills + 1);
    Atomics.notify(shared, GO);
    if (server.random() < 0.8) await delay(server.random() * 20);
    privLib.executorDoom(victim.control);
    if (server.random() < 0.3) await delay(server.random() * 5);
    await worker.terminate();
    await server.pause();
    assert.equal(shared[WRONG], 0, 'a thread has found something wrong');
    assert.equal(fixture.word(CONTROL_LOCK), 0, 'nobody holds the lock');
    const failed = privLib.executorRecover(victim.control);
    lost += failed;
    assert.equal(fixture.word(victim.control + EXECUTOR_DOOMED), 0);
    takeCensus(fixture.memory);
    server.finish(handles, failed);
    const { vmas, pds, records } = takeCensus(fixture.memory);
    assert.deepEqual({ vmas, pds, records }, { vmas: 0, pds: 0, records: 0 }, `after kill ${kills}`);
  }
  assert.ok(lost > 0, 'some were ended while they ran something');
  t.diagnostic(`${kills} kills, ${lost} invocations lost, ${shared[ROUNDS]} rounds`);
});

test('a thread that is doomed gets no lock any more, and does not keep it', { timeout: 60_000 }, async (t) => {
  const server = new Server(1);
  const { fixture, victim, survivor, shared } = server;
  const { privLib } = fixture;
  let kills = 0;
  for (const end = performance.now() + 3000; performance.now() < end || kills < 10; kills++) {
    const worker = await server.start(victim, survivor, 0, 'locks');
    t.after(() => worker.terminate());
    const before = Atomics.load(shared, ROUNDS);
    for (const limit = performance.now() + 10_000; Atomics.load(shared, ROUNDS) - before < 20; await delay(1)) {
      assert.ok(performance.now() < limit, 'it does something');
    }
    privLib.executorDoom(victim.control);
    const locked = underLock(fixture);
    for (let i = 0; i < 200; i++) {
      privLib.homeMemoryFree();
      assert.ok(underLock(fixture).equals(locked), 'nothing changes under the lock from then on');
    }
    await worker.terminate();
    assert.ok(underLock(fixture).equals(locked));
    assert.equal(fixture.word(CONTROL_LOCK), 0, 'nobody holds the lock');
    privLib.executorRecover(victim.control);
    assert.equal(takeCensus(fixture.memory).vmas, 0);
  }
  t.diagnostic(`${kills} kills`);
});

/** What changes only under the lock, the lock itself left out. */
function underLock({ bytes }: Fixture): Buffer {
  return Buffer.from(bytes.slice(CONTROL_INVOCATIONS_USED, CONTROL_NOW_MS + 0x200));
}

test('whatever needs the lock is refused to a doomed thread by a trap, and can be recovered', () => {
  const fixture = new Fixture();
  const { privLib, host, executor } = fixture;
  const other = fixture.addExecutor();
  const made = fixture.makeFunction();
  const { descriptor } = made;
  const small = Array.from({ length: FREE_LIST_MAX + 100 }, () => privLib.vmaMap(1, other.host));
  const handles = Array.from({ length: 600 }, () => privLib.invocationNew(ID, 0, 0, 0, 0, other.host));
  const first = privLib.pdCreate(descriptor, other.host);
  const pooled = [1, 2].map(() => privLib.pdCreate(descriptor, other.host));
  for (const pd of pooled) privLib.pdDestroy(pd, other.host);
  // That of the smallest class is as long as it may be.
  const count = other.control + EXECUTOR_FREE + 4;
  while (fixture.word(count) < FREE_LIST_MAX) privLib.vmaUnmap(small.pop() ?? 0, other.host);
  const base = privLib.pdHome(first);
  const operations: Record<string, () => unknown> = {
    'a free list that is empty': () => privLib.vmaMap(2 ** 20, other.host),
    'the same, in a PD': () => {
      privLib.pdEnter(first, other.host);
      privLib.argBufNew(2 ** 24, base);
    },
    'a free list that is full': () => {
      fixture.setWord(other.control + EXECUTOR_CURRENT, other.host);
      privLib.vmaUnmap(small[0] ?? 0, other.host);
    },
    'a pool that gets smaller': () => {
      fixture.setWord(other.control + EXECUTOR_CURRENT, other.host);
      privLib.poolTrim(other.control, descriptor, 0);
    },
    'no home idles': () => {
      for (let i = 0; i < 3; i++) privLib.pdCreate(descriptor, other.host);
    },
    'too many free records': () => {
      for (const handle of handles) privLib.invocationForget(handle, other.host);
    },
    'no free record': () => {
      for (let i = 0; i < 600; i++) privLib.invocationNew(ID, 0, 0, 0, 0, other.host);
    },
  };
  privLib.executorDoom(other.control);
  for (const [name, operation] of Object.entries(operations)) {
    assert.throws(operation, WebAssembly.RuntimeError, name);
    assert.equal(fixture.word(CONTROL_LOCK), 0, name);
    // Another one gets it.
    assert.ok(privLib.vmaUnmap(privLib.vmaMap(2 ** 22, host), host) === status.OK);
  }
  privLib.executorRecover(other.control);
  while (privLib.invocationArrived(other.control) !== 0);
  const { vmas, pds, records } = takeCensus(fixture.memory);
  assert.deepEqual({ vmas, pds, records }, { vmas: 0, pds: 0, records: 0 });
  assert.equal(privLib.vmaUnmap(privLib.vmaMap(2 ** 20, other.host), other.host), status.OK);
  assert.equal(fixture.word(executor + EXECUTOR_DOOMED), 0);
});
