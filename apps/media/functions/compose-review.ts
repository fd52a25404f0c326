/**
 * Makes a review: asks movie-id, user, text, rating and unique-id for their parts at the same time, has review-storage keep the
 * whole, and then lets the user's reviews, the movie's reviews and its rating know. Only what is kept is listed.
 *
 * `i32 rating, u32 length of username, u32 length of title, u32 -, f64 time in ms, username, title, text` → `u32 0, u32 -,
 * u64 id`
 */
import { ArgBuf, Request, Response, View, waitAll } from 'jord';
import { STORE_LENGTH, storeRequest } from '../../shared/documents';
import { JsonFragment } from '../../shared/json-fragment';
import { TimelineOperation } from '../../shared/read-timeline';
import { codeOf, refuse, Service } from '../../shared/service';
import { utf8 } from '../../shared/text';
import { RatingOperation, UserOperation } from './shared/operations';
import { entryOf } from './shared/review-entry';

const MOVIE_ID = new Service('media-movie-id');
const USER = new Service('media-user');
const TEXT = new Service('media-text');
const RATING = new Service('media-rating');
const UNIQUE_ID = new Service('media-unique-id');
const STORAGE = new Service('media-review-storage');
const USER_REVIEW = new Service('media-user-review');
const MOVIE_REVIEW = new Service('media-movie-review');

const HEAD: i32 = 24;
const REVIEW_ID: View = utf8('{"review_id":');
const MOVIE: View = utf8(',"movie_id":');
const RATING_MEMBER: View = utf8(',"rating":');
const TIMESTAMP: View = utf8(',"timestamp":');

export function handle(request: Request): Response {
  const usernameEnd = HEAD + request.load<i32>(4);
  const titleEnd = usernameEnd + request.load<i32>(8);
  const rating = request.load<u32>(0);
  const started = [
    MOVIE_ID.start(ArgBuf.copy(request.slice(usernameEnd, titleEnd))),
    USER.start(askForReviewer(request.slice(HEAD, usernameEnd))),
    RATING.start(askRating(RatingOperation.CHECK, rating, 0)),
    UNIQUE_ID.start(new ArgBuf(0)),
  ];
  const text = TEXT.call(ArgBuf.copy(request.slice(titleEnd)));
  const results = waitAll(started);
  let code = codeOf(text);
  for (let i = 0; code == 0 && i < results.length; i++) code = codeOf(results[i]);
  if (code != 0) return refuse(code);

  const movie = results[0].response.load<u32>(4);
  const user = results[1].response;
  const id = results[3].response.load<u64>(8);
  const review = makeReview(id, movie, rating, request.load<f64>(16), text.response, user);
  code = codeOf(STORAGE.call(review));
  if (code == 0) code = list(id, user.load<u32>(4), movie, rating);
  return code == 0 ? new Response(results[3].response) : refuse(code);
}

function askForReviewer(username: View): ArgBuf {
  const ask = new ArgBuf(4 + username.length);
  ask.store<u32>(0, UserOperation.REVIEWER);
  ask.set(username, 4);
  return ask;
}

function askRating(operation: u32, rating: u32, movie: u32): ArgBuf {
  const ask = new ArgBuf(12);
  ask.store<u32>(0, operation);
  ask.store<u32>(4, rating);
  ask.store<u32>(8, movie);
  return ask;
}

/** The review as review-storage takes it. */
function makeReview(id: u64, movie: u32, rating: u32, timeMs: f64, text: ArgBuf, user: ArgBuf): ArgBuf {
  const out = new JsonFragment(160 + STORE_LENGTH + text.length + user.length);
  out.bytes(REVIEW_ID).integer(id).byte(0x2c).bytes(user.slice(8));
  out.bytes(MOVIE).integer(movie).byte(0x2c).bytes(text.slice(4));
  out.bytes(RATING_MEMBER).integer(rating).bytes(TIMESTAMP).integer(<i64>timeMs).byte(0x7d);
  return storeRequest(out, id);
}

/** Lets all know who list or count the review. */
function list(id: u64, user: u32, movie: u32, rating: u32): i32 {
  const started = [
    USER_REVIEW.start(askToList(user, id)),
    MOVIE_REVIEW.start(askToList(movie, entryOf(id, rating))),
  ];
  let code = codeOf(RATING.call(askRating(RatingOperation.COUNT, rating, movie)));
  const results = waitAll(started);
  for (let i = 0; code == 0 && i < results.length; i++) code = codeOf(results[i]);
  return code;
}

function askToList(owner: u32, entry: u64): ArgBuf {
  const ask = new ArgBuf(16);
  ask.store<u32>(0, TimelineOperation.WRITE);
  ask.store<u32>(4, owner);
  ask.store<u64>(8, entry);
  return ask;
}
