import { ArgBuf } from './argbuf';
import { refused } from './failure';
import { Status } from './status';

/** The most that an ArgBuf can hold. */
const LENGTH_MAX: i64 = 1 << 28;
/** What an ArgBuf takes at least, whatever its length. */
const CAPACITY_MIN: i32 = 128;

/** What TextWriter and JsonWriter share: an ArgBuf that is written from its start to its end and grows as needed. */
export abstract class Writer {
  private buffer: ArgBuf;
  /** The address of the next byte, and the end of the room there is. */
  protected at: usize;
  private end: usize;

  /** `capacity` is the bytes to have room for at first. A good guess saves moving what is written already. */
  constructor(capacity: i32) {
    const buffer = new ArgBuf(sizeClass(capacity));
    this.buffer = buffer;
    this.at = buffer.pointer;
    this.end = buffer.pointer + <usize>buffer.length;
  }

  /** How many bytes are written. */
  get length(): i32 {
    return <i32>(this.at - this.buffer.pointer);
  }

  /** The ArgBuf with what was written, its length set to that. The writer cannot be used any more. */
  argbuf(): ArgBuf {
    const buffer = this.buffer;
    const status = buffer.resize(this.length);
    if (status != Status.OK) refused('the length of an ArgBuf cannot be set', status);
    this.at = 0;
    this.end = 0;
    return buffer;
  }

  /** Makes room for `length` bytes more. */
  protected reserve(length: i64): void {
    if (<i64>(this.end - this.at) < length) this.grow(length);
  }

  private grow(more: i64): void {
    if (this.end == 0) throw new Error('this writer has given its ArgBuf away');
    const old = this.buffer;
    const written = this.length;
    const needed = <i64>written + more;
    if (needed > LENGTH_MAX) throw new RangeError('more than 256 MiB in one ArgBuf');
    const buffer = new ArgBuf(sizeClass(<i32>min(max(needed, (<i64>old.length) << 1), LENGTH_MAX)));
    memory.copy(buffer.pointer, old.pointer, written);
    old.free();
    this.buffer = buffer;
    this.at = buffer.pointer + <usize>written;
    this.end = buffer.pointer + <usize>buffer.length;
  }
}

/** The next power of two: what an ArgBuf of this length takes anyway. */
function sizeClass(length: i32): i32 {
  if (length <= CAPACITY_MIN) return CAPACITY_MIN;
  return 1 << (32 - clz(length - 1));
}
