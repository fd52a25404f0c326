/** The hotel reservation on an embedded server: each answer is the model's, byte by byte, and no hotel is overbooked. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Jord } from '../../src/jord.ts';
import { respondAsModel, respondToMany, startApplication } from '../applications.fixture.ts';
import { utf8 } from '../bytes.ts';
import { Random } from '../random.ts';
import { application } from './application.ts';
import { FIRST_DAY, generate, type Hotel, NIGHTS } from './data.ts';
import { dateOf } from './mix.ts';
import { type HotelModel, metresBetween, type Question } from './model.ts';
import { hotelKey } from './values.ts';

const SEED = 20_270_101;
const data = generate(SEED);
const dataSet = application.dataSet(SEED);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const question = (question: Question): { function: string; body: Uint8Array } => ({
  function: 'hotel-frontend',
  body: utf8(JSON.stringify(question)),
});

test('the data set is the same for the same seed, and has its size', () => {
  const again = generate(SEED);
  assert.deepEqual(again.hotels, data.hotels);
  assert.deepEqual(again.taken, data.taken);
  assert.ok(again.prices.every((price, index) => price === data.prices[index]));
  assert.notDeepEqual(generate(SEED + 1).hotels[0], data.hotels[0]);
  assert.equal(data.hotels.length, 5000);
  assert.equal(data.users.length, 2000);
  assert.equal(data.hotels[0]?.number, 1);
});

test('the model measures distances', () => {
  const equator = metresBetween({ latitude: 0, longitude: 0 }, { latitude: 0, longitude: 1_000_000 });
  assert.ok(Math.abs(equator - 111_195) < 1, `${equator}`);
  const antimeridian = metresBetween({ latitude: 0, longitude: 179_999_000 }, { latitude: 0, longitude: -179_999_000 });
  assert.ok(Math.abs(antimeridian - 222.4) < 0.1, `${antimeridian}`);
});

describe('one request after the other', () => {
  let jord: Jord;
  let model: HotelModel;
  before(async () => {
    jord = await startApplication(application, dataSet, 0);
    model = dataSet.model();
  });
  after(() => jord.stop());

  test('requests of all kinds', () => {
    const tallies = respondToMany(jord, dataSet, model, 6000, SEED);
    for (const { name } of dataSet.mix) {
      const { count = 0, failures = 0 } = tallies.get(name) ?? {};
      assert.ok(count > 200, name);
      if (/wrong|bad/.test(name)) assert.equal(failures, count, name);
      else if (/reserve/.test(name)) assert.ok(failures > 0 && failures < 0.9 * count, name);
      else if (/unknown|other/.test(name)) assert.ok(failures > 0.3 * count && failures < count, name);
      else assert.equal(failures, 0, name);
    }
  });

  test('what was reserved is kept', () => {
    assert.ok(model.reserved.length > 500);
    for (const { hotel, number, arrival, nights, rooms, customer } of model.reserved) {
      const key = Buffer.alloc(12);
      key.writeUInt32BE(hotel);
      key.writeBigUInt64BE(BigInt(number), 4);
      const record = Buffer.from(jord.kv.get('hotel-reservations', key)?.value ?? []);
      assert.deepEqual(
        [record.readUInt32LE(0), record.readUInt32LE(4), record.readUInt32LE(8), record.subarray(12).toString()],
        [arrival, arrival + nights, rooms, customer],
      );
    }
  });

  test('each user is known by the password, and by nothing else', () => {
    for (const { name, password } of data.users.slice(0, 40)) {
      const login = (password: string): string =>
        text(respondAsModel(jord, model, question({ page: 'user', username: name, password })));
      assert.equal(login(password), '{"message":"Login successful."}');
      assert.match(login(`${password}0`), /wrong_password/);
      assert.match(login(password.slice(0, -1) || 'x'), /wrong_password/);
    }
  });

  test('a search finds what is near, and leaves out what is full', () => {
    const random = new Random(SEED);
    let full = 0;
    for (let i = 0; i < 300; i += 1) {
      const hotel = random.pick(data.hotels);
      const arrival = FIRST_DAY + random.below(NIGHTS - 2);
      const [lat, lon] = [hotel.latitude / 1e6, hotel.longitude / 1e6];
      const dates = { inDate: dateOf(arrival), outDate: dateOf(arrival + 2) };
      const found = text(respondAsModel(jord, model, question({ page: 'hotels', ...dates, lat, lon })));
      const isFull = model.roomsLeft(hotel, arrival, 2) < 1;
      if (isFull) full += 1;
      assert.equal(found.includes(`"id":"${hotel.number}"`), !isFull);
    }
    assert.ok(full > 3);
  });

  test('what is no request is refused', () => {
    for (const [body, expected] of [
      ['', 'the text is empty at byte 0'],
      ['{"page":"hotels","lat":1e999}', 'the number is out of range at byte 23'],
      ['{"page":"user","number":"1"}', 'a number is expected at byte 24'],
      [`{"username":"${'x'.repeat(201)}"}`, 'a text of at most 200 bytes is expected at byte 12'],
    ] as const) {
      const answer = text(jord.invokeInline('hotel-frontend', utf8(body)));
      assert.deepEqual(JSON.parse(answer), { error: { code: 'bad_request', message: expected } }, body);
    }
  });
});

test('no hotel is overbooked, however many reserve at the same time', async (t) => {
  const jord = await startApplication(application, dataSet, 2);
  t.after(() => jord.stop());
  const model = dataSet.model();
  const arrival = FIRST_DAY + 100;
  const nights = 6;
  const hotels = data.hotels.filter((hotel) => {
    const left = model.roomsLeft(hotel, arrival, nights);
    return left >= 20 && left <= 60;
  });
  const [first, second] = hotels as [Hotel, Hotel];
  const random = new Random(SEED);
  const requests = Array.from({ length: 1200 }, () => {
    const { name, password } = random.pick(data.users);
    const start = arrival + random.below(nights);
    const end = start + 1 + random.below(arrival + nights - start);
    return question({
      page: 'reservation',
      inDate: dateOf(start),
      outDate: dateOf(end),
      hotelId: String(random.pick([first, second]).number),
      customerName: name,
      username: name,
      password,
      number: random.between(1, 3),
    }).body;
  });
  const answers = await jord.invokeAll('hotel-frontend', requests);
  const reserved = requests.filter((_, index) => {
    const answer = answers[index];
    assert.ok(answer instanceof Uint8Array);
    const said = text(answer);
    assert.match(said, /^\{"message":"Reserved\.","reservation":\d+\}$|"sold_out"/);
    return said.includes('Reserved.');
  });
  assert.ok(reserved.length > 50 && reserved.length < 600);
  for (const hotel of [first, second]) checkTaken(jord, hotel, reserved);
});

/** The rooms that are taken are those of the data and of the requests that had a room, each night, and not too many. */
function checkTaken(jord: Jord, hotel: Hotel, reserved: readonly Uint8Array[]): void {
  const start = (hotel.number - 1) * NIGHTS;
  const expected = [...data.taken.subarray(start, start + NIGHTS)];
  for (const request of reserved) {
    const { hotelId, inDate = '', outDate = '', number = 0 } = JSON.parse(text(request)) as Question;
    if (hotelId !== String(hotel.number)) continue;
    const [first, end] = [inDate, outDate].map((date) => Date.parse(date) / 86_400_000 - FIRST_DAY) as [number, number];
    for (let night = first; night < end; night += 1) expected[night] = (expected[night] ?? 0) + number;
  }
  const value = Buffer.from(jord.kv.get('hotel-availability', hotelKey(hotel.number))?.value ?? []);
  const taken = Array.from({ length: NIGHTS }, (_, night) => value.readUInt16LE(8 + 2 * night));
  assert.deepEqual(taken, expected);
  assert.ok(Math.max(...taken) <= hotel.rooms);
  assert.ok(taken.some((rooms, night) => night >= 100 && night < 106 && rooms === hotel.rooms));
  assert.equal(
    jord.kv.list('hotel-reservations', { prefix: bigEndian(hotel.number) }).keys.length,
    countOf(reserved, hotel),
  );
}

function bigEndian(number: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

function countOf(reserved: readonly Uint8Array[], hotel: Hotel): number {
  return reserved.filter((request) => (JSON.parse(text(request)) as Question).hotelId === String(hotel.number)).length;
}
