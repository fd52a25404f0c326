/** The data of the hotel reservation: hotels with rates and free rooms by date, users, reviews, attractions, from a seed. */
import { createHash } from 'node:crypto';
import { Random } from '../random.ts';
import {
  CINEMA_KINDS,
  CITIES,
  type City,
  GUESTS,
  HOTEL_ADJECTIVES,
  HOTEL_DETAILS,
  HOTEL_NOUNS,
  MUSEUM_KINDS,
  RESTAURANT_KINDS,
  REVIEW_SENTENCES,
  STREETS,
} from './words.ts';

/** A place, in millionths of a degree. */
export interface Point {
  readonly latitude: number;
  readonly longitude: number;
}

export interface Hotel extends Point {
  /** From 1 on. */
  readonly number: number;
  readonly name: string;
  readonly phone: string;
  readonly description: string;
  readonly streetNumber: string;
  readonly street: string;
  readonly city: City;
  readonly postalCode: string;
  readonly picture: string;
  /** In tenths. */
  readonly rating: number;
  /** What a night costs by and large, in cents. */
  readonly priceCents: number;
  readonly rooms: number;
  readonly reviews: readonly Review[];
}

export interface Review {
  /** In tenths. */
  readonly rating: number;
  readonly name: string;
  readonly text: string;
}

export interface Plan {
  /** Four letters. */
  readonly name: string;
  /** Which of `ROOMS`. */
  readonly room: number;
  readonly nightsMin: number;
  /** Its price compared with that of others. */
  readonly factor: number;
}

export interface Attraction extends Point {
  readonly name: string;
  readonly kind: string;
  /** In tenths; 0 is none. */
  readonly rating: number;
}

export type AttractionGroup = 'restaurants' | 'museums' | 'cinemas';

export interface User {
  readonly name: string;
  readonly password: string;
  readonly salt: Uint8Array;
  readonly digest: Uint8Array;
}

export interface HotelData {
  /** Hotel `number` is at `number - 1`. */
  readonly hotels: readonly Hotel[];
  /** For each hotel, each plan, each night: cents. */
  readonly prices: Uint32Array;
  /** For each hotel, each night: rooms that are taken at first. */
  readonly taken: Uint16Array;
  readonly users: readonly User[];
  readonly attractions: Readonly<Record<AttractionGroup, readonly Attraction[]>>;
}

export const HOTEL_COUNT = 5000;
const USER_COUNT = 2000;
const ATTRACTION_COUNTS = { restaurants: 4000, museums: 800, cinemas: 600 } as const;

/** The first night that can be reserved, in days since 1970: 2027-01-01. */
export const FIRST_DAY = Date.UTC(2027, 0, 1) / 86_400_000;
/** How many nights there are rates and rooms for. */
export const NIGHTS = 336;

export const ROOMS: readonly string[] = ['single room', 'double room', 'twin room', 'family room', 'suite'];

export const PLANS: readonly Plan[] = [
  { name: 'RACK', room: 1, nightsMin: 1, factor: 1 },
  { name: 'SAVE', room: 0, nightsMin: 3, factor: 0.88 },
  { name: 'WEEK', room: 2, nightsMin: 6, factor: 0.79 },
];

/** Degrees that hotels are away from the middle of their city: the deviation. */
const SPREAD = 0.045;
const WEEK = 7;
/** How often a hotel has hardly a room left in a week. */
const FULL_SHARE = 0.08;

export function generate(seed: number): HotelData {
  const random = new Random(seed);
  const total = CITIES.reduce((sum, { size }) => sum + size, 0);
  const cities = CITIES.flatMap((city) =>
    Array.from({ length: Math.ceil((HOTEL_COUNT * city.size) / total) }, () => city),
  );
  const hotels = random.sample(cities, HOTEL_COUNT).map((city, index) => hotelOf(index + 1, city, random));
  const attractionsOf = (count: number, kinds: readonly string[], isRated: boolean): Attraction[] =>
    Array.from({ length: count }, () => attractionOf(random.pick(cities), kinds, isRated, random));
  return {
    hotels,
    prices: pricesOf(hotels, random),
    taken: takenOf(hotels, random),
    users: Array.from({ length: USER_COUNT }, (_, index) => userOf(index, random)),
    attractions: {
      restaurants: attractionsOf(ATTRACTION_COUNTS.restaurants, RESTAURANT_KINDS, true),
      museums: attractionsOf(ATTRACTION_COUNTS.museums, MUSEUM_KINDS, false),
      cinemas: attractionsOf(ATTRACTION_COUNTS.cinemas, CINEMA_KINDS, false),
    },
  };
}

/** A place in or around a city. */
export function pointNear({ latitude, longitude }: City, spread: number, random: Random): Point {
  return {
    latitude: Math.round((latitude + spread * random.normal()) * 1e6),
    longitude: Math.round((longitude + (spread * random.normal()) / Math.cos((latitude * Math.PI) / 180)) * 1e6),
  };
}

function hotelOf(number: number, city: City, random: Random): Hotel {
  const noun = random.pick(HOTEL_NOUNS);
  const name = random.pick([
    `${random.pick(HOTEL_ADJECTIVES)} ${noun} ${city.name}`,
    `Hotel ${random.pick(HOTEL_ADJECTIVES)} ${noun}`,
    `${random.pick(GUESTS)}'s ${noun}`,
  ]);
  return {
    ...pointNear(city, SPREAD, random),
    number,
    name,
    phone: `+${random.between(1, 99)} ${random.between(10, 999)} ${random.between(100_000, 9_999_999)}`,
    description: random.sample(HOTEL_DETAILS, random.between(1, 4)).join(' '),
    streetNumber: String(random.between(1, 400)),
    street: random.pick(STREETS),
    city,
    postalCode: String(random.between(10_000, 99_999)),
    picture: `img/hotels/${number}.jpg`,
    rating: random.between(20, 50),
    priceCents: Math.round(4000 + 40_000 * random.next() ** 3),
    rooms: random.between(10, 300),
    reviews: Array.from({ length: random.between(1, 9) }, () => ({
      rating: random.between(1, 5) * 10 - random.pick([0, 5]),
      name: random.pick(GUESTS),
      text: random.sample(REVIEW_SENTENCES, random.between(1, 5)).join(' '),
    })),
  };
}

/** Dearer in summer and at the end of the week, and a little up and down. */
function pricesOf(hotels: readonly Hotel[], random: Random): Uint32Array {
  const prices = new Uint32Array(hotels.length * PLANS.length * NIGHTS);
  let at = 0;
  for (const { priceCents } of hotels) {
    for (const { factor } of PLANS) {
      for (let night = 0; night < NIGHTS; night += 1) {
        const season = 1 + 0.25 * Math.sin((Math.PI * night) / NIGHTS);
        // 1970-01-01 was a Thursday.
        const weekday = (FIRST_DAY + night + 4) % WEEK;
        const weekend = weekday === 5 || weekday === 6 ? 1.2 : 1;
        prices[at] = Math.round(priceCents * factor * season * weekend * (0.95 + 0.1 * random.next()));
        at += 1;
      }
    }
  }
  return prices;
}

function takenOf(hotels: readonly Hotel[], random: Random): Uint16Array {
  const taken = new Uint16Array(hotels.length * NIGHTS);
  hotels.forEach(({ rooms }, index) => {
    for (let week = 0; week < NIGHTS / WEEK; week += 1) {
      const least = random.chance(FULL_SHARE) ? rooms - 2 : Math.floor(rooms * 0.6 * random.next());
      for (let day = 0; day < WEEK; day += 1) {
        taken[index * NIGHTS + week * WEEK + day] = Math.min(rooms, least + random.below(3));
      }
    }
  });
  return taken;
}

function userOf(index: number, random: Random): User {
  // Some are longer than a block of the hash.
  const password =
    index % 10 === 9 ? `a sentence that is long, easy to know, and mine alone: ${index}` : String(index).repeat(10);
  const salt = random.bytes(16);
  return {
    name: `guest_${index}`,
    password,
    salt,
    digest: createHash('sha256').update(salt).update(password).digest(),
  };
}

function attractionOf(city: City, kinds: readonly string[], isRated: boolean, random: Random): Attraction {
  const kind = random.pick(kinds);
  return {
    ...pointNear(city, SPREAD, random),
    name: `${random.pick(GUESTS)}'s ${random.pick(HOTEL_ADJECTIVES)} ${kind}`,
    kind,
    rating: isRated ? random.between(20, 50) : 0,
  };
}
