/**
 * From outside: makes a post. `{"user_id":5,"username":"ada_1","text":"…","media_ids":["12", …],"media_types":["png", …],
 * "post_type":0,"timestamp":1700000000000}` → `{"post_id":7}`. The media, the type and the time may be left out.
 */
import { ArgBuf, JsonReader, JsonWriter, Request, Response, time, View } from 'jord';
import { badRequest } from '../../shared/failure';
import { codeOf, Service } from '../../shared/service';
import { failed, SocialCode } from './shared/failures';

const COMPOSE = new Service('social-compose-post');
/** More are too many anyway. */
const MEDIA_READ_MAX: i32 = 16;
/** A post, a repost, a reply, a message. */
const POST_TYPE_MAX: u32 = 3;

class Post {
  userId: u32 = 0;
  username: View = new View(0, 0);
  text: View = new View(0, 0);
  mediaIds: View[] = [];
  mediaTypes: View[] = [];
  type: u32 = 0;
  timeMs: f64 = -1;
}

export function handle(request: Request): Response {
  const post = new Post();
  const json = new JsonReader(request);
  read(json, post);
  if (!json.end()) return badRequest(json.message);
  if (post.userId == 0 || post.username.isEmpty) return badRequest('a post needs a user_id and a username');
  if (!areMediaRight(post)) return failed(SocialCode.INVALID_MEDIA);
  if (post.timeMs < 0) post.timeMs = time();
  const result = COMPOSE.call(compose(post));
  const code = codeOf(result);
  if (code != 0) return failed(code);
  return new JsonWriter(64).beginObject().key('post_id').integer(result.response.load<u64>(8)).endObject().response();
}

function read(json: JsonReader, post: Post): void {
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('user_id')) post.userId = json.integer<u32>();
    else if (json.keyIs('username')) post.username = json.utf8();
    else if (json.keyIs('text')) post.text = json.utf8();
    else if (json.keyIs('media_ids')) readAll(json, post.mediaIds);
    else if (json.keyIs('media_types')) readAll(json, post.mediaTypes);
    else if (json.keyIs('timestamp')) post.timeMs = <f64>json.integer<i64>();
    else if (json.keyIs('post_type')) {
      post.type = json.integer<u32>();
      if (post.type > POST_TYPE_MAX) json.refuse('a post_type is 0 to 3');
    }
  }
}

function readAll(json: JsonReader, to: View[]): void {
  json.enterArray();
  while (json.nextItem()) {
    const text = json.utf8();
    if (to.length < MEDIA_READ_MAX) to.push(text);
  }
}

/** They can be told to the service, which looks at them closely. */
function areMediaRight(post: Post): bool {
  if (post.mediaIds.length != post.mediaTypes.length) return false;
  for (let i = 0; i < post.mediaIds.length; i++) {
    if (post.mediaIds[i].length > 255 || post.mediaTypes[i].length > 255) return false;
  }
  return true;
}

function compose(post: Post): ArgBuf {
  let length = 28 + post.username.length + post.text.length;
  for (let i = 0; i < post.mediaIds.length; i++) length += 2 + post.mediaIds[i].length + post.mediaTypes[i].length;
  const ask = new ArgBuf(length);
  ask.store<u32>(0, post.userId);
  ask.store<u32>(4, post.type);
  ask.store<f64>(8, post.timeMs);
  ask.store<i32>(16, post.username.length);
  ask.store<i32>(20, post.text.length);
  ask.set(post.username, 24);
  let at = 24 + post.username.length;
  ask.set(post.text, at);
  at += post.text.length;
  ask.store<i32>(at, post.mediaIds.length);
  at += 4;
  for (let i = 0; i < post.mediaIds.length; i++) {
    at = append(ask, at, post.mediaIds[i]);
    at = append(ask, at, post.mediaTypes[i]);
  }
  return ask;
}

function append(ask: ArgBuf, at: i32, part: View): i32 {
  ask[at] = <u8>part.length;
  ask.set(part, at + 1);
  return at + 1 + part.length;
}
