/** What can go wrong in the social network beside what can in any application. */
import { Response } from 'jord';
import { Failure, failedBy } from '../../../shared/codes';

export namespace SocialCode {
  export const INVALID_MEDIA: i32 = 32;
  export const OWN_FOLLOW: i32 = 33;
  export const UNKNOWN_URL: i32 = 34;
}

const MEDIA_MESSAGE: string = 'a post has at most 4 media, png, jpg, gif or mp4, with ids of digits';

const FAILURES: Failure[] = [
  new Failure(SocialCode.INVALID_MEDIA, 400, 'invalid_media', MEDIA_MESSAGE),
  new Failure(SocialCode.OWN_FOLLOW, 400, 'own_follow', 'nobody can follow themselves'),
  new Failure(SocialCode.UNKNOWN_URL, 404, 'unknown_url', 'there is no such shortened URL'),
];

/** The answer to those outside for a code. */
export function failed(code: i32): Response {
  return failedBy(code, FAILURES);
}
