/** What a word is, and when two words are the same. */
import { casemap } from 'util/casemap';
import { CodePoints, View } from 'jord';

/** A character of a script that does not put spaces between words: each Chinese or Japanese one counts as a word. */
export function isWholeWord(code: i32): bool {
  if (code < 0x3005) return false;
  if (code <= 0x30ff) return true;
  if (code < 0x31f0) return false;
  if (code <= 0x9fff) return code <= 0x31ff || code >= 0x3400;
  if (code < 0xf900) return false;
  return (
    code <= 0xfaff || (code >= 0xff66 && code <= 0xff9d) || (code >= 0x1aff0 && code <= 0x1b16f) || code >= 0x20000
  );
}

/** A character that belongs to a word only between two others: apostrophes, soft hyphens, (non-)joiners. */
export function isJoiner(code: i32): bool {
  return code == 0x27 || code == 0x2019 || code == 0xad || code == 0x200c || code == 0x200d;
}

// Used again for each word: a text can have millions of them, and memory is not given back while a function runs.
const left = new CodePoints(new View(0, 0));
const right = new CodePoints(new View(0, 0));

/** A hash that is the same for words that are the same. */
export function hashOfWord(pointer: usize, length: i32, seed: u32): u32 {
  const points = left.restart(pointer, length);
  let hash = seed;
  for (let code = points.next(); code >= 0; code = points.next()) {
    hash = (hash ^ fold(code)) * 0x9e37_79b1;
    hash ^= hash >>> 15;
  }
  return hash;
}

/** Upper and lower case are the same, and so are the two apostrophes. */
export function isSameWord(a: usize, aLength: i32, b: usize, bLength: i32): bool {
  if (aLength == bLength && memory.compare(a, b, aLength) == 0) return true;
  left.restart(a, aLength);
  right.restart(b, bLength);
  let code: i32 = 0;
  let other: i32 = 0;
  while (code >= 0 && code == other) {
    code = fold(left.next());
    other = fold(right.next());
  }
  return code == other;
}

function fold(code: i32): i32 {
  // -1, the end, stays what it is.
  if (code < 0x80) return code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
  if (code == 0x2019) return 0x27;
  // The sigma at the end of a Greek word.
  if (code == 0x3c2) return 0x3c3;
  return code < 0x20000 ? casemap(code, 0) & 0x1f_ffff : code;
}
