/**
 * Counts lines, words and bytes of the posted text and lists its most frequent words (`?top=20` for 20 of them):
 * `{"bytes":…,"characters":…,"malformed":…,"lines":…,"words":…,"distinctWords":…,"complete":true,"frequent":[…]}`.
 *
 * Text is UTF-8; what is not is counted as `malformed`. A word is a run of letters, marks and digits of any script,
 * with single apostrophes inside; each Chinese or Japanese character is one. Upper and lower case are the same.
 */
import { CodePoints, JsonWriter, Request, Response, View } from 'jord';
import { Failure } from './shared/failure';
import { isWordCharacter } from './shared/word-characters';
import { WordTable } from './shared/word-table';
import { isJoiner, isWholeWord } from './shared/words';

const TOP_DEFAULT: i32 = 10;
const TOP_MAX: i32 = 100;

export function handle(request: Request): Response {
  const top = readTop(request);
  if (top < 0) return Failure.invalid(`top must be a number from 0 to ${TOP_MAX}`).response();
  const counter = new Counter(request);
  counter.run();
  return counter.answer(top);
}

/** How many words are asked for; -1 when that cannot be. */
function readTop(request: Request): i32 {
  const text = request.parameter('top');
  if (text == null) return TOP_DEFAULT;
  if (text.length == 0 || text.length > 3) return -1;
  let top: i32 = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (<u32>digit > 9) return -1;
    top = top * 10 + digit;
  }
  return top <= TOP_MAX ? top : -1;
}

class Counter {
  private table: WordTable = new WordTable();
  private characters: i32 = 0;
  private malformed: i32 = 0;
  private lines: i32 = 0;
  private words: i32 = 0;
  /** The word that is being read: 0 when there is none. */
  private start: usize = 0;
  private end: usize = 0;
  /** The character before was one that joins two parts of a word. */
  private joining: bool = false;

  constructor(private text: View) {}

  run(): void {
    const points = new CodePoints(this.text);
    let from = points.pointer;
    for (let code = points.next(); code >= 0; code = points.next()) {
      this.characters++;
      if (points.malformed) this.malformed++;
      if (code == 0x0a) this.lines++;
      this.take(code, from, points.pointer);
      from = points.pointer;
    }
    this.endWord();
    // A last line without its line feed is a line, too.
    const length = this.text.length;
    if (length > 0 && this.text[length - 1] != 0x0a) this.lines++;
  }

  private take(code: i32, from: usize, to: usize): void {
    if (!isWordCharacter(code)) {
      if (this.start != 0 && !this.joining && isJoiner(code)) this.joining = true;
      else this.endWord();
      return;
    }
    const whole = isWholeWord(code);
    if (whole) this.endWord();
    if (this.start == 0) this.start = from;
    this.end = to;
    this.joining = false;
    if (whole) this.endWord();
  }

  private endWord(): void {
    if (this.start == 0) return;
    this.words++;
    this.table.add(this.start, <i32>(this.end - this.start));
    this.start = 0;
    this.joining = false;
  }

  answer(top: i32): Response {
    const out = new JsonWriter();
    out.beginObject();
    out.key('bytes').integer(this.text.length);
    out.key('characters').integer(this.characters);
    out.key('malformed').integer(this.malformed);
    out.key('lines').integer(this.lines);
    out.key('words').integer(this.words);
    out.key('distinctWords').integer(this.table.distinct);
    out.key('complete').boolean(this.table.isComplete);
    out.key('frequent').beginArray();
    const frequent = this.table.most(top);
    for (let i = 0; i < frequent.length; i++) {
      out.beginObject();
      out.key('word').string(frequent[i].word.text().toLowerCase());
      out.key('count').integer(frequent[i].count);
      out.endObject();
    }
    out.endArray().endObject();
    return out.response();
  }
}
