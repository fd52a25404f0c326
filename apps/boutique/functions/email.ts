/**
 * The confirmation of an order: its text goes to the space `boutique-outbox`, a cache, under the order's id, where a mail
 * server would fetch it. The answer is the order itself, as it came (shared/wire.ts).
 */
import { Request, Response, Space, statusName, TextWriter, View } from 'jord';
import { utf8 } from '../../shared/text';
import { UUID_LENGTH } from '../../shared/uuid';
import { writeMoney } from './shared/money-text';
import * as templates from './shared/templates';
import { ID_LENGTH, LINE_SIZE, Money, Order } from './shared/wire';

const outbox = Space.open('boutique-outbox');

const TO = utf8(templates.MAIL_TO);
const SUBJECT = utf8(templates.MAIL_SUBJECT);
const GREETING = utf8(templates.MAIL_GREETING);
const TRACKING = utf8(templates.MAIL_TRACKING);
const ITEMS = utf8(templates.MAIL_ITEMS);
const TIMES = utf8(templates.MAIL_TIMES);
const COST = utf8(templates.MAIL_COST);
const EACH = utf8(templates.MAIL_EACH);
const SHIPPING = utf8(templates.MAIL_SHIPPING);
const TOTAL = utf8(templates.MAIL_TOTAL);
const ADDRESS = utf8(templates.MAIL_ADDRESS);
const END = utf8(templates.MAIL_END);

/** How long a mail waits to be fetched. */
const KEPT_MS: i64 = 3_600_000;

export function handle(order: Request): Response {
  const out = new TextWriter(1024);
  const id = order.slice(Order.ID, Order.ID + UUID_LENGTH);
  out.bytes(TO).bytes(buyerText(order, 0)).bytes(SUBJECT).bytes(id).bytes(GREETING).bytes(id);
  out.bytes(TRACKING).bytes(order.slice(Order.TRACKING, Order.TRACKING + order.load<i32>(Order.TRACKING_LENGTH)));
  out.bytes(ITEMS);
  const count = order.load<i32>(Order.COUNT);
  for (let i = 0; i < count; i++) {
    const line = Order.LINES + i * Order.LINE_SIZE;
    out
      .integer(order.load<u32>(line + 12))
      .bytes(TIMES)
      .bytes(order.slice(line, line + ID_LENGTH))
      .bytes(COST);
    writeMoney(out, Money.read(order, line + LINE_SIZE));
    out.bytes(EACH);
  }
  out.bytes(SHIPPING);
  writeMoney(out, Money.read(order, Order.SHIPPING));
  out.bytes(TOTAL);
  writeMoney(out, Money.read(order, Order.TOTAL));
  writeAddress(out.bytes(ADDRESS), order);
  const stored = outbox.putBytes(id, out.bytes(END).argbuf(), -1, KEPT_MS);
  if (stored < 65536) throw new Error('the mail cannot be kept: ' + statusName(<i32>stored));
  return new Response(order);
}

/** Street, then zip, city and state, then country. */
function writeAddress(out: TextWriter, order: Request): void {
  out.bytes(buyerText(order, 1)).byte(0x0a).bytes(buyerText(order, 4)).byte(0x20).bytes(buyerText(order, 2));
  const state = buyerText(order, 3);
  if (!state.isEmpty) out.byte(0x2c).byte(0x20).bytes(state);
  out.byte(0x0a).bytes(buyerText(order, 5));
}

/** A text of the buyer, by its number. */
function buyerText(order: Request, index: i32): View {
  let offset = Order.LINES + order.load<i32>(Order.COUNT) * Order.LINE_SIZE;
  for (let i = 0; i < index; i++) offset += <i32>order.load<u16>(Order.BUYER + i * 2);
  return order.slice(offset, offset + <i32>order.load<u16>(Order.BUYER + index * 2));
}
