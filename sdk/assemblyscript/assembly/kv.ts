import { ArgBuf } from './argbuf';
import { refused } from './failure';
import * as abi from './jord';
import { handOver } from './result';
import { isStatus, Status } from './status';
import { writeUtf8 } from './utf8';
import { View } from './view';

/** The most bytes of a key. No text has fewer bytes than UTF-16 units. */
const KEY_BYTES_MAX: i32 = 1024;
/** Versions are not below it, statuses are. */
const VERSION_MIN: i64 = 65536;
/** Where a value was that this function holds no longer: an address that is never given out. */
const GONE: usize = 0xff00_0000;

/**
 * A key-value space that the function's deployment names (`--kv carts:rw`). Its keys are 1 to 1,024 bytes (text as
 * UTF-8), its values 0 to 64 MiB.
 *
 *     const carts = Space.open('carts');
 *     const cart = carts.get('ada');
 *     if (cart == null) carts.put('ada', ArgBuf.text('[]'));
 *
 * Each method is one step for all who use the space: what it did, the next `get` of the key sees, wherever it runs. There
 * are no steps over several keys.
 */
export class Space {
  /** What the server calls it; means something to this function only. */
  private space: i32;
  private spaceName: string;

  private constructor(space: i32, name: string) {
    this.space = space;
    this.spaceName = name;
  }

  /** A space by its name. Stops the function when the deployment does not name it; see `tryOpen`. */
  static open(name: string): Space {
    const opened = openByName(name);
    if (isStatus(opened)) refused(whyNotOpen(name, <i32>opened), <i32>opened);
    return new Space(<i32>opened, name);
  }

  /** A space by its name, or null when the deployment does not name it. */
  static tryOpen(name: string): Space | null {
    const opened = openByName(name);
    return isStatus(opened) ? null : new Space(<i32>opened, name);
  }

  get name(): string {
    return this.spaceName;
  }

  /** The value of a key, in place; null when the key is not there. Stops the function when it fails otherwise. */
  get(key: string): Value | null {
    return this.getBytes(keyOf(key));
  }

  /** `get` with bytes as key. */
  getBytes(key: View): Value | null {
    const address = abi.kv_get(this.space, key.pointer, key.length);
    if (!isStatus(address)) return new Value(address, abi.argbuf_length(address));
    if (<i32>address != Status.KV_NO_SUCH_KEY) this.refuse('get', <i32>address);
    return null;
  }

  /**
   * Sets a key to an ArgBuf, which moves into the store: nothing is copied, and this function cannot use it any more.
   * Returns the new version, or a status (below 65,536); then the ArgBuf is still here. After `ttlMs` milliseconds the key
   * is gone by itself; 0 is never.
   */
  put(key: string, value: ArgBuf, ttlMs: i64 = 0): i64 {
    return this.putBytes(keyOf(key), value, -1, ttlMs);
  }

  /**
   * `put` if the key still has the version `expected`, or, with 0, if it is not there. KV_CONFLICT otherwise: get it anew,
   * and try again.
   */
  putIf(key: string, value: ArgBuf, expected: i64, ttlMs: i64 = 0): i64 {
    return this.putBytes(keyOf(key), value, expected, ttlMs);
  }

  /** `put` and `putIf` with bytes as key; with `expected` -1 whatever is there. */
  putBytes(key: View, value: ArgBuf, expected: i64 = -1, ttlMs: i64 = 0): i64 {
    const version = abi.kv_put(this.space, key.pointer, key.length, handOver(value), expected, ttlMs);
    if (isVersion(version)) value.gone();
    return version;
  }

  /** Removes a key; with `expected`, if it has that version. A status: KV_NO_SUCH_KEY when it is not there. */
  delete(key: string, expected: i64 = -1): i32 {
    return this.deleteBytes(keyOf(key), expected);
  }

  /** `delete` with bytes as key. */
  deleteBytes(key: View, expected: i64 = -1): i32 {
    return abi.kv_delete(this.space, key.pointer, key.length, expected);
  }

  /**
   * Adds to a counter and returns the sum, which wraps as `i64` does. A key that is not there counts as 0. What fails stops
   * the function, such as a value that is no counter (8 bytes, little-endian); see `tryAdd`.
   */
  add(key: string, delta: i64 = 1): i64 {
    return this.addBytes(keyOf(key), delta);
  }

  /** `add` with bytes as key. */
  addBytes(key: View, delta: i64 = 1): i64 {
    const status = this.tryAddBytes(key, delta);
    if (status != Status.OK) this.refuse('add', status);
    return this.sum;
  }

  /** `add` that returns a status; when it is Status.OK, `sum` has the sum. */
  tryAdd(key: string, delta: i64 = 1): i32 {
    return this.tryAddBytes(keyOf(key), delta);
  }

  /** `tryAdd` with bytes as key. */
  tryAddBytes(key: View, delta: i64 = 1): i32 {
    return abi.kv_add(this.space, key.pointer, key.length, delta, SUM);
  }

  /** What the last successful `add` or `tryAdd` of this function came to, in whichever space. */
  get sum(): i64 {
    return load<i64>(SUM);
  }

  /** Says when a key is to go by itself: in `ttlMs` milliseconds, never with 0. A status: KV_NO_SUCH_KEY when it is not there. */
  expire(key: string, ttlMs: i64): i32 {
    return this.expireBytes(keyOf(key), ttlMs);
  }

  /** `expire` with bytes as key. */
  expireBytes(key: View, ttlMs: i64): i32 {
    return abi.kv_expire(this.space, key.pointer, key.length, ttlMs);
  }

  /**
   * The keys that begin with `prefix` and come behind `after`, in the order of their bytes: as many as 64 KiB hold, and
   * `limit` (1 to 10,000) at most. For the next page, `after` is `lastKey` of this one.
   */
  list(prefix: string, after: string = '', limit: i32 = 1000): KeyPage {
    const prefixKey = keyOf(prefix);
    // The key of the prefix is in the scratch memory.
    const afterText = heap.alloc(<usize>after.length * 3 + 1);
    const afterKey = new View(afterText, <i32>(writeUtf8(after, afterText) - afterText));
    const page = this.listBytes(prefixKey, afterKey, limit);
    heap.free(afterText);
    return page;
  }

  /** `list` with bytes as prefix and cursor; an empty view as `after` is the begin. */
  listBytes(prefix: View, after: View, limit: i32 = 1000): KeyPage {
    const page = abi.kv_list(this.space, prefix.pointer, prefix.length, after.pointer, after.length, limit);
    if (isStatus(page)) this.refuse('list', <i32>page);
    return new KeyPage(ArgBuf.over(page, abi.argbuf_length(page)));
  }

  /**
   * Waits until all that was changed in the space so far is on disk; the server does other work meanwhile. A status, OK
   * at once where the space is a memory space.
   */
  sync(): i32 {
    return abi.kv_sync(this.space);
  }

  private refuse(operation: string, status: i32): void {
    const what =
      status == Status.NOT_ALLOWED
        ? `the deployment allows to read the space ${this.spaceName} only (--kv ${this.spaceName}:rw)`
        : `${operation} of the space ${this.spaceName}`;
    refused(what, status);
  }
}

/**
 * A value of the store, in place, for reading only. It stays as it is, also when its key is put anew or deleted, until it
 * is released or the invocation ends. Writing into it is a memory fault, and it cannot be given away: `ArgBuf.copy` makes
 * a copy of it, `Response.bytes` a response.
 */
export class Value extends View {
  /** Which of the space's changes made it: what `putIf` and `delete` expect. 0 once it is released. */
  get version(): i64 {
    return abi.kv_version(this.start);
  }

  /**
   * Gives it up before the invocation ends, which only matters to those that get many. The same version that was got twice
   * is one value: it is given up with either.
   */
  release(): void {
    if (this.start == GONE) return;
    abi.kv_release(this.start);
    this.start = GONE;
    this.size = 0;
  }

  // The compiler does not find the operators of a base class where it infers a type; see ArgBuf.
  @operator('[]')
  valueByteAt(index: i32): u8 {
    return this.byteAt(index);
  }

  @operator('{}')
  uncheckedValueByteAt(index: i32): u8 {
    return this.uncheckedByteAt(index);
  }
}

/** What is known of a key in a page of `kv_list`, by byte offset; the key itself follows. */
const VERSION: i32 = 0;
const TTL: i32 = 8;
const VALUE_LENGTH: i32 = 16;
const KEY_LENGTH: i32 = 20;
const KEY: i32 = 24;

/** A part of the keys of a space, as `list` found them; the entries are in the order of the keys' bytes. */
export class KeyPage {
  /** There are further keys. */
  readonly more: bool;
  private buffer: ArgBuf;
  /** Where each entry begins. */
  private offsets: StaticArray<i32>;

  /** What `kv_list` of the ABI returned. */
  constructor(buffer: ArgBuf) {
    const count = buffer.load<i32>(0);
    const offsets = new StaticArray<i32>(count);
    let offset: i32 = 8;
    for (let i = 0; i < count; i++) {
      offsets[i] = offset;
      offset += (KEY + buffer.load<i32>(offset + KEY_LENGTH) + 7) & ~7;
    }
    this.buffer = buffer;
    this.offsets = offsets;
    this.more = buffer.load<u32>(4) != 0;
  }

  /** How many keys. */
  get length(): i32 {
    return this.offsets.length;
  }

  /** A key as text. */
  key(index: i32): string {
    return this.keyBytes(index).text();
  }

  /** A key, in place. */
  keyBytes(index: i32): View {
    const offset = this.offsets[index] + KEY;
    return this.buffer.slice(offset, offset + this.field<i32>(index, KEY_LENGTH));
  }

  /** The version that its value had. */
  version(index: i32): i64 {
    return this.field<i64>(index, VERSION);
  }

  /** The length of its value in bytes. */
  valueLength(index: i32): i32 {
    return this.field<i32>(index, VALUE_LENGTH);
  }

  /** In how many milliseconds it was to go by itself; 0 is never. */
  ttlMs(index: i32): i64 {
    return this.field<i64>(index, TTL);
  }

  /** The last key, behind which the next page begins; an empty text where there is none. */
  get lastKey(): string {
    return this.length == 0 ? '' : this.key(this.length - 1);
  }

  /** Gives its memory up: nothing of it can be used any more. */
  free(): i32 {
    return this.buffer.free();
  }

  private field<T>(index: i32, offset: i32): T {
    return this.buffer.load<T>(this.offsets[index] + offset);
  }
}

/** Where `add` has the sum written to. */
const SUM: usize = memory.data(8, 8);
/** Where the key of the operation under way is. None is longer, and none is read after its operation. */
const KEY_SCRATCH: usize = memory.data(3 * KEY_BYTES_MAX);
/** A key that is too long, whatever its bytes. */
const TOO_LONG: i32 = KEY_BYTES_MAX + 1;

/** The bytes of a key, until the next one is asked for. */
function keyOf(key: string): View {
  if (key.length > KEY_BYTES_MAX) return new View(KEY_SCRATCH, TOO_LONG);
  return new View(KEY_SCRATCH, <i32>(writeUtf8(key, KEY_SCRATCH) - KEY_SCRATCH));
}

function openByName(name: string): usize {
  const text = heap.alloc(<usize>name.length * 3 + 1);
  const opened = abi.kv_open(text, <i32>(writeUtf8(name, text) - text));
  heap.free(text);
  return opened;
}

function whyNotOpen(name: string, status: i32): string {
  return status == Status.NOT_ALLOWED
    ? `the deployment does not name the space ${name} (--kv ${name}:rw)`
    : `cannot open the space ${name}`;
}

/** What `kv_put` returned is a version rather than a status. */
function isVersion(returned: i64): bool {
  return returned >= VERSION_MIN;
}
