/**
 * Converts amounts of euro into another currency, exactly, in its smallest unit, half a unit rounded up:
 * `{"to":"USD","amounts":[1999]}` becomes `{"currency":"USD","digits":2,"rate":"1.1761","date":…,"amounts":[2351]}`.
 */
import { JsonReader, JsonWriter, Request, Response } from 'jord';
import { Failure } from './shared/failure';

/** Euro foreign exchange reference rates, source: European Central Bank. What one euro is worth. */
const DATE = '2026-05-08';
const RATE_DIGITS: i32 = 5;
/** The most that is converted at once: ten million euro. Products with any rate stay below 2^63. */
const AMOUNT_MAX: i64 = 1_000_000_000;
const AMOUNTS_MAX: i32 = 1000;

class Currency {
  /** The rate times 10^5. */
  readonly scaled: i64;

  constructor(
    readonly code: string,
    readonly rate: string,
    /** How many decimal digits its smallest unit is below it (ISO 4217). */
    readonly digits: i32,
  ) {
    this.scaled = scale(rate);
  }

  /** Cents of euro to this currency's smallest unit. */
  convert(cents: i64): i64 {
    let divisor: i64 = 1;
    for (let i = 0; i < RATE_DIGITS + 2 - this.digits; i++) divisor *= 10;
    return (cents * this.scaled + divisor / 2) / divisor;
  }
}

const CURRENCIES: Currency[] = [
  new Currency('EUR', '1', 2),
  new Currency('USD', '1.1761', 2),
  new Currency('JPY', '184.37', 0),
  new Currency('CZK', '24.304', 2),
  new Currency('DKK', '7.4726', 2),
  new Currency('GBP', '0.86410', 2),
  new Currency('HUF', '356.15', 2),
  new Currency('PLN', '4.2318', 2),
  new Currency('RON', '5.2235', 2),
  new Currency('SEK', '10.8420', 2),
  new Currency('CHF', '0.9156', 2),
  new Currency('ISK', '143.80', 0),
  new Currency('NOK', '10.8215', 2),
  new Currency('TRY', '53.3534', 2),
  new Currency('AUD', '1.6259', 2),
  new Currency('BRL', '5.7794', 2),
  new Currency('CAD', '1.6063', 2),
  new Currency('CNY', '7.9989', 2),
  new Currency('HKD', '9.2067', 2),
  new Currency('IDR', '20424.09', 2),
  new Currency('ILS', '3.4167', 2),
  new Currency('INR', '111.1285', 2),
  new Currency('KRW', '1725.08', 0),
  new Currency('MXN', '20.2716', 2),
  new Currency('MYR', '4.6115', 2),
  new Currency('NZD', '1.9735', 2),
  new Currency('PHP', '71.136', 2),
  new Currency('SGD', '1.4911', 2),
  new Currency('THB', '37.897', 2),
];

export function handle(request: Request): Response {
  const json = new JsonReader(request);
  let to = '';
  const amounts: i64[] = [];
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('to')) to = json.string();
    else if (json.keyIs('amounts')) {
      json.enterArray();
      while (json.nextItem()) {
        const amount = json.integer<i64>();
        if (amount < 0 || amount > AMOUNT_MAX) json.refuse('an amount is 0 to 1000000000 cents');
        if (amounts.length == AMOUNTS_MAX) json.refuse('too many amounts');
        amounts.push(amount);
      }
    }
  }
  if (!json.end()) return Failure.invalid(json.message).response();
  const currency = find(to);
  if (currency == null) return new Failure(404, 'unknown_currency', `there is no rate for "${to}"`).response();
  return answer(currency, amounts);
}

function answer(currency: Currency, amounts: i64[]): Response {
  const out = new JsonWriter();
  out.beginObject();
  out.key('currency').string(currency.code);
  out.key('digits').integer(currency.digits);
  out.key('rate').string(currency.rate);
  out.key('date').string(DATE);
  out.key('amounts').beginArray();
  for (let i = 0; i < amounts.length; i++) out.integer(currency.convert(amounts[i]));
  out.endArray().endObject();
  return out.response();
}

function find(code: string): Currency | null {
  for (let i = 0; i < CURRENCIES.length; i++) if (CURRENCIES[i].code == code) return CURRENCIES[i];
  return null;
}

/** "1.1761" as 117610. */
function scale(rate: string): i64 {
  const point = rate.indexOf('.');
  const whole = point < 0 ? rate : rate.substring(0, point);
  const fraction = point < 0 ? '' : rate.substring(point + 1);
  return I64.parseInt(whole + fraction.padEnd(RATE_DIGITS, '0'));
}
