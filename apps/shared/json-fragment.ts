/** Parts of JSON texts: services write them, and the one that asked puts them together. */
import { TextWriter, View } from 'jord';

const BYTES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/** A TextWriter that can also write strings of JSON. Commas and brackets are its user's business. */
export class JsonFragment extends TextWriter {
  constructor(capacity: i32) {
    super(capacity);
  }

  /** Four bytes, little-endian: fragments have numbers for services before and behind the text. */
  word(value: u32): this {
    this.reserve(4);
    store<u32>(this.at, value);
    this.at += 4;
    return this;
  }

  /** UTF-8 text, in quotes. */
  quoted(text: View): this {
    this.byte(0x22);
    this.escaped(text);
    this.byte(0x22);
    return this;
  }

  /** UTF-8 text, escaped as it must be in a string of JSON, but without quotes. */
  escaped(text: View): this {
    // An escape has six bytes at most.
    this.reserve(<i64>text.length * 6 + 8);
    let to = this.at;
    let from = text.pointer;
    const end = from + <usize>text.length;
    while (from < end) {
      if (from + 8 <= end) {
        const bytes = load<u64>(from);
        if (!isSpecial(bytes)) {
          store<u64>(to, bytes);
          from += 8;
          to += 8;
          continue;
        }
      }
      const byte = load<u8>(from++);
      if (byte >= 0x20 && byte != 0x22 && byte != 0x5c) store<u8>(to++, byte);
      else to = writeEscape(byte, to);
    }
    this.at = to;
    return this;
  }
}

/** One of eight bytes is a control character, a quote or a backslash. Errs on the side of yes. */
function isSpecial(bytes: u64): bool {
  const quotes = bytes ^ (BYTES * 0x22);
  const backslashes = bytes ^ (BYTES * 0x5c);
  const found = ((bytes - BYTES * 0x20) & ~bytes) | ((quotes - BYTES) & ~quotes) | ((backslashes - BYTES) & ~backslashes);
  return (found & HIGH) != 0;
}

function writeEscape(byte: u8, to: usize): usize {
  let short: u8 = 0;
  if (byte == 0x22 || byte == 0x5c) short = byte;
  else if (byte == 0x08) short = 0x62;
  else if (byte == 0x09) short = 0x74;
  else if (byte == 0x0a) short = 0x6e;
  else if (byte == 0x0c) short = 0x66;
  else if (byte == 0x0d) short = 0x72;
  store<u8>(to, 0x5c);
  if (short != 0) {
    store<u8>(to, short, 1);
    return to + 2;
  }
  store<u32>(to, 0x30303075, 1);
  store<u8>(to, 0x30 + (byte >> 4), 4);
  store<u8>(to, hexDigit(byte & 15), 5);
  return to + 6;
}

function hexDigit(value: u8): u8 {
  return value < 10 ? 0x30 + value : 0x57 + value;
}
