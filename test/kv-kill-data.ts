/** What test/kv-kills.ts and the threads of test/kv-kill-worker.ts share. */
import type { AddressSpace } from '../src/server/privlib.ts';
import type { TestFunction } from './privlib-fixture.ts';

export interface KillWorkerData {
  readonly addressSpace: AddressSpace;
  readonly control: number;
  readonly shared: SharedArrayBuffer;
  readonly seed: number;
  /** A function that is bound to `SPACES` spaces. */
  readonly made: TestFunction;
  /** It begins when GO is this or more. */
  readonly turn: number;
}

/** Not 0: the survivor is to pause between two rounds, and the pause that it keeps, or has kept last. */
export const PAUSE = 0;
export const PAUSED = 1;
/** What was found wrong, as a count. */
export const WRONG = 2;
/** Operations of all threads. */
export const OPERATIONS = 3;
/** Whose turn it is to be the executor whose thread will be ended. */
export const GO = 4;
export const SHARED_WORDS = 8;

/** One in memory, a durable one, a cache, and one that is dropped and made again and again. */
export const SPACES = 4;
