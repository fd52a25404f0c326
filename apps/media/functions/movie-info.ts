/**
 * What is known of a movie, with its rating. `u32 movie` → `u32 0, u32 plot, u32 count, u32 ids of those who play in it`, then
 * the JSON `"movie":{"movie_id":…,"title":…,…,"rating":{…}}`
 *
 * The store has the same without the zero, and of the JSON what is between the brackets, up to the rating.
 */
import { ArgBuf, Request, Response, Space, View } from 'jord';
import { JsonFragment } from '../../shared/json-fragment';
import { keyOf } from '../../shared/keys';
import { codeOf, refuse, Service } from '../../shared/service';
import { utf8 } from '../../shared/text';
import { MediaCode } from './shared/failures';
import { RatingOperation } from './shared/operations';

const MOVIES = Space.open('media-movies');
const RATING = new Service('media-rating');
const ZERO: View = utf8('\0\0\0\0');
const BEGIN: View = utf8('"movie":{');

export function handle(request: Request): Response {
  const movie = request.load<u32>(0);
  const info = MOVIES.getBytes(keyOf(movie));
  if (info == null) return refuse(MediaCode.UNKNOWN_MOVIE);
  const ask = new ArgBuf(12);
  ask.store<u32>(0, RatingOperation.READ);
  ask.store<u32>(8, movie);
  const rating = RATING.call(ask);
  const code = codeOf(rating);
  if (code != 0) return refuse(code);

  const idsEnd = 8 + 4 * info.load<i32>(4);
  const out = new JsonFragment(64 + info.length + rating.response.length);
  out.bytes(ZERO).bytes(info.slice(0, idsEnd));
  out.bytes(BEGIN).bytes(info.slice(idsEnd)).byte(0x2c).bytes(rating.response.slice(4)).byte(0x7d);
  return new Response(out.argbuf());
}
