/** What the worker server is to those who use it: the gateway, the embedding API, the benchmarks. */

/** How a function is deployed. */
export interface DeployOptions {
  /** Memory the function may have, in bytes (a multiple of 64 KiB). Default: 1 MiB above its initial memory; at most 512 MiB. */
  readonly memoryLimitBytes?: number;
  /** How long an invocation may take, in ms: 1 to 3,600,000. Default: 10,000. Its initialisation has as long. */
  readonly deadlineMs?: number;
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
}

export interface InvokeResult {
  /** A copy, the caller's own. */
  readonly body: Uint8Array;
  /** What the function set, where there was an HTTP request. */
  readonly status: number | undefined;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

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
    | 'cancelled';
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
  /** Deploys or replaces. Running invocations finish on the old version. */
  deploy(name: string, module: Uint8Array, options?: DeployOptions): Promise<FunctionInfo>;
  /** Removes; running invocations finish. */
  remove(name: string): Promise<void>;
  list(): readonly FunctionInfo[];
  inspect(name: string): FunctionInfo;
  has(name: string): boolean;
  invoke(name: string, body: Uint8Array, options?: InvokeOptions): Promise<InvokeResult>;
  stop(): Promise<void>;
}
