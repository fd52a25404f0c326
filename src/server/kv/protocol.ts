/** What the main thread and the writer thread of the key-value store tell each other, and the words that all threads share with it. */
import {
  CONTROL_EXECUTORS,
  CONTROL_KV_WRITER,
  EXECUTOR_SIZE,
  EXECUTOR_SYNC_WAITS,
  EXECUTOR_SYNCED,
  EXECUTOR_TABLE,
  WRITER_AWAKE,
  WRITER_DOZING,
} from '../../../core/layout.ts';
import type { AddressSpace, PrivLib } from '../privlib.ts';
import type { DatabaseOptions, SpaceSettings } from './database.ts';

// Words of `shared`.
/** Goes up whenever what hosts wait for may have come: a batch has ended, a space was dropped. */
export const SHARED_BATCHES = 0;
/** How many threads wait for the disk by this, beside the executors with EXECUTOR_SYNC_WAITS. */
export const SHARED_WAITS = 1;
/** 1: messages wait at the writer's port. */
export const SHARED_MESSAGES = 2;
/** 1: the writer thread has ended. */
export const SHARED_ENDED = 3;
export const SHARED_WORDS = 4;

/** A space as the writer knows it. */
export interface BoundSpace {
  /** In the file. */
  readonly id: number;
  readonly name: string;
  readonly index: number;
  readonly isDurable: boolean;
}

export interface WriterData {
  readonly addressSpace: AddressSpace;
  readonly folder: string;
  readonly shared: Int32Array;
  readonly options: DatabaseOptions;
  readonly spaces: readonly BoundSpace[];
}

export type WriterRequest =
  /** Its settings are to be on disk. The result is its id. */
  | { readonly kind: 'save'; readonly settings: SpaceSettings }
  /** Takes changes of it from now on. */
  | { readonly kind: 'bind'; readonly space: BoundSpace }
  /** Nothing of it is to be on disk. */
  | { readonly kind: 'drop'; readonly name: string; readonly version: bigint }
  /** Writes what there is and ends. */
  | { readonly kind: 'stop' }
  /** For tests: DatabaseOptions. */
  | { readonly kind: 'limitPages'; readonly pagesMax: number };

export interface ToWriter {
  readonly id: number;
  readonly request: WriterRequest;
}

export type FromWriter =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly message: string; readonly details: Readonly<Record<string, unknown>> }
  | { readonly kind: 'answer'; readonly id: number; readonly result: number; readonly error: string | undefined }
  | { readonly kind: 'log'; readonly level: 'info' | 'error'; readonly message: string };

/** Has the writer look at its messages, whatever it waits for. */
export function wakeForMessage(words: Int32Array, shared: Int32Array): void {
  Atomics.store(shared, SHARED_MESSAGES, 1);
  Atomics.store(words, CONTROL_KV_WRITER >>> 2, WRITER_AWAKE);
  Atomics.notify(words, CONTROL_KV_WRITER >>> 2);
}

/** Somebody waits for the disk: a writer that waits for more to write ends that. */
export function endDoze(words: Int32Array): void {
  const index = CONTROL_KV_WRITER >>> 2;
  if (Atomics.compareExchange(words, index, WRITER_DOZING, WRITER_AWAKE) === WRITER_DOZING)
    Atomics.notify(words, index);
}

/** Has all who wait for the disk look again. */
export function wakeWaiters(words: Int32Array, shared: Int32Array, privLib: Pick<PrivLib, 'executorWake'>): void {
  Atomics.add(shared, SHARED_BATCHES, 1);
  Atomics.notify(shared, SHARED_BATCHES);
  forEachExecutor(words, (control) => {
    if (Atomics.load(words, (control + EXECUTOR_SYNC_WAITS) >>> 2) === 0) return;
    Atomics.store(words, (control + EXECUTOR_SYNCED) >>> 2, 1);
    privLib.executorWake(control);
  });
}

/** Whether anybody waits for the disk. */
export function isAwaited(words: Int32Array, shared: Int32Array): boolean {
  if (Atomics.load(shared, SHARED_WAITS) > 0) return true;
  let waits = 0;
  forEachExecutor(words, (control) => {
    waits += Atomics.load(words, (control + EXECUTOR_SYNC_WAITS) >>> 2);
  });
  return waits > 0;
}

function forEachExecutor(words: Int32Array, visit: (control: number) => void): void {
  const count = Atomics.load(words, CONTROL_EXECUTORS >>> 2);
  for (let i = 0; i < count; i++) visit(EXECUTOR_TABLE + i * EXECUTOR_SIZE);
}
