/** Hotels and attractions as GeoJSON (RFC 7946), for a map. */
import { ArgBuf, Response, View } from 'jord';
import { JsonFragment } from '../../../shared/json-fragment';
import { utf8 } from '../../../shared/text';
import { OFFER_SIZE, Place, Profile } from './wire';

const BODY_SIZE: i32 = 4096;

const COLLECTION = utf8('{"type":"FeatureCollection","features":[');
const COLLECTION_END = utf8(']}');
const HOTEL = utf8('{"type":"Feature","id":"');
const HOTEL_PROPERTIES = utf8('","properties":{');
const ATTRACTION = utf8('{"type":"Feature","properties":{"name":');
const KIND = utf8(',"kind":');
const RATING = utf8(',"rating":');
const METRES = utf8(',"metres":');
const ADDRESS_END = utf8('},"image":');
const RATE = utf8(',"rate":{"plan":');
const ROOM = utf8(',"room":"');
const CENTS = utf8('","cents":');
const POINT = utf8('},"geometry":{"type":"Point","coordinates":[');
const POINT_END = utf8(']}}');

/** What stands before the texts of a profile, in their order up to the postal code. */
const KEYS: View[] = [
  utf8('"name":'),
  utf8(',"phone_number":'),
  utf8(',"description":'),
  utf8(',"address":{"street_number":'),
  utf8(',"street_name":'),
  utf8(',"city":'),
  utf8(',"state":'),
  utf8(',"country":'),
  utf8(',"postal_code":'),
];

/** The kinds of rooms of an offer. */
const ROOMS: View[] = [utf8('single room'), utf8('double room'), utf8('twin room'), utf8('family room'), utf8('suite')];

/** The hotels that the profile service answered, with their offers, which are in the same order. */
export function hotelCollection(profiles: ArgBuf, offers: ArgBuf, hasPrices: bool): Response {
  const out = new JsonFragment(BODY_SIZE);
  out.bytes(COLLECTION);
  let offer = 0;
  for (let at = 0; at < profiles.length; ) {
    const number = profiles.load<u32>(at);
    const length = profiles.load<i32>(at + 4);
    const profile = profiles.slice(at + 8, at + 8 + length);
    // A hotel without profile was left out.
    while (offers.load<u32>(offer) != number) offer += OFFER_SIZE;
    if (at > 0) out.byte(0x2c);
    out.bytes(HOTEL).integer(number).bytes(HOTEL_PROPERTIES);
    writeProfile(out, profile);
    if (hasPrices) writeOffer(out, offers, offer);
    writePoint(out, profile);
    at += (8 + length + 7) & ~7;
  }
  return end(out);
}

function writeProfile(out: JsonFragment, profile: View): void {
  let text = profile.pointer + Profile.TEXTS;
  for (let i = 0; i <= Profile.POSTAL_CODE; i++) {
    const length = <i32>profile.load<u16>(Profile.LENGTHS + (i << 1));
    out.bytes(unchecked(KEYS[i]));
    out.quoted(new View(text, length));
    text += <usize>length;
  }
  out.bytes(ADDRESS_END);
  out.quoted(new View(text, <i32>profile.load<u16>(Profile.LENGTHS + (Profile.PICTURE << 1))));
}

function writeOffer(out: JsonFragment, offers: ArgBuf, at: i32): void {
  out.bytes(RATE);
  out.quoted(offers.slice(at + 8, at + 12));
  out.bytes(ROOM).bytes(ROOMS[offers.load<i32>(at + 12)]);
  out
    .bytes(CENTS)
    .integer(offers.load<u32>(at + 4))
    .byte(0x7d);
}

/** The attractions that the service of this name answered. */
export function attractionCollection(places: ArgBuf): Response {
  const out = new JsonFragment(BODY_SIZE);
  out.bytes(COLLECTION);
  for (let at = 0; at < places.length; ) {
    const length = places.load<i32>(at + 4);
    const record = places.slice(at + Place.HEADER, at + Place.HEADER + length);
    const kind = Place.TEXTS + <i32>record.load<u16>(Place.LENGTHS);
    if (at > 0) out.byte(0x2c);
    out.bytes(ATTRACTION);
    out.quoted(record.slice(Place.TEXTS, kind));
    out.bytes(KIND);
    out.quoted(record.slice(kind, kind + <i32>record.load<u16>(Place.LENGTHS + 2)));
    const rating = <i32>record.load<u16>(Place.RATING);
    if (rating > 0)
      out
        .bytes(RATING)
        .integer(rating / 10)
        .byte(0x2e)
        .integer(rating % 10);
    out.bytes(METRES).integer(places.load<u32>(at));
    writePoint(out, record);
    at += Place.HEADER + length;
  }
  return end(out);
}

function end(out: JsonFragment): Response {
  out.bytes(COLLECTION_END);
  return out.response('application/json');
}

/** Ends the properties and the feature. Profiles and attractions begin with their place. */
function writePoint(out: JsonFragment, place: View): void {
  out.bytes(POINT);
  writeDegrees(out, place.load<i32>(4));
  out.byte(0x2c);
  writeDegrees(out, place.load<i32>(0));
  out.bytes(POINT_END);
}

/** Millionths of a degree, as degrees with six digits. */
function writeDegrees(out: JsonFragment, millionths: i32): void {
  if (millionths < 0) out.byte(0x2d);
  const size = <u32>abs(millionths);
  const digits = memory.data(8);
  let rest = size % 1_000_000;
  for (let i: usize = 6; i > 0; i--) {
    store<u8>(digits + i, <u8>(0x30 + (rest % 10)));
    rest /= 10;
  }
  store<u8>(digits, 0x2e);
  out.integer(size / 1_000_000).bytes(new View(digits, 7));
}
