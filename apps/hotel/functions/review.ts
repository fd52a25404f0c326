/** What guests wrote of a hotel: a value of the space `hotel-reviews`, by its number; empty when nobody has. */
import { ArgBuf, Request, Response, Space } from 'jord';

const space = Space.open('hotel-reviews');

export function handle(request: Request): Response {
  const reviews = space.getBytes(request);
  return reviews == null ? Response.empty() : new Response(ArgBuf.copy(reviews));
}
