/** What the worker server is to those who use it: the gateway, the embedding API, the benchmarks. */
import type { JordError } from '../errors.ts';
import type { Kv, KvSpaceInfo } from './kv/types.ts';

/** How a function is deployed. */
export interface DeployOptions {
  /** Memory the function may have, in bytes (a multiple of 64 KiB). Default: 1 MiB above its initial memory; at most 512 MiB. */
  readonly memoryLimitBytes?: number;
  /** How long an invocation may take, in ms: 1 to 3,600,000. Default: 10,000. Its initialisation has as long. */
  readonly deadlineMs?: number;
  /** Most invocations at once, over all executors, nested ones included: 1 to 65,535. Default: no limit. */
  readonly concurrency?: number;
  /** Where it may `fetch` from: docs/abi.md. Default: nowhere. */
  readonly fetchAllow?: readonly string[];
  /**
   * Spaces of the key-value store that it may use: `space:ro` or `space:rw`, 16 at most. One that is not there is created, in memory
   * and without limits. Default: none.
   */
  readonly kv?: readonly string[];
}

/** What is known of a deployed function; plain JSON. */
export interface FunctionInfo {
  readonly name: string;
  /** SHA-256 of the module as deployed, in hex: its version. */
  readonly version: string;
  readonly sizeBytes: number;
  /** Size after the guard. */
  readonly guardedSizeBytes: number;
  readonly memoryInitialBytes: number;
  readonly memoryLimitBytes: number;
  readonly deadlineMs: number;
  /** Most invocations at once; null for no limit. */
  readonly concurrency: number | null;
  readonly fetchAllow: readonly string[];
  /** As it was deployed with. */
  readonly kv: readonly string[];
  /** ISO 8601. */
  readonly deployedAt: string;
  /** What it imports, as `module.name`. */
  readonly imports: readonly string[];
  /** How long the last deploy took, in ms: decode, guard, compile, initialise. */
  readonly deployMs: number;
  /** Homes that exist for it now. */
  readonly homes: number;
}

/** The HTTP side of an invocation: what the function sees when it asks. Names in lower case. */
export interface HttpRequest {
  readonly method: string;
  /** Behind `/fn/<name>`, with its leading slash ('' when there is nothing). */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export interface InvokeOptions {
  /** How long it may take from now on, in ms: 1 to 3,600,000. It only shortens what the function has. */
  readonly deadlineMs?: number;
  readonly http?: HttpRequest;
  /** Whoever has it can cancel the invocation. For one invocation only. */
  readonly cancellation?: Cancellation;
}

/** Cancels an invocation: a queued one never begins, one that runs ends at its next check, one that waits ends at once. */
export class Cancellation {
  #isCancelled = false;
  #handler: (() => void) | undefined;

  /** The invocation fails with INVOCATION_CANCELLED, unless it has ended. */
  cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.#handler?.();
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** For the server: what to do when it is cancelled. */
  attach(handler: () => void): void {
    this.#handler = handler;
  }
}

export interface InvokeResult {
  /** A copy, the caller's own. */
  readonly body: Uint8Array;
  /** What the function set, where there was an HTTP request. */
  readonly status: number | undefined;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Exactly one of the two is undefined. */
export type Answer = (error: JordError | undefined, result: InvokeResult | undefined) => void;

/** What happened, in `details` of a FUNCTION_FAULT and of a DEADLINE_EXCEEDED. */
export interface FaultDetails {
  readonly function: string;
  readonly fault:
    | 'memory-access'
    | 'trap'
    | 'stack-exhausted'
    | 'exception'
    | 'bad-response'
    | 'atomic-wait'
    | 'deadline'
    | 'cancelled'
    | 'response-too-large'
    | 'executor-lost';
  /** What V8 or the guard says. */
  readonly reason: string;
  /** The address (home-relative or global), for a memory access. */
  readonly address?: string;
  readonly access?: 'read' | 'write';
  readonly sizeBytes?: number;
  /**
   * Innermost first: function names of the Wasm frames, with their offset in the guarded module; as many as V8's
   * `Error.stackTraceLimit` allows.
   */
  readonly backtrace: readonly string[];
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a function logs, and the faults of nested calls, which nobody else hears of. */
export interface LogRecord {
  readonly level: LogLevel;
  readonly function: string;
  readonly message: string;
  readonly fault?: FaultDetails;
}

/** Errors are JordErrors of the table in src/errors.ts. */
export interface WorkerServer {
  /** The key-value store. */
  readonly kv: Kv;
  /** Deploys or replaces. Running invocations finish on the old version. */
  deploy(name: string, module: Uint8Array, options?: DeployOptions): Promise<FunctionInfo>;
  /** Removes; running invocations finish. */
  remove(name: string): Promise<void>;
  list(): readonly FunctionInfo[];
  inspect(name: string): FunctionInfo;
  has(name: string): boolean;
  /**
   * The OVERLOADED that an invocation would be refused with now. It counts as refused: to be asked once for each, by who would
   * rather not read a request that is refused afterwards.
   */
  refusal(): JordError | undefined;
  /** Throws what docs/errors.md lists under "Invoking". */
  invoke(name: string, body: Uint8Array, options?: InvokeOptions): Promise<InvokeResult>;
  /**
   * The same with a callback in place of a promise. It is called once, never before this returns; what it throws ends the process.
   * Throws what can be said at once, and then calls nothing.
   */
  submit(name: string, body: Uint8Array, options: InvokeOptions, answer: Answer): void;
  stats(): Promise<ServerStats>;
  /** Stops at once: what runs is cut off. */
  stop(): Promise<void>;
}

/** Times in µs, of those measured since the server started; the percentiles are upper bounds that are at most 12.5 % too high. */
export interface LatencySummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface FunctionStats {
  readonly name: string;
  /** All that were begun on the versions deployed now, nested calls included. */
  readonly invocations: number;
  /** Those that run or are suspended now. */
  readonly inFlight: number;
  /** By kind of fault, since the server started. */
  readonly faults: Readonly<Record<string, number>>;
  /** From the moment it was asked for until it began; of invocations that came through a queue. */
  readonly queueingUs: LatencySummary;
  /** From then until it had ended, time in which it was suspended included. */
  readonly serviceUs: LatencySummary;
}

export interface ExecutorStats {
  readonly index: number;
  /** Whether its thread runs or waits for work, or is being replaced. */
  readonly state: 'awake' | 'parked' | 'replacing';
  /** Share of the time since its start in which invocations ran, 0 to 1. */
  readonly utilization: number;
  /** Dispatched to it and not done with. */
  readonly queueLength: number;
  /** Started by its functions, and taken by nobody yet. */
  readonly offers: number;
  readonly suspended: number;
  /** Stacks of invocations that can suspend. */
  readonly stacks: number;
  /** Invocations that it took from a queue. */
  readonly begun: number;
  /** How often its thread was replaced. */
  readonly replacements: number;
}

export interface OrchestratorStats {
  readonly index: number;
  /** Accepted and not answered yet. */
  readonly outstanding: number;
  /** Of them, not dispatched yet. */
  readonly waiting: number;
  readonly accepted: number;
  /** Refused because of overload. */
  readonly refused: number;
}

/** `GET /stats`; plain JSON. Counters go up as long as the server runs; what is read at once need not be of one moment. */
export interface ServerStats {
  readonly uptimeMs: number;
  readonly functions: readonly FunctionStats[];
  readonly executors: readonly ExecutorStats[];
  readonly orchestrators: readonly OrchestratorStats[];
  /** Log messages that were dropped since they came faster than they could be handed on. */
  readonly logMessagesDropped: number;
  readonly homeMemoryFreeBytes: number;
  /** Spaces of the key-value store, by name. */
  readonly kv: readonly KvSpaceInfo[];
}
