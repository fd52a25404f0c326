/**
 * A system under test in a process of its own, with the generator of its load: `startSystemProcess` in the process of the
 * experiment. The system's front is the main thread of its process. It is idle unless it is measured.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FrontResult } from './load/front.ts';
import type { Load, Outcome } from './load/generator.ts';
import type { Unloaded } from './load/unloaded.ts';
import type { Profile, SystemName, SystemOptions } from './system.ts';

export interface SystemProcessData {
  readonly system: SystemName;
  /** Module that exports the application as `application`. */
  readonly applicationUrl: string;
  readonly options: SystemOptions;
  /** Requests that are compared with the model's answers before it is ready. */
  readonly checks: number;
}

export type Measurement = Outcome & FrontResult;

export type FromSystem =
  | { readonly kind: 'ready' }
  | { readonly kind: 'measured'; readonly measurement: Measurement }
  | { readonly kind: 'unloaded'; readonly unloaded: Unloaded }
  | { readonly kind: 'profiled'; readonly profile: Profile | undefined }
  | { readonly kind: 'failed'; readonly message: string };

export type ToSystem =
  | { readonly kind: 'measure'; readonly load: Load }
  | { readonly kind: 'unloaded'; readonly first: number; readonly count: number }
  | { readonly kind: 'profile' };

const STOP_MS_MAX = 5000;
/**
 * V8 would collect garbage with the help of other threads, and wait for them. Where threads poll on all cores, that is until the
 * scheduler takes one away from them. With much room for what is new it collects seldom: each time is a stall.
 */
const EXEC_ARGV: readonly string[] = ['--single-threaded-gc', '--min-semi-space-size=128', '--max-semi-space-size=128'];

export class SystemProcess {
  readonly system: SystemName;
  readonly #child: ReturnType<typeof fork>;
  readonly #exited: Promise<unknown>;

  private constructor(system: SystemName, child: ReturnType<typeof fork>) {
    this.system = system;
    this.#child = child;
    this.#exited = once(child, 'exit');
  }

  /** Throws an Error when the system does not start, or answers otherwise than the model. */
  static async start(data: SystemProcessData): Promise<SystemProcess> {
    const path = fileURLToPath(new URL('./system-main.ts', import.meta.url));
    // What it prints goes to stderr: stdout is for results.
    const child = fork(path, [JSON.stringify(data)], { stdio: ['ignore', 2, 2, 'ipc'], execArgv: [...EXEC_ARGV] });
    const process = new SystemProcess(data.system, child);
    try {
      await process.#next();
      return process;
    } catch (error) {
      await process.stop();
      throw error;
    }
  }

  async measure(load: Load): Promise<Measurement> {
    this.#child.send({ kind: 'measure', load } satisfies ToSystem);
    const answer = await this.#next();
    if (answer.kind !== 'measured') throw new Error(`${this.system} was not measured`);
    return answer.measurement;
  }

  /** One request at a time, so many, from the pool's number `first` on. */
  async unloaded(first: number, count: number): Promise<Unloaded> {
    this.#child.send({ kind: 'unloaded', first, count } satisfies ToSystem);
    const answer = await this.#next();
    if (answer.kind !== 'unloaded') throw new Error(`${this.system} was not measured`);
    return answer.unloaded;
  }

  /** Undefined for a system that counts nothing. */
  async profile(): Promise<Profile | undefined> {
    this.#child.send({ kind: 'profile' } satisfies ToSystem);
    const answer = await this.#next();
    if (answer.kind !== 'profiled') throw new Error(`${this.system} has no profile`);
    return answer.profile;
  }

  async #next(): Promise<FromSystem> {
    const ended = this.#exited.then(() => {
      throw new Error(`the process of ${this.system} has ended`);
    });
    // Nobody waits for it once there is an answer.
    ended.catch(() => {});
    const [answer] = (await Promise.race([once(this.#child, 'message'), ended])) as [FromSystem];
    if (answer.kind === 'failed') throw new Error(`${this.system}: ${answer.message}`);
    return answer;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
    await this.#exited;
    clearTimeout(timer);
  }
}
