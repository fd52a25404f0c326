/**
 * How the shop's services write to each other: in ArgBufs, by fixed offsets, little-endian. A request begins with what is
 * asked for where a service does more than one thing, a response with an outcome where it can fail.
 *
 * money (16 bytes):  0 currency, three letters and a zero · 4 u32 nanos, billionths of a unit · 8 i64 units
 * line (16 bytes):   0 product id, 10 letters or digits and two zeros · 12 u32 quantity
 * text:              its length stands before all texts, then the texts follow each other
 */
import { ArgBuf, View } from 'jord';

export namespace Outcome {
  export const OK: u32 = 0;
  export const UNKNOWN_PRODUCT: u32 = 1;
  export const UNKNOWN_CURRENCY: u32 = 2;
  export const CART_EMPTY: u32 = 3;
  export const CART_FULL: u32 = 4;
  export const CARD_INVALID: u32 = 5;
  export const CARD_NOT_ACCEPTED: u32 = 6;
  export const CARD_EXPIRED: u32 = 7;
  export const AMOUNT_TOO_LARGE: u32 = 8;
}

export const NANOS_PER_UNIT: i64 = 1_000_000_000;
/** What is converted at most: products with any rate stay below 2^63. */
export const UNITS_MAX: i64 = 1_000_000_000;

export const MONEY_SIZE: i32 = 16;
export const USD: u32 = 0x0044_5355;

/** An amount, read from a message or on its way into one. */
export class Money {
  constructor(
    public currency: u32,
    public units: i64,
    public nanos: i64,
  ) {}

  static read(message: View, offset: i32): Money {
    return new Money(message.load<u32>(offset), message.load<i64>(offset + 8), message.load<u32>(offset + 4));
  }

  write(message: ArgBuf, offset: i32): void {
    message.store<u32>(offset, this.currency);
    message.store<u32>(offset + 4, <u32>this.nanos);
    message.store<i64>(offset + 8, this.units);
  }

  /** Adds an amount of the same currency, as often as `times`. */
  add(other: Money, times: u32 = 1): void {
    const nanos = this.nanos + other.nanos * times;
    this.units += other.units * times + nanos / NANOS_PER_UNIT;
    this.nanos = nanos % NANOS_PER_UNIT;
  }
}

export const ID_LENGTH: i32 = 10;
/** With its two zeros. */
export const ID_SIZE: i32 = 12;
export const LINE_SIZE: i32 = 16;

/** Copies an id, or a whole line, from one address to another. */
export function copyId(from: usize, to: usize): void {
  store<u64>(to, load<u64>(from));
  store<u32>(to, load<u32>(from, 8), 8);
}

/** Writes an id that came as text; false when it cannot be one. */
export function writeId(text: View, to: usize): bool {
  if (text.length != ID_LENGTH) return false;
  store<u64>(to, load<u64>(text.pointer));
  store<u32>(to, load<u16>(text.pointer, 8), 8);
  return true;
}

export function sameId(left: usize, right: usize): bool {
  return load<u64>(left) == load<u64>(right) && load<u32>(left, 8) == load<u32>(right, 8);
}

/** The code of a currency that came as text; 0 when it cannot be one. */
export function currencyOf(text: View): u32 {
  if (text.length != 3) return 0;
  return load<u16>(text.pointer) | ((<u32>load<u8>(text.pointer, 2)) << 16);
}

/**
 * A product, as it is in the store and in what the catalog answers: 0 id · 12 u32 length of all · 16 money, its price ·
 * 32 u16 lengths of name, picture, description, categories (with commas between) · 40 these texts · zeros up to a multiple
 * of 8.
 */
export class Product extends View {
  get currency(): u32 {
    return load<u32>(this.start, 16);
  }

  get name(): View {
    return new View(this.start + 40, <i32>load<u16>(this.start, 32));
  }

  get picture(): View {
    return new View(this.start + 40 + <usize>load<u16>(this.start, 32), <i32>load<u16>(this.start, 34));
  }

  get description(): View {
    const picture = this.picture;
    return new View(picture.pointer + <usize>picture.length, <i32>load<u16>(this.start, 36));
  }

  get categories(): View {
    const description = this.description;
    return new View(description.pointer + <usize>description.length, <i32>load<u16>(this.start, 38));
  }

  get id(): View {
    return new View(this.start, ID_LENGTH);
  }

  /** The address of the price. */
  get price(): usize {
    return this.start + 16;
  }

  /** With the zeros. */
  get recordLength(): i32 {
    return load<i32>(this.start, 12);
  }

  /** The one that follows in a message. */
  next(): Product {
    const after = this.start + <usize>this.recordLength;
    return new Product(after, 0);
  }
}

/** What the catalog is asked: 0 u32 which · 4 u32 page (LIST) · 8 id (GET), or 4 text (SEARCH). */
export namespace CatalogRequest {
  /** A page of products: 0 u32 how many are here · 4 u32 how many there are · 8 products. */
  export const LIST: u32 = 1;
  /** One product, or an empty response. */
  export const GET: u32 = 2;
  /** The products whose name or description has the text, in whatever case; the response as that of LIST. */
  export const SEARCH: u32 = 3;
  /** The ids of all products, ID_SIZE each, ascending by their bytes. */
  export const IDS: u32 = 4;
}
/** Products on a page. */
export const PAGE_SIZE: i32 = 12;

/** What the currency service is asked: 0 u32 which · 4 currency to convert to · 8 money. */
export namespace CurrencyRequest {
  /** The response is the request: 0 u32 outcome · 8 money. */
  export const CONVERT: u32 = 1;
  /** All currencies, four bytes each. */
  export const SUPPORTED: u32 = 2;
}
export const CONVERT_SIZE: i32 = 24;

/** What the cart service is asked: 0 u32 which · 4 line (ADD) · 20 session. */
export namespace CartRequest {
  /** The lines of the cart. */
  export const GET: u32 = 1;
  /** 0 u32 outcome. */
  export const ADD: u32 = 2;
  /** 0 u32 outcome. */
  export const EMPTY: u32 = 3;
}
export const CART_HEADER: i32 = 20;

/**
 * What the recommendation service is asked: 0 u32 seed of its choice · 4 ids of products not to recommend. It answers with
 * RECOMMENDATIONS ids at most.
 */
export const RECOMMENDATIONS: i32 = 5;

/**
 * What the ad service is asked: 0 u32 seed of its choice · 4 categories (with commas between). It answers with ads: u16
 * lengths of URL and text, and these.
 */
export const AD_HEADER: i32 = 4;

/** What the shipping service is asked: 0 u32 which · 4 u32 pieces · 8 address (SHIP). */
export namespace ShippingRequest {
  /** money, in USD. */
  export const QUOTE: u32 = 1;
  /** A tracking number as text. */
  export const SHIP: u32 = 2;
}

/**
 * What the payment service is asked: 0 money · 16 u32 month · 20 u32 year · 24 u32 CVV · 28 card number as text. The
 * response: 0 u32 outcome · 4 id of the transaction.
 */
export const PAYMENT_HEADER: i32 = 28;

/**
 * What checkout is asked: 0 currency · 4 u32 month · 8 u32 year · 12 u32 CVV · 16 u16 lengths of session, card number, and
 * the six texts of a buyer · 32 these texts.
 */
export const CHECKOUT_HEADER: i32 = 32;

/**
 * An order, as checkout answers it and email is asked for its confirmation: 0 u32 outcome · 4 u32 how many lines ·
 * 8 money, shipping · 24 money, total · 40 order id · 76 transaction id · 112 u32 length of the tracking number · 116 that ·
 * 152 u16 lengths of the six texts of the buyer: email, street, city, state, zip, country · 164 u32 nothing ·
 * 168 lines with their price each, 32 bytes · the texts.
 */
export namespace Order {
  export const COUNT: i32 = 4;
  export const SHIPPING: i32 = 8;
  export const TOTAL: i32 = 24;
  export const ID: i32 = 40;
  export const TRANSACTION: i32 = 76;
  export const TRACKING_LENGTH: i32 = 112;
  export const TRACKING: i32 = 116;
  export const TRACKING_MAX: i32 = 36;
  export const BUYER: i32 = 152;
  export const LINES: i32 = 168;
  export const LINE_SIZE: i32 = 32;
}
/** Texts of a buyer: email, street, city, state, zip, country. */
export const BUYER_TEXTS: i32 = 6;
