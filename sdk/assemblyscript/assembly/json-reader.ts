import { parseDecimal } from './decimal';
import { JSON_DEPTH_MAX } from './json-writer';
import { equalsUtf8, MALFORMED, nextCodePoint, readUtf8, writeCodePoint } from './utf8';
import { View } from './view';

/** What a value is, before it is read. */
export enum JsonKind {
  /** No value: the end of the text, something that cannot begin a value, or a reader that failed. */
  NONE = 0,
  OBJECT = 1,
  ARRAY = 2,
  STRING = 3,
  NUMBER = 4,
  BOOLEAN = 5,
  NULL = 6,
}

const BYTES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/**
 * Reads JSON (RFC 8259) in place, value by value, and allocates nothing but the strings that are asked for.
 *
 *     const json = new JsonReader(request);
 *     json.enterObject();
 *     while (json.nextKey()) {
 *       if (json.keyIs("name")) name = json.string();
 *       else if (json.keyIs("tags")) {
 *         json.enterArray();
 *         while (json.nextItem()) tags.push(json.string());
 *       }
 *     }
 *     if (!json.end()) return Response.text(json.message).status(400);
 *
 * What is not read is skipped (and checked all the same). The first error stays: from then on every `next…` is false
 * and every value is zero or empty, so that one look at `end()` is enough. A loop over an object or array must run to
 * its end. Strict: no comments, no trailing commas, well-formed UTF-8, no lone surrogates, at most 64 levels, and
 * nothing behind the value. That a key occurs twice is not noticed; each is read.
 */
export class JsonReader {
  private start: usize;
  private at: usize;
  private limit: usize;
  private failure: string | null = null;
  private failedAt: usize = 0;
  /** Where the value read last began. */
  private valueAt: usize;
  private depth: i32 = 0;
  /** A bit for each level: 1 an object, 0 an array. */
  private objects: u64 = 0;
  /** A value is due at `at`, perhaps behind white space. */
  private due: bool = true;
  /** The object or array has just been entered: no comma comes before what is next. */
  private first: bool = false;
  /** The string read last: what is between its quotes, and whether there are escapes in it. */
  private textAt: usize = 0;
  private textLength: i32 = 0;
  private textEscaped: bool = false;

  constructor(text: View) {
    this.start = text.pointer;
    this.at = text.pointer;
    this.valueAt = text.pointer;
    this.limit = text.pointer + <usize>text.length;
  }

  /** Nothing was wrong so far. */
  get ok(): bool {
    return this.failure == null;
  }

  /** What is wrong, and at which byte (from 0); "" when nothing is. */
  get message(): string {
    const failure = this.failure;
    return failure == null ? '' : `${failure} at byte ${this.failedAt - this.start}`;
  }

  /** Fails with a reason of the application's own, at the value read last: "quantity must be 1 to 99". */
  refuse(reason: string): void {
    this.failAt(reason, this.valueAt);
  }

  /** What the next value is. Does not read it. */
  kind(): JsonKind {
    const byte = this.peek();
    if (byte == 0x7b) return JsonKind.OBJECT;
    if (byte == 0x5b) return JsonKind.ARRAY;
    if (byte == 0x22) return JsonKind.STRING;
    if (byte == 0x2d || (byte >= 0x30 && byte <= 0x39)) return JsonKind.NUMBER;
    if (byte == 0x74 || byte == 0x66) return JsonKind.BOOLEAN;
    return byte == 0x6e ? JsonKind.NULL : JsonKind.NONE;
  }

  /** Reads `{`. Then `nextKey` goes from member to member. */
  enterObject(): bool {
    return this.enter(0x7b, 1, 'an object is expected');
  }

  /** Reads `[`. Then `nextItem` goes from item to item. */
  enterArray(): bool {
    return this.enter(0x5b, 0, 'an array is expected');
  }

  /** Goes to the next member and reads its key; false behind the last one, when the object is left. */
  nextKey(): bool {
    if (!this.toNext(1, 0x7d)) return false;
    if (this.here() != 0x22) return this.fail('a key is expected');
    if (!this.scanString()) return false;
    this.skipSpace();
    if (this.here() != 0x3a) return this.fail('a colon is expected');
    this.at++;
    this.due = true;
    return true;
  }

  /** Goes to the next item; false behind the last one, when the array is left. */
  nextItem(): bool {
    if (!this.toNext(0, 0x5d)) return false;
    this.due = true;
    return true;
  }

  /** The key is `name`. Ask before reading the value. Allocates nothing unless the key has escapes. */
  keyIs(name: string): bool {
    if (this.failure != null) return false;
    if (!this.textEscaped) return equalsUtf8(this.textAt, this.textLength, name);
    return this.key() == name;
  }

  /** The key. Ask before reading the value. */
  key(): string {
    return this.failure == null ? this.decoded() : '';
  }

  string(): string {
    return this.readString() ? this.decoded() : '';
  }

  /** A string as UTF-8: in place when it has no escapes. */
  utf8(): View {
    if (!this.readString()) return new View(0, 0);
    if (!this.textEscaped) return new View(this.textAt, this.textLength);
    const copy = heap.alloc(this.textLength);
    return new View(copy, <i32>(this.unescape(copy) - copy));
  }

  /** A whole number that T can hold, written without fraction and exponent: `json.integer<i32>()`. */
  integer<T>(): T {
    if (!isInteger<T>()) ERROR('an integer type is expected');
    if (!this.scanNumber()) return <T>0;
    let at = this.valueAt;
    const negative = load<u8>(at) == 0x2d;
    if (negative) at++;
    const limit = limitOf<T>(negative);
    let value: u64 = 0;
    for (; at < this.at; at++) {
      const digit: u64 = <u32>load<u8>(at) - 0x30;
      if (digit > 9 || value > limit / 10 || (value == limit / 10 && digit > limit % 10)) {
        this.failAt(digit > 9 ? 'a whole number is expected' : 'the number is out of range', this.valueAt);
        return <T>0;
      }
      value = value * 10 + digit;
    }
    return negative ? <T>(0 - value) : <T>value;
  }

  /** Any number, as the f64 that is nearest to it. */
  number(): f64 {
    if (!this.scanNumber()) return 0;
    const negative = load<u8>(this.valueAt) == 0x2d;
    const value = parseDecimal(negative ? this.valueAt + 1 : this.valueAt, this.at);
    if (value == Infinity) {
      this.failAt('the number is out of range', this.valueAt);
      return 0;
    }
    return negative ? -value : value;
  }

  boolean(): bool {
    const byte = this.begin();
    if (byte == 0x74) return this.literal(0x65757274, 4);
    if (byte == 0x66) {
      // "false" is compared from its second letter, so that it is four bytes, too.
      this.at++;
      this.literal(0x65736c61, 4);
      return false;
    }
    this.fail('true or false is expected');
    return false;
  }

  /** Reads a null if the next value is one; otherwise reads nothing. */
  null(): bool {
    if (this.peek() != 0x6e) return false;
    this.begin();
    return this.literal(0x6c6c756e, 4);
  }

  /** Reads over a value, whatever it is. */
  skip(): void {
    const depth = this.depth;
    this.skipOne();
    while (this.failure == null && this.depth > depth) {
      if ((this.objects & 1) != 0 ? this.nextKey() : this.nextItem()) this.skipOne();
    }
  }

  /** The text is read to its end and all was right. */
  end(): bool {
    if (this.failure != null) return false;
    if (this.due) this.skip();
    if (this.failure != null) return false;
    if (this.depth != 0) return this.fail('an object or array was not read to its end');
    this.skipSpace();
    return this.at == this.limit || this.fail('nothing more is expected');
  }

  private skipOne(): void {
    const kind = this.kind();
    if (kind == JsonKind.OBJECT) this.enterObject();
    else if (kind == JsonKind.ARRAY) this.enterArray();
    else if (kind == JsonKind.STRING) this.readString();
    else if (kind == JsonKind.NUMBER) this.scanNumber();
    else if (kind == JsonKind.BOOLEAN) this.boolean();
    else if (!this.null()) this.fail('a value is expected');
  }

  /** Fails at the next byte. Always false. */
  private fail(reason: string): bool {
    return this.failAt(reason, this.at);
  }

  private failAt(reason: string, at: usize): bool {
    if (this.failure != null) return false;
    this.failure =
      this.start == this.limit ? 'the text is empty' : at == this.limit ? 'the text ends too early' : reason;
    this.failedAt = at;
    return false;
  }

  /** The next byte, or 0 at the end. (A NUL byte is nowhere allowed, so it needs no other treatment.) */
  private here(): u32 {
    return this.at < this.limit ? <u32>load<u8>(this.at) : 0;
  }

  private skipSpace(): void {
    const end = this.limit;
    let at = this.at;
    while (at < end) {
      const byte = load<u8>(at);
      if (byte != 0x20 && byte != 0x0a && byte != 0x0d && byte != 0x09) break;
      at++;
    }
    this.at = at;
  }

  /** The first byte of the value that is due, or 0. */
  private peek(): u32 {
    if (this.failure != null || !this.due) return 0;
    this.skipSpace();
    return this.here();
  }

  /** The same, and the value is begun. */
  private begin(): u32 {
    const byte = this.peek();
    if (!this.due) this.fail('no value is due here');
    this.valueAt = this.at;
    this.due = false;
    return byte;
  }

  private enter(bracket: u32, object: u64, expected: string): bool {
    if (this.begin() != bracket || this.failure != null) return this.fail(expected);
    if (this.depth == JSON_DEPTH_MAX) return this.fail('nested too deeply');
    this.at++;
    this.depth++;
    this.objects = (this.objects << 1) | object;
    this.first = true;
    return true;
  }

  /** Goes to the next member or item, over what is left of the one before; false at the end, which is read. */
  private toNext(object: u64, bracket: u32): bool {
    if (this.failure != null) return false;
    if (this.due) {
      this.skip();
      if (this.failure != null) return false;
    }
    if (this.depth == 0 || (this.objects & 1) != object)
      return this.fail('an inner object or array was not read to its end');
    this.skipSpace();
    const byte = this.here();
    if (byte == bracket) {
      this.at++;
      this.depth--;
      this.objects >>= 1;
      this.first = false;
      return false;
    }
    if (this.first) {
      this.first = false;
      return true;
    }
    if (byte != 0x2c) return this.fail('a comma or the end is expected');
    this.at++;
    this.skipSpace();
    return true;
  }

  private readString(): bool {
    if (this.begin() != 0x22) return this.fail('a string is expected');
    return this.scanString();
  }

  /** Reads a string, from its quote on, and checks all of it. */
  private scanString(): bool {
    const end = this.limit;
    let at = this.at + 1;
    this.textAt = at;
    this.textEscaped = false;
    while (at < end) {
      if (at + 8 <= end) {
        const special = specialBytes(load<u64>(at));
        if (special == 0) {
          at += 8;
          continue;
        }
        // The lowest byte found is right, whatever the others are.
        at += <usize>(ctz(special) >> 3);
      }
      const byte: u32 = load<u8>(at);
      if (byte == 0x22) {
        this.textLength = <i32>(at - this.textAt);
        this.at = at + 1;
        return true;
      }
      if (byte < 0x20) return this.failAt('a control character in a string', at);
      let size: usize = 1;
      if (byte == 0x5c) {
        size = this.escapeSize(at);
        if (size == 0) return this.failAt('not an escape', at);
        this.textEscaped = true;
      } else if (byte >= 0x80) {
        const packed = nextCodePoint(at, end);
        if ((packed & MALFORMED) != 0) return this.failAt('not UTF-8', at);
        size = packed & 7;
      }
      at += size;
    }
    return this.failAt('', end);
  }

  /** The bytes of the escape at `at`, with both halves of a surrogate pair; 0 when it is none. */
  private escapeSize(at: usize): usize {
    if (at + 2 > this.limit) return 0;
    const letter = load<u8>(at, 1);
    if (letter != 0x75) return simpleEscape(letter) == 0 ? 0 : 2;
    const unit = this.hexUnit(at);
    if (unit < 0 || (unit & 0xfc00) == 0xdc00) return 0;
    if ((unit & 0xfc00) != 0xd800) return 6;
    const low = this.hexUnit(at + 6);
    return (low & 0xfc00) == 0xdc00 && low >= 0 ? 12 : 0;
  }

  /** The number of a \u escape at `at`, or -1. */
  private hexUnit(at: usize): i32 {
    if (at + 6 > this.limit || load<u16>(at) != 0x755c) return -1;
    let unit: i32 = 0;
    for (let i: usize = 2; i < 6; i++) {
      const byte: i32 = load<u8>(at + i);
      const letter = byte | 0x20;
      if (byte >= 0x30 && byte <= 0x39) unit = (unit << 4) | (byte - 0x30);
      else if (letter >= 0x61 && letter <= 0x66) unit = (unit << 4) | (letter - 0x57);
      else return -1;
    }
    return unit;
  }

  /** The string read last. */
  private decoded(): string {
    if (!this.textEscaped) return readUtf8(this.textAt, this.textLength);
    const copy = heap.alloc(this.textLength);
    const text = readUtf8(copy, <i32>(this.unescape(copy) - copy));
    heap.free(copy);
    return text;
  }

  /** Writes the string read last without its escapes, which makes it shorter, and returns the address behind it. */
  private unescape(pointer: usize): usize {
    let from = this.textAt;
    const end = from + <usize>this.textLength;
    let to = pointer;
    while (from < end) {
      const byte = load<u8>(from);
      if (byte != 0x5c) {
        store<u8>(to++, byte);
        from++;
        continue;
      }
      const letter = load<u8>(from, 1);
      if (letter != 0x75) {
        store<u8>(to++, simpleEscape(letter));
        from += 2;
        continue;
      }
      let code = this.hexUnit(from);
      from += 6;
      if ((code & 0xfc00) == 0xd800) {
        code = 0x10000 + ((code & 0x3ff) << 10) + (this.hexUnit(from) & 0x3ff);
        from += 6;
      }
      to = writeCodePoint(code, to);
    }
    return to;
  }

  /** Reads a number by the grammar: from `valueAt` to `at`. */
  private scanNumber(): bool {
    const first = this.begin();
    if (first != 0x2d && first - 0x30 > 9) return this.fail('a number is expected');
    if (first == 0x2d) this.at++;
    if (this.here() == 0x30) this.at++;
    else if (!this.scanDigits()) return false;
    if (this.here() == 0x2e) {
      this.at++;
      if (!this.scanDigits()) return false;
    }
    if ((this.here() | 0x20) == 0x65) {
      this.at++;
      const sign = this.here();
      if (sign == 0x2b || sign == 0x2d) this.at++;
      if (!this.scanDigits()) return false;
    }
    return true;
  }

  /** One digit or more. */
  private scanDigits(): bool {
    const start = this.at;
    while (this.here() - 0x30 < 10) this.at++;
    return this.at > start || this.fail('a digit is expected');
  }

  /** The next bytes must be these. */
  private literal(word: u32, length: i32): bool {
    if (this.at + <usize>length > this.limit || load<u32>(this.at) != word) return this.fail('a value is expected');
    this.at += <usize>length;
    return true;
  }
}

/** The largest absolute value of an integer type. */
function limitOf<T>(negative: bool): u64 {
  const bits: u64 = sizeof<T>() * 8;
  if (!isSigned<T>()) return negative ? 0 : (~0 as u64) >> (64 - bits);
  return ((~0 as u64) >> (65 - bits)) + (negative ? 1 : 0);
}

/** The high bit of each byte that is a quote, a backslash, a control character or no ASCII; above the lowest also of others. */
function specialBytes(bytes: u64): u64 {
  const quotes = bytes ^ (BYTES * 0x22);
  const backslashes = bytes ^ (BYTES * 0x5c);
  const found =
    ((bytes - BYTES * 0x20) & ~bytes) | ((quotes - BYTES) & ~quotes) | ((backslashes - BYTES) & ~backslashes);
  return (found | bytes) & HIGH;
}

/** What the letter behind a backslash stands for; 0 when nothing. */
function simpleEscape(letter: u8): u8 {
  if (letter == 0x22 || letter == 0x5c || letter == 0x2f) return letter;
  if (letter == 0x6e) return 0x0a;
  if (letter == 0x74) return 0x09;
  if (letter == 0x72) return 0x0d;
  if (letter == 0x62) return 0x08;
  return letter == 0x66 ? 0x0c : 0;
}
