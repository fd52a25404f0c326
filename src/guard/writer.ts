/** Writes the binary format into a buffer that grows up to a limit. */
import { opcodeParts } from './opcodes.ts';

const utf8 = new TextEncoder();

export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;
  readonly #limitBytes: number;
  readonly #onFull: () => Error;

  /** `onFull` makes the error that is thrown when more than `limitBytes` would be written. */
  constructor(initialBytes: number, limitBytes: number, onFull: () => Error) {
    this.#bytes = new Uint8Array(Math.min(initialBytes, limitBytes));
    this.#limitBytes = limitBytes;
    this.#onFull = onFull;
  }

  get length(): number {
    return this.#length;
  }

  /** What was written; a view that is valid until the next write. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Passes over `length` bytes, to be written later with `put`. */
  skip(length: number): void {
    if (length > this.#bytes.length - this.#length) this.#grow(length);
    this.#length += length;
  }

  /** Writes over what is there, at a position. */
  put(bytes: Uint8Array, at: number): void {
    if (at < 0 || at + bytes.length > this.#length) throw new RangeError('nothing is written there yet');
    this.#bytes.set(bytes, at);
  }

  clear(): void {
    this.#length = 0;
  }

  #grow(more: number): void {
    const needed = this.#length + more;
    if (needed > this.#limitBytes) throw this.#onFull();
    const bytes = new Uint8Array(Math.min(Math.max(needed, 2 * this.#bytes.length), this.#limitBytes));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
  }

  byte(byte: number): void {
    if (this.#length >= this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  /** Two bytes: most instructions that are emitted are of two. */
  pair(first: number, second: number): void {
    const at = this.#length;
    if (at + 2 > this.#bytes.length) this.#grow(2);
    this.#bytes[at] = first;
    this.#bytes[at + 1] = second;
    this.#length = at + 2;
  }

  /** An instruction of one byte with an index. */
  indexed(opcode: number, index: number): void {
    if (index >= 0 && index < 0x80) {
      this.pair(opcode, index);
      return;
    }
    this.byte(opcode);
    this.u32(index);
  }

  /** Unsigned LEB128, of the low 32 bits. */
  u32(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed LEB128, of the low 32 bits as i32. */
  s32(value: number): void {
    let rest = value | 0;
    while (rest < -64 || rest > 63) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.byte(rest & 0x7f);
  }

  bytes(bytes: Uint8Array): void {
    if (bytes.length > this.#bytes.length - this.#length) this.#grow(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** All that another writer has. */
  append(other: Writer): void {
    this.bytes(other.#bytes.subarray(0, other.#length));
  }

  /** A short piece of other bytes; faster than `bytes` below some 100 bytes. */
  slice(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > this.#bytes.length - this.#length) this.#grow(length);
    const target = this.#bytes;
    let to = this.#length;
    for (let from = start; from < end; from += 1) {
      target[to] = source[from] as number; // callers pass a range of source
      to += 1;
    }
    this.#length = to;
  }

  /** The number and the bytes of an instruction, without its immediates. */
  opcode(opcode: number): void {
    if (opcode < 0x100) {
      this.byte(opcode);
      return;
    }
    const [prefix, sub] = opcodeParts(opcode);
    this.byte(prefix);
    this.u32(sub);
  }

  name(name: string): void {
    const bytes = utf8.encode(name);
    this.u32(bytes.length);
    this.bytes(bytes);
  }
}
