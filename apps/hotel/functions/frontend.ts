/**
 * What browsers ask for. A request is JSON (shared/question.ts) whose `page` says what is wanted; the answer is JSON, or
 * GeoJSON where it has places.
 *
 * | page | needs | answers with |
 * | --- | --- | --- |
 * | hotels | inDate, outDate, lat, lon | hotels nearby that have a room, with what the stay costs |
 * | recommendations | require (dis, rate, price), lat, lon | hotels nearby |
 * | user | username, password | whether they are right |
 * | reservation | inDate, outDate, hotelId, customerName, username, password, number | the number of the reservation |
 * | review | hotelId, username, password | what guests wrote |
 * | restaurants, museums, cinemas | hotelId, username, password | what is near the hotel |
 */
import { ArgBuf, JsonWriter, Request, Response, View } from 'jord';
import { badRequest, failure } from '../../shared/failure';
import { Service } from '../../shared/service';
import { attractionCollection, hotelCollection } from './shared/features';
import { Question } from './shared/question';
import { Attraction, OFFER_SIZE, Outcome, PLACE_SIZE, Reservation, Review, STAY_SIZE, Wish } from './shared/wire';

const BODY_SIZE: i32 = 4096;

const searchService = new Service('hotel-search');
const reservation = new Service('hotel-reservation');
const profile = new Service('hotel-profile');
const recommendation = new Service('hotel-recommendation');
const user = new Service('hotel-user');
const review = new Service('hotel-review');
const attractionsService = new Service('hotel-attractions');

export function handle(request: Request): Response {
  const question = new Question();
  const refused = question.read(request);
  if (refused != null) return refused;
  const page = question.page;
  if (page.is('hotels')) return hotels(question);
  if (page.is('recommendations')) return recommendations(question);
  if (page.is('user')) return login(question);
  if (page.is('reservation')) return reserve(question);
  if (page.is('review')) return reviews(question);
  if (page.is('restaurants')) return attractions(question, Attraction.RESTAURANTS);
  if (page.is('museums')) return attractions(question, Attraction.MUSEUMS);
  if (page.is('cinemas')) return attractions(question, Attraction.CINEMAS);
  return badRequest(
    'page must be one of hotels, recommendations, user, reservation, review, restaurants, museums, cinemas',
  );
}

function hotels(question: Question): Response {
  let refused = question.refuseDates();
  if (refused == null) refused = question.refusePlace();
  if (refused != null) return refused;
  const search = new ArgBuf(STAY_SIZE + PLACE_SIZE);
  writeStay(search, 0, question);
  writePlace(search, STAY_SIZE, question);
  return answer(available(question, searchService.ask(search)), true);
}

/** Of the offers, those whose hotels have a room. */
function available(question: Question, offers: ArgBuf): ArgBuf {
  if (offers.isEmpty) return offers;
  const check = new ArgBuf(Reservation.HEADER + offers.length);
  check.store<u32>(0, Reservation.CHECK);
  check.store<u32>(4, 1);
  writeStay(check, 8, question);
  check.set(offers, Reservation.HEADER);
  return reservation.ask(check);
}

function writeStay(message: ArgBuf, offset: i32, question: Question): void {
  message.store<u32>(offset, question.arrival);
  message.store<u32>(offset + 4, question.departure);
}

function writePlace(message: ArgBuf, offset: i32, question: Question): void {
  message.store<f64>(offset, question.latitude);
  message.store<f64>(offset + 8, question.longitude);
}

/** The hotels of offers, with their profiles. */
function answer(offers: ArgBuf, hasPrices: bool): Response {
  const profiles = offers.isEmpty ? offers : profile.ask(ArgBuf.copy(offers));
  return hotelCollection(profiles, offers, hasPrices);
}

function recommendations(question: Question): Response {
  const refused = question.refusePlace();
  if (refused != null) return refused;
  const require = question.require;
  const isNear = require.is('dis');
  const isRating = require.is('rate');
  if (!isNear && !isRating && !require.is('price')) return badRequest('require must be one of dis, rate, price');
  const message = new ArgBuf(PLACE_SIZE + 4);
  writePlace(message, 0, question);
  message.store<u32>(PLACE_SIZE, isNear ? Wish.NEAR : isRating ? Wish.RATING : Wish.PRICE);
  const numbers = recommendation.ask(message);
  const offers = new ArgBuf((numbers.length / 4) * OFFER_SIZE);
  for (let i = 0; i * 4 < numbers.length; i++) offers.store<u32>(i * OFFER_SIZE, numbers.load<u32>(i * 4));
  return answer(offers, false);
}

/** What is wrong with name and password, or null. */
function refuseUser(question: Question): Response | null {
  if (question.username.isEmpty || question.password.isEmpty) return badRequest('username and password are needed');
  const name = question.username;
  const message = new ArgBuf(4 + name.length + question.password.length);
  message.store<u32>(0, name.length);
  message.set(name, 4);
  message.set(question.password, 4 + name.length);
  if (user.ask(message).load<u32>(0) == 1) return null;
  return failure(401, 'wrong_password', 'username and password do not belong together');
}

function login(question: Question): Response {
  const refused = refuseUser(question);
  return refused == null ? Response.json('{"message":"Login successful."}') : refused;
}

function reserve(question: Question): Response {
  let refused = question.refuseDates();
  if (refused == null) refused = question.refuseRooms();
  if (refused == null && question.customer.isEmpty) refused = badRequest('a customerName is needed');
  if (refused == null) refused = refuseUser(question);
  if (refused != null) return refused;
  const message = new ArgBuf(Reservation.CUSTOMER + question.customer.length);
  message.store<u32>(0, Reservation.RESERVE);
  message.store<u32>(4, question.rooms);
  writeStay(message, 8, question);
  message.store<u32>(Reservation.HEADER, question.hotel);
  message.set(question.customer, Reservation.CUSTOMER);
  const reserved = reservation.ask(message);
  const outcome = reserved.load<u32>(0);
  if (outcome == Outcome.UNKNOWN_HOTEL) return unknownHotel();
  if (outcome == Outcome.UNKNOWN_DATES) {
    return failure(404, 'unknown_dates', 'the hotel cannot be reserved that early or late');
  }
  if (outcome == Outcome.SOLD_OUT) return failure(409, 'sold_out', 'the hotel has no rooms left');
  const json = new JsonWriter(128);
  json.beginObject();
  json.key('message').string('Reserved.');
  json.key('reservation').integer(reserved.load<i64>(8));
  json.endObject();
  return json.response();
}

function unknownHotel(): Response {
  return failure(404, 'unknown_hotel', 'there is no such hotel');
}

function reviews(question: Question): Response {
  const refused = refuseUser(question);
  if (refused != null) return refused;
  const message = new ArgBuf(4);
  message.store<u32>(0, question.hotel);
  const found = review.ask(message);
  return found.isEmpty ? unknownHotel() : reviewList(found);
}

function reviewList(reviews: ArgBuf): Response {
  const count = reviews.load<i32>(0);
  const json = new JsonWriter(BODY_SIZE);
  json.beginObject();
  // The mean, half a tenth rounded up.
  const sum = reviews.load<i32>(4);
  writeRating(json, (2 * sum + count) / (2 * count));
  json.key('reviews').beginArray();
  let at = Review.FIRST;
  for (let i = 0; i < count; i++) {
    const text = at + Review.TEXTS + <i32>reviews.load<u16>(at + 2);
    const end = text + <i32>reviews.load<u16>(at + 4);
    json.beginObject();
    writeRating(json, <i32>reviews.load<u16>(at));
    json.key('name').utf8(reviews.slice(at + Review.TEXTS, text));
    json.key('text').utf8(reviews.slice(text, end));
    json.endObject();
    at = (end + 7) & ~7;
  }
  json.endArray().endObject();
  return json.response();
}

/** Tenths, as `4.3`. */
function writeRating(json: JsonWriter, tenths: i32): void {
  const text = memory.data(3);
  store<u8>(text, <u8>(0x30 + tenths / 10));
  store<u8>(text, 0x2e, 1);
  store<u8>(text, <u8>(0x30 + (tenths % 10)), 2);
  json.key('rating').raw(new View(text, 3));
}

function attractions(question: Question, what: u32): Response {
  const refused = refuseUser(question);
  if (refused != null) return refused;
  const message = new ArgBuf(8);
  message.store<u32>(0, question.hotel);
  message.store<u32>(4, what);
  return attractionCollection(attractionsService.ask(message));
}
