/** The five hotels that are nearest to a place, no more than 10 km away: a k-d tree in the space `hotel-geo`, key `hotels`. */
import { ArgBuf, Request, Response, Space } from 'jord';
import { Search } from './shared/tree';
import { Wish } from './shared/wire';

const space = Space.open('hotel-geo');

export function handle(request: Request): Response {
  const tree = space.get('hotels');
  if (tree == null) throw new Error('the hotels are not loaded');
  const search = new Search(tree);
  search.around(request.load<f64>(0), request.load<f64>(8), Wish.NEAR);
  const found = new ArgBuf(search.count * 4);
  for (let i = 0; i < search.count; i++) found.store<u32>(i * 4, search.what(i));
  return new Response(found);
}
