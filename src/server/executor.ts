/**
 * An executor: runs invocations, each in a protection domain of its own, one inside the other where functions call
 * functions. All it knows of memory is in the address space; it belongs to the thread that made it.
 *
 * The path of a nested call, in order: guest → `call` (here) → PrivLib `callEnter` → callee's `handle` → PrivLib
 * `callLeave` → guest. `call` allocates nothing and makes no promise.
 */
import {
  CONTROL_NOW_MS,
  DEADLINE_FAR_MS,
  FAULT_DEADLINE,
  HOME_DEADLINE_MS,
  HOME_FAULT_KIND,
  HOME_GLOBALS,
  HOME_REQUEST_LENGTH,
} from '../../core/layout.ts';
import {
  CALL_DEPTH_EXCEEDED,
  CALLEE_BAD_RESPONSE,
  CLASS_EXHAUSTED,
  HOME_MEMORY_EXHAUSTED,
  HOMES_EXHAUSTED,
  TABLE_EXHAUSTED,
  TOO_LARGE,
  UNKNOWN_FUNCTION,
} from '../../core/status.ts';
import { JordError } from '../errors.ts';
import type { Clock } from './clock.ts';
import {
  badResponse,
  classifyFault,
  deadlinePassed,
  type Fault,
  INTERNAL_ERROR_STATUS,
  stackExhausted,
} from './faults.ts';
import { guestImports, type HttpExchange } from './host-functions.ts';
import { type AddressSpace, failed, instantiatePrivLib, type PrivLib } from './privlib.ts';
import type { LogRecord } from './types.ts';

/** `handle` of a guarded module, with `base`. */
export type Handle = (request: number, length: number, base: number) => number;

/** A version of a function, ready on one executor. */
export interface LoadedFunction {
  readonly name: string;
  /** Address of its descriptor in the address space. */
  readonly descriptor: number;
  readonly memoryLimit: number;
  readonly handle: Handle;
}

/** Ids of functions start here, so that no id looks like a status. */
export const FUNCTION_ID_FIRST = 65536;

/** What an executor asks of the server around it. */
export interface ExecutorHost {
  /** That of the address space. */
  readonly clock: Clock;
  /** Id of the function with this name, or undefined. */
  resolve(name: string): number | undefined;
  log(record: LogRecord): void;
  /** The home memory is used up: gives back what idles. Returns whether another try makes sense. */
  reclaim(): boolean;
}

/** What belongs to one root invocation beside its request. */
export interface RootOptions {
  readonly exchange?: HttpExchange | undefined;
  /** From now on. The function's own deadline holds too. */
  readonly deadlineMs?: number | undefined;
}

export class Executor {
  readonly privLib: PrivLib;
  /** Address of the control block. */
  readonly control: number;
  /** Base of the executor's own PD. */
  readonly hostBase: number;
  readonly imports: WebAssembly.Imports;
  readonly #host: ExecutorHost;
  readonly #bytes: Uint8Array;
  /** The lower half of the address space, which has the homes. */
  readonly #words: Uint32Array;
  /** By id less FUNCTION_ID_FIRST. */
  readonly #functions: (LoadedFunction | undefined)[] = [];
  /** Names of functions by the addresses of their descriptors. */
  readonly #names = new Map<number, string>();
  #exchange: HttpExchange | undefined;
  #isRunning = false;
  /** The last thing that a PD logged as an error. */
  #lastError = { pd: 0, message: '' };
  /** Base of the root invocation's home from when it was entered until it was left; 0 otherwise. */
  #root = 0;
  /** The trap of a deadline that ends several PDs, one inside the other. */
  #passing: unknown;

  /** Throws ADDRESS_SPACE_EXHAUSTED when there are too many executors. */
  constructor(addressSpace: AddressSpace, host: ExecutorHost) {
    const { buffer } = addressSpace.memory;
    this.#host = host;
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer, 0, 2 ** 29);
    this.privLib = instantiatePrivLib(addressSpace);
    const control = this.privLib.executorCreate();
    if (failed(control)) throw statusError(control, 'another executor');
    this.control = control;
    this.hostBase = this.privLib.executorHost(control);
    this.imports = guestImports({
      memory: addressSpace.memory,
      bytes: this.#bytes,
      privLib: this.privLib,
      call: this.#makeCall(),
      resolve: (name) => host.resolve(name),
      nameOf: (descriptor) => this.#names.get(descriptor) ?? '?',
      log: (record, asker) => {
        if (record.level === 'error') this.#lastError = { pd: this.privLib.pdHandle(asker), message: record.message };
        host.log(record);
      },
      exchange: (caller) => (caller === this.hostBase ? this.#exchange : undefined),
      words: this.#words,
    });
  }

  /** Makes a function callable under an id, in place of what had it before. */
  setFunction(id: number, loaded: LoadedFunction): void {
    this.#functions[id - FUNCTION_ID_FIRST] = loaded;
  }

  removeFunction(id: number): void {
    this.#functions[id - FUNCTION_ID_FIRST] = undefined;
  }

  /** Gives a version its name, for what it logs. */
  setName(descriptor: number, name: string): void {
    this.#names.set(descriptor, name);
  }

  /** Forgets a version that has no PD any more. */
  forget(descriptor: number): void {
    this.#names.delete(descriptor);
  }

  /** Header of a home, as words. */
  header(base: number): Uint32Array {
    const first = base >>> 2;
    return this.#words.subarray(first, first + HOME_GLOBALS / 4);
  }

  /**
   * Runs one invocation to its end and returns a copy of the response. `body` is copied into an ArgBuf.
   *
   * Throws FUNCTION_UNKNOWN, FUNCTION_FAULT and DEADLINE_EXCEEDED with FaultDetails, HOMES_EXHAUSTED,
   * ADDRESS_SPACE_EXHAUSTED.
   */
  invoke(id: number, body: Uint8Array, options: RootOptions = {}): Uint8Array {
    const loaded = this.#functions[id - FUNCTION_ID_FIRST];
    if (loaded === undefined) throw new JordError('FUNCTION_UNKNOWN', 'The function was removed.');
    if (this.#isRunning) {
      throw new JordError('BAD_REQUEST', 'A function runs already: do not invoke from a log callback.');
    }
    this.#isRunning = true;
    this.#exchange = options.exchange;
    try {
      this.beginRoot(options.deadlineMs);
      return this.#run(loaded, body);
    } finally {
      this.#isRunning = false;
      this.#exchange = undefined;
      this.#passing = undefined;
      this.endRoot();
    }
  }

  /** Sets the clock and the deadline of what the host enters next. `endRoot` must follow, whatever happens. */
  beginRoot(deadlineMs?: number): void {
    const now = this.#host.clock.begin();
    // One more for what the clock rounds down: no function ends before its time.
    const restMs = deadlineMs === undefined ? DEADLINE_FAR_MS : deadlineMs + 1;
    this.#words[(this.hostBase + HOME_DEADLINE_MS) >>> 2] = now + restMs;
  }

  endRoot(): void {
    this.#host.clock.end();
  }

  #run(loaded: LoadedFunction, body: Uint8Array): Uint8Array {
    const { privLib, hostBase } = this;
    this.#abandon();
    const request = this.#mapRequest(body);
    const base = this.takingHomes(() => privLib.callEnter(loaded.descriptor, request, hostBase));
    if (failed(base)) {
      if (request !== 0) privLib.vmaUnmap(request, hostBase);
      throw statusError(base, loaded.name);
    }
    this.#root = base;
    let response: number;
    try {
      response = loaded.handle(request, body.length, base);
    } catch (error) {
      throw this.#rootFault(loaded, error, base);
    }
    const result = privLib.callLeave(response, base, hostBase);
    this.#root = 0;
    if (result === 0) return new Uint8Array(0);
    if (failed(result)) throw faultError(badResponse(loaded.name, response));
    return this.#takeResponse(result >>> 0);
  }

  /** Destroys what an invocation left behind that a stack overflow of the embedding program ended in the frames above. */
  #abandon(): void {
    if (this.#root === 0) return;
    this.privLib.callAbort(this.#root, this.hostBase);
    this.#root = 0;
  }

  /** An operation of PrivLib that may need home memory. When that is used up, idle homes are given back first. */
  takingHomes(operation: () => number): number {
    const result = operation();
    return result === HOME_MEMORY_EXHAUSTED && this.#host.reclaim() ? operation() : result;
  }

  #mapRequest(body: Uint8Array): number {
    if (body.length === 0) return 0;
    const request = this.privLib.vmaMap(body.length, this.hostBase);
    if (failed(request)) throw statusError(request, `a request of ${body.length} bytes`);
    this.#bytes.set(body, request >>> 0);
    return request;
  }

  #takeResponse(address: number): Uint8Array {
    const length = this.privLib.vmaLength(address, this.hostBase);
    const body = this.#bytes.slice(address, address + length);
    this.privLib.vmaUnmap(address, this.hostBase);
    return body;
  }

  #rootFault(loaded: LoadedFunction, error: unknown, base: number): Error {
    const fault = error === this.#passing ? deadlinePassed(loaded.name) : this.#describe(loaded, error, base);
    this.privLib.callAbort(base, this.hostBase);
    this.#root = 0;
    if (fault !== undefined) return faultError(fault);
    return new JordError('INTERNAL', `The server failed while it ran ${loaded.name}.`, {}, { cause: error });
  }

  /** The host function `call`. A closure, so that its variables are in its context and not behind `this`. */
  #makeCall(): (id: number, request: number, asker: number) => number {
    const functions = this.#functions;
    const words = this.#words;
    const { callEnter, callLeave } = this.privLib;
    return (id, request, asker) => {
      const loaded = functions[id - FUNCTION_ID_FIRST];
      if (loaded === undefined) return UNKNOWN_FUNCTION;
      let base = callEnter(loaded.descriptor, request, asker);
      if (failed(base)) {
        if (base !== HOME_MEMORY_EXHAUSTED || !this.#host.reclaim()) return base;
        base = callEnter(loaded.descriptor, request, asker);
        if (failed(base)) return base;
      }
      let response: number;
      try {
        response = loaded.handle(request, words[(base + HOME_REQUEST_LENGTH) >>> 2] ?? 0, base);
      } catch (error) {
        return this.#nestedFault(loaded, error, base, asker);
      }
      const result = callLeave(response, base, asker);
      if (result === CALLEE_BAD_RESPONSE) this.#reportFault(badResponse(loaded.name, response));
      return result;
    };
  }

  #nestedFault(loaded: LoadedFunction, error: unknown, base: number, asker: number): number {
    const fault = error === this.#passing ? deadlinePassed(loaded.name) : this.#describe(loaded, error, base);
    this.privLib.callAbort(base, asker);
    if (fault?.details.fault === 'deadline' && this.#isLate(asker)) {
      // The caller's next check would trap too. But a trap of its own in each of hundreds of callers takes its time.
      if (error !== this.#passing) this.#reportFault(fault);
      this.#passing = error;
      this.#words[(asker + HOME_FAULT_KIND) >>> 2] = FAULT_DEADLINE;
      throw error;
    }
    if (fault !== undefined) {
      this.#reportFault(fault);
      return fault.status;
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#host.log({ level: 'error', function: loaded.name, message: `the server failed while running it: ${text}` });
    return INTERNAL_ERROR_STATUS;
  }

  #isLate(base: number): boolean {
    const word = (address: number): number => this.#words[address >>> 2] ?? 0;
    return ((word(CONTROL_NOW_MS) - word(base + HOME_DEADLINE_MS)) | 0) >= 0;
  }

  /** What the fault was, which may take more stack than is left: then it counts as an overflow of the callee. */
  #describe(loaded: LoadedFunction, error: unknown, base: number): Fault | undefined {
    try {
      const fault = classifyFault(loaded.name, error, this.header(base), loaded.memoryLimit);
      return fault === undefined ? undefined : this.#withLastWords(fault, base);
    } catch {
      return stackExhausted(loaded.name, []);
    }
  }

  /** A function that gives up says why in its log, then traps; the trap alone says nothing. */
  #withLastWords(fault: Fault, base: number): Fault {
    const { pd, message } = this.#lastError;
    if (fault.details.fault !== 'trap' || pd !== this.privLib.pdHandle(base)) return fault;
    return { ...fault, details: { ...fault.details, reason: `${fault.details.reason}: ${message}` } };
  }

  /** Says nothing where so little stack is left that it would end in the midst of that. */
  #reportFault({ details }: Fault): void {
    if (!this.#hasHostStack()) return;
    const message = `${details.fault}: ${details.reason}`;
    this.#host.log({ level: 'warn', function: details.function, message, fault: details });
  }

  #hasHostStack(): boolean {
    try {
      this.privLib.reserveHostStack();
      return true;
    } catch {
      return false;
    }
  }
}

function faultError({ details }: Fault): JordError {
  if (details.fault === 'deadline') {
    return new JordError('DEADLINE_EXCEEDED', `${details.function} did not end before its deadline.`, { ...details });
  }
  return new JordError('FUNCTION_FAULT', `${details.function} failed: ${details.reason}.`, { ...details });
}

/** The error for a status that PrivLib gave the server itself. */
export function statusError(status: number, subject: string): JordError {
  switch (status) {
    case UNKNOWN_FUNCTION:
      return new JordError('FUNCTION_UNKNOWN', `There is no function ${subject}.`);
    case HOMES_EXHAUSTED:
      return new JordError('HOMES_EXHAUSTED', `All homes of ${subject} are in use. Try again later.`);
    case HOME_MEMORY_EXHAUSTED:
    case CLASS_EXHAUSTED:
    case TABLE_EXHAUSTED:
      return new JordError('ADDRESS_SPACE_EXHAUSTED', `The address space has no room left for ${subject}.`, { status });
    case TOO_LARGE:
      return new JordError('BODY_TOO_LARGE', `No ArgBuf holds ${subject}; the largest has 256 MiB.`);
    case CALL_DEPTH_EXCEEDED:
      return new JordError('INTERNAL', `No call depth is left for ${subject}.`, { status });
    default:
      return new JordError('INTERNAL', `PrivLib refused ${subject} with status ${status}.`, { status });
  }
}
