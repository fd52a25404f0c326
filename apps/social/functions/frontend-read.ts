/**
 * From outside: shows posts, and what a shortened URL stands for.
 *
 * `{"timeline":"home","user_id":5,"start":0,"stop":10}` → `{"posts":[…]}`, the newest first; `"user"` for those that the
 * user made. `{"url":"http://short-url/…"}` → `{"expanded_url":"…"}`
 */
import { ArgBuf, JsonReader, JsonWriter, Request, Response, View } from 'jord';
import { badRequest } from '../../shared/failure';
import { TimelineOperation } from '../../shared/read-timeline';
import { codeOf, Service } from '../../shared/service';
import { failed, SocialCode } from './shared/failures';
import { SHORT_PREFIX, ShortenOperation } from './shared/short-url';

const HOME_TIMELINE = new Service('social-home-timeline');
const USER_TIMELINE = new Service('social-user-timeline');
const SHORTEN = new Service('social-url-shorten');
const PAGE_LENGTH: i32 = 10;

enum Timeline {
  NONE,
  HOME,
  USER,
}

export function handle(request: Request): Response {
  let timeline = Timeline.NONE;
  let user: u32 = 0;
  let start: i32 = 0;
  let stop: i32 = -1;
  let url: View | null = null;
  const json = new JsonReader(request);
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('timeline')) timeline = readTimeline(json);
    else if (json.keyIs('user_id')) user = json.integer<u32>();
    else if (json.keyIs('start')) start = json.integer<i32>();
    else if (json.keyIs('stop')) stop = json.integer<i32>();
    else if (json.keyIs('url')) url = json.utf8();
  }
  if (!json.end()) return badRequest(json.message);
  if (url != null) return expand(url);
  if (timeline == Timeline.NONE || user == 0) return badRequest('a timeline and a user_id are needed, or a url');

  // Without a stop it is one page; one beyond all numbers is refused as a range.
  if (stop < 0) stop = start + PAGE_LENGTH;
  const ask = new ArgBuf(16);
  ask.store<u32>(0, TimelineOperation.READ);
  ask.store<u32>(4, user);
  ask.store<i32>(8, start);
  ask.store<i32>(12, stop);
  const result = (timeline == Timeline.HOME ? HOME_TIMELINE : USER_TIMELINE).call(ask);
  const code = codeOf(result);
  return code == 0 ? new Response(result.response).type('application/json') : failed(code);
}

function readTimeline(json: JsonReader): Timeline {
  const name = json.utf8();
  if (name.is('home')) return Timeline.HOME;
  if (name.is('user')) return Timeline.USER;
  json.refuse('a timeline is "home" or "user"');
  return Timeline.NONE;
}

function expand(url: View): Response {
  const prefix = SHORT_PREFIX.length;
  if (url.length < prefix || !url.slice(0, prefix).is(SHORT_PREFIX)) return failed(SocialCode.UNKNOWN_URL);
  const letters = url.slice(prefix);
  const ask = new ArgBuf(8 + letters.length);
  ask.store<u32>(0, ShortenOperation.EXPAND);
  ask.store<i32>(4, letters.length);
  ask.set(letters, 8);
  const result = SHORTEN.call(ask);
  const code = codeOf(result);
  if (code != 0) return failed(code);
  const json = new JsonWriter(256);
  return json.beginObject().key('expanded_url').utf8(result.response.slice(4)).endObject().response();
}
