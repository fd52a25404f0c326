/** A thread that does operations at random on few keys that others change, too, and notes what came of each, and when. */
import { parentPort, workerData } from 'node:worker_threads';
import { failed } from '../src/server/privlib.ts';
import { KvClient } from './kv-client.ts';
import * as D from './kv-history-data.ts';

const { addressSpace, control, space, seed, shared: buffer, records: recordBuffer } = workerData as D.HistoryWorkerData;
const client = new KvClient(addressSpace, control);
const shared = new Int32Array(buffer);
const records = new BigInt64Array(recordBuffer);
/** What a value that is no number is made of: so many words that are the same. */
const TEXT_WORDS = 5;
/** For others that are not ready yet. */
const WAIT_MS_MAX = 20_000;

let state = seed;
/** From 0 to `below` - 1. */
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

function now(): bigint {
  return BigInt(Atomics.add(shared, D.CLOCK, 1));
}

/** The version of each key that this thread saw last. */
const lastSeen: bigint[] = [];
let contents = 0;

function note(at: number, values: Readonly<Record<number, bigint>>): void {
  for (const [word, value] of Object.entries(values)) records[at + Number(word)] = value;
}

function doGet(at: number, index: number, key: string): void {
  const invoked = now();
  const address = client.get(space, key);
  const responded = now();
  note(at, { [D.RECORD_KIND]: BigInt(D.GET), [D.RECORD_INVOKED]: invoked, [D.RECORD_RESPONDED]: responded });
  if (failed(address)) {
    note(at, { [D.RECORD_RESULT]: BigInt(address) });
    return;
  }
  const version = client.privLib.kvVersion(address, client.host);
  const { content, words } = client.contentOf(address);
  client.privLib.vmaRelease(address, client.host);
  lastSeen[index] = version;
  note(at, {
    [D.RECORD_RESULT]: version,
    [D.RECORD_CONTENT]: content,
    [D.RECORD_WORD_COUNT]: BigInt(words),
  });
}

function doPut(at: number, index: number, key: string, expected: bigint): void {
  // No two are the same, of any thread.
  const content = BigInt(control) * 2n ** 32n + BigInt(contents++);
  const words = random(3) === 0 ? TEXT_WORDS : 1;
  const invoked = now();
  const version = client.put(space, key, content, words, expected);
  const responded = now();
  if (version > 65535n) lastSeen[index] = version;
  note(at, {
    [D.RECORD_KIND]: BigInt(D.PUT),
    [D.RECORD_INVOKED]: invoked,
    [D.RECORD_RESPONDED]: responded,
    [D.RECORD_EXPECTED]: expected,
    [D.RECORD_CONTENT]: content,
    [D.RECORD_WORD_COUNT]: BigInt(words),
    [D.RECORD_RESULT]: version,
  });
}

function doDelete(at: number, key: string, expected: bigint): void {
  const invoked = now();
  const result = client.delete(space, key, expected);
  const responded = now();
  note(at, {
    [D.RECORD_KIND]: BigInt(D.DELETE),
    [D.RECORD_INVOKED]: invoked,
    [D.RECORD_RESPONDED]: responded,
    [D.RECORD_EXPECTED]: expected,
    [D.RECORD_RESULT]: BigInt(result),
  });
}

function doAdd(at: number, key: string): void {
  const delta = BigInt(random(7) - 3);
  const invoked = now();
  const sum = client.add(space, key, delta);
  const responded = now();
  const isSum = typeof sum === 'bigint';
  note(at, {
    [D.RECORD_KIND]: BigInt(D.ADD),
    [D.RECORD_INVOKED]: invoked,
    [D.RECORD_RESPONDED]: responded,
    [D.RECORD_DELTA]: delta,
    [D.RECORD_CONTENT]: isSum ? sum : 0n,
    [D.RECORD_RESULT]: isSum ? 0n : BigInt(sum),
  });
}

function doOne(at: number, index: number, key: string): void {
  const choice = random(20);
  const seen = lastSeen[index] ?? 70_000n;
  if (choice < 6) doGet(at, index, key);
  else if (choice < 9) doPut(at, index, key, -1n);
  else if (choice < 12) doPut(at, index, key, seen);
  else if (choice < 13) doPut(at, index, key, 0n);
  else if (choice < 15) doDelete(at, key, -1n);
  else if (choice < 16) doDelete(at, key, seen);
  else doAdd(at, key);
}

/** Where the key comes and goes all the time, so that several make it at once. */
function comeOrGo(at: number, index: number, key: string): void {
  const choice = random(10);
  if (choice < 4) doDelete(at, key, -1n);
  else if (choice < 6) doPut(at, index, key, 0n);
  else if (choice < 8) doPut(at, index, key, -1n);
  else if (choice < 9) doAdd(at, key);
  else doGet(at, index, key);
}

/** All begin together, as far as there are processors. */
function meet(): void {
  Atomics.add(shared, D.READY, 1);
  Atomics.notify(shared, D.READY);
  for (let ready = Atomics.load(shared, D.READY); ready < D.THREADS; ready = Atomics.load(shared, D.READY)) {
    if (Atomics.wait(shared, D.READY, ready, WAIT_MS_MAX) === 'timed-out')
      throw new Error('the other threads do not come');
  }
}

parentPort?.postMessage('ready');
for (let round = 0; ; ) {
  Atomics.wait(shared, D.ROUND, round);
  round = Atomics.load(shared, D.ROUND);
  if (round === D.OVER) break;
  lastSeen.length = 0;
  meet();
  for (let i = 0; i < D.OPERATIONS; i++) {
    const index = random(D.KEYS);
    const at = i * D.RECORD_WORDS;
    records[at + D.RECORD_KEY] = BigInt(index);
    const operate = round % 2 === 0 ? doOne : comeOrGo;
    operate(at, index, D.keyName(round, index));
  }
  Atomics.add(shared, D.DONE, 1);
  Atomics.notify(shared, D.DONE);
}
client.close();
parentPort?.postMessage('over');
