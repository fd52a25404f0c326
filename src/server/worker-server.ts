/**
 * The worker server: one address space, its functions by name, and the executor that runs them. Knows nothing of HTTP.
 */
import { JordError } from '../errors.ts';
import { checkDeadlineMs } from '../functions/deadline.ts';
import { checkFunctionName, functionUnknown } from '../functions/name.ts';
import { type FunctionStore, openStore } from '../functions/store.ts';
import { Clock } from './clock.ts';
import { Executor, FUNCTION_ID_FIRST } from './executor.ts';
import type { HttpExchange } from './host-functions.ts';
import { type AddressSpace, createAddressSpace } from './privlib.ts';
import type { DeployOptions, FunctionInfo, InvokeOptions, InvokeResult, LogRecord, WorkerServer } from './types.ts';
import { discard, loadVersion, type Version } from './version.ts';

export interface WorkerServerOptions {
  /** Folder of the function store. Without one, functions are gone with the server. */
  readonly dataFolder?: string;
  /** What functions log, faults of nested calls, and what the store has to say. Default: nowhere. */
  readonly log?: (record: LogRecord) => void;
  /** Most nested calls below one invocation. Default 512. */
  readonly callDepthMax?: number;
}

const CALL_DEPTH_MAX_DEFAULT = 512;

interface Deployed {
  readonly id: number;
  readonly version: Version;
  readonly deployedAt: string;
}

/**
 * Starts a worker server and deploys what is in the store. A function of the store that cannot be deployed any more is
 * logged and left out; its files stay.
 *
 * Throws STORE_UNUSABLE, STORE_IN_USE, ADDRESS_SPACE_EXHAUSTED, BAD_OPTION.
 */
export async function startWorkerServer(options: WorkerServerOptions = {}): Promise<WorkerServer> {
  const { callDepthMax = CALL_DEPTH_MAX_DEFAULT } = options;
  if (!Number.isInteger(callDepthMax) || callDepthMax < 1 || callDepthMax > 65535) {
    throw new JordError('BAD_OPTION', `callDepthMax must be a whole number from 1 to 65535, not ${callDepthMax}.`);
  }
  const store = options.dataFolder === undefined ? undefined : await openStore(options.dataFolder);
  let clock: Clock | undefined;
  try {
    const addressSpace = createAddressSpace({ callDepthMax });
    clock = new Clock(addressSpace.memory);
    const server = new LocalWorkerServer(store, addressSpace, clock, silently(options.log));
    await clock.start();
    await server.restore();
    return server;
  } catch (error) {
    await clock?.stop();
    await store?.close();
    throw error;
  }
}

/** What the log throws is nobody's business here, and must not get into a function, which could catch it. */
function silently(log: (record: LogRecord) => void = () => {}): (record: LogRecord) => void {
  return (record) => {
    try {
      log(record);
    } catch {
      // Dropped.
    }
  };
}

class LocalWorkerServer implements WorkerServer {
  readonly #store: FunctionStore | undefined;
  readonly #log: (record: LogRecord) => void;
  readonly #clock: Clock;
  readonly #executor: Executor;
  readonly #functions = new Map<string, Deployed>();
  /** Ids stay with their names, also when the function is removed and deployed again. */
  readonly #ids = new Map<string, number>();
  /** Versions that were replaced while PDs of them were left. */
  readonly #retired = new Set<number>();
  /** The last deploy or removal that was asked for: they go one after the other. */
  #changes: Promise<unknown> = Promise.resolve();
  /** Of the one stop, however often it is asked for. */
  #stopped: Promise<void> | undefined;

  constructor(
    store: FunctionStore | undefined,
    addressSpace: AddressSpace,
    clock: Clock,
    log: (record: LogRecord) => void,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#executor = new Executor(addressSpace, {
      clock,
      resolve: (name) => {
        const id = this.#ids.get(name);
        return this.#functions.has(name) ? id : undefined;
      },
      log,
      reclaim: () => this.#reclaim(),
    });
  }

  /** Deploys what is in the store. */
  async restore(): Promise<void> {
    for (const { kind, message } of this.#store?.findings ?? []) {
      this.#log({ level: kind === 'damaged' ? 'error' : 'warn', function: '', message });
    }
    for (const { name, memoryLimitBytes, deadlineMs, deployedAt } of this.#store?.list() ?? []) {
      try {
        const module = (await this.#store?.readModule(name)) ?? new Uint8Array(0);
        const version = await loadVersion(this.#executor, name, module, { memoryLimitBytes, deadlineMs });
        this.#install(version, deployedAt);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#log({ level: 'error', function: name, message: `cannot be deployed from the store: ${reason}` });
      }
    }
  }

  deploy(name: string, module: Uint8Array, options: DeployOptions = {}): Promise<FunctionInfo> {
    // What runs, what is hashed and what is stored are the same bytes, whatever the caller does with its own meanwhile.
    const bytes = new Uint8Array(module);
    return this.#change(async () => {
      checkFunctionName(name);
      const version = await loadVersion(this.#executor, name, bytes, options);
      const deployedAt = new Date().toISOString();
      try {
        const { layout, deadlineMs } = version;
        await this.#store?.put(name, bytes, { memoryLimitBytes: layout.memoryLimit, deadlineMs, deployedAt });
      } catch (error) {
        discard(this.#executor, version.loaded.descriptor);
        throw error;
      }
      this.#install(version, deployedAt);
      return this.inspect(name);
    });
  }

  remove(name: string): Promise<void> {
    return this.#change(async () => {
      const deployed = this.#functions.get(name);
      // One of the store that could not be deployed can still be removed.
      const isStored = this.#store?.list().some((record) => record.name === name) ?? false;
      if (deployed === undefined && !isStored) this.#find(name);
      await this.#store?.remove(name);
      if (deployed === undefined) return;
      this.#functions.delete(name);
      this.#executor.removeFunction(deployed.id);
      this.#retire(deployed.version);
    });
  }

  list(): readonly FunctionInfo[] {
    return [...this.#functions.keys()].sort().map((name) => this.inspect(name));
  }

  inspect(name: string): FunctionInfo {
    const { version, deployedAt } = this.#find(name);
    const { layout, imports, guardedSizeBytes } = version;
    return {
      name,
      version: version.hash,
      sizeBytes: version.sizeBytes,
      guardedSizeBytes,
      memoryInitialBytes: layout.memoryInitialPages * 65536,
      memoryLimitBytes: layout.memoryLimit,
      deadlineMs: version.deadlineMs,
      deployedAt,
      imports,
      deployMs: Math.round(version.loadMs * 1000) / 1000,
      homes: this.#executor.privLib.functionHomes(version.loaded.descriptor),
    };
  }

  has(name: string): boolean {
    return this.#functions.has(name);
  }

  async invoke(name: string, body: Uint8Array, options: InvokeOptions = {}): Promise<InvokeResult> {
    this.#checkRunning();
    const { id } = this.#find(name);
    const { http, deadlineMs } = options;
    if (deadlineMs !== undefined) checkDeadlineMs('deadlineMs', deadlineMs);
    if (http === undefined) {
      return { body: this.#executor.invoke(id, body, { deadlineMs }), status: undefined, headers: [] };
    }
    const exchange: HttpExchange = { request: http, status: undefined, headers: [] };
    const response = this.#executor.invoke(id, body, { exchange, deadlineMs });
    return { body: response, status: exchange.status, headers: exchange.headers };
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#changes.then(async () => {
      await this.#clock.stop();
      await this.#store?.close();
    });
    return this.#stopped;
  }

  #checkRunning(): void {
    if (this.#stopped !== undefined) throw new JordError('SERVER_STOPPED', 'The worker server is stopped.');
  }

  #find(name: string): Deployed {
    const deployed = this.#functions.get(name);
    if (deployed !== undefined) return deployed;
    throw functionUnknown(name);
  }

  #change<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(() => {
      this.#checkRunning();
      return operation();
    });
    this.#changes = result.catch(() => undefined);
    return result;
  }

  #install(version: Version, deployedAt: string): void {
    const id = this.#ids.get(version.name) ?? FUNCTION_ID_FIRST + this.#ids.size;
    const replaced = this.#functions.get(version.name);
    this.#ids.set(version.name, id);
    this.#functions.set(version.name, { id, version, deployedAt });
    this.#executor.setFunction(id, version.loaded);
    if (replaced !== undefined) this.#retire(replaced.version);
  }

  #retire(version: Version): void {
    this.#retired.add(version.loaded.descriptor);
    for (const descriptor of this.#retired) {
      if (discard(this.#executor, descriptor)) this.#retired.delete(descriptor);
    }
  }

  /** Gives back the homes that idle. They are made again when they are needed. */
  #reclaim(): boolean {
    const { privLib, control } = this.#executor;
    let freed = 0;
    for (const { version } of this.#functions.values())
      freed += privLib.poolTrim(control, version.loaded.descriptor, 0);
    return freed > 0;
  }
}
