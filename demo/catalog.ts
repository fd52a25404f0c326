/**
 * The products of the demo's shop. Without a request body: all of them. With `{"skus":["BK-1001"]}`: those, in that
 * order, as `{"currency":"EUR","products":[{"sku":…,"name":…,"price":…,"grams":…,"taxClass":…}]}`.
 */
import { JsonReader, JsonWriter, Request, Response } from 'jord';
import { Failure } from './shared/failure';
import { PRODUCTS, Product } from './shared/products';

const SKUS_MAX: i32 = 1000;

const bySku = new Map<string, Product>();
for (let i = 0; i < PRODUCTS.length; i++) bySku.set(PRODUCTS[i].sku, PRODUCTS[i]);

export function handle(request: Request): Response {
  if (request.isEmpty) return answer(PRODUCTS);
  const json = new JsonReader(request);
  const found: Product[] = [];
  let missing: string | null = null;
  json.enterObject();
  while (json.nextKey()) {
    if (!json.keyIs('skus')) continue;
    json.enterArray();
    while (json.nextItem()) {
      const sku = json.string();
      if (found.length == SKUS_MAX) json.refuse('too many SKUs');
      if (bySku.has(sku)) found.push(bySku.get(sku));
      else if (missing == null) missing = sku;
    }
  }
  if (!json.end()) return Failure.invalid(json.message).response();
  if (missing != null) return new Failure(404, 'unknown_sku', `there is no product "${missing}"`).response();
  return answer(found);
}

function answer(products: Product[]): Response {
  const out = new JsonWriter(128 * products.length + 64);
  out.beginObject();
  out.key('currency').string('EUR');
  out.key('products').beginArray();
  for (let i = 0; i < products.length; i++) {
    const product = products[i];
    out.beginObject();
    out.key('sku').string(product.sku);
    out.key('name').string(product.name);
    out.key('price').integer(product.price);
    out.key('grams').integer(product.grams);
    out.key('taxClass').string(product.taxClass);
    out.endObject();
  }
  out.endArray().endObject();
  return out.response();
}
