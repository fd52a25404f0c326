/** Options of a worker server, their bounds and their defaults. */
import { availableParallelism } from 'node:os';
import { EXECUTORS_MAX, RING_MAX } from '../../core/layout.ts';
import { JordError } from '../errors.ts';
import type { DispatcherOptions } from './dispatcher.ts';
import type { InvocationLimits } from './executor.ts';
import type { LogRecord } from './types.ts';

export interface WorkerServerOptions {
  /** Folder of the function store. Without one, functions are gone with the server. */
  readonly dataFolder?: string;
  /** What functions log, faults of nested calls, and what the store and the server have to say. Default: nowhere. */
  readonly log?: (record: LogRecord) => void;
  /** Most nested calls below one invocation: 1 to 65,535. Default 512. */
  readonly callDepthMax?: number;
  /**
   * Threads that run functions: 0 to 48. Default: one for each core, less the orchestrators, at least one. With 0, functions run on
   * the thread that invokes them.
   */
  readonly executors?: number;
  /** Threads that receive requests and dispatch them: 1 to 15. Default 1, which is the thread that starts the server. */
  readonly orchestrators?: number;
  /**
   * Invocations that an executor has at most, the one that runs included (the k of JBSQ): 1 to 64. Default 2, and more while they are
   * so short that 50 µs are enough for all of them.
   */
  readonly queueBound?: number;
  /**
   * How long a thread looks for work before it parks, in µs: 0 to 1,000,000. Default 50 where there are more cores than executors and
   * orchestrators, otherwise 5: who looks for work would keep others from theirs.
   */
  readonly spinUs?: number;
  /** Invocations that are accepted and not answered at most, of one orchestrator: 1 to 60,000. Default 4,096. */
  readonly outstandingMax?: number;
  /** New invocations are refused while the oldest that waits has waited longer, in ms: 0 (never) to 3,600,000. Default 100. */
  readonly queueDelayMs?: number;
  /** Stacks of invocations that can suspend, over all executors: 1 to 30,000. Default 16,384. */
  readonly stacksMax?: number;
  /** Largest response of an invocation, in bytes. Default 256 MiB. */
  readonly responseBytesMax?: number;
  /** What one invocation may log, in bytes, with 16 more for each message. Default 64 KiB. */
  readonly logBytesMax?: number;
  /** What one invocation may own in ArgBufs, in bytes, each counted as the power of two that holds it. Default 1 GiB. */
  readonly argBufBytesMax?: number;
  /**
   * Also bounds addresses by computing behind each check, against processors that guess a check wrong: SECURITY.md says what that is
   * good for and what it costs. Memory limits are rounded up to powers of two for it: accesses up to there do not fault. Default: false.
   */
  readonly maskAddresses?: boolean;
  /**
   * What all spaces of the key-value store may have together, in bytes, keys and values each counted as the power of two that holds
   * it: 64 KiB to 1,984 MiB. Default 1 GiB.
   */
  readonly kvBytesMax?: number;
  /** How long after its deadline an invocation that ignores it keeps its executor, in ms: 1 to 60,000. Default 1,000. */
  readonly stuckMs?: number;
}

/** The same with everything decided. */
export interface ServerSettings extends DispatcherOptions {
  readonly callDepthMax: number;
  readonly executors: number;
  readonly orchestrators: number;
  readonly stacksMax: number;
  readonly argBufBytesMax: number;
  readonly maskAddresses: boolean;
  readonly kvBytesMax: number;
  readonly stuckMs: number;
  readonly limits: InvocationLimits;
}

const MIB = 2 ** 20;
const SPIN_US = 50;
const SPIN_US_CROWDED = 5;
/** Each orchestrator has a control block too. */
const ORCHESTRATORS_MAX = 15;
const THREADS_MAX: number = EXECUTORS_MAX - 1 - ORCHESTRATORS_MAX;

type NumericOption = Exclude<keyof WorkerServerOptions, 'dataFolder' | 'log' | 'maskAddresses'>;

/** Least, most, default. */
export const OPTION_BOUNDS: Readonly<Record<NumericOption, readonly [least: number, most: number, normal: number]>> = {
  callDepthMax: [1, 65_535, 512],
  executors: [0, THREADS_MAX, Number.NaN],
  orchestrators: [1, ORCHESTRATORS_MAX, 1],
  queueBound: [1, RING_MAX, 2],
  spinUs: [0, 1_000_000, Number.NaN],
  outstandingMax: [1, 60_000, 4096],
  queueDelayMs: [0, 3_600_000, 100],
  stacksMax: [1, 30_000, 16_384],
  responseBytesMax: [0, 256 * MIB, 256 * MIB],
  logBytesMax: [0, 1024 * MIB, 64 * 1024],
  argBufBytesMax: [128, 1024 * MIB, 1024 * MIB],
  kvBytesMax: [64 * 1024, 1984 * MIB, 1024 * MIB],
  stuckMs: [1, 60_000, 1000],
};

function isOption(name: string): boolean {
  return name in OPTION_BOUNDS || name === 'dataFolder' || name === 'log' || name === 'maskAddresses';
}

/** Throws BAD_OPTION. */
export function resolveOptions(options: WorkerServerOptions): ServerSettings {
  const number = (name: NumericOption): number => {
    const [least, most, normal] = OPTION_BOUNDS[name];
    const value = options[name] ?? normal;
    if (Number.isNaN(value) && options[name] === undefined) return value;
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new JordError('BAD_OPTION', `${name} must be a whole number from ${least} to ${most}, not ${value}.`);
  };
  const unknown = Object.keys(options).find((name) => !isOption(name));
  if (unknown !== undefined) {
    throw new JordError('BAD_OPTION', `There is no option ${unknown}; docs/embedding.md has those that there are.`);
  }
  const { maskAddresses = false } = options;
  if (typeof maskAddresses !== 'boolean') throw new JordError('BAD_OPTION', 'maskAddresses must be true or false.');
  const orchestrators = number('orchestrators');
  const executors = options.executors === undefined ? defaultExecutors(orchestrators) : number('executors');
  if (executors > 0 && executors < orchestrators) {
    const message = `${orchestrators} orchestrators need ${orchestrators} executors at least, not ${executors}: have more executors, or fewer orchestrators.`;
    throw new JordError('BAD_OPTION', message);
  }
  return {
    callDepthMax: number('callDepthMax'),
    executors,
    orchestrators,
    queueBound: number('queueBound'),
    isElastic: options.queueBound === undefined,
    spinUs: options.spinUs === undefined ? defaultSpinUs(executors + orchestrators) : number('spinUs'),
    outstandingMax: number('outstandingMax'),
    queueDelayMs: number('queueDelayMs'),
    stacksMax: number('stacksMax'),
    argBufBytesMax: number('argBufBytesMax'),
    maskAddresses,
    kvBytesMax: number('kvBytesMax'),
    stuckMs: number('stuckMs'),
    limits: { responseBytesMax: number('responseBytesMax'), logBytesMax: number('logBytesMax') },
  };
}

function defaultSpinUs(threads: number): number {
  return availableParallelism() > threads ? SPIN_US : SPIN_US_CROWDED;
}

function defaultExecutors(orchestrators: number): number {
  return Math.min(Math.max(availableParallelism() - orchestrators, orchestrators), THREADS_MAX);
}
