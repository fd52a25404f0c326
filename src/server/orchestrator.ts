/**
 * Orchestrators beyond the first: each is a thread that receives requests and dispatches them to executors of its own. Here
 * are both ends of what it shares with the main thread, which alone knows how to deploy: `OrchestratorLinks` there,
 * `OrchestratorServer` in the thread. Invocations do not come this way.
 */
import type { MessagePort } from 'node:worker_threads';
import { type ErrorCode, type ErrorDetails, JordError } from '../errors.ts';
import { checkDeadlineMs } from '../functions/deadline.ts';
import { functionUnknown } from '../functions/name.ts';
import { type DispatchedFunction, Dispatcher, type DispatcherOptions } from './dispatcher.ts';
import { Executor, LONE_EXECUTOR } from './executor.ts';
import { ThreadKv } from './kv/thread-kv.ts';
import type { Kv, KvSpaceOptions } from './kv/types.ts';
import type { AddressSpace } from './privlib.ts';
import { type FaultKind, ThreadStats } from './stats.ts';
import type {
  Answer,
  DeployOptions,
  FunctionInfo,
  InvokeOptions,
  InvokeResult,
  OrchestratorStats,
  ServerStats,
  WorkerServer,
} from './types.ts';

/** A function as another orchestrator knows it. */
export interface KnownFunction {
  readonly target: DispatchedFunction;
  readonly descriptor: number;
  readonly info: FunctionInfo;
}

/** What an orchestrator thread begins with. */
export interface OrchestratorData {
  readonly addressSpace: AddressSpace;
  /** Control blocks of its executors. */
  readonly executors: readonly number[];
  readonly settings: DispatcherOptions;
  readonly functions: readonly KnownFunction[];
  readonly index: number;
  readonly port: MessagePort;
  /** Its counters, as ThreadStats. */
  readonly stats: SharedArrayBuffer;
  /** Words that all threads share with the writer of the key-value store. */
  readonly kvShared: Int32Array;
}

/** What the main thread can do for another one; answered in order of completion. */
type Request =
  | { readonly kind: 'deploy'; readonly name: string; readonly module: Uint8Array; readonly options: DeployOptions }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'stats' }
  | { readonly kind: 'createSpace'; readonly name: string; readonly options: KvSpaceOptions }
  | { readonly kind: 'dropSpace'; readonly name: string };

type ToMain =
  | { readonly kind: 'request'; readonly id: number; readonly request: Request }
  | { readonly kind: 'known'; readonly version: number }
  | { readonly kind: 'counted'; readonly stats: OrchestratorStats };

type ToOrchestrator =
  | { readonly kind: 'answer'; readonly id: number; readonly result: unknown; readonly error: PlainError | undefined }
  /** All functions there are now. Answered by `known`. */
  | { readonly kind: 'functions'; readonly functions: readonly KnownFunction[]; readonly version: number }
  | { readonly kind: 'replaced'; readonly control: number }
  /** Answered by `counted`. */
  | { readonly kind: 'count' };

interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

/** What the links need of the worker server. */
export interface OrchestratorHost {
  deploy(name: string, module: Uint8Array, options: DeployOptions): Promise<FunctionInfo>;
  remove(name: string): Promise<void>;
  stats(): Promise<ServerStats>;
  readonly kv: Pick<Kv, 'create' | 'drop'>;
}

interface Linked {
  readonly port: MessagePort;
  readonly executors: readonly number[];
  knows: (version: number) => void;
  counted: (stats: OrchestratorStats) => void;
}

/** The main thread's ends. */
export class OrchestratorLinks {
  readonly #host: OrchestratorHost;
  readonly #links: Linked[] = [];
  #version = 0;

  constructor(host: OrchestratorHost) {
    this.#host = host;
  }

  add(port: MessagePort, executors: readonly number[]): void {
    const link: Linked = { port, executors, knows: () => {}, counted: () => {} };
    this.#links.push(link);
    port.on('message', (message: ToMain) => this.#take(link, message));
    port.unref();
  }

  #take(link: Linked, message: ToMain): void {
    if (message.kind === 'known') link.knows(message.version);
    else if (message.kind === 'counted') link.counted(message.stats);
    else void this.#answer(link.port, message.id, message.request);
  }

  async #answer(port: MessagePort, id: number, request: Request): Promise<void> {
    let result: unknown;
    let error: PlainError | undefined;
    try {
      result = await this.#perform(request);
    } catch (thrown) {
      error = plainError(thrown);
    }
    port.postMessage({ kind: 'answer', id, result, error } satisfies ToOrchestrator);
  }

  #perform(request: Request): Promise<unknown> {
    switch (request.kind) {
      case 'deploy':
        return this.#host.deploy(request.name, request.module, request.options);
      case 'remove':
        return this.#host.remove(request.name);
      case 'stats':
        return this.#host.stats();
      case 'createSpace':
        return this.#host.kv.create(request.name, request.options);
      case 'dropSpace':
        return this.#host.kv.drop(request.name);
      default:
        return request satisfies never;
    }
  }

  /** Returns when all orchestrators know these functions and no others. */
  async announce(functions: readonly KnownFunction[]): Promise<void> {
    const version = ++this.#version;
    const known = this.#links.map((link) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      link.knows = (seen) => {
        if (seen >= version) resolve();
      };
      link.port.postMessage({ kind: 'functions', functions, version } satisfies ToOrchestrator);
      return promise;
    });
    await Promise.all(known);
  }

  /** An executor has another thread. */
  replaced(control: number): void {
    const link = this.#links.find(({ executors }) => executors.includes(control));
    link?.port.postMessage({ kind: 'replaced', control } satisfies ToOrchestrator);
  }

  stats(): Promise<OrchestratorStats[]> {
    const all = this.#links.map((link) => {
      const { promise, resolve } = Promise.withResolvers<OrchestratorStats>();
      link.counted = resolve;
      link.port.postMessage({ kind: 'count' } satisfies ToOrchestrator);
      return promise;
    });
    return Promise.all(all);
  }

  close(): void {
    for (const { port } of this.#links) port.close();
    this.#links.length = 0;
  }
}

function plainError(thrown: unknown): PlainError {
  if (thrown instanceof JordError) return { code: thrown.code, message: thrown.message, details: thrown.details };
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: 'INTERNAL', message, details: {} };
}

/** The worker server as an orchestrator thread has it: dispatches by itself, and asks the main thread for the rest. */
export class OrchestratorServer implements WorkerServer {
  readonly kv: Kv;
  readonly #port: MessagePort;
  readonly #index: number;
  readonly #executor: Executor;
  readonly #dispatcher: Dispatcher;
  readonly #functions = new Map<string, KnownFunction>();
  readonly #requests = new Map<number, (result: unknown, error: PlainError | undefined) => void>();
  #lastId = 0;
  #isStopped = false;

  constructor({ addressSpace, executors, settings, functions, index, port, stats, kvShared }: OrchestratorData) {
    this.#port = port;
    this.#index = index;
    const counters = new ThreadStats(stats);
    const countFault = (functionIndex: number, fault: FaultKind): void => counters.fault(functionIndex, fault);
    this.#executor = new Executor(addressSpace, { ...LONE_EXECUTOR, countFault });
    this.#dispatcher = new Dispatcher(this.#executor, executors, settings);
    this.kv = new ThreadKv(this.#executor, addressSpace.memory, kvShared, {
      functions: () => this.#infos(),
      create: async (name, options) => void (await this.#ask({ kind: 'createSpace', name, options })),
      drop: async (name) => void (await this.#ask({ kind: 'dropSpace', name })),
      checkRunning: () => this.#checkRunning(),
    });
    this.#learn(functions);
    port.on('message', (message: ToOrchestrator) => this.#take(message));
  }

  #learn(functions: readonly KnownFunction[]): void {
    this.#functions.clear();
    for (const known of functions) this.#functions.set(known.info.name, known);
  }

  #take(message: ToOrchestrator): void {
    switch (message.kind) {
      case 'answer':
        this.#requests.get(message.id)?.(message.result, message.error);
        this.#requests.delete(message.id);
        break;
      case 'functions':
        this.#learn(message.functions);
        this.#port.postMessage({ kind: 'known', version: message.version } satisfies ToMain);
        break;
      case 'replaced':
        this.#dispatcher.executorReplaced(message.control);
        break;
      case 'count':
        this.#port.postMessage({ kind: 'counted', stats: this.#dispatcher.stats(this.#index) } satisfies ToMain);
        break;
      default:
        message satisfies never;
    }
  }

  async #ask(request: Request): Promise<unknown> {
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#requests.set(id, (result, error) => {
      if (error === undefined) resolve(result);
      else reject(new JordError(error.code, error.message, error.details));
    });
    this.#port.postMessage({ kind: 'request', id, request } satisfies ToMain);
    return promise;
  }

  async deploy(name: string, module: Uint8Array, options: DeployOptions = {}): Promise<FunctionInfo> {
    return (await this.#ask({ kind: 'deploy', name, module, options })) as FunctionInfo;
  }

  async remove(name: string): Promise<void> {
    await this.#ask({ kind: 'remove', name });
  }

  async stats(): Promise<ServerStats> {
    return (await this.#ask({ kind: 'stats' })) as ServerStats;
  }

  list(): readonly FunctionInfo[] {
    return [...this.#functions.keys()].sort().map((name) => this.inspect(name));
  }

  inspect(name: string): FunctionInfo {
    const { info, descriptor } = this.#find(name);
    return { ...info, homes: this.#executor.privLib.functionHomes(descriptor) };
  }

  has(name: string): boolean {
    return this.#functions.has(name);
  }

  refusal(): JordError | undefined {
    return this.#dispatcher.refusal();
  }

  #find(name: string): KnownFunction {
    const known = this.#functions.get(name);
    if (known !== undefined) return known;
    throw functionUnknown(name);
  }

  async invoke(name: string, body: Uint8Array, options: InvokeOptions = {}): Promise<InvokeResult> {
    const { target } = this.#find(name);
    if (options.deadlineMs !== undefined) checkDeadlineMs('deadlineMs', options.deadlineMs);
    return this.#dispatcher.invoke(target, body, options);
  }

  submit(name: string, body: Uint8Array, options: InvokeOptions, answer: Answer): void {
    const { target } = this.#find(name);
    if (options.deadlineMs !== undefined) checkDeadlineMs('deadlineMs', options.deadlineMs);
    this.#dispatcher.submit(target, body, options, answer);
  }

  #infos(): readonly FunctionInfo[] {
    return [...this.#functions.values()].map(({ info }) => info).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #checkRunning(): void {
    if (this.#isStopped) throw new JordError('SERVER_STOPPED', 'The worker server is stopped.');
  }

  /** What is outstanding fails with SERVER_STOPPED. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#dispatcher.stop();
    this.#port.close();
  }
}
