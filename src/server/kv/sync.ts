/** The host function `kv_sync`, as far as both of its forms have it in common: async-functions.ts and continuations.ts. */
import {
  EXECUTOR_SYNC_WAITS,
  FUNCTION_SIZE,
  FUNCTION_TABLE,
  GENERATION_MASK,
  HOME_FUNCTION,
  KV_BINDINGS,
  KV_BINDINGS_MAX,
  KV_BINDINGS_SIZE,
  SPACE_DURABLE,
  SPACE_FAILED,
  SPACE_FLAGS,
  SPACE_GENERATION,
  SPACE_HANDLE_FIRST,
  SPACE_IS_DURABLE,
  SPACE_SIZE,
  SPACE_TABLE,
  SPACE_VERSION,
  SPACES_MAX,
} from '../../../core/layout.ts';
import { KV_DISK_FAILED, KV_NO_SUCH_SPACE, NOT_ALLOWED, OK } from '../../../core/status.ts';
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

  constructor(memory: WebAssembly.Memory, control: number) {
    this.#words = new Int32Array(memory.buffer, 0, 2 ** 29);
    this.#bigWords = new BigUint64Array(memory.buffer, 0, 2 ** 28);
    this.#waits = (control + EXECUTOR_SYNC_WAITS) >>> 2;
  }

  /** What has changed up to now in the space that a function means by a handle; or a status, where there is nothing to wait for. */
  target(handle: number, asker: number): SyncTarget | number {
    const slot = (handle >>> 0) - SPACE_HANDLE_FIRST;
    if (slot < 0 || slot >= KV_BINDINGS_MAX) return NOT_ALLOWED;
    const index = (this.#word(asker + HOME_FUNCTION) - FUNCTION_TABLE) / FUNCTION_SIZE;
    // generation, index and rights: core/kv-space.ts.
    const binding = this.#word(KV_BINDINGS + index * KV_BINDINGS_SIZE + slot * 4);
    if (binding === 0) return NOT_ALLOWED;
    const address = SPACE_TABLE + ((binding >>> 2) & (SPACES_MAX - 1)) * SPACE_SIZE;
    const target = { address, generation: binding >>> 9, version: this.#bigWord(address + SPACE_VERSION) };
    return this.status(target) ?? target;
  }

  /** How a wait has ended; undefined: it has not. */
  status({ address, generation, version }: SyncTarget): number | undefined {
    if ((this.#word(address + SPACE_GENERATION) & GENERATION_MASK) !== generation) return KV_NO_SUCH_SPACE;
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
