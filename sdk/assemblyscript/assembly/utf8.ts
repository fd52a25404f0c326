/**
 * UTF-8, strict as the Unicode standard and WHATWG have it: what is malformed decodes to U+FFFD, one for each maximal
 * part of a valid sequence; a lone surrogate of a string encodes as U+FFFD. Nothing is read at or behind the end.
 */

/** U+FFFD, what stands for text that is malformed. */
export const REPLACEMENT: i32 = 0xfffd;

/** Set in the result of `nextCodePoint` when the bytes are malformed; the code point is then U+FFFD. */
export const MALFORMED: u32 = 0x8000_0000;

const NOT_ASCII_UTF8: u64 = 0x8080_8080_8080_8080;
const NOT_ASCII_UTF16: u64 = 0xff80_ff80_ff80_ff80;

/**
 * The code point at `pointer`, which must be below `end`: (code point << 3) | bytes it takes, with MALFORMED. Packed
 * into one number so that decoding allocates nothing.
 */
export function nextCodePoint(pointer: usize, end: usize): u32 {
  const first: u32 = load<u8>(pointer);
  if (first < 0x80) return (first << 3) | 1;
  if (first < 0xc2 || first > 0xf4) return MALFORMED | ((<u32>REPLACEMENT) << 3) | 1;
  const size: u32 = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  // Only the second byte has a range that depends on the first: it excludes overlong forms, surrogates, > U+10FFFF.
  let low: u32 = 0x80;
  let high: u32 = 0xbf;
  if (first == 0xe0) low = 0xa0;
  else if (first == 0xed) high = 0x9f;
  else if (first == 0xf0) low = 0x90;
  else if (first == 0xf4) high = 0x8f;
  let code: u32 = first & (0x7f >> size);
  for (let i: u32 = 1; i < size; i++) {
    if (pointer + i >= end) return MALFORMED | ((<u32>REPLACEMENT) << 3) | i;
    const next: u32 = load<u8>(pointer + i);
    if (next < low || next > high) return MALFORMED | ((<u32>REPLACEMENT) << 3) | i;
    code = (code << 6) | (next & 0x3f);
    low = 0x80;
    high = 0xbf;
  }
  return (code << 3) | size;
}

/** Writes a code point (a surrogate as U+FFFD) and returns the address behind it: 1 to 4 bytes. */
export function writeCodePoint(code: i32, pointer: usize): usize {
  if (code < 0x80) {
    store<u8>(pointer, <u8>code);
    return pointer + 1;
  }
  if (code < 0x800) {
    store<u8>(pointer, <u8>(0xc0 | (code >> 6)));
    store<u8>(pointer, <u8>(0x80 | (code & 0x3f)), 1);
    return pointer + 2;
  }
  if (code < 0x10000) {
    const scalar = (code & 0xf800) == 0xd800 ? REPLACEMENT : code;
    store<u8>(pointer, <u8>(0xe0 | (scalar >> 12)));
    store<u8>(pointer, <u8>(0x80 | ((scalar >> 6) & 0x3f)), 1);
    store<u8>(pointer, <u8>(0x80 | (scalar & 0x3f)), 2);
    return pointer + 3;
  }
  store<u8>(pointer, <u8>(0xf0 | (code >> 18)));
  store<u8>(pointer, <u8>(0x80 | ((code >> 12) & 0x3f)), 1);
  store<u8>(pointer, <u8>(0x80 | ((code >> 6) & 0x3f)), 2);
  store<u8>(pointer, <u8>(0x80 | (code & 0x3f)), 3);
  return pointer + 4;
}

/** The code point of the string at `pointer`, and where the next one is: a surrogate pair counts as one. */
export function nextOfString(pointer: usize, end: usize): i32 {
  const unit: i32 = load<u16>(pointer);
  if ((unit & 0xfc00) != 0xd800 || pointer + 2 >= end) return unit;
  const low: i32 = load<u16>(pointer, 2);
  if ((low & 0xfc00) != 0xdc00) return unit;
  return 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
}

/** Writes `text` as UTF-8 and returns the address behind it. There must be room for 3 bytes for each UTF-16 unit. */
export function writeUtf8(text: string, pointer: usize): usize {
  let from = changetype<usize>(text);
  const end = from + ((<usize>text.length) << 1);
  let to = pointer;
  while (from < end) {
    // Four ASCII characters at a time, as most text is.
    while (from + 8 <= end) {
      const units = load<u64>(from);
      if ((units & NOT_ASCII_UTF16) != 0) break;
      const pairs = units | (units >> 8);
      store<u32>(to, <u32>(pairs & 0xffff) | (<u32>(pairs >> 16) & 0xffff0000));
      from += 8;
      to += 4;
    }
    if (from >= end) break;
    const code = nextOfString(from, end);
    from += code < 0x10000 ? 2 : 4;
    to = writeCodePoint(code, to);
  }
  return to;
}

/** How many bytes `text` takes as UTF-8. */
export function utf8Length(text: string): i32 {
  let from = changetype<usize>(text);
  const end = from + ((<usize>text.length) << 1);
  let length: i32 = 0;
  while (from < end) {
    const code = nextOfString(from, end);
    from += code < 0x10000 ? 2 : 4;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
}

/** Decodes `length` bytes at `pointer`. */
export function readUtf8(pointer: usize, length: i32): string {
  if (length == 0) return '';
  // A byte never becomes more than one UTF-16 unit, so this is enough; what is not used is given back.
  const text = __new((<usize>length) << 1, idof<string>());
  const end = pointer + <usize>length;
  let to = text;
  let from = pointer;
  while (from < end) {
    while (from + 8 <= end && (load<u64>(from) & NOT_ASCII_UTF8) == 0) {
      storeAscii(load<u32>(from), to);
      storeAscii(load<u32>(from, 4), to + 8);
      from += 8;
      to += 16;
    }
    if (from >= end) break;
    const packed = nextCodePoint(from, end);
    from += packed & 7;
    to = storeUnits(<i32>((packed & ~MALFORMED) >> 3), to);
  }
  const size = to - text;
  return changetype<string>(size == (<usize>length) << 1 ? text : __renew(text, size));
}

/** Four ASCII characters to UTF-16. */
function storeAscii(bytes: u32, to: usize): void {
  const pairs = (<u64>bytes | ((<u64>bytes) << 16)) & 0x0000_ffff_0000_ffff;
  store<u64>(to, (pairs | (pairs << 8)) & 0x00ff_00ff_00ff_00ff);
}

function storeUnits(code: i32, to: usize): usize {
  if (code < 0x10000) {
    store<u16>(to, <u16>code);
    return to + 2;
  }
  store<u16>(to, <u16>(0xd800 | ((code - 0x10000) >> 10)));
  store<u16>(to, <u16>(0xdc00 | (code & 0x3ff)), 2);
  return to + 4;
}

/** The bytes are the UTF-8 form of `text`. Compares in place. */
export function equalsUtf8(pointer: usize, length: i32, text: string): bool {
  // Most comparisons end here: a UTF-16 unit is 1 to 3 bytes.
  if (length < text.length || length > text.length * 3) return false;
  let unit = changetype<usize>(text);
  const unitEnd = unit + ((<usize>text.length) << 1);
  let byte = pointer;
  const end = pointer + <usize>length;
  while (unit < unitEnd && byte < end) {
    const code = nextOfString(unit, unitEnd);
    if (code < 0x80) {
      if (<i32>load<u8>(byte) != code) return false;
      byte++;
      unit += 2;
      continue;
    }
    const packed = nextCodePoint(byte, end);
    if ((packed & MALFORMED) != 0 || <i32>(packed >> 3) != code) return false;
    byte += packed & 7;
    unit += code < 0x10000 ? 2 : 4;
  }
  return unit == unitEnd && byte == end;
}
