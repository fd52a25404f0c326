/**
 * Finds a movie by its title; capital letters of ASCII and blanks around it do not matter. `title` → `u32 0, u32 id`
 */
import { Request, Response, Space, View } from 'jord';
import { newAnswer, refuse } from '../../shared/service';
import { MediaCode } from './shared/failures';

const TITLES = Space.open('media-titles');
const TITLE_LENGTH_MAX: i32 = 256;

export function handle(request: Request): Response {
  const title = trimmed(request);
  if (title.isEmpty || title.length > TITLE_LENGTH_MAX) return refuse(MediaCode.UNKNOWN_MOVIE);
  for (let at = title.pointer; at < title.pointer + <usize>title.length; at++) {
    const byte = load<u8>(at);
    if (byte >= 0x41 && byte <= 0x5a) store<u8>(at, byte | 0x20);
  }
  const id = TITLES.getBytes(title);
  if (id == null) return refuse(MediaCode.UNKNOWN_MOVIE);
  const answer = newAnswer(8);
  answer.store<u32>(4, id.load<u32>(0));
  return new Response(answer);
}

function trimmed(text: View): View {
  let start = 0;
  let end = text.length;
  while (start < end && text[start] == 0x20) start++;
  while (end > start && text[end - 1] == 0x20) end--;
  return text.slice(start, end);
}
