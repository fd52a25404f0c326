/**
 * Advertisements: all that belong to the categories of a product, or two others, chosen by the seed of the request. The
 * messages are in shared/wire.ts.
 *
 * The space `boutique-ads` has one value, `ads`: 0 u32 how many categories · 4 u32 how many ads · 8 each category: u32 offset
 * and length of its name, u32 its first ad, u32 how many it has · the u32 offset of each ad, and of the end · names of
 * categories · each ad: u16 lengths of URL and text, and these.
 */
import { ArgBuf, Request, Response, Space, View } from 'jord';
import { AD_HEADER } from './shared/wire';

const GROUPS: usize = 8;
const GROUP_SIZE: usize = 16;
/** How far apart the two ads for no category are. */
const STEP: u32 = 7;

const space = Space.open('boutique-ads');

export function handle(request: Request): Response {
  const ads = space.get('ads');
  if (ads == null) throw new Error('the ads are not loaded');
  const categories = request.slice(AD_HEADER);
  const groups = ads.load<u32>(0);
  // First how long the answer is, then the answer.
  let length = 0;
  for (let i: u32 = 0; i < groups; i++) {
    const group = ads.pointer + GROUPS + <usize>i * GROUP_SIZE;
    if (isListed(ads, group, categories)) length += adsOf(ads, group).length;
  }
  if (length == 0) return others(ads, request.load<u32>(0));
  const answer = new ArgBuf(length);
  let to = 0;
  for (let i: u32 = 0; i < groups; i++) {
    const group = ads.pointer + GROUPS + <usize>i * GROUP_SIZE;
    if (!isListed(ads, group, categories)) continue;
    const own = adsOf(ads, group);
    answer.set(own, to);
    to += own.length;
  }
  return new Response(answer);
}

function others(ads: View, seed: u32): Response {
  const count = ads.load<u32>(4);
  const first = adsFrom(ads, seed % count, 1);
  const second = adsFrom(ads, ((seed % count) + STEP) % count, 1);
  const answer = new ArgBuf(first.length + second.length);
  answer.set(first);
  answer.set(second, first.length);
  return new Response(answer);
}

/** Ads that follow each other. */
function adsFrom(ads: View, first: u32, count: u32): View {
  const offsets = ads.pointer + GROUPS + <usize>ads.load<u32>(0) * GROUP_SIZE;
  const start = load<i32>(offsets + ((<usize>first) << 2));
  return ads.slice(start, load<i32>(offsets + ((<usize>(first + count)) << 2)));
}

function adsOf(ads: View, group: usize): View {
  return adsFrom(ads, load<u32>(group, 8), load<u32>(group, 12));
}

/** The name of a category is one of a list with commas. */
function isListed(ads: View, group: usize, list: View): bool {
  const name = ads.pointer + load<u32>(group);
  const length = load<u32>(group, 4);
  const end = list.pointer + <usize>list.length;
  let from = list.pointer;
  while (from < end) {
    let comma = from;
    while (comma < end && load<u8>(comma) != 0x2c) comma++;
    if (<u32>(comma - from) == length && memory.compare(from, name, length) == 0) return true;
    from = comma + 1;
  }
  return false;
}
