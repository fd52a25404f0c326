/**
 * Shipping: what it costs, in USD, and a tracking number for an address. The messages are in shared/wire.ts.
 *
 * A parcel holds ten pieces and costs 8.99 USD. The tracking number is two letters, the length of the address with three
 * digits, and half of it with seven, as the original has it.
 */
import { ArgBuf, random, Request, Response, TextWriter } from 'jord';
import { Money, MONEY_SIZE, ShippingRequest, USD } from './shared/wire';

const PIECES_PER_PARCEL: u32 = 10;
const PARCEL_UNITS: i64 = 8;
const PARCEL_NANOS: i64 = 990_000_000;
const ADDRESS: i32 = 8;

export function handle(request: Request): Response {
  return request.load<u32>(0) == ShippingRequest.QUOTE ? quote(request.load<u32>(4)) : ship(request.length - ADDRESS);
}

function quote(pieces: u32): Response {
  const cost = new Money(USD, 0, 0);
  cost.add(new Money(USD, PARCEL_UNITS, PARCEL_NANOS), (pieces + PIECES_PER_PARCEL - 1) / PIECES_PER_PARCEL);
  const message = new ArgBuf(MONEY_SIZE);
  cost.write(message, 0);
  return new Response(message);
}

function ship(addressLength: i32): Response {
  const chance = random.u64();
  const out = new TextWriter(64);
  out.byte(<u8>(0x41 + ((<u32>chance & 0xffff) % 26))).byte(<u8>(0x41 + ((<u32>(chance >> 16) & 0xffff) % 26)));
  out.byte(0x2d).integer(addressLength);
  digits(out, <u32>(chance >> 32) & 0xffff, 3);
  out.byte(0x2d).integer(addressLength / 2);
  digits(out, <u32>(chance >> 32), 7);
  return new Response(out.argbuf());
}

/** The last `count` digits of a number. */
function digits(out: TextWriter, number: u32, count: u32): void {
  let scale: u32 = 1;
  for (let i: u32 = 1; i < count; i++) scale *= 10;
  for (; scale > 0; scale /= 10) out.byte(<u8>(0x30 + ((number / scale) % 10)));
}
