/** Threads for core/queue.test.ts: each plays one of the parts of a server, with PrivLib alone. */
import { parentPort, workerData } from 'node:worker_threads';
import { DOORBELL_AWAKE, DOORBELL_PARKED, EXECUTOR_DOORBELL, INVOCATION_RESPONSE } from '../core/layout.ts';
import { instantiatePrivLib } from '../src/server/privlib.ts';
import {
  DONE,
  HANDLE_FIRST,
  PARKED,
  PRODUCERS,
  type QueueWorkerData,
  READY,
  RING_FULL,
  ROUND,
  START,
  TAKEN,
  WRONG,
} from './queue-worker-data.ts';

const data = workerData as QueueWorkerData;
const privLib = instantiatePrivLib(data.space);
const shared = new Int32Array(data.shared);
const words = new Int32Array(data.space.memory.buffer, 0, 2 ** 29);
const host = privLib.executorHost(data.control);

/** Takes offers of `other` until there are none to come. What one thief takes comes in order. */
function steal(): void {
  let last = 0;
  for (;;) {
    const isDone = Atomics.load(shared, DONE) !== 0;
    const handle = privLib.offerPop(data.other);
    if (handle !== 0) {
      Atomics.add(shared, TAKEN + handle - HANDLE_FIRST, 1);
      if (handle <= last) Atomics.add(shared, WRONG, 1);
      last = handle;
    } else if (isDone) return;
  }
}

/**
 * In each round takes what `other` offers, then waits until all have, and ends it at once, so that threads meet where they add to
 * the inbox. The status says who did and as which of its own: index << 12 | number modulo 4096.
 */
function produce(): void {
  let number = 0;
  for (let round = 1; round <= data.rounds; round++) {
    while (Atomics.load(shared, ROUND) < round) Atomics.pause();
    const records: number[] = [];
    for (let handle = privLib.offerPop(data.other); handle !== 0; handle = privLib.offerPop(data.other)) {
      const record = privLib.invocationTake(handle, data.control);
      privLib.invocationAbort(record, (data.index << 12) | (number++ & 0xfff), 0, host);
      records.push(record);
    }
    Atomics.add(shared, READY, 1);
    while (Atomics.load(shared, READY) < round * PRODUCERS) Atomics.pause();
    for (const record of records) privLib.invocationEnd(record);
  }
}

/** Waits at this thread's doorbell, unless there is something to do: work, or what `isReady` says. */
function park(isReady: () => boolean): void {
  const doorbell = (data.control + EXECUTOR_DOORBELL) >>> 2;
  if (privLib.executorPark(data.control) === 0) return;
  if (!isReady()) {
    Atomics.add(shared, PARKED + data.index, 1);
    // With no limit: who is not woken hangs, and the test sees that.
    Atomics.wait(words, doorbell, DOORBELL_PARKED);
  }
  Atomics.store(words, doorbell, DOORBELL_AWAKE);
}

/** Different amounts of patience, so that a thread parks at all possible moments. */
let seed = data.index + 1;
function patience(): number {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 8) % 3000;
}

/** Sends one invocation at a time to `other` and waits for it. */
function orchestrate(): void {
  for (let round = 0; round < data.rounds; round++) {
    const handle = privLib.invocationNew(HANDLE_FIRST, 0, 0, 0, 0, host);
    while (privLib.ringPush(data.other, handle, 1) === 0) {
      Atomics.add(shared, RING_FULL, 1);
      park(() => privLib.ringLength(data.other) === 0);
    }
    let arrived = 0;
    for (let left = patience(); arrived === 0; left--) {
      arrived = privLib.invocationArrived(data.control);
      if (arrived === 0 && left <= 0) park(() => false);
    }
    const response = privLib.invocationCollect(handle, host);
    if (arrived !== handle || response !== 64 + (round % 8)) Atomics.add(shared, WRONG, 1);
  }
  Atomics.store(shared, DONE, 1);
  privLib.executorWake(data.other);
}

/** Ends what comes through its ring. */
function execute(): void {
  let round = 0;
  for (let left = patience(); ; left--) {
    const handle = privLib.ringPeek(data.control);
    if (handle === 0) {
      if (Atomics.load(shared, DONE) !== 0) return;
      if (left <= 0) park(() => Atomics.load(shared, DONE) !== 0);
      continue;
    }
    const record = privLib.invocationTake(handle, data.control);
    privLib.invocationAbort(record, 64 + (round++ % 8), 0, host);
    if (words[(record + INVOCATION_RESPONSE) >>> 2] !== 64 + ((round - 1) % 8)) Atomics.add(shared, WRONG, 1);
    privLib.invocationEnd(record);
    left = patience();
  }
}

parentPort?.postMessage('ready');
Atomics.wait(shared, START, 0);
const parts = { thief: steal, producer: produce, orchestrator: orchestrate, executor: execute };
parts[data.part]();
