/**
 * The executor threads of a worker server, seen from the main thread: starts them, tells them of functions, hands on what
 * they log, and replaces one that has ended or does not answer.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import {
  CONTROL_NOW_MS,
  DOORBELL_PARKED,
  EXECUTOR_BEGUN,
  EXECUTOR_BUSY_US,
  EXECUTOR_CURRENT,
  EXECUTOR_DOORBELL,
  EXECUTOR_HOST,
  EXECUTOR_MESSAGES,
  EXECUTOR_OFFERS_HEAD,
  EXECUTOR_OFFERS_TAIL,
  EXECUTOR_STACKS,
  EXECUTOR_SUSPENDED,
  HOME_END_MS,
  HOME_PD,
} from '../../core/layout.ts';
import { JordError } from '../errors.ts';
import { statusError } from './errors.ts';
import type { InvocationLimits } from './executor.ts';
import {
  type ExecutorThreadData,
  type FromExecutor,
  LOG_DROPPED,
  LOG_RECEIVED,
  LOG_SENT,
  LOG_WORDS,
  type PortableFunction,
  type ToExecutor,
} from './messages.ts';
import { OutboundThread } from './outbound/outbound-thread.ts';
import { type AddressSpace, failed, type PrivLib } from './privlib.ts';
import { ThreadStats } from './stats.ts';
import type { ExecutorStats, LogRecord } from './types.ts';

export interface ExecutorThreadsOptions {
  readonly count: number;
  readonly spinUs: number;
  /** Over all executors. */
  readonly stacksMax: number;
  readonly limits: InvocationLimits;
  /** How long after its deadline an invocation may hold its executor before that is replaced. */
  readonly stuckMs: number;
  readonly log: (record: LogRecord) => void;
  /** Functions that a new thread has to know. */
  readonly functions: () => readonly PortableFunction[];
  /** No executor begins anything on this version any more. */
  readonly retired: (descriptor: number) => void;
  /** Another thread runs an executor from now on. */
  readonly replaced: (control: number) => void;
}

/** Between two looks for executors that do not answer. */
const WATCH_INTERVAL_MS = 100;
/** A thread that fetches follows one that has ended after this time. */
const FETCH_RESTART_MS = 1000;
/** When threads end by themselves right after they were begun, the next ones are begun less and less often. */
const LIFE_MS_MIN = 1000;
const RESTART_DELAY_MS_MAX = 5000;

interface Thread {
  readonly control: number;
  readonly stats: SharedArrayBuffer;
  readonly logCounts: Int32Array;
  worker: Worker | undefined;
  /** Where its log messages come. */
  logPort: MessagePort | undefined;
  replacements: number;
  startedMs: number;
  /** The PD that it was first seen to be stuck on, and when; 0: it is not. */
  stuckOn: number;
  stuckSinceMs: number;
  isReplacing: boolean;
  /** It is ended from outside. */
  isTerminated: boolean;
  /** How often in a row it has ended by itself, right after it was begun. */
  failures: number;
}

export class ExecutorThreads {
  readonly #addressSpace: AddressSpace;
  readonly #privLib: PrivLib;
  readonly #options: ExecutorThreadsOptions;
  readonly #signed: Int32Array;
  readonly #doubles: Float64Array;
  readonly #threads: Thread[] = [];
  readonly #outbound = new OutboundThread((reason) => this.#fetchThreadLost(reason));
  readonly #startedMs = performance.now();
  /** Versions of which each executor has yet to say that it is done with them. */
  readonly #retiring = new Map<number, Set<Thread>>();
  #watch: NodeJS.Timeout | undefined;
  #isStopping = false;
  #canFetch = false;

  constructor(addressSpace: AddressSpace, privLib: PrivLib, options: ExecutorThreadsOptions) {
    this.#addressSpace = addressSpace;
    this.#privLib = privLib;
    this.#options = options;
    const { buffer } = addressSpace.memory;
    this.#signed = new Int32Array(buffer, 0, 2 ** 29);
    this.#doubles = new Float64Array(buffer, 0, 2 ** 28);
    for (let i = 0; i < options.count; i++) {
      const control = privLib.executorCreate();
      if (failed(control)) throw statusError(control, 'another executor');
      const stats = ThreadStats.allocate();
      const startedMs = performance.now();
      const logCounts = new Int32Array(new SharedArrayBuffer(4 * LOG_WORDS));
      const thread = { control, stats, logCounts, worker: undefined, logPort: undefined, replacements: 0, startedMs };
      this.#threads.push({
        ...thread,
        stuckOn: 0,
        stuckSinceMs: 0,
        isReplacing: false,
        isTerminated: false,
        failures: 0,
      });
    }
  }

  /** Their control blocks. */
  get controls(): readonly number[] {
    return this.#threads.map(({ control }) => control);
  }

  get threadStats(): readonly ThreadStats[] {
    return this.#threads.map(({ stats }) => new ThreadStats(stats));
  }

  get logMessagesDropped(): number {
    return this.#threads.reduce((sum, { logCounts }) => sum + Atomics.load(logCounts, LOG_DROPPED), 0);
  }

  /** Returns when all are ready. */
  async start(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => this.#startThread(thread)));
    this.#watch = setInterval(() => this.#lookForStuck(), WATCH_INTERVAL_MS);
    this.#watch.unref();
  }

  async #startThread(thread: Thread): Promise<void> {
    const { control, stats } = thread;
    const logs = new MessageChannel();
    logs.port1.on('message', (record: LogRecord) => this.#takeLog(thread, record));
    logs.port1.unref();
    thread.logPort = logs.port1;
    const workerData: ExecutorThreadData = {
      addressSpace: this.#addressSpace,
      control,
      peers: this.controls.filter((other) => other !== control),
      spinUs: this.#options.spinUs,
      stacksMax: Math.max(1, Math.floor(this.#options.stacksMax / this.#threads.length)),
      limits: this.#options.limits,
      functions: this.#options.functions(),
      stats,
      logCounts: thread.logCounts.buffer as SharedArrayBuffer,
      logPort: logs.port2,
    };
    // Options of the process, such as --input-type, are not for the worker's file.
    const worker = new Worker(new URL('./executor-thread.ts', import.meta.url), {
      execArgv: [],
      workerData,
      transferList: [logs.port2],
    });
    thread.worker = worker;
    thread.startedMs = performance.now();
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    worker.on('message', (message: FromExecutor) => {
      if (message.kind === 'ready') resolve();
      else this.#acknowledge(thread, message.descriptor);
    });
    worker.on('error', (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#options.log(serverRecord(`an executor thread failed: ${text}`));
    });
    worker.on('exit', () => {
      reject(new JordError('INTERNAL', 'An executor thread has ended while it was started.'));
      if (thread.worker === worker) void this.#replace(thread);
    });
    await ready;
    worker.unref();
    if (this.#canFetch) this.#connect(thread);
  }

  /** Lets functions fetch: there is one that may. The thread that does it is begun when this is called first. */
  enableFetch(): void {
    if (this.#canFetch) return;
    this.#canFetch = true;
    this.#outbound.start(this.#addressSpace.memory);
    for (const thread of this.#threads) this.#connect(thread);
  }

  /** A way to the thread that fetches for another executor than these; undefined until functions may fetch. */
  connectFetcher(control: number): MessagePort | undefined {
    return this.#canFetch ? this.#outbound.connect(control) : undefined;
  }

  #fetchThreadLost(reason: unknown): void {
    this.#options.log(serverRecord(`the thread that fetches has ended: ${String(reason)}`));
    setTimeout(() => {
      if (!this.#isStopping) for (const thread of this.#threads) this.#connect(thread);
    }, FETCH_RESTART_MS).unref();
  }

  #connect(thread: Thread): void {
    const port = this.#outbound.connect(thread.control);
    this.#tell(thread, { kind: 'fetcher', port }, [port]);
  }

  /**
   * Hands on what has been logged up to now: what an invocation logs comes before its answer. Otherwise that happens by itself,
   * in some later turn of the event loop.
   */
  drainLogs(): void {
    for (const thread of this.#threads) {
      const { logPort, logCounts } = thread;
      if (logPort === undefined || Atomics.load(logCounts, LOG_SENT) === Atomics.load(logCounts, LOG_RECEIVED))
        continue;
      for (let got = receiveMessageOnPort(logPort); got !== undefined; got = receiveMessageOnPort(logPort)) {
        this.#takeLog(thread, got.message as LogRecord);
      }
    }
  }

  #takeLog({ logCounts }: Thread, record: LogRecord): void {
    Atomics.add(logCounts, LOG_RECEIVED, 1);
    this.#options.log(record);
  }

  #acknowledge(thread: Thread, descriptor: number): void {
    const left = this.#retiring.get(descriptor);
    if (left?.delete(thread) && left.size === 0) this.#settle(descriptor);
  }

  #settle(descriptor: number): void {
    this.#retiring.delete(descriptor);
    this.#options.retired(descriptor);
  }

  /** Tells all threads. What is told before an invocation is dispatched is known before it begins. */
  tell(message: ToExecutor): void {
    for (const thread of this.#threads) this.#tell(thread, message);
  }

  /** Has `retired` called once no executor begins anything on this version. */
  retire(descriptor: number): void {
    // A thread that is about to be replaced begins nothing any more, and its successor never knows this version.
    const told = this.#threads.filter(({ worker }) => worker !== undefined);
    this.#retiring.set(descriptor, new Set(told));
    if (told.length === 0) this.#settle(descriptor);
    else this.tell({ kind: 'retire', descriptor });
  }

  /** Gives back the homes of a version that idle on executors which have no thread to do it. */
  trimThreadless(descriptor: number): void {
    for (const { worker, control } of this.#threads) {
      if (worker === undefined) this.#privLib.poolTrim(control, descriptor, 0);
    }
  }

  #tell({ worker, control }: Thread, message: ToExecutor, transferred: readonly MessagePort[] = []): void {
    worker?.postMessage(message, transferred);
    Atomics.store(this.#signed, (control + EXECUTOR_MESSAGES) >>> 2, 1);
    this.#privLib.executorWake(control);
  }

  stats(): ExecutorStats[] {
    return this.#threads.map((thread, index) => {
      const { control } = thread;
      const uptimeUs = (performance.now() - this.#startedMs) * 1000;
      const isParked = this.#word(control + EXECUTOR_DOORBELL) === DOORBELL_PARKED;
      return {
        index,
        state: thread.isReplacing ? 'replacing' : isParked ? 'parked' : 'awake',
        utilization: Math.min(1, (this.#doubles[(control + EXECUTOR_BUSY_US) >>> 3] ?? 0) / uptimeUs),
        queueLength: this.#privLib.ringLength(control),
        offers: (this.#word(control + EXECUTOR_OFFERS_TAIL) - this.#word(control + EXECUTOR_OFFERS_HEAD)) | 0,
        suspended: this.#word(control + EXECUTOR_SUSPENDED),
        stacks: this.#word(control + EXECUTOR_STACKS),
        begun: this.#doubles[(control + EXECUTOR_BEGUN) >>> 3] ?? 0,
        replacements: thread.replacements,
      };
    });
  }

  #word(address: number): number {
    return Atomics.load(this.#signed, address >>> 2);
  }

  /** An executor on which something runs long after its deadline ignores it, and will go on to. */
  #lookForStuck(): void {
    const now = performance.now();
    for (const thread of this.#threads) {
      const late = this.#lateOn(thread.control);
      if (late === 0 || late !== thread.stuckOn) thread.stuckSinceMs = now;
      else if (now - thread.stuckSinceMs >= this.#options.stuckMs) void this.terminate(thread.control);
      thread.stuckOn = late;
    }
  }

  /** The PD that runs on an executor after its deadline; 0 for none. */
  #lateOn(control: number): number {
    const current = this.#word(control + EXECUTOR_CURRENT);
    if (current === this.#word(control + EXECUTOR_HOST)) return 0;
    const pd = this.#word(current + HOME_PD);
    const isLate = ((this.#word(CONTROL_NOW_MS) - this.#word(current + HOME_END_MS)) | 0) > 0;
    return isLate ? pd : 0;
  }

  /** Ends the thread of an executor, whatever it does. Another one follows. */
  async terminate(control: number): Promise<void> {
    const thread = this.#threads.find((candidate) => candidate.control === control);
    if (thread?.worker === undefined || thread.isReplacing) return;
    thread.isReplacing = true;
    thread.isTerminated = true;
    this.#options.log(serverRecord('an executor does not answer: its thread is replaced'));
    // The rest happens when it has ended.
    await this.#terminate(control, thread.worker);
  }

  /** Other threads still go on: they must not wait for a lock that nobody gives back. */
  async #terminate(control: number, worker: Worker): Promise<void> {
    this.#privLib.executorDoom(control);
    await worker.terminate();
  }

  /** The thread has ended: what it had is put in order, and a new one begun. */
  async #replace(thread: Thread): Promise<void> {
    thread.worker = undefined;
    this.drainLogs();
    thread.logPort?.close();
    // What was lost on its way is not waited for.
    Atomics.store(thread.logCounts, LOG_RECEIVED, Atomics.load(thread.logCounts, LOG_SENT));
    if (this.#isStopping) return;
    thread.isReplacing = true;
    const lifeMs = performance.now() - thread.startedMs;
    const lost = this.#privLib.executorRecover(thread.control);
    this.#options.log(serverRecord(`an executor thread has ended; ${lost} invocations failed with it`));
    for (const descriptor of [...this.#retiring.keys()]) this.#acknowledge(thread, descriptor);
    thread.replacements++;
    thread.stuckOn = 0;
    thread.failures = thread.isTerminated || lifeMs >= LIFE_MS_MIN ? 0 : thread.failures + 1;
    thread.isTerminated = false;
    if (thread.failures > 0) {
      const delayMs = Math.min(RESTART_DELAY_MS_MAX, 10 * 2 ** Math.min(thread.failures, 10));
      await new Promise((resolve) => setTimeout(resolve, delayMs).unref());
    }
    if (this.#isStopping) return;
    try {
      await this.#startThread(thread);
    } catch {
      // Its exit has been taken up.
      return;
    }
    thread.isReplacing = false;
    this.#options.replaced(thread.control);
  }

  /** Ends the threads. Each ends when what it runs has ended, at once after the grace time. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#watch);
    await Promise.all(this.#threads.map((thread) => this.#stopThread(thread, graceMs)));
    await this.#outbound.stop();
  }

  async #stopThread(thread: Thread, graceMs: number): Promise<void> {
    const { worker } = thread;
    if (worker === undefined) return;
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    this.#tell(thread, { kind: 'stop' });
    const timer = setTimeout(() => void this.#terminate(thread.control, worker), graceMs);
    await exited;
    clearTimeout(timer);
    this.drainLogs();
    thread.logPort?.close();
  }
}

function serverRecord(message: string): LogRecord {
  return { level: 'error', function: '', message };
}
