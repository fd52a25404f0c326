/**
 * Places an order: the cart's products at their prices in the buyer's currency, shipping added, the card charged, a parcel
 * sent, the cart emptied, the confirmation written. Every step is another service. Request and order are in shared/wire.ts.
 */
import { ArgBuf, log, Request, Response, View } from 'jord';
import { Service } from '../../shared/service';
import { UUID_LENGTH, writeUuid } from '../../shared/uuid';
import {
  BUYER_TEXTS,
  CART_HEADER,
  CartRequest,
  CatalogRequest,
  CHECKOUT_HEADER,
  CONVERT_SIZE,
  copyId,
  CurrencyRequest,
  ID_SIZE,
  LINE_SIZE,
  Money,
  Order,
  Outcome,
  PAYMENT_HEADER,
  Product,
  ShippingRequest,
} from './shared/wire';

const cart = new Service('boutique-cart');
const catalog = new Service('boutique-catalog');
const currency = new Service('boutique-currency');
const shipping = new Service('boutique-shipping');
const payment = new Service('boutique-payment');
const email = new Service('boutique-email');

/** Where the lengths of session and card number are, and of the first text of the buyer. */
const LENGTHS: i32 = 16;
const BUYER: i32 = 20;

/** The request, whose texts stay where they are. */
class Purchase {
  readonly currency: u32;
  readonly session: View;
  readonly cardNumber: View;
  /** Email, street, city, state, zip, country, one behind the other. */
  readonly buyer: View;
  lines: ArgBuf = new ArgBuf(0);
  /** One for each line: what a piece costs. */
  prices: Money[] = [];
  pieces: u32 = 0;
  shipping: Money = new Money(0, 0, 0);
  total: Money = new Money(0, 0, 0);
  transaction: ArgBuf = new ArgBuf(0);
  tracking: ArgBuf = new ArgBuf(0);

  constructor(readonly request: Request) {
    this.currency = request.load<u32>(0);
    const sessionEnd = CHECKOUT_HEADER + <i32>request.load<u16>(LENGTHS);
    const cardEnd = sessionEnd + <i32>request.load<u16>(LENGTHS + 2);
    this.session = request.slice(CHECKOUT_HEADER, sessionEnd);
    this.cardNumber = request.slice(sessionEnd, cardEnd);
    this.buyer = request.slice(cardEnd);
  }
}

export function handle(request: Request): Response {
  const purchase = new Purchase(request);
  let outcome = takeCart(purchase);
  if (outcome == Outcome.OK) outcome = addUp(purchase);
  if (outcome == Outcome.OK) outcome = charge(purchase);
  if (outcome != Outcome.OK) return refusal(outcome);
  ship(purchase);
  emptyCart(purchase.session);
  return new Response(confirm(purchase));
}

function refusal(outcome: u32): Response {
  const message = new ArgBuf(4);
  message.store<u32>(0, outcome);
  return new Response(message);
}

function cartQuestion(what: u32, session: View): ArgBuf {
  const question = new ArgBuf(CART_HEADER + session.length);
  question.store<u32>(0, what);
  question.set(session, CART_HEADER);
  return question;
}

function takeCart(purchase: Purchase): u32 {
  purchase.lines = cart.ask(cartQuestion(CartRequest.GET, purchase.session));
  return purchase.lines.isEmpty ? Outcome.CART_EMPTY : Outcome.OK;
}

/** Asks for the price of each line and of shipping, and converts them. */
function addUp(purchase: Purchase): u32 {
  const lines = purchase.lines;
  const conversion = new Conversion(purchase.currency);
  purchase.total = new Money(purchase.currency, 0, 0);
  for (let at = 0; at < lines.length; at += LINE_SIZE) {
    const question = new ArgBuf(4 + ID_SIZE);
    question.store<u32>(0, CatalogRequest.GET);
    copyId(lines.pointer + <usize>at, question.pointer + 4);
    const found = catalog.ask(question);
    if (found.isEmpty) return Outcome.UNKNOWN_PRODUCT;
    const product = new Product(found.pointer, found.length);
    const outcome = conversion.convert(Money.read(product, 16));
    found.free();
    if (outcome != Outcome.OK) return outcome;
    const quantity = lines.load<u32>(at + 12);
    purchase.prices.push(conversion.result);
    purchase.total.add(conversion.result, quantity);
    purchase.pieces += quantity;
  }
  const outcome = conversion.convert(quote(purchase.pieces));
  purchase.shipping = conversion.result;
  purchase.total.add(purchase.shipping);
  return outcome;
}

/** Converts one amount after the other, in one ArgBuf that goes back and forth. */
class Conversion {
  private message: ArgBuf = new ArgBuf(CONVERT_SIZE);
  result: Money = new Money(0, 0, 0);

  constructor(private to: u32) {}

  /** Returns the outcome; the amount is `result`. */
  convert(amount: Money): u32 {
    const message = this.message;
    message.store<u32>(0, CurrencyRequest.CONVERT);
    message.store<u32>(4, this.to);
    amount.write(message, 8);
    const converted = currency.ask(message);
    this.message = converted;
    this.result = Money.read(converted, 8);
    return converted.load<u32>(0);
  }
}

function quote(pieces: u32): Money {
  const question = new ArgBuf(8);
  question.store<u32>(0, ShippingRequest.QUOTE);
  question.store<u32>(4, pieces);
  return Money.read(shipping.ask(question), 0);
}

function charge(purchase: Purchase): u32 {
  const question = new ArgBuf(PAYMENT_HEADER + purchase.cardNumber.length);
  purchase.total.write(question, 0);
  question.store<u32>(16, purchase.request.load<u32>(4));
  question.store<u32>(20, purchase.request.load<u32>(8));
  question.store<u32>(24, purchase.request.load<u32>(12));
  question.set(purchase.cardNumber, PAYMENT_HEADER);
  purchase.transaction = payment.ask(question);
  return purchase.transaction.load<u32>(0);
}

/** The address for shipping is street, city and state, with a comma and a space between. */
function ship(purchase: Purchase): void {
  const lengths = purchase.request.pointer + BUYER;
  const emailEnd = <i32>load<u16>(lengths);
  const street = <i32>load<u16>(lengths, 2);
  const city = <i32>load<u16>(lengths, 4);
  const state = <i32>load<u16>(lengths, 6);
  const question = new ArgBuf(8 + street + city + state + 4);
  question.store<u32>(0, ShippingRequest.SHIP);
  question.store<u32>(4, purchase.pieces);
  question.set(purchase.buyer.slice(emailEnd, emailEnd + street), 8);
  question.store<u16>(8 + street, 0x202c);
  question.set(purchase.buyer.slice(emailEnd + street, emailEnd + street + city), 10 + street);
  question.store<u16>(10 + street + city, 0x202c);
  question.set(purchase.buyer.slice(emailEnd + street + city, emailEnd + street + city + state), 12 + street + city);
  purchase.tracking = shipping.ask(question);
}

function emptyCart(session: View): void {
  cart.ask(cartQuestion(CartRequest.EMPTY, session));
}

/** The order, by way of the email service, which hands it back. What is paid is paid, also when no mail can be sent. */
function confirm(purchase: Purchase): ArgBuf {
  const id = memory.data(UUID_LENGTH);
  writeUuid(id);
  const confirmed = email.call(orderOf(purchase, id));
  if (confirmed.ok) return confirmed.response;
  log.warn('no confirmation is sent: ' + confirmed.statusName);
  return orderOf(purchase, id);
}

function orderOf(purchase: Purchase, id: usize): ArgBuf {
  const count = purchase.prices.length;
  const order = new ArgBuf(Order.LINES + count * Order.LINE_SIZE + purchase.buyer.length);
  order.store<u32>(0, Outcome.OK);
  order.store<u32>(Order.COUNT, count);
  purchase.shipping.write(order, Order.SHIPPING);
  purchase.total.write(order, Order.TOTAL);
  order.set(new View(id, UUID_LENGTH), Order.ID);
  order.set(purchase.transaction.slice(4), Order.TRANSACTION);
  const tracking = purchase.tracking;
  if (tracking.length > Order.TRACKING_MAX) throw new Error('the tracking number is too long');
  order.store<u32>(Order.TRACKING_LENGTH, tracking.length);
  order.set(tracking, Order.TRACKING);
  order.set(purchase.request.slice(BUYER, BUYER + 2 * BUYER_TEXTS), Order.BUYER);
  for (let i = 0; i < count; i++) {
    const line = Order.LINES + i * Order.LINE_SIZE;
    memory.copy(order.pointer + <usize>line, purchase.lines.pointer + <usize>(i * LINE_SIZE), LINE_SIZE);
    purchase.prices[i].write(order, line + LINE_SIZE);
  }
  order.set(purchase.buyer, Order.LINES + count * Order.LINE_SIZE);
  return order;
}
