/**
 * A server that writes durably until it is killed: the child of kv-crash.ts. Arguments: the folder, and the first number to write.
 *
 * It says what it has found, `found <key> <number> <version>`; then `ready`; then each change once it is acknowledged, `done <key>
 * <number> <version>`. Each key has one writer, whose numbers go up by one; a key that is deleted has number 0. The version is 0
 * where nobody is told.
 */
import { writeSync } from 'node:fs';
import { startWorkerServer } from '../src/server/worker-server.ts';
import { isDeleted, KEYS, numberOf, SPACE, valueWith } from './kv-crash-data.ts';
import { ask, keyBytes } from './kv-requests.ts';

const [folder = '', firstText = ''] = process.argv.slice(2);
const first = Number(firstText);
const pause = new Int32Array(new SharedArrayBuffer(4));

const server = await startWorkerServer({ executors: 1, dataFolder: folder, log: ({ message }) => say('log', message) });
const { kv } = server;

function say(...words: readonly (string | number | bigint)[]): void {
  let line = Buffer.from(`${words.join(' ')}\n`);
  while (line.length > 0) line = line.subarray(writeSome(line));
}

/** Whole lines, and at once: a stream would lose those that it has not written when the process is killed. */
function writeSome(bytes: Uint8Array): number {
  try {
    return writeSync(1, bytes);
  } catch (error) {
    // The parent does not read as fast.
    if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
    Atomics.wait(pause, 0, 0, 1);
    return 0;
  }
}

/** Every second write is a few KiB long, so that a kill falls into the midst of a write. */
async function fromOutside(key: number): Promise<void> {
  for (let number = first; ; number++) {
    let version = 0n;
    if (isDeleted(number)) await kv.delete(SPACE, keyBytes(key));
    else version = await kv.put(SPACE, keyBytes(key), valueWith(number), { ttlMs: 3_600_000 });
    say('done', key, isDeleted(number) ? 0 : number, version);
  }
}

async function fromFunctions(key: number): Promise<void> {
  for (let number = first; ; number++) {
    const status = await ask(server, 'writer', 'putAndSync', key, number);
    if (status !== 0) throw new Error(`putAndSync: ${status}`);
    say('done', key, number, 0);
  }
}

/** Nothing of this is ever acknowledged. */
async function withoutWaiting(key: number): Promise<void> {
  for (let number = first; ; number++) {
    await ask(server, 'writer', 'put', key, number);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function counting(key: number): Promise<void> {
  for (;;) say('done', key, await kv.add(SPACE, keyBytes(key), 1n), 0);
}

await kv.create(SPACE, { durable: true });
if (!server.has('writer')) {
  const { kvGuest } = await import('./kv-guests.ts');
  await server.deploy('writer', kvGuest(SPACE), { memoryLimitBytes: 65_536, kv: [`${SPACE}:rw`] });
}
for (const { key } of kv.list(SPACE).keys) {
  const entry = kv.get(SPACE, key);
  const number = new DataView(key.buffer).getUint32(0, true);
  if (entry !== undefined) say('found', number, numberOf(number, entry.value), entry.version);
}
say('ready');
const WRITERS = { fromOutside, fromFunctions, withoutWaiting, counting };
await Promise.all(KEYS.map(({ key, writer }) => WRITERS[writer](key)));
