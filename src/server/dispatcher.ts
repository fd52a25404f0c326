/**
 * An orchestrator's part in the shared memory: queues invocations, dispatches them to its executors by JBSQ(k), and hands out
 * what came of them. Belongs to the thread that made it, and shares the control block of that thread's own executor.
 *
 * JBSQ(k), join-bounded-shortest-queue: an invocation goes to the executor with the shortest queue, and waits here while all
 * have k (nanoPU, https://www.usenix.org/conference/osdi21/presentation/ibanez).
 *
 * What ends is found by looking (`poll`). On the event loop that happens once a turn while anything is outstanding; after a
 * bounded time without news the thread is woken by `Atomics.waitAsync` instead.
 */
import {
  DOORBELL_AWAKE,
  DOORBELL_PARKED,
  EXECUTOR_DOORBELL,
  EXECUTOR_INDEX,
  EXECUTOR_MESSAGES,
  EXECUTOR_RING_HEAD,
  EXECUTOR_SERVICE_NS,
  EXECUTOR_SYNCED,
  HOME_END_MS,
  INVOCATION_ENDED,
  INVOCATION_FIELDS,
  INVOCATION_HTTP_STATUS,
  INVOCATION_IS_HTTP,
  INVOCATION_QUEUED,
  RING_MAX,
  RING_SIZE,
  RING_TABLE,
} from '../../core/layout.ts';
import { CALLEE_CANCELLED, CALLEE_DEADLINE, CALLEE_EXECUTOR_LOST, CLASS_EXHAUSTED, OK } from '../../core/status.ts';
import { JordError } from '../errors.ts';
import { Admission, type AdmissionOptions } from './admission.ts';
import { faultError, statusError } from './errors.ts';
import { type Executor, FUNCTION_ID_FIRST, invokedFromInside } from './executor.ts';
import { decodeFault, decodeHeaders, readText, writeRequestFields } from './fields.ts';
import { Fifo } from './fifo.ts';
import { failed, recordOf } from './privlib.ts';
import { clockWord, monotonicMs } from './time.ts';
import type { Answer, Cancellation, HttpRequest, InvokeResult, OrchestratorStats } from './types.ts';
import { type Waiter, WaitingQueue } from './waiting-queue.ts';

export interface DispatcherOptions extends AdmissionOptions {
  /** k: how many invocations an executor has at most, the one that runs included. */
  readonly queueBound: number;
  /** It may have more while they are so short that to have another one dispatched takes longer than to run it. */
  readonly isElastic: boolean;
  /** How long the event loop is kept turning without news, in µs. */
  readonly spinUs: number;
}

/** A function as its orchestrator knows it. */
export interface DispatchedFunction {
  readonly id: number;
  readonly name: string;
  readonly deadlineMs: number;
  /** It imports host functions that read the HTTP request, or that write the response. */
  readonly readsHttp: boolean;
  readonly writesHttp: boolean;
}

export interface SubmitOptions {
  readonly http?: HttpRequest | undefined;
  readonly deadlineMs?: number | undefined;
  readonly cancellation?: Cancellation | undefined;
  /** It may wait as long as its deadline allows: queueDelayMs is not for it. */
  readonly isPatient?: boolean | undefined;
}

interface Pending extends Waiter {
  readonly handle: number;
  readonly target: DispatchedFunction;
  readonly answer: Answer;
  readonly deadlineMs: number;
  /** Control block of the executor that it was dispatched to; 0 while it waits here. */
  executor: number;
  isOver: boolean;
  /** It was still queued when its deadline passed. */
  hasExpired: boolean;
  /** It was put into a second ring. */
  wasOffered: boolean;
}

/** Less than it takes to wake a thread. */
const BURST_NS = 50_000;
const HELD_UP_MS = 1;
/** How long what was dispatched stays unannounced at most: as long as a few requests take to be read. */
const WAKE_MS = 0.1;
/** Between two looks at deadlines of what is queued. */
const SWEEP_INTERVAL_MS = 5;
/** The timer outlives what it is for a little, since it is often needed again. */
const IDLE_SWEEPS_MAX = 100;

export class Dispatcher {
  readonly #executor: Executor;
  readonly #executors: readonly number[];
  readonly #options: DispatcherOptions;
  readonly #admission: Admission;
  /** Is called before invocations that have ended are answered. */
  readonly #beforeAnswers: () => void;
  readonly #signed: Int32Array;
  readonly #doorbell: number;
  /** By the index of the record. */
  readonly #pending: (Pending | undefined)[] = [];
  readonly #waiting = new WaitingQueue<Pending>();
  /** What has ended and is not handed out yet. */
  readonly #arrived = new Fifo<Pending>();
  #outstanding = 0;
  #accepted = 0;
  /** The event loop is kept turning. */
  #isTurning = false;
  /** For each executor, how far its ring was, and since when. */
  readonly #heads: Int32Array;
  readonly #headSinceMs: Float64Array;
  /** When an invocation was last submitted or the loop last turned: near enough to now. */
  #nowMs = 0;
  /** Something was dispatched, and its executor may be parked; and since when. */
  #hasDispatched = false;
  #dispatchedMs = 0;
  /** A promise of `Atomics.waitAsync` has not settled: there is never more than one. */
  #isAwaiting = false;
  #progressMs = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #idleSweeps = 0;

  /** `executor` is that of this thread, `executors` are the control blocks of those it dispatches to. */
  constructor(
    executor: Executor,
    executors: readonly number[],
    options: DispatcherOptions,
    beforeAnswers: () => void = () => {},
  ) {
    this.#beforeAnswers = beforeAnswers;
    this.#executor = executor;
    this.#executors = executors;
    this.#heads = new Int32Array(executors.length);
    this.#headSinceMs = new Float64Array(executors.length);
    this.#options = options;
    this.#admission = new Admission(options, executors.length);
    this.#signed = new Int32Array(executor.bytes.buffer, 0, 2 ** 29);
    this.#doorbell = (executor.control + EXECUTOR_DOORBELL) >>> 2;
    for (const control of executors) executor.privLib.ringBind(control, executor.control);
  }

  stats(index: number): OrchestratorStats {
    const waiting = this.#waiting.size;
    const { refused } = this.#admission;
    return { index, outstanding: this.#outstanding, waiting, accepted: this.#accepted, refused };
  }

  /**
   * Queues an invocation. `body` is copied before this returns. `answer` is called once, never before this returns, with the
   * result or an error; what it throws is the caller's own fault and ends the process.
   *
   * Throws OVERLOADED, INVOCATION_CANCELLED, ADDRESS_SPACE_EXHAUSTED, BODY_TOO_LARGE, BAD_REQUEST; then nothing has happened.
   */
  submit(target: DispatchedFunction, body: Uint8Array, options: SubmitOptions, answer: Answer): void {
    if (!this.#executor.isIdle) throw invokedFromInside();
    if (options.cancellation?.isCancelled === true) throw statusError(CALLEE_CANCELLED, target.name);
    const refusal = this.refusal(options.isPatient);
    if (refusal !== undefined) throw refusal;
    const nowMs = this.#nowMs;
    const restMs = Math.min(options.deadlineMs ?? target.deadlineMs, target.deadlineMs);
    // One more for what the clock rounds down: no function ends before its time.
    this.#executor.words[(this.#executor.hostBase + HOME_END_MS) >>> 2] = clockWord(nowMs) + restMs + 1;
    const handle = this.#enqueue(target, body, options.http, nowMs);
    const deadlineMs = nowMs + restMs + 1;
    const pending: Pending = {
      handle,
      target,
      answer,
      queuedMs: nowMs,
      deadlineMs,
      executor: 0,
      isOver: false,
      hasExpired: false,
      wasOffered: false,
      isPatient: options.isPatient === true,
    };
    this.#pending[handle & 0xffff] = pending;
    this.#accepted++;
    if (this.#outstanding++ === 0) this.#startSweeping();
    if (this.#waiting.size > 0 || !this.#dispatch(pending)) this.#waiting.push(pending, nowMs);
    options.cancellation?.attach(() => this.#cancel(pending));
    this.#turn();
  }

  /** The same with a promise. */
  invoke(target: DispatchedFunction, body: Uint8Array, options: SubmitOptions): Promise<InvokeResult> {
    const { promise, resolve, reject } = Promise.withResolvers<InvokeResult>();
    this.submit(target, body, options, (error, result) => {
      if (result === undefined) reject(error);
      else resolve(result);
    });
    return promise;
  }

  /**
   * The OVERLOADED that an invocation would be refused with now, which then counts as refused. For who would rather not read a
   * request first that is refused afterwards.
   */
  refusal(isPatient = false): JordError | undefined {
    if (!this.#executor.isIdle) return undefined;
    const nowMs = monotonicMs();
    this.#keepBusy(nowMs);
    return this.#admission.refusal(this.#outstanding, this.#waiting.waiting(nowMs), isPatient);
  }

  /**
   * Much of an event loop's turn can be before its look at what has ended, when many requests arrive at once. No executor is to
   * be idle for that long while something waits.
   */
  #keepBusy(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#waiting.size > 0 && this.takeIn()) this.#pump();
    if (this.#hasDispatched && nowMs - this.#dispatchedMs > WAKE_MS) this.wakeExecutors();
  }

  /** Makes the record. Returns its handle. */
  #enqueue(target: DispatchedFunction, body: Uint8Array, http: HttpRequest | undefined, nowMs: number): number {
    const { privLib, hostBase, bytes } = this.#executor;
    let request = 0;
    if (body.length > 0) {
      request = privLib.vmaMap(body.length, hostBase);
      if (failed(request)) throw statusError(request, `a request of ${body.length} bytes`);
      bytes.set(body, request >>> 0);
    }
    // Most functions ask for nothing of it, and then nothing of it is copied.
    const needsFields = http !== undefined && target.readsHttp;
    const fields = needsFields ? writeRequestFields(this.#executor, http) : 0;
    if (needsFields && fields === 0) {
      if (request !== 0) privLib.vmaUnmap(request, hostBase);
      throw statusError(CLASS_EXHAUSTED, 'the method, path and headers of a request');
    }
    const isHttp = http !== undefined && (target.readsHttp || target.writesHttp);
    const flags = isHttp ? INVOCATION_IS_HTTP : 0;
    const handle = privLib.invocationNew(target.id, request, fields, flags, nowMs * 1000, hostBase);
    if (failed(handle)) {
      if (request !== 0) privLib.vmaUnmap(request, hostBase);
      if (fields !== 0) privLib.vmaUnmap(fields, hostBase);
      throw statusError(handle, target.name);
    }
    return handle;
  }

  /** k; or as many as make for BURST_NS of late, as long as the executor gets on with them. */
  #boundOf(control: number, index: number, length: number): number {
    const { queueBound, isElastic } = this.#options;
    const serviceNs = this.#signed[(control + EXECUTOR_SERVICE_NS) >>> 2] ?? 0;
    // 0: nothing has run there yet.
    if (!isElastic || serviceNs === 0 || serviceNs * queueBound >= BURST_NS || this.#isHeldUp(control, index, length))
      return queueBound;
    return Math.max(queueBound, Math.min(RING_MAX, Math.floor(BURST_NS / serviceNs)));
  }

  /** Whether the invocation at the head of a ring has been there for long. */
  #isHeldUp(control: number, index: number, length: number): boolean {
    const head = this.#signed[(control + EXECUTOR_RING_HEAD) >>> 2] ?? 0;
    if (length === 0 || this.#heads[index] !== head) {
      this.#heads[index] = head;
      this.#headSinceMs[index] = this.#nowMs;
      return false;
    }
    return this.#nowMs - (this.#headSinceMs[index] ?? 0) > HELD_UP_MS;
  }

  /** To the executor with the shortest queue; of equals to one that is awake. False: all have as many as they may. */
  #dispatch(pending: Pending): boolean {
    const { privLib } = this.#executor;
    let best = 0;
    let bestLength = RING_MAX;
    for (let i = 0; i < this.#executors.length; i++) {
      const control = this.#executors[i] ?? 0;
      const length = privLib.ringLength(control);
      if (length > bestLength || length >= this.#boundOf(control, i, length)) continue;
      if (length === bestLength && this.#signed[(control + EXECUTOR_DOORBELL) >>> 2] === DOORBELL_PARKED) continue;
      best = control;
      bestLength = length;
    }
    if (best === 0 || privLib.ringPush(best, pending.handle, RING_MAX, 1) === 0) return false;
    this.#noteDispatch();
    pending.executor = best;
    return true;
  }

  #noteDispatch(): void {
    if (this.#hasDispatched) return;
    this.#hasDispatched = true;
    this.#dispatchedMs = this.#nowMs;
  }

  /**
   * Hands out what has ended, and dispatches what waits. Returns whether there was anything. For who does not want to wait for
   * the event loop; otherwise it happens by itself.
   */
  poll(): boolean {
    this.wakeExecutors();
    // Not from inside a function: then the host may ask for nothing.
    if (!this.#executor.isIdle) return false;
    let didWork = this.takeIn();
    if (this.#arrived.size > 0) this.#beforeAnswers();
    for (let pending = this.#arrived.shift(); pending !== undefined; pending = this.#arrived.shift()) {
      didWork = true;
      if (!pending.isOver) this.#complete(pending);
    }
    if (this.#pump()) didWork = true;
    this.wakeExecutors();
    return didWork;
  }

  /**
   * Once for all that was dispatched in a turn of the event loop: to wake a thread takes as long as to run many short functions,
   * and who is woken for each would find nothing in between and park again.
   */
  wakeExecutors(): void {
    if (!this.#hasDispatched) return;
    this.#hasDispatched = false;
    for (const control of this.#executors) this.#executor.privLib.executorWake(control);
  }

  /** Takes in what has ended, and hands out nothing: also while a function runs on this thread. Returns whether there was anything. */
  takeIn(): boolean {
    const { privLib, control } = this.#executor;
    let didWork = false;
    for (const executor of this.#executors) {
      for (;;) {
        const handle = privLib.invocationReturned(executor, control);
        if (handle === 0) break;
        didWork = true;
        this.#arrive(handle);
      }
    }
    for (let handle = privLib.invocationArrived(control); handle !== 0; handle = privLib.invocationArrived(control)) {
      didWork = true;
      this.#arrive(handle);
    }
    return didWork;
  }

  #arrive(handle: number): void {
    const pending = this.#pending[handle & 0xffff];
    if (pending !== undefined) this.#arrived.push(pending);
  }

  #pump(): boolean {
    let didWork = false;
    for (let next = this.#waiting.first(); next !== undefined; next = this.#waiting.first()) {
      if (!this.#dispatch(next)) break;
      this.#waiting.shift();
      didWork = true;
    }
    return didWork;
  }

  /** One that has arrived. */
  #complete(pending: Pending): void {
    const { privLib, hostBase, bytes, words } = this.#executor;
    const record = recordOf(pending.handle);
    const fieldsAddress = words[(record + INVOCATION_FIELDS) >>> 2] ?? 0;
    const status = words[(record + INVOCATION_HTTP_STATUS) >>> 2] ?? 0;
    const response = privLib.invocationCollect(pending.handle, hostBase);
    const fields = fieldsAddress === 0 ? undefined : this.#takeFields(fieldsAddress);
    this.#close(pending);
    if (response !== 0 && failed(response)) {
      pending.answer(this.#errorOf(pending, response, fields), undefined);
      return;
    }
    let body = EMPTY;
    if (response !== 0) {
      const start = response >>> 0;
      body = bytes.slice(start, start + privLib.vmaLength(response, hostBase));
      privLib.vmaUnmap(response, hostBase);
    }
    const headers = fields === undefined ? NO_HEADERS : decodeHeaders(fields);
    pending.answer(undefined, { body, status: status === 0 ? undefined : status, headers });
  }

  #errorOf({ target, hasExpired }: Pending, response: number, fields: string | undefined): JordError {
    const { id, name } = target;
    // Whoever ran it cannot count that any more.
    if (response === CALLEE_EXECUTOR_LOST) this.#executor.host.countFault(id - FUNCTION_ID_FIRST, 'executor-lost');
    if (hasExpired && response === CALLEE_CANCELLED) return statusError(CALLEE_DEADLINE, name);
    return fields === undefined ? statusError(response, name) : faultError(decodeFault(fields));
  }

  #takeFields(address: number): string {
    const { privLib, hostBase, bytes } = this.#executor;
    const fields = readText(bytes, address, privLib.vmaLength(address, hostBase));
    privLib.vmaUnmap(address, hostBase);
    return fields;
  }

  #close(pending: Pending): void {
    if (pending.executor === 0) this.#waiting.leave(pending);
    pending.isOver = true;
    this.#pending[pending.handle & 0xffff] = undefined;
    if (--this.#outstanding === 0) this.#sweeper?.unref();
  }

  #cancel(pending: Pending): void {
    if (pending.isOver) return;
    if (!this.#executor.isIdle) {
      queueMicrotask(() => this.#cancel(pending));
      return;
    }
    const { privLib, hostBase } = this.#executor;
    if (privLib.invocationForget(pending.handle, hostBase) !== OK) return;
    this.#close(pending);
    pending.answer(statusError(CALLEE_CANCELLED, pending.target.name), undefined);
  }

  /** Cancels all that is outstanding, with this error. */
  #cancelAll(makeError: (name: string) => JordError): void {
    const { privLib, hostBase } = this.#executor;
    for (const pending of this.#pending) {
      if (pending === undefined || privLib.invocationForget(pending.handle, hostBase) !== OK) continue;
      this.#close(pending);
      pending.answer(makeError(pending.target.name), undefined);
    }
  }

  /** Keeps the event loop turning. */
  #turn(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    Atomics.store(this.#signed, this.#doorbell, DOORBELL_AWAKE);
    this.#progressMs = monotonicMs();
    setImmediate(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#nowMs = monotonicMs();
    const didWork = this.poll();
    if (this.#outstanding === 0) {
      this.#isTurning = false;
      return;
    }
    const nowMs = monotonicMs();
    this.#nowMs = nowMs;
    if (didWork) this.#progressMs = nowMs;
    if ((nowMs - this.#progressMs) * 1000 < this.#options.spinUs || !this.#park()) setImmediate(this.#onTurn);
  };

  /** Has the thread woken when something ends. False: something has. */
  #park(): boolean {
    const { privLib, control } = this.#executor;
    // Of a function that was invoked inline, and looked for itself.
    Atomics.store(this.#signed, (control + EXECUTOR_MESSAGES) >>> 2, 0);
    Atomics.store(this.#signed, (control + EXECUTOR_SYNCED) >>> 2, 0);
    if (privLib.executorPark(control) === 0) return false;
    // Once more, since who sends something back or makes room wakes only who is parked.
    if (this.#executors.some((executor) => privLib.hasReturned(executor) !== 0) || this.#pump()) {
      this.wakeExecutors();
      Atomics.store(this.#signed, this.#doorbell, DOORBELL_AWAKE);
      return false;
    }
    if (!this.#isAwaiting) {
      const woken = Atomics.waitAsync(this.#signed, this.#doorbell, DOORBELL_PARKED);
      if (!woken.async) return false;
      this.#isAwaiting = true;
      void woken.value.then(this.#onWoken);
    }
    this.#isTurning = false;
    return true;
  }

  readonly #onWoken = (): void => {
    this.#isAwaiting = false;
    this.#turn();
  };

  /** While anything is outstanding, a timer keeps the process alive and looks at deadlines of what is queued. */
  #startSweeping(): void {
    this.#idleSweeps = 0;
    if (this.#sweeper === undefined) this.#sweeper = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS);
    else this.#sweeper.ref();
  }

  #sweep(): void {
    if (this.#outstanding === 0) {
      // What was cancelled while it ran comes back when nobody waits for it any more.
      this.poll();
      if (++this.#idleSweeps < IDLE_SWEEPS_MAX) return;
      clearInterval(this.#sweeper);
      this.#sweeper = undefined;
      return;
    }
    const { privLib, hostBase } = this.#executor;
    const nowMs = monotonicMs();
    for (const pending of this.#pending) {
      if (pending === undefined || pending.hasExpired) continue;
      if (privLib.invocationState(pending.handle, hostBase) !== INVOCATION_QUEUED) continue;
      if (pending.deadlineMs <= nowMs) this.#expire(pending);
      else if (nowMs - pending.queuedMs > SWEEP_INTERVAL_MS) this.#offerElsewhere(pending);
    }
    this.wakeExecutors();
  }

  #expire(pending: Pending): void {
    const { privLib, hostBase } = this.#executor;
    pending.hasExpired = true;
    privLib.invocationCancel(pending.handle, CALLEE_DEADLINE, hostBase);
    if (privLib.invocationState(pending.handle, hostBase) > INVOCATION_ENDED) this.#complete(pending);
  }

  /**
   * One that has been in a ring for long, behind something longer than was to be expected: an executor that has nothing to do may
   * have it. It is in two rings then, and whoever takes it first has it.
   */
  #offerElsewhere(pending: Pending): void {
    const { privLib } = this.#executor;
    // Once; and not what its executor has taken out of its ring, to begin it when there is a stack for it.
    if (pending.wasOffered || pending.executor === 0 || privLib.ringLength(pending.executor) === 0) return;
    const idle = this.#executors.find((control) => control !== pending.executor && privLib.ringLength(control) === 0);
    if (idle === undefined || privLib.ringPush(idle, pending.handle, RING_MAX, 1) === 0) return;
    pending.executor = idle;
    pending.wasOffered = true;
    this.#noteDispatch();
  }

  /** An executor has another thread: what was dispatched to it, is queued and not in its ring any more is dispatched anew. */
  executorReplaced(control: number): void {
    this.#nowMs = monotonicMs();
    const { privLib, hostBase, words } = this.#executor;
    const inRing = new Set<number>();
    const head = words[(control + EXECUTOR_RING_HEAD) >>> 2] ?? 0;
    const ring = RING_TABLE + (words[(control + EXECUTOR_INDEX) >>> 2] ?? 0) * RING_SIZE;
    for (let i = 0; i < privLib.ringLength(control); i++) {
      inRing.add(words[(ring + (((head + i) % RING_MAX) << 2)) >>> 2] ?? 0);
    }
    for (const pending of this.#pending) {
      if (pending === undefined || pending.executor !== control || inRing.has(pending.handle >>> 0)) continue;
      if (privLib.invocationState(pending.handle, hostBase) !== INVOCATION_QUEUED) continue;
      pending.executor = 0;
      pending.wasOffered = false;
      this.#waiting.push(pending, this.#nowMs);
    }
    this.#turn();
  }

  /** What is outstanding fails with SERVER_STOPPED. */
  stop(): void {
    this.#cancelAll((name) => new JordError('SERVER_STOPPED', `The worker server was stopped while ${name} ran.`));
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }
}

const EMPTY: Uint8Array = new Uint8Array(0);
const NO_HEADERS: InvokeResult['headers'] = [];
