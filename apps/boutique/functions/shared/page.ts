/** What all pages of the shop share: their head with currencies and cart, ads, cards of products, and their foot. */
import { View } from 'jord';
import { HtmlWriter, utf8 } from '../../../shared/text';
import { writeCode, writeMoney } from './money-text';
import * as templates from './templates';
import { Money, Product } from './wire';

const TITLE = utf8(templates.PAGE_TITLE);
const STYLE = utf8(templates.PAGE_STYLE);
const OPTION = utf8(templates.CURRENCY_OPTION);
const SELECTED = utf8(templates.CURRENCY_SELECTED);
const OTHER = utf8(templates.CURRENCY_OTHER);
const OPTION_END = utf8(templates.CURRENCY_END);
const CART_LINK = utf8(templates.CART_LINK);
const MAIN = utf8(templates.MAIN);
const AD = utf8(templates.AD);
const AD_TEXT = utf8(templates.AD_TEXT);
const AD_END = utf8(templates.AD_END);
const FOOTER = utf8(templates.FOOTER);
const FOOTER_REQUEST = utf8(templates.FOOTER_REQUEST);
const PAGE_END = utf8(templates.PAGE_END);
const CARD = utf8(templates.CARD);
const CARD_PICTURE = utf8(templates.CARD_PICTURE);
const CARD_NAME = utf8(templates.CARD_NAME);
const CARD_PRICE = utf8(templates.CARD_PRICE);
const CARD_END = utf8(templates.CARD_END);
const RECOMMENDATIONS = utf8(templates.RECOMMENDATIONS);
const PRODUCTS_END = utf8(templates.PRODUCTS_END);

/** Recommended products that are shown. */
const RECOMMENDED_MAX: i32 = 4;

/** `currencies` are those that can be chosen, four bytes each. */
export function writeHead(out: HtmlWriter, title: View, currencies: View, currency: u32, pieces: u32): void {
  out.raw(TITLE).escaped(title).raw(STYLE);
  const end = currencies.pointer + <usize>currencies.length;
  for (let at = currencies.pointer; at < end; at += 4) {
    const code = load<u32>(at);
    if (!isOffered(code)) continue;
    writeCode(out.raw(OPTION), code);
    writeCode(out.raw(code == currency ? SELECTED : OTHER), code);
    out.raw(OPTION_END);
  }
  out.raw(CART_LINK).number(pieces).raw(MAIN);
}

/** Of all currencies there are, those that customers can choose: USD, EUR, CAD, JPY, GBP, TRY. */
export function isOffered(code: u32): bool {
  return (
    code == 0x0044_5355 ||
    code == 0x0052_5545 ||
    code == 0x0044_4143 ||
    code == 0x0059_504a ||
    code == 0x0050_4247 ||
    code == 0x0059_5254
  );
}

/** One of the ads that the ad service answered, by a number that may be any. */
export function writeAd(out: HtmlWriter, ads: View, choice: u32): void {
  let count: u32 = 0;
  for (let at = 0; at < ads.length; at += adLength(ads, at)) count++;
  if (count == 0) return;
  let at = 0;
  for (let skipped = choice % count; skipped > 0; skipped--) at += adLength(ads, at);
  const text = at + 4 + <i32>ads.load<u16>(at);
  out.raw(AD).escaped(ads.slice(at + 4, text));
  out
    .raw(AD_TEXT)
    .escaped(ads.slice(text, at + adLength(ads, at)))
    .raw(AD_END);
}

function adLength(ads: View, at: i32): i32 {
  return 4 + <i32>ads.load<u16>(at) + <i32>ads.load<u16>(at + 2);
}

/** A product in a list, with its price unless that is null. */
export function writeCard(out: HtmlWriter, product: Product, price: Money | null): void {
  out.raw(CARD).escaped(product.id).raw(CARD_PICTURE).escaped(product.picture);
  out.raw(CARD_NAME).escaped(product.name);
  if (price != null) writeMoney(out.raw(CARD_PRICE), price);
  out.raw(CARD_END);
}

export function writeRecommended(out: HtmlWriter, products: Product[]): void {
  if (products.length == 0) return;
  out.raw(RECOMMENDATIONS);
  for (let i = 0; i < min(products.length, RECOMMENDED_MAX); i++) writeCard(out, products[i], null);
  out.raw(PRODUCTS_END);
}

export function writeFoot(out: HtmlWriter, session: View, requestId: View): void {
  out.raw(FOOTER).escaped(session).raw(FOOTER_REQUEST).escaped(requestId).raw(PAGE_END);
}
