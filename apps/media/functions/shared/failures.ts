/** What can go wrong in the movie reviews beside what can in any application. */
import { Response } from 'jord';
import { Failure, failedBy } from '../../../shared/codes';

export namespace MediaCode {
  export const UNKNOWN_MOVIE: i32 = 32;
  export const INVALID_RATING: i32 = 33;
}

const FAILURES: Failure[] = [
  new Failure(MediaCode.UNKNOWN_MOVIE, 404, 'unknown_movie', 'there is no such movie'),
  new Failure(MediaCode.INVALID_RATING, 400, 'invalid_rating', 'a rating is a whole number from 0 to 10'),
];

/** The answer to those outside for a code. */
export function failed(code: i32): Response {
  return failedBy(code, FAILURES);
}
