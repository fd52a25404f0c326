/**
 * Reads the text of a post: finds the mentions and URLs in it, asks user-mention who is meant and url-shorten for shorter
 * ones, both at a time, and writes the text anew. `text` → `u32 0, u32 count, u32 ids of those that are named`, then the JSON
 * `"text":…,"user_mentions":[{"user_id":…,"username":…}, …],"urls":[{"shortened_url":…,"expanded_url":…}, …]`
 */
import { ArgBuf, Invocation, Request, Response, View } from 'jord';
import { Code } from '../../shared/codes';
import { JsonFragment } from '../../shared/json-fragment';
import { codeOf, refuse, Service } from '../../shared/service';
import { utf8 } from '../../shared/text';
import { CODE_LENGTH, SHORT_PREFIX, ShortenOperation } from './shared/short-url';
import { PartKind, TextParts } from './shared/text-parts';

const MENTIONS = new Service('social-user-mention');
const SHORTEN = new Service('social-url-shorten');
const CHARACTERS_MAX: i32 = 1000;

const TEXT: View = utf8('"text":"');
const USER_MENTIONS: View = utf8('","user_mentions":[');
const USER_ID: View = utf8('{"user_id":');
const USERNAME: View = utf8(',"username":"');
const END: View = utf8('"}');
const URLS: View = utf8('],"urls":[');
const SHORTENED: View = utf8('{"shortened_url":"');
const EXPANDED: View = utf8('","expanded_url":"');
const PREFIX: View = utf8(SHORT_PREFIX);

export function handle(request: Request): Response {
  if (request.isEmpty) return refuse(Code.TEXT_EMPTY);
  const parts = new TextParts(request, CHARACTERS_MAX);
  if (parts.characters > CHARACTERS_MAX) return refuse(Code.TEXT_TOO_LONG);
  const names = distinctNames(parts);
  const urlCount = countUrls(parts);

  // The one is started, so that another executor can do it while the other is done here.
  let shortening: Invocation | null = null;
  if (urlCount > 0) shortening = SHORTEN.start(askForUrls(parts, urlCount));
  let ids: View = new View(0, 0);
  if (names.length > 0) {
    const result = MENTIONS.call(askForUsers(names));
    const code = codeOf(result);
    if (code != 0) return refuse(code);
    ids = result.response.slice(8);
  }
  let codes: View = new View(0, 0);
  if (shortening != null) {
    const result = shortening.wait();
    const code = codeOf(result);
    if (code != 0) return refuse(code);
    codes = result.response.slice(8);
  }
  return new Response(answer(request, parts, names, ids, codes));
}

/** What the text names, each once, in the order in which they come. */
function distinctNames(parts: TextParts): View[] {
  const names: View[] = [];
  for (let i = 0; i < parts.length; i++) {
    if (parts.kind(i) != PartKind.MENTION) continue;
    const name = parts.value(i);
    let isNew = true;
    for (let other = 0; isNew && other < names.length; other++) isNew = !names[other].equals(name);
    if (isNew) names.push(name);
  }
  return names;
}

function countUrls(parts: TextParts): i32 {
  let count = 0;
  for (let i = 0; i < parts.length; i++) if (parts.kind(i) == PartKind.URL) count++;
  return count;
}

function askForUrls(parts: TextParts, count: i32): ArgBuf {
  let length = 8;
  for (let i = 0; i < parts.length; i++) if (parts.kind(i) == PartKind.URL) length += 4 + parts.value(i).length;
  const ask = new ArgBuf(length);
  ask.store<u32>(0, ShortenOperation.SHORTEN);
  ask.store<i32>(4, count);
  let at = 8;
  for (let i = 0; i < parts.length; i++) {
    if (parts.kind(i) != PartKind.URL) continue;
    const url = parts.value(i);
    ask.store<i32>(at, url.length);
    ask.set(url, at + 4);
    at += 4 + url.length;
  }
  return ask;
}

/** Names that are too long are nobody's. */
function askForUsers(names: View[]): ArgBuf {
  let length = 4;
  for (let i = 0; i < names.length; i++) length += 1 + min(names[i].length, 255);
  const ask = new ArgBuf(length);
  ask.store<i32>(0, names.length);
  let at = 4;
  for (let i = 0; i < names.length; i++) {
    const nameLength = min(names[i].length, 255);
    ask[at] = <u8>nameLength;
    ask.set(names[i].slice(0, nameLength), at + 1);
    at += 1 + nameLength;
  }
  return ask;
}

function answer(text: View, parts: TextParts, names: View[], ids: View, codes: View): ArgBuf {
  const out = new JsonFragment(256 + text.length + codes.length * 16);
  let known = 0;
  for (let i = 0; i < names.length; i++) if (ids.load<u32>(4 * i) != 0) known++;
  out.word(0).word(known);
  for (let i = 0; i < names.length; i++) if (ids.load<u32>(4 * i) != 0) out.word(ids.load<u32>(4 * i));
  writeText(out, text, parts, codes);
  writeMentions(out, names, ids);
  writeUrls(out, parts, codes);
  return out.argbuf();
}

/** The text with its URLs replaced. */
function writeText(out: JsonFragment, text: View, parts: TextParts, codes: View): void {
  out.bytes(TEXT);
  let from = 0;
  let url = 0;
  for (let i = 0; i < parts.length; i++) {
    if (parts.kind(i) != PartKind.URL) continue;
    out.escaped(text.slice(from, parts.start(i)));
    out.bytes(PREFIX).bytes(codeAt(codes, url++));
    from = parts.end(i);
  }
  out.escaped(text.slice(from)).bytes(USER_MENTIONS);
}

function writeMentions(out: JsonFragment, names: View[], ids: View): void {
  let isFirst = true;
  for (let i = 0; i < names.length; i++) {
    const id = ids.load<u32>(4 * i);
    if (id == 0) continue;
    if (!isFirst) out.byte(0x2c);
    isFirst = false;
    out.bytes(USER_ID).integer(id).bytes(USERNAME).bytes(names[i]).bytes(END);
  }
  out.bytes(URLS);
}

function writeUrls(out: JsonFragment, parts: TextParts, codes: View): void {
  let url = 0;
  for (let i = 0; i < parts.length; i++) {
    if (parts.kind(i) != PartKind.URL) continue;
    if (url > 0) out.byte(0x2c);
    out.bytes(SHORTENED).bytes(PREFIX).bytes(codeAt(codes, url++));
    out.bytes(EXPANDED).bytes(parts.value(i)).bytes(END);
  }
  out.byte(0x5d);
}

function codeAt(codes: View, index: i32): View {
  return codes.slice(index * CODE_LENGTH, (index + 1) * CODE_LENGTH);
}
