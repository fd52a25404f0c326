/** What an executor knows about the invocations that fail on it: what to tell the caller, the log and the counters. */
import { CONTROL_NOW_MS, HOME_END_MS, HOME_GLOBALS, HOME_INVOCATION, INVOCATION_CANCELLED } from '../../core/layout.ts';
import {
  classifyFault,
  deadlinePassed,
  type Fault,
  INTERNAL_ERROR_STATUS,
  invocationCancelled,
  stackExhausted,
} from './faults.ts';
import type { PrivLib } from './privlib.ts';
import type { FaultDetails, LogRecord } from './types.ts';

/** The function that failed, as a reporter needs it. */
export interface FaultyFunction {
  readonly name: string;
  readonly index: number;
  readonly memoryLimit: number;
}

/** Where faults are told. */
export interface FaultSink {
  log(record: LogRecord): void;
  countFault(functionIndex: number, fault: FaultDetails['fault']): void;
}

export class FaultReporter {
  /** The trap that ends several PDs, one inside the other, since all of them are over. */
  passing: unknown;
  readonly #privLib: PrivLib;
  /** The lower half of the address space. */
  readonly #words: Uint32Array;
  readonly #sink: FaultSink;
  /** The last thing that a PD logged as an error. */
  #lastError = { pd: 0, message: '' };

  constructor(privLib: PrivLib, words: Uint32Array, sink: FaultSink) {
    this.#privLib = privLib;
    this.#words = words;
    this.#sink = sink;
  }

  /** Header of a home, as words. */
  header(base: number): Uint32Array {
    const first = base >>> 2;
    return this.#words.subarray(first, first + HOME_GLOBALS / 4);
  }

  noteError(asker: number, message: string): void {
    this.#lastError = { pd: this.#privLib.pdHandle(asker), message };
  }

  /**
   * What the fault was; undefined for an error of the server itself. Finding out may take more stack than is left: then it
   * counts as an overflow of the callee.
   */
  describe(loaded: FaultyFunction, error: unknown, base: number): Fault | undefined {
    const fault = this.#describe(loaded, error, base);
    if (fault !== undefined) this.#sink.countFault(loaded.index, fault.details.fault);
    return fault;
  }

  #describe(loaded: FaultyFunction, error: unknown, base: number): Fault | undefined {
    if (error === this.passing)
      return this.isCancelled(base) ? invocationCancelled(loaded.name) : deadlinePassed(loaded.name);
    try {
      const fault = classifyFault(loaded.name, error, this.header(base), loaded.memoryLimit);
      return fault === undefined ? undefined : this.withLastWords(fault, base);
    } catch {
      return stackExhausted(loaded.name, []);
    }
  }

  /** A function that gives up says why in its log, then traps; the trap alone says nothing. */
  withLastWords(fault: Fault, base: number): Fault {
    const { pd, message } = this.#lastError;
    if (fault.details.fault !== 'trap' || pd !== this.#privLib.pdHandle(base)) return fault;
    return { ...fault, details: { ...fault.details, reason: `${fault.details.reason}: ${message}` } };
  }

  /**
   * Tells the log of a fault that becomes a status of a caller, and returns the status. Says nothing where so little stack is
   * left that it would end in the midst of that.
   */
  report({ status, details }: Fault): number {
    if (this.#hasHostStack()) {
      const message = `${details.fault}: ${details.reason}`;
      this.#sink.log({ level: 'warn', function: details.function, message, fault: details });
    }
    return status;
  }

  /** The same for an error of the server itself. */
  reportInternal(name: string, error: unknown): number {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#sink.log({ level: 'error', function: name, message: `the server failed while running it: ${text}` });
    return INTERNAL_ERROR_STATUS;
  }

  /** Whether nothing is left for a PD to do but to end: its deadline has passed, or it was cancelled. */
  isOver(base: number): boolean {
    const rest = (this.#word(base + HOME_END_MS) - this.#word(CONTROL_NOW_MS)) | 0;
    return rest <= 0 || this.isCancelled(base);
  }

  isCancelled(base: number): boolean {
    return this.#word(this.#word(base + HOME_INVOCATION) + INVOCATION_CANCELLED) !== 0;
  }

  #word(address: number): number {
    return this.#words[address >>> 2] ?? 0;
  }

  #hasHostStack(): boolean {
    try {
      this.#privLib.reserveHostStack();
      return true;
    } catch {
      return false;
    }
  }
}
