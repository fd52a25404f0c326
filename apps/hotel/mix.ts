/** What guests ask for, and how often. README.md says where the weights come from. */
import type { ApplicationRequest, RequestKind } from '../application.ts';
import { utf8 } from '../bytes.ts';
import type { Random } from '../random.ts';
import { FIRST_DAY, HOTEL_COUNT, type HotelData, NIGHTS, pointNear, type User } from './data.ts';
import type { Question } from './model.ts';
import { CITIES } from './words.ts';

/** How far from the middle of a city guests look, in degrees: the deviation. */
const NEAR_SPREAD = 0.06;
const FAR_SPREAD = 0.3;
const FAR_SHARE = 0.05;

export function mixOf(data: HotelData): readonly RequestKind[] {
  const question = (page: string, more: Partial<Question> = {}): ApplicationRequest => ({
    function: 'hotel-frontend',
    body: utf8(JSON.stringify({ page, ...more })),
  });
  const user = (random: Random): Partial<Question> => login(random.pick(data.users));
  const hotelId = (random: Random): string => String(random.between(1, HOTEL_COUNT));
  const reservation = (random: Random, more: Partial<Question> = {}): ApplicationRequest => {
    const { name, password } = random.pick(data.users);
    const own = { hotelId: hotelId(random), customerName: name, username: name, password, number: 1 };
    return question('reservation', { ...stay(random, 5), ...own, ...more });
  };
  const kind = (name: string, weight: number, request: (random: Random) => ApplicationRequest): RequestKind => ({
    name,
    weight,
    request,
  });

  return [
    kind('search', 600, (random) => question('hotels', { ...stay(random, 15), ...place(random) })),
    kind('recommend', 390, (random) =>
      question('recommendations', { require: random.pick(['dis', 'rate', 'price']), ...place(random) }),
    ),
    kind('login', 5, (random) => question('user', user(random))),
    kind('reserve', 5, (random) => reservation(random)),
    kind('review', 0, (random) => question('review', { ...user(random), hotelId: hotelId(random) })),
    kind('attractions', 0, (random) =>
      question(random.pick(['restaurants', 'museums', 'cinemas']), { ...user(random), hotelId: hotelId(random) }),
    ),
    // So many rooms of so few hotels that they are soon gone.
    kind('reserve-many', 0, (random) =>
      reservation(random, { hotelId: String(random.between(1, 20)), number: random.between(5, 100) }),
    ),
    kind('wrong-password', 0, (random) =>
      random.pick([
        question('user', wrongLogin(random, data.users)),
        reservation(random, wrongLogin(random, data.users)),
        question('review', { ...wrongLogin(random, data.users), hotelId: hotelId(random) }),
        question('museums', { ...wrongLogin(random, data.users), hotelId: hotelId(random) }),
      ]),
    ),
    kind('unknown-hotel', 0, (random) => {
      const unknown = random.pick(['0', '', '5001', '-1', '007', '1x', '999999999', '4294967297', 'Grand Hotel']);
      return random.pick([
        reservation(random, { hotelId: unknown }),
        question('review', { ...user(random), hotelId: unknown }),
        question('restaurants', { ...user(random), hotelId: unknown }),
      ]);
    }),
    kind('other-dates', 0, (random) => {
      const dates = otherDates(random);
      return random.chance(0.5) ? question('hotels', { ...dates, ...place(random) }) : reservation(random, dates);
    }),
    kind('bad-request', 0, (random) =>
      random.pick([
        question(random.pick(['', 'nowhere'])),
        question('hotels', { ...stay(random, 5), lat: 91, lon: 0 }),
        question('hotels', { ...stay(random, 5), lat: 0, lon: -180.5 }),
        question('recommendations', { require: 'dis', lat: 0 }),
        question('recommendations', { require: random.pick(['', 'stars']), ...place(random) }),
        reservation(random, { number: random.pick([0, -1, 101]) }),
        reservation(random, { customerName: '' }),
      ]),
    ),
    kind('end-of-the-world', 0, (random) => {
      const [lat, lon] = random.pick([
        [90, 0],
        [-90, 12.5],
        [0, 0],
        [-18.12, 180],
        [-18.12, -180],
        [-18.1248, 178.4501],
      ] as const);
      return random.chance(0.5)
        ? question('hotels', { ...stay(random, 5), lat, lon })
        : question('recommendations', { require: 'price', lat, lon });
    }),
  ];
}

/** Dates of a stay within the nights that there are rates for. */
export function stay(random: Random, nightsMax: number): { inDate: string; outDate: string } {
  const nights = random.between(1, nightsMax);
  const arrival = FIRST_DAY + random.below(NIGHTS - nights + 1);
  return { inDate: dateOf(arrival), outDate: dateOf(arrival + nights) };
}

export function dateOf(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10);
}

/** Mostly in a city, sometimes where there is nothing. */
function place(random: Random): { lat: number; lon: number } {
  const city = random.pick(CITIES.flatMap((city) => Array.from({ length: city.size }, () => city)));
  const { latitude, longitude } = pointNear(city, random.chance(FAR_SHARE) ? FAR_SPREAD : NEAR_SPREAD, random);
  const lon = ((longitude / 1e6 + 540) % 360) - 180;
  return { lat: latitude / 1e6, lon: Math.round(lon * 1e6) / 1e6 };
}

function login({ name, password }: User): Partial<Question> {
  return { username: name, password };
}

function wrongLogin(random: Random, users: readonly User[]): Partial<Question> {
  const [user, other] = random.sample(users, 2) as [User, User];
  return random.pick<Partial<Question>>([
    { username: user.name, password: other.password },
    { username: user.name, password: `${user.password} ` },
    { username: 'nobody', password: user.password },
    { username: user.name, password: '' },
    { username: '', password: user.password },
    { username: user.name, password: 'x'.repeat(random.between(30, 200)) },
  ]);
}

/** Dates that are none, that are in the wrong order, and that there are no rates for. */
function otherDates(random: Random): Partial<Question> {
  const last = FIRST_DAY + NIGHTS;
  return random.pick<Partial<Question>>([
    { inDate: dateOf(FIRST_DAY - 1), outDate: dateOf(FIRST_DAY + 1) },
    { inDate: dateOf(last - 1), outDate: dateOf(last) },
    { inDate: dateOf(last - 1), outDate: dateOf(last + 1) },
    { inDate: '2026-12-30', outDate: '2027-01-02' },
    { inDate: '2027-03-01', outDate: '2027-03-01' },
    { inDate: '2027-03-02', outDate: '2027-03-01' },
    { inDate: '2027-03-01', outDate: '2027-04-01' },
    { inDate: '2027-02-28', outDate: '2027-02-29' },
    { inDate: '2028-02-28', outDate: '2028-02-29' },
    { inDate: '2027-02-30', outDate: '2027-03-04' },
    { inDate: '2027-13-01', outDate: '2027-13-02' },
    { inDate: '1969-12-31', outDate: '1970-01-01' },
    { inDate: '9999-12-30', outDate: '9999-12-31' },
    { inDate: 'tomorrow', outDate: '2027-03-04' },
    { inDate: '2027-3-1', outDate: '2027-3-4' },
    { inDate: '2027/03/01', outDate: '2027/03/04' },
    {},
  ]);
}
