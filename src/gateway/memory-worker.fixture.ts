/** A worker server for the gateway's tests: its functions are written in TypeScript, and nothing isolates them. */

import { JordError } from '../errors.ts';
import { checkFunctionName, functionUnknown } from '../functions/name.ts';
import { moduleVersion } from '../functions/store.ts';
import type { DeployOptions, FunctionInfo, InvokeOptions, InvokeResult, WorkerServer } from '../server/types.ts';

export type Behaviour = (
  body: Uint8Array,
  options: InvokeOptions,
) => Partial<InvokeResult> | Promise<Partial<InvokeResult>>;

const WASM_MAGIC = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

/** The smallest module there is. */
export const EMPTY_MODULE: Uint8Array = WASM_MAGIC;

export class MemoryWorker implements WorkerServer {
  readonly #behaviours: Readonly<Record<string, Behaviour>>;
  readonly #functions = new Map<string, FunctionInfo>();
  #isStopped = false;

  /** These functions are deployed; others may be, and answer with their request. */
  constructor(behaviours: Readonly<Record<string, Behaviour>> = {}) {
    this.#behaviours = behaviours;
    for (const name of Object.keys(behaviours)) this.#functions.set(name, describe(name, EMPTY_MODULE, {}));
  }

  async deploy(name: string, module: Uint8Array, options: DeployOptions = {}): Promise<FunctionInfo> {
    this.#checkRunning();
    checkFunctionName(name);
    if (!WASM_MAGIC.equals(module.subarray(0, 8))) {
      throw new JordError('MODULE_MALFORMED', 'The module does not begin with the magic number of WebAssembly.', {
        offset: 0,
      });
    }
    const info = describe(name, module, options);
    this.#functions.set(name, info);
    return info;
  }

  async remove(name: string): Promise<void> {
    this.#checkRunning();
    this.inspect(name);
    this.#functions.delete(name);
  }

  list(): readonly FunctionInfo[] {
    return [...this.#functions.values()];
  }

  inspect(name: string): FunctionInfo {
    const info = this.#functions.get(name);
    if (info === undefined) throw functionUnknown(name);
    return info;
  }

  has(name: string): boolean {
    return this.#functions.has(name);
  }

  async invoke(name: string, body: Uint8Array, options: InvokeOptions = {}): Promise<InvokeResult> {
    this.#checkRunning();
    this.inspect(name);
    const behaviour = this.#behaviours[name];
    const result = behaviour === undefined ? { body: body.slice() } : await behaviour(body, options);
    return { body: new Uint8Array(0), status: undefined, headers: [], ...result };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
  }

  #checkRunning(): void {
    if (this.#isStopped) throw new JordError('SERVER_STOPPED', 'The worker server is stopped.');
  }
}

function describe(name: string, module: Uint8Array, options: DeployOptions): FunctionInfo {
  return {
    name,
    version: moduleVersion(module),
    sizeBytes: module.length,
    guardedSizeBytes: module.length,
    memoryInitialBytes: 0,
    memoryLimitBytes: options.memoryLimitBytes ?? 1 << 20,
    deadlineMs: options.deadlineMs ?? 10_000,
    deployedAt: new Date().toISOString(),
    imports: [],
    deployMs: 0,
    homes: 0,
  };
}
