/** What the experiment compares: systems that run the same application, driven by the same generator. */
import type { Application, ApplicationRequest, DataSet } from '../../apps/application.ts';

export type SystemName = 'jord' | 'unsafe' | 'messages' | 'processes';

/** What a system is to run. */
export interface Subject {
  readonly application: Application;
  readonly dataSet: DataSet;
  /** The module of each function, by its name, as the SDK compiles it. */
  readonly modules: ReadonlyMap<string, Uint8Array>;
}

export interface SystemOptions {
  /** Threads that run functions, where the system has such; by default as many as there are cores for. */
  readonly executors?: number;
}

/** Gets what came of a request, once, and never before `submit` returns. */
export type Completion = (error: Error | undefined, response: Uint8Array | undefined) => void;

/** What a system has done since it was started. */
export interface Profile {
  /** Invocations from outside, and how long an executor was at them, in µs; where the system has executors. */
  readonly invocations: number;
  readonly serviceUs: number;
  /** Payloads that were copied from one memory to another, and their bytes; where that is counted. */
  readonly copies: number;
  readonly copiedBytes: number;
}

export interface System {
  /** Returns when all functions are there and the data set is loaded. */
  start(subject: Subject): Promise<void>;
  /** Sends a request on its way and returns at once. Throws only where the system is not as it should be. */
  submit(request: ApplicationRequest, callback: Completion): void;
  /** Calls back for what has ended. Where there is none, that happens on the event loop. Returns whether there was anything. */
  readonly poll?: () => boolean;
  /**
   * Waits until something has ended, but no longer than this. Without it, the front polls without a rest: it has a core of its
   * own then.
   */
  readonly rest?: (milliseconds: number) => void;
  readonly profile?: () => Promise<Profile>;
  stop(): Promise<void>;
}
