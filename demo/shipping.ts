/**
 * What shipping costs, in cents of euro, by weight and country: `{"country":"FR","grams":2500}` becomes
 * `{"country":"FR","zone":"neighbours","parcels":1,"days":3,"price":1390}`.
 */
import { JsonReader, JsonWriter, Request, Response } from 'jord';
import { Failure } from './shared/failure';

/** A parcel's steps of weight, in grams; the last is the heaviest there is. */
const STEPS: i32[] = [1000, 2000, 5000, 10000, 20000, 31500];
const PARCEL_MAX: i32 = 31500;
const PARCELS_MAX: i32 = 40;

class Zone {
  constructor(
    readonly name: string,
    readonly days: i32,
    /** For each step of weight, in cents. */
    readonly prices: i32[],
    /** The countries, separated by spaces. */
    readonly countries: string,
  ) {}
}

const ZONES: Zone[] = [
  new Zone('domestic', 2, [419, 549, 699, 1049, 1899, 2399], 'DE'),
  new Zone('neighbours', 3, [899, 1090, 1390, 1790, 2690, 3490], 'AT BE CZ DK FR LU NL PL'),
  new Zone('europe', 5, [1249, 1449, 1790, 2390, 3590, 4690], 'BG CY EE ES FI GR HR HU IE IT LT LV MT PT RO SE SI SK'),
  new Zone('customs', 7, [1549, 1890, 2690, 3590, 5290, 6990], 'CH GB NO'),
  new Zone('world', 12, [1890, 2990, 4690, 6990, 11900, 16900], 'AU CA JP US'),
];

export function handle(request: Request): Response {
  const json = new JsonReader(request);
  let country = '';
  let grams: i32 = -1;
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('country')) country = json.string();
    else if (json.keyIs('grams')) {
      grams = json.integer<i32>();
      if (json.ok && grams < 1) json.refuse('grams must be 1 or more');
    }
  }
  if (!json.end()) return Failure.invalid(json.message).response();
  if (grams < 1) return Failure.invalid('grams are missing').response();
  const zone = find(country);
  if (zone == null) return new Failure(404, 'unknown_country', `nothing is shipped to "${country}"`).response();
  const full = grams / PARCEL_MAX;
  const rest = grams % PARCEL_MAX;
  const parcels = full + (rest > 0 ? 1 : 0);
  if (parcels > PARCELS_MAX) return new Failure(400, 'too_heavy', `more than ${PARCELS_MAX} parcels`).response();
  const price = full * priceOf(zone, PARCEL_MAX) + (rest > 0 ? priceOf(zone, rest) : 0);

  const out = new JsonWriter();
  out.beginObject();
  out.key('country').string(country);
  out.key('zone').string(zone.name);
  out.key('parcels').integer(parcels);
  out.key('days').integer(zone.days);
  out.key('price').integer(price);
  out.endObject();
  return out.response();
}

/** The price of one parcel that is not too heavy. */
function priceOf(zone: Zone, grams: i32): i32 {
  let step = 0;
  while (STEPS[step] < grams) step++;
  return zone.prices[step];
}

function find(country: string): Zone | null {
  if (country.length != 2) return null;
  for (let i = 0; i < ZONES.length; i++) if (ZONES[i].countries.split(' ').includes(country)) return ZONES[i];
  return null;
}
