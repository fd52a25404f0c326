/**
 * Names that guests pass by address become strings here. Making a string of bytes takes longer than a nested call, so the
 * strings are kept: a name that came before costs a hash over its bytes and a comparison.
 */

interface Entry {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** When more different names come, all are forgotten: what a hostile guest can make of this stays small. */
const ENTRIES_MAX = 1024;
/** FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export class NameCache {
  readonly #memory: Uint8Array;
  /** By hash; of two names with the same hash the later one stays. */
  readonly #entries = new Map<number, Entry>();

  constructor(memory: Uint8Array) {
    this.#memory = memory;
  }

  /** The bytes as Latin-1, which is what names of functions and of HTTP fields are. The range must have been checked. */
  read(address: number, length: number): string {
    const hash = this.#hash(address, length);
    const entry = this.#entries.get(hash);
    if (entry !== undefined && this.#isSame(entry.bytes, address, length)) return entry.text;
    const bytes = new Uint8Array(this.#memory.subarray(address, address + length));
    const text = Buffer.from(bytes.buffer).toString('latin1');
    if (this.#entries.size >= ENTRIES_MAX) this.#entries.clear();
    this.#entries.set(hash, { bytes, text });
    return text;
  }

  #hash(address: number, length: number): number {
    const memory = this.#memory;
    let hash = FNV_OFFSET;
    for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (memory[address + i] ?? 0), FNV_PRIME);
    return hash;
  }

  #isSame(bytes: Uint8Array, address: number, length: number): boolean {
    if (bytes.length !== length) return false;
    for (let i = 0; i < length; i++) if (bytes[i] !== this.#memory[address + i]) return false;
    return true;
  }
}
