/** What a browser asks of the shop, as JSON, and how what goes wrong is answered. */
import { JsonReader, Request, Response, View } from 'jord';
import { badRequest, failure } from '../../../shared/failure';
import { currencyOf, Outcome, USD } from './wire';

const NOTHING = new View(0, 0);

const SESSION_LENGTH_MAX: i32 = 64;
const TEXT_LENGTH_MAX: i32 = 200;
const QUANTITY_MAX: i32 = 10;

/**
 * A request: `{"page":"product","session":…,"request":…,"currency":"EUR","product":…}`, and what else the page needs. Texts
 * stay where they are.
 */
export class Visit {
  page: View = NOTHING;
  session: View = NOTHING;
  /** What browsers do not know: the id that is in the log, and that chance comes from. */
  requestId: View = NOTHING;
  currency: u32 = USD;
  product: View = NOTHING;
  quantity: i32 = 1;
  number: u32 = 0;
  text: View = NOTHING;
  email: View = NOTHING;
  street: View = NOTHING;
  city: View = NOTHING;
  state: View = NOTHING;
  zip: View = NOTHING;
  country: View = NOTHING;
  cardNumber: View = NOTHING;
  cvv: u32 = 0;
  month: u32 = 0;
  year: u32 = 0;

  /** Reads a request. Returns what is wrong with it, or null. */
  read(request: Request): Response | null {
    const json = new JsonReader(request);
    json.enterObject();
    while (json.nextKey()) {
      if (json.keyIs('page')) this.page = json.utf8();
      else if (json.keyIs('session')) this.session = text(json, SESSION_LENGTH_MAX);
      else if (json.keyIs('request')) this.requestId = text(json, SESSION_LENGTH_MAX);
      else if (json.keyIs('currency')) this.currency = currencyOf(json.utf8());
      else if (json.keyIs('product')) this.product = json.utf8();
      else if (json.keyIs('quantity')) this.quantity = json.integer<i32>();
      else if (json.keyIs('number')) this.number = json.integer<u32>();
      else if (json.keyIs('text')) this.text = text(json, SESSION_LENGTH_MAX);
      else if (json.keyIs('email')) this.email = text(json, TEXT_LENGTH_MAX);
      else if (json.keyIs('address')) this.readAddress(json);
      else if (json.keyIs('card')) this.readCard(json);
    }
    if (!json.end()) return badRequest(json.message);
    if (this.session.isEmpty) return badRequest('a session is needed');
    if (this.quantity < 1 || this.quantity > QUANTITY_MAX) return badRequest('a quantity is 1 to 10');
    return null;
  }

  private readAddress(json: JsonReader): void {
    json.enterObject();
    while (json.nextKey()) {
      if (json.keyIs('street')) this.street = text(json, TEXT_LENGTH_MAX);
      else if (json.keyIs('city')) this.city = text(json, TEXT_LENGTH_MAX);
      else if (json.keyIs('state')) this.state = text(json, TEXT_LENGTH_MAX);
      else if (json.keyIs('zip')) this.zip = text(json, TEXT_LENGTH_MAX);
      else if (json.keyIs('country')) this.country = text(json, TEXT_LENGTH_MAX);
    }
  }

  private readCard(json: JsonReader): void {
    json.enterObject();
    while (json.nextKey()) {
      if (json.keyIs('number')) this.cardNumber = text(json, TEXT_LENGTH_MAX);
      else if (json.keyIs('cvv')) this.cvv = json.integer<u16>();
      else if (json.keyIs('month')) this.month = json.integer<u8>();
      else if (json.keyIs('year')) this.year = json.integer<u16>();
    }
  }

  /** What is wrong with the buyer, or null. */
  refuseBuyer(): Response | null {
    if (this.email.indexOf(0x40) < 1) return badRequest('an email address is needed');
    if (this.street.isEmpty || this.city.isEmpty || this.zip.isEmpty || this.country.isEmpty) {
      return badRequest('an address needs street, city, zip and country');
    }
    if (this.cvv < 100 || this.cvv > 9999) return badRequest('a CVV has three or four digits');
    if (this.month < 1 || this.month > 12) return badRequest('a month is 1 to 12');
    return null;
  }
}

function text(json: JsonReader, lengthMax: i32): View {
  const text = json.utf8();
  if (text.length > lengthMax) json.refuse(`a text of at most ${lengthMax} bytes is expected`);
  return text;
}

/** What another service refused. */
export function refusal(outcome: u32): Response {
  switch (outcome) {
    case Outcome.UNKNOWN_PRODUCT:
      return failure(404, 'unknown_product', 'there is no such product');
    case Outcome.UNKNOWN_CURRENCY:
      return failure(400, 'unknown_currency', 'there is no rate for this currency');
    case Outcome.CART_EMPTY:
      return failure(409, 'cart_empty', 'there is nothing in the cart');
    case Outcome.CART_FULL:
      return failure(409, 'cart_full', 'a cart has at most 100 products, and 1000 pieces of each');
    case Outcome.CARD_INVALID:
      return failure(400, 'card_invalid', 'the number of the card is not valid');
    case Outcome.CARD_NOT_ACCEPTED:
      return failure(400, 'card_not_accepted', 'only Visa and Mastercard are accepted');
    case Outcome.CARD_EXPIRED:
      return failure(400, 'card_expired', 'the card has expired');
    default:
      return failure(400, 'amount_too_large', 'the amount is too large to be converted');
  }
}
