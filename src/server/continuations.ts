/**
 * Continuations: invocations that wait for something and hold no executor meanwhile. Each runs on a stack of its own (JSPI,
 * https://github.com/WebAssembly/js-promise-integration), entered through `WebAssembly.promising`; a host function that takes
 * time returns a promise, and V8 sets the stack aside until it settles.
 *
 * A stack cannot be set aside with a frame of JavaScript on it. So where a function on such a stack calls another that can suspend,
 * that one gets a stack of its own too, and the caller waits for it like for anything else.
 *
 * Promises settle in microtasks, which run when the thread's own code awaits. The run loop lets one continuation go on at a time
 * (`step`), and awaits until it waits again or has ended (`settle`). In between PrivLib knows that nothing runs but the host.
 */
import {
  EXECUTOR_STACKS,
  EXECUTOR_SUSPENDED,
  FAULT_CANCELLED,
  FAULT_DEADLINE,
  HOME_CALLER,
  HOME_FAULT_KIND,
  HOME_REQUEST_LENGTH,
  INVOCATION_ARRIVED,
  INVOCATION_PARENT,
  INVOCATION_QUEUED,
  INVOCATION_REQUEST,
} from '../../core/layout.ts';
import {
  CALLEE_BAD_RESPONSE,
  HOME_MEMORY_EXHAUSTED,
  IO_FAILED,
  NO_SUCH_INVOCATION,
  NOT_ALLOWED,
  OK,
  UNKNOWN_FUNCTION,
  WAITS,
} from '../../core/status.ts';
import { ABI_MODULE, HANDLE_EXPORT } from '../functions/abi.ts';
import { type AsyncFunctions, beginFetch, readHandles, restMs, startInvocation, toArgBuf } from './async-functions.ts';
import type { Begun, Executor, LoadedFunction } from './executor.ts';
import { badResponse } from './faults.ts';
import { Fifo } from './fifo.ts';
import { guestImports } from './host-functions.ts';
import { promising, suspending } from './jspi.ts';
import type { SyncTarget } from './kv/sync.ts';
import { failed } from './privlib.ts';
import { monotonicMs } from './time.ts';
import { type Timed, Timers } from './timers.ts';
import { makeTrap } from './trap.ts';

/** What a continuation waits for. */
type Wait =
  | { readonly kind: 'callee' }
  | { readonly kind: 'time' }
  | { readonly kind: 'fetch'; readonly token: number }
  | { readonly kind: 'sync'; readonly target: SyncTarget }
  /** Until one of these handles has arrived, or all: then it is how many have not. */
  | { readonly kind: 'children'; readonly handles: Set<number>; left: number };

/** An invocation on a stack of its own. */
class Continuation implements Timed {
  readonly loaded: LoadedFunction;
  readonly base: number;
  /** What it is where it came from a queue; a nested call otherwise. */
  readonly begun: Begun | undefined;
  /** What it waits for; undefined while it runs. */
  wait: Wait | undefined;
  /** What it gets from its host function when it goes on; runs once its PD is the one that runs. */
  result: () => number = () => OK;
  /** Settles when it goes on: what V8 waits for. */
  promise: Promise<number> | undefined;
  /** Ends the wait. */
  resolve: (value: number) => void = () => {};
  reject: (error: unknown) => void = () => {};
  /** It ends instead: FAULT_DEADLINE or FAULT_CANCELLED. */
  interruption = 0;
  isReady = false;
  dueMs = 0;
  timerIndex = -1;

  constructor(loaded: LoadedFunction, base: number, begun: Begun | undefined) {
    this.loaded = loaded;
    this.base = base;
    this.begun = begun;
  }
}

type Promising = (request: number, length: number, base: number) => Promise<number>;

export class Continuations implements AsyncFunctions {
  readonly #executor: Executor;
  readonly #stacksMax: number;
  readonly #imports: WebAssembly.Imports;
  /** `handle` of each version as what can suspend, by descriptor. */
  readonly #handles = new Map<number, Promising>();
  readonly #byBase = new Map<number, Continuation>();
  readonly #byToken = new Map<number, Continuation>();
  /** Those that wait for the disk. */
  readonly #syncing = new Set<Continuation>();
  readonly #timers = new Timers<Continuation>();
  readonly #ready = new Fifo<Continuation>();
  /** Records that a waiting parent has taken: they go before what is queued. */
  readonly #taken = new Fifo<number>();
  /** How many run: no more than one when the run loop looks, but a callee begins before its caller waits. */
  #running = 0;
  /** What ends a function that waits. */
  readonly #trap = makeTrap();

  /** `stacksMax`: how many invocations from a queue may have stacks at once. */
  constructor(executor: Executor, stacksMax: number) {
    this.#executor = executor;
    this.#stacksMax = stacksMax;
    const call = (id: number, request: number, asker: number): number => this.call(id, request, asker);
    const imports = guestImports({ ...executor.hostFunctions, call }, this);
    this.#imports = { ...imports, [ABI_MODULE]: { ...imports[ABI_MODULE], ...this.#waitingFunctions(imports) } };
  }

  /** The host functions that can suspend, as core/waiting.ts puts them together. */
  #waitingFunctions(imports: WebAssembly.Imports): WebAssembly.ModuleImports {
    const suspend = suspending((asker = 0) => this.#byBase.get(asker)?.promise ?? NO_SUCH_INVOCATION);
    const executor = { ...imports[ABI_MODULE], suspend };
    return new WebAssembly.Instance(this.#executor.waiting, { executor }).exports as WebAssembly.ModuleImports;
  }

  /** Whether an invocation from a queue may begin that needs a stack. */
  get hasRoom(): boolean {
    return this.#byBase.size < this.#stacksMax;
  }

  /** Whether a nested one may: there must always be an end to what waits already. */
  get #hasNestedRoom(): boolean {
    return this.#byBase.size < this.#stacksMax * 2;
  }

  get count(): number {
    return this.#byBase.size;
  }

  /** When the next wait ends that ends by itself, as monotonicMs. */
  get nextMs(): number {
    return this.#timers.nextMs;
  }

  get hasReady(): boolean {
    return this.#ready.size > 0 || this.#taken.size > 0;
  }

  /** Forgets what is kept of a version. */
  forget(descriptor: number): void {
    this.#handles.delete(descriptor);
  }

  /** Begins an invocation that was taken from a queue. Call `settle` then. */
  begin(record: number): void {
    const begun = this.#executor.enter(record);
    if (begun === undefined) return;
    const continuation = new Continuation(begun.loaded, begun.base, begun);
    this.#enter(continuation, this.#executor.word(record + INVOCATION_REQUEST));
  }

  /** Lets one continuation go on that can. Call `settle` then. */
  step(): void {
    const record = this.#taken.shift();
    if (record !== undefined) {
      if (this.#hasNestedRoom) this.begin(record);
      else this.#executor.run(record);
      return;
    }
    const continuation = this.#ready.shift();
    if (continuation !== undefined) this.#resume(continuation);
  }

  /** Returns when nothing runs: all wait for something, or have ended. */
  async settle(): Promise<void> {
    while (this.#running > 0) await undefined;
  }

  /** Ends the waits whose time has come. */
  expire(nowMs: number): void {
    for (;;) {
      const continuation = this.#timers.takeDue(nowMs);
      if (continuation === undefined) return;
      const isOver = restMs(this.#executor, continuation.base, nowMs) <= 0;
      if (isOver) this.#interrupt(continuation, FAULT_DEADLINE);
      else this.#makeReady(continuation);
    }
  }

  /** Ends the waits of invocations that were cancelled. */
  interruptCancelled(): void {
    for (const continuation of this.#byBase.values()) {
      const { wait, base } = continuation;
      // Who waits for a callee ends with the callee, which belongs to the same invocation.
      if (wait === undefined || wait.kind === 'callee' || !this.#executor.faults.isCancelled(base)) continue;
      this.#interrupt(continuation, FAULT_CANCELLED);
    }
  }

  /** An invocation that somebody here has started has ended. */
  arrived(handle: number, record: number): void {
    const continuation = this.#byBase.get(this.#executor.word(record + INVOCATION_PARENT));
    const wait = continuation?.wait;
    if (continuation === undefined || wait?.kind !== 'children' || !wait.handles.delete(handle)) return;
    wait.left--;
    if (wait.left <= 0) this.#makeReady(continuation);
  }

  /** A fetch has ended. */
  fetched(token: number, result: Uint8Array | number): void {
    const continuation = this.#byToken.get(token);
    if (continuation === undefined) return;
    this.#byToken.delete(token);
    continuation.result = () => toArgBuf(this.#executor, result, continuation.base);
    this.#makeReady(continuation);
  }

  /** The disk has got on: ends the waits that are over. */
  synced(): void {
    for (const continuation of this.#syncing) {
      const { wait } = continuation;
      const status = wait?.kind === 'sync' ? this.#executor.sync.status(wait.target) : undefined;
      if (status === undefined) continue;
      continuation.result = () => status;
      this.#makeReady(continuation);
    }
  }

  // The host functions.

  start(id: number, request: number, asker: number): number {
    return startInvocation(this.#executor, id, request, asker);
  }

  cancel(invocation: number, asker: number): number {
    return this.#executor.privLib.invocationForget(invocation, asker);
  }

  /** Nested calls: as the executor's own, unless the callee can suspend. */
  call(id: number, request: number, asker: number): number {
    const executor = this.#executor;
    const loaded = executor.functionOf(id);
    if (loaded === undefined) return UNKNOWN_FUNCTION;
    const caller = this.#byBase.get(asker);
    if (!executor.suspends(loaded) || !this.#hasNestedRoom || caller === undefined) {
      return executor.call(id, request, asker);
    }
    const base = executor.privLib.callEnter(loaded.descriptor, request, asker);
    // Rare: the plain path knows what to do, and may hold the executor this once.
    if (base === UNKNOWN_FUNCTION || base === HOME_MEMORY_EXHAUSTED) return executor.call(id, request, asker);
    if (failed(base)) return base;
    this.#enter(new Continuation(loaded, base, undefined), request);
    return this.#suspend(caller, { kind: 'callee' }, Number.POSITIVE_INFINITY, () => OK);
  }

  sleep(milliseconds: number, asker: number): number {
    const continuation = this.#byBase.get(asker);
    if (continuation === undefined) return this.#executor.blocking.sleep(milliseconds, asker);
    return this.#suspend(continuation, { kind: 'time' }, monotonicMs() + (milliseconds >>> 0), () => OK);
  }

  fetch(request: number, asker: number): number {
    const continuation = this.#byBase.get(asker);
    const { fetcher } = this.#executor.host;
    if (fetcher === undefined) return NOT_ALLOWED;
    if (continuation === undefined) return this.#executor.blocking.fetch(request, asker);
    const token = beginFetch(this.#executor, fetcher, request, asker);
    if (typeof token !== 'number') return token.status;
    this.#byToken.set(token, continuation);
    return this.#suspend(continuation, { kind: 'fetch', token }, Number.POSITIVE_INFINITY, () => IO_FAILED);
  }

  kv_sync(space: number, asker: number): number {
    const continuation = this.#byBase.get(asker);
    const { sync, blocking, privLib } = this.#executor;
    if (continuation === undefined) return blocking.kv_sync(space, asker);
    const target = sync.target(space, asker);
    if (typeof target === 'number') return target;
    // A stack overflow between `begin` and the end of the wait would leave it counted.
    privLib.reserveHostStack();
    sync.begin();
    const status = sync.status(target);
    if (status !== undefined) {
      sync.end();
      return status;
    }
    this.#syncing.add(continuation);
    return this.#suspend(continuation, { kind: 'sync', target }, Number.POSITIVE_INFINITY, () => OK);
  }

  wait(invocation: number, asker: number): number {
    const continuation = this.#byBase.get(asker);
    if (continuation === undefined) return this.#executor.blocking.wait(invocation, asker);
    const { privLib } = this.#executor;
    this.#executor.host.drainInbox();
    const state = privLib.invocationState(invocation, asker);
    if (state > INVOCATION_ARRIVED) return NO_SUCH_INVOCATION;
    const collect = (): number => privLib.invocationCollect(invocation, asker);
    if (state === INVOCATION_ARRIVED || this.#runNow(invocation, asker)) return collect();
    const wait: Wait = { kind: 'children', handles: new Set([invocation >>> 0]), left: 1 };
    return this.#suspend(continuation, wait, Number.POSITIVE_INFINITY, collect);
  }

  wait_any(pointer: number, count: number, asker: number): number {
    const continuation = this.#byBase.get(asker);
    if (continuation === undefined) return this.#executor.blocking.wait_any(pointer, count, asker);
    const handles = readHandles(this.#executor, pointer, count, asker);
    if (typeof handles === 'number') return handles;
    this.#executor.host.drainInbox();
    const ended = (): number | undefined => handles.find((handle) => this.#state(handle, asker) === INVOCATION_ARRIVED);
    const arrived = ended();
    if (arrived !== undefined) return arrived | 0;
    const queued = handles.find((handle) => this.#state(handle, asker) === INVOCATION_QUEUED);
    if (queued !== undefined && this.#runNow(queued, asker)) return queued | 0;
    const wait: Wait = { kind: 'children', handles: new Set(handles), left: 1 };
    return this.#suspend(continuation, wait, Number.POSITIVE_INFINITY, () => (ended() ?? NO_SUCH_INVOCATION) | 0);
  }

  wait_all(pointer: number, count: number, asker: number): number {
    const continuation = this.#byBase.get(asker);
    if (continuation === undefined) return this.#executor.blocking.wait_all(pointer, count, asker);
    const handles = readHandles(this.#executor, pointer, count, asker);
    if (typeof handles === 'number') return handles;
    // From the last one, since other executors take from the first one on.
    for (let i = handles.length - 1; i >= 0; i--) this.#runNow(handles[i] ?? 0, asker);
    this.#executor.host.drainInbox();
    const left = new Set(handles.filter((handle) => this.#state(handle, asker) !== INVOCATION_ARRIVED));
    if (left.size === 0) return OK;
    const wait: Wait = { kind: 'children', handles: left, left: left.size };
    return this.#suspend(continuation, wait, Number.POSITIVE_INFINITY, () => OK);
  }

  /**
   * Sees to it that an invocation that nobody has taken makes progress: runs it for its parent, or takes it to be begun when
   * the parent waits, where it needs a stack. Returns whether it has run.
   */
  #runNow(handle: number, asker: number): boolean {
    const executor = this.#executor;
    if (this.#state(handle, asker) !== INVOCATION_QUEUED) return false;
    const record = executor.privLib.invocationRecord(handle, asker);
    const loaded = executor.functionFor(record);
    if (loaded === undefined || !executor.suspends(loaded)) return executor.runFor(handle, asker);
    const taken = executor.privLib.invocationTake(handle, executor.control);
    if (taken !== 0) this.#taken.push(taken);
    return false;
  }

  #state(handle: number, asker: number): number {
    return this.#executor.privLib.invocationState(handle, asker);
  }

  /** Runs a continuation from its start until it waits or ends. */
  #enter(continuation: Continuation, request: number): void {
    const { loaded, base } = continuation;
    this.#byBase.set(base, continuation);
    this.#count();
    this.#running++;
    let ended: Promise<number>;
    try {
      ended = this.#handleOf(loaded)(request, this.#executor.word(base + HOME_REQUEST_LENGTH), base);
    } catch (error) {
      ended = Promise.reject(error);
    }
    ended.then(
      (response) => this.#returned(continuation, response),
      (error: unknown) => this.#threw(continuation, error),
    );
    // It has ended, but that shows only in the next microtask; until then its caller may have to be suspended.
    if (continuation.wait === undefined) this.#executor.privLib.pdSuspend(base);
  }

  #handleOf(loaded: LoadedFunction): Promising {
    let handle = this.#handles.get(loaded.descriptor);
    if (handle === undefined) {
      const instance = new WebAssembly.Instance(loaded.module, this.#imports);
      handle = promising(instance.exports[HANDLE_EXPORT]);
      this.#handles.set(loaded.descriptor, handle);
    }
    return handle;
  }

  #suspend(continuation: Continuation, wait: Wait, dueMs: number, result: () => number): number {
    const { base } = continuation;
    this.#executor.privLib.pdSuspend(base);
    continuation.wait = wait;
    continuation.result = result;
    if (wait.kind !== 'callee') {
      // One time for both: a wait that ends a moment before the deadline would end as if its time had come.
      const nowMs = monotonicMs();
      continuation.dueMs = Math.min(dueMs, nowMs + restMs(this.#executor, base, nowMs));
      this.#timers.add(continuation);
    }
    this.#running--;
    this.#count();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    continuation.promise = promise;
    continuation.resolve = resolve;
    continuation.reject = reject;
    return WAITS;
  }

  #makeReady(continuation: Continuation): void {
    if (continuation.isReady) return;
    continuation.isReady = true;
    if (this.#syncing.delete(continuation)) this.#executor.sync.end();
    this.#timers.remove(continuation);
    this.#ready.push(continuation);
  }

  #interrupt(continuation: Continuation, fault: number): void {
    if (continuation.wait?.kind === 'fetch') {
      this.#byToken.delete(continuation.wait.token);
      this.#executor.host.fetcher?.cancel(continuation.wait.token);
    }
    continuation.interruption = fault;
    this.#makeReady(continuation);
  }

  #resume(continuation: Continuation): void {
    const { base, result, resolve, reject, interruption } = continuation;
    continuation.isReady = false;
    continuation.wait = undefined;
    continuation.interruption = 0;
    this.#running++;
    this.#executor.privLib.pdResume(base);
    if (interruption !== 0) {
      this.#executor.words[(base + HOME_FAULT_KIND) >>> 2] = interruption;
      reject(this.#trap);
      return;
    }
    try {
      resolve(result());
    } catch (error) {
      // A trap of PrivLib's, since the invocation is over.
      reject(error);
    }
  }

  #returned(continuation: Continuation, response: number): void {
    const { privLib } = this.#executor;
    const { loaded, base, begun } = continuation;
    this.#close(continuation);
    if (begun !== undefined) {
      this.#executor.leave(begun, response);
      return;
    }
    const asker = this.#executor.word(base + HOME_CALLER);
    const result = privLib.callLeave(response, base, asker);
    privLib.executorIdle(this.#executor.control);
    if (result === CALLEE_BAD_RESPONSE) this.#executor.reportFault(loaded, badResponse(loaded.name, response));
    this.#answer(asker, () => result);
  }

  #threw(continuation: Continuation, error: unknown): void {
    const executor = this.#executor;
    const { loaded, base, begun } = continuation;
    this.#close(continuation);
    // One error is the end of many: it says nothing of where the function was.
    if (error === this.#trap) executor.faults.passing = error;
    if (begun !== undefined) {
      executor.fail(begun, error);
      return;
    }
    const asker = executor.word(base + HOME_CALLER);
    let result = (): number => OK;
    try {
      const status = executor.settleNested(loaded, error, base, asker);
      result = () => status;
    } catch {
      // The caller is over too.
      result = () => {
        executor.passOn(error, asker);
        throw error;
      };
    }
    executor.privLib.executorIdle(executor.control);
    this.#answer(asker, result);
  }

  #close(continuation: Continuation): void {
    this.#executor.privLib.pdResume(continuation.base);
    this.#byBase.delete(continuation.base);
    this.#running--;
    this.#count();
  }

  #answer(asker: number, result: () => number): void {
    const caller = this.#byBase.get(asker);
    if (caller === undefined) throw new Error('the caller of a continuation is gone');
    caller.result = result;
    this.#makeReady(caller);
  }

  #count(): void {
    const { words, control } = this.#executor;
    words[(control + EXECUTOR_STACKS) >>> 2] = this.#byBase.size;
    words[(control + EXECUTOR_SUSPENDED) >>> 2] = this.#byBase.size - this.#running;
  }
}
