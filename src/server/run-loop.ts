/**
 * What an executor thread does all day: takes invocations from its ring, from its own offers and from those of its peers, lets
 * continuations go on, takes in what has ended elsewhere. When there is nothing, it looks for a bounded time and then parks.
 *
 * The loop never returns to the event loop of its thread: parking is `Atomics.wait`, messages are taken from the port
 * synchronously. It awaits, so that microtasks run, only after something ran that can suspend. The ring's entry is given up when
 * its invocation has ended or is suspended, so its length is what JBSQ bounds.
 */
import {
  DOORBELL_AWAKE,
  DOORBELL_PARKED,
  EXECUTOR_BEGUN,
  EXECUTOR_BUSY_US,
  EXECUTOR_CANCELS,
  EXECUTOR_DOORBELL,
  EXECUTOR_MESSAGES,
  EXECUTOR_OFFERS_HEAD,
  EXECUTOR_OFFERS_TAIL,
  EXECUTOR_SERVICE_NS,
  EXECUTOR_SYNCED,
} from '../../core/layout.ts';
import { Continuations } from './continuations.ts';
import type { Executor } from './executor.ts';
import { Fifo } from './fifo.ts';
import { recordOf } from './privlib.ts';
import { clockWord, monotonicMs, monotonicUs } from './time.ts';

export interface RunLoopOptions {
  /** How long it looks for work before it parks, in µs. */
  readonly spinUs: number;
  /** Invocations from a queue that may have stacks of their own at once. */
  readonly stacksMax: number;
  /** Control blocks of executors whose offers it may take. */
  readonly peers: readonly number[];
  /** Takes the messages that have come. Returns false when the thread is to end. */
  readonly takeMessages: () => boolean;
}

/** It looks at the clock once in so many rounds without work. */
const ROUNDS_PER_LOOK = 64;
/** How much a shorter one counts in the average: one part in so many. */
const SERVICE_WEIGHT = 4;
const SERVICE_NS_MIN = 500;
const SERVICE_NS_MAX = 2 ** 30;
/** No wait is longer, so that what is lost is found. */
const PARK_MS_MAX = 60_000;

export class RunLoop {
  readonly continuations: Continuations;
  readonly #executor: Executor;
  readonly #options: RunLoopOptions;
  readonly #signed: Int32Array;
  readonly #doubles: Float64Array;
  /** Invocations that need a stack, while there are too many. */
  readonly #deferred = new Fifo<number>();
  /** The last turn was that of what was deferred. */
  #wasDeferreds = false;
  #nextPeer = 0;
  #isEnding = false;

  constructor(executor: Executor, options: RunLoopOptions) {
    const buffer = executor.bytes.buffer;
    this.#executor = executor;
    this.#options = options;
    this.continuations = new Continuations(executor, options.stacksMax);
    this.#signed = new Int32Array(buffer, 0, 2 ** 29);
    this.#doubles = new Float64Array(buffer, 0, 2 ** 28);
  }

  /** Returns when the thread is to end. */
  async run(): Promise<void> {
    this.#executor.activity.begin();
    let idleRounds = 0;
    let idleSinceMs = 0;
    while (!this.#isEnding) {
      const round = this.#round();
      const didWork = typeof round === 'boolean' ? round : await round;
      if (didWork) {
        idleRounds = 0;
        continue;
      }
      if (idleRounds++ === 0) idleSinceMs = monotonicMs();
      if (idleRounds % ROUNDS_PER_LOOK !== 0) {
        Atomics.pause();
        continue;
      }
      if ((monotonicMs() - idleSinceMs) * 1000 < this.#options.spinUs) continue;
      this.#park();
      idleRounds = 0;
    }
  }

  /** Does something of each kind that there is. A promise only where something ran that can suspend. */
  #round(): boolean | Promise<boolean> {
    const didWork = this.#look();
    const { continuations } = this;
    if (continuations.count > 0) this.#expireDue();
    if (continuations.hasReady) return this.#stepAndRun();
    const ran = this.#runQueued();
    return typeof ran === 'boolean' ? ran || didWork : ran;
  }

  async #stepAndRun(): Promise<boolean> {
    const startedUs = monotonicUs();
    this.continuations.step();
    await this.continuations.settle();
    this.#tookTurn(startedUs);
    // Turn about: what is queued is not held up by what waits and goes on again and again.
    await this.#runQueued();
    return true;
  }

  /** Messages, what has ended elsewhere, what was cancelled, what is on disk. */
  #look(): boolean {
    const { control } = this.#executor;
    let didWork = false;
    if (this.#hasMessages) didWork = this.takeMessages();
    if (this.drainInbox()) didWork = true;
    if (Atomics.load(this.#signed, (control + EXECUTOR_CANCELS) >>> 2) !== 0) {
      Atomics.store(this.#signed, (control + EXECUTOR_CANCELS) >>> 2, 0);
      this.continuations.interruptCancelled();
      didWork = true;
    }
    if (Atomics.load(this.#signed, (control + EXECUTOR_SYNCED) >>> 2) !== 0) {
      // Before it looks, as with the others: what comes meanwhile sets it again.
      Atomics.store(this.#signed, (control + EXECUTOR_SYNCED) >>> 2, 0);
      this.continuations.synced();
      didWork = true;
    }
    return didWork;
  }

  get #hasMessages(): boolean {
    return Atomics.load(this.#signed, (this.#executor.control + EXECUTOR_MESSAGES) >>> 2) !== 0;
  }

  /** Takes the messages that have come. Returns true, since there were some. */
  takeMessages(): boolean {
    // Before they are taken: one that comes meanwhile sets it again.
    Atomics.store(this.#signed, (this.#executor.control + EXECUTOR_MESSAGES) >>> 2, 0);
    if (!this.#options.takeMessages()) this.#isEnding = true;
    return true;
  }

  drainInbox(): boolean {
    const { privLib, control } = this.#executor;
    let handle = privLib.invocationArrived(control);
    if (handle === 0) return false;
    for (; handle !== 0; handle = privLib.invocationArrived(control)) {
      this.continuations.arrived(handle >>> 0, recordOf(handle));
    }
    return true;
  }

  /** Runs one invocation: from the ring or what was deferred, turn about; its own offers; those of a peer. */
  #runQueued(): boolean | Promise<boolean> {
    const { privLib, control } = this.#executor;
    const dispatched = privLib.ringPeek(control);
    const canBeDeferreds = this.#deferred.size > 0 && this.continuations.hasRoom;
    if (canBeDeferreds && (dispatched === 0 || !this.#wasDeferreds)) {
      this.#wasDeferreds = true;
      return this.#runHandle(this.#deferred.shift() ?? 0);
    }
    this.#wasDeferreds = false;
    if (dispatched !== 0) return this.#runFromRing(dispatched);
    let offered = privLib.offerPop(control);
    if (offered === 0) offered = this.#steal();
    return offered === 0 ? false : this.#runHandle(offered);
  }

  #runFromRing(handle: number): true | Promise<true> {
    const { privLib, control } = this.#executor;
    const ran = this.#runHandle(handle);
    if (ran === true) {
      privLib.ringAdvance(control, handle);
      return true;
    }
    return ran.then((result) => {
      privLib.ringAdvance(control, handle);
      return result;
    });
  }

  /** Runs what a handle names, unless somebody else has taken it or it was cancelled. */
  #runHandle(handle: number): true | Promise<true> {
    const executor = this.#executor;
    // What was told before this was queued is there by now, but may not have been when this thread looked.
    if (this.#hasMessages) this.takeMessages();
    const loaded = executor.functionFor(recordOf(handle));
    const needsStack = loaded !== undefined && executor.suspends(loaded);
    if (needsStack && !this.continuations.hasRoom) {
      this.#deferred.push(handle);
      return true;
    }
    const record = executor.privLib.invocationTake(handle, executor.control);
    if (record === 0) return true;
    this.#add(EXECUTOR_BEGUN, 1);
    if (needsStack) return this.#begin(record);
    const serviceUs = executor.run(record);
    this.#busy(serviceUs);
    this.#average(serviceUs * 1000);
    return true;
  }

  async #begin(record: number): Promise<true> {
    const startedUs = monotonicUs();
    this.continuations.begin(record);
    await this.continuations.settle();
    this.#tookTurn(startedUs);
    return true;
  }

  #steal(): number {
    const { peers } = this.#options;
    for (let i = 0; i < peers.length; i++) {
      const peer = peers[this.#nextPeer++ % peers.length] ?? 0;
      const handle = this.#executor.privLib.offerPop(peer);
      if (handle !== 0) return handle;
    }
    return 0;
  }

  #expireDue(): void {
    const nowMs = monotonicMs();
    if (nowMs < this.continuations.nextMs) return;
    this.#executor.privLib.clockAdvance(clockWord(nowMs));
    this.continuations.expire(nowMs);
  }

  /**
   * What it does of late: doubles at most at a time, since a thread that loses its core for milliseconds says nothing of the
   * functions, and comes down a quarter of the way.
   */
  #average(serviceNs: number): void {
    const index = (this.#executor.control + EXECUTOR_SERVICE_NS) >>> 2;
    const before = this.#signed[index] ?? 0;
    const next =
      serviceNs > before
        ? Math.min(serviceNs, 2 * before + SERVICE_NS_MIN)
        : before + (serviceNs - before) / SERVICE_WEIGHT;
    this.#signed[index] = Math.min(Math.max(next, 1), SERVICE_NS_MAX);
  }

  /** What can suspend ran until it waited or ended. */
  #tookTurn(startedUs: number): void {
    const us = monotonicUs() - startedUs;
    this.#busy(us);
    this.#average(us * 1000);
  }

  #busy(us: number): void {
    this.#add(EXECUTOR_BUSY_US, us);
  }

  #add(field: number, amount: number): void {
    const index = (this.#executor.control + field) >>> 3;
    this.#doubles[index] = (this.#doubles[index] ?? 0) + amount;
  }

  #park(): void {
    const { privLib, control, activity } = this.#executor;
    const doorbell = (control + EXECUTOR_DOORBELL) >>> 2;
    if (privLib.executorPark(control) !== 0) {
      if (!this.#isOffered) {
        const restMs = this.continuations.nextMs - monotonicMs();
        Atomics.wait(this.#signed, doorbell, DOORBELL_PARKED, Math.min(Math.max(restMs, 0), PARK_MS_MAX));
      }
      Atomics.store(this.#signed, doorbell, DOORBELL_AWAKE);
    }
    activity.begin();
  }

  /** Whether a peer offers something: it may have looked for who is parked just before this one was. */
  get #isOffered(): boolean {
    return this.#options.peers.some(
      (peer) =>
        Atomics.load(this.#signed, (peer + EXECUTOR_OFFERS_HEAD) >>> 2) !==
        Atomics.load(this.#signed, (peer + EXECUTOR_OFFERS_TAIL) >>> 2),
    );
  }
}
