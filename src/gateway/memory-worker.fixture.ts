/** A worker server for the gateway's tests: its functions are written in TypeScript, and nothing isolates them. */

import { JordError } from '../errors.ts';
import { checkConcurrency } from '../functions/concurrency.ts';
import { checkFetchAllow } from '../functions/fetch-allow.ts';
import { checkKvRights } from '../functions/kv-rights.ts';
import { checkFunctionName, functionUnknown } from '../functions/name.ts';
import { moduleVersion } from '../functions/store.ts';
import type {
  Answer,
  Cancellation,
  DeployOptions,
  ExecutorStats,
  FunctionInfo,
  FunctionStats,
  InvokeOptions,
  InvokeResult,
  LatencySummary,
  ServerStats,
  WorkerServer,
} from '../server/types.ts';
import { MemoryKv } from './memory-kv.fixture.ts';

export type Behaviour = (
  body: Uint8Array,
  options: InvokeOptions,
) => Partial<InvokeResult> | Promise<Partial<InvokeResult>>;

export interface MemoryWorkerOptions {
  /** How many invocations run at once; the others are queued. Default: all. */
  readonly executors?: number;
  /** Invocations cannot be cancelled, as those that an executor does not get hold of. */
  readonly isDeaf?: boolean;
}

const WASM_MAGIC = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

/** The smallest module there is. */
export const EMPTY_MODULE: Uint8Array = WASM_MAGIC;

interface Counters {
  invocations: number;
  inFlight: number;
  faults: Record<string, number>;
}

export class MemoryWorker implements WorkerServer {
  readonly kv: MemoryKv = new MemoryKv();
  readonly #behaviours: Readonly<Record<string, Behaviour>>;
  readonly #executors: number;
  readonly #isDeaf: boolean;
  readonly #functions = new Map<string, FunctionInfo>();
  readonly #counters = new Map<string, Counters>();
  /** Begins each of those that are queued. */
  readonly #queue: (() => void)[] = [];
  #running = 0;
  #isStopped = false;

  /** These functions are deployed; others may be, and answer with their request. */
  constructor(behaviours: Readonly<Record<string, Behaviour>> = {}, options: MemoryWorkerOptions = {}) {
    this.#behaviours = behaviours;
    this.#executors = options.executors ?? Number.POSITIVE_INFINITY;
    this.#isDeaf = options.isDeaf === true;
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

  /** How many invocations are queued. */
  get queued(): number {
    return this.#queue.length;
  }

  /** What `refusal` says. */
  overload: JordError | undefined;

  refusal(): JordError | undefined {
    return this.overload;
  }

  async invoke(name: string, body: Uint8Array, options: InvokeOptions = {}): Promise<InvokeResult> {
    this.#checkRunning();
    this.inspect(name);
    const cancelled = this.#isDeaf ? new Promise<never>(() => undefined) : whenCancelled(options.cancellation);
    await this.#begin(cancelled);
    const counters = this.#countersOf(name);
    counters.invocations += 1;
    counters.inFlight += 1;
    try {
      const behaviour = this.#behaviours[name];
      const result = behaviour === undefined ? { body: body.slice() } : behaviour(body, options);
      return { body: new Uint8Array(0), status: undefined, headers: [], ...(await Promise.race([result, cancelled])) };
    } catch (error) {
      const fault = error instanceof JordError ? String(error.details['fault'] ?? error.code) : 'trap';
      counters.faults[fault] = (counters.faults[fault] ?? 0) + 1;
      throw error;
    } finally {
      counters.inFlight -= 1;
      this.#release();
    }
  }

  submit(name: string, body: Uint8Array, options: InvokeOptions, answer: Answer): void {
    this.invoke(name, body, options).then(
      (result) => answer(undefined, result),
      // Behaviours may throw anything.
      (error: unknown) => answer(error as JordError, undefined),
    );
  }

  async stats(): Promise<ServerStats> {
    const outstanding = this.#running + this.#queue.length;
    const functions = [...this.#counters].map(([name, counters]) => functionStats(name, counters));
    const begun = functions.reduce((sum, { invocations }) => sum + invocations, 0);
    const waiting = this.#queue.length;
    return {
      uptimeMs: performance.now(),
      functions,
      executors: [{ ...IDLE_EXECUTOR, queueLength: this.#running, begun }],
      orchestrators: [{ index: 0, outstanding, waiting, accepted: begun + waiting, refused: 0 }],
      logMessagesDropped: 0,
      homeMemoryFreeBytes: 0,
      kv: await this.kv.spaces(),
    };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
  }

  /** Waits in the queue while as many run as may. Throws when it is cancelled before. */
  async #begin(cancelled: Promise<never>): Promise<void> {
    if (this.#running < this.#executors) {
      this.#running += 1;
      return;
    }
    const { promise: turn, resolve: begin } = Promise.withResolvers<void>();
    this.#queue.push(begin);
    try {
      await Promise.race([turn, cancelled]);
    } catch (error) {
      const at = this.#queue.indexOf(begin);
      if (at === -1) this.#release();
      else this.#queue.splice(at, 1);
      throw error;
    }
  }

  /** Hands the place of one that has ended on to the next of the queue. */
  #release(): void {
    const begin = this.#queue.shift();
    if (begin === undefined) this.#running -= 1;
    else begin();
  }

  #countersOf(name: string): Counters {
    const counters = this.#counters.get(name) ?? { invocations: 0, inFlight: 0, faults: {} };
    this.#counters.set(name, counters);
    return counters;
  }

  #checkRunning(): void {
    if (this.#isStopped) throw new JordError('SERVER_STOPPED', 'The worker server is stopped.');
  }
}

/** Rejects with INVOCATION_CANCELLED. */
function whenCancelled(cancellation: Cancellation | undefined): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  // Nobody may be left to hear it.
  promise.catch(() => undefined);
  const cancel = (): void => reject(new JordError('INVOCATION_CANCELLED', 'The invocation was cancelled.'));
  if (cancellation?.isCancelled === true) cancel();
  else cancellation?.attach(cancel);
  return promise;
}

const IDLE_EXECUTOR: ExecutorStats = {
  index: 0,
  state: 'parked',
  utilization: 0,
  queueLength: 0,
  offers: 0,
  suspended: 0,
  stacks: 0,
  begun: 0,
  replacements: 0,
};

const NO_LATENCY: LatencySummary = { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };

function functionStats(name: string, { invocations, inFlight, faults }: Counters): FunctionStats {
  return { name, invocations, inFlight, faults: { ...faults }, queueingUs: NO_LATENCY, serviceUs: NO_LATENCY };
}

function describe(name: string, module: Uint8Array, options: DeployOptions): FunctionInfo {
  const { memoryLimitBytes = 1 << 20, deadlineMs = 10_000, concurrency, fetchAllow = [], kv = [] } = options;
  return {
    name,
    version: moduleVersion(module),
    sizeBytes: module.length,
    guardedSizeBytes: module.length,
    memoryInitialBytes: 0,
    memoryLimitBytes,
    deadlineMs,
    concurrency: concurrency === undefined ? null : checkConcurrency('concurrency', concurrency),
    fetchAllow: checkFetchAllow(fetchAllow),
    kv: checkKvRights(kv),
    deployedAt: new Date().toISOString(),
    imports: [],
    deployMs: 0,
    homes: 0,
  };
}
