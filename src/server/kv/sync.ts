/** The host function `kv_sync`, as far as both of its forms have it in common: async-functions.ts and continuations.ts. */
import {
  EXECUTOR_SYNC_WAITS,
  SPACE_DURABLE,
  SPACE_FAILED,
  SPACE_FLAGS,
  SPACE_GENERATION,
  SPACE_IS_DURABLE,
  SPACE_VERSION,
} from '../../../core/layout.ts';
import { KV_DISK_FAILED, KV_NO_SUCH_SPACE, OK } from '../../../core/status.ts';
import { failed, type PrivLib } from '../privlib.ts';
import { endDoze } from './protocol.ts';

/** What an invocation waits for: all up to this version of a space. */
export interface SyncTarget {
  /** Of the words of the space. */
  readonly address: number;
  readonly generation: number;
  readonly version: bigint;
}

/** For one executor, on its thread. */
export class SpaceSync {
  readonly #words: Int32Array;
  readonly #bigWords: BigUint64Array;
  readonly #waits: number;
  readonly #privLib: PrivLib;

  constructor(memory: WebAssembly.Memory, privLib: PrivLib, control: number) {
    this.#privLib = privLib;
    this.#words = new Int32Array(memory.buffer, 0, 2 ** 29);
    this.#bigWords = new BigUint64Array(memory.buffer, 0, 2 ** 28);
    this.#waits = (control + EXECUTOR_SYNC_WAITS) >>> 2;
  }

  /** What has changed up to now in the space that a function means by a handle; or a status, where there is nothing to wait for. */
  target(handle: number, asker: number): SyncTarget | number {
    const address = this.#privLib.kvSpaceOf(handle, asker);
    if (failed(address)) return address;
    const generation = this.#word(address + SPACE_GENERATION);
    const target = { address, generation, version: this.#bigWord(address + SPACE_VERSION) };
    return this.status(target) ?? target;
  }

  /** How a wait has ended; undefined: it has not. */
  status({ address, generation, version }: SyncTarget): number | undefined {
    if (this.#word(address + SPACE_GENERATION) !== generation) return KV_NO_SUCH_SPACE;
    if ((this.#word(address + SPACE_FLAGS) & SPACE_IS_DURABLE) === 0) return OK;
    if (this.#bigWord(address + SPACE_DURABLE) >= version) return OK;
    return this.#word(address + SPACE_FAILED) === 0 ? undefined : KV_DISK_FAILED;
  }

  /** One invocation more waits. Look at its status afterwards: what the writer does from now on it says to this executor. */
  begin(): void {
    Atomics.add(this.#words, this.#waits, 1);
    endDoze(this.#words);
  }

  end(): void {
    Atomics.sub(this.#words, this.#waits, 1);
  }

  #word(address: number): number {
    return Atomics.load(this.#words, address >>> 2) >>> 0;
  }

  #bigWord(address: number): bigint {
    return Atomics.load(this.#bigWords, address >>> 3);
  }
}
