/**
 * The products of the shop: a page of them, one by its id, those that a text occurs in, or the ids of all. The messages are
 * in shared/wire.ts.
 *
 * The space `boutique-catalog` has values that are read in place. `ids`: ID_SIZE bytes for each product, ascending.
 * `products`: 0 u32 how many · 4 for each, in the same order, the u32 offset of its record · the records. `search`: 0 u32 how many · 8 the u32 offset of each text, and of
 * the end · for each product, in the same order, its name and description in small letters and a zero · 96 zeros.
 */
import { ArgBuf, Request, Response, Space, Value, View } from 'jord';
import { CatalogRequest, ID_SIZE, PAGE_SIZE, Product } from './shared/wire';

const OFFSETS: usize = 4;
const TABLE: i32 = 8;
/** The zeros at the end of the texts are enough for this. */
const TEXT_LENGTH_MAX: i32 = 64;

const catalog = Space.open('boutique-catalog');

const found = new StaticArray<u32>(PAGE_SIZE);

export function handle(request: Request): Response {
  const what = request.load<u32>(0);
  if (what == CatalogRequest.IDS) return new Response(ArgBuf.copy(valueOf('ids')));
  const products = valueOf('products');
  if (what == CatalogRequest.GET) return get(products, request);
  if (what == CatalogRequest.LIST) return list(products, request.load<u32>(4));
  return search(products, request.slice(4));
}

function valueOf(key: string): Value {
  const value = catalog.get(key);
  if (value == null) throw new Error('the catalog is not loaded');
  return value;
}

function get(products: View, request: Request): Response {
  const index = find(valueOf('ids'), request.slice(4, 4 + ID_SIZE).pointer);
  if (index < 0) return Response.empty();
  const record = recordAt(products, index);
  return new Response(ArgBuf.copy(new View(record, new Product(record, 0).recordLength)));
}

function recordAt(products: View, index: u32): usize {
  return products.pointer + load<u32>(products.pointer + OFFSETS + ((<usize>index) << 2));
}

/** Which of the ids it is; -1 when it is none. */
function find(ids: View, id: usize): i32 {
  const high = bswap<u64>(load<u64>(id));
  const low = bswap<u32>(load<u32>(id, 8));
  let first = 0;
  let end = ids.length / ID_SIZE;
  while (first < end) {
    const middle = (first + end) >> 1;
    const entry = ids.pointer + <usize>(middle * ID_SIZE);
    const entryHigh = bswap<u64>(load<u64>(entry));
    const entryLow = bswap<u32>(load<u32>(entry, 8));
    if (entryHigh == high && entryLow == low) return middle;
    if (entryHigh < high || (entryHigh == high && entryLow < low)) first = middle + 1;
    else end = middle;
  }
  return -1;
}

function list(products: View, page: u32): Response {
  const count = products.load<u32>(0);
  const first: u64 = <u64>page * PAGE_SIZE;
  let here: i32 = 0;
  for (let index = first; index < count && here < PAGE_SIZE; index++) found[here++] = <u32>index;
  return answer(products, here, count);
}

/** The first `here` products of `found`. */
function answer(products: View, here: i32, count: u32): Response {
  let length: i32 = 8;
  for (let i = 0; i < here; i++) {
    const record = recordAt(products, found[i]);
    length += new Product(record, 0).recordLength;
  }
  const message = new ArgBuf(length);
  message.store<u32>(0, here);
  message.store<u32>(4, count);
  let to = message.pointer + 8;
  for (let i = 0; i < here; i++) {
    const record = recordAt(products, found[i]);
    const size = <usize>new Product(record, 0).recordLength;
    memory.copy(to, record, size);
    to += size;
  }
  return new Response(message);
}

/** Capital letters of ASCII are as small ones. A text that is empty or too long is nowhere. */
function search(products: View, text: View): Response {
  const texts = valueOf('search');
  const count = texts.load<u32>(0);
  if (text.isEmpty || text.length > TEXT_LENGTH_MAX) return answer(products, 0, 0);
  const sought = memory.data(TEXT_LENGTH_MAX);
  for (let i: usize = 0; i < <usize>text.length; i++) {
    const byte = load<u8>(text.pointer + i);
    store<u8>(sought + i, byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);
  }
  const starts = texts.pointer + TABLE;
  const end = texts.pointer + load<u32>(starts + <usize>count * 4);
  let at = texts.pointer + load<u32>(starts);
  let index: u32 = 0;
  let total: u32 = 0;
  while (true) {
    at = occurrence(at, end, sought, text.length);
    if (at == 0) break;
    // The product whose text this is in; its end is where to look on.
    while (texts.pointer + load<u32>(starts + <usize>(index + 1) * 4) <= at) index++;
    if (total < <u32>PAGE_SIZE) found[total] = index;
    total++;
    at = texts.pointer + load<u32>(starts + <usize>++index * 4);
  }
  return answer(products, <i32>min<u32>(total, PAGE_SIZE), total);
}

/**
 * Where `sought` is first found from `at` on, or 0. Looks at sixteen places at once: at those where the first and the last
 * byte are right, the bytes between are compared. May read 15 bytes and the length of `sought` beyond `end`.
 */
function occurrence(at: usize, end: usize, sought: usize, length: i32): usize {
  const last = <usize>(length - 1);
  const firsts = i8x16.splat(load<i8>(sought));
  const lasts = i8x16.splat(load<i8>(sought + last));
  for (; at < end; at += 16) {
    const right = v128.and(i8x16.eq(v128.load(at), firsts), i8x16.eq(v128.load(at + last), lasts));
    for (let places = <u32>i8x16.bitmask(right); places != 0; places &= places - 1) {
      const place = at + <usize>ctz<u32>(places);
      if (place >= end) return 0;
      if (memory.compare(place, sought, <usize>length) == 0) return place;
    }
  }
  return 0;
}
