/**
 * The host functions that start invocations, and those that take time, in the form that holds the executor: for call graphs
 * that cannot suspend, or not this time. continuations.ts has the form that suspends.
 */
import {
  CHILDREN_MAX,
  HOME_END_MS,
  INVOCATION_ARRIVED,
  INVOCATION_ENDED,
  INVOCATION_QUEUED,
  INVOCATION_RUNNING,
} from '../../core/layout.ts';
import {
  BAD_PARAMETER,
  BAD_POINTER,
  NO_SUCH_INVOCATION,
  NOT_ALLOWED,
  OK,
  UNKNOWN_FUNCTION,
} from '../../core/status.ts';
import type { Executor } from './executor.ts';
import { failed } from './privlib.ts';
import { clockWord, monotonicMs, monotonicUs } from './time.ts';

/** What each returns is in docs/abi.md; or WAITS, in the form that suspends. */
export interface AsyncFunctions {
  start(id: number, request: number, asker: number): number;
  wait(invocation: number, asker: number): number;
  wait_any(invocations: number, count: number, asker: number): number;
  wait_all(invocations: number, count: number, asker: number): number;
  cancel(invocation: number, asker: number): number;
  sleep(milliseconds: number, asker: number): number;
  fetch(request: number, asker: number): number;
  kv_sync(space: number, asker: number): number;
}

/** Fetches on another thread, for one executor. */
export interface Fetcher {
  /** Begins one. Returns a token, or why there is none. */
  begin(request: Uint8Array, allow: readonly string[], timeoutMs: number): number | { readonly status: number };
  cancel(token: number): void;
  /** The next one that has ended: its response, or a status. */
  poll(): { readonly token: number; readonly result: Uint8Array | number } | undefined;
}

/** How long a blocked thread sleeps before it looks again whether its invocation is over. */
const LOOK_INTERVAL_MS = 1;
/** Where blocked threads sleep; nobody wakes them there. */
const nowhere = new Int32Array(new SharedArrayBuffer(4));

/** Milliseconds from a time until the deadline of a PD. */
export function restMs(executor: Executor, asker: number, nowMs: number): number {
  return (executor.word(asker + HOME_END_MS) - clockWord(nowMs)) | 0;
}

/** Sleeps a little, then traps if the invocation is over: `translate` looks at the deadline, and no handler sees its trap. */
function pause(executor: Executor, milliseconds: number, asker: number): void {
  Atomics.wait(nowhere, 0, 0, Math.max(0, Math.min(milliseconds, LOOK_INTERVAL_MS)));
  executor.privLib.translate(0, 0, 0, asker);
}

/** The handles in an array of a guest's, or a status. */
export function readHandles(executor: Executor, pointer: number, count: number, asker: number): number[] | number {
  if (count >>> 0 > CHILDREN_MAX || count === 0) return BAD_PARAMETER;
  const address = executor.privLib.translate(pointer, count * 4, 0, asker);
  if (failed(address)) return BAD_POINTER;
  const view = new DataView(executor.bytes.buffer, address >>> 0, count * 4);
  const handles = Array.from({ length: count }, (_, i) => view.getUint32(i * 4, true));
  const isOwn = handles.every((handle) => executor.privLib.invocationState(handle, asker) <= INVOCATION_ARRIVED);
  return isOwn ? handles : NO_SUCH_INVOCATION;
}

/** The bytes of a fetch's request, copied, or a status. The ArgBuf stays the guest's. */
export function readRequest(executor: Executor, request: number, asker: number): Uint8Array | number {
  const length = executor.privLib.vmaLength(request, asker);
  const address = executor.privLib.translate(request, length, 0, asker);
  if (length === -1 || failed(address)) return BAD_POINTER;
  return executor.bytes.slice(address >>> 0, (address >>> 0) + length);
}

/** A new ArgBuf of the guest with these bytes, or a status; a status stays one. */
export function toArgBuf(executor: Executor, result: Uint8Array | number, asker: number): number {
  if (typeof result === 'number') return result;
  const address = executor.privLib.vmaMap(result.length, asker);
  if (!failed(address)) executor.bytes.set(result, address >>> 0);
  return address;
}

export function startInvocation(executor: Executor, id: number, request: number, asker: number): number {
  if (executor.functionOf(id) === undefined) return UNKNOWN_FUNCTION;
  const handle = executor.privLib.invocationNew(id, request, 0, 0, monotonicUs(), asker);
  if (!failed(handle)) executor.host.offer?.(handle);
  return handle;
}

class BlockingFunctions implements AsyncFunctions {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  start(id: number, request: number, asker: number): number {
    return startInvocation(this.#executor, id, request, asker);
  }

  cancel(invocation: number, asker: number): number {
    return this.#executor.privLib.invocationForget(invocation, asker);
  }

  wait(invocation: number, asker: number): number {
    const status = this.#finish(invocation, asker);
    return status === OK ? this.#executor.privLib.invocationCollect(invocation, asker) : status;
  }

  wait_any(pointer: number, count: number, asker: number): number {
    const handles = readHandles(this.#executor, pointer, count, asker);
    if (typeof handles === 'number') return handles;
    for (;;) {
      this.#drain();
      const arrived = handles.find((handle) => this.#state(handle, asker) === INVOCATION_ARRIVED);
      if (arrived !== undefined) return arrived | 0;
      const queued = handles.find((handle) => this.#state(handle, asker) === INVOCATION_QUEUED);
      if (queued === undefined) pause(this.#executor, LOOK_INTERVAL_MS, asker);
      else this.#executor.runFor(queued, asker);
    }
  }

  wait_all(pointer: number, count: number, asker: number): number {
    const handles = readHandles(this.#executor, pointer, count, asker);
    if (typeof handles === 'number') return handles;
    // From the last one, since other executors take from the first one on.
    for (const handle of handles.reverse()) this.#finish(handle, asker);
    return OK;
  }

  sleep(milliseconds: number, asker: number): number {
    const untilMs = monotonicMs() + (milliseconds >>> 0);
    for (let rest = untilMs - monotonicMs(); rest > 0; rest = untilMs - monotonicMs()) {
      pause(this.#executor, rest, asker);
    }
    return OK;
  }

  fetch(request: number, asker: number): number {
    const executor = this.#executor;
    const { fetcher } = executor.host;
    if (fetcher === undefined) return NOT_ALLOWED;
    const token = beginFetch(executor, fetcher, request, asker);
    if (typeof token !== 'number') return token.status;
    try {
      for (;;) {
        const done = fetcher.poll();
        if (done?.token === token) return toArgBuf(executor, done.result, asker);
        if (done !== undefined) executor.host.fetched(done.token, done.result);
        else pause(executor, LOOK_INTERVAL_MS, asker);
      }
    } catch (error) {
      fetcher.cancel(token);
      throw error;
    }
  }

  kv_sync(space: number, asker: number): number {
    const { sync, privLib } = this.#executor;
    const target = sync.target(space, asker);
    if (typeof target === 'number') return target;
    // A stack overflow between `begin` and `end` would leave it counted.
    privLib.reserveHostStack();
    sync.begin();
    try {
      for (;;) {
        const status = sync.status(target);
        if (status !== undefined) return status;
        pause(this.#executor, LOOK_INTERVAL_MS, asker);
      }
    } finally {
      sync.end();
    }
  }

  /** Runs an invocation or waits for it, until it has arrived. OK, or NO_SUCH_INVOCATION. */
  #finish(handle: number, asker: number): number {
    for (;;) {
      this.#drain();
      switch (this.#state(handle, asker)) {
        case INVOCATION_ARRIVED:
          return OK;
        case INVOCATION_QUEUED:
          this.#executor.runFor(handle, asker);
          break;
        case INVOCATION_RUNNING:
        case INVOCATION_ENDED:
          pause(this.#executor, LOOK_INTERVAL_MS, asker);
          break;
        default:
          return NO_SUCH_INVOCATION;
      }
    }
  }

  #state(handle: number, asker: number): number {
    return this.#executor.privLib.invocationState(handle, asker);
  }

  #drain(): void {
    this.#executor.host.drainInbox();
  }
}

/** Begins a fetch for a guest; its request is gone then. Returns a token, or why there is none. */
export function beginFetch(
  executor: Executor,
  fetcher: Fetcher,
  request: number,
  asker: number,
): number | { readonly status: number } {
  const bytes = readRequest(executor, request, asker);
  if (typeof bytes === 'number') return { status: bytes };
  const allow = executor.allowedFetches(asker);
  const token = fetcher.begin(bytes, allow, Math.max(1, restMs(executor, asker, monotonicMs())));
  if (typeof token === 'number') executor.privLib.vmaUnmap(request, asker);
  return token;
}

export function blockingFunctions(executor: Executor): AsyncFunctions {
  return new BlockingFunctions(executor);
}
