/** What guests wrote of a hotel: a value of the space `hotel-reviews`, by its number; empty when nobody has. */
import { ArgBuf, Request, Response, Space } from 'jord';

export function handle(request: Request): Response {
  const reviews = Space.open('hotel-reviews').getBytes(request);
  return reviews == null ? Response.empty() : new Response(ArgBuf.copy(reviews));
}
