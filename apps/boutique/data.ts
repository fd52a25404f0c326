/** The shop's data: products, exchange rates, ads, and carts that customers have left, made from a seed. */
import type { ApplicationEntry } from '../application.ts';
import { ByteWriter, utf8 } from '../bytes.ts';
import { Random } from '../random.ts';
import { CATEGORIES, DETAILS, MATERIALS, NOUNS, QUALITIES, USES } from './words.ts';

export interface Product {
  /** Ten capital letters and digits. */
  readonly id: string;
  readonly name: string;
  readonly picture: string;
  readonly description: string;
  readonly categories: readonly string[];
  /** In USD, billionths of a unit. */
  readonly priceNanos: bigint;
}

export interface Ad {
  readonly category: string;
  readonly url: string;
  readonly text: string;
}

export interface CartLine {
  readonly product: string;
  readonly quantity: number;
}

export interface BoutiqueData {
  /** Ascending by id. */
  readonly products: readonly Product[];
  /** Those of a category follow each other. */
  readonly ads: readonly Ad[];
  /** All sessions that there are, also those without a cart. */
  readonly sessions: readonly string[];
  readonly carts: ReadonlyMap<string, readonly CartLine[]>;
}

const PRODUCT_COUNT = 420;
const SESSION_COUNT = 4000;
const ADS_PER_CATEGORY = 5;
/** How many sessions have a cart, and how many lines it has at most. */
const CART_SHARE = 0.6;
const CART_LINES_MAX = 6;
/** So that a search may read beyond its last text: catalog.ts. */
const SEARCH_ZEROS = 96;

export const NANOS_PER_UNIT = 1_000_000_000n;
const NANOS_PER_CENT = 10_000_000n;

/** Euro foreign exchange reference rates of 2026-05-08, source: European Central Bank. What one euro is worth, times 10^5. */
export const RATES: ReadonlyMap<string, bigint> = new Map(
  Object.entries({
    EUR: 1,
    USD: 1.1761,
    JPY: 184.37,
    CZK: 24.304,
    DKK: 7.4726,
    GBP: 0.8641,
    HUF: 356.15,
    PLN: 4.2318,
    RON: 5.2235,
    SEK: 10.842,
    CHF: 0.9156,
    ISK: 143.8,
    NOK: 10.8215,
    TRY: 53.3534,
    AUD: 1.6259,
    BRL: 5.7794,
    CAD: 1.6063,
    CNY: 7.9989,
    HKD: 9.2067,
    IDR: 20424.09,
    ILS: 3.4167,
    INR: 111.1285,
    KRW: 1725.08,
    MXN: 20.2716,
    MYR: 4.6115,
    NZD: 1.9735,
    PHP: 71.136,
    SGD: 1.4911,
    THB: 37.897,
  }).map(([code, rate]) => [code, BigInt(Math.round(rate * 100_000))]),
);

export function generate(seed: number): BoutiqueData {
  const random = new Random(seed);
  const ids = new Set<string>();
  while (ids.size < PRODUCT_COUNT) ids.add(idOf(random));
  const products = [...ids].sort().map((id) => productOf(id, random));
  const ads = CATEGORIES.flatMap((category) =>
    Array.from({ length: ADS_PER_CATEGORY }, () => adOf(category, products, random)),
  );
  const sessions = Array.from({ length: SESSION_COUNT }, () => Buffer.from(random.bytes(16)).toString('hex'));
  const carts = new Map<string, CartLine[]>();
  for (const session of sessions) {
    if (!random.chance(CART_SHARE)) continue;
    const chosen = random.sample(products, random.between(1, CART_LINES_MAX));
    carts.set(
      session,
      chosen.map(({ id }) => ({ product: id, quantity: random.between(1, 10) })),
    );
  }
  return { products, ads, sessions, carts };
}

function idOf(random: Random): string {
  return Array.from({ length: 10 }, () => random.pick([...'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'])).join('');
}

function productOf(id: string, random: Random): Product {
  const category = random.pick(CATEGORIES);
  const noun = random.pick(NOUNS[category] ?? []);
  const material = random.pick(MATERIALS);
  const name = random.chance(0.5) ? `${random.pick(QUALITIES)} ${material} ${noun}` : `${material} ${noun}`;
  const sentences = random.sample(DETAILS, random.between(1, 3)).map((detail) => detail.replaceAll('%', noun));
  const description = `${capitalized(random.pick(QUALITIES))} ${noun} for ${random.pick(USES)}. ${sentences.join(' ')}`;
  const more = random.sample(
    CATEGORIES.filter((other) => other !== category),
    random.below(3),
  );
  return {
    id,
    name: capitalized(name),
    picture: `img/products/${category}/${id.toLowerCase()}.jpg`,
    description,
    categories: [category, ...more],
    priceNanos: BigInt(Math.round(500 + 300_00 * random.next() ** 2.5)) * NANOS_PER_CENT,
  };
}

function adOf(category: string, products: readonly Product[], random: Random): Ad {
  const product = random.pick(products.filter(({ categories }) => categories.includes(category)));
  const offer = random.pick(['20 % off', 'Buy one & get one free', "This week's favourite", 'New in', 'Last chance']);
  return { category, url: `/product/${product.id}?ref=ad&c=${category}`, text: `${product.name}: ${offer}` };
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What is in the key-value store at first; what the values look like stands in the services that read them. */
export function* entries(data: BoutiqueData): Iterable<ApplicationEntry> {
  yield { space: 'boutique-catalog', key: utf8('ids'), value: idsValue(data.products) };
  yield { space: 'boutique-catalog', key: utf8('products'), value: catalogValue(data.products) };
  yield { space: 'boutique-catalog', key: utf8('search'), value: searchValue(data.products) };
  yield { space: 'boutique-currency', key: utf8('rates'), value: ratesValue() };
  yield { space: 'boutique-ads', key: utf8('ads'), value: adsValue(data.ads) };
  for (const [session, lines] of data.carts) {
    yield { space: 'boutique-carts', key: utf8(session), value: cartValue(lines) };
  }
}

function catalogValue(products: readonly Product[]): Uint8Array {
  const records = products.map(productRecord);
  const out = new ByteWriter().u32(products.length);
  let offset = Math.ceil((out.length + 4 * products.length) / 8) * 8;
  for (const record of records) {
    out.u32(offset);
    offset += record.length;
  }
  out.align(8);
  for (const record of records) out.bytes(record);
  return out.done();
}

function idsValue(products: readonly Product[]): Uint8Array {
  const out = new ByteWriter(12 * products.length);
  for (const { id } of products) out.text(id).u16(0);
  return out.done();
}

function productRecord(product: Product): Uint8Array {
  const texts = [product.name, product.picture, product.description, product.categories.join(',')].map(utf8);
  const length = texts.reduce((sum, text) => sum + text.length, 40);
  const out = new ByteWriter()
    .text(product.id)
    .u16(0)
    .u32(Math.ceil(length / 8) * 8);
  out.text('USD').u8(0);
  out.u32(Number(product.priceNanos % NANOS_PER_UNIT)).i64(product.priceNanos / NANOS_PER_UNIT);
  for (const text of texts) out.u16(text.length);
  for (const text of texts) out.bytes(text);
  return out.align(8).done();
}

/** What a search looks at. */
export function searchText({ name, description }: Product): string {
  return `${name}\n${description}`.toLowerCase();
}

function searchValue(products: readonly Product[]): Uint8Array {
  const texts = products.map((product) => utf8(searchText(product)));
  const out = new ByteWriter().u32(products.length).u32(0);
  let offset = out.length + 4 * (texts.length + 1);
  for (const text of texts) {
    out.u32(offset);
    offset += text.length + 1;
  }
  out.u32(offset);
  for (const text of texts) out.bytes(text).u8(0);
  return out.zeros(SEARCH_ZEROS).done();
}

function ratesValue(): Uint8Array {
  const out = new ByteWriter().u32(RATES.size).u32(0);
  for (const [code, rate] of RATES) out.text(code).u8(0).u32(0).i64(rate);
  return out.done();
}

function adsValue(ads: readonly Ad[]): Uint8Array {
  const texts = ads.map(({ url, text }) => [url, text].map(utf8));
  const groups = CATEGORIES.map((category) => ({
    name: utf8(category),
    first: ads.findIndex((ad) => ad.category === category),
    count: ads.filter((ad) => ad.category === category).length,
  }));
  const out = new ByteWriter().u32(groups.length).u32(ads.length);
  const namesAt = out.length + 16 * groups.length + 4 * (ads.length + 1);
  let offset = namesAt;
  for (const { name, first, count } of groups) {
    out.u32(offset).u32(name.length).u32(first).u32(count);
    offset += name.length;
  }
  for (const parts of texts) {
    out.u32(offset);
    offset += parts.reduce((sum, part) => sum + part.length, 4);
  }
  out.u32(offset);
  for (const { name } of groups) out.bytes(name);
  for (const parts of texts) {
    for (const part of parts) out.u16(part.length);
    for (const part of parts) out.bytes(part);
  }
  return out.done();
}

function cartValue(lines: readonly CartLine[]): Uint8Array {
  const out = new ByteWriter(16 * lines.length);
  for (const { product, quantity } of lines) out.text(product).u16(0).u32(quantity);
  return out.done();
}
