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

/** `http://` and `https://`, whose first eight bytes are compared at once. */
const HTTP: u64 = 0x2f2f_3a70_7474_68; // "http://"
const HTTP_MASK: u64 = 0xff_ffff_ffff_ffff;
const HTTPS: u64 = 0x2f3a_7370_7474_68; // "https:/"

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
    const start = text.pointer;
    const end = start + <usize>text.length;
    for (let at = start; at < end; ) {
      const byte = load<u8>(at);
      let past = at + 1;
      if (byte == 0x40) past = this.mentionEnd(at, end);
      else if (byte == 0x68 && at + 8 <= end) past = this.urlEnd(at, end);
      // Mentions and URLs are ASCII.
      if (past > at + 1) {
        if (this.characters < charactersMax) this.add(byte == 0x40 ? PartKind.MENTION : PartKind.URL, at, past);
        this.characters += <i32>(past - at);
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

  private urlEnd(at: usize, end: usize): usize {
    const bytes = load<u64>(at);
    let from: usize = 0;
    if ((bytes & HTTP_MASK) == HTTP) from = at + 7;
    else if ((bytes & HTTP_MASK) == HTTPS && load<u8>(at, 7) == 0x2f) from = at + 8;
    else return at + 1;
    let past = from;
    while (past < end && isUrlByte(load<u8>(past))) past++;
    return past == from ? at + 1 : past;
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
