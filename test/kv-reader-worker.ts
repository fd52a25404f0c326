/** A thread that replaces the value of a key all the time, or one that gets it, looks at all of it, and lets go. */
import { parentPort, workerData } from 'node:worker_threads';
import { failed } from '../src/server/privlib.ts';
import { KvClient } from './kv-client.ts';
import { GO, KEY, READS, READY, REPLACED, type ReaderWorkerData } from './kv-reader-data.ts';

const { addressSpace, control, space, shared: buffer, part, replacements } = workerData as ReaderWorkerData;
const client = new KvClient(addressSpace, control);
const shared = new Int32Array(buffer);
/** Values that a reader holds at once, at most. */
const HELD_MAX = 20;

function isOver(): boolean {
  return Atomics.load(shared, REPLACED) >= replacements;
}

/** Of several sizes, so that their memory goes round by several lists. */
function replace(): void {
  for (let i = 0; !isOver(); i++) {
    const version = client.put(space, KEY, BigInt(control) * 2n ** 32n + BigInt(i), 1 + (i % 40));
    if (version <= 65535n) throw new Error(`put: ${version}`);
    Atomics.add(shared, REPLACED, 1);
  }
}

/** Holds some for a while, each of which stays what it was. */
function read(): void {
  const held = new Map<number, { readonly content: bigint; readonly version: bigint }>();
  let lastVersion = 0n;
  while (!isOver()) {
    const address = client.get(space, KEY);
    if (failed(address)) throw new Error(`get: ${address}`);
    const { content } = client.contentOf(address);
    const version = client.privLib.kvVersion(address, client.host);
    if (version < lastVersion) throw new Error('a version that is older than one that was seen');
    lastVersion = version;
    held.set(address, { content, version });
    Atomics.add(shared, READS, 1);
    if (held.size < HELD_MAX) continue;
    for (const [one, before] of held) check(one, before);
    for (const one of held.keys()) client.privLib.vmaRelease(one, client.host);
    held.clear();
  }
  for (const one of held.keys()) client.privLib.vmaRelease(one, client.host);
}

function check(address: number, before: { readonly content: bigint; readonly version: bigint }): void {
  const isSame = client.contentOf(address).content === before.content;
  if (!isSame || client.privLib.kvVersion(address, client.host) !== before.version)
    throw new Error('a value that is held has changed');
}

Atomics.add(shared, READY, 1);
parentPort?.postMessage('ready');
Atomics.wait(shared, GO, 0);
if (part === 'replace') replace();
else read();
client.close();
