/**
 * Gives a review its id. `()` → `u32 0, u32 -, u64 id`
 *
 * Ids count upwards, so that the order of ids is that in which reviews were made.
 */
import { Request, Response, Space } from 'jord';
import { newAnswer } from '../../shared/service';

const COUNTERS = Space.open('media-counters');

export function handle(_request: Request): Response {
  const answer = newAnswer(16);
  store<i64>(answer.pointer, COUNTERS.add('review'), 8);
  return new Response(answer);
}
