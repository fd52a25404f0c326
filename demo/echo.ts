/** Answers with the request itself: the same bytes, in the ArgBuf in which they came. */
import { Request, Response } from 'jord';

export function handle(request: Request): Response {
  return new Response(request);
}
