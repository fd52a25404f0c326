/** The shop in plain TypeScript: what each request is to be answered with. */
import assert from 'node:assert/strict';
import type { ApplicationModel, ApplicationRequest } from '../application.ts';
import { utf8 } from '../bytes.ts';
import { type Ad, type BoutiqueData, type CartLine, NANOS_PER_UNIT, type Product, RATES, searchText } from './data.ts';
import * as t from './functions/shared/templates.ts';

/** What a browser sends; all but `page` and `session` may be missing. */
export interface Visit {
  readonly page: string;
  readonly session: string;
  readonly request?: string;
  readonly currency?: string;
  readonly product?: string;
  readonly quantity?: number;
  readonly number?: number;
  readonly text?: string;
  readonly email?: string;
  readonly address?: {
    readonly street?: string;
    readonly city?: string;
    readonly state?: string;
    readonly zip?: string;
    readonly country?: string;
  };
  readonly card?: { readonly number?: string; readonly cvv?: number; readonly month?: number; readonly year?: number };
}

const PAGE_SIZE = 12;
const LINES_MAX = 100;
const QUANTITY_MAX = 1000;
const OFFERED = new Set(['USD', 'EUR', 'CAD', 'JPY', 'GBP', 'TRY']);
const SYMBOLS: Readonly<Record<string, string>> = { USD: '$', EUR: '€', CAD: 'CA$', JPY: '¥', GBP: '£', TRY: '₺' };
const WHOLE = new Set(['JPY', 'KRW', 'ISK']);
const PARCEL_NANOS = 8_990_000_000n;

/** What ends a request early. */
class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const refusals = {
  unknownProduct: () => new Refusal('unknown_product', 'there is no such product'),
  unknownCurrency: () => new Refusal('unknown_currency', 'there is no rate for this currency'),
  cartEmpty: () => new Refusal('cart_empty', 'there is nothing in the cart'),
  cartFull: () => new Refusal('cart_full', 'a cart has at most 100 products, and 1000 pieces of each'),
  cardInvalid: () => new Refusal('card_invalid', 'the number of the card is not valid'),
  cardNotAccepted: () => new Refusal('card_not_accepted', 'only Visa and Mastercard are accepted'),
  cardExpired: () => new Refusal('card_expired', 'the card has expired'),
  bad: (message: string) => new Refusal('bad_request', message),
};

export class BoutiqueModel implements ApplicationModel {
  readonly #data: BoutiqueData;
  readonly #products: ReadonlyMap<string, Product>;
  readonly #carts: Map<string, CartLine[]>;
  /** The mails sent so far, by the id of their order. */
  readonly mails = new Map<string, string>();

  constructor(data: BoutiqueData) {
    this.#data = data;
    this.#products = new Map(data.products.map((product) => [product.id, product]));
    this.#carts = new Map([...data.carts].map(([session, lines]) => [session, [...lines]]));
  }

  respond(request: ApplicationRequest, actual: Uint8Array): Uint8Array {
    const visit = JSON.parse(Buffer.from(request.body).toString()) as Visit;
    try {
      return utf8(this.#page(visit, Buffer.from(actual).toString()));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return utf8(JSON.stringify({ error: { code: error.code, message: error.message } }));
    }
  }

  /** The lines of a cart. */
  cart(session: string): readonly CartLine[] {
    return this.#carts.get(session) ?? [];
  }

  #page(visit: Visit, actual: string): string {
    if (visit.session === '') throw refusals.bad('a session is needed');
    const { quantity = 1 } = visit;
    if (quantity < 1 || quantity > 10) throw refusals.bad('a quantity is 1 to 10');
    switch (visit.page) {
      case 'home':
        return this.#home(visit);
      case 'search':
        return this.#search(visit);
      case 'product':
        return this.#product(visit);
      case 'cart':
        return this.#cart(visit);
      case 'add':
        this.#add(visit);
        return '{"redirect":"/cart"}';
      case 'empty':
        this.#carts.delete(visit.session);
        return '{"redirect":"/"}';
      case 'set-currency':
        if (!OFFERED.has(currencyOf(visit))) throw refusals.unknownCurrency();
        return JSON.stringify({ redirect: '/', currency: visit.currency ?? 'USD' });
      case 'checkout':
        return this.#checkout(visit, actual);
      default:
        throw refusals.bad('page must be one of home, search, product, cart, add, empty, set-currency, checkout');
    }
  }

  #home(visit: Visit): string {
    const { products } = this.#data;
    const { number = 0 } = visit;
    const shown = products.slice(number * PAGE_SIZE, (number + 1) * PAGE_SIZE);
    const pages = Math.ceil(products.length / PAGE_SIZE);
    const place = `${t.PAGES}${number + 1}${t.PAGES_OF}${pages}${t.PAGES_END}`;
    return this.#whole(visit, 'Hot products', `${t.HOME_HEADING}${list(shown, currencyOf(visit))}${place}`, []);
  }

  #search(visit: Visit): string {
    const { text = '' } = visit;
    const sought = text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
    const found = text === '' ? [] : this.#data.products.filter((product) => searchText(product).includes(sought));
    const heading = `${t.SEARCH_HEADING}${escapeHtml(text)}${t.SEARCH_COUNT}${found.length}${t.SEARCH_FOUND}`;
    return this.#whole(visit, 'Search', heading + list(found.slice(0, PAGE_SIZE), currencyOf(visit)), []);
  }

  #product(visit: Visit): string {
    const { id, name, picture, description, categories, priceNanos } = this.#find(visit.product);
    const price = moneyText(convert(priceNanos, currencyOf(visit)), currencyOf(visit));
    const body = [
      t.PRODUCT_HEADING + escapeHtml(picture),
      t.PRODUCT_NAME + escapeHtml(name),
      t.PRODUCT_PRICE + price,
      t.PRODUCT_DESCRIPTION + escapeHtml(description),
      t.PRODUCT_CATEGORIES + categories.join(','),
      t.PRODUCT_FORM + id,
      t.PRODUCT_END,
      this.#recommendations(visit, [id]),
    ];
    return this.#whole(visit, name, body.join(''), categories);
  }

  #cart(visit: Visit): string {
    const currency = currencyOf(visit);
    const lines = this.cart(visit.session);
    const shipping = convert(shippingNanos(lines), currency);
    const rows = lines.map(({ product, quantity }) => ({
      ...this.#find(product),
      quantity,
      cost: convert(this.#find(product).priceNanos, currency) * BigInt(quantity),
    }));
    const total = rows.reduce((sum, { cost }) => sum + cost, shipping);
    const table = [
      t.CART_TABLE,
      ...rows.map(({ id, name, quantity, cost }) =>
        [
          t.CART_ROW + id,
          t.CART_NAME + escapeHtml(name),
          t.CART_SKU + id,
          t.CART_QUANTITY + quantity,
          t.CART_PRICE + moneyText(cost, currency),
          t.CART_ROW_END,
        ].join(''),
      ),
      t.CART_SHIPPING + moneyText(shipping, currency),
      t.CART_TOTAL + moneyText(total, currency),
      t.CART_TABLE_END,
      t.CART_FORM,
    ];
    const ids = lines.map(({ product }) => product);
    const body = lines.length === 0 ? t.CART_EMPTY : table.join('');
    return this.#whole(visit, 'Cart', t.CART_HEADING + body + this.#recommendations(visit, ids), []);
  }

  #add(visit: Visit): void {
    const { id } = this.#find(visit.product);
    const lines = [...this.cart(visit.session)];
    const index = lines.findIndex(({ product }) => product === id);
    const quantity = (visit.quantity ?? 1) + (lines[index]?.quantity ?? 0);
    if (quantity > QUANTITY_MAX || (index < 0 && lines.length === LINES_MAX)) throw refusals.cartFull();
    lines[index < 0 ? lines.length : index] = { product: id, quantity };
    this.#carts.set(visit.session, lines);
  }

  #checkout(visit: Visit, actual: string): string {
    checkBuyer(visit);
    if (visit.product !== undefined && visit.product !== '') this.#add(visit);
    const lines = this.cart(visit.session);
    if (lines.length === 0) throw refusals.cartEmpty();
    const currency = currencyOf(visit);
    const prices = lines.map(({ product }) => convert(this.#find(product).priceNanos, currency));
    const shipping = convert(shippingNanos(lines), currency);
    const total = lines.reduce((sum, { quantity }, index) => sum + (prices[index] ?? 0n) * BigInt(quantity), shipping);
    checkCard(visit);
    const chance = chanceOf(visit, actual);
    this.#carts.delete(visit.session);
    this.mails.set(
      chance.order,
      [
        `${t.MAIL_TO}${visit.email}${t.MAIL_SUBJECT}${chance.order}${t.MAIL_GREETING}${chance.order}`,
        `${t.MAIL_TRACKING}${chance.tracking}${t.MAIL_ITEMS}`,
        ...lines.map(({ product, quantity }, index) => {
          const price = moneyText(prices[index] ?? 0n, currency);
          return `${quantity}${t.MAIL_TIMES}${product}${t.MAIL_COST}${price}${t.MAIL_EACH}`;
        }),
        `${t.MAIL_SHIPPING}${moneyText(shipping, currency)}${t.MAIL_TOTAL}${moneyText(total, currency)}`,
        `${t.MAIL_ADDRESS}${addressText(visit)}${t.MAIL_END}`,
      ].join(''),
    );
    const body = [
      t.ORDER_HEADING + escapeHtml(visit.email ?? ''),
      t.ORDER_ID + chance.order,
      t.ORDER_TRACKING + chance.tracking,
      t.ORDER_TRANSACTION + chance.transaction,
      t.ORDER_SHIPPING + moneyText(shipping, currency),
      t.ORDER_TOTAL + moneyText(total, currency),
      t.ORDER_END,
      this.#recommendations(visit, []),
    ];
    return this.#head(visit, 'Order') + body.join('') + foot(visit);
  }

  #find(id: string | undefined): Product {
    const product = this.#products.get(id ?? '');
    if (product === undefined) throw refusals.unknownProduct();
    return product;
  }

  #whole(visit: Visit, title: string, body: string, categories: readonly string[]): string {
    return this.#head(visit, title) + body + this.#ad(visit, categories) + foot(visit);
  }

  #head(visit: Visit, title: string): string {
    const options = [...RATES.keys()]
      .filter((code) => OFFERED.has(code))
      .map((code) => {
        const mark = code === currencyOf(visit) ? t.CURRENCY_SELECTED : t.CURRENCY_OTHER;
        return t.CURRENCY_OPTION + code + mark + code + t.CURRENCY_END;
      });
    const pieces = this.cart(visit.session).reduce((sum, { quantity }) => sum + quantity, 0);
    return `${t.PAGE_TITLE}${escapeHtml(title)}${t.PAGE_STYLE}${options.join('')}${t.CART_LINK}${pieces}${t.MAIN}`;
  }

  #ad(visit: Visit, categories: readonly string[]): string {
    const { ads } = this.#data;
    const seed = seedOf(visit);
    const fitting = ads.filter(({ category }) => categories.includes(category));
    const others = [ads[seed % ads.length], ads[((seed % ads.length) + 7) % ads.length]] as Ad[];
    const chosen = fitting.length > 0 ? fitting : others;
    const { url = '', text = '' } = chosen[(seed >>> 8) % chosen.length] ?? {};
    return t.AD + escapeHtml(url) + t.AD_TEXT + escapeHtml(text) + t.AD_END;
  }

  /** From the place that chance shows on, the first product that is neither in the cart nor chosen already. */
  #recommendations(visit: Visit, others: readonly string[]): string {
    const { products } = this.#data;
    const chosen: Product[] = [];
    let seed = seedOf(visit);
    while (chosen.length < 4) {
      seed = seed === 0 ? 0x9e3779b9 : seed;
      seed = (seed ^ (seed << 13)) >>> 0;
      seed = (seed ^ (seed >>> 17)) >>> 0;
      seed = (seed ^ (seed << 5)) >>> 0;
      const start = seed % products.length;
      const rotated = [...products.slice(start), ...products.slice(0, start)];
      const next = rotated.find((product) => !others.includes(product.id) && !chosen.includes(product));
      if (next === undefined) break;
      chosen.push(next);
    }
    const cards = chosen.map((product) => card(product, ''));
    return cards.length === 0 ? '' : t.RECOMMENDATIONS + cards.join('') + t.PRODUCTS_END;
  }
}

/** The request's; a text that is no currency of the data is found out where it is used. */
function currencyOf({ currency = 'USD' }: Visit): string {
  return currency;
}

function seedOf({ request = '' }: Visit): number {
  return utf8(request).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
}

/** An amount of USD in another currency, half of a billionth rounded up. */
export function convert(nanosUsd: bigint, currency: string): bigint {
  const from = RATES.get('USD') ?? 0n;
  const to = RATES.get(currency);
  if (to === undefined) throw refusals.unknownCurrency();
  return (2n * nanosUsd * to + from) / (2n * from);
}

export function moneyText(nanos: bigint, currency: string): string {
  const symbol = SYMBOLS[currency] ?? `${currency} `;
  if (WHOLE.has(currency)) return `${symbol}${(nanos + NANOS_PER_UNIT / 2n) / NANOS_PER_UNIT}`;
  const cents = (nanos + 5_000_000n) / 10_000_000n;
  return `${symbol}${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`;
}

function shippingNanos(lines: readonly CartLine[]): bigint {
  const pieces = lines.reduce((sum, { quantity }) => sum + quantity, 0);
  return BigInt(Math.ceil(pieces / 10)) * PARCEL_NANOS;
}

function list(products: readonly Product[], currency: string): string {
  const cards = products.map((product) =>
    card(product, t.CARD_PRICE + moneyText(convert(product.priceNanos, currency), currency)),
  );
  return t.PRODUCTS + cards.join('') + t.PRODUCTS_END;
}

function card({ id, picture, name }: Product, price: string): string {
  return t.CARD + id + t.CARD_PICTURE + escapeHtml(picture) + t.CARD_NAME + escapeHtml(name) + price + t.CARD_END;
}

function foot({ session, request = '' }: Visit): string {
  return t.FOOTER + escapeHtml(session) + t.FOOTER_REQUEST + escapeHtml(request) + t.PAGE_END;
}

function escapeHtml(text: string): string {
  return text.replace(/["&'<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function checkBuyer({ email = '', address = {}, card = {} }: Visit): void {
  const { street = '', city = '', zip = '', country = '' } = address;
  const { cvv = 0, month = 0 } = card;
  if (email.indexOf('@') < 1) throw refusals.bad('an email address is needed');
  if ([street, city, zip, country].includes('')) {
    throw refusals.bad('an address needs street, city, zip and country');
  }
  if (cvv < 100 || cvv > 9999) throw refusals.bad('a CVV has three or four digits');
  if (month < 1 || month > 12) throw refusals.bad('a month is 1 to 12');
}

function checkCard({ card = {} }: Visit): void {
  const { number = '', month = 0, year = 0 } = card;
  const digits = number.replace(/[ -]/g, '');
  if (!/^\d{12,19}$/.test(digits) || !passesLuhn(digits)) throw refusals.cardInvalid();
  const isVisa = /^4(\d{12}|\d{15}|\d{18})$/.test(digits);
  const prefix = Number(digits.slice(0, 4));
  const isMastercard =
    digits.length === 16 && ((prefix >= 5100 && prefix <= 5599) || (prefix >= 2221 && prefix <= 2720));
  if (!isVisa && !isMastercard) throw refusals.cardNotAccepted();
  const now = new Date();
  if (year < now.getUTCFullYear() || (year === now.getUTCFullYear() && month < now.getUTCMonth() + 1)) {
    throw refusals.cardExpired();
  }
}

export function passesLuhn(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, index) => {
    const value = Number(digit) * (index % 2 === 0 ? 1 : 2);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

/** Order, tracking and transaction are by chance: taken from the page, and looked at. */
function chanceOf(visit: Visit, actual: string): { order: string; tracking: string; transaction: string } {
  const field = (id: string): string => new RegExp(`<dd id="${id}">([^<]*)</dd>`).exec(actual)?.[1] ?? '';
  const [order, tracking, transaction] = ['order', 'tracking', 'transaction'].map(field) as [string, string, string];
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  assert.match(order, uuid);
  assert.match(transaction, uuid);
  const { street, city, state = '' } = visit.address ?? {};
  const { length } = utf8(`${street}, ${city}, ${state}`);
  assert.match(tracking, new RegExp(`^[A-Z]{2}-${length}\\d{3}-${Math.floor(length / 2)}\\d{7}$`));
  return { order, tracking, transaction };
}

function addressText({ address = {} }: Visit): string {
  const { street, city, state = '', zip, country } = address;
  return `${street}\n${zip} ${city}${state === '' ? '' : `, ${state}`}\n${country}`;
}
