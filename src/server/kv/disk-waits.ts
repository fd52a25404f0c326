/** Waiting for the disk on a thread with an event loop, which goes on meanwhile. */
import { SPACE_DURABLE, SPACE_FAILED, SPACE_VERSION } from '../../../core/layout.ts';
import { KV_DISK_FAILED } from '../../../core/status.ts';
import { kvError, spaceUnknown } from './errors.ts';
import { endDoze, SHARED_BATCHES, SHARED_ENDED, SHARED_WAITS } from './protocol.ts';
import type { FoundSpace, SpaceTable } from './space-table.ts';

interface Wait {
  readonly space: FoundSpace;
  readonly version: bigint;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** So that what is lost is found. */
const LOOK_MS = 5000;
const NEVER_MS = 2 ** 30;

export class DiskWaits {
  readonly #table: SpaceTable;
  readonly #words: Int32Array;
  readonly #bigWords: BigUint64Array;
  readonly #shared: Int32Array;
  #waits: Wait[] = [];

  constructor(memory: WebAssembly.Memory, table: SpaceTable, shared: Int32Array) {
    this.#table = table;
    this.#words = new Int32Array(memory.buffer, 0, 2 ** 29);
    this.#bigWords = new BigUint64Array(memory.buffer, 0, 2 ** 28);
    this.#shared = shared;
  }

  /** Returns when all that was changed in a space up to now is on disk. Throws KV_DISK_FAILED, KV_SPACE_UNKNOWN. */
  written(space: FoundSpace): Promise<void> {
    const version = this.#bigWord(space.address + SPACE_VERSION);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waits.push({ space, version, resolve, reject });
    if (this.#waits.length === 1) void this.#watch();
    return promise;
  }

  async #watch(): Promise<void> {
    // A promise of Atomics keeps no process alive.
    const alive = setInterval(() => {}, NEVER_MS);
    Atomics.add(this.#shared, SHARED_WAITS, 1);
    for (;;) {
      // Before it looks: what comes afterwards changes it.
      const batches = Atomics.load(this.#shared, SHARED_BATCHES);
      this.#waits = this.#waits.filter((wait) => !this.#settle(wait));
      if (this.#waits.length === 0) break;
      endDoze(this.#words);
      const { value } = Atomics.waitAsync(this.#shared, SHARED_BATCHES, batches, LOOK_MS);
      await value;
    }
    Atomics.sub(this.#shared, SHARED_WAITS, 1);
    clearInterval(alive);
  }

  /** Whether a wait is over. */
  #settle({ space, version, resolve, reject }: Wait): boolean {
    if (!this.#table.isThere(space)) reject(spaceUnknown(space.name));
    else if (this.#bigWord(space.address + SPACE_DURABLE) >= version) resolve();
    else if (Atomics.load(this.#words, (space.address + SPACE_FAILED) >>> 2) !== 0 || this.#hasEnded) {
      reject(kvError(KV_DISK_FAILED, space.name));
    } else return false;
    return true;
  }

  get #hasEnded(): boolean {
    return Atomics.load(this.#shared, SHARED_ENDED) !== 0;
  }

  #bigWord(address: number): bigint {
    return Atomics.load(this.#bigWords, address >>> 3);
  }
}
