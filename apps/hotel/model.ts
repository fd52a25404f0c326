/** The hotel reservation in plain TypeScript: what each request is to be answered with. */
import assert from 'node:assert/strict';
import type { ApplicationModel, ApplicationRequest } from '../application.ts';
import { utf8 } from '../bytes.ts';
import { type Attraction, FIRST_DAY, type Hotel, type HotelData, NIGHTS, PLANS, type Point, ROOMS } from './data.ts';

/** What a browser sends; all but `page` may be missing. */
export interface Question {
  readonly page: string;
  readonly inDate?: string;
  readonly outDate?: string;
  readonly lat?: number;
  readonly lon?: number;
  readonly require?: string;
  readonly hotelId?: string;
  readonly customerName?: string;
  readonly username?: string;
  readonly password?: string;
  readonly number?: number;
}

/** What was reserved. */
export interface Reserved {
  readonly hotel: number;
  /** As the key-value store gave it out. */
  readonly number: number;
  readonly arrival: number;
  readonly nights: number;
  readonly rooms: number;
  readonly customer: string;
}

interface Stay {
  /** Days since 1970. */
  readonly arrival: number;
  readonly nights: number;
}

interface Offer {
  readonly hotel: Hotel;
  readonly rate?: { readonly plan: string; readonly room: string; readonly cents: number };
}

const PAGES = 'hotels, recommendations, user, reservation, review, restaurants, museums, cinemas';
const FOUND_MAX = 5;
const REACH_METRES = 10_000;
const EARTH_RADIUS_METRES = 6_371_008.8;

/** What ends a request early. */
class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const bad = (message: string): Refusal => new Refusal('bad_request', message);
const unknownHotel = (): Refusal => new Refusal('unknown_hotel', 'there is no such hotel');

export class HotelModel implements ApplicationModel {
  readonly #data: HotelData;
  readonly #passwords: ReadonlyMap<string, string>;
  /** As in the data, and what was reserved since. */
  readonly #taken: Uint16Array;
  readonly reserved: Reserved[] = [];

  constructor(data: HotelData) {
    this.#data = data;
    this.#passwords = new Map(data.users.map(({ name, password }) => [name, password]));
    this.#taken = data.taken.slice();
  }

  respond(request: ApplicationRequest, actual: Uint8Array): Uint8Array {
    const question = JSON.parse(Buffer.from(request.body).toString()) as Question;
    try {
      return utf8(this.#page(question, Buffer.from(actual).toString()));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return utf8(JSON.stringify({ error: { code: error.code, message: error.message } }));
    }
  }

  /** How many rooms of a hotel are left in the fullest night of a stay. */
  roomsLeft(hotel: Hotel, arrival: number, nights: number): number {
    const first = (hotel.number - 1) * NIGHTS + arrival - FIRST_DAY;
    return hotel.rooms - Math.max(...this.#taken.subarray(first, first + nights));
  }

  #page(question: Question, actual: string): string {
    switch (question.page) {
      case 'hotels':
        return this.#hotels(question);
      case 'recommendations':
        return this.#recommendations(question);
      case 'user':
        this.#checkUser(question);
        return '{"message":"Login successful."}';
      case 'reservation':
        return this.#reserve(question, actual);
      case 'review':
        this.#checkUser(question);
        return reviews(this.#find(question.hotelId));
      case 'restaurants':
      case 'museums':
      case 'cinemas':
        this.#checkUser(question);
        return this.#attractions(this.#data.attractions[question.page], question.hotelId);
      default:
        throw bad(`page must be one of ${PAGES}`);
    }
  }

  #hotels(question: Question): string {
    const stay = stayOf(question);
    const near = nearest(this.#data.hotels, placeOf(question)).map(({ item }) => item);
    const offers = near
      .flatMap((hotel) => this.#offersOf(hotel, stay))
      .sort((left, right) => left.rate.cents - right.rate.cents || left.hotel.number - right.hotel.number)
      .filter(({ hotel }) => this.roomsLeft(hotel, stay.arrival, stay.nights) >= 1);
    return collection(offers.map(hotelFeature));
  }

  /** The cheapest plan of a hotel that a stay can be booked by, or none. */
  #offersOf(hotel: Hotel, { arrival, nights }: Stay): Required<Offer>[] {
    const first = arrival - FIRST_DAY;
    if (first < 0 || first + nights > NIGHTS) return [];
    const rates = PLANS.map(({ name, room, nightsMin }, index) => {
      const start = ((hotel.number - 1) * PLANS.length + index) * NIGHTS + first;
      const cents = this.#data.prices.subarray(start, start + nights).reduce((sum, price) => sum + price, 0);
      return { plan: name, room: ROOMS[room] ?? '', cents, isPossible: nights >= nightsMin };
    });
    const [best] = rates.filter(({ isPossible }) => isPossible).sort((left, right) => left.cents - right.cents);
    if (best === undefined) return [];
    const { plan, room, cents } = best;
    return [{ hotel, rate: { plan, room, cents } }];
  }

  #recommendations(question: Question): string {
    const place = placeOf(question);
    const { require = '' } = question;
    if (!['dis', 'rate', 'price'].includes(require)) throw bad('require must be one of dis, rate, price');
    const within = inReach(this.#data.hotels, place).map(({ item }) => item);
    if (require === 'rate') within.sort((left, right) => right.rating - left.rating || left.number - right.number);
    if (require === 'price')
      within.sort((left, right) => left.priceCents - right.priceCents || left.number - right.number);
    return collection(within.slice(0, FOUND_MAX).map((hotel) => hotelFeature({ hotel })));
  }

  #checkUser({ username = '', password = '' }: Question): void {
    if (username === '' || password === '') throw bad('username and password are needed');
    if (this.#passwords.get(username) !== password) {
      throw new Refusal('wrong_password', 'username and password do not belong together');
    }
  }

  #reserve(question: Question, actual: string): string {
    const { arrival, nights } = stayOf(question);
    const { number: rooms = 1, customerName = '' } = question;
    if (rooms < 1 || rooms > 100) throw bad('number must be 1 to 100 rooms');
    if (customerName === '') throw bad('a customerName is needed');
    this.#checkUser(question);
    const hotel = this.#find(question.hotelId);
    const first = arrival - FIRST_DAY;
    if (first < 0 || first + nights > NIGHTS) {
      throw new Refusal('unknown_dates', 'the hotel cannot be reserved that early or late');
    }
    if (this.roomsLeft(hotel, arrival, nights) < rooms) throw new Refusal('sold_out', 'the hotel has no rooms left');
    const number = Number(/"reservation":(\d+)\}$/.exec(actual)?.[1]);
    assert.ok(number >= 65_536, `the number of a reservation is expected: ${actual}`);
    assert.ok(!this.reserved.some((other) => other.hotel === hotel.number && other.number === number), 'a new number');
    const start = (hotel.number - 1) * NIGHTS + first;
    for (let night = start; night < start + nights; night += 1) this.#taken[night] = (this.#taken[night] ?? 0) + rooms;
    this.reserved.push({ hotel: hotel.number, number, arrival, nights, rooms, customer: customerName });
    return JSON.stringify({ message: 'Reserved.', reservation: number });
  }

  #find(id = ''): Hotel {
    const hotel = /^[1-9]\d{0,8}$/.test(id) ? this.#data.hotels[Number(id) - 1] : undefined;
    if (hotel === undefined) throw unknownHotel();
    return hotel;
  }

  #attractions(attractions: readonly Attraction[], id: string | undefined): string {
    const hotel = /^[1-9]\d{0,8}$/.test(id ?? '') ? this.#data.hotels[Number(id) - 1] : undefined;
    const near = hotel === undefined ? [] : nearest(attractions, hotel);
    return collection(near.map(({ item, metres }) => attractionFeature(item, metres)));
  }
}

function stayOf({ inDate, outDate }: Question): Stay {
  const [arrival, departure] = [inDate, outDate].map(dayOf);
  if (arrival === undefined || departure === undefined) throw bad('inDate and outDate must be dates: YYYY-MM-DD');
  const nights = departure - arrival;
  if (nights < 1 || nights > 30) throw bad('a stay is 1 to 30 nights');
  return { arrival, nights };
}

function dayOf(text = ''): number | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(text) || text < '1970') return undefined;
  const date = new Date(`${text}T00:00:00Z`);
  // What is not in the calendar is another day, or none.
  if (Number.isNaN(date.getTime()) || date.toISOString().slice(0, 10) !== text) return undefined;
  return date.getTime() / 86_400_000;
}

/** In millionths of a degree, not rounded. */
function placeOf({ lat = Number.NaN, lon = Number.NaN }: Question): Point {
  if (!(Math.abs(lat) <= 90 && Math.abs(lon) <= 180)) throw bad('lat must be -90 to 90 and lon -180 to 180');
  return { latitude: lat * 1e6, longitude: lon * 1e6 };
}

/** Those within reach, the nearest first; of those equally near, in their order. */
function inReach<T extends Point>(items: readonly T[], place: Point): { item: T; metres: number }[] {
  return items
    .filter(({ latitude }) => Math.abs(latitude - place.latitude) < 100_000)
    .map((item) => ({ item, metres: metresBetween(item, place) }))
    .filter(({ metres }) => metres <= REACH_METRES)
    .sort((left, right) => left.metres - right.metres);
}

function nearest<T extends Point>(items: readonly T[], place: Point): { item: T; metres: number }[] {
  return inReach(items, place).slice(0, FOUND_MAX);
}

/** By haversines. */
export function metresBetween(left: Point, right: Point): number {
  const radians = (millionths: number): number => (millionths / 1e6) * (Math.PI / 180);
  const haversine = (angle: number): number => Math.sin(angle / 2) ** 2;
  const across = haversine(radians(left.latitude - right.latitude));
  const along = haversine(radians(left.longitude - right.longitude));
  const flat = Math.cos(radians(left.latitude)) * Math.cos(radians(right.latitude));
  return 2 * EARTH_RADIUS_METRES * Math.asin(Math.sqrt(across + flat * along));
}

function collection(features: readonly string[]): string {
  return `{"type":"FeatureCollection","features":[${features.join(',')}]}`;
}

function hotelFeature({ hotel, rate }: Offer): string {
  const properties = {
    name: hotel.name,
    phone_number: hotel.phone,
    description: hotel.description,
    address: {
      street_number: hotel.streetNumber,
      street_name: hotel.street,
      city: hotel.city.name,
      state: hotel.city.state,
      country: hotel.city.country,
      postal_code: hotel.postalCode,
    },
    image: hotel.picture,
    rate,
  };
  return feature(`"id":"${hotel.number}",`, JSON.stringify(properties), hotel);
}

function attractionFeature(attraction: Attraction, metres: number): string {
  const { name, kind, rating } = attraction;
  const rated = rating === 0 ? '' : `"rating":${tenths(rating)},`;
  const properties = `${JSON.stringify({ name, kind }).slice(0, -1)},${rated}"metres":${Math.round(metres)}}`;
  return feature('', properties, attraction);
}

function feature(id: string, properties: string, { latitude, longitude }: Point): string {
  const coordinates = [longitude, latitude].map((millionths) => (millionths / 1e6).toFixed(6));
  const geometry = `{"type":"Point","coordinates":[${coordinates.join(',')}]}`;
  return `{"type":"Feature",${id}"properties":${properties},"geometry":${geometry}}`;
}

/** `4.0` stays as it is: a rating always has its digit. */
function tenths(value: number): string {
  return (value / 10).toFixed(1);
}

function reviews({ reviews }: Hotel): string {
  const sum = reviews.reduce((total, { rating }) => total + rating, 0);
  const list = reviews.map(
    ({ rating, name, text }) => `{"rating":${tenths(rating)},${JSON.stringify({ name, text }).slice(1)}`,
  );
  return `{"rating":${tenths(Math.round(sum / reviews.length))},"reviews":[${list.join(',')}]}`;
}
