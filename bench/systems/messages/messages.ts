/**
 * Message passing as well made as we can: each service is a thread with a WebAssembly memory of its own, which V8 keeps apart
 * from all others without a guard; calls are messages through rings in shared memory (inbox.ts), with a copy of the payload on
 * each side; a thread without messages spins for a moment and then sleeps on a futex.
 *
 * A service has any number of invocations under way, up to a limit: while one waits for an answer, others run. The front
 * dispatches by JBSQ(k) to the threads of the function that is asked for, of which there is one here; k is that limit.
 *
 * The key-value store is in memory that all threads share. They reach it by a call, without a message, and copy values.
 */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { ApplicationRequest } from '../../../apps/application.ts';
import { OK } from '../../../core/status.ts';
import type { AddressSpace } from '../../../src/server/privlib.ts';
import { KvStore } from '../plain/kv-store.ts';
import type { Completion, Profile, Subject, System } from '../system.ts';
import { Inbox, TRAFFIC_BYTES, TRAFFIC_COPIES, TRAFFIC_WORDS } from './inbox.ts';

export const REQUEST = 1;
export const RESPONSE = 2;
export const STOP = 3;

export interface ServiceThreadData {
  readonly index: number;
  readonly name: string;
  readonly module: Uint8Array;
  /** Names of the services, in the order of their inboxes; the last inbox is the front's. */
  readonly names: readonly string[];
  readonly inboxes: readonly SharedArrayBuffer[];
  readonly store: AddressSpace | undefined;
  readonly spinUs: number;
  readonly concurrency: number;
  /** Where the thread counts what it copies; of nobody else. */
  readonly traffic: Float64Array;
}

const INBOX_BYTES = 2 ** 22;
const CONCURRENCY = 32;
/** Where there are fewer cores than threads, who spins keeps others from running. */
const SPIN_US = 50;
const SPIN_US_CROWDED = 0;
const TAKEN_AT_ONCE = 64;

interface Waiting {
  readonly request: ApplicationRequest;
  readonly callback: Completion;
}

export class MessagesSystem implements System {
  readonly #workers: Worker[] = [];
  readonly #indices = new Map<string, number>();
  #inboxes: readonly Inbox[] = [];
  /** By the number of the call. */
  readonly #pending: (Completion | undefined)[] = [];
  readonly #targets: number[] = [];
  readonly #freeCalls: number[] = [];
  /** How many requests each service has, and what waits until it has fewer. */
  readonly #outstanding: number[] = [];
  readonly #waiting: Waiting[][] = [];
  readonly #traffic: Float64Array[] = [];
  #store: KvStore | undefined;

  async start(subject: Subject): Promise<void> {
    const { application, dataSet, modules } = subject;
    const names = application.functions.map(({ name }) => name);
    this.#inboxes = [...names, 'front'].map(() => new Inbox(INBOX_BYTES, this.#countTraffic()));
    if (application.spaces.length > 0) {
      this.#store = new KvStore();
      this.#store.load({ spaces: application.spaces, entries: () => dataSet.entries() });
    }
    const spinUs = availableParallelism() > names.length ? SPIN_US : SPIN_US_CROWDED;
    for (const [index, name] of names.entries()) {
      const module = modules.get(name);
      if (module === undefined) throw new Error(`${name} has no module`);
      this.#indices.set(name, index);
      this.#outstanding.push(0);
      this.#waiting.push([]);
      const workerData: ServiceThreadData = {
        ...{ index, name, module, names, spinUs, concurrency: CONCURRENCY },
        inboxes: this.#inboxes.map(({ buffer }) => buffer),
        store: this.#store?.addressSpace,
        traffic: this.#countTraffic(),
      };
      const worker = new Worker(new URL('./service-thread.ts', import.meta.url), { workerData, execArgv: [] });
      worker.on('error', (error: unknown) => process.stderr.write(`${name}: ${String(error)}\n`));
      this.#workers.push(worker);
    }
    await Promise.all(this.#workers.map((worker) => once(worker, 'message')));
  }

  #countTraffic(): Float64Array {
    const traffic = new Float64Array(new SharedArrayBuffer(8 * TRAFFIC_WORDS));
    this.#traffic.push(traffic);
    return traffic;
  }

  /** Copies are counted by all threads, also those of the store. */
  readonly profile = (): Promise<Profile> => {
    const sum = (word: number): number => this.#traffic.reduce((total, traffic) => total + (traffic[word] ?? 0), 0);
    return Promise.resolve({
      ...{ invocations: 0, serviceUs: 0 },
      copies: sum(TRAFFIC_COPIES),
      copiedBytes: sum(TRAFFIC_BYTES),
    });
  };

  submit(request: ApplicationRequest, callback: Completion): void {
    const target = this.#indices.get(request.function);
    if (target === undefined) throw new Error(`there is no service ${request.function}`);
    if ((this.#outstanding[target] ?? 0) < CONCURRENCY) this.#send(target, { request, callback });
    else this.#waiting[target]?.push({ request, callback });
  }

  #send(target: number, { request, callback }: Waiting): void {
    const call = this.#freeCalls.pop() ?? this.#pending.length;
    this.#pending[call] = callback;
    this.#targets[call] = target;
    this.#outstanding[target] = (this.#outstanding[target] ?? 0) + 1;
    this.#inboxes[target]?.send(REQUEST, call, this.#inboxes.length - 1, 0, request.body);
  }

  readonly poll = (): boolean => {
    this.#store?.tick();
    return (this.#inboxes.at(-1)?.take(this.#receive, TAKEN_AT_ONCE) ?? 0) > 0;
  };

  readonly rest = (milliseconds: number): void => this.#inboxes.at(-1)?.park(milliseconds);

  readonly #receive = (_kind: number, call: number, status: number, _third: number, payload: Uint8Array): void => {
    const callback = this.#pending[call];
    const target = this.#targets[call] ?? 0;
    this.#pending[call] = undefined;
    this.#freeCalls.push(call);
    this.#outstanding[target] = (this.#outstanding[target] ?? 0) - 1;
    const next = this.#waiting[target]?.shift();
    if (next !== undefined) this.#send(target, next);
    if (status === OK) callback?.(undefined, payload.slice());
    else callback?.(new Error(`the service failed with status ${status}`), undefined);
  };

  async stop(): Promise<void> {
    const exits = this.#workers.map((worker) => once(worker, 'exit'));
    for (const index of this.#indices.values()) this.#inboxes[index]?.send(STOP, 0, 0, 0, new Uint8Array(0));
    await Promise.all(exits);
  }
}
