/** What test/kv-histories.ts and its threads share. */
import type { AddressSpace } from '../src/server/privlib.ts';

export interface HistoryWorkerData {
  readonly addressSpace: AddressSpace;
  /** Control block of this thread. */
  readonly control: number;
  /** Handle of the space. */
  readonly space: number;
  readonly seed: number;
  readonly shared: SharedArrayBuffer;
  /** Of this thread: `OPERATIONS` records. */
  readonly records: SharedArrayBuffer;
}

/** Words of `shared`: what all take the time from, the round, threads that are ready for it, and those that have done it. */
export const CLOCK = 0;
export const ROUND = 1;
export const READY = 2;
export const DONE = 3;
export const SHARED_WORDS = 4;
/** ROUND: it was the last one. */
export const OVER = -1;

export const THREADS = 3;
/** Of a thread in a round. */
export const OPERATIONS = 250;
export const KEYS = 2;

// A record: words of 64 bits.
export const RECORD_WORDS = 9;
export const RECORD_KEY = 0;
export const RECORD_KIND = 1;
export const RECORD_INVOKED = 2;
export const RECORD_RESPONDED = 3;
export const RECORD_EXPECTED = 4;
/** Of `put` and `get`; of `add` the sum. */
export const RECORD_CONTENT = 5;
/** Of `put` and `get`: 1 is a number. */
export const RECORD_WORD_COUNT = 6;
/** Version or status. */
export const RECORD_RESULT = 7;
export const RECORD_DELTA = 8;

export const GET = 0;
export const PUT = 1;
export const DELETE = 2;
export const ADD = 3;

/** Name of a key of a round. */
export function keyName(round: number, key: number): string {
  return `round-${round}-key-${key}`;
}
