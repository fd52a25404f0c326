/** What a browser asks of the hotel reservation, as JSON. */
import { JsonReader, Request, Response, View } from 'jord';
import { badRequest } from '../../../shared/failure';
import { dayOf } from './dates';
import { NIGHTS_MAX } from './wire';

const NOTHING = new View(0, 0);
const TEXT_LENGTH_MAX: i32 = 200;
const ROOMS_MAX: i32 = 100;

/**
 * A request: `{"page":"hotels","inDate":"2027-03-14","outDate":"2027-03-16","lat":48.1,"lon":11.6}`, and what else the page
 * needs. Texts stay where they are.
 */
export class Question {
  page: View = NOTHING;
  /** Days since 1970; -1 when they are missing or none. */
  arrival: i32 = -1;
  departure: i32 = -1;
  latitude: f64 = NaN;
  longitude: f64 = NaN;
  require: View = NOTHING;
  hotelId: View = NOTHING;
  customer: View = NOTHING;
  username: View = NOTHING;
  password: View = NOTHING;
  rooms: i32 = 1;

  /** Reads a request. Returns what is wrong with it, or null. */
  read(request: Request): Response | null {
    const json = new JsonReader(request);
    json.enterObject();
    while (json.nextKey()) {
      if (json.keyIs('page')) this.page = json.utf8();
      else if (json.keyIs('inDate')) this.arrival = dayOf(json.utf8());
      else if (json.keyIs('outDate')) this.departure = dayOf(json.utf8());
      else if (json.keyIs('lat')) this.latitude = json.number();
      else if (json.keyIs('lon')) this.longitude = json.number();
      else if (json.keyIs('require')) this.require = json.utf8();
      else if (json.keyIs('hotelId')) this.hotelId = json.utf8();
      else if (json.keyIs('customerName')) this.customer = text(json);
      else if (json.keyIs('username')) this.username = text(json);
      else if (json.keyIs('password')) this.password = text(json);
      else if (json.keyIs('number')) this.rooms = json.integer<i32>();
    }
    return json.end() ? null : badRequest(json.message);
  }

  /** What is wrong with the dates, or null. */
  refuseDates(): Response | null {
    if (this.arrival < 0 || this.departure < 0) return badRequest('inDate and outDate must be dates: YYYY-MM-DD');
    const nights = this.departure - this.arrival;
    return nights < 1 || nights > <i32>NIGHTS_MAX ? badRequest(`a stay is 1 to ${NIGHTS_MAX} nights`) : null;
  }

  /** What is wrong with the place, or null. */
  refusePlace(): Response | null {
    const isPlace = Math.abs(this.latitude) <= 90 && Math.abs(this.longitude) <= 180;
    return isPlace ? null : badRequest('lat must be -90 to 90 and lon -180 to 180');
  }

  refuseRooms(): Response | null {
    return this.rooms < 1 || this.rooms > ROOMS_MAX ? badRequest(`number must be 1 to ${ROOMS_MAX} rooms`) : null;
  }

  /** The number of the hotel; 0 when there cannot be such a hotel. */
  get hotel(): u32 {
    const id = this.hotelId;
    if (id.isEmpty || id.length > 9 || id[0] == 0x30) return 0;
    let number: u32 = 0;
    for (let i = 0; i < id.length; i++) {
      const digit = <u32>id[i] - 0x30;
      if (digit > 9) return 0;
      number = number * 10 + digit;
    }
    return number;
  }
}

function text(json: JsonReader): View {
  const text = json.utf8();
  if (text.length > TEXT_LENGTH_MAX) json.refuse(`a text of at most ${TEXT_LENGTH_MAX} bytes is expected`);
  return text;
}
