/**
 * Which hotels have rooms left for a stay, and reservations. The messages are in shared/wire.ts.
 *
 * The space `hotel-availability` has a value for each hotel, whose key is its number in four bytes: 0 u32 first day · 4 u16
 * rooms · 6 u16 0 · 8 for each of NIGHTS_KNOWN nights, u16 rooms taken. All nights of a stay are taken by one
 * compare-and-set, so a hotel is never overbooked, and no stay is booked in part. The space `hotel-reservations` keeps who
 * reserved: the key is the hotel's number and that of the reservation, both with their first byte first.
 */
import { ArgBuf, Request, Response, Space, Status, statusName, View } from 'jord';
import { NIGHTS_KNOWN, OFFER_SIZE, Outcome, Reservation } from './shared/wire';

const ROOMS: i32 = 4;
const TAKEN: i32 = 8;
const HOTEL: i32 = Reservation.HEADER;

const availability = Space.open('hotel-availability');
const reservations = Space.open('hotel-reservations');

export function handle(request: Request): Response {
  if (request.load<u32>(0) == Reservation.CHECK) return check(request);
  const answer = new ArgBuf(16);
  answer.store<u32>(0, reserve(request, answer));
  return new Response(answer);
}

/** Leaves the offers out whose hotels have too few rooms; the answer is in the request's own memory. */
function check(request: Request): Response {
  const rooms = request.load<u32>(4);
  const arrival = request.load<u32>(8);
  const departure = request.load<u32>(12);
  let to = request.pointer;
  for (let at = Reservation.HEADER; at < request.length; at += OFFER_SIZE) {
    const hotel = availability.getBytes(request.slice(at, at + 4));
    if (hotel == null || look(hotel, arrival, departure, rooms) != Outcome.OK) continue;
    memory.copy(to, request.pointer + <usize>at, OFFER_SIZE);
    to += OFFER_SIZE;
  }
  request.resize(<i32>(to - request.pointer));
  return new Response(request);
}

/** Whether a hotel has so many rooms in each night of a stay. */
function look(hotel: View, arrival: u32, departure: u32, rooms: u32): u32 {
  const firstDay = hotel.load<u32>(0);
  if (arrival < firstDay || departure > firstDay + NIGHTS_KNOWN) return Outcome.UNKNOWN_DATES;
  const all: u32 = hotel.load<u16>(ROOMS);
  let night = hotel.pointer + TAKEN + ((<usize>(arrival - firstDay)) << 1);
  for (const end = night + ((<usize>(departure - arrival)) << 1); night < end; night += 2) {
    if (load<u16>(night) + rooms > all) return Outcome.SOLD_OUT;
  }
  return Outcome.OK;
}

/** Writes the number of the reservation into `answer`. */
function reserve(request: Request, answer: ArgBuf): u32 {
  const rooms = request.load<u32>(4);
  const arrival = request.load<u32>(8);
  const departure = request.load<u32>(12);
  const key = request.slice(HOTEL, HOTEL + 4);
  while (true) {
    const hotel = availability.getBytes(key);
    if (hotel == null) return Outcome.UNKNOWN_HOTEL;
    const outcome = look(hotel, arrival, departure, rooms);
    if (outcome != Outcome.OK) return outcome;
    const changed = ArgBuf.copy(hotel);
    const first = arrival - hotel.load<u32>(0);
    for (let night = first; night < first + departure - arrival; night++) {
      const at = TAKEN + <i32>(night << 1);
      changed.store<u16>(at, <u16>(changed.load<u16>(at) + rooms));
    }
    const number = availability.putBytes(key, changed, hotel.version);
    if (number >= 65536) {
      answer.store<i64>(8, number);
      keep(request, number);
      return Outcome.OK;
    }
    if (number != Status.KV_CONFLICT) throw new Error('rooms cannot be taken: ' + statusName(<i32>number));
    // Somebody took a room there meanwhile: look again.
    changed.free();
    hotel.release();
  }
}

/** Notes who reserved: the stay, the rooms, and the customer's name. */
function keep(request: Request, number: i64): void {
  const key = memory.data(12);
  store<u32>(key, bswap<u32>(request.load<u32>(HOTEL)));
  store<i64>(key, bswap<i64>(number), 4);
  const record = new ArgBuf(12 + request.length - Reservation.CUSTOMER);
  record.set(request.slice(8, 16));
  record.store<u32>(8, request.load<u32>(4));
  record.set(request.slice(Reservation.CUSTOMER), 12);
  const kept = reservations.putBytes(new View(key, 12), record);
  // The rooms stay taken then: better one that stands empty than two guests in it.
  if (kept < 65536) throw new Error('a reservation cannot be kept: ' + statusName(<i32>kept));
}
