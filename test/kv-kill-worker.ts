/**
 * A thread whose PDs do everything that functions do with the key-value store, at random and as fast as they can, to be ended in
 * the midst of it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { EXECUTOR_CURRENT, EXECUTOR_DOOMED, SPACE_HANDLE_FIRST } from '../core/layout.ts';
import * as status from '../core/status.ts';
import { failed } from '../src/server/privlib.ts';
import { KvClient } from './kv-client.ts';
import { GO, type KillWorkerData, OPERATIONS, PAUSE, PAUSED, SPACES, WRONG } from './kv-kill-data.ts';

const { addressSpace, control, shared: buffer, seed, made, turn } = workerData as KillWorkerData;
const { privLib, bytes, view, host } = new KvClient(addressSpace, control);
const shared = new Int32Array(buffer);

const KEYS = 300;
const DEPTH_MAX = 3;

let state = seed;
/** From 0 to `below` - 1. */
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

function expectStatus(result: number | bigint, ...expected: number[]): void {
  if (!expected.includes(Number(result))) throw new Error(`status ${result} instead of ${expected.join(' or ')}`);
}

/** A space of the function's. */
function anySpace(): number {
  return SPACE_HANDLE_FIRST + random(SPACES);
}

/** A key at the start of the function's memory, where it is marked. Returns its length. */
function writeKey(base: number, name = `key ${random(KEYS)}`): number {
  const start = base + made.headerSize;
  for (let i = 0; i < name.length; i++) bytes[start + i] = name.charCodeAt(i);
  bytes[base + made.mapOffset] = 1;
  return name.length;
}

/** An ArgBuf whose words are all the same, or 0. */
function newValue(base: number): number {
  const words = random(6) === 0 ? 1 : 1 + random(random(10) === 0 ? 4000 : 40);
  const address = privLib.argBufNew(words * 8, base) >>> 0;
  if (failed(address)) return 0;
  const content = BigInt(random(2 ** 30)) * 2n ** 30n + BigInt(random(2 ** 30));
  for (let i = 0; i < words; i++) view.setBigInt64(address + i * 8, content, true);
  return address;
}

function checkValue(address: number, base: number): void {
  const length = privLib.vmaLength(address, base);
  if (length === -1) throw new Error('a value that was got is not held');
  if (privLib.kvVersion(address, base) <= 65535n) throw new Error('a value that is held has no version');
  if (length === 0) return;
  const first = view.getBigInt64(address, true);
  for (let at = 0; at < length; at += 8) {
    if (view.getBigInt64(address + at, true) !== first) throw new Error('a value has changed while it was held');
  }
}

type Act = (base: number, depth: number, held: Set<number>) => void;

const REFUSALS = [status.KV_NO_SUCH_SPACE, status.KV_BACKLOG, status.KV_FULL, status.ARGBUFS_EXHAUSTED];

function get(base: number, _depth: number, held: Set<number>): void {
  const address = privLib.kvGet(anySpace(), 0, writeKey(base), base) >>> 0;
  if (!failed(address)) held.add(address);
  else expectStatus(address, status.KV_NO_SUCH_KEY, status.KV_NO_SUCH_SPACE, status.GRANT_REFUSED);
}

function put(base: number): void {
  const value = newValue(base);
  const expected = [-1n, -1n, -1n, 0n, 70_000n][random(5)] ?? -1n;
  const ttlMs = random(5) === 0 ? BigInt(random(20)) : 0n;
  const version = privLib.kvPut(anySpace(), 0, writeKey(base), value, expected, ttlMs, base);
  if (version > 65535n) return;
  expectStatus(version, status.KV_CONFLICT, ...REFUSALS);
  if (value !== 0) expectStatus(privLib.vmaUnmap(value, base), status.OK);
}

function remove(base: number): void {
  const result = privLib.kvDelete(anySpace(), 0, writeKey(base), -1n, base);
  expectStatus(result, status.OK, status.KV_NO_SUCH_KEY, ...REFUSALS);
}

function add(base: number): void {
  const length = writeKey(base, `counter ${random(10)}`);
  const result = privLib.kvAdd(anySpace(), 0, length, 1n, 64, base);
  expectStatus(result, status.OK, ...REFUSALS);
}

/** Counters are got, too, so that they must be made anew. */
function getCounter(base: number, _depth: number, held: Set<number>): void {
  const address = privLib.kvGet(anySpace(), 0, writeKey(base, `counter ${random(10)}`), base) >>> 0;
  if (!failed(address)) held.add(address);
}

function expire(base: number): void {
  const result = privLib.kvExpire(anySpace(), 0, writeKey(base), BigInt(random(30)), base);
  expectStatus(result, status.OK, status.KV_NO_SUCH_KEY, ...REFUSALS);
}

function list(base: number): void {
  const page = privLib.kvList(anySpace(), 0, writeKey(base, 'key 1'), 0, 0, 1 + random(100), base) >>> 0;
  if (failed(page)) expectStatus(page, ...REFUSALS);
  else if (random(2) === 0) expectStatus(privLib.vmaUnmap(page, base), status.OK);
}

function release(base: number, _depth: number, held: Set<number>): void {
  for (const address of held) {
    checkValue(address, base);
    if (random(2) === 0) continue;
    expectStatus(privLib.vmaRelease(address, base), status.OK);
    held.delete(address);
  }
}

/** What is not its own: each has its status. */
function misuse(base: number, _depth: number, held: Set<number>): void {
  for (const address of held) {
    const results = [
      privLib.vmaUnmap(address, base),
      privLib.vmaResize(address, 1, base),
      privLib.vmaProtect(address, 3, base),
      Number(privLib.kvPut(SPACE_HANDLE_FIRST, 0, writeKey(base), address, -1n, 0n, base)),
    ];
    for (const result of results) expectStatus(result, status.NOT_THE_OWNER);
    return;
  }
}

function call(base: number, depth: number): void {
  if (depth >= DEPTH_MAX) return;
  const request = random(2) === 0 ? 0 : newValue(base);
  const callee = privLib.callEnter(made.descriptor, request, base);
  if (failed(callee)) return;
  live(callee, depth + 1);
  const end = random(6);
  // Left behind for who is below.
  if (end === 0) return;
  if (end === 1) expectStatus(privLib.callAbort(callee, base), status.OK);
  else privLib.callLeave(random(2) === 0 ? newValue(callee) : 0, callee, base);
}

const ACTS: readonly Act[] = [
  get,
  get,
  get,
  put,
  put,
  put,
  put,
  remove,
  add,
  add,
  getCounter,
  expire,
  list,
  release,
  misuse,
  call,
];

function live(base: number, depth: number): void {
  const held = new Set<number>();
  for (let i = random(40); i > 0; i--) {
    const [act = get] = ACTS.slice(random(ACTS.length));
    act(base, depth, held);
    // A callee was left behind: this PD may ask for nothing any more.
    if (view.getUint32(control + EXECUTOR_CURRENT, true) !== base) break;
    Atomics.add(shared, OPERATIONS, 1);
  }
  for (const address of held) checkValue(address, base);
}

function round(): void {
  const pd = privLib.pdCreate(made.descriptor, host);
  if (failed(pd)) throw new Error(`pdCreate: ${pd}`);
  expectStatus(privLib.pdEnter(pd, host), status.OK);
  const base = privLib.pdHome(pd);
  live(base, 1);
  expectStatus(privLib.pdExit(pd, host), status.OK);
  expectStatus(privLib.pdDestroy(pd, host), status.OK);
}

/** PrivLib traps in a thread that is doomed. */
function isDoom(error: unknown): boolean {
  return error instanceof WebAssembly.RuntimeError && view.getUint32(control + EXECUTOR_DOOMED, true) !== 0;
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
  } catch (error) {
    if (!isDoom(error)) Atomics.add(shared, WRONG, 1);
    throw error;
  }
}
