/**
 * The five restaurants, museums or cinemas that are nearest to a hotel, no more than 10 km away.
 *
 * The space `hotel-attractions` has values `restaurants`, `museums`, `cinemas`: a k-d tree whose nodes have the offset of a
 * record, and the records behind it; and `hotels`, 0 u32 how many · 8 for each the f64 x, y, z of its place.
 */
import { ArgBuf, Request, Response, Space, Value } from 'jord';
import { Search } from './shared/tree';
import { Attraction, Place, Wish } from './shared/wire';

const POINT_SIZE: u32 = 24;

const space = Space.open('hotel-attractions');

export function handle(request: Request): Response {
  const number = request.load<u32>(0);
  const hotels = valueOf('hotels');
  if (number == 0 || number > hotels.load<u32>(0)) return Response.empty();
  const point = hotels.pointer + 8 + <usize>((number - 1) * POINT_SIZE);
  const what = request.load<u32>(4);
  const places = valueOf(
    what == Attraction.RESTAURANTS ? 'restaurants' : what == Attraction.MUSEUMS ? 'museums' : 'cinemas',
  );
  const search = new Search(places);
  search.aroundPoint(load<f64>(point), load<f64>(point, 8), load<f64>(point, 16), Wish.NEAR);
  return answer(search, places);
}

function valueOf(key: string): Value {
  const value = space.get(key);
  if (value == null) throw new Error('the attractions are not loaded');
  return value;
}

function answer(search: Search, places: Value): Response {
  let length = 0;
  for (let i = 0; i < search.count; i++) length += Place.HEADER + recordLength(places, search.more(i));
  const message = new ArgBuf(length);
  let to = 0;
  for (let i = 0; i < search.count; i++) {
    const record = <i32>search.more(i);
    const size = recordLength(places, record);
    message.store<u32>(to, search.metres(i));
    message.store<u32>(to + 4, size);
    message.set(places.slice(record, record + size), to + Place.HEADER);
    to += Place.HEADER + size;
  }
  return new Response(message);
}

function recordLength(places: Value, record: i32): i32 {
  const lengths = record + Place.LENGTHS;
  return (Place.TEXTS + <i32>places.load<u16>(lengths) + <i32>places.load<u16>(lengths + 2) + 7) & ~7;
}
