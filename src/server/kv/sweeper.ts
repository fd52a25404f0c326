/** Removes keys whose time is over, in small steps, from the main thread. A reader finds none of them anyway; this frees their memory. */
import type { Executor } from '../executor.ts';
import { clockWord, monotonicMs } from '../time.ts';
import type { SpaceTable } from './space-table.ts';

const INTERVAL_MS = 100;
/** Buckets of some stripes; so many rounds of them look at each stripe. */
const STEPS = 64;
const ROUNDS_MIN = 4;
/** A space gets more rounds as long as this is found in one, and there is time. */
const MUCH = 16;
const TURN_MS = 2;

export class Sweeper {
  readonly #executor: Executor;
  readonly #table: SpaceTable;
  #timer: NodeJS.Timeout | undefined;

  constructor(executor: Executor, table: SpaceTable) {
    this.#executor = executor;
    this.#table = table;
  }

  /** Until `stop`; it keeps no process alive. */
  start(): void {
    this.#timer = setInterval(() => this.#sweep(), INTERVAL_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    // From inside a function PrivLib does nothing for the host.
    if (!this.#executor.isIdle) return;
    const expiring = this.#table.list().filter((space) => this.#table.hasExpiring(space));
    if (expiring.length === 0) return;
    this.#executor.privLib.clockAdvance(clockWord(monotonicMs()));
    for (const { handle } of expiring) this.#sweepSpace(handle);
  }

  #sweepSpace(handle: number): void {
    const { privLib, hostBase } = this.#executor;
    const startedMs = performance.now();
    for (let round = 1; ; round++) {
      const removed = privLib.kvSweep(handle, STEPS, hostBase);
      if (round < ROUNDS_MIN) continue;
      if (removed < MUCH || performance.now() - startedMs > TURN_MS) return;
    }
  }
}
