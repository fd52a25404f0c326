/**
 * The worker server: one address space, its functions by name, and the threads that run them. Knows nothing of HTTP.
 */

import { MessageChannel } from 'node:worker_threads';
import { CALLEE_CANCELLED } from '../../core/status.ts';
import { JordError } from '../errors.ts';
import { ABI_MODULE, HTTP_REQUEST_FUNCTIONS, HTTP_RESPONSE_FUNCTIONS } from '../functions/abi.ts';
import { checkDeadlineMs } from '../functions/deadline.ts';
import { isAllowed } from '../functions/fetch-allow.ts';
import { checkKvRights, parseKvRight } from '../functions/kv-rights.ts';
import { checkFunctionName, functionUnknown } from '../functions/name.ts';
import { type FunctionStore, openStore } from '../functions/store.ts';
import { Batch, orError } from './batch.ts';
import { Clock } from './clock.ts';
import { type DispatchedFunction, Dispatcher, type SubmitOptions } from './dispatcher.ts';
import { statusError } from './errors.ts';
import { Executor, FUNCTION_ID_FIRST } from './executor.ts';
import { ExecutorThreads } from './executor-threads.ts';
import type { HttpExchange } from './host-functions.ts';
import { KvDisk } from './kv/disk.ts';
import { spaceInUse } from './kv/errors.ts';
import { SHARED_WORDS } from './kv/protocol.ts';
import { type KvBinding, KvSpaces } from './kv/spaces.ts';
import { Sweeper } from './kv/sweeper.ts';
import { ThreadKv } from './kv/thread-kv.ts';
import type { PortableFunction } from './messages.ts';
import { type KnownFunction, type OrchestratorData, OrchestratorLinks } from './orchestrator.ts';
import { Outbound } from './outbound/outbound.ts';
import { type AddressSpace, createAddressSpace } from './privlib.ts';
import { resolveOptions, type ServerSettings, type WorkerServerOptions } from './settings.ts';
import { summarize, ThreadStats } from './stats.ts';
import type {
  Answer,
  DeployOptions,
  FunctionInfo,
  FunctionStats,
  InvokeOptions,
  InvokeResult,
  LogRecord,
  ServerStats,
  WorkerServer,
} from './types.ts';
import { discard, loadedFunction, loadVersion, memoryLimitOf, type Version } from './version.ts';

export type { WorkerServerOptions } from './settings.ts';

interface Deployed {
  readonly version: Version;
  readonly deployedAt: string;
  readonly target: DispatchedFunction;
}

/**
 * Starts a worker server and deploys what is in the store. A function of the store that cannot be deployed any more is
 * logged and left out; its files stay.
 *
 * Throws STORE_UNUSABLE, STORE_IN_USE, ADDRESS_SPACE_EXHAUSTED, BAD_OPTION.
 */
export async function startWorkerServer(options: WorkerServerOptions = {}): Promise<LocalWorkerServer> {
  const settings = resolveOptions(options);
  // The first thing, and before anything is waited for.
  const addressSpace = createAddressSpace(settings);
  const store = options.dataFolder === undefined ? undefined : await openStore(options.dataFolder);
  let server: LocalWorkerServer | undefined;
  try {
    server = new LocalWorkerServer(store, addressSpace, settings, silently(options.log));
    await server.start();
    return server;
  } catch (error) {
    await server?.abandon();
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

/** The worker server of this process, as its main thread has it. */
export class LocalWorkerServer implements WorkerServer {
  readonly kv: ThreadKv;
  /** Words that all threads share with the writer of the key-value store. */
  readonly #kvShared = new Int32Array(new SharedArrayBuffer(4 * SHARED_WORDS));
  readonly #disk: KvDisk | undefined;
  readonly #spaces: KvSpaces;
  readonly #sweeper: Sweeper;
  readonly #store: FunctionStore | undefined;
  readonly #log: (record: LogRecord) => void;
  readonly #settings: ServerSettings;
  readonly #clock: Clock;
  /** That of the main thread: initialises functions, and runs what is invoked inline. */
  readonly #executor: Executor;
  readonly #inlineStats = new ThreadStats(ThreadStats.allocate());
  readonly #orchestratorStats: ThreadStats[] = [];
  readonly #threads: ExecutorThreads;
  readonly #dispatcher: Dispatcher;
  readonly #orchestrators: OrchestratorLinks;
  #outbound: Outbound | undefined;
  readonly #addressSpace: AddressSpace;
  readonly #functions = new Map<string, Deployed>();
  /** Ids stay with their names, also when the function is removed and deployed again. */
  readonly #ids = new Map<string, number>();
  /** Versions that were replaced while something of them was left. */
  readonly #retired = new Set<number>();
  readonly #startedMs = performance.now();
  /** The last deploy or removal that was asked for: they go one after the other. */
  #changes: Promise<unknown> = Promise.resolve();
  /** Of the one stop, however often it is asked for. */
  #stopped: Promise<void> | undefined;

  constructor(
    store: FunctionStore | undefined,
    addressSpace: AddressSpace,
    settings: ServerSettings,
    log: (record: LogRecord) => void,
  ) {
    this.#store = store;
    this.#addressSpace = addressSpace;
    this.#settings = settings;
    this.#log = log;
    this.#clock = new Clock(addressSpace);
    const inlineFetcher = (): Outbound | undefined => this.#inlineFetcher();
    this.#executor = new Executor(addressSpace, {
      limits: settings.limits,
      resolve: (name) => (this.#functions.has(name) ? this.#ids.get(name) : undefined),
      log,
      countFault: (index, fault) => this.#inlineStats.fault(index, fault),
      countInvocation: () => {},
      reclaim: () => this.#reclaim(),
      refresh: () => false,
      get fetcher() {
        return inlineFetcher();
      },
      fetched: () => {},
      drainInbox: () => void this.#dispatcher.takeIn(),
      offer: undefined,
    });
    const { memory } = addressSpace;
    const { privLib } = this.#executor;
    if (store !== undefined) this.#disk = new KvDisk(addressSpace, privLib, store.folder, this.#kvShared, log);
    this.#spaces = new KvSpaces(this.#executor, memory, settings.kvBytesMax, this.#disk);
    this.#sweeper = new Sweeper(this.#executor, this.#spaces.table);
    this.kv = new ThreadKv(this.#executor, memory, this.#kvShared, {
      functions: () => this.#users(),
      create: (name, options) => this.#change(() => this.#spaces.create(name, options)),
      drop: (name) => this.#change(() => this.#dropSpace(name)),
      checkRunning: () => this.#checkRunning(),
    });
    const { executors, spinUs, stacksMax, limits, stuckMs } = settings;
    this.#threads = new ExecutorThreads(addressSpace, this.#executor.privLib, {
      count: executors,
      spinUs,
      stacksMax,
      limits,
      stuckMs,
      log,
      functions: () => [...this.#functions.values()].map(toPortable),
      retired: (descriptor) => this.#discard(descriptor),
      replaced: (control) => {
        if (this.#executorsOf(0).includes(control)) this.#dispatcher.executorReplaced(control);
        else this.#orchestrators.replaced(control);
      },
    });
    this.#dispatcher = new Dispatcher(this.#executor, this.#executorsOf(0), settings, () => this.#threads.drainLogs());
    this.#orchestrators = new OrchestratorLinks({
      deploy: (name, module, options) => this.deploy(name, module, options),
      remove: (name) => this.remove(name),
      stats: () => this.stats(),
      kv: this.kv,
    });
  }

  /** For functions that run on this thread. Made when one fetches first, and again when the thread that does it was lost. */
  #inlineFetcher(): Outbound | undefined {
    if (this.#outbound !== undefined && !this.#outbound.isLost) return this.#outbound;
    const port = this.#threads.connectFetcher(this.#executor.control);
    this.#outbound = port === undefined ? undefined : new Outbound(port, isAllowed);
    return this.#outbound;
  }

  /** How many orchestrators there are to be. All but the first are the gateway's to begin. */
  get orchestrators(): number {
    return this.#settings.orchestrators;
  }

  /** Control blocks of the executors of an orchestrator. */
  #executorsOf(index: number): readonly number[] {
    return this.#threads.controls.filter((_, i) => i % this.#settings.orchestrators === index);
  }

  /** What the thread of orchestrator `index` (from 1 on) begins with. `data.port` is to be transferred. */
  connectOrchestrator(index: number): OrchestratorData {
    const { port1, port2 } = new MessageChannel();
    const executors = this.#executorsOf(index);
    this.#orchestrators.add(port1, executors);
    const { queueBound, isElastic, outstandingMax, queueDelayMs, spinUs } = this.#settings;
    const settings = { queueBound, isElastic, outstandingMax, queueDelayMs, spinUs };
    const addressSpace = this.#addressSpace;
    const stats = ThreadStats.allocate();
    this.#orchestratorStats.push(new ThreadStats(stats));
    const functions = this.#knownFunctions();
    return { addressSpace, executors, settings, functions, index, port: port2, stats, kvShared: this.#kvShared };
  }

  #knownFunctions(): KnownFunction[] {
    return [...this.#functions.values()].map(({ target, version: { descriptor } }) => ({
      target,
      descriptor,
      info: this.inspect(target.name),
    }));
  }

  async start(): Promise<void> {
    await this.#clock.start();
    await this.#spaces.restore();
    this.#sweeper.start();
    await this.restore();
    await this.#threads.start();
  }

  /** After a start that has failed. */
  async abandon(): Promise<void> {
    await this.#threads.stop(0);
    await this.#stopKv();
    await this.#clock.stop();
  }

  /** When no function runs any more. */
  async #stopKv(): Promise<void> {
    this.#sweeper.stop();
    await this.#disk?.stop();
  }

  /** Deploys what is in the store. */
  async restore(): Promise<void> {
    for (const { kind, message } of this.#store?.findings ?? []) {
      this.#log({ level: kind === 'damaged' ? 'error' : 'warn', function: '', message });
    }
    for (const { name, concurrency, deployedAt, ...stored } of this.#store?.list() ?? []) {
      try {
        const module = (await this.#store?.readModule(name)) ?? new Uint8Array(0);
        const options = { ...stored, ...(concurrency === null ? {} : { concurrency }) };
        await this.#spaces.with(stored.kv, async () =>
          this.#install(await this.#load(name, module, options), deployedAt),
        );
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
      await this.#spaces.with(checkKvRights(options.kv ?? []), () => this.#deploy(name, bytes, options));
      await this.#orchestrators.announce(this.#knownFunctions());
      return this.inspect(name);
    });
  }

  async #deploy(name: string, bytes: Uint8Array, options: DeployOptions): Promise<void> {
    const version = await this.#load(name, bytes, options);
    const deployedAt = new Date().toISOString();
    try {
      const { layout, deadlineMs, concurrency, fetchAllow, kv } = version;
      const limits = { memoryLimitBytes: memoryLimitOf(layout), deadlineMs, concurrency };
      await this.#store?.put(name, bytes, { ...limits, fetchAllow, kv, deployedAt });
    } catch (error) {
      discard(this.#executor, version.descriptor);
      throw error;
    }
    this.#install(version, deployedAt);
  }

  remove(name: string): Promise<void> {
    return this.#change(async () => {
      const deployed = this.#functions.get(name);
      // One of the store that could not be deployed can still be removed.
      const isStored = this.#store?.list().some((record) => record.name === name) ?? false;
      if (deployed === undefined && !isStored) this.#find(name);
      await this.#store?.remove(name);
      if (deployed === undefined) return;
      const { id } = deployed.target;
      this.#functions.delete(name);
      await this.#orchestrators.announce(this.#knownFunctions());
      this.#executor.removeFunction(id);
      this.#threads.tell({ kind: 'remove', id });
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
      memoryLimitBytes: memoryLimitOf(layout),
      deadlineMs: version.deadlineMs,
      concurrency: version.concurrency,
      fetchAllow: version.fetchAllow,
      kv: version.kv,
      deployedAt,
      imports,
      deployMs: Math.round(version.loadMs * 1000) / 1000,
      homes: this.#executor.privLib.functionHomes(version.descriptor),
    };
  }

  has(name: string): boolean {
    return this.#functions.has(name);
  }

  refusal(): JordError | undefined {
    return this.#settings.executors === 0 ? undefined : this.#dispatcher.refusal();
  }

  /** On an executor thread; on this one, before it returns, where there is none. */
  async invoke(name: string, body: Uint8Array, options: InvokeOptions = {}): Promise<InvokeResult> {
    const target = this.#targetOf(name, options.deadlineMs);
    if (this.#settings.executors === 0) return this.#runHere(target, body, options);
    return this.#dispatcher.invoke(target, body, options);
  }

  submit(name: string, body: Uint8Array, options: SubmitOptions, answer: Answer): void {
    const target = this.#targetOf(name, options.deadlineMs);
    if (this.#settings.executors > 0) {
      this.#dispatcher.submit(target, body, options, answer);
      return;
    }
    const outcome = orError(() => this.#runHere(target, body, options));
    queueMicrotask(() => {
      if (outcome instanceof JordError) answer(outcome, undefined);
      else answer(undefined, outcome);
    });
  }

  /** An invocation for each request; results and errors in order. */
  async invokeAll(
    name: string,
    requests: readonly Uint8Array[],
    options: { readonly deadlineMs?: number } = {},
  ): Promise<(Uint8Array | JordError)[]> {
    this.#targetOf(name, options.deadlineMs);
    if (this.#settings.executors === 0) {
      return requests.map((request) => orError(() => this.invokeInline(name, request, options.deadlineMs)));
    }
    const most = Math.min(this.#settings.outstandingMax, MANY_OUTSTANDING);
    return new Batch(requests, most, (request, answer) =>
      this.submit(name, request, { ...options, isPatient: true }, answer),
    ).run();
  }

  /** Hands out what has ended. Returns whether there was anything. */
  poll(): boolean {
    return this.#dispatcher.poll();
  }

  /** Runs it on this thread, which it holds until it has ended, also where it waits for something. */
  invokeInline(name: string, body: Uint8Array, deadlineMs?: number): Uint8Array {
    const { id } = this.#targetOf(name, deadlineMs);
    // What was submitted before need not wait until this thread is free again.
    this.#dispatcher.wakeExecutors();
    return this.#executor.invoke(id, body, { deadlineMs });
  }

  #runHere({ id, name }: DispatchedFunction, body: Uint8Array, options: SubmitOptions): InvokeResult {
    const { http, deadlineMs, cancellation } = options;
    if (cancellation?.isCancelled === true) throw statusError(CALLEE_CANCELLED, name);
    const exchange: HttpExchange | undefined = http && { request: http, status: undefined, headers: [] };
    const response = this.#executor.invoke(id, body, { exchange, deadlineMs });
    return { body: response, status: exchange?.status, headers: exchange?.headers ?? [] };
  }

  /** The function to invoke, if that may be done with this deadline. */
  #targetOf(name: string, deadlineMs: number | undefined): DispatchedFunction {
    this.#checkRunning();
    const { target } = this.#find(name);
    if (deadlineMs !== undefined) checkDeadlineMs('deadlineMs', deadlineMs);
    return target;
  }

  /** Deployed functions, with the spaces that they name. */
  #users(): { readonly name: string; readonly kv: readonly string[] }[] {
    return this.list().map(({ name, kv }) => ({ name, kv }));
  }

  async #dropSpace(space: string): Promise<void> {
    this.#spaces.table.find(space);
    const users = this.#users().filter(({ kv }) => kv.some((entry) => parseKvRight(entry).space === space));
    if (users.length > 0)
      throw spaceInUse(
        space,
        users.map(({ name }) => name),
      );
    await this.#spaces.drop(space);
    // What other threads have begun on it has ended when they have answered: they do it without a pause.
    await this.#orchestrators.announce(this.#knownFunctions());
  }

  async stats(): Promise<ServerStats> {
    return {
      uptimeMs: Math.round(performance.now() - this.#startedMs),
      functions: [...this.#functions.keys()].sort().map((name) => this.#functionStats(name)),
      executors: this.#threads.stats(),
      orchestrators: [this.#dispatcher.stats(0), ...(await this.#orchestrators.stats())],
      logMessagesDropped: this.#threads.logMessagesDropped,
      homeMemoryFreeBytes: this.#executor.privLib.homeMemoryFree() >>> 0,
      kv: this.kv.describeAll(),
    };
  }

  #functionStats(name: string): FunctionStats {
    const { version, target } = this.#find(name);
    const { privLib } = this.#executor;
    const threads = [this.#inlineStats, ...this.#orchestratorStats, ...this.#threads.threadStats];
    return {
      name,
      // Its initialisation was one too.
      invocations: Number(privLib.functionCreated(version.descriptor)) - 1,
      inFlight: Number(privLib.functionLive(version.descriptor)),
      ...summarize(threads, target.id - FUNCTION_ID_FIRST),
    };
  }

  /**
   * Ends the thread of an executor in the midst of whatever it does, as happens to one that does not answer. What ran or was
   * suspended there fails with EXECUTOR_LOST. Returns when the thread has ended; the next one follows by itself.
   */
  async replaceExecutor(index: number): Promise<void> {
    const control = this.#threads.controls[index];
    if (control === undefined) throw new JordError('BAD_REQUEST', `There is no executor ${index}.`);
    await this.#threads.terminate(control);
  }

  /** The file of the key-value store has so many pages at most from now on, and is full then; 0 for no limit. For tests. */
  async limitKvFile(pagesMax: number): Promise<void> {
    await this.#disk?.limitPages(pagesMax);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#changes.then(async () => {
      this.#dispatcher.stop();
      this.#orchestrators.close();
      await this.#threads.stop(STOP_GRACE_MS);
      await this.#stopKv();
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

  #load(name: string, module: Uint8Array, options: DeployOptions): Promise<Version> {
    const kvBindings = (entries: readonly string[]): readonly KvBinding[] => this.#spaces.bindings(entries);
    return loadVersion(this.#executor, name, module, options, { ...this.#settings, kvBindings });
  }

  #install(version: Version, deployedAt: string): void {
    const { name, imports, deadlineMs } = version;
    const id = this.#ids.get(name) ?? FUNCTION_ID_FIRST + this.#ids.size;
    const replaced = this.#functions.get(name);
    const importsAny = (functions: readonly string[]): boolean =>
      functions.some((hostFunction) => imports.includes(`${ABI_MODULE}.${hostFunction}`));
    const readsHttp = importsAny(HTTP_REQUEST_FUNCTIONS);
    const writesHttp = importsAny(HTTP_RESPONSE_FUNCTIONS);
    const deployed: Deployed = { version, deployedAt, target: { id, name, deadlineMs, readsHttp, writesHttp } };
    this.#ids.set(name, id);
    this.#functions.set(name, deployed);
    this.#executor.setFunction(id, loadedFunction(version, id - FUNCTION_ID_FIRST));
    if (version.fetchAllow.length > 0) this.#threads.enableFetch();
    this.#threads.tell({ kind: 'install', installed: toPortable(deployed) });
    if (replaced !== undefined) this.#retire(replaced.version);
  }

  /** The descriptor goes when no executor begins anything on it any more, and nothing of it runs. */
  #retire({ descriptor }: Version): void {
    this.#executor.privLib.functionRetire(descriptor);
    this.#threads.trimThreadless(descriptor);
    if (this.#settings.executors === 0) this.#discard(descriptor);
    else this.#threads.retire(descriptor);
  }

  #discard(descriptor: number): void {
    this.#retired.add(descriptor);
    for (const retired of this.#retired) {
      if (discard(this.#executor, retired)) this.#retired.delete(retired);
    }
  }

  /** Gives back the homes that idle here, and has the others do so. They are made again when they are needed. */
  #reclaim(): boolean {
    const { privLib, control } = this.#executor;
    let freed = 0;
    for (const { version } of this.#functions.values()) freed += privLib.poolTrim(control, version.descriptor, 0);
    this.#threads.tell({ kind: 'trim' });
    return freed > 0;
  }
}

/** Of one `invokeAll`. More would only wait. */
const MANY_OUTSTANDING = 256;
/** How long what runs may go on when the server is stopped. */
const STOP_GRACE_MS = 50;

function toPortable({ version, target }: Deployed): PortableFunction {
  const { name, descriptor, layout, module, fetchAllow } = version;
  return { id: target.id, name, descriptor, memoryLimit: layout.memoryLimit, module, fetchAllow };
}
