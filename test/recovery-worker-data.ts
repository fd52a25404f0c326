/** What core/recovery-kills.test.ts and the threads of test/recovery-worker.ts share. */
import type { AddressSpace } from '../src/server/privlib.ts';
import type { TestFunction } from './privlib-fixture.ts';

export interface RecoveryWorkerData {
  readonly space: AddressSpace;
  /** Control block of this thread, and of another one whose offers it takes, too. */
  readonly control: number;
  readonly peer: number;
  readonly shared: SharedArrayBuffer;
  readonly seed: number;
  /** What all functions have in common; their descriptors are in the shared words. */
  readonly layout: TestFunction;
  /** Everything at random, or what is under the lock most of the time. */
  readonly part: 'all' | 'locks';
  /** It begins when GO is this or more. */
  readonly turn: number;
}

/** Not 0: the thread that is not ended is to pause between two rounds, and the pause that it keeps, or has kept last. */
export const PAUSE = 0;
export const PAUSED = 1;
/** What was found wrong, as a count. */
export const WRONG = 2;
/** Rounds of all threads. */
export const ROUNDS = 3;
/** Whose turn it is to be the executor whose thread will be ended. */
export const GO = 4;
/** From here on: the descriptors of functions. */
export const FUNCTIONS = 8;
export const FUNCTION_COUNT = 3;
export const SHARED_WORDS = 16;
