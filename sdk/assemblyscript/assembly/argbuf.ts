import { refused } from './failure';
import * as abi from './jord';
import { isStatus, Status } from './status';
import { utf8Length, writeUtf8 } from './utf8';
import { View } from './view';

/** Where an ArgBuf points that this function has no longer: an address that is never given out. */
const GONE: usize = 0xff00_0000;
const NOT_HERE: string = 'this ArgBuf was freed or given away';

/**
 * A request or response that moves between functions without being copied: bytes at an address of 2 GiB or more which
 * just one function may touch at a time. An empty ArgBuf has address 0 and holds no memory.
 *
 * The function that made one, or got it as request or response, owns it. `call` gives it to the callee, returning it
 * from `handle` gives it to the caller, `free` gives it up; what is still owned at the end is freed by the server.
 */
export class ArgBuf extends View {
  /** A new one of `length` bytes, all zero. Stops the function when there is no memory for it; see `tryNew`. */
  constructor(length: i32) {
    super(0, 0);
    const status = this.allocate(length);
    if (status != Status.OK) refused('no memory for an ArgBuf', status);
  }

  /** A new one, or null when it is too large or no memory is left. */
  static tryNew(length: i32): ArgBuf | null {
    const made = new ArgBuf(0);
    return made.allocate(length) == Status.OK ? made : null;
  }

  /** A new one with the UTF-8 form of `text`. */
  static text(text: string): ArgBuf {
    const made = new ArgBuf(utf8Length(text));
    writeUtf8(text, made.start);
    return made;
  }

  /** A new one with a copy of `bytes`. */
  static copy(bytes: View): ArgBuf {
    const made = new ArgBuf(bytes.length);
    memory.copy(made.start, bytes.pointer, bytes.length);
    return made;
  }

  /** The one that starts at `pointer`, such as one that another ArgBuf points to; null when it is not this function's. */
  static at(pointer: usize): ArgBuf | null {
    const length = abi.argbuf_length(pointer);
    return length < 0 ? null : ArgBuf.over(pointer, length);
  }

  /** An ArgBuf whose address and length are known, as `handle` is told. Checks nothing. */
  static over(pointer: usize, length: i32): ArgBuf {
    const made = new ArgBuf(0);
    made.start = pointer;
    made.size = length;
    return made;
  }

  /** This function still has it: it was not freed and not given away. */
  get isHere(): bool {
    return this.start != GONE;
  }

  // The compiler does not find the operators of a base class where it infers a type, as in
  // `out.integer(buffer[0])`; under their own names, since overriding would make them virtual.
  @operator('[]')
  argBufByteAt(index: i32): u8 {
    return this.byteAt(index);
  }

  @operator('{}')
  uncheckedArgBufByteAt(index: i32): u8 {
    return this.uncheckedByteAt(index);
  }

  @operator('[]=')
  setByteAt(index: i32, value: u8): void {
    if (<u32>index >= <u32>this.size) throw new RangeError('index out of range');
    store<u8>(this.start + <usize>index, value);
  }

  @operator('{}=')
  uncheckedSetByteAt(index: i32, value: u8): void {
    store<u8>(this.start + <usize>index, value);
  }

  /** Writes a little-endian number at a byte offset, aligned or not: `buffer.store<u32>(4, 7)`. */
  store<T>(offset: i32, value: T): void {
    store<T>(this.at(offset, sizeof<T>()), value);
  }

  /** Copies `source` to a byte offset. */
  set(source: View, offset: i32 = 0): void {
    memory.copy(this.at(offset, source.length), source.pointer, source.length);
  }

  /**
   * Changes the length. What it can grow to is the power of two, 128 or more, that held its first length; beyond that
   * the status is TOO_LARGE and nothing changes. Bytes that are new are zero.
   */
  resize(length: i32): i32 {
    if (this.start == GONE) throw new Error(NOT_HERE);
    if (length == this.size) return Status.OK;
    if (length == 0) {
      const status = this.free();
      if (status == Status.OK) this.start = 0;
      return status;
    }
    if (this.size == 0) return this.allocate(length);
    const status = abi.argbuf_resize(this.start, length);
    if (status == Status.OK) this.size = length;
    return status;
  }

  /** Gives it up: its memory is free for others, and this object cannot be used any more. */
  free(): i32 {
    if (this.size == 0) return Status.OK;
    const status = abi.argbuf_free(this.start);
    if (status == Status.OK) this.gone();
    return status;
  }

  /** Says what this function itself may do with it from now on: 0 nothing, 1 read, 3 read and write. */
  protect(permission: i32): i32 {
    return this.size == 0 ? Status.OK : abi.argbuf_protect(this.start, permission);
  }

  /** For `call`: what to hand over (0 for an empty one). */
  get handOver(): usize {
    if (this.start == GONE) throw new Error(NOT_HERE);
    return this.size == 0 ? 0 : this.start;
  }

  /** For `call`: another function has it now. A later use by mistake is a memory fault. */
  gone(): void {
    if (this.size == 0) return;
    this.start = GONE;
    this.size = 0;
  }

  private allocate(length: i32): i32 {
    if (length == 0) return Status.OK;
    const address = abi.argbuf_new(length);
    if (isStatus(address)) return <i32>address;
    this.start = address;
    this.size = length;
    return Status.OK;
  }
}
