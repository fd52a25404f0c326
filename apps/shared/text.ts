/** Text that is known at deploy, as UTF-8: to be copied into a body, without being encoded in each invocation. */
import { TextWriter, View } from 'jord';

/** The UTF-8 form of a text. For constants at the top level of a file, where it is made once, at deploy. */
export function utf8(text: string): View {
  return View.of(Uint8Array.wrap(String.UTF8.encode(text)));
}

/** FNV-1a over the bytes, 32 bits wide. */
export function hash32(bytes: View, seed: u32 = 0x811c9dc5): u32 {
  let hash = seed;
  const end = bytes.pointer + <usize>bytes.length;
  for (let at = bytes.pointer; at < end; at++) hash = (hash ^ load<u8>(at)) * 0x01000193;
  return hash;
}

/** Writes HTML: text in it has its special characters escaped, for element content and quoted attributes alike. */
export class HtmlWriter extends TextWriter {
  constructor(capacity: i32) {
    super(capacity);
  }

  // Methods of the base class return a TextWriter, behind which `escaped` could not be asked for.

  /** HTML as it is. */
  raw(html: View): this {
    this.bytes(html);
    return this;
  }

  /** An integer of any type, in decimal digits. */
  number<T>(value: T): this {
    this.integer<T>(value);
    return this;
  }

  /** Text, which may have any character. */
  escaped(text: View): this {
    this.reserve(<i64>text.length * ESCAPE_LENGTH_MAX);
    const end = text.pointer + <usize>text.length;
    let to = this.at;
    let from = text.pointer;
    while (from < end) {
      while (from + 8 <= end) {
        const word = load<u64>(from);
        if (isSpecial(word)) break;
        store<u64>(to, word);
        from += 8;
        to += 8;
      }
      if (from >= end) break;
      to = escape(load<u8>(from++), to);
    }
    this.at = to;
    return this;
  }
}

const ESCAPE_LENGTH_MAX: i64 = 5;
const ONES: u64 = 0x0101_0101_0101_0101;

/** One of eight bytes is a quote, `&`, `<` or `>`. Errs on the side of yes. */
function isSpecial(word: u64): bool {
  return (
    (isByte(word, 0x22) | isByte(word, 0x26) | isByte(word, 0x27) | isByte(word, 0x3c) | isByte(word, 0x3e)) != 0
  );
}

// @ts-ignore: decorator
@inline
function isByte(word: u64, byte: u64): u64 {
  const zero = word ^ (ONES * byte);
  return (zero - ONES) & ~zero & (ONES * 0x80);
}

/** Writes `&#NN;` in place of a special character. */
function escape(byte: u8, to: usize): usize {
  if (byte != 0x22 && byte != 0x26 && byte != 0x27 && byte != 0x3c && byte != 0x3e) {
    store<u8>(to, byte);
    return to + 1;
  }
  store<u16>(to, 0x2326);
  store<u8>(to, 0x30 + byte / 10, 2);
  store<u8>(to, 0x30 + (byte % 10), 3);
  store<u8>(to, 0x3b, 4);
  return to + 5;
}
