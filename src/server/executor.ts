/**
 * An executor: runs invocations, each in a protection domain of its own, one inside the other where functions call
 * functions. All it knows of memory is in the address space; it belongs to the thread that made it.
 *
 * There are two ways in: `invoke` runs one for the thread itself, `run` one that was taken from a queue. The path of a nested
 * call, in order: guest → `call` (here) → PrivLib `callEnter` → callee's `handle` → PrivLib `callLeave` → guest. `call`
 * allocates nothing and makes no promise.
 */
import {
  DEADLINE_FAR_MS,
  EXECUTOR_CURRENT,
  FAULT_CANCELLED,
  FAULT_DEADLINE,
  FUNCTION_SUSPENDS,
  HOME_CALLER,
  HOME_END_MS,
  HOME_FAULT_KIND,
  HOME_FUNCTION,
  HOME_REQUEST_LENGTH,
  INVOCATION_FIELDS,
  INVOCATION_FLAGS,
  INVOCATION_FUNCTION,
  INVOCATION_IS_HTTP,
  INVOCATION_PARENT,
  INVOCATION_QUEUED_US,
  INVOCATION_REQUEST,
} from '../../core/layout.ts';
import {
  CALLEE_BAD_RESPONSE,
  CALLEE_INTERNAL_ERROR,
  CALLEE_RESPONSE_TOO_LARGE,
  HOME_MEMORY_EXHAUSTED,
  UNKNOWN_FUNCTION,
} from '../../core/status.ts';
import { JordError } from '../errors.ts';
import { type AsyncFunctions, blockingFunctions, type Fetcher } from './async-functions.ts';
import { Activity } from './clock.ts';
import { faultError, statusError } from './errors.ts';
import { FaultReporter, type FaultSink } from './fault-reporter.ts';
import { badResponse, type Fault, responseTooLarge } from './faults.ts';
import { decodeRequest, NO_REQUEST, readText, writeFault, writeHeaders } from './fields.ts';
import { guestImports, type HostFunctionContext, type HttpExchange } from './host-functions.ts';
import { SpaceSync } from './kv/sync.ts';
import { type AddressSpace, failed, instantiatePrivLib, type PrivLib } from './privlib.ts';
import { monotonicUs } from './time.ts';
import type { HttpRequest } from './types.ts';

/** `handle` of a guarded module, with `base`. */
export type Handle = (request: number, length: number, base: number) => number;

/** A version of a function, ready on one executor. */
export interface LoadedFunction {
  readonly name: string;
  /** Its id less FUNCTION_ID_FIRST, for the counters. */
  readonly index: number;
  /** Address of its descriptor in the address space. */
  readonly descriptor: number;
  readonly memoryLimit: number;
  readonly module: WebAssembly.Module;
  readonly handle: Handle;
}

/** Ids of functions start here, so that no id looks like a status. */
export const FUNCTION_ID_FIRST = 65536;

/** Bounds of what one invocation may do. */
export interface InvocationLimits {
  readonly responseBytesMax: number;
  readonly logBytesMax: number;
}

/** What an executor asks of the thread and the server around it. */
export interface ExecutorHost extends FaultSink {
  readonly limits: InvocationLimits;
  /** Id of the function with this name, or undefined. */
  resolve(name: string): number | undefined;
  /** The home memory is used up: gives back what idles. Returns whether another try makes sense. */
  reclaim(): boolean;
  /** A function is not what the executor thinks it is: looks for news. Returns whether there were any. */
  refresh(): boolean;
  /** A queued invocation has ended, after so long; what it waited in the queue is negative where nobody knows. */
  countInvocation(functionIndex: number, queueingUs: number, serviceUs: number): void;
  /** Where functions `fetch`; undefined where they cannot. */
  readonly fetcher: Fetcher | undefined;
  /** One that is not what the thread waits for: keeps it for the invocation that is suspended for it. */
  fetched(token: number, result: Uint8Array | number): void;
  /** Takes in what has arrived from other executors. */
  drainInbox(): void;
  /** Another executor may take an invocation that a function started. Undefined: there is none. */
  readonly offer: ((handle: number) => void) | undefined;
}

/** For an executor with nothing around it: for experiments and tests. */
export const LONE_EXECUTOR: ExecutorHost = {
  limits: { responseBytesMax: 2 ** 28, logBytesMax: 2 ** 30 },
  resolve: () => undefined,
  log: () => {},
  countFault: () => {},
  countInvocation: () => {},
  reclaim: () => false,
  refresh: () => false,
  fetcher: undefined,
  fetched: () => {},
  drainInbox: () => {},
  offer: undefined,
};

/** What belongs to one root invocation beside its request. */
export interface RootOptions {
  readonly exchange?: HttpExchange | undefined;
  /** From now on. The function's own deadline holds too. */
  readonly deadlineMs?: number | undefined;
}

/** How often an invocation is tried to be entered. */
const ENTER_TRIES_MAX = 8;

/** A function, and base of the home of its PD that runs now. */
interface Entered {
  readonly loaded: LoadedFunction;
  readonly base: number;
}

/** A queued invocation that has begun. */
export interface Begun extends Entered {
  readonly record: number;
  readonly startedUs: number;
  readonly exchange: HttpExchange | undefined;
}

/** The error for an invocation that is asked for while a function runs on the same thread. */
export function invokedFromInside(): JordError {
  return new JordError('BAD_REQUEST', 'A function runs already: do not invoke from a log callback.');
}

export class Executor {
  readonly privLib: PrivLib;
  /** Address of the control block. */
  readonly control: number;
  /** Base of the executor's own PD. */
  readonly hostBase: number;
  readonly imports: WebAssembly.Imports;
  /** For instances whose invocations can suspend: everything of `imports` that does not. */
  readonly hostFunctions: HostFunctionContext;
  /** core/waiting.ts. */
  readonly waiting: WebAssembly.Module;
  readonly faults: FaultReporter;
  readonly activity: Activity;
  /** For functions that wait until a space of the key-value store is on disk. */
  readonly sync: SpaceSync;
  readonly host: ExecutorHost;
  /** The host functions that take time, as ones that hold the executor. */
  readonly blocking: AsyncFunctions;
  /** The host function `call`, in the same form. */
  readonly call: (id: number, request: number, asker: number) => number;
  readonly bytes: Uint8Array;
  /** The lower half of the address space, which has the homes. */
  readonly words: Uint32Array;
  readonly #doubles: Float64Array;
  /** By id less FUNCTION_ID_FIRST. */
  readonly #functions: (LoadedFunction | undefined)[] = [];
  /** Names of functions by the addresses of their descriptors. */
  readonly #names = new Map<number, string>();
  readonly #fetchAllow = new Map<number, readonly string[]>();
  /** HTTP sides of the invocations that live here and have one, by base. */
  readonly #exchanges = new Map<number, HttpExchange>();
  #isRunning = false;
  /** Base of the home of what `invoke` runs, from when it was entered until it was left; 0 otherwise. */
  #root = 0;

  /** `control` is that of an executor that lost its thread. Throws ADDRESS_SPACE_EXHAUSTED when there are too many executors. */
  constructor(addressSpace: AddressSpace, host: ExecutorHost, control?: number) {
    const { buffer } = addressSpace.memory;
    this.host = host;
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer, 0, 2 ** 29);
    this.#doubles = new Float64Array(buffer, 0, 2 ** 28);
    this.privLib = instantiatePrivLib(addressSpace);
    this.waiting = addressSpace.waiting;
    this.control = control ?? this.privLib.executorCreate();
    if (failed(this.control)) throw statusError(this.control, 'another executor');
    this.hostBase = this.privLib.executorHost(this.control);
    this.activity = new Activity(addressSpace.memory, this.privLib, this.control);
    this.sync = new SpaceSync(addressSpace.memory, this.privLib, this.control);
    this.faults = new FaultReporter(this.privLib, this.words, host);
    this.blocking = blockingFunctions(this);
    this.call = this.#makeCall();
    this.hostFunctions = {
      memory: addressSpace.memory,
      bytes: this.bytes,
      privLib: this.privLib,
      call: this.call,
      resolve: (name) => host.resolve(name),
      nameOf: (descriptor) => this.#names.get(descriptor) ?? '?',
      log: (record, asker) => {
        if (record.level === 'error') this.faults.noteError(asker, record.message);
        host.log(record);
      },
      logBytesMax: host.limits.logBytesMax,
      exchange: (base) => this.#exchanges.get(base),
      words: this.words,
    };
    this.imports = guestImports(this.hostFunctions, this.blocking);
  }

  /** Makes a function callable under an id, in place of what had it before. */
  setFunction(id: number, loaded: LoadedFunction): void {
    this.#functions[id - FUNCTION_ID_FIRST] = loaded;
  }

  removeFunction(id: number): void {
    this.#functions[id - FUNCTION_ID_FIRST] = undefined;
  }

  functionOf(id: number): LoadedFunction | undefined {
    return this.#functions[id - FUNCTION_ID_FIRST];
  }

  /** Makes a version known by its descriptor: its name for what it logs, and where it may fetch from. */
  setVersion(descriptor: number, name: string, fetchAllow: readonly string[]): void {
    this.#names.set(descriptor, name);
    this.#fetchAllow.set(descriptor, fetchAllow);
  }

  /** Forgets a version that has no PD any more. */
  forget(descriptor: number): void {
    this.#names.delete(descriptor);
    this.#fetchAllow.delete(descriptor);
  }

  /** Where the function of a PD may fetch from. */
  allowedFetches(base: number): readonly string[] {
    return this.#fetchAllow.get(this.word(base + HOME_FUNCTION)) ?? [];
  }

  /** The word at an address. */
  word(address: number): number {
    return this.words[address >>> 2] ?? 0;
  }

  /** Whether no PD runs here but the host's own. */
  get isIdle(): boolean {
    return this.word(this.control + EXECUTOR_CURRENT) === this.hostBase >>> 0;
  }

  /** Whether the call graph of a function was seen to reach a host function that suspends. */
  suspends({ descriptor }: LoadedFunction): boolean {
    return this.word(descriptor + FUNCTION_SUSPENDS) !== 0;
  }

  /**
   * Runs one invocation to its end on this thread and returns a copy of the response. `body` is copied into an ArgBuf. What would
   * suspend holds the thread instead.
   *
   * Throws FUNCTION_UNKNOWN, FUNCTION_FAULT and DEADLINE_EXCEEDED with FaultDetails, CONCURRENCY_EXCEEDED, HOMES_EXHAUSTED,
   * RESPONSE_TOO_LARGE, ADDRESS_SPACE_EXHAUSTED.
   */
  invoke(id: number, body: Uint8Array, options: RootOptions = {}): Uint8Array {
    const loaded = this.#functions[id - FUNCTION_ID_FIRST];
    if (loaded === undefined) throw new JordError('FUNCTION_UNKNOWN', 'The function was removed.');
    if (this.#isRunning) throw invokedFromInside();
    this.#isRunning = true;
    try {
      this.beginRoot(options.deadlineMs);
      return this.#invoke(loaded, body, options.exchange);
    } finally {
      this.#isRunning = false;
      this.faults.passing = undefined;
      this.endRoot();
    }
  }

  /** Sets the clock and the deadline of what the host enters next. `endRoot` must follow, whatever happens. */
  beginRoot(deadlineMs?: number): void {
    const now = this.activity.begin();
    // One more for what the clock rounds down: no function ends before its time.
    const restMs = deadlineMs === undefined ? DEADLINE_FAR_MS : deadlineMs + 1;
    this.words[(this.hostBase + HOME_END_MS) >>> 2] = now + restMs;
  }

  endRoot(): void {
    this.activity.end();
  }

  #invoke(loaded: LoadedFunction, body: Uint8Array, exchange: HttpExchange | undefined): Uint8Array {
    const { privLib, hostBase } = this;
    this.#abandon();
    const request = this.#mapRequest(body);
    const base = this.takingHomes(() => privLib.callEnter(loaded.descriptor, request, hostBase));
    if (failed(base)) {
      if (request !== 0) privLib.vmaUnmap(request, hostBase);
      throw statusError(base, loaded.name);
    }
    this.#root = base;
    if (exchange !== undefined) this.#exchanges.set(base, exchange);
    let response: number;
    try {
      response = loaded.handle(request, body.length, base);
    } catch (error) {
      throw this.#rootFault(loaded, error, base);
    }
    const result = privLib.callLeave(response, base, hostBase);
    this.#closeRoot();
    if (result === 0) return new Uint8Array(0);
    if (failed(result)) throw this.#fault(loaded, badResponse(loaded.name, response));
    return this.#takeResponse(loaded, result >>> 0);
  }

  #closeRoot(): void {
    this.#exchanges.delete(this.#root);
    this.#root = 0;
  }

  /** Destroys what an invocation left behind that a stack overflow of the embedding program ended in the frames above. */
  #abandon(): void {
    if (this.#root === 0) return;
    this.privLib.callAbort(this.#root, this.hostBase);
    this.#closeRoot();
  }

  /** An operation of PrivLib that may need home memory. When that is used up, idle homes are given back first. */
  takingHomes(operation: () => number): number {
    const result = operation();
    return result === HOME_MEMORY_EXHAUSTED && this.host.reclaim() ? operation() : result;
  }

  #mapRequest(body: Uint8Array): number {
    if (body.length === 0) return 0;
    const request = this.privLib.vmaMap(body.length, this.hostBase);
    if (failed(request)) throw statusError(request, `a request of ${body.length} bytes`);
    this.bytes.set(body, request >>> 0);
    return request;
  }

  #takeResponse(loaded: LoadedFunction, address: number): Uint8Array {
    const length = this.privLib.vmaLength(address, this.hostBase);
    const { responseBytesMax } = this.host.limits;
    const body = length > responseBytesMax ? undefined : this.bytes.slice(address, address + length);
    this.privLib.vmaUnmap(address, this.hostBase);
    if (body === undefined) throw this.#fault(loaded, responseTooLarge(loaded.name, responseBytesMax));
    return body;
  }

  #fault(loaded: LoadedFunction, fault: Fault): JordError {
    this.host.countFault(loaded.index, fault.details.fault);
    return faultError(fault.details);
  }

  #rootFault(loaded: LoadedFunction, error: unknown, base: number): Error {
    const fault = this.faults.describe(loaded, error, base);
    this.privLib.callAbort(base, this.hostBase);
    this.#closeRoot();
    if (fault !== undefined) return faultError(fault.details);
    return new JordError('INTERNAL', `The server failed while it ran ${loaded.name}.`, {}, { cause: error });
  }

  /** Runs an invocation that was taken from a queue, to its end; what would suspend holds the thread. Returns how long it took, in µs. */
  run(record: number): number {
    const begun = this.enter(record);
    if (begun === undefined) return 0;
    const { loaded, base } = begun;
    const request = this.word(record + INVOCATION_REQUEST);
    let response: number;
    try {
      response = loaded.handle(request, this.word(base + HOME_REQUEST_LENGTH), base);
    } catch (error) {
      return this.fail(begun, error);
    }
    return this.leave(begun, response);
  }

  /** The function that a record is for, or undefined. */
  functionFor(record: number): LoadedFunction | undefined {
    const id = this.word(record + INVOCATION_FUNCTION);
    const loaded = this.functionOf(id);
    return loaded === undefined && this.host.refresh() ? this.functionOf(id) : loaded;
  }

  /** Creates and enters the PD of an invocation that was taken. Undefined: that cannot be, and the invocation has failed. */
  enter(record: number): Begun | undefined {
    const startedUs = monotonicUs();
    const entered = this.#open(record, this.hostBase);
    if (typeof entered === 'number') {
      this.refuse(record, entered);
      return undefined;
    }
    const { loaded, base } = entered;
    return { loaded, record, base, startedUs, exchange: this.#openExchange(record, base) };
  }

  /** The same for whoever it is that enters it, the host or its parent. A status where that cannot be. */
  #open(record: number, asker: number): Entered | number {
    for (let tries = 1; ; tries++) {
      const loaded = this.functionFor(record);
      const base =
        loaded === undefined ? UNKNOWN_FUNCTION : this.privLib.invocationEnter(record, loaded.descriptor, asker);
      if (loaded !== undefined && !failed(base)) return { loaded, base };
      // More than once, since a function can be replaced again while the news of the last time are taken in.
      if (tries === ENTER_TRIES_MAX || !this.#isWorthAnotherTry(base)) return base;
    }
  }

  /** What was refused may go through once idle homes are given back, or the news of a deploy have come. */
  #isWorthAnotherTry(status: number): boolean {
    if (status === HOME_MEMORY_EXHAUSTED) return this.host.reclaim();
    return status === UNKNOWN_FUNCTION && this.host.refresh();
  }

  #openExchange(record: number, base: number): HttpExchange | undefined {
    if ((this.word(record + INVOCATION_FLAGS) & INVOCATION_IS_HTTP) === 0) return undefined;
    const address = this.word(record + INVOCATION_FIELDS);
    const request = address === 0 ? NO_REQUEST : this.#readRequest(record, address);
    const exchange: HttpExchange = { request, status: undefined, headers: [] };
    this.#exchanges.set(base, exchange);
    return exchange;
  }

  #readRequest(record: number, address: number): HttpRequest {
    return decodeRequest(readText(this.bytes, address, this.privLib.vmaLength(address, record)));
  }

  /** Ends an invocation that was taken and cannot begin. */
  refuse(record: number, status: number): void {
    this.privLib.invocationAbort(record, status, 0, this.hostBase);
    this.privLib.invocationEnd(record);
  }

  /** Ends an invocation whose `handle` has returned. Returns how long it took, in µs. */
  leave(begun: Begun, response: number): number {
    const { loaded, record, base } = begun;
    const { responseBytesMax } = this.host.limits;
    const result = this.privLib.invocationLeave(record, response, responseBytesMax, base, this.hostBase);
    if (result !== CALLEE_BAD_RESPONSE && result !== CALLEE_RESPONSE_TOO_LARGE) return this.#end(begun, undefined);
    const isTooLarge = result === CALLEE_RESPONSE_TOO_LARGE;
    const fault = isTooLarge ? responseTooLarge(loaded.name, responseBytesMax) : badResponse(loaded.name, response);
    this.host.countFault(loaded.index, fault.details.fault);
    return this.#end(begun, fault);
  }

  /** Ends an invocation whose `handle` has thrown. */
  fail(begun: Begun, error: unknown): number {
    const { loaded, record, base } = begun;
    const fault = this.faults.describe(loaded, error, base);
    if (fault === undefined) this.faults.reportInternal(loaded.name, error);
    this.privLib.invocationAbort(record, fault?.status ?? CALLEE_INTERNAL_ERROR, base, this.hostBase);
    return this.#end(begun, fault);
  }

  #end({ loaded, record, base, startedUs, exchange }: Begun, fault: Fault | undefined): number {
    this.faults.passing = undefined;
    // Of a root invocation the caller learns the details, of another one nobody else does.
    if (fault !== undefined && this.word(record + INVOCATION_PARENT) !== 0) this.faults.report(fault);
    const queuedUs = this.#doubles[(record + INVOCATION_QUEUED_US) >>> 3] ?? 0;
    const endedUs = monotonicUs();
    if (exchange !== undefined) this.#exchanges.delete(base);
    if (fault !== undefined || exchange !== undefined) {
      const headers = exchange?.headers ?? [];
      const fields = fault === undefined ? writeHeaders(this, headers) : writeFault(this, fault.details);
      this.privLib.invocationSetFields(record, fields, exchange?.status ?? 0, this.hostBase);
    }
    this.privLib.invocationEnd(record);
    this.host.countInvocation(loaded.index, startedUs - queuedUs, endedUs - startedUs);
    return endedUs - startedUs;
  }

  /**
   * Runs an invocation that a PD has started and nobody has taken, for that PD and inside it. False: somebody has. The
   * callee must not need a stack of its own, or holds the executor.
   */
  runFor(handle: number, asker: number): boolean {
    const record = this.privLib.invocationTakeInside(handle, asker);
    if (failed(record)) return false;
    try {
      this.#runInside(record, asker);
    } finally {
      this.privLib.invocationArrive(record, this.control);
    }
    return true;
  }

  #runInside(record: number, asker: number): void {
    const { privLib } = this;
    const abort = (status: number, base: number): void => void privLib.invocationAbort(record, status, base, asker);
    const entered = this.#open(record, asker);
    if (typeof entered === 'number') {
      abort(entered, 0);
      return;
    }
    const { loaded, base } = entered;
    const request = this.word(record + INVOCATION_REQUEST);
    let response: number;
    try {
      response = loaded.handle(request, this.word(base + HOME_REQUEST_LENGTH), base);
    } catch (error) {
      this.#settleFault(loaded, error, base, asker, (status) => abort(status, base));
      return;
    }
    const result = privLib.invocationLeave(record, response, this.host.limits.responseBytesMax, base, asker);
    if (result === CALLEE_BAD_RESPONSE) this.reportFault(loaded, badResponse(loaded.name, response));
  }

  /** The host function `call`. A closure, so that its variables are in its context and not behind `this`. */
  #makeCall(): (id: number, request: number, asker: number) => number {
    const functions = this.#functions;
    const { words } = this;
    const { callEnter, callLeave } = this.privLib;
    return (id, request, asker) => {
      const loaded = functions[id - FUNCTION_ID_FIRST];
      if (loaded === undefined) return UNKNOWN_FUNCTION;
      const { descriptor } = loaded;
      if (words[(descriptor + FUNCTION_SUSPENDS) >>> 2] !== 0) this.noteSuspending(asker);
      const base = callEnter(descriptor, request, asker);
      if (failed(base)) return this.#callAgain(base, id, request, asker);
      let response: number;
      try {
        response = loaded.handle(request, words[(base + HOME_REQUEST_LENGTH) >>> 2] ?? 0, base);
      } catch (error) {
        return this.settleNested(loaded, error, base, asker);
      }
      const result = callLeave(response, base, asker);
      if (result === CALLEE_BAD_RESPONSE) this.reportFault(loaded, badResponse(loaded.name, response));
      return result;
    };
  }

  #callAgain(status: number, id: number, request: number, asker: number): number {
    return this.#isWorthAnotherTry(status) ? this.call(id, request, asker) : status;
  }

  /** A PD calls what can suspend, but is not on a stack that can: from its next invocation on it and its callers are. */
  noteSuspending(asker: number): void {
    for (let base = asker; base !== this.hostBase && base !== 0; base = this.word(base + HOME_CALLER)) {
      this.privLib.functionSuspends(this.word(base + HOME_FUNCTION), 1);
    }
  }

  /** What a caller gets for a callee that has thrown. May throw the same on, where the caller is over too. */
  settleNested(loaded: LoadedFunction, error: unknown, base: number, asker: number): number {
    return this.#settleFault(loaded, error, base, asker, () => void this.privLib.callAbort(base, asker));
  }

  #settleFault(
    loaded: LoadedFunction,
    error: unknown,
    base: number,
    asker: number,
    abort: (status: number) => void,
  ): number {
    const fault = this.faults.describe(loaded, error, base);
    abort(fault?.status ?? CALLEE_INTERNAL_ERROR);
    if (fault === undefined) return this.faults.reportInternal(loaded.name, error);
    const isEnd = fault.details.fault === 'deadline' || fault.details.fault === 'cancelled';
    if (!isEnd || !this.faults.isOver(asker)) return this.faults.report(fault);
    // The caller's next check would trap too. But a trap of its own in each of hundreds of callers takes its time.
    if (error !== this.faults.passing) this.faults.report(fault);
    this.passOn(error, asker);
    throw error;
  }

  /** Makes a trap that ended a callee the end of the caller too. */
  passOn(error: unknown, asker: number): void {
    this.faults.passing = error;
    const kind = this.faults.isCancelled(asker) ? FAULT_CANCELLED : FAULT_DEADLINE;
    this.words[(asker + HOME_FAULT_KIND) >>> 2] = kind;
  }

  /** Counts and logs a fault that becomes a status of a caller. */
  reportFault(loaded: LoadedFunction, fault: Fault): void {
    this.host.countFault(loaded.index, fault.details.fault);
    this.faults.report(fault);
  }
}
