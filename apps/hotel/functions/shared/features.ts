/** Hotels and attractions as GeoJSON (RFC 7946), for a map. */
import { ArgBuf, JsonWriter, View } from 'jord';
import { OFFER_SIZE, Place, Profile } from './wire';

const ROOMS: string[] = ['single room', 'double room', 'twin room', 'family room', 'suite'];

export function beginFeatures(json: JsonWriter): void {
  json.beginObject();
  json.key('type').string('FeatureCollection');
  json.key('features').beginArray();
}

export function endFeatures(json: JsonWriter): void {
  json.endArray().endObject();
}

/** The hotels that the profile service answered, with their offers in the same order where they have one. */
export function writeHotels(json: JsonWriter, profiles: ArgBuf, offers: ArgBuf, hasPrices: bool): void {
  let offer = 0;
  for (let at = 0; at < profiles.length; ) {
    const number = profiles.load<u32>(at);
    const length = profiles.load<i32>(at + 4);
    const profile = profiles.slice(at + 8, at + 8 + length);
    // A hotel without profile was left out.
    while (offers.load<u32>(offer) != number) offer += OFFER_SIZE;
    writeHotel(json, number, profile);
    if (hasPrices) writeOffer(json, offers, offer);
    json.endObject();
    writePoint(json, profile.load<i32>(0), profile.load<i32>(4));
    json.endObject();
    at += (8 + length + 7) & ~7;
  }
}

/** Leaves the feature and its properties open. */
function writeHotel(json: JsonWriter, number: u32, profile: View): void {
  json.beginObject();
  json.key('type').string('Feature');
  const digits = memory.data(16);
  json.key('id').utf8(new View(digits, <i32>(writeDecimal(number, digits) - digits)));
  json.key('properties').beginObject();
  const texts = new Texts(profile);
  json.key('name').utf8(texts.at(Profile.NAME));
  json.key('phone_number').utf8(texts.at(Profile.PHONE));
  json.key('description').utf8(texts.at(Profile.DESCRIPTION));
  json.key('address').beginObject();
  json.key('street_number').utf8(texts.at(Profile.STREET_NUMBER));
  json.key('street_name').utf8(texts.at(Profile.STREET));
  json.key('city').utf8(texts.at(Profile.CITY));
  json.key('state').utf8(texts.at(Profile.STATE));
  json.key('country').utf8(texts.at(Profile.COUNTRY));
  json.key('postal_code').utf8(texts.at(Profile.POSTAL_CODE));
  json.endObject();
  json.key('image').utf8(texts.at(Profile.PICTURE));
}

function writeOffer(json: JsonWriter, offers: ArgBuf, at: i32): void {
  json.key('rate').beginObject();
  json.key('plan').utf8(offers.slice(at + 8, at + 12));
  const room = offers.load<i32>(at + 12);
  json.key('room').string(ROOMS[room]);
  json.key('cents').integer(offers.load<u32>(at + 4));
  json.endObject();
}

/** The attractions that the service of this name answered. */
export function writeAttractions(json: JsonWriter, places: ArgBuf): void {
  for (let at = 0; at < places.length; ) {
    const length = places.load<i32>(at + 4);
    const record = places.slice(at + Place.HEADER, at + Place.HEADER + length);
    const nameLength = <i32>record.load<u16>(Place.LENGTHS);
    const kindLength = <i32>record.load<u16>(Place.LENGTHS + 2);
    const kindAt = Place.TEXTS + nameLength;
    json.beginObject();
    json.key('type').string('Feature');
    json.key('properties').beginObject();
    json.key('name').utf8(record.slice(Place.TEXTS, kindAt));
    json.key('kind').utf8(record.slice(kindAt, kindAt + kindLength));
    const rating = <i32>record.load<u16>(Place.RATING);
    if (rating > 0) writeRating(json.key('rating'), rating);
    json.key('metres').integer(places.load<u32>(at));
    json.endObject();
    writePoint(json, record.load<i32>(0), record.load<i32>(4));
    json.endObject();
    at += Place.HEADER + length;
  }
}

/** Tenths, as `4.3`. */
export function writeRating(json: JsonWriter, tenths: i32): void {
  const text = memory.data(4);
  store<u8>(text, <u8>(0x30 + tenths / 10));
  store<u8>(text, 0x2e, 1);
  store<u8>(text, <u8>(0x30 + (tenths % 10)), 2);
  json.raw(new View(text, 3));
}

function writePoint(json: JsonWriter, latitude: i32, longitude: i32): void {
  json.key('geometry').beginObject();
  json.key('type').string('Point');
  json.key('coordinates').beginArray();
  writeDegrees(json, longitude);
  writeDegrees(json, latitude);
  json.endArray().endObject();
}

/** Millionths of a degree, as degrees with six digits. */
function writeDegrees(json: JsonWriter, millionths: i32): void {
  const text = memory.data(16);
  let to = text;
  if (millionths < 0) store<u8>(to++, 0x2d);
  const size = <u32>abs(millionths);
  to = writeDecimal(size / 1_000_000, to);
  store<u8>(to, 0x2e);
  let rest = size % 1_000_000;
  for (let i: usize = 6; i > 0; i--) {
    store<u8>(to + i, <u8>(0x30 + (rest % 10)));
    rest /= 10;
  }
  json.raw(new View(text, <i32>(to + 7 - text)));
}

/** Returns the address behind it. */
function writeDecimal(number: u32, pointer: usize): usize {
  let length: usize = 1;
  for (let rest = number / 10; rest > 0; rest /= 10) length++;
  let rest = number;
  for (let i = length; i > 0; i--) {
    store<u8>(pointer + i - 1, <u8>(0x30 + (rest % 10)));
    rest /= 10;
  }
  return pointer + length;
}

/** The texts of a profile, asked for in their order or any other. */
class Texts {
  private index: i32 = 0;
  private offset: i32 = Profile.TEXTS;

  constructor(private profile: View) {}

  at(index: i32): View {
    if (index < this.index) {
      this.index = 0;
      this.offset = Profile.TEXTS;
    }
    for (; this.index < index; this.index++) this.offset += this.length(this.index);
    return this.profile.slice(this.offset, this.offset + this.length(index));
  }

  private length(index: i32): i32 {
    return <i32>this.profile.load<u16>(Profile.LENGTHS + (index << 1));
  }
}
