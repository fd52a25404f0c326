/**
 * Spaces as they stand in the address space, for any thread to read. The main thread alone makes and drops them (spaces.ts); a name is
 * looked up here without asking it.
 */

import {
  SPACE_BYTES,
  SPACE_BYTES_MAX,
  SPACE_DIRTY_BYTES,
  SPACE_EVICTIONS,
  SPACE_EXPIRATIONS,
  SPACE_EXPIRING,
  SPACE_FAILED,
  SPACE_FLAGS,
  SPACE_GENERATION,
  SPACE_HANDLE_FIRST,
  SPACE_IS_CACHE,
  SPACE_IS_DURABLE,
  SPACE_KEYS,
  SPACE_KEYS_MAX,
  SPACE_NAME,
  SPACE_NAME_LENGTH,
  SPACE_SIZE,
  SPACE_TABLE,
  SPACE_VERSION,
  SPACES_MAX,
  STRIPE_DELETES,
  STRIPE_GETS,
  STRIPE_HITS,
  STRIPE_PUTS,
} from '../../../core/layout.ts';
import type { PrivLib } from '../privlib.ts';
import { spaceUnknown } from './errors.ts';
import type { KvSpaceInfo } from './types.ts';

/** A space that was there when it was looked up. */
export interface FoundSpace {
  readonly name: string;
  readonly index: number;
  /** What names it to PrivLib. */
  readonly handle: number;
  /** Of its words. */
  readonly address: number;
  /** Another one, and it is gone. */
  readonly generation: number;
  readonly isDurable: boolean;
}

export class SpaceTable {
  readonly #privLib: PrivLib;
  readonly #words: Uint32Array;
  readonly #bigWords: BigUint64Array;
  readonly #bytes: Uint8Array;
  readonly #found = new Map<string, FoundSpace>();

  constructor(memory: WebAssembly.Memory, privLib: PrivLib) {
    this.#privLib = privLib;
    this.#words = new Uint32Array(memory.buffer, 0, 2 ** 29);
    this.#bigWords = new BigUint64Array(memory.buffer, 0, 2 ** 28);
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /** Throws KV_SPACE_UNKNOWN. */
  find(name: string): FoundSpace {
    const found = this.lookUp(name);
    if (found === undefined) throw spaceUnknown(name);
    return found;
  }

  lookUp(name: string): FoundSpace | undefined {
    const known = this.#found.get(name);
    if (known !== undefined && this.isThere(known)) return known;
    this.#found.delete(name);
    const found = this.list().find((space) => space.name === name);
    if (found !== undefined) this.#found.set(name, found);
    return found;
  }

  isThere({ address, generation }: FoundSpace): boolean {
    return Atomics.load(this.#words, (address + SPACE_GENERATION) >>> 2) === generation;
  }

  /** All spaces, by name. */
  list(): readonly FoundSpace[] {
    const spaces: FoundSpace[] = [];
    for (let index = 0; index < SPACES_MAX; index++) {
      const space = this.#read(index);
      if (space !== undefined) spaces.push(space);
    }
    return spaces.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Its name is written before its generation becomes an odd one; the second look is for one that was dropped meanwhile. */
  #read(index: number): FoundSpace | undefined {
    const address = SPACE_TABLE + index * SPACE_SIZE;
    const generation = Atomics.load(this.#words, (address + SPACE_GENERATION) >>> 2);
    if (generation % 2 === 0) return undefined;
    const nameAt = address + SPACE_NAME;
    const bytes = this.#bytes.slice(nameAt, nameAt + this.#word(address + SPACE_NAME_LENGTH));
    const isDurable = (this.#word(address + SPACE_FLAGS) & SPACE_IS_DURABLE) !== 0;
    const name = Buffer.from(bytes).toString('latin1');
    const space = { name, index, handle: SPACE_HANDLE_FIRST + index, address, generation, isDurable };
    return this.isThere(space) ? space : undefined;
  }

  /** The last one that was given out. */
  version({ address }: FoundSpace): bigint {
    return Atomics.load(this.#bigWords, (address + SPACE_VERSION) >>> 3);
  }

  /** Whether any of its keys expires. */
  hasExpiring({ address }: FoundSpace): boolean {
    return this.#word(address + SPACE_EXPIRING) > 0;
  }

  /** What is known of it but its users. */
  describe({ name, address }: FoundSpace): Omit<KvSpaceInfo, 'functions'> {
    const flags = this.#word(address + SPACE_FLAGS);
    const keysMax = this.#word(address + SPACE_KEYS_MAX);
    const bytesMax = this.#word(address + SPACE_BYTES_MAX);
    const isDurable = (flags & SPACE_IS_DURABLE) !== 0;
    return {
      name,
      durable: isDurable,
      cache: (flags & SPACE_IS_CACHE) !== 0,
      keysMax: keysMax === 0 ? null : keysMax,
      bytesMax: bytesMax === 0 ? null : bytesMax,
      keys: this.#word(address + SPACE_KEYS),
      bytes: this.#word(address + SPACE_BYTES),
      gets: Number(this.#privLib.kvCount(address, STRIPE_GETS)),
      hits: Number(this.#privLib.kvCount(address, STRIPE_HITS)),
      puts: Number(this.#privLib.kvCount(address, STRIPE_PUTS)),
      deletes: Number(this.#privLib.kvCount(address, STRIPE_DELETES)),
      evictions: this.#bigWord(address + SPACE_EVICTIONS),
      expirations: this.#bigWord(address + SPACE_EXPIRATIONS),
      unsavedBytes: isDurable ? this.#word(address + SPACE_DIRTY_BYTES) : 0,
      diskFailed: this.#word(address + SPACE_FAILED) !== 0,
    };
  }

  #word(address: number): number {
    return Atomics.load(this.#words, address >>> 2);
  }

  #bigWord(address: number): number {
    return Number(Atomics.load(this.#bigWords, address >>> 3));
  }
}
