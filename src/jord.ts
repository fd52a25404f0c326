/**
 * Jord inside a program: `import { Jord } from 'jord'`.
 *
 *     const jord = await Jord.start();
 *     await jord.deploy('hello', await readFile('hello.wasm'));
 *     const response = await jord.invoke('hello', new TextEncoder().encode('world'));
 *     await jord.stop();
 *
 * No HTTP is involved. One `Jord` is one worker server with an address space of its own (4 GiB reserved, touched as it is
 * used) and executor threads. There are three ways to invoke a function: `invoke` has an executor run it and gives a
 * promise; `submit` does the same with a callback, and `invokeAll` with one promise for many; `invokeInline` runs it on the
 * calling thread, in well under a microsecond for a small one.
 */
import { JordError } from './errors.ts';
import { compileSource } from './functions/compile.ts';
import type { Kv } from './server/kv/types.ts';
import type { Cancellation, DeployOptions, FunctionInfo, ServerStats } from './server/types.ts';
import { type LocalWorkerServer, startWorkerServer, type WorkerServerOptions } from './server/worker-server.ts';

export { ERRORS, type ErrorCode, JordError } from './errors.ts';
export type {
  Kv,
  KvEntry,
  KvKey,
  KvListOptions,
  KvPage,
  KvPutOptions,
  KvSpaceInfo,
  KvSpaceOptions,
} from './server/kv/types.ts';
export type { DeployOptions, FaultDetails, FunctionInfo, LogRecord, ServerStats } from './server/types.ts';
export { Cancellation } from './server/types.ts';
export type { WorkerServerOptions as JordOptions } from './server/worker-server.ts';

/** A worker server in this process. All errors are JordErrors, whose `code` is one of docs/errors.md. */
export class Jord {
  readonly #server: LocalWorkerServer;

  private constructor(server: LocalWorkerServer) {
    this.#server = server;
  }

  /**
   * Starts a worker server, with the functions and spaces of the store in `dataFolder` where one is given.
   *
   * Throws STORE_UNUSABLE, STORE_IN_USE, ADDRESS_SPACE_EXHAUSTED, BAD_OPTION.
   */
  static async start(options: WorkerServerOptions = {}): Promise<Jord> {
    return new Jord(await startWorkerServer(options));
  }

  /**
   * Deploys a WebAssembly module of the function ABI (docs/abi.md), or replaces the function of that name: calls that run
   * finish on the old version. With a `dataFolder` the function is on disk when this returns.
   *
   * Throws FUNCTION_NAME_INVALID, BAD_OPTION, KV_NAME_INVALID, the MODULE_* errors, STORE_UNUSABLE, ADDRESS_SPACE_EXHAUSTED.
   */
  deploy(name: string, module: Uint8Array, options: DeployOptions = {}): Promise<FunctionInfo> {
    if (!(module instanceof Uint8Array)) {
      return Promise.reject(
        new JordError('BAD_REQUEST', 'The module must be a Uint8Array with the bytes of a .wasm file.'),
      );
    }
    return this.#server.deploy(name, module, options);
  }

  /** Compiles an AssemblyScript file (docs/sdk-assemblyscript.md) and deploys it. Throws SOURCE_REFUSED too. */
  async deploySource(name: string, path: string, options: DeployOptions = {}): Promise<FunctionInfo> {
    return this.deploy(name, await compileSource(path), options);
  }

  /**
   * Has an executor run a function, and returns its response. The request is copied in before this returns and the response
   * out; between functions nothing is copied. With `executors: 0` the function runs on this thread, before this returns.
   *
   * Throws FUNCTION_UNKNOWN; FUNCTION_FAULT and DEADLINE_EXCEEDED with FaultDetails in `details`; INVOCATION_CANCELLED, OVERLOADED,
   * CONCURRENCY_EXCEEDED, HOMES_EXHAUSTED, EXECUTOR_LOST, RESPONSE_TOO_LARGE, BAD_OPTION, BODY_TOO_LARGE, ADDRESS_SPACE_EXHAUSTED,
   * SERVER_STOPPED.
   */
  async invoke(name: string, request: Uint8Array = EMPTY, options: InvocationOptions = {}): Promise<Uint8Array> {
    checkRequest(request);
    return (await this.#server.invoke(name, request, options)).body;
  }

  /**
   * The same with a callback, which is called once and never before this returns: `error` is what `invoke` would throw. What the
   * callback throws ends the process, as in any callback of Node.
   *
   * Throws what is known at once, and then calls nothing: FUNCTION_UNKNOWN, INVOCATION_CANCELLED, OVERLOADED, BAD_OPTION,
   * BODY_TOO_LARGE, ADDRESS_SPACE_EXHAUSTED, SERVER_STOPPED. With `executors: 0` the function runs on this thread, before this
   * returns; then only FUNCTION_UNKNOWN, BAD_OPTION and SERVER_STOPPED are thrown, and the callback has all else.
   */
  submit(
    name: string,
    request: Uint8Array,
    callback: (error: JordError | undefined, response: Uint8Array | undefined) => void,
    options: InvocationOptions = {},
  ): void {
    checkRequest(request);
    this.#server.submit(name, request, options, (error, result) => callback(error, result?.body));
  }

  /**
   * One invocation for each request, with one promise for all of them: their responses in order, a JordError in place of each that
   * failed. No more are outstanding at a time than the server accepts, so no number of requests is too large.
   *
   * Throws FUNCTION_UNKNOWN, BAD_OPTION, SERVER_STOPPED.
   */
  invokeAll(
    name: string,
    requests: readonly Uint8Array[],
    options: Omit<InvocationOptions, 'cancellation'> = {},
  ): Promise<(Uint8Array | JordError)[]> {
    for (const request of requests) checkRequest(request);
    return this.#server.invokeAll(name, requests, options);
  }

  /**
   * Runs a function on this thread and returns its response: the fastest way for one that is short. It holds the thread until
   * the function has ended, also while that waits for something; its deadline holds as ever. Do not call it from `log`.
   *
   * Throws FUNCTION_UNKNOWN; FUNCTION_FAULT and DEADLINE_EXCEEDED with FaultDetails in `details`; CONCURRENCY_EXCEEDED,
   * HOMES_EXHAUSTED, RESPONSE_TOO_LARGE, BAD_OPTION, BAD_REQUEST, BODY_TOO_LARGE, ADDRESS_SPACE_EXHAUSTED, SERVER_STOPPED.
   */
  invokeInline(
    name: string,
    request: Uint8Array = EMPTY,
    options: Pick<InvocationOptions, 'deadlineMs'> = {},
  ): Uint8Array {
    checkRequest(request);
    return this.#server.invokeInline(name, request, options.deadlineMs);
  }

  /**
   * The key-value store: what functions put there, and what they get. Keys and values are `Uint8Array`s, copied in and out.
   *
   *     await jord.kv.create('carts', { durable: true });
   *     const version = await jord.kv.put('carts', key, value);
   *     const entry = jord.kv.get('carts', key);
   */
  get kv(): Kv {
    return this.#server.kv;
  }

  /** What `GET /stats` gives: docs/http.md. */
  stats(): Promise<ServerStats> {
    return this.#server.stats();
  }

  /** Throws FUNCTION_UNKNOWN. */
  remove(name: string): Promise<void> {
    return this.#server.remove(name);
  }

  list(): readonly FunctionInfo[] {
    return this.#server.list();
  }

  /** Throws FUNCTION_UNKNOWN. */
  inspect(name: string): FunctionInfo {
    return this.#server.inspect(name);
  }

  /**
   * Finishes deploys under way, ends the executors, writes what durable spaces have, and closes the store. What is outstanding fails with SERVER_STOPPED, and so
   * does all that is asked for later.
   */
  stop(): Promise<void> {
    return this.#server.stop();
  }
}

/** Of one invocation. */
export interface InvocationOptions {
  /** How long it may take from now on, in ms: 1 to 3,600,000. It only shortens what the function has, also for what it calls. */
  readonly deadlineMs?: number;
  /** Whoever has it can cancel the invocation. */
  readonly cancellation?: Cancellation;
}

const EMPTY: Uint8Array = new Uint8Array(0);

function checkRequest(request: Uint8Array): void {
  if (request instanceof Uint8Array) return;
  throw new JordError('BAD_REQUEST', 'The request must be a Uint8Array; encode text with `new TextEncoder()`.');
}
