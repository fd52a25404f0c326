/**
 * Value added tax on amounts without tax, half a unit rounded up:
 * `{"country":"DE","amounts":[{"class":"standard","amount":1000}]}` becomes
 * `{"country":"DE","taxes":[{"class":"standard","basisPoints":1900,"amount":190}]}`.
 */
import { JsonReader, JsonWriter, Request, Response } from 'jord';
import { Failure } from './shared/failure';

/** The rates of a country in hundredths of a percent: the standard one, and the one on books. As of January 2026. */
class Country {
  constructor(
    readonly code: string,
    readonly standard: i32,
    readonly books: i32,
  ) {}
}

const COUNTRIES: Country[] = [
  new Country('AT', 2000, 1000),
  new Country('BE', 2100, 600),
  new Country('BG', 2000, 900),
  new Country('CH', 810, 260),
  new Country('CY', 1900, 300),
  new Country('CZ', 2100, 0),
  new Country('DE', 1900, 700),
  new Country('DK', 2500, 2500),
  new Country('EE', 2400, 900),
  new Country('ES', 2100, 400),
  new Country('FI', 2550, 1350),
  new Country('FR', 2000, 550),
  new Country('GB', 2000, 0),
  new Country('GR', 2400, 600),
  new Country('HR', 2500, 500),
  new Country('HU', 2700, 500),
  new Country('IE', 2300, 0),
  new Country('IT', 2200, 400),
  new Country('LT', 2100, 500),
  new Country('LU', 1700, 300),
  new Country('LV', 2100, 500),
  new Country('MT', 1800, 500),
  new Country('NL', 2100, 900),
  new Country('NO', 2500, 0),
  new Country('PL', 2300, 500),
  new Country('PT', 2300, 600),
  new Country('RO', 2100, 1100),
  new Country('SE', 2500, 600),
  new Country('SI', 2200, 500),
  new Country('SK', 2300, 500),
  // Exports: no tax is added here.
  new Country('AU', 0, 0),
  new Country('CA', 0, 0),
  new Country('JP', 0, 0),
  new Country('US', 0, 0),
];

const AMOUNT_MAX: i64 = 100_000_000_000_000;
const AMOUNTS_MAX: i32 = 1000;

class Taxed {
  constructor(
    readonly kind: string,
    readonly amount: i64,
  ) {}
}

export function handle(request: Request): Response {
  const json = new JsonReader(request);
  let code = '';
  const amounts: Taxed[] = [];
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('country')) code = json.string();
    else if (json.keyIs('amounts')) {
      json.enterArray();
      while (json.nextItem()) {
        if (amounts.length == AMOUNTS_MAX) json.refuse('too many amounts');
        amounts.push(readAmount(json));
      }
    }
  }
  if (!json.end()) return Failure.invalid(json.message).response();
  const country = find(code);
  if (country == null) return new Failure(404, 'unknown_country', `there are no tax rates for "${code}"`).response();
  return answer(country, amounts);
}

function readAmount(json: JsonReader): Taxed {
  let kind = 'standard';
  let amount: i64 = 0;
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('class')) {
      kind = json.string();
      if (json.ok && kind != 'standard' && kind != 'books') json.refuse('a class is "standard" or "books"');
    } else if (json.keyIs('amount')) {
      amount = json.integer<i64>();
      if (amount < 0 || amount > AMOUNT_MAX) json.refuse('an amount is 0 to 100000000000000');
    }
  }
  return new Taxed(kind, amount);
}

function answer(country: Country, amounts: Taxed[]): Response {
  const out = new JsonWriter();
  out.beginObject();
  out.key('country').string(country.code);
  out.key('taxes').beginArray();
  for (let i = 0; i < amounts.length; i++) {
    const taxed = amounts[i];
    const basisPoints = taxed.kind == 'books' ? country.books : country.standard;
    out.beginObject();
    out.key('class').string(taxed.kind);
    out.key('basisPoints').integer(basisPoints);
    out.key('amount').integer((taxed.amount * basisPoints + 5000) / 10000);
    out.endObject();
  }
  out.endArray().endObject();
  return out.response();
}

function find(code: string): Country | null {
  for (let i = 0; i < COUNTRIES.length; i++) if (COUNTRIES[i].code == code) return COUNTRIES[i];
  return null;
}
