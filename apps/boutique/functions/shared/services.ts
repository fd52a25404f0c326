/** The services as the frontend calls them: each function one message there and back. */
import { ArgBuf, View } from 'jord';
import { Service } from '../../../shared/service';
import {
  AD_HEADER,
  CART_HEADER,
  CartRequest,
  CatalogRequest,
  CONVERT_SIZE,
  copyId,
  CurrencyRequest,
  ID_SIZE,
  LINE_SIZE,
  Money,
  Product,
  ShippingRequest,
  writeId,
} from './wire';

const catalog = new Service('boutique-catalog');
const currency = new Service('boutique-currency');
const cart = new Service('boutique-cart');
const shipping = new Service('boutique-shipping');
const recommendation = new Service('boutique-recommendation');
const ad = new Service('boutique-ad');

/** The one in which amounts go to the currency service and come back. */
let conversion: ArgBuf | null = null;

/** The product with an id that came as text, or null. */
export function productOf(id: View): Product | null {
  const question = new ArgBuf(4 + ID_SIZE);
  question.store<u32>(0, CatalogRequest.GET);
  return writeId(id, question.pointer + 4) ? asProduct(catalog.ask(question)) : null;
}

/** The product with an id of the wire's form. */
export function productAt(id: usize): Product | null {
  const question = new ArgBuf(4 + ID_SIZE);
  question.store<u32>(0, CatalogRequest.GET);
  copyId(id, question.pointer + 4);
  return asProduct(catalog.ask(question));
}

function asProduct(answer: ArgBuf): Product | null {
  return answer.isEmpty ? null : new Product(answer.pointer, answer.length);
}

export function productPage(page: u32): ArgBuf {
  const question = new ArgBuf(8);
  question.store<u32>(0, CatalogRequest.LIST);
  question.store<u32>(4, page);
  return catalog.ask(question);
}

export function search(text: View): ArgBuf {
  const question = new ArgBuf(4 + text.length);
  question.store<u32>(0, CatalogRequest.SEARCH);
  question.set(text, 4);
  return catalog.ask(question);
}

export function currencies(): ArgBuf {
  const question = new ArgBuf(4);
  question.store<u32>(0, CurrencyRequest.SUPPORTED);
  return currency.ask(question);
}

/** Makes an amount one of another currency. Returns the outcome. */
export function convert(money: Money, to: u32): u32 {
  let message = conversion;
  if (message == null) message = new ArgBuf(CONVERT_SIZE);
  message.store<u32>(0, CurrencyRequest.CONVERT);
  message.store<u32>(4, to);
  money.write(message, 8);
  const answer = currency.ask(message);
  conversion = answer;
  money.currency = answer.load<u32>(8);
  money.nanos = answer.load<u32>(12);
  money.units = answer.load<i64>(16);
  return answer.load<u32>(0);
}

/** The lines of a cart. */
export function cartOf(session: View): ArgBuf {
  return cart.ask(cartQuestion(CartRequest.GET, session));
}

/** How many pieces there are in a cart. */
export function piecesOf(lines: View): u32 {
  let pieces: u32 = 0;
  for (let at = 0; at < lines.length; at += LINE_SIZE) pieces += lines.load<u32>(at + 12);
  return pieces;
}

export function addToCart(session: View, product: Product, quantity: u32): u32 {
  const question = cartQuestion(CartRequest.ADD, session);
  copyId(product.pointer, question.pointer + 4);
  question.store<u32>(16, quantity);
  return cart.ask(question).load<u32>(0);
}

export function emptyCart(session: View): u32 {
  return cart.ask(cartQuestion(CartRequest.EMPTY, session)).load<u32>(0);
}

function cartQuestion(what: u32, session: View): ArgBuf {
  const question = new ArgBuf(CART_HEADER + session.length);
  question.store<u32>(0, what);
  question.set(session, CART_HEADER);
  return question;
}

export function shippingQuote(pieces: u32): Money {
  const question = new ArgBuf(8);
  question.store<u32>(0, ShippingRequest.QUOTE);
  question.store<u32>(4, pieces);
  return Money.read(shipping.ask(question), 0);
}

/** Products to recommend, `countMax` at most, beside those whose ids stand with `stride` bytes between them from `ids` on. */
export function recommended(seed: u32, ids: View, stride: i32, countMax: i32): Product[] {
  const question = new ArgBuf(4 + (ids.length / stride) * ID_SIZE);
  question.store<u32>(0, seed);
  let to = question.pointer + 4;
  for (let at = 0; at < ids.length; at += stride) {
    copyId(ids.pointer + <usize>at, to);
    to += ID_SIZE;
  }
  const chosen = recommendation.ask(question);
  const products: Product[] = [];
  for (let at = 0; at < chosen.length && products.length < countMax; at += ID_SIZE) {
    const product = productAt(chosen.pointer + <usize>at);
    if (product != null) products.push(product);
  }
  return products;
}

/** Ads for a product's categories, or for none. The page goes without when the service fails. */
export function adsFor(seed: u32, categories: View): ArgBuf {
  const question = new ArgBuf(AD_HEADER + categories.length);
  question.store<u32>(0, seed);
  question.set(categories, AD_HEADER);
  return ad.call(question).response;
}
