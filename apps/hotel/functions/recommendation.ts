/**
 * Five hotels within 10 km of a place: the nearest, those with the best rating, or those with the lowest price. A k-d tree
 * with ratings and prices in the space `hotel-recommendation`, key `hotels`.
 */
import { ArgBuf, Request, Response, Space } from 'jord';
import { Search } from './shared/tree';
import { PLACE_SIZE } from './shared/wire';

const space = Space.open('hotel-recommendation');

export function handle(request: Request): Response {
  const tree = space.get('hotels');
  if (tree == null) throw new Error('the hotels are not loaded');
  const search = new Search(tree);
  search.around(request.load<f64>(0), request.load<f64>(8), request.load<u32>(PLACE_SIZE));
  const found = new ArgBuf(search.count * 4);
  for (let i = 0; i < search.count; i++) found.store<u32>(i * 4, search.what(i));
  return new Response(found);
}
