/** What the three sides of outbound requests (main thread, I/O thread, executors) tell each other. */
import type { MessagePort } from 'node:worker_threads';
import { DOORBELL_AWAKE, DOORBELL_PARKED, EXECUTOR_DOORBELL, EXECUTOR_MESSAGES } from '../../../core/layout.ts';
import type { Field } from './message.ts';

/** What the I/O thread begins with. */
export interface OutboundWorkerData {
  readonly memory: WebAssembly.Memory;
}

/** Main thread to I/O thread: another executor, with the address of its control block. */
export interface Registration {
  readonly port: MessagePort;
  readonly control: number;
}

/** First message at the port of an executor, from the main thread. */
export interface Link {
  /** One word in memory of its own: LINK_LOST once the I/O thread behind the port has ended. */
  readonly state: Int32Array;
}

export const LINK_ALIVE = 0;
export const LINK_LOST = 1;

/** Executor to I/O thread. Each FetchCommand is answered once, cancelled or not. */
export type Command = FetchCommand | CancelCommand;

export interface FetchCommand {
  readonly kind: 'fetch';
  readonly token: number;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly Field[];
  readonly body: Uint8Array<ArrayBuffer>;
  readonly timeoutMs: number;
}

export interface CancelCommand {
  readonly kind: 'cancel';
  readonly token: number;
}

/** I/O thread to executor. */
export interface Answer {
  readonly token: number;
  /** The response as docs/abi.md has it, or a status. */
  readonly result: Uint8Array | number;
}

/**
 * Tells an executor that something waits at its port, and wakes it when it is parked. Call it after the message was posted:
 * an executor looks at EXECUTOR_MESSAGES after it has said that it parks (`executorPark` in core/queue.ts).
 *
 * @param words the address space from 0 on
 * @param control address of the executor's control block
 */
export function wakeExecutor(words: Int32Array, control: number): void {
  Atomics.store(words, (control + EXECUTOR_MESSAGES) >>> 2, 1);
  const doorbell = (control + EXECUTOR_DOORBELL) >>> 2;
  if (Atomics.load(words, doorbell) !== DOORBELL_PARKED) return;
  if (Atomics.compareExchange(words, doorbell, DOORBELL_PARKED, DOORBELL_AWAKE) === DOORBELL_PARKED) {
    Atomics.notify(words, doorbell, 1);
  }
}
