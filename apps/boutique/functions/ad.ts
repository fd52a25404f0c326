/**
 * Advertisements: all that belong to the categories of a product, or two others, chosen by the seed of the request. The
 * messages are in shared/wire.ts.
 *
 * The space `boutique-ads` has one value, `ads`: 0 u32 how many · 4 the u32 offset of each, and of the end · each ad: u16
 * lengths of category, URL and text, and these.
 */
import { Request, Response, Space, TextWriter, View } from 'jord';
import { AD_HEADER } from './shared/wire';

const OTHERS: u32 = 2;

const space = Space.open('boutique-ads');

export function handle(request: Request): Response {
  const ads = space.get('ads');
  if (ads == null) throw new Error('the ads are not loaded');
  const out = new TextWriter(1024);
  const categories = request.slice(AD_HEADER);
  const count = ads.load<u32>(0);
  for (let i: u32 = 0; i < count; i++) {
    const ad = adAt(ads, i);
    if (isListed(new View(ad + 6, <i32>load<u16>(ad)), categories)) write(out, ad);
  }
  if (out.length == 0) {
    const first = request.load<u32>(0) % count;
    for (let i: u32 = 0; i < OTHERS; i++) write(out, adAt(ads, (first + i * 7) % count));
  }
  return new Response(out.argbuf());
}

function adAt(ads: View, index: u32): usize {
  return ads.pointer + load<u32>(ads.pointer + 4 + (<usize>index << 2));
}

/** A category is one of a list with commas. */
function isListed(category: View, list: View): bool {
  let from = 0;
  while (from < list.length) {
    const comma = list.indexOf(0x2c, from);
    const end = comma < 0 ? list.length : comma;
    if (list.slice(from, end).equals(category)) return true;
    from = end + 1;
  }
  return false;
}

/** Its lengths of URL and text, and both. */
function write(out: TextWriter, ad: usize): void {
  const texts = <i32>load<u16>(ad, 2) + <i32>load<u16>(ad, 4);
  out.bytes(new View(ad + 2, 4));
  out.bytes(new View(ad + 6 + <usize>load<u16>(ad), texts));
}
