/**
 * Shopping carts that last: `/fn/cart/ada` is that of Ada. An empty request shows it, `{"sku":"BK-1001","quantity":2}` adds to it,
 * DELETE empties it. The answer, `{"items":[{"sku":…,"quantity":…}]}`, is what the space `carts` keeps of it, with items as `checkout`
 * takes them. Where the space is durable, what is answered is on disk.
 */
import { ArgBuf, JsonReader, JsonWriter, Request, Response, Space, Status, statusName, View } from 'jord';
import { Failure } from './shared/failure';

const ITEMS_MAX: i32 = 100;
const QUANTITY_MAX: i32 = 1000;

const carts = Space.open('carts');
const empty = Uint8Array.wrap(String.UTF8.encode('{"items":[]}'));

class Item {
  sku: string = '';
  quantity: i32 = 1;
}

export function handle(request: Request): Response {
  const owner = request.path;
  if (owner.length < 2) return new Failure(404, 'no_owner', 'whose cart is it? Ask for /fn/cart/<name>').response();
  if (request.method == 'DELETE') return clear(owner);
  if (request.isEmpty) return show(owner);
  const json = new JsonReader(request);
  const added = readItem(json);
  if (added.sku.length == 0) json.refuse('sku is missing');
  if (!json.end()) return Failure.invalid(json.message).response();
  return add(owner, added);
}

function show(owner: string): Response {
  const cart = carts.get(owner);
  return Response.bytes(cart == null ? View.of(empty) : cart).type('application/json');
}

function clear(owner: string): Response {
  carts.delete(owner);
  return kept(owner);
}

function add(owner: string, added: Item): Response {
  while (true) {
    const before = carts.get(owner);
    const items = before == null ? new Array<Item>() : readCart(before);
    const failure = put(items, added);
    if (failure != null) return failure.response();
    const after = write(items);
    const version = carts.putIf(owner, after, before == null ? 0 : before.version);
    if (version >= 65536) return kept(owner);
    if (version != Status.KV_CONFLICT) return refused(<i32>version);
    // Somebody else has changed the cart meanwhile: once more, on top of that.
    after.free();
    if (before != null) before.release();
  }
}

/** Shows the cart once it is on disk. */
function kept(owner: string): Response {
  const status = carts.sync();
  return status == Status.OK ? show(owner) : refused(status);
}

function refused(status: i32): Response {
  return new Failure(503, 'not_kept', `the cart cannot be kept: ${statusName(status)}`).response();
}

function put(items: Item[], added: Item): Failure | null {
  let item: Item | null = null;
  for (let i = 0; i < items.length; i++) if (items[i].sku == added.sku) item = items[i];
  if (item == null) {
    if (items.length == ITEMS_MAX) return new Failure(400, 'cart_full', `a cart has ${ITEMS_MAX} items at most`);
    items.push(added);
    return null;
  }
  item.quantity += added.quantity;
  if (item.quantity <= QUANTITY_MAX) return null;
  return new Failure(400, 'cart_full', `a cart has ${QUANTITY_MAX} of an item at most`);
}

function readCart(cart: View): Item[] {
  const items = new Array<Item>();
  const json = new JsonReader(cart);
  json.enterObject();
  while (json.nextKey()) {
    json.enterArray();
    while (json.nextItem()) items.push(readItem(json));
  }
  if (!json.end()) throw new Error('what is kept is no cart: ' + json.message);
  return items;
}

function readItem(json: JsonReader): Item {
  const item = new Item();
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('sku')) item.sku = json.string();
    else if (json.keyIs('quantity')) {
      item.quantity = json.integer<i32>();
      if (item.quantity < 1 || item.quantity > QUANTITY_MAX) json.refuse(`a quantity is 1 to ${QUANTITY_MAX}`);
    }
  }
  return item;
}

function write(items: Item[]): ArgBuf {
  // What is put takes the memory that was asked for first.
  const out = new JsonWriter(64 * (items.length + 1));
  out.beginObject().key('items').beginArray();
  for (let i = 0; i < items.length; i++) {
    out.beginObject();
    out.key('sku').string(items[i].sku);
    out.key('quantity').integer(items[i].quantity);
    out.endObject();
  }
  return out.endArray().endObject().argbuf();
}
