/**
 * Prices an order. `{"items":[{"sku":"BK-1001","quantity":2}],"currency":"USD","country":"FR"}` is read here; the
 * products come from `catalog`, the conversion from `currency`, the costs of shipping from `shipping`, and the tax from
 * `tax`: four other functions, each in a protection domain of its own. All amounts are integers in the smallest unit of
 * the order's currency.
 */
import { call, JsonReader, JsonWriter, Request, Response, Result } from 'jord';
import { Failure } from './shared/failure';

const LINES_MAX: i32 = 100;
const QUANTITY_MAX: i32 = 1000;

class Line {
  name: string = '';
  taxClass: string = 'standard';
  grams: i64 = 0;
  /** In cents of euro, then in the order's currency. */
  unitPrice: i64 = 0;

  constructor(
    readonly sku: string,
    readonly quantity: i32,
  ) {}

  get price(): i64 {
    return this.unitPrice * this.quantity;
  }
}

class Tax {
  basisPoints: i32 = 0;
  amount: i64 = 0;

  constructor(
    readonly taxClass: string,
    readonly taxable: i64,
  ) {}
}

class Order {
  currency: string = 'EUR';
  country: string = '';
  lines: Line[] = [];
  zone: string = '';
  days: i32 = 0;
  parcels: i32 = 0;
  shipping: i64 = 0;
  taxes: Tax[] = [];
  rate: string = '';
  rateDate: string = '';

  get grams(): i64 {
    let sum: i64 = 0;
    for (let i = 0; i < this.lines.length; i++) sum += this.lines[i].grams * this.lines[i].quantity;
    return sum;
  }

  /** The price of the lines: of all, or of one class of tax. */
  goods(taxClass: string = ''): i64 {
    let sum: i64 = 0;
    for (let i = 0; i < this.lines.length; i++) {
      if (taxClass == '' || this.lines[i].taxClass == taxClass) sum += this.lines[i].price;
    }
    return sum;
  }

  get tax(): i64 {
    let sum: i64 = 0;
    for (let i = 0; i < this.taxes.length; i++) sum += this.taxes[i].amount;
    return sum;
  }
}

export function handle(request: Request): Response {
  const order = new Order();
  let failure = readOrder(request, order);
  if (failure == null) failure = askCatalog(order);
  if (failure == null) failure = askShipping(order);
  if (failure == null) failure = askCurrency(order);
  if (failure == null) failure = askTax(order);
  return failure == null ? answer(order) : failure.response();
}

function readOrder(request: Request, order: Order): Failure | null {
  const json = new JsonReader(request);
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('currency')) order.currency = json.string();
    else if (json.keyIs('country')) order.country = json.string();
    else if (json.keyIs('items')) {
      json.enterArray();
      while (json.nextItem()) {
        if (order.lines.length == LINES_MAX) json.refuse(`an order has at most ${LINES_MAX} items`);
        order.lines.push(readLine(json));
      }
    }
  }
  if (!json.end()) return invalid(json.message);
  if (order.lines.length == 0) return invalid('an order needs items');
  if (order.country == '') return invalid('an order needs a country');
  return null;
}

function readLine(json: JsonReader): Line {
  let sku = '';
  let quantity: i32 = 1;
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('sku')) sku = json.string();
    else if (json.keyIs('quantity')) {
      quantity = json.integer<i32>();
      if (quantity < 1 || quantity > QUANTITY_MAX) json.refuse(`a quantity is 1 to ${QUANTITY_MAX}`);
    }
  }
  if (sku == '') json.refuse('an item needs a sku');
  return new Line(sku, quantity);
}

function askCatalog(order: Order): Failure | null {
  const out = new JsonWriter();
  out.beginObject().key('skus').beginArray();
  for (let i = 0; i < order.lines.length; i++) out.string(order.lines[i].sku);
  out.endArray().endObject();
  const result = call('catalog', out.argbuf());
  const failure = Failure.of('catalog', result);
  if (failure != null) return failure;
  const json = new JsonReader(result.response);
  let count = 0;
  json.enterObject();
  while (json.nextKey()) {
    if (!json.keyIs('products')) continue;
    json.enterArray();
    while (json.nextItem() && count < order.lines.length) readProduct(json, order.lines[count++]);
  }
  return answered('catalog', json, count == order.lines.length);
}

function readProduct(json: JsonReader, line: Line): void {
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('name')) line.name = json.string();
    else if (json.keyIs('price')) line.unitPrice = json.integer<i32>();
    else if (json.keyIs('grams')) line.grams = json.integer<i32>();
    else if (json.keyIs('taxClass')) line.taxClass = json.string();
  }
}

function askShipping(order: Order): Failure | null {
  const out = new JsonWriter();
  out.beginObject();
  out.key('country').string(order.country);
  out.key('grams').integer(order.grams);
  out.endObject();
  const result = call('shipping', out.argbuf());
  const failure = Failure.of('shipping', result);
  if (failure != null) return failure;
  const json = new JsonReader(result.response);
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('zone')) order.zone = json.string();
    else if (json.keyIs('days')) order.days = json.integer<i32>();
    else if (json.keyIs('parcels')) order.parcels = json.integer<i32>();
    else if (json.keyIs('price')) order.shipping = json.integer<i32>();
  }
  return answered('shipping', json, order.zone != '');
}

/** Converts the unit prices and the shipping, so that what is added up later is in one currency. */
function askCurrency(order: Order): Failure | null {
  const out = new JsonWriter();
  out.beginObject();
  out.key('to').string(order.currency);
  out.key('amounts').beginArray();
  for (let i = 0; i < order.lines.length; i++) out.integer(order.lines[i].unitPrice);
  out.integer(order.shipping).endArray().endObject();
  const result = call('currency', out.argbuf());
  const failure = Failure.of('currency', result);
  if (failure != null) return failure;
  const json = new JsonReader(result.response);
  let count = 0;
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('rate')) order.rate = json.string();
    else if (json.keyIs('date')) order.rateDate = json.string();
    else if (json.keyIs('amounts')) {
      json.enterArray();
      while (json.nextItem()) {
        const amount = json.integer<i64>();
        if (count < order.lines.length) order.lines[count].unitPrice = amount;
        else order.shipping = amount;
        count++;
      }
    }
  }
  return answered('currency', json, count == order.lines.length + 1);
}

/** Shipping is taxed at the standard rate. */
function askTax(order: Order): Failure | null {
  order.taxes.push(new Tax('standard', order.goods('standard') + order.shipping));
  if (order.goods('books') > 0) order.taxes.push(new Tax('books', order.goods('books')));
  const out = new JsonWriter();
  out.beginObject();
  out.key('country').string(order.country);
  out.key('amounts').beginArray();
  for (let i = 0; i < order.taxes.length; i++) {
    out.beginObject();
    out.key('class').string(order.taxes[i].taxClass);
    out.key('amount').integer(order.taxes[i].taxable);
    out.endObject();
  }
  out.endArray().endObject();
  const result = call('tax', out.argbuf());
  const failure = Failure.of('tax', result);
  return failure == null ? readTaxes(result, order) : failure;
}

function readTaxes(result: Result, order: Order): Failure | null {
  const json = new JsonReader(result.response);
  let count = 0;
  json.enterObject();
  while (json.nextKey()) {
    if (!json.keyIs('taxes')) continue;
    json.enterArray();
    while (json.nextItem() && count < order.taxes.length) {
      const tax = order.taxes[count++];
      json.enterObject();
      while (json.nextKey()) {
        if (json.keyIs('basisPoints')) tax.basisPoints = json.integer<i32>();
        else if (json.keyIs('amount')) tax.amount = json.integer<i64>();
      }
    }
  }
  return answered('tax', json, count == order.taxes.length);
}

function answer(order: Order): Response {
  const out = new JsonWriter();
  out.beginObject();
  out.key('currency').string(order.currency);
  out.key('country').string(order.country);
  out.key('lines').beginArray();
  for (let i = 0; i < order.lines.length; i++) writeLine(out, order.lines[i]);
  out.endArray();
  out.key('goods').integer(order.goods());
  out.key('shipping').beginObject();
  out.key('zone').string(order.zone);
  out.key('days').integer(order.days);
  out.key('parcels').integer(order.parcels);
  out.key('grams').integer(order.grams);
  out.key('price').integer(order.shipping);
  out.endObject();
  out.key('taxes').beginArray();
  for (let i = 0; i < order.taxes.length; i++) writeTax(out, order.taxes[i]);
  out.endArray();
  out.key('tax').integer(order.tax);
  out.key('total').integer(order.goods() + order.shipping + order.tax);
  out.key('rate').beginObject();
  out.key('perEuro').string(order.rate);
  out.key('date').string(order.rateDate);
  out.endObject().endObject();
  return out.response();
}

function writeLine(out: JsonWriter, line: Line): void {
  out.beginObject();
  out.key('sku').string(line.sku);
  out.key('name').string(line.name);
  out.key('quantity').integer(line.quantity);
  out.key('unitPrice').integer(line.unitPrice);
  out.key('price').integer(line.price);
  out.endObject();
}

function writeTax(out: JsonWriter, tax: Tax): void {
  out.beginObject();
  out.key('class').string(tax.taxClass);
  out.key('basisPoints').integer(tax.basisPoints);
  out.key('taxable').integer(tax.taxable);
  out.key('amount').integer(tax.amount);
  out.endObject();
}

function invalid(message: string): Failure {
  return new Failure(400, 'invalid_order', message);
}

/** Null when a service's answer could be read and was complete. */
function answered(service: string, json: JsonReader, complete: bool): Failure | null {
  if (json.end() && complete) return null;
  return new Failure(502, 'service_failed', `${service}: ${json.ok ? 'the answer is not complete' : json.message}`);
}
