/**
 * Looks at the text of a review and puts it in order: blanks and line ends in a row become one blank, those at the begin and
 * the end go. `text` → `u32 0`, then the JSON `"text":…`
 */
import { Request, Response, View } from 'jord';
import { Code } from '../../shared/codes';
import { JsonFragment } from '../../shared/json-fragment';
import { refuse } from '../../shared/service';
import { utf8 } from '../../shared/text';

const CHARACTERS_MAX: i32 = 1000;
const BEGIN: View = utf8('\0\0\0\0"text":');

export function handle(request: Request): Response {
  const text = tidied(request);
  if (text.isEmpty) return refuse(Code.TEXT_EMPTY);
  if (characters(text) > CHARACTERS_MAX) return refuse(Code.TEXT_TOO_LONG);
  const out = new JsonFragment(16 + text.length);
  out.bytes(BEGIN);
  out.quoted(text);
  return new Response(out.argbuf());
}

/** Written over the request: it only gets shorter. */
function tidied(text: View): View {
  const end = text.pointer + <usize>text.length;
  let to = text.pointer;
  let isBlankDue = false;
  for (let from = text.pointer; from < end; from++) {
    const byte = load<u8>(from);
    if (byte == 0x20 || (byte >= 0x09 && byte <= 0x0d)) {
      isBlankDue = to > text.pointer;
      continue;
    }
    if (isBlankDue) store<u8>(to++, 0x20);
    isBlankDue = false;
    store<u8>(to++, byte);
  }
  return text.slice(0, <i32>(to - text.pointer));
}

function characters(text: View): i32 {
  let count = 0;
  const end = text.pointer + <usize>text.length;
  for (let at = text.pointer; at < end; at++) if ((load<u8>(at) & 0xc0) != 0x80) count++;
  return count;
}
