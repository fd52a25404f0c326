/**
 * Converts amounts between currencies, exactly: nanos are rounded once, half of one up. Or lists the currencies.
 *
 * The space `boutique-currency` has one value, `rates`: 0 u32 how many · 8 for each its code, four bytes of zeros, and i64
 * what one euro is worth in it, times 10^5.
 */
import { ArgBuf, Request, Response, Space, View } from 'jord';
import { CONVERT_SIZE, CurrencyRequest, Money, NANOS_PER_UNIT, Outcome, UNITS_MAX } from './shared/wire';

const space = Space.open('boutique-currency');

const ENTRY_SIZE: usize = 16;

export function handle(request: Request): Response {
  const rates = space.get('rates');
  if (rates == null) throw new Error('the rates are not loaded');
  return request.load<u32>(0) == CurrencyRequest.CONVERT ? convert(rates, request) : supported(rates);
}

/** The answer is in the request's own memory. */
function convert(rates: View, message: ArgBuf): Response {
  if (message.length != CONVERT_SIZE) throw new Error('an amount to convert is expected');
  const to = message.load<u32>(4);
  const money = Money.read(message, 8);
  const rateFrom = rateOf(rates, money.currency);
  const rateTo = rateOf(rates, to);
  if (rateFrom == 0 || rateTo == 0) return outcome(message, Outcome.UNKNOWN_CURRENCY);
  if (money.units < 0 || money.units > UNITS_MAX || money.nanos >= NANOS_PER_UNIT) {
    return outcome(message, Outcome.AMOUNT_TOO_LARGE);
  }
  // Rates are below 2^31, so the remainder times 10^9, and nanos times a rate, are below 2^61 each.
  const units = money.units * rateTo;
  const nanos = ((units % rateFrom) * NANOS_PER_UNIT + money.nanos * rateTo + rateFrom / 2) / rateFrom;
  money.currency = to;
  money.units = units / rateFrom + nanos / NANOS_PER_UNIT;
  money.nanos = nanos % NANOS_PER_UNIT;
  money.write(message, 8);
  return outcome(message, Outcome.OK);
}

function outcome(message: ArgBuf, outcome: u32): Response {
  message.store<u32>(0, outcome);
  return new Response(message);
}

/** 0 when there is none. */
function rateOf(rates: View, currency: u32): i64 {
  const end = rates.pointer + <usize>rates.length;
  for (let at = rates.pointer + 8; at < end; at += ENTRY_SIZE) {
    if (load<u32>(at) == currency) return load<i64>(at, 8);
  }
  return 0;
}

function supported(rates: View): Response {
  const message = new ArgBuf(rates.load<i32>(0) * 4);
  let from = rates.pointer + 8;
  const end = message.pointer + <usize>message.length;
  for (let to = message.pointer; to < end; to += 4) {
    store<u32>(to, load<u32>(from));
    from += ENTRY_SIZE;
  }
  return new Response(message);
}
