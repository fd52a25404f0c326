/** Hotels near a place with what a stay costs there, the cheapest first: geo finds them, rate knows the prices. */
import { ArgBuf, call, Request, Response } from 'jord';
import { expectOk } from '../../shared/failure';
import { PLACE_SIZE, STAY_SIZE } from './shared/wire';

export function handle(request: Request): Response {
  const place = new ArgBuf(PLACE_SIZE);
  place.set(request.slice(STAY_SIZE, STAY_SIZE + PLACE_SIZE));
  const near = call('hotel-geo', place);
  expectOk('geo', near);
  if (near.response.isEmpty) return Response.empty();
  const question = new ArgBuf(STAY_SIZE + near.response.length);
  question.set(request.slice(0, STAY_SIZE));
  question.set(near.response, STAY_SIZE);
  const offers = call('hotel-rate', question);
  expectOk('rate', offers);
  return new Response(offers.response);
}
