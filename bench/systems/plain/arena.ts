/**
 * Memory of one invocation of a function that has a WebAssembly memory of its own with all others of its service. Nothing of it
 * is given back before the invocation ends, and then all at once. New ArgBufs are cleared, since functions rely on that.
 *
 *     context                       what the runtime of the function takes, upwards
 *     context + ARGBUFS_OFFSET      ArgBufs, upwards: HEADER_SIZE bytes, then the content
 */

export const ARENA_SIZE: number = 16 * 2 ** 20;
const ARGBUFS_OFFSET = 8 * 2 ** 20;
const HEADER_SIZE = 16;
/** Words before the address of an ArgBuf. */
const LENGTH_WORD = -4;
const CAPACITY_WORD = -3;
/** A version, of a value of the key-value store; two words. */
const VERSION_WORD = -2;
const ALIGNMENT = 64;
const CAPACITY_MIN = 128;

export class Arena {
  readonly context: number;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  #top: number;

  constructor(memory: ArrayBuffer, context: number) {
    this.context = context;
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.#top = context + ARGBUFS_OFFSET;
  }

  /** Address of a new ArgBuf, all zero, or 0 when there is no room. */
  allocate(length: number): number {
    const address = this.allocateDirty(length);
    if (address !== 0) this.#bytes.fill(0, address, address + length);
    return address;
  }

  /** The same for who writes all of it. */
  allocateDirty(length: number): number {
    const capacity = length <= CAPACITY_MIN ? CAPACITY_MIN : 2 ** (32 - Math.clz32(length - 1));
    const address = (this.#top + HEADER_SIZE + ALIGNMENT - 1) & -ALIGNMENT;
    const end = address + capacity;
    if (end > this.context + ARENA_SIZE) return 0;
    this.#top = end;
    const word = address >>> 2;
    this.#words[word + LENGTH_WORD] = length;
    this.#words[word + CAPACITY_WORD] = capacity;
    return address;
  }

  lengthOf(address: number): number {
    return this.#words[(address >>> 2) + LENGTH_WORD] ?? 0;
  }

  /** False beyond what it can hold. */
  resize(address: number, length: number): boolean {
    const word = address >>> 2;
    if (length > (this.#words[word + CAPACITY_WORD] ?? 0)) return false;
    const before = this.#words[word + LENGTH_WORD] ?? 0;
    if (length > before) this.#bytes.fill(0, address + before, address + length);
    this.#words[word + LENGTH_WORD] = length;
    return true;
  }

  setVersion(address: number, version: bigint): void {
    const word = (address >>> 2) + VERSION_WORD;
    this.#words[word] = Number(BigInt.asIntN(32, version));
    this.#words[word + 1] = Number(BigInt.asIntN(32, version >> 32n));
  }

  versionOf(address: number): bigint {
    const word = (address >>> 2) + VERSION_WORD;
    const low = BigInt.asUintN(32, BigInt(this.#words[word] ?? 0));
    return (BigInt(this.#words[word + 1] ?? 0) << 32n) | low;
  }

  /** For the next invocation. */
  reset(): void {
    this.#top = this.context + ARGBUFS_OFFSET;
  }
}

/** Arenas of a service; the one that was used last is used first. */
export class Arenas {
  readonly #memory: WebAssembly.Memory;
  readonly #first: number;
  readonly #free: Arena[] = [];
  #made = 0;

  /** Takes the memory behind what the module has. */
  constructor(memory: WebAssembly.Memory, count: number) {
    this.#memory = memory;
    this.#first = memory.buffer.byteLength;
    memory.grow((count * ARENA_SIZE) / 65536);
    for (; this.#made < count; this.#made++) {
      this.#free.push(new Arena(this.#memory.buffer, this.#first + (count - 1 - this.#made) * ARENA_SIZE));
    }
  }

  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  take(): Arena {
    const arena = this.#free.pop();
    if (arena === undefined) throw new Error('more invocations at a time than there are arenas');
    return arena;
  }

  give(arena: Arena): void {
    arena.reset();
    this.#free.push(arena);
  }
}
