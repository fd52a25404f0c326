import { writeDigits } from './failure';
import { Response } from './response';
import { writeCodePoint, writeUtf8 } from './utf8';
import { View } from './view';
import { Writer } from './writer';

/**
 * Builds UTF-8 text, or any bytes, directly in an ArgBuf, which grows as needed. When all is written, `argbuf()` or
 * `response()` hands the ArgBuf over; nothing is copied for that.
 *
 *     const out = new TextWriter();
 *     out.text("total: ").integer(total).byte(0x0a);
 *     return out.response();
 */
export class TextWriter extends Writer {
  constructor(capacity: i32 = 1024) {
    super(capacity);
  }

  /** A string, as UTF-8. */
  text(text: string): this {
    this.reserve(<i64>text.length * 3);
    this.at = writeUtf8(text, this.at);
    return this;
  }

  /** Bytes as they are. */
  bytes(bytes: View): this {
    this.reserve(bytes.length);
    memory.copy(this.at, bytes.pointer, bytes.length);
    this.at += <usize>bytes.length;
    return this;
  }

  /** One byte, such as an ASCII character. */
  byte(byte: u8): this {
    this.reserve(1);
    store<u8>(this.at, byte);
    this.at++;
    return this;
  }

  /** One character; a surrogate, which is none, becomes U+FFFD. */
  codePoint(code: i32): this {
    this.reserve(4);
    this.at = writeCodePoint(code, this.at);
    return this;
  }

  /** An integer of any type, in decimal digits. */
  integer<T>(value: T): this {
    this.reserve(20);
    this.at = writeInteger<T>(value, this.at);
    return this;
  }

  /** A response with what was written; `contentType` is for HTTP. */
  response(contentType: string = 'text/plain; charset=utf-8'): Response {
    return new Response(this.argbuf()).type(contentType);
  }
}

/** Writes an integer in decimal digits and returns the address behind it: at most 20 bytes. */
export function writeInteger<T>(value: T, pointer: usize): usize {
  if (!isInteger<T>()) ERROR('an integer type is expected');
  if (isSigned<T>() && <i64>value < 0) {
    store<u8>(pointer, 0x2d);
    return writeDigits(0 - <u64>(<i64>value), pointer + 1);
  }
  return writeDigits(<u64>value, pointer);
}
