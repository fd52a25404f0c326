/**
 * The reviews of a movie.
 *
 * READ: `u32 operation, u32 movie, i32 start, i32 stop, u32 1 for the best first, 0 for the newest` → the reviews from `start`
 * to before `stop`, as review-storage answers
 * WRITE: `u32 operation, u32 movie, u64 entry` → `u32 0` (shared/review-entry.ts)
 */
import { ArgBuf, Request, Response, Space, View } from 'jord';
import { Code } from '../../shared/codes';
import { keyOf } from '../../shared/keys';
import { isRange, readDocuments, TimelineOperation } from '../../shared/read-timeline';
import { done, refuse, Service } from '../../shared/service';
import { addToTimeline, copyPage, pageLength } from '../../shared/timeline';
import { RATING_MAX, ratingOf, reviewOf } from './shared/review-entry';

const TIMELINES = Space.open('media-movie-reviews');
const REVIEWS = new Service('media-review-storage');

export function handle(request: Request): Response {
  if (request.load<u32>(0) == TimelineOperation.READ) return read(request);
  addToTimeline(TIMELINES, keyOf(request.load<u32>(4)), request.load<u64>(8));
  return done();
}

function read(request: Request): Response {
  const start = request.load<i32>(8);
  const stop = request.load<i32>(12);
  if (!isRange(start, stop)) return refuse(Code.INVALID_RANGE);
  const timeline = TIMELINES.getBytes(keyOf(request.load<u32>(4)));
  const length = timeline == null ? 0 : pageLength(timeline.length >> 3, start, stop);
  const ids = new ArgBuf((length << 3) + 4);
  if (timeline != null) {
    if (request.load<u32>(16) != 0) copyBest(timeline, start, length, ids.pointer);
    else copyPage(timeline, start, length, ids.pointer);
  }
  for (let i = 0; i < length; i++) ids.store<u64>(i << 3, reviewOf(ids.load<u64>(i << 3)));
  return readDocuments(REVIEWS, ids);
}

/** A page in the order of ratings, newest first among the same: a counting sort. */
function copyBest(timeline: View, start: i32, length: i32, to: usize): void {
  const count = timeline.length >> 3;
  // How many there are of each rating, then where the next of it goes.
  const places = new StaticArray<i32>(16);
  const ordered = heap.alloc(timeline.length);
  for (let i = 0; i < count; i++) unchecked(places[ratingOf(timeline.load<u64>(i << 3))]++);
  let place = 0;
  for (let rating = <i32>RATING_MAX; rating >= 0; rating--) {
    const next = place + unchecked(places[rating]);
    unchecked((places[rating] = place));
    place = next;
  }
  for (let i = count - 1; i >= 0; i--) {
    const entry = timeline.load<u64>(i << 3);
    store<u64>(ordered + ((<usize>unchecked(places[ratingOf(entry)]++)) << 3), entry);
  }
  memory.copy(to, ordered + ((<usize>start) << 3), (<usize>length) << 3);
}
