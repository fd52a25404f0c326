/** The reviews that a user made: operations READ and WRITE of shared/read-timeline.ts, with reviews. */
import { Request, Response, Space } from 'jord';
import { keyOf } from '../../shared/keys';
import { readTimeline, TimelineOperation } from '../../shared/read-timeline';
import { done, Service } from '../../shared/service';
import { addToTimeline } from '../../shared/timeline';

const TIMELINES = Space.open('media-user-reviews');
const REVIEWS = new Service('media-review-storage');

export function handle(request: Request): Response {
  if (request.load<u32>(0) == TimelineOperation.READ) return readTimeline(TIMELINES, REVIEWS, request);
  addToTimeline(TIMELINES, keyOf(request.load<u32>(4)), request.load<u64>(8));
  return done();
}
