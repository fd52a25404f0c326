/** Hotels near a place with what a stay costs there, the cheapest first: geo finds them, rate knows the prices. */
import { ArgBuf, Request, Response } from 'jord';
import { Service } from '../../shared/service';
import { PLACE_SIZE, STAY_SIZE } from './shared/wire';

const geo = new Service('hotel-geo');
const rate = new Service('hotel-rate');

export function handle(request: Request): Response {
  const place = new ArgBuf(PLACE_SIZE);
  place.set(request.slice(STAY_SIZE, STAY_SIZE + PLACE_SIZE));
  const near = geo.ask(place);
  if (near.isEmpty) return Response.empty();
  const question = new ArgBuf(STAY_SIZE + near.length);
  question.set(request.slice(0, STAY_SIZE));
  question.set(near, STAY_SIZE);
  return new Response(rate.ask(question));
}
