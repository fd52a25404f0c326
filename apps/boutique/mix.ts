/** What customers of the shop ask for, and how often. README.md says where the weights come from. */
import type { ApplicationRequest, RequestKind } from '../application.ts';
import { utf8 } from '../bytes.ts';
import type { Random } from '../random.ts';
import type { BoutiqueData } from './data.ts';
import { passesLuhn, type Visit } from './model.ts';
import { NOUNS } from './words.ts';

const CURRENCIES = ['EUR', 'USD', 'JPY', 'CAD', 'GBP', 'TRY'];
const OTHER_CURRENCIES = ['CHF', 'KRW', 'IDR', 'ISK', 'XYZ', 'EURO', ''];

export function mixOf(data: BoutiqueData): readonly RequestKind[] {
  /** What all requests have, with what this one has beside it. */
  const visit = (random: Random, page: string, more: Partial<Visit> = {}): ApplicationRequest => {
    const request = Buffer.from(random.bytes(8)).toString('hex');
    const common: Visit = { page, session: random.pick(data.sessions), request, currency: random.pick(CURRENCIES) };
    return { function: 'boutique-frontend', body: utf8(JSON.stringify({ ...common, ...more })) };
  };
  const product = (random: Random): string => random.pick(data.products).id;
  const addition = (random: Random): Partial<Visit> => ({ product: product(random), quantity: random.between(1, 10) });
  /** An order of a product, and of what is in the cart already. */
  const order = (random: Random, more: Partial<Visit> = {}): ApplicationRequest =>
    visit(random, 'checkout', { ...buyer(random), ...addition(random), ...more });
  const kind = (name: string, weight: number, request: (random: Random) => ApplicationRequest): RequestKind => ({
    name,
    weight,
    request,
  });

  return [
    kind('home', 3, (random) => visit(random, 'home', { number: random.chance(0.7) ? 0 : random.below(37) })),
    kind('set-currency', 2, (random) => visit(random, 'set-currency')),
    kind('product', 13, (random) => visit(random, 'product', { product: product(random) })),
    kind('cart', 6, (random) => visit(random, 'cart')),
    kind('add', 3, (random) => visit(random, 'add', addition(random))),
    kind('checkout', 1, (random) => order(random)),
    kind('search', 0, (random) => visit(random, 'search', { text: searchFor(random) })),
    kind('empty', 0, (random) => visit(random, 'empty')),
    kind('checkout-as-is', 0, (random) => visit(random, 'checkout', buyer(random))),
    kind('other-currency', 0, (random) => {
      const currency = random.pick(OTHER_CURRENCIES);
      if (random.chance(0.2)) return order(random, { currency });
      const page = random.pick(['home', 'product', 'cart', 'set-currency', 'search']);
      return visit(random, page, { currency, product: product(random), text: 'the' });
    }),
    kind('unknown-product', 0, (random) => {
      const unknown = random.pick(['0000000000', 'ZZZZZZZZZZ', 'short', 'far too long an id', '', 'aaaaaaaaaa']);
      return visit(random, random.pick(['product', 'add']), { product: unknown });
    }),
    kind('unknown-product-ordered', 0, (random) => order(random, { product: '0000000000' })),
    kind('bad-request', 0, (random) => visit(random, random.pick(['', 'nowhere', 'home', 'add']), badPart(random))),
    kind('bad-buyer', 0, (random) => order(random, badBuyer(random))),
    kind('card', 0, (random) => order(random, { card: { ...cardOf(random), ...badCard(random) } })),
  ];
}

function buyer(random: Random): Partial<Visit> {
  const name = random.pick(['ada', 'grace', 'mary', 'jürgen', 'zoë', "o'neil"]);
  return {
    email: `${name}.${random.below(1000)}@mail.example`,
    address: {
      street: `${random.between(1, 2000)} ${random.pick(['Main St', 'Rue de l’Église', 'Hauptstraße', 'Oak & Elm Rd'])}`,
      city: random.pick(['Springfield', 'Zürich', 'São Paulo', 'Lyon', 'Mountain View']),
      state: random.pick(['CA', 'NY', 'TX', '']),
      zip: String(random.between(10000, 99999)),
      country: random.pick(['United States', 'Schweiz', 'Brasil', 'France']),
    },
    card: cardOf(random),
  };
}

/** A Visa card, as the original's load generator has them, good for some years. */
function cardOf(random: Random): { number: string; cvv: number; month: number; year: number } {
  return {
    number: cardNumber('4', 16, random),
    cvv: random.between(100, 999),
    month: random.between(1, 12),
    year: new Date().getUTCFullYear() + random.between(1, 70),
  };
}

/** A number with a right check digit, sometimes written in groups. */
export function cardNumber(prefix: string, length: number, random: Random): string {
  const digits = prefix + Array.from({ length: length - 1 - prefix.length }, () => random.below(10)).join('');
  const check = Array.from('0123456789').find((digit) => passesLuhn(digits + digit)) ?? '';
  const separator = random.pick(['', '', '-', ' ']);
  return (digits + check).replace(/(.{4})(?=.)/g, `$1${separator}`);
}

function searchFor(random: Random): string {
  const nouns = NOUNS[random.pick(Object.keys(NOUNS))] ?? [];
  return random.pick([
    random.pick(nouns),
    random.pick(nouns).toUpperCase(),
    random.pick(['oak', 'wool', '&', '"', 'Malmö', 'e', 'the ', 'z', 'café', 'CAFÉ']),
    random.pick(['nowhere in any text', '', 'x'.repeat(64), '<script>']),
  ]);
}

function badPart(random: Random): Partial<Visit> {
  return random.pick<Partial<Visit>>([{ session: '' }, { quantity: 0 }, { quantity: 11 }, { quantity: -1 }, {}]);
}

function badBuyer(random: Random): Partial<Visit> {
  const full = buyer(random);
  return random.pick<Partial<Visit>>([
    { email: 'nobody' },
    { email: '@nowhere' },
    { email: '' },
    { address: {} },
    { address: { ...full.address, street: '' } },
    { address: { ...full.address, country: '' } },
    { card: { ...cardOf(random), cvv: random.pick([0, 99, 10000]) } },
    { card: { ...cardOf(random), month: random.pick([0, 13]) } },
  ]);
}

/** Cards that are good, and such as are not. */
function badCard(random: Random): { number?: string; month?: number; year?: number } {
  const now = new Date();
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth() + 1];
  return random.pick([
    { number: cardNumber('4', random.pick([13, 19]), random) },
    { number: cardNumber(String(random.between(5100, 5599)), 16, random) },
    { number: cardNumber(String(random.between(2221, 2720)), 16, random) },
    { number: cardNumber(random.pick(['34', '6011', '5000', '2220', '2721', '5600']), 16, random) },
    { number: cardNumber('4', random.pick([12, 14, 15, 17, 18]), random) },
    { number: `${cardNumber('4', 16, random).slice(0, -1)}x` },
    { number: `4${random.below(10 ** 9)}${random.below(10 ** 6)}` },
    { number: random.pick(['', '4', '0'.repeat(20), '4'.repeat(30)]) },
    { year: year - 1, month: 12 },
    { year, month },
    { year, month: Math.max(1, month - 1) },
  ]);
}
