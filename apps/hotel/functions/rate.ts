/**
 * What a stay costs in each of some hotels, by its cheapest plan, the cheapest hotel first. A hotel without rates for the
 * dates is left out.
 *
 * The space `hotel-rates` has a value for each hotel, whose key is its number in four bytes: 0 u32 plans · 4 u32 first day ·
 * 16 each plan: its name in four letters, u32 kind of room,
 * u32 least nights, u32 0 · 64 for each of NIGHTS_KNOWN nights, by each plan, u32 price in cents.
 */
import { ArgBuf, Request, Response, Space, View } from 'jord';
import { NIGHTS_KNOWN, OFFER_SIZE, STAY_SIZE } from './shared/wire';

const PLANS: usize = 16;
const PLAN_SIZE: usize = 16;
const PRICES: usize = 64;

const rates = Space.open('hotel-rates');

export function handle(request: Request): Response {
  const arrival = request.load<u32>(0);
  const departure = request.load<u32>(4);
  const offers = new ArgBuf(((request.length - STAY_SIZE) / 4) * OFFER_SIZE);
  let length = 0;
  for (let at = STAY_SIZE; at < request.length; at += 4) {
    const hotel = rates.getBytes(request.slice(at, at + 4));
    if (hotel == null || !writeOffer(hotel, arrival, departure, offers.pointer + <usize>length)) continue;
    store<u32>(offers.pointer + <usize>length, request.load<u32>(at));
    sortIn(offers.pointer, length);
    length += OFFER_SIZE;
  }
  offers.resize(length);
  return new Response(offers);
}

/** Writes an offer, all but the hotel's number; false when there is none. Of plans with the same price, the first one. */
function writeOffer(hotel: View, arrival: u32, departure: u32, offer: usize): bool {
  const firstDay = hotel.load<u32>(4);
  const nights = departure - arrival;
  if (arrival < firstDay || departure > firstDay + NIGHTS_KNOWN) return false;
  const plans = hotel.load<u32>(0);
  const step = (<usize>plans) << 2;
  const first = hotel.pointer + PRICES + <usize>(arrival - firstDay) * step;
  let best = u32.MAX_VALUE;
  for (let i: u32 = 0; i < plans; i++) {
    const plan = hotel.pointer + PLANS + <usize>i * PLAN_SIZE;
    if (load<u32>(plan, 8) > nights) continue;
    let price: u32 = 0;
    let night = first + ((<usize>i) << 2);
    for (const end = night + <usize>nights * step; night < end; night += step) price += load<u32>(night);
    if (price >= best) continue;
    best = price;
    store<u32>(offer, price, 4);
    store<u64>(offer, load<u64>(plan), 8);
  }
  return best != u32.MAX_VALUE;
}

/** Moves the offer at `last` in front of those that are dearer, or as dear and with a larger number. */
function sortIn(offers: usize, last: i32): void {
  let at = offers + <usize>last;
  const head = load<u64>(at);
  const tail = load<u64>(at, 8);
  // The price is in the upper half, the number in the lower.
  while (at > offers && head < load<u64>(at - OFFER_SIZE)) {
    store<u64>(at, load<u64>(at - OFFER_SIZE));
    store<u64>(at, load<u64>(at - OFFER_SIZE, 8), 8);
    at -= OFFER_SIZE;
  }
  store<u64>(at, head);
  store<u64>(at, tail, 8);
}
