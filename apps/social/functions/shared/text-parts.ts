/** Finds what is special in the text of a post: mentions (`@ada`) and URLs. */
import { View } from 'jord';
import { isUsernameByte } from '../../../shared/accounts';

export enum PartKind {
  MENTION,
  URL,
}

/** What is known of a part: its kind, and where it begins and ends. */
const PART_SIZE: usize = 12;
const START: usize = 4;
const END: usize = 8;

const BYTES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
const AT: u8 = 0x40;
const COLON: u8 = 0x3a;
/** `http`, and what follows the colon. */
const HTTP: u32 = 0x7074_7468;
const SLASHES: u16 = 0x2f2f;

/** For each ASCII character, whether a URL can have it behind its `//`. */
const URL_BYTES: StaticArray<bool> = urlBytes();

/** The mentions and URLs of a text in their order, and how many characters it has. */
export class TextParts {
  length: i32 = 0;
  characters: i32 = 0;
  private parts: usize;

  /** Nothing is found behind the first `charactersMax` characters. */
  constructor(
    private text: View,
    charactersMax: i32,
  ) {
    // A mention takes two characters at least.
    this.parts = heap.alloc(PART_SIZE * <usize>(min(text.length, charactersMax + 1) / 2 + 1));
    const end = text.pointer + <usize>text.length;
    // Mentions and URLs are ASCII, and do not overlap.
    let free = text.pointer;
    for (let at = text.pointer; at < end; ) {
      if (at + 8 <= end && isPlain(load<u64>(at))) {
        this.characters += 8;
        at += 8;
        continue;
      }
      const byte = load<u8>(at);
      let past = at + 1;
      if (byte == AT) {
        past = this.mentionEnd(at, end);
        if (past > at + 1 && this.characters < charactersMax) this.add(PartKind.MENTION, at, past);
      } else if (byte == COLON) {
        const start = this.urlStart(free, at);
        if (start != 0) past = this.urlEnd(at, end);
        if (past > at + 1 && this.characters < charactersMax) this.add(PartKind.URL, start, past);
      }
      if (past > at + 1) {
        this.characters += <i32>(past - at);
        free = past;
      } else if ((byte & 0xc0) != 0x80) this.characters++;
      at = past;
    }
  }

  kind(index: i32): PartKind {
    return load<i32>(this.part(index));
  }

  /** What a mention names, or a URL, in place. */
  value(index: i32): View {
    const start = this.start(index);
    return this.text.slice(this.kind(index) == PartKind.MENTION ? start + 1 : start, this.end(index));
  }

  start(index: i32): i32 {
    return load<i32>(this.part(index), START);
  }

  end(index: i32): i32 {
    return load<i32>(this.part(index), END);
  }

  private mentionEnd(at: usize, end: usize): usize {
    let past = at + 1;
    while (past < end && isUsernameByte(load<u8>(past))) past++;
    return past;
  }

  /** Where the URL begins whose colon is found, not before `free`; 0 when it is none. */
  private urlStart(free: usize, colon: usize): usize {
    if (colon >= free + 5 && load<u32>(colon - 5) == HTTP && load<u8>(colon - 1) == 0x73) return colon - 5;
    return colon >= free + 4 && load<u32>(colon - 4) == HTTP ? colon - 4 : 0;
  }

  /** Where it ends, or just behind the colon when it is none. */
  private urlEnd(colon: usize, end: usize): usize {
    const from = colon + 3;
    if (from >= end || load<u16>(colon, 1) != SLASHES) return colon + 1;
    let past = from;
    while (past < end && isUrlByte(load<u8>(past))) past++;
    return past == from ? colon + 1 : past;
  }

  private add(kind: PartKind, at: usize, past: usize): void {
    const part = this.parts + PART_SIZE * <usize>this.length;
    this.length++;
    store<i32>(part, kind);
    store<i32>(part, <i32>(at - this.text.pointer), START);
    store<i32>(part, <i32>(past - this.text.pointer), END);
  }

  private part(index: i32): usize {
    if (<u32>index >= <u32>this.length) throw new RangeError('no such part of a text');
    return this.parts + PART_SIZE * <usize>index;
  }
}

/** Eight bytes of ASCII without `@` and colon. Errs on the side of no. */
function isPlain(bytes: u64): bool {
  const ats = bytes ^ (BYTES * AT);
  const colons = bytes ^ (BYTES * COLON);
  return ((bytes | (ats - BYTES) | (colons - BYTES)) & HIGH) == 0;
}

function isUrlByte(byte: u8): bool {
  return byte < 0x80 && unchecked(URL_BYTES[byte]);
}

function urlBytes(): StaticArray<bool> {
  const found = new StaticArray<bool>(128);
  const others = "!$%&'()*+,-./:;=?_~#";
  for (let code = 0; code < 128; code++) {
    const letter = code | 0x20;
    found[code] = (letter >= 0x61 && letter <= 0x7a) || (code >= 0x30 && code <= 0x39);
  }
  for (let i = 0; i < others.length; i++) found[others.charCodeAt(i)] = true;
  return found;
}
