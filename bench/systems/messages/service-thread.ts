/** The thread of a service: see messages.ts. It never returns to the event loop while it runs. */
import { parentPort, workerData } from 'node:worker_threads';
import { OK } from '../../../core/status.ts';
import { monotonicUs } from '../../../src/server/time.ts';
import { KvStore } from '../plain/kv-store.ts';
import { type Answer, Service, type Transport } from '../plain/service.ts';
import { Inbox } from './inbox.ts';
import { REQUEST, RESPONSE, type ServiceThreadData, STOP } from './messages.ts';

const { index, name, module, names, inboxes, store, spinUs, concurrency, traffic } = workerData as ServiceThreadData;

const EMPTY = new Uint8Array(0);
/** Messages that are taken before what they have set going goes on. */
const TAKEN_AT_ONCE = 16;
const PARK_MS = 1000;
/** Rounds without a message between two looks at the clock. */
const ROUNDS_PER_LOOK = 32;

class InboxTransport implements Transport {
  readonly #inboxes: readonly Inbox[];
  /** By the number of the call. */
  readonly #pending: (Answer | undefined)[] = [];
  readonly #free: number[] = [];

  constructor(all: readonly Inbox[]) {
    this.#inboxes = all;
  }

  find(wanted: string): number {
    return names.indexOf(wanted);
  }

  send(target: number, request: Uint8Array, answer: Answer): void {
    const call = this.#free.pop() ?? this.#pending.length;
    this.#pending[call] = answer;
    this.#inboxes[target]?.send(REQUEST, call, index, 0, request);
  }

  answered(call: number, status: number, response: Uint8Array): void {
    const answer = this.#pending[call];
    this.#pending[call] = undefined;
    this.#free.push(call);
    answer?.(status, response);
  }

  /** Sends what came of a request to who has sent it. */
  reply(asker: number, call: number, status: number, response: Uint8Array): void {
    this.#inboxes[asker]?.send(RESPONSE, call, status, 0, response);
  }
}

const all = inboxes.map((buffer) => new Inbox(buffer, traffic));
const inbox = all[index] ?? new Inbox(32);
const transport = new InboxTransport(all);
const kv = store === undefined ? undefined : new KvStore(store, traffic);
const service = await Service.start({ name, module, transport, kv, concurrency });
/** Requests that came while there was no room for more. */
const backlog: { readonly call: number; readonly asker: number; readonly request: Uint8Array }[] = [];
let isEnding = false;

function begin(call: number, asker: number, request: Uint8Array): void {
  service.begin(request, (status, response) => transport.reply(asker, call, status, response));
}

function receive(kind: number, call: number, second: number, _third: number, payload: Uint8Array): void {
  switch (kind) {
    case REQUEST:
      if (service.hasRoom && backlog.length === 0) begin(call, second, payload);
      else backlog.push({ call, asker: second, request: payload.slice() });
      break;
    case RESPONSE:
      transport.answered(call, second, second === OK ? payload : EMPTY);
      break;
    case STOP:
      isEnding = true;
      break;
    default:
      throw new Error(`a message has the kind ${kind}`);
  }
}

/** Runs what can, until all wait or have ended. */
async function settle(): Promise<void> {
  while (service.running > 0) await undefined;
  while (backlog.length > 0 && service.hasRoom) {
    const next = backlog.shift();
    if (next !== undefined) begin(next.call, next.asker, next.request);
    while (service.running > 0) await undefined;
  }
}

async function run(): Promise<void> {
  let idleRounds = 0;
  let idleSinceUs = 0;
  while (!isEnding) {
    if (inbox.take(receive, TAKEN_AT_ONCE) > 0) {
      idleRounds = 0;
      if (service.running > 0 || backlog.length > 0) await settle();
      continue;
    }
    if (spinUs > 0) {
      if (idleRounds++ === 0) idleSinceUs = monotonicUs();
      Atomics.pause();
      if (idleRounds % ROUNDS_PER_LOOK !== 0 || monotonicUs() - idleSinceUs < spinUs) continue;
    }
    inbox.park(PARK_MS);
    idleRounds = 0;
  }
}

parentPort?.postMessage('ready');
await run();
