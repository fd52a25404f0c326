import { dtoa_buffered } from 'util/number';
import { Response } from './response';
import { writeInteger } from './text-writer';
import { MALFORMED, nextCodePoint, nextOfString, writeCodePoint } from './utf8';
import { View } from './view';
import { Writer } from './writer';

/** How deep objects and arrays may be nested: one bit each tells which it is. */
export const JSON_DEPTH_MAX: i32 = 64;

const ASCII_UTF16: u64 = 0xff80_ff80_ff80_ff80;
const LANES_UTF16: u64 = 0x0001_0001_0001_0001;
const HIGH_UTF16: u64 = 0x8000_8000_8000_8000;
const LANES_UTF8: u64 = 0x0101_0101_0101_0101;
const HIGH_UTF8: u64 = 0x8080_8080_8080_8080;

/**
 * Writes JSON directly in an ArgBuf, which grows as needed. Commas and escapes are its business. Steps that do not make
 * JSON, such as a value in an object without a key, stop the function.
 *
 *     const json = new JsonWriter();
 *     json.beginObject();
 *     json.key("sku").string(sku);
 *     json.key("quantity").integer(quantity);
 *     json.endObject();
 *     return json.response();
 */
export class JsonWriter extends Writer {
  private depth: i32 = 0;
  /** A bit for each level: 1 an object, 0 an array. */
  private objects: u64 = 0;
  /** Something stands before the next key or value that needs a comma. */
  private comma: bool = false;
  /** A key is written, and its value is due. */
  private keyed: bool = false;

  constructor(capacity: i32 = 1024) {
    super(capacity);
  }

  beginObject(): this {
    return this.begin(0x7b, 1);
  }

  endObject(): this {
    return this.close(0x7d, 1);
  }

  beginArray(): this {
    return this.begin(0x5b, 0);
  }

  endArray(): this {
    return this.close(0x5d, 0);
  }

  /** The key of the next value. That an object has each key once is the caller's business. */
  key(name: string): this {
    if (this.depth == 0 || (this.objects & 1) == 0 || this.keyed) throw new Error('no key is due here');
    this.reserve(<i64>name.length * 3 + 4);
    if (this.comma) this.put(0x2c);
    this.quote(name);
    this.reserve(1);
    this.put(0x3a);
    this.comma = false;
    this.keyed = true;
    return this;
  }

  /** A lone surrogate, which is no character, becomes U+FFFD. */
  string(value: string): this {
    this.value(<i64>value.length * 3 + 2);
    this.quote(value);
    return this;
  }

  /** A string whose characters are UTF-8 already. What is malformed becomes U+FFFD. */
  utf8(value: View): this {
    this.value(<i64>value.length + 2);
    this.quoteUtf8(value);
    return this;
  }

  /** An integer of any type. Readers that make a 64-bit float of it are exact up to 2^53. */
  integer<T>(value: T): this {
    this.value(20);
    this.at = writeInteger<T>(value, this.at);
    return this;
  }

  /** A number that reads back as just this one. JSON has no NaN and no infinity: they become null. */
  number(value: f64): this {
    if (!isFinite(value)) return this.null();
    this.value(32);
    const digits = memory.data(64);
    let length = <usize>dtoa_buffered<f64>(digits, value);
    // "1.0" is the same number as "1".
    if (load<u32>(digits + ((length - 2) << 1)) == 0x0030_002e) length -= 2;
    for (let i: usize = 0; i < length; i++) store<u8>(this.at + i, load<u8>(digits + (i << 1)));
    this.at += length;
    return this;
  }

  boolean(value: bool): this {
    this.value(5);
    if (value) {
      store<u32>(this.at, 0x65757274);
      this.at += 4;
    } else {
      store<u32>(this.at, 0x736c6166);
      store<u8>(this.at, 0x65, 4);
      this.at += 5;
    }
    return this;
  }

  null(): this {
    this.value(4);
    store<u32>(this.at, 0x6c6c756e);
    this.at += 4;
    return this;
  }

  /** A value that is JSON text already. It is not looked at. */
  raw(json: View): this {
    this.value(json.length);
    memory.copy(this.at, json.pointer, json.length);
    this.at += <usize>json.length;
    return this;
  }

  /** A response with what was written, as `application/json`. */
  response(): Response {
    if (this.depth != 0 || !this.comma) throw new Error('the JSON is not complete');
    return new Response(this.argbuf()).type('application/json');
  }

  /** Before a value: its comma, if it needs one, and room for `length` bytes. */
  private value(length: i64): void {
    this.reserve(length + 1);
    if (this.depth == 0 ? this.comma : (this.objects & 1) != 0 && !this.keyed) throw new Error('no value is due here');
    if (this.comma) this.put(0x2c);
    this.comma = true;
    this.keyed = false;
  }

  private begin(bracket: u8, object: u64): this {
    if (this.depth == JSON_DEPTH_MAX) throw new Error('JSON is nested too deeply');
    this.value(1);
    this.put(bracket);
    this.objects = (this.objects << 1) | object;
    this.depth++;
    this.comma = false;
    return this;
  }

  private close(bracket: u8, object: u64): this {
    if (this.depth == 0 || (this.objects & 1) != object || this.keyed) throw new Error('nothing to end here');
    this.reserve(1);
    this.put(bracket);
    this.objects >>= 1;
    this.depth--;
    this.comma = true;
    return this;
  }

  /** One byte for which there is room. */
  private put(byte: u8): void {
    store<u8>(this.at, byte);
    this.at++;
  }

  /** There must be room for 3 bytes for each UTF-16 unit, and for the two quotes. */
  private quote(text: string): void {
    this.put(0x22);
    let from = changetype<usize>(text);
    const end = from + ((<usize>text.length) << 1);
    let to = this.at;
    while (from < end) {
      while (from + 8 <= end) {
        const units = load<u64>(from);
        if (isSpecialUtf16(units)) break;
        const pairs = units | (units >> 8);
        store<u32>(to, <u32>(pairs & 0xffff) | (<u32>(pairs >> 16) & 0xffff0000));
        from += 8;
        to += 4;
      }
      if (from >= end) break;
      const code = nextOfString(from, end);
      from += code < 0x10000 ? 2 : 4;
      to = this.character(code, to, <i64>(end - from) * 2);
    }
    this.at = to;
    this.put(0x22);
  }

  /** The same for UTF-8. There must be room for each byte, and for the two quotes. */
  private quoteUtf8(text: View): void {
    this.put(0x22);
    let from = text.pointer;
    const end = from + <usize>text.length;
    let to = this.at;
    while (from < end) {
      while (from + 8 <= end) {
        const bytes = load<u64>(from);
        if (isSpecialUtf8(bytes)) break;
        store<u64>(to, bytes);
        from += 8;
        to += 8;
      }
      if (from >= end) break;
      const packed = nextCodePoint(from, end);
      from += packed & 7;
      const code = <i32>((packed & ~MALFORMED) >> 3);
      if ((packed & MALFORMED) != 0) {
        // U+FFFD can be longer than the bytes it stands for.
        this.at = to;
        this.reserve(3 + <i64>(end - from) + 1);
        to = this.at;
      }
      to = this.character(code, to, <i64>(end - from));
    }
    this.at = to;
    this.put(0x22);
  }

  /** One character at `to`, escaped when it must be. Then there is room for `rest` bytes and a quote behind it. */
  private character(code: i32, to: usize, rest: i64): usize {
    if (code >= 0x20 && code != 0x22 && code != 0x5c) return writeCodePoint(code, to);
    this.at = to;
    this.reserve(6 + rest + 1);
    return writeEscape(code, this.at);
  }
}

/** One of four UTF-16 units is no ASCII, a control character, a quote or a backslash. Errs on the side of yes. */
function isSpecialUtf16(units: u64): bool {
  const quotes = units ^ (LANES_UTF16 * 0x22);
  const backslashes = units ^ (LANES_UTF16 * 0x5c);
  const found = (units - LANES_UTF16 * 0x20) | (quotes - LANES_UTF16) | (backslashes - LANES_UTF16);
  return ((units & ASCII_UTF16) | (found & HIGH_UTF16)) != 0;
}

/** The same of eight bytes. */
function isSpecialUtf8(bytes: u64): bool {
  const quotes = bytes ^ (LANES_UTF8 * 0x22);
  const backslashes = bytes ^ (LANES_UTF8 * 0x5c);
  const found = (bytes - LANES_UTF8 * 0x20) | (quotes - LANES_UTF8) | (backslashes - LANES_UTF8);
  return ((bytes | found) & HIGH_UTF8) != 0;
}

/** The escape of a quote, a backslash or a control character: at most 6 bytes. */
function writeEscape(code: i32, to: usize): usize {
  let short: i32 = 0;
  if (code == 0x22 || code == 0x5c) short = code;
  else if (code == 0x0a) short = 0x6e;
  else if (code == 0x0d) short = 0x72;
  else if (code == 0x09) short = 0x74;
  else if (code == 0x08) short = 0x62;
  else if (code == 0x0c) short = 0x66;
  store<u8>(to, 0x5c);
  if (short != 0) {
    store<u8>(to, <u8>short, 1);
    return to + 2;
  }
  store<u32>(to, 0x30303075, 1);
  store<u8>(to, <u8>(0x30 + (code >> 4)), 4);
  const digit = code & 15;
  store<u8>(to, <u8>(digit < 10 ? 0x30 + digit : 0x57 + digit), 5);
  return to + 6;
}
