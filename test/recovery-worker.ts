/**
 * A thread that does everything an executor does with PrivLib, at random and as fast as it can, to be ended in the midst of it:
 * invocations from all queues, nested calls, children, ArgBufs of all sizes, pools that grow and shrink.
 */
import { parentPort, workerData } from 'node:worker_threads';
import * as L from '../core/layout.ts';
import * as status from '../core/status.ts';
import { failed, instantiatePrivLib } from '../src/server/privlib.ts';
import {
  FUNCTION_COUNT,
  FUNCTIONS,
  GO,
  PAUSE,
  PAUSED,
  type RecoveryWorkerData,
  ROUNDS,
  WRONG,
} from './recovery-worker-data.ts';

const { space, control, peer, shared: buffer, seed, layout, part, turn } = workerData as RecoveryWorkerData;
const privLib = instantiatePrivLib(space);
const shared = new Int32Array(buffer);
const words = new Int32Array(space.memory.buffer, 0, 2 ** 29);
const bytes = new Uint8Array(space.memory.buffer);
const host = privLib.executorHost(control);

const DEPTH_MAX = 5;
const RESPONSE_BYTES_MAX = 2 ** 22;
const ID = 65536;

let state = seed;
/** From 0 to `below` - 1. */
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

function word(address: number): number {
  return (words[address >>> 2] ?? 0) >>> 0;
}

function expectStatus(result: number, ...expected: number[]): void {
  if (!expected.includes(result)) throw new Error(`status ${result} instead of ${expected.join(' or ')}`);
}

function anyFunction(): number {
  return Atomics.load(shared, FUNCTIONS + random(FUNCTION_COUNT));
}

/** Sizes of all kinds: many small ones, few that go to the shared list at once. */
function anySize(): number {
  return random(8) === 0 ? 2 ** random(23) : random(3000);
}

/** Writes to a home, with the marks of the guard. */
function dirty(base: number): void {
  const pointer = random(layout.memoryLimit - 70_000);
  const length = random(4) === 0 ? random(70_000) : random(100);
  bytes.fill(1, base + layout.headerSize + pointer, base + layout.headerSize + pointer + length);
  for (let chunk = pointer >>> layout.chunkShift; chunk <= (pointer + length) >>> layout.chunkShift; chunk++) {
    bytes[base + layout.mapOffset + chunk] = 1;
  }
}

/** What a function does: some things of each kind. Returns an ArgBuf of its own, or 0. */
function live(base: number, depth: number): number {
  let own = 0;
  for (let i = random(5); i > 0; i--) {
    const [act = hold] = ACTS.slice(random(ACTS.length));
    act(base, depth);
  }
  if (random(2) === 0) own = privLib.argBufNew(anySize(), base);
  return failed(own) ? 0 : own;
}

type Act = (base: number, depth: number) => void;

/** ArgBufs that are freed here, or not. */
function hold(base: number): void {
  const held = Array.from({ length: random(20) }, () => privLib.argBufNew(anySize(), base));
  for (const address of held) {
    if (failed(address) || random(2) === 0) continue;
    expectStatus(privLib.vmaUnmap(address, base), status.OK);
  }
}

function call(base: number, depth: number): void {
  if (depth >= DEPTH_MAX) return;
  const request = random(2) === 0 ? 0 : privLib.argBufNew(anySize(), base);
  const callee = privLib.callEnter(anyFunction(), failed(request) ? 0 : request, base);
  if (failed(callee)) return;
  const response = live(callee, depth + 1);
  // Left, failed, or left behind for who is below.
  const end = random(8);
  if (end === 0) return;
  if (end === 1) expectStatus(privLib.callAbort(callee, base), status.OK);
  else privLib.callLeave(response, callee, base);
}

/** Invocations of its own: run here, taken by others, forgotten, or left. */
function start(base: number, depth: number): void {
  for (let i = random(6); i > 0; i--) {
    const request = random(2) === 0 ? 0 : privLib.argBufNew(anySize(), base);
    const handle = privLib.invocationNew(ID, failed(request) ? 0 : request, 0, 0, 0, base);
    if (failed(handle)) return;
    privLib.offerPush(control, handle);
    if (random(3) === 0) continue;
    if (random(4) === 0) {
      expectStatus(privLib.invocationForget(handle, base), status.OK);
      continue;
    }
    const record = privLib.invocationTakeInside(handle, base);
    if (!failed(record)) runInside(record, base, depth);
    if (privLib.invocationState(handle, base) === L.INVOCATION_ARRIVED) privLib.invocationCollect(handle, base);
  }
}

function runInside(record: number, base: number, depth: number): void {
  const inner = depth >= DEPTH_MAX ? status.CALL_DEPTH_EXCEEDED : privLib.invocationEnter(record, anyFunction(), base);
  if (failed(inner)) privLib.invocationAbort(record, inner, 0, base);
  else privLib.invocationLeave(record, live(inner, depth + 1), RESPONSE_BYTES_MAX, inner, base);
  expectStatus(privLib.invocationArrive(record, control), status.OK);
}

/** VMAs that are shared and moved, with a PD that is made for it and with the caller. */
function share(base: number): void {
  const pd = privLib.pdCreate(anyFunction(), base);
  if (failed(pd)) return;
  for (let i = random(6); i > 0; i--) {
    const address = privLib.argBufNew(anySize(), base);
    if (failed(address)) continue;
    const to = random(3) === 0 ? privLib.pdHandle(word(base + L.HOME_CALLER)) : pd;
    if (random(3) === 0) privLib.vmaMove(address, to, base);
    else privLib.vmaShare(address, to, L.PERMISSION_READ, base);
  }
  dirty(privLib.pdHome(pd));
  expectStatus(privLib.pdDestroy(pd, base), status.OK);
}

const ACTS: readonly Act[] = [hold, call, start, share, dirty];

/** What the host owns since a PD has given or shared it, goes. */
function tidyHost(): void {
  for (const table of [L.HOME_GRANT_TABLE_A, L.HOME_GRANT_TABLE_B]) {
    for (let at = host + table; at <= host + table + L.GRANT_MASK; at += 4) {
      const vte = word(at) & ~31;
      if (vte !== 0) expectStatus(privLib.vmaRelease(word(vte + L.VTE_START) & ~31, host), status.OK);
    }
  }
  for (let vte = word(host + L.HOME_OWNED); vte !== 0; vte = word(host + L.HOME_OWNED)) {
    expectStatus(privLib.vmaUnmap(word(vte + L.VTE_START) & ~31, host), status.OK);
  }
}

/** Runs one that was taken, as the executor's host does. */
function run(record: number): void {
  const base = privLib.invocationEnter(record, anyFunction(), host);
  if (failed(base)) {
    expectStatus(privLib.invocationAbort(record, base, 0, host), status.OK);
  } else {
    const response = liveAsRoot(record, base);
    if (random(5) === 0) expectStatus(privLib.invocationAbort(record, status.CALLEE_TRAP, base, host), status.OK);
    else privLib.invocationLeave(record, response, RESPONSE_BYTES_MAX, base, host);
    if (random(4) === 0) privLib.invocationSetFields(record, privLib.vmaMap(200, host), 0, host);
  }
  expectStatus(privLib.invocationEnd(record), status.OK);
}

/** PrivLib traps in a thread that is doomed. For the server that is a fault of the function, and it goes on. */
function liveAsRoot(record: number, base: number): number {
  try {
    return live(base, 1);
  } catch (error) {
    if (!isDoom(error)) throw error;
    expectStatus(privLib.invocationAbort(record, status.CALLEE_TRAP, base, host), status.OK);
    expectStatus(privLib.invocationEnd(record), status.OK);
    throw new Ended();
  }
}

class Ended extends Error {}

function isDoom(error: unknown): boolean {
  return error instanceof WebAssembly.RuntimeError && word(control + L.EXECUTOR_DOOMED) !== 0;
}

/** Of the ring, of its own offers, of those of the other thread. */
function runQueued(): void {
  const dispatched = privLib.ringPeek(control);
  const handle = dispatched || privLib.offerPop(random(2) === 0 ? control : peer);
  if (handle === 0) return;
  const record = privLib.invocationTake(handle, control);
  try {
    if (record !== 0) run(record);
  } finally {
    if (dispatched !== 0) privLib.ringAdvance(control, dispatched);
  }
}

/** So many of one size that free lists run over, and run dry. */
function mapMany(): void {
  const size = 2 ** (7 + random(8));
  const mapped = Array.from({ length: random(1500) }, () => privLib.vmaMap(size, host)).filter((vma) => !failed(vma));
  for (const address of mapped) expectStatus(privLib.vmaUnmap(address, host), status.OK);
}

/** Homes are made, and given back. */
function growAndTrim(): void {
  const descriptor = anyFunction();
  const pds = Array.from({ length: random(12) }, () => privLib.pdCreate(descriptor, host)).filter((pd) => !failed(pd));
  for (const pd of pds) {
    if (random(3) === 0) dirty(privLib.pdHome(pd));
    expectStatus(privLib.pdDestroy(pd, host), status.OK);
  }
  if (random(2) === 0) privLib.poolTrim(control, descriptor, random(5));
}

/** Asks as an orchestrator does, and does not wait. */
function askAndForget(): void {
  const handles = Array.from({ length: random(400) }, () =>
    privLib.invocationNew(ID, random(4) === 0 ? privLib.vmaMap(anySize(), host) : 0, 0, 0, 0, host),
  );
  for (const handle of handles) {
    if (!failed(handle)) expectStatus(privLib.invocationForget(handle, host), status.OK);
  }
}

const PARTS = [runQueued, runQueued, runQueued, mapMany, growAndTrim, askAndForget];

/** Each VMA of this size comes from the shared list and goes there; homes are made and given back. */
function takeLocks(): void {
  for (let i = 0; i < 100; i++) expectStatus(privLib.vmaUnmap(privLib.vmaMap(2 ** 21, host), host), status.OK);
  const descriptor = anyFunction();
  expectStatus(privLib.pdDestroy(privLib.pdCreate(descriptor, host), host), status.OK);
  privLib.poolTrim(control, descriptor, 0);
}

function round(): void {
  if (part === 'locks') {
    takeLocks();
    return;
  }
  const [act = runQueued] = PARTS.slice(random(PARTS.length));
  act();
  tidyHost();
  while (privLib.invocationArrived(control) !== 0);
}

parentPort?.postMessage('ready');
for (let go = Atomics.load(shared, GO); go < turn; go = Atomics.load(shared, GO)) Atomics.wait(shared, GO, go);
for (;;) {
  const pause = Atomics.load(shared, PAUSE);
  if (pause !== 0 && turn === 0) {
    Atomics.store(shared, PAUSED, pause);
    Atomics.wait(shared, PAUSE, pause);
  }
  try {
    round();
    Atomics.add(shared, ROUNDS, 1);
  } catch (error) {
    if (error instanceof Ended) continue;
    if (!isDoom(error)) Atomics.add(shared, WRONG, 1);
    throw error;
  }
}
