/**
 * Jord inside a program: `import { Jord } from 'jord'`.
 *
 *     const jord = await Jord.start();
 *     await jord.deploy('hello', await readFile('hello.wasm'));
 *     const response = await jord.invoke('hello', new TextEncoder().encode('world'));
 *     await jord.stop();
 *
 * No HTTP is involved. One `Jord` is one worker server with an address space of its own (4 GiB reserved, touched as it is
 * used). It runs on the thread that calls it: `invoke` runs the function before it returns its promise.
 */
import { JordError } from './errors.ts';
import { compileSource } from './functions/compile.ts';
import type { DeployOptions, FunctionInfo, WorkerServer } from './server/types.ts';
import { startWorkerServer, type WorkerServerOptions } from './server/worker-server.ts';

export { ERRORS, type ErrorCode, JordError } from './errors.ts';
export type { DeployOptions, FaultDetails, FunctionInfo, LogRecord } from './server/types.ts';
export type { WorkerServerOptions as JordOptions } from './server/worker-server.ts';

/** A worker server in this process. All errors are JordErrors, whose `code` is one of docs/errors.md. */
export class Jord {
  readonly #server: WorkerServer;

  private constructor(server: WorkerServer) {
    this.#server = server;
  }

  /**
   * Starts a worker server, with the functions of the store in `dataFolder` where one is given.
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
   * Throws FUNCTION_NAME_INVALID, BAD_OPTION, the MODULE_* errors, STORE_UNUSABLE, ADDRESS_SPACE_EXHAUSTED.
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
   * Runs a function and returns its response. The request is copied in and the response out; between functions nothing is
   * copied.
   *
   * `deadlineMs` shortens what the function has for this invocation, and for the functions that it calls.
   *
   * Throws FUNCTION_UNKNOWN; FUNCTION_FAULT and DEADLINE_EXCEEDED with FaultDetails in `details`; BAD_OPTION, HOMES_EXHAUSTED,
   * ADDRESS_SPACE_EXHAUSTED.
   */
  async invoke(
    name: string,
    request: Uint8Array = new Uint8Array(0),
    options: { readonly deadlineMs?: number } = {},
  ): Promise<Uint8Array> {
    if (!(request instanceof Uint8Array)) {
      throw new JordError('BAD_REQUEST', 'The request must be a Uint8Array; encode text with `new TextEncoder()`.');
    }
    const { deadlineMs } = options;
    return (await this.#server.invoke(name, request, deadlineMs === undefined ? {} : { deadlineMs })).body;
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

  /** Finishes deploys under way and closes the store. Later `deploy`, `remove` and `invoke` throw SERVER_STOPPED. */
  stop(): Promise<void> {
    return this.#server.stop();
  }
}
