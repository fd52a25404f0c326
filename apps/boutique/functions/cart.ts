/**
 * The carts: one for each session, in the space `boutique-carts`, as the lines of shared/wire.ts. A cart is changed by
 * compare-and-set, so nothing is lost when a customer adds from two windows at once.
 */
import { ArgBuf, Request, Response, Space, Status, statusName, View } from 'jord';
import { CART_HEADER, CartRequest, copyId, LINE_SIZE, Outcome, sameId } from './shared/wire';

/** Most lines of a cart, and most pieces of one product. */
const LINES_MAX: i32 = 100;
const QUANTITY_MAX: u32 = 1000;

const QUANTITY: i32 = 12;

const carts = Space.open('boutique-carts');

export function handle(request: Request): Response {
  const session = request.slice(CART_HEADER);
  const what = request.load<u32>(0);
  if (what == CartRequest.GET) return get(session);
  if (what == CartRequest.ADD) return outcome(add(session, request.slice(4, 4 + LINE_SIZE).pointer));
  return outcome(empty(session));
}

function outcome(outcome: u32): Response {
  const message = new ArgBuf(4);
  message.store<u32>(0, outcome);
  return new Response(message);
}

function get(session: View): Response {
  const cart = carts.getBytes(session);
  return cart == null ? Response.empty() : new Response(ArgBuf.copy(cart));
}

/** Adds the quantity of a line to that of the same product, or behind the others. */
function add(session: View, line: usize): u32 {
  while (true) {
    const cart = carts.getBytes(session);
    const length = cart == null ? 0 : cart.length;
    const expected: i64 = cart == null ? 0 : cart.version;
    const offset = cart == null ? 0 : offsetOf(cart, line);
    if (offset == LINES_MAX * LINE_SIZE) return Outcome.CART_FULL;
    const quantity =
      load<u32>(line, QUANTITY) + (offset < length ? load<u32>(cart!.pointer + <usize>(offset + QUANTITY)) : 0);
    if (quantity > QUANTITY_MAX) return Outcome.CART_FULL;
    const changed = new ArgBuf(max(length, offset + LINE_SIZE));
    if (cart != null) changed.set(cart);
    copyId(line, changed.pointer + <usize>offset);
    changed.store<u32>(offset + QUANTITY, quantity);
    const version = carts.putBytes(session, changed, expected);
    if (version >= 65536) return Outcome.OK;
    // Somebody else was faster: begin again with what is there now.
    changed.free();
    if (cart != null) cart.release();
    if (version != Status.KV_CONFLICT) throw new Error('the cart cannot be kept: ' + statusName(<i32>version));
  }
}

/** Where the line with the same product is, or the end. */
function offsetOf(cart: View, line: usize): i32 {
  let offset = 0;
  while (offset < cart.length && !sameId(cart.pointer + <usize>offset, line)) offset += LINE_SIZE;
  return offset;
}

function empty(session: View): u32 {
  const status = carts.deleteBytes(session);
  if (status != Status.OK && status != Status.KV_NO_SUCH_KEY) {
    throw new Error('the cart cannot be emptied: ' + statusName(status));
  }
  return Outcome.OK;
}
