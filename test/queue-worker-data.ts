/** What core/queue.test.ts and the threads of test/queue-worker.ts share. */
import type { AddressSpace } from '../src/server/privlib.ts';

export interface QueueWorkerData {
  readonly part: 'thief' | 'producer' | 'orchestrator' | 'executor';
  readonly space: AddressSpace;
  /** Control block of this thread, and of the other one that it has to do with. */
  readonly control: number;
  readonly other: number;
  /** Words that the threads of a test share; what each means stands with the part. */
  readonly shared: SharedArrayBuffer;
  readonly index: number;
  readonly rounds: number;
}

/** Where all parts begin: they wait until it is not 0. */
export const START = 0;
/** Not 0: there is nothing more to come. */
export const DONE = 1;
/** What was found wrong, as a count. */
export const WRONG = 2;
/** How often orchestrator and executor have parked, two words. */
export const PARKED = 4;
/** How often the orchestrator found the ring full. */
export const RING_FULL = 6;
/** The round that producers may begin, and how many producers were ready, over all rounds. */
export const ROUND = 8;
export const READY = 9;
export const PRODUCERS = 3;
/** From here on: how often each handle was taken, by its number less HANDLE_FIRST. */
export const TAKEN = 16;
export const HANDLE_FIRST = 65536;
