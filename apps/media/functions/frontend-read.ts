/**
 * From outside: shows a movie, or the reviews that a user made.
 *
 * `{"movie_id":5,"start":0,"stop":10,"order":"newest"}`, or with a `"title"` → `{"movie":{…},"cast":[…],"plot":…,"reviews":[…]}`
 * with such a part of the reviews; `"best"` puts the best ones first. `{"user_id":5,"start":0,"stop":10}` →
 * `{"reviews":[…]}`, the newest first
 */
import { ArgBuf, JsonReader, Request, Response, Result, View } from 'jord';
import { badRequest } from '../../shared/failure';
import { TimelineOperation } from '../../shared/read-timeline';
import { codeOf, Service } from '../../shared/service';
import { failed } from './shared/failures';

const PAGE = new Service('media-page');
const MOVIE_ID = new Service('media-movie-id');
const USER_REVIEW = new Service('media-user-review');
const PAGE_LENGTH: i32 = 10;

class Fields {
  movie: u32 = 0;
  title: View = new View(0, 0);
  user: u32 = 0;
  start: i32 = 0;
  stop: i32 = -1;
  best: bool = false;
}

export function handle(request: Request): Response {
  const fields = new Fields();
  const json = new JsonReader(request);
  json.enterObject();
  while (json.nextKey()) read(json, fields);
  if (!json.end()) return badRequest(json.message);
  if (fields.user != 0) return answer(USER_REVIEW.call(ask(fields.user, fields)));
  if (fields.movie != 0) return answer(PAGE.call(ask(fields.movie, fields)));
  if (fields.title.isEmpty) return badRequest('a movie_id, a title or a user_id is needed');
  const found = MOVIE_ID.call(ArgBuf.copy(fields.title));
  const code = codeOf(found);
  if (code != 0) return failed(code);
  return answer(PAGE.call(ask(found.response.load<u32>(4), fields)));
}

function read(json: JsonReader, fields: Fields): void {
  if (json.keyIs('movie_id')) fields.movie = json.integer<u32>();
  else if (json.keyIs('title')) fields.title = json.utf8();
  else if (json.keyIs('user_id')) fields.user = json.integer<u32>();
  else if (json.keyIs('start')) fields.start = json.integer<i32>();
  else if (json.keyIs('stop')) fields.stop = json.integer<i32>();
  else if (json.keyIs('order')) {
    const order = json.utf8();
    fields.best = order.is('best');
    if (!fields.best && !order.is('newest')) json.refuse('an order is "newest" or "best"');
  }
}

/** As page and user-review take it. Without a stop it is one page; one beyond all numbers is refused as a range. */
function ask(owner: u32, fields: Fields): ArgBuf {
  const asked = new ArgBuf(20);
  asked.store<u32>(0, TimelineOperation.READ);
  asked.store<u32>(4, owner);
  asked.store<i32>(8, fields.start);
  asked.store<i32>(12, fields.stop < 0 ? fields.start + PAGE_LENGTH : fields.stop);
  asked.store<u32>(16, fields.best ? 1 : 0);
  return asked;
}

function answer(result: Result): Response {
  const code = codeOf(result);
  return code == 0 ? new Response(result.response).type('application/json') : failed(code);
}
