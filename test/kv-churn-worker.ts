/** A thread in which keys come and go all the time, of those whose names it is told. */
import { parentPort, workerData } from 'node:worker_threads';
import type { AddressSpace } from '../src/server/privlib.ts';
import { KvClient } from './kv-client.ts';

export interface ChurnWorkerData {
  readonly addressSpace: AddressSpace;
  readonly control: number;
  /** Handle of the space. */
  readonly space: number;
  readonly keys: readonly string[];
}

const { addressSpace, control, space, keys } = workerData as ChurnWorkerData;
const client = new KvClient(addressSpace, control);
for (const key of keys) client.put(space, key, 1n, 1);
parentPort?.postMessage('ready');
for (;;) {
  for (const key of keys) {
    client.delete(space, key);
    client.put(space, key, 1n, 1);
  }
}
