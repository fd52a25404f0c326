/**
 * The shop's pages. A request is JSON (shared/visit.ts) whose `page` says what is wanted; the answer is the page, or JSON
 * where a browser would be sent elsewhere. What is shown comes from the other services.
 *
 * | page | needs | |
 * | --- | --- | --- |
 * | home | number | products, a page of twelve |
 * | search | text | products in whose name or description it is |
 * | product | product | one, with others like it |
 * | cart | | what is in the cart, with shipping and total |
 * | add | product, quantity | puts it into the cart |
 * | empty | | empties the cart |
 * | set-currency | currency | says whether it can be chosen |
 * | checkout | email, address, card | places the order; with `product`, puts that into the cart before |
 */
import { ArgBuf, Request, Response, View } from 'jord';
import { badRequest } from '../../shared/failure';
import { Service } from '../../shared/service';
import { hash32, HtmlWriter, utf8 } from '../../shared/text';
import { UUID_LENGTH } from '../../shared/uuid';
import { writeCode, writeMoney } from './shared/money-text';
import { isOffered, writeAd, writeCard, writeFoot, writeHead, writeRecommended } from './shared/page';
import * as services from './shared/services';
import * as templates from './shared/templates';
import { refusal, Visit } from './shared/visit';
import { CHECKOUT_HEADER, ID_LENGTH, LINE_SIZE, Money, Order, Outcome, PAGE_SIZE, Product } from './shared/wire';

const checkoutService = new Service('boutique-checkout');

const RECOMMENDED_MAX: i32 = 4;
const NOTHING = new View(0, 0);
const HTML = 'text/html; charset=utf-8';

const TITLE_HOME = utf8('Hot products');
const TITLE_SEARCH = utf8('Search');
const TITLE_CART = utf8('Cart');
const TITLE_ORDER = utf8('Order');
const HOME_HEADING = utf8(templates.HOME_HEADING);
const SEARCH_HEADING = utf8(templates.SEARCH_HEADING);
const SEARCH_COUNT = utf8(templates.SEARCH_COUNT);
const SEARCH_FOUND = utf8(templates.SEARCH_FOUND);
const PRODUCTS = utf8(templates.PRODUCTS);
const PRODUCTS_END = utf8(templates.PRODUCTS_END);
const PAGES = utf8(templates.PAGES);
const PAGES_OF = utf8(templates.PAGES_OF);
const PAGES_END = utf8(templates.PAGES_END);
const PRODUCT_HEADING = utf8(templates.PRODUCT_HEADING);
const PRODUCT_NAME = utf8(templates.PRODUCT_NAME);
const PRODUCT_PRICE = utf8(templates.PRODUCT_PRICE);
const PRODUCT_DESCRIPTION = utf8(templates.PRODUCT_DESCRIPTION);
const PRODUCT_CATEGORIES = utf8(templates.PRODUCT_CATEGORIES);
const PRODUCT_FORM = utf8(templates.PRODUCT_FORM);
const PRODUCT_END = utf8(templates.PRODUCT_END);
const CART_HEADING = utf8(templates.CART_HEADING);
const CART_EMPTY = utf8(templates.CART_EMPTY);
const CART_TABLE = utf8(templates.CART_TABLE);
const CART_ROW = utf8(templates.CART_ROW);
const CART_NAME = utf8(templates.CART_NAME);
const CART_SKU = utf8(templates.CART_SKU);
const CART_QUANTITY = utf8(templates.CART_QUANTITY);
const CART_PRICE = utf8(templates.CART_PRICE);
const CART_ROW_END = utf8(templates.CART_ROW_END);
const CART_SHIPPING = utf8(templates.CART_SHIPPING);
const CART_TOTAL = utf8(templates.CART_TOTAL);
const CART_TABLE_END = utf8(templates.CART_TABLE_END);
const CART_FORM = utf8(templates.CART_FORM);
const ORDER_HEADING = utf8(templates.ORDER_HEADING);
const ORDER_ID = utf8(templates.ORDER_ID);
const ORDER_TRACKING = utf8(templates.ORDER_TRACKING);
const ORDER_TRANSACTION = utf8(templates.ORDER_TRANSACTION);
const ORDER_SHIPPING = utf8(templates.ORDER_SHIPPING);
const ORDER_TOTAL = utf8(templates.ORDER_TOTAL);
const ORDER_END = utf8(templates.ORDER_END);

export function handle(request: Request): Response {
  const visit = new Visit();
  const refused = visit.read(request);
  if (refused != null) return refused;
  const page = visit.page;
  if (page.is('product')) return productPage(visit);
  if (page.is('cart')) return cartPage(visit);
  if (page.is('home')) return homePage(visit);
  if (page.is('add')) return add(visit);
  if (page.is('set-currency')) return setCurrency(visit);
  if (page.is('checkout')) return checkout(visit);
  if (page.is('search')) return searchPage(visit);
  if (page.is('empty')) return empty(visit);
  return badRequest('page must be one of home, search, product, cart, add, empty, set-currency, checkout');
}

/** What chance is made of: the same request sees the same ads and recommendations again. */
function seedOf(visit: Visit): u32 {
  return hash32(visit.requestId);
}

function redirect(path: string): Response {
  return Response.json(`{"redirect":"${path}"}`);
}

function homePage(visit: Visit): Response {
  const currencies = services.currencies();
  const products = services.productPage(visit.number);
  const cart = services.cartOf(visit.session);
  const out = new HtmlWriter(8192);
  writeHead(out, TITLE_HOME, currencies, visit.currency, services.piecesOf(cart));
  out.raw(HOME_HEADING);
  const outcome = writeProducts(out, products, visit.currency);
  if (outcome != Outcome.OK) return refusal(outcome);
  const pages = (products.load<u32>(4) + PAGE_SIZE - 1) / PAGE_SIZE;
  out
    .raw(PAGES)
    .number(<u64>visit.number + 1)
    .raw(PAGES_OF)
    .number(pages)
    .raw(PAGES_END);
  return finish(out, visit, NOTHING);
}

function searchPage(visit: Visit): Response {
  const currencies = services.currencies();
  const products = services.search(visit.text);
  const cart = services.cartOf(visit.session);
  const out = new HtmlWriter(8192);
  writeHead(out, TITLE_SEARCH, currencies, visit.currency, services.piecesOf(cart));
  out.raw(SEARCH_HEADING).escaped(visit.text).raw(SEARCH_COUNT);
  out.number(products.load<u32>(4)).raw(SEARCH_FOUND);
  const outcome = writeProducts(out, products, visit.currency);
  return outcome == Outcome.OK ? finish(out, visit, NOTHING) : refusal(outcome);
}

/** A list of products as the catalog answered it, each with its price in the customer's currency. */
function writeProducts(out: HtmlWriter, products: ArgBuf, currency: u32): u32 {
  out.raw(PRODUCTS);
  const count = products.load<i32>(0);
  let product = new Product(products.pointer + 8, 0);
  for (let i = 0; i < count; i++) {
    const price = priceOf(product);
    const outcome = services.convert(price, currency);
    if (outcome != Outcome.OK) return outcome;
    writeCard(out, product, price);
    product = product.next();
  }
  out.raw(PRODUCTS_END);
  return Outcome.OK;
}

function priceOf(product: Product): Money {
  const price = product.price;
  return new Money(load<u32>(price), load<i64>(price, 8), load<u32>(price, 4));
}

/** An ad and the foot. */
function finish(out: HtmlWriter, visit: Visit, categories: View): Response {
  const seed = seedOf(visit);
  writeAd(out, services.adsFor(seed, categories), seed >> 8);
  writeFoot(out, visit.session, visit.requestId);
  return out.response(HTML);
}

function productPage(visit: Visit): Response {
  const product = services.productOf(visit.product);
  if (product == null) return refusal(Outcome.UNKNOWN_PRODUCT);
  const currencies = services.currencies();
  const cart = services.cartOf(visit.session);
  const price = priceOf(product);
  const outcome = services.convert(price, visit.currency);
  if (outcome != Outcome.OK) return refusal(outcome);
  const others = services.recommended(seedOf(visit), product.id, ID_LENGTH, RECOMMENDED_MAX);
  const out = new HtmlWriter(4096);
  writeHead(out, product.name, currencies, visit.currency, services.piecesOf(cart));
  out.raw(PRODUCT_HEADING).escaped(product.picture).raw(PRODUCT_NAME).escaped(product.name);
  writeMoney(out.raw(PRODUCT_PRICE), price);
  out.raw(PRODUCT_DESCRIPTION).escaped(product.description);
  out.raw(PRODUCT_CATEGORIES).escaped(product.categories);
  out.raw(PRODUCT_FORM).escaped(product.id).raw(PRODUCT_END);
  writeRecommended(out, others);
  return finish(out, visit, product.categories);
}

function cartPage(visit: Visit): Response {
  const currencies = services.currencies();
  const cart = services.cartOf(visit.session);
  const others = services.recommended(seedOf(visit), cart, LINE_SIZE, RECOMMENDED_MAX);
  const pieces = services.piecesOf(cart);
  const shipping = services.shippingQuote(pieces);
  let outcome = services.convert(shipping, visit.currency);
  if (outcome != Outcome.OK) return refusal(outcome);
  const out = new HtmlWriter(8192);
  writeHead(out, TITLE_CART, currencies, visit.currency, pieces);
  out.raw(CART_HEADING);
  if (cart.isEmpty) {
    out.raw(CART_EMPTY);
  } else {
    outcome = writeCart(out, cart, shipping);
    if (outcome != Outcome.OK) return refusal(outcome);
  }
  writeRecommended(out, others);
  return finish(out, visit, NOTHING);
}

/** The lines of a cart with their prices, shipping, which is in the customer's currency, and the total. */
function writeCart(out: HtmlWriter, cart: ArgBuf, shipping: Money): u32 {
  const total = new Money(shipping.currency, shipping.units, shipping.nanos);
  out.raw(CART_TABLE);
  for (let at = 0; at < cart.length; at += LINE_SIZE) {
    const product = services.productAt(cart.pointer + <usize>at);
    if (product == null) return Outcome.UNKNOWN_PRODUCT;
    const price = priceOf(product);
    const outcome = services.convert(price, shipping.currency);
    if (outcome != Outcome.OK) return outcome;
    const quantity = cart.load<u32>(at + 12);
    const cost = new Money(shipping.currency, 0, 0);
    cost.add(price, quantity);
    total.add(cost);
    out.raw(CART_ROW).escaped(product.id).raw(CART_NAME).escaped(product.name);
    out.raw(CART_SKU).escaped(product.id).raw(CART_QUANTITY).number(quantity);
    writeMoney(out.raw(CART_PRICE), cost);
    out.raw(CART_ROW_END);
  }
  writeMoney(out.raw(CART_SHIPPING), shipping);
  writeMoney(out.raw(CART_TOTAL), total);
  out.raw(CART_TABLE_END).raw(CART_FORM);
  return Outcome.OK;
}

function add(visit: Visit): Response {
  const outcome = addProduct(visit);
  return outcome == Outcome.OK ? redirect('/cart') : refusal(outcome);
}

function addProduct(visit: Visit): u32 {
  const product = services.productOf(visit.product);
  if (product == null) return Outcome.UNKNOWN_PRODUCT;
  return services.addToCart(visit.session, product, visit.quantity);
}

function empty(visit: Visit): Response {
  const outcome = services.emptyCart(visit.session);
  return outcome == Outcome.OK ? redirect('/') : refusal(outcome);
}

/** Browsers keep the currency themselves. */
function setCurrency(visit: Visit): Response {
  const currencies = services.currencies();
  const end = currencies.pointer + <usize>currencies.length;
  let at = currencies.pointer;
  while (at < end && load<u32>(at) != visit.currency) at += 4;
  if (at == end || !isOffered(visit.currency)) return refusal(Outcome.UNKNOWN_CURRENCY);
  const out = new HtmlWriter(128);
  writeCode(out.text('{"redirect":"/","currency":"'), visit.currency).text('"}');
  return out.response('application/json');
}

function checkout(visit: Visit): Response {
  const refused = visit.refuseBuyer();
  if (refused != null) return refused;
  if (!visit.product.isEmpty) {
    const outcome = addProduct(visit);
    if (outcome != Outcome.OK) return refusal(outcome);
  }
  const order = checkoutService.ask(checkoutQuestion(visit));
  if (order.load<u32>(0) != Outcome.OK) return refusal(order.load<u32>(0));
  return orderPage(visit, order);
}

function checkoutQuestion(visit: Visit): ArgBuf {
  const texts: View[] = [
    visit.session,
    visit.cardNumber,
    visit.email,
    visit.street,
    visit.city,
    visit.state,
    visit.zip,
    visit.country,
  ];
  let length = CHECKOUT_HEADER;
  for (let i = 0; i < texts.length; i++) length += texts[i].length;
  const question = new ArgBuf(length);
  question.store<u32>(0, visit.currency);
  question.store<u32>(4, visit.month);
  question.store<u32>(8, visit.year);
  question.store<u32>(12, visit.cvv);
  let at = CHECKOUT_HEADER;
  for (let i = 0; i < texts.length; i++) {
    question.store<u16>(16 + 2 * i, <u16>texts[i].length);
    question.set(texts[i], at);
    at += texts[i].length;
  }
  return question;
}

function orderPage(visit: Visit, order: ArgBuf): Response {
  const others = services.recommended(seedOf(visit), NOTHING, LINE_SIZE, RECOMMENDED_MAX);
  const currencies = services.currencies();
  const out = new HtmlWriter(4096);
  writeHead(out, TITLE_ORDER, currencies, visit.currency, 0);
  out.raw(ORDER_HEADING).escaped(visit.email);
  out.raw(ORDER_ID).raw(order.slice(Order.ID, Order.ID + UUID_LENGTH));
  out.raw(ORDER_TRACKING);
  out.raw(order.slice(Order.TRACKING, Order.TRACKING + order.load<i32>(Order.TRACKING_LENGTH)));
  out.raw(ORDER_TRANSACTION).raw(order.slice(Order.TRANSACTION, Order.TRANSACTION + UUID_LENGTH));
  writeMoney(out.raw(ORDER_SHIPPING), Money.read(order, Order.SHIPPING));
  writeMoney(out.raw(ORDER_TOTAL), Money.read(order, Order.TOTAL));
  out.raw(ORDER_END);
  writeRecommended(out, others);
  writeFoot(out, visit.session, visit.requestId);
  return out.response(HTML);
}
