/** How a thread with an executor of its own asks for keys of a space, in tests with several threads. */
import { HOME_FUNCTION } from '../core/layout.ts';
import { type AddressSpace, failed, instantiatePrivLib, type PrivLib } from '../src/server/privlib.ts';

const SCRATCH_BYTES = 4096;
const SECOND = 2048;

export class KvClient {
  readonly privLib: PrivLib;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly host: number;
  /** The host's, or 0. */
  #scratch = 0;

  constructor(space: AddressSpace, control: number) {
    this.privLib = instantiatePrivLib(space);
    this.bytes = new Uint8Array(space.memory.buffer);
    this.view = new DataView(space.memory.buffer);
    this.host = this.privLib.executorHost(control);
  }

  /** Where an asker has memory for keys, which is the host's for the host: a PD uses the start of its home. */
  scratchOf(asker: number, headerSize: number): readonly [pointer: number, address: number] {
    if (this.view.getUint32(asker + HOME_FUNCTION, true) !== 0) return [0, asker + headerSize];
    if (this.#scratch === 0) this.#scratch = this.privLib.vmaMap(SCRATCH_BYTES, this.host) >>> 0;
    return [this.#scratch, this.#scratch];
  }

  /** Gives back what the host has for keys. */
  close(): void {
    if (this.#scratch !== 0) this.privLib.vmaUnmap(this.#scratch, this.host);
    this.#scratch = 0;
  }

  #write(key: string): [address: number, length: number] {
    const [, address] = this.scratchOf(this.host, 0);
    for (let i = 0; i < key.length; i++) this.bytes[address + i] = key.charCodeAt(i);
    return [address, key.length];
  }

  /** All of these are the host's. An address, or a status. */
  get(space: number, key: string): number {
    return this.privLib.kvGet(space, ...this.#write(key), this.host) >>> 0;
  }

  /** A new VMA of the host's with so many words of 64 bits, all of this value. */
  value(content: bigint, words: number): number {
    const address = this.privLib.vmaMap(words * 8, this.host) >>> 0;
    if (failed(address)) throw new Error(`vmaMap: ${address}`);
    for (let i = 0; i < words; i++) this.view.setBigInt64(address + i * 8, content, true);
    return address;
  }

  /** The word that all of a held value is made of; throws where it is not one. */
  contentOf(address: number): { readonly content: bigint; readonly words: number } {
    const words = this.privLib.vmaLength(address, this.host) / 8;
    const content = this.view.getBigInt64(address, true);
    for (let i = 1; i < words; i++) {
      const other = this.view.getBigInt64(address + i * 8, true);
      if (other !== content) throw new Error(`word ${i} of a value is ${other}, and its first one ${content}`);
    }
    return { content, words };
  }

  /** Puts a value; gives it back where that fails. */
  put(space: number, key: string, content: bigint, words: number, expected = -1n, ttlMs = 0n): bigint {
    const value = this.value(content, words);
    const version = this.privLib.kvPut(space, ...this.#write(key), value, expected, ttlMs, this.host);
    if (version < 65536n) this.privLib.vmaUnmap(value, this.host);
    return version;
  }

  delete(space: number, key: string, expected = -1n): number {
    return this.privLib.kvDelete(space, ...this.#write(key), expected, this.host);
  }

  /** The sum, or a status as a number. */
  add(space: number, key: string, delta: bigint): bigint | number {
    const to = this.scratchOf(this.host, 0)[1] + SECOND;
    const status = this.privLib.kvAdd(space, ...this.#write(key), delta, to, this.host);
    return status === 0 ? this.view.getBigInt64(to, true) : status;
  }
}
