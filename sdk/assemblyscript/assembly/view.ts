import { equalsUtf8, MALFORMED, nextCodePoint, readUtf8 } from './utf8';

/**
 * Bytes in place: an address and a length. A view owns nothing and copies nothing, and making one costs an allocation
 * of a few words at most.
 *
 * All methods check their bounds and stop the function with a log line when an index is outside. For tight loops take
 * `pointer` and `load<T>` of AssemblyScript: the server keeps the function within its memory in any case. A view of an
 * ArgBuf that was freed, or moved away by a call, cannot be used any more: touching it is a memory fault.
 */
export class View {
  /** For editors, which do not know of the operators below. */
  [key: number]: u8;

  protected start: usize;
  protected size: i32;

  constructor(pointer: usize, length: i32) {
    this.start = pointer;
    this.size = length;
  }

  /** The bytes of an array. */
  static of(bytes: Uint8Array): View {
    return new View(bytes.dataStart, bytes.length);
  }

  /** The address of the first byte. Of an empty view: 0 or any other address. */
  get pointer(): usize {
    return this.start;
  }

  /** In bytes. */
  get length(): i32 {
    return this.size;
  }

  /** There are no bytes. */
  get isEmpty(): bool {
    return this.size == 0;
  }

  /** `view[index]`: a byte. `unchecked(view[index])` does not look at the bounds. */
  @operator('[]')
  byteAt(index: i32): u8 {
    if (<u32>index >= <u32>this.size) throw new RangeError('index out of range');
    return load<u8>(this.start + <usize>index);
  }

  @operator('{}')
  uncheckedByteAt(index: i32): u8 {
    return load<u8>(this.start + <usize>index);
  }

  /** A little-endian number at a byte offset, aligned or not: `view.load<u32>(4)`. */
  load<T>(offset: i32): T {
    return load<T>(this.at(offset, sizeof<T>()));
  }

  /** A part, as a view of the same bytes: from `start` to before `end`. */
  slice(start: i32, end: i32 = this.size): View {
    if (<u32>end > <u32>this.size || <u32>start > <u32>end) throw new RangeError('slice out of range');
    return new View(this.start + <usize>start, end - start);
  }

  /** The bytes as text. What is not UTF-8 becomes U+FFFD. Takes two bytes of memory for each byte. */
  text(): string {
    return readUtf8(this.start, this.size);
  }

  /** A copy that is the function's own. */
  bytes(): Uint8Array {
    const copy = new Uint8Array(this.size);
    memory.copy(copy.dataStart, this.start, this.size);
    return copy;
  }

  /** The bytes are just the UTF-8 form of `text`. Allocates nothing. */
  is(text: string): bool {
    return equalsUtf8(this.start, this.size, text);
  }

  /** Both have the same bytes. */
  equals(other: View): bool {
    return this.size == other.size && memory.compare(this.start, other.start, this.size) == 0;
  }

  /** Where `byte` is first found, from `from` on; -1 when it is not there. */
  indexOf(byte: u8, from: i32 = 0): i32 {
    const start = this.start;
    for (let i = max(from, 0); i < this.size; i++) {
      if (load<u8>(start + <usize>i) == byte) return i;
    }
    return -1;
  }

  /** The bytes are well-formed UTF-8. */
  isUtf8(): bool {
    const end = this.start + <usize>this.size;
    for (let at = this.start; at < end; ) {
      if (at + 8 <= end && (load<u64>(at) & 0x8080_8080_8080_8080) == 0) {
        at += 8;
        continue;
      }
      const packed = nextCodePoint(at, end);
      if ((packed & MALFORMED) != 0) return false;
      at += packed & 7;
    }
    return true;
  }

  /** The address of `size` bytes at `offset`, which must all be inside. */
  protected at(offset: i32, size: usize): usize {
    if (<u32>offset > <u32>this.size || <usize>(this.size - offset) < size) throw new RangeError('offset out of range');
    return this.start + <usize>offset;
  }
}

/** Reads the characters of UTF-8 text one by one, in place. */
export class CodePoints {
  private at: usize;
  private end: usize;
  /** The last character was malformed UTF-8, read as U+FFFD. */
  malformed: bool = false;

  constructor(text: View) {
    this.at = text.pointer;
    this.end = text.pointer + <usize>text.length;
  }

  /** Begins again with other text, which saves a new object where there is much of it. */
  restart(pointer: usize, length: i32): this {
    this.at = pointer;
    this.end = pointer + <usize>length;
    this.malformed = false;
    return this;
  }

  /** The address of the next character. */
  get pointer(): usize {
    return this.at;
  }

  /** The next code point, or -1 at the end. */
  next(): i32 {
    if (this.at >= this.end) return -1;
    const packed = nextCodePoint(this.at, this.end);
    this.at += packed & 7;
    this.malformed = (packed & MALFORMED) != 0;
    return <i32>((packed & ~MALFORMED) >> 3);
  }
}
