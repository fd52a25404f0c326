/**
 * An executor's side of outbound requests, on a thread that never turns its event loop: begins what it is given, parks at
 * its doorbell until an answer comes, and sends all results when it is done.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { DOORBELL_AWAKE, DOORBELL_PARKED, EXECUTOR_DOORBELL, EXECUTOR_MESSAGES } from '../../../core/layout.ts';
import { type AddressSpace, instantiatePrivLib } from '../privlib.ts';
import { Outbound } from './outbound.ts';

export interface ExecutorFixtureData {
  readonly addressSpace: AddressSpace;
  readonly control: number;
  readonly port: MessagePort;
  readonly requests: readonly string[];
  readonly timeoutMs: number;
}

export interface ExecutorFixtureReport {
  /** As text, in the order of the requests; or statuses. */
  readonly results: readonly (string | number)[];
  readonly parks: number;
}

const PATIENCE_MS = 20_000;

const { addressSpace, control, port, requests, timeoutMs } = workerData as ExecutorFixtureData;
const privLib = instantiatePrivLib(addressSpace);
const words = new Int32Array(addressSpace.memory.buffer);
const doorbell = (control + EXECUTOR_DOORBELL) / 4;
const messages = (control + EXECUTOR_MESSAGES) / 4;

function run(): ExecutorFixtureReport {
  const outbound = new Outbound(port, () => true);
  const tokens = requests.map((request) => outbound.begin(Buffer.from(request), [], timeoutMs));
  const results = new Map<unknown, string | number>();
  let parks = 0;
  for (;;) {
    Atomics.store(words, messages, 0);
    for (let answer = outbound.poll(); answer !== undefined; answer = outbound.poll()) {
      const { token, result } = answer;
      results.set(token, typeof result === 'number' ? result : Buffer.from(result).toString());
    }
    if (results.size === tokens.length) return { results: tokens.map((token) => results.get(token) ?? -1), parks };
    if (privLib.executorPark(control) === 0) continue;
    parks++;
    if (Atomics.wait(words, doorbell, DOORBELL_PARKED, PATIENCE_MS) === 'timed-out') throw new Error('nobody woke it');
    Atomics.store(words, doorbell, DOORBELL_AWAKE);
  }
}

parentPort?.postMessage(run());
