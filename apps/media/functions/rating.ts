/**
 * Ratings, 0 to 10, and what they come to for each movie.
 *
 * CHECK: `u32 operation, i32 rating` → `u32 0`
 * COUNT: `u32 operation, u32 rating, u32 movie` → `u32 0`
 * READ: `u32 operation, u32 -, u32 movie` → `u32 0`, then the JSON
 * `"rating":{"average":7.25,"count":4,"distribution":[…]}`, with how often each of 0 to 10 was given; no average is `null`
 *
 * For each movie the store has `u32 count, u32 sum`, and eleven times `u32` how often.
 */
import { ArgBuf, Request, Response, Space, Status, View } from 'jord';
import { JsonFragment } from '../../shared/json-fragment';
import { keyOf } from '../../shared/keys';
import { done, refuse } from '../../shared/service';
import { utf8 } from '../../shared/text';
import { MediaCode } from './shared/failures';
import { RatingOperation } from './shared/operations';
import { RATING_MAX } from './shared/review-entry';

const RATINGS = Space.open('media-ratings');
const DISTRIBUTION: i32 = 8;
const LENGTH: i32 = DISTRIBUTION + 4 * 11;
const AVERAGE: View = utf8('\0\0\0\0"rating":{"average":');
const NULL: View = utf8('null');
const COUNT: View = utf8(',"count":');
const LIST: View = utf8(',"distribution":[');

export function handle(request: Request): Response {
  const operation = request.load<u32>(0);
  const rating = request.load<u32>(4);
  if (operation == RatingOperation.CHECK) return rating > RATING_MAX ? refuse(MediaCode.INVALID_RATING) : done();
  const movie = request.load<u32>(8);
  if (operation == RatingOperation.READ) return read(movie);
  while (!tryCount(movie, rating)) {}
  return done();
}

/** False when another rating was counted in between. */
function tryCount(movie: u32, rating: u32): bool {
  const key = keyOf(movie);
  const old = RATINGS.getBytes(key);
  const counted = new ArgBuf(LENGTH);
  if (old != null) counted.set(old);
  else memory.fill(counted.pointer, 0, LENGTH);
  counted.store<u32>(0, counted.load<u32>(0) + 1);
  counted.store<u32>(4, counted.load<u32>(4) + rating);
  const place = DISTRIBUTION + 4 * <i32>rating;
  counted.store<u32>(place, counted.load<u32>(place) + 1);
  const put = RATINGS.putBytes(key, counted, old == null ? 0 : old.version);
  if (put >= 65536) return true;
  if (put != Status.KV_CONFLICT) throw new Error(`the rating cannot be counted: status ${put}`);
  counted.free();
  if (old != null) old.release();
  return false;
}

function read(movie: u32): Response {
  const ratings = RATINGS.getBytes(keyOf(movie));
  const count: u64 = ratings == null ? 0 : ratings.load<u32>(0);
  const out = new JsonFragment(128);
  out.bytes(AVERAGE);
  if (ratings == null || count == 0) out.bytes(NULL);
  else writeHundredths(out, (<u64>ratings.load<u32>(4) * 200 + count) / (2 * count));
  out.bytes(COUNT).integer(count).bytes(LIST);
  for (let i = 0; i <= <i32>RATING_MAX; i++) {
    if (i > 0) out.byte(0x2c);
    out.integer(ratings == null ? 0 : ratings.load<u32>(DISTRIBUTION + 4 * i));
  }
  return new Response(out.byte(0x5d).byte(0x7d).argbuf());
}

function writeHundredths(out: JsonFragment, hundredths: u64): void {
  const rest = <u8>(hundredths % 100);
  out.integer(hundredths / 100).byte(0x2e);
  out.byte(0x30 + rest / 10).byte(0x30 + (rest % 10));
}
