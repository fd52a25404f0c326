/** What is in the key-value store at first; what the values look like stands in the services that read them. */
import type { ApplicationEntry } from '../application.ts';
import { ByteWriter, utf8 } from '../bytes.ts';
import { type Attraction, FIRST_DAY, type Hotel, type HotelData, NIGHTS, PLANS, type Point } from './data.ts';

/** A place on the unit sphere. */
export type Vector = readonly [number, number, number];

interface Node {
  readonly point: Vector;
  readonly what: number;
  readonly rating: number;
  /** A price, or where more is known. */
  readonly more: number;
}

export function* entries(data: HotelData): Iterable<ApplicationEntry> {
  const hotelTree = treeValue(
    data.hotels.map((hotel) => ({
      point: vectorOf(hotel),
      what: hotel.number,
      rating: hotel.rating,
      more: hotel.priceCents,
    })),
  );
  yield { space: 'hotel-geo', key: utf8('hotels'), value: hotelTree };
  yield { space: 'hotel-recommendation', key: utf8('hotels'), value: hotelTree };
  yield { space: 'hotel-attractions', key: utf8('hotels'), value: pointsValue(data.hotels) };
  for (const [group, attractions] of Object.entries(data.attractions)) {
    yield { space: 'hotel-attractions', key: utf8(group), value: attractionsValue(attractions) };
  }
  for (const { name, salt, digest } of data.users) {
    yield { space: 'hotel-users', key: utf8(name), value: new ByteWriter(48).bytes(salt).bytes(digest).done() };
  }
  for (const hotel of data.hotels) {
    const key = hotelKey(hotel.number);
    yield { space: 'hotel-rates', key, value: ratesValue(data, hotel.number) };
    yield { space: 'hotel-availability', key, value: availabilityValue(data, hotel) };
    yield { space: 'hotel-profiles', key, value: profileValue(hotel) };
    yield { space: 'hotel-reviews', key, value: reviewsValue(hotel) };
  }
}

/** The key of a hotel's values. */
export function hotelKey(number: number): Uint8Array {
  return new ByteWriter(4).u32(number).done();
}

export function vectorOf(point: Point): Vector {
  const latitude = (point.latitude / 1e6) * (Math.PI / 180);
  const longitude = (point.longitude / 1e6) * (Math.PI / 180);
  const flat = Math.cos(latitude);
  return [flat * Math.cos(longitude), flat * Math.sin(longitude), Math.sin(latitude)];
}

function treeValue(nodes: Node[]): Uint8Array {
  const out = new ByteWriter(8 + 40 * nodes.length).u32(nodes.length).u32(0);
  const axes = new Map<Node, number>();
  arrange(nodes, 0, nodes.length, axes);
  for (const node of nodes) {
    for (const coordinate of node.point) out.f64(coordinate);
    out.u32(node.what).u16(axes.get(node) ?? 0);
    out.u16(node.rating).u32(node.more).u32(0);
  }
  return out.done();
}

/** Puts the middle one of a range, along the axis on which the range is widest, into its middle, and so on. */
function arrange(nodes: Node[], first: number, end: number, axes: Map<Node, number>): void {
  if (end - first < 2) return;
  const range = nodes.slice(first, end);
  const widths = [0, 1, 2].map((axis) => {
    const values = range.map(({ point }) => point[axis] ?? 0);
    return Math.max(...values) - Math.min(...values);
  });
  const axis = widths.indexOf(Math.max(...widths));
  range.sort((left, right) => (left.point[axis] ?? 0) - (right.point[axis] ?? 0));
  nodes.splice(first, range.length, ...range);
  const middle = (first + end) >> 1;
  const node = nodes[middle];
  if (node !== undefined) axes.set(node, axis);
  arrange(nodes, first, middle, axes);
  arrange(nodes, middle + 1, end, axes);
}

function pointsValue(points: readonly Point[]): Uint8Array {
  const out = new ByteWriter(8 + 24 * points.length).u32(points.length).u32(0);
  for (const point of points) for (const coordinate of vectorOf(point)) out.f64(coordinate);
  return out.done();
}

function attractionsValue(attractions: readonly Attraction[]): Uint8Array {
  const records = attractions.map(attractionRecord);
  let offset = 8 + 40 * attractions.length;
  const nodes = attractions.map((attraction, index) => {
    const node = { point: vectorOf(attraction), what: index, rating: attraction.rating, more: offset };
    offset += records[index]?.length ?? 0;
    return node;
  });
  const out = new ByteWriter(offset).bytes(treeValue(nodes));
  for (const record of records) out.bytes(record);
  return out.done();
}

function attractionRecord({ latitude, longitude, name, kind, rating }: Attraction): Uint8Array {
  const texts = [name, kind].map(utf8);
  const out = new ByteWriter(128).i32(latitude).i32(longitude).u16(rating);
  for (const text of texts) out.u16(text.length);
  out.u16(0);
  for (const text of texts) out.bytes(text);
  return out.align(8).done();
}

function ratesValue(data: HotelData, number: number): Uint8Array {
  const out = new ByteWriter(4096).u32(PLANS.length).u32(FIRST_DAY).u32(0).u32(0);
  for (const { name, room, nightsMin } of PLANS) out.text(name).u32(room).u32(nightsMin).u32(0);
  const size = PLANS.length * NIGHTS;
  const prices = data.prices.subarray((number - 1) * size, number * size);
  for (let night = 0; night < NIGHTS; night += 1) {
    PLANS.forEach((_, plan) => {
      out.u32(prices[plan * NIGHTS + night] ?? 0);
    });
  }
  return out.done();
}

function availabilityValue(data: HotelData, { number, rooms }: Hotel): Uint8Array {
  const out = new ByteWriter(1024).u32(FIRST_DAY).u16(rooms).u16(0);
  for (const taken of data.taken.subarray((number - 1) * NIGHTS, number * NIGHTS)) out.u16(taken);
  return out.done();
}

function profileValue(hotel: Hotel): Uint8Array {
  const { name, phone, description, streetNumber, street, city, postalCode, picture } = hotel;
  const address = [streetNumber, street, city.name, city.state, city.country, postalCode];
  const texts = [name, phone, description, ...address, picture].map(utf8);
  const out = new ByteWriter().i32(hotel.latitude).i32(hotel.longitude);
  for (const text of texts) out.u16(text.length);
  out.u32(0);
  for (const text of texts) out.bytes(text);
  return out.done();
}

function reviewsValue({ reviews }: Hotel): Uint8Array {
  const out = new ByteWriter().u32(reviews.length).u32(reviews.reduce((sum, { rating }) => sum + rating, 0));
  for (const { rating, name, text } of reviews) {
    const texts = [name, text].map(utf8);
    out.u16(rating);
    for (const bytes of texts) out.u16(bytes.length);
    out.u16(0);
    for (const bytes of texts) out.bytes(bytes);
    out.align(8);
  }
  return out.done();
}
