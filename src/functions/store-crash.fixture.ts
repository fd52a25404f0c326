/** Deploys, replaces and removes until it is killed. Argument: the folder. Prints the number of each step once it is done. */

import { writeSync } from 'node:fs';
import { openStore } from './store.ts';

const folder = process.argv[2];
if (folder === undefined) throw new Error('The folder is missing.');

const store = await openStore(folder);
const settings = {
  memoryLimitBytes: 65536,
  deadlineMs: 1000,
  concurrency: null,
  fetchAllow: [],
  kv: [],
  deployedAt: new Date().toISOString(),
};
const last = store.list().some((record) => record.name === 'always') ? await store.readModule('always') : undefined;
let step = last === undefined ? 0 : Buffer.from(last).readUInt32LE(0);
for (;;) {
  step += 1;
  // Large enough that a kill falls into the middle of a write now and then.
  const module = Buffer.alloc(1 << 18, step & 0xff);
  module.writeUInt32LE(step, 0);
  await Promise.all([store.put('always', module, settings), store.put('twin', module, settings)]);
  if (step % 2 === 0) await store.remove('sometimes');
  else await store.put('sometimes', module.subarray(0, 100), settings);
  writeSync(1, `${step}\n`);
}
