/** What the main thread and the executor threads tell each other beside invocations, which go through the shared memory. */
import type { MessagePort } from 'node:worker_threads';
import type { InvocationLimits } from './executor.ts';
import type { AddressSpace } from './privlib.ts';

/** A version of a function, as another thread needs it to make an instance. */
export interface PortableFunction {
  readonly id: number;
  readonly name: string;
  readonly descriptor: number;
  readonly memoryLimit: number;
  readonly module: WebAssembly.Module;
  readonly fetchAllow: readonly string[];
}

export interface ExecutorThreadData {
  readonly addressSpace: AddressSpace;
  /** Its control block, which exists already. */
  readonly control: number;
  readonly peers: readonly number[];
  readonly spinUs: number;
  readonly stacksMax: number;
  readonly limits: InvocationLimits;
  readonly functions: readonly PortableFunction[];
  /** Counters: ThreadStats. */
  readonly stats: SharedArrayBuffer;
  /** Log messages that were taken in by the main thread, and sent by this one. */
  readonly logCounts: SharedArrayBuffer;
  /** Where its log messages go. */
  readonly logPort: MessagePort;
}

export type ToExecutor =
  | { readonly kind: 'install'; readonly installed: PortableFunction }
  | { readonly kind: 'remove'; readonly id: number }
  /** A version that no id means any more: answered by `retired` when nothing here begins on it. */
  | { readonly kind: 'retire'; readonly descriptor: number }
  /** The way to the thread that fetches, the first one or another. */
  | { readonly kind: 'fetcher'; readonly port: MessagePort }
  /** Gives back the homes that idle. */
  | { readonly kind: 'trim' }
  | { readonly kind: 'stop' };

export type FromExecutor = { readonly kind: 'ready' } | { readonly kind: 'retired'; readonly descriptor: number };

// Words of logCounts.
export const LOG_SENT = 0;
export const LOG_RECEIVED = 1;
export const LOG_DROPPED = 2;
export const LOG_WORDS = 3;
/** Messages on their way to the main thread; when it is behind, the next ones are dropped and counted. */
export const LOG_UNDER_WAY_MAX = 4096;
