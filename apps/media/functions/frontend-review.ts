/**
 * From outside: makes a review. `{"username":"ada_1","title":"…","text":"…","rating":8,"timestamp":1700000000000}` →
 * `{"review_id":7}`. The time may be left out.
 */
import { ArgBuf, JsonReader, JsonWriter, Request, Response, time, View } from 'jord';
import { badRequest } from '../../shared/failure';
import { codeOf, Service } from '../../shared/service';
import { failed } from './shared/failures';

const COMPOSE = new Service('media-compose-review');
const NOTHING: View = new View(0, 0);
const HEAD: i32 = 24;

export function handle(request: Request): Response {
  let username = NOTHING;
  let title = NOTHING;
  let text = NOTHING;
  let rating: i32 = -1;
  let timeMs: f64 = -1;
  const json = new JsonReader(request);
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('username')) username = json.utf8();
    else if (json.keyIs('title')) title = json.utf8();
    else if (json.keyIs('text')) text = json.utf8();
    else if (json.keyIs('rating')) rating = json.integer<i32>();
    else if (json.keyIs('timestamp')) timeMs = <f64>json.integer<i64>();
  }
  if (!json.end()) return badRequest(json.message);
  if (username.isEmpty || title.isEmpty) return badRequest('a review needs a username and a title');

  const ask = new ArgBuf(HEAD + username.length + title.length + text.length);
  ask.store<i32>(0, rating);
  ask.store<i32>(4, username.length);
  ask.store<i32>(8, title.length);
  ask.store<f64>(16, timeMs < 0 ? time() : timeMs);
  ask.set(username, HEAD);
  ask.set(title, HEAD + username.length);
  ask.set(text, HEAD + username.length + title.length);
  const result = COMPOSE.call(ask);
  const code = codeOf(result);
  if (code != 0) return failed(code);
  const id = result.response.load<u64>(8);
  return new JsonWriter(64).beginObject().key('review_id').integer(id).endObject().response();
}
