/** The invocations that an orchestrator holds back while all its executors have as many as they may, in order. */
import type { Waiting } from './admission.ts';
import { Fifo } from './fifo.ts';

export interface Waiter {
  readonly queuedMs: number;
  /** It chose to wait for any time, and does not count as one that waits. */
  readonly isPatient: boolean;
  /** Answered already: it is passed over. */
  readonly isOver: boolean;
}

export class WaitingQueue<T extends Waiter> {
  readonly #queue = new Fifo<T>();
  /** Those that count, and since when there have always been some. */
  #standing = 0;
  #standingSinceMs = 0;

  /** With those that are over, and not passed over yet. */
  get size(): number {
    return this.#queue.size;
  }

  push(waiter: T, nowMs: number): void {
    this.#queue.push(waiter);
    if (waiter.isPatient) return;
    if (this.#standing === 0) this.#standingSinceMs = nowMs;
    this.#standing++;
  }

  /** The first that is not over. */
  first(): T | undefined {
    while (this.#queue.peek()?.isOver === true) this.#queue.shift();
    return this.#queue.peek();
  }

  /** Takes out the first. */
  shift(): void {
    const waiter = this.first();
    if (waiter === undefined) return;
    this.#queue.shift();
    this.leave(waiter);
  }

  /** One that waits is about to be over: it counts no more. */
  leave({ isPatient }: T): void {
    if (!isPatient) this.#standing--;
  }

  waiting(nowMs: number): Waiting {
    const first = this.first();
    if (first === undefined) return NONE;
    return { count: this.#standing, oldestMs: nowMs - first.queuedMs, standingMs: nowMs - this.#standingSinceMs };
  }
}

const NONE: Waiting = { count: 0, oldestMs: 0, standingMs: 0 };
