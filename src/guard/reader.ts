/** Reads the binary format. Everything is checked: no read goes past `end`, no number is longer than it may be. */
import { malformed } from './errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Offsets in errors are those of `bytes`, which is the whole module. */
export class Reader {
  readonly bytes: Uint8Array;
  position: number;
  readonly end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    if (start > end || end > bytes.length) throw malformed('a part ends behind its surroundings', start);
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  get atEnd(): boolean {
    return this.position >= this.end;
  }

  byte(): number {
    if (this.position >= this.end) throw malformed('unexpected end', this.position);
    const byte = this.bytes[this.position] as number; // within bounds: end <= bytes.length
    this.position += 1;
    return byte;
  }

  /** An unsigned LEB128 number below 2^32. */
  u32(): number {
    const first = this.byte();
    return first < 0x80 ? first : this.#u32Rest(first);
  }

  #u32Rest(first: number): number {
    let result = first & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.byte();
      result |= (byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
    const last = this.byte();
    if (last > 0x0f) throw malformed('a number is too long', this.position - 1);
    return (result | (last << 28)) >>> 0;
  }

  /** A signed LEB128 number of 32 bits. */
  s32(): number {
    let result = 0;
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x07 && (byte < 0x78 || byte > 0x7f)) {
        throw malformed('a number is too long', this.position - 1);
      }
      result |= (byte & 0x7f) << shift;
      if (byte < 0x80) return shift < 28 ? (result << (25 - shift)) >> (25 - shift) : result;
    }
    throw malformed('a number is too long', this.position);
  }

  /** Passes over a signed LEB128 number of at most `bits` bits. */
  skipSigned(bits: number): void {
    const most = Math.ceil(bits / 7);
    for (let i = 0; i < most; i += 1) {
      if (this.byte() < 0x80) return;
    }
    throw malformed('a number is too long', this.position);
  }

  skip(length: number): void {
    if (length > this.end - this.position) throw malformed('unexpected end', this.end);
    this.position += length;
  }

  /** A view of the next bytes, not a copy. */
  take(length: number): Uint8Array {
    const start = this.position;
    this.skip(length);
    return this.bytes.subarray(start, this.position);
  }

  /** A reader of the next `length` bytes, which this one passes over. */
  part(length: number): Reader {
    const start = this.position;
    this.skip(length);
    return new Reader(this.bytes, start, this.position);
  }

  name(): string {
    const start = this.position;
    try {
      return utf8.decode(this.take(this.u32()));
    } catch (error) {
      if (error instanceof TypeError) throw malformed('a name is not UTF-8', start);
      throw error;
    }
  }
}
