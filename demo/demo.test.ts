/** The demo's functions on a worker server, by real requests. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { WorkerServer } from '../src/server/types.ts';
import { startWorkerServer } from '../src/server/worker-server.ts';
import { DEMO_FUNCTIONS, type DemoOptions, deployDemo } from './deploy.ts';

let server: WorkerServer;
let folder: string;
let dataFolder: string;
let cacheFolder: string;
const reported: string[] = [];
const logged: string[] = [];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jord-demo-'));
  dataFolder = join(folder, 'data');
  cacheFolder = join(folder, 'cache');
  server = await startWorkerServer({ executors: 0, dataFolder, log: ({ message }) => logged.push(message) });
  await deployDemo(server, { dataFolder, cacheFolder, report: (line) => reported.push(line) });
});
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Where a module is kept. */
async function keptFile(name: string): Promise<string> {
  const files = await readdir(cacheFolder);
  return join(cacheFolder, files.find((file) => file.startsWith(`${name}-`)) ?? assert.fail(`${name} is not kept`));
}

async function readCompiled(name: string): Promise<Uint8Array> {
  return readFile(await keptFile(name));
}

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly text: string;
}

async function post(name: string, body: unknown, query = ''): Promise<Answer> {
  const bytes = body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const result = await server.invoke(name, bytes, { http: { method: 'POST', path: '', query, headers: [] } });
  const type = result.headers.find(([field]) => field === 'content-type')?.[1];
  return { status: result.status ?? 200, type, text: new TextDecoder().decode(result.body) };
}

/** The JSON of an answer with this status. */
async function json(name: string, body: unknown, status = 200, query = ''): Promise<unknown> {
  const answer = await post(name, body, query);
  assert.deepEqual([answer.status, answer.type], [status, 'application/json'], answer.text);
  return JSON.parse(answer.text);
}

const refusal = (code: string, message: string): unknown => ({ error: { code, message } });

describe('deployDemo', () => {
  /** What deploying the demo once more reports. */
  async function again(options: DemoOptions = { dataFolder, cacheFolder }): Promise<string[]> {
    const lines: string[] = [];
    await deployDemo(server, { ...options, report: (line) => lines.push(line) });
    return lines;
  }

  test('deploys what is missing, and compiles what is not kept', async () => {
    const names = DEMO_FUNCTIONS.join(', ');
    const compiling = `compiling ${DEMO_FUNCTIONS.length} demo functions, once: this takes some seconds`;
    assert.deepEqual(reported, [compiling, `deployed ${names}`]);
    assert.deepEqual(
      server.list().map(({ name }) => name),
      [...DEMO_FUNCTIONS].sort(),
    );
    assert.deepEqual(await again(), []);

    await server.remove('tax');
    assert.deepEqual(await again(), ['deployed tax']);

    const files = await readdir(cacheFolder);
    await rm(await keptFile('echo'));
    const expected = ['compiling 1 demo function, once: this takes some seconds'];
    assert.deepEqual(await again(), expected, 'the same bytes need no deploy');
    assert.deepEqual((await readdir(cacheFolder)).sort(), files.sort());
  });

  test('replaces what it deployed before, and nothing else', async () => {
    const record = join(dataFolder, 'demo.json');
    const own = await readCompiled('echo');
    const { version } = await server.deploy('hello', own);
    await server.deploy('tax', own);
    assert.deepEqual(await again(), ["not replaced, since they are not the demo's: hello, tax"]);
    assert.equal(server.inspect('hello').version, version);

    // As if an earlier demo had deployed this hello, which is not the same as that it deployed this tax.
    const versions = JSON.parse(await readFile(record, 'utf8')) as Record<string, string[]>;
    await writeFile(record, JSON.stringify({ ...versions, hello: [version] }));
    assert.deepEqual(await again({ cacheFolder }), ["not replaced, since they are not the demo's: hello, tax"]);
    assert.deepEqual(await again(), ["not replaced, since they are not the demo's: tax", 'deployed hello']);

    await server.deploy('hello', own);
    for (const damaged of ['{', 'null', '{"hello": "x"}']) {
      await writeFile(record, damaged);
      assert.deepEqual(await again(), ["not replaced, since they are not the demo's: hello, tax"], damaged);
    }

    await server.remove('hello');
    await server.remove('tax');
    assert.deepEqual(await again(), ['deployed hello, tax']);
  });

  test('does without a cache that cannot be written', async () => {
    const echo = await keptFile('echo');
    await rm(echo);
    // In the way of the file that is written first.
    await mkdir(`${echo}.${process.pid}`);
    for (let round = 0; round < 2; round += 1) {
      assert.deepEqual(await again(), ['compiling 1 demo function, once: this takes some seconds']);
    }
    await rm(`${echo}.${process.pid}`, { recursive: true });
    assert.equal((await again()).length, 1);
    assert.deepEqual(await again(), []);
  });
});

describe('hello and echo', () => {
  test('greet and answer', async () => {
    assert.deepEqual(await post('hello', ''), {
      status: 200,
      type: 'text/plain; charset=utf-8',
      text: 'Hello, world!\n',
    });
    assert.equal((await post('hello', ' Zoë 👋\n')).text, 'Hello, Zoë 👋!\n');
    assert.deepEqual(await post('echo', 'same'), { status: 200, type: undefined, text: 'same' });
    assert.equal((await post('echo', '')).text, '');
  });
});

interface Counts {
  readonly bytes: number;
  readonly characters: number;
  readonly malformed: number;
  readonly lines: number;
  readonly words: number;
  readonly distinctWords: number;
  readonly complete: boolean;
  readonly frequent: readonly { readonly word: string; readonly count: number }[];
}

describe('wordcount', () => {
  const count = async (text: string | Uint8Array, query = ''): Promise<Counts> =>
    (await json('wordcount', text, 200, query)) as Counts;

  test('counts a text', async () => {
    const text = "Don't panic, don’t!\r\nΛΌΓΟΣ λόγος — 3 über ÜBER naïve re-use 'quoted'\n\nDON'T";
    assert.deepEqual(await count(text, 'top=4'), {
      bytes: Buffer.byteLength(text),
      characters: Array.from(text).length,
      malformed: 0,
      lines: 4,
      words: 13,
      distinctWords: 9,
      complete: true,
      frequent: [
        { word: "don't", count: 3 },
        { word: 'λόγος', count: 2 },
        { word: 'über', count: 2 },
        { word: 'panic', count: 1 },
      ],
    });
  });

  test('counts texts that are hardly any', async () => {
    const nothing = {
      bytes: 0,
      characters: 0,
      malformed: 0,
      lines: 0,
      words: 0,
      distinctWords: 0,
      complete: true,
      frequent: [],
    };
    assert.deepEqual(await count(''), nothing);
    assert.deepEqual(await count('\n'), { ...nothing, bytes: 1, characters: 1, lines: 1 });
    assert.deepEqual(await count('👍🏽…'), { ...nothing, bytes: 11, characters: 3, lines: 1 });
    assert.deepEqual(await count(Uint8Array.of(0xff, 0x61, 0x20, 0xe2, 0x82)), {
      ...nothing,
      bytes: 5,
      characters: 4,
      malformed: 2,
      lines: 1,
      words: 1,
      distinctWords: 1,
      frequent: [{ word: 'a', count: 1 }],
    });
  });

  test('counts as a reference does', async () => {
    const parts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.constantFrom(
        ' ',
        '\n',
        "'",
        '’',
        '\u00ad',
        "don't",
        'DON’T',
        'Wort',
        'wort',
        'Éa',
        'éA',
        '日本',
        'テスト',
        '한국어',
        'ς',
        'Σ',
        '👩‍👩‍👧',
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(parts, { maxLength: 60 }), async (chosen) => {
        const text = chosen.join('').toWellFormed();
        const found = await count(text, 'top=100');
        const expected = reference(text);
        assert.deepEqual({ ...found, frequent: undefined }, { ...expected, frequent: undefined });
        const frequent = found.frequent.map(({ word, count: times }) => [fold(word), times]);
        assert.deepEqual(frequent, expected.frequent.slice(0, 100));
      }),
      { numRuns: 400 },
    );
  });

  test('keeps its bounds in a text of very many words', async () => {
    const words = Array.from({ length: 60_000 }, (_, index) => `word${index}`);
    const found = await count(`${words.join(' ')} word7 word7`);
    assert.equal(found.words, 60_002);
    assert.equal(found.complete, false);
    assert.ok(found.distinctWords >= 20_000 && found.distinctWords <= 32_768);
    assert.deepEqual(found.frequent[0], { word: 'word7', count: 3 });
    const many = await count(words.slice(0, 20_000).join(' '));
    assert.deepEqual([many.distinctWords, many.complete], [20_000, true]);
  });

  test('takes a body of 16 MiB', async () => {
    const found = await count(Buffer.alloc(16 << 20, 'one two, two '), 'top=2');
    assert.equal(found.words, Math.ceil(((16 << 20) * 3) / 13));
    assert.deepEqual(
      found.frequent.map(({ word }) => word),
      ['two', 'one'],
    );
  });

  test('lists as many words as it is asked for', async () => {
    const words = Array.from({ length: 200 }, (_, index) => `w${index}`).join(' ');
    for (const [query, length] of [
      ['', 10],
      ['top=0', 0],
      ['top=1', 1],
      ['x=1&top=100', 100],
    ] as const) {
      assert.equal((await count(words, query)).frequent.length, length);
    }
    for (const query of ['top=', 'top=101', 'top=-1', 'top=x', 'top=1000', 'top=9999999999']) {
      const error = refusal('invalid_request', 'top must be a number from 0 to 100');
      assert.deepEqual(await json('wordcount', words, 400, query), error);
    }
  });

  test('knows the letters, marks and numbers of this Unicode version', async () => {
    const source = await readFile(join(import.meta.dirname, 'shared/word-characters.ts'), 'utf8');
    const listed = /\[([\d,\s]+)\]/.exec(source)?.[1] ?? '';
    assert.deepEqual(listed.split(',').map(Number).slice(0, -1), wordCharacterRuns());
  });
});

/** What `RUNS` in shared/word-characters.ts has. */
function wordCharacterRuns(): number[] {
  const end = 0x32400;
  const runs: number[] = [];
  let start = 0;
  let inside = false;
  for (let code = 0; code <= end; code++) {
    const is = code < end && (code < 0xd800 || code > 0xdfff) && /[\p{L}\p{M}\p{N}]/u.test(String.fromCodePoint(code));
    if (is === inside) continue;
    runs.push(code - start);
    start = code;
    inside = is;
  }
  return runs;
}

/** Each character of these is a word. */
const WHOLE =
  '[\\u3005-\\u30ff\\u31f0-\\u31ff\\u3400-\\u9fff\\uf900-\\ufaff\\uff66-\\uff9d\\u{1aff0}-\\u{1b16f}\\u{20000}-\\u{323ff}]';
const CHARACTER = `(?!${WHOLE})(?![\\u{32400}-\\u{10ffff}])[\\p{L}\\p{M}\\p{N}]`;
const WORD = new RegExp(
  `(?=[\\p{L}\\p{M}\\p{N}])${WHOLE}|${CHARACTER}(?:['’\\u00ad\\u200c\\u200d]?${CHARACTER})*`,
  'gu',
);

/** Lower case, character by character where that is one character. */
function fold(word: string): string {
  return Array.from(word.replaceAll('’', "'"), (character) => {
    const lower = character.toLowerCase();
    return Array.from(lower).length === 1 ? lower.replace('ς', 'σ') : character;
  }).join('');
}

function reference(text: string): Omit<Counts, 'frequent'> & { frequent: [string, number][] } {
  const words = text.match(WORD) ?? [];
  const counts = new Map<string, number>();
  for (const word of words) counts.set(fold(word), (counts.get(fold(word)) ?? 0) + 1);
  return {
    bytes: Buffer.byteLength(text),
    characters: Array.from(text).length,
    malformed: 0,
    lines: text.split('\n').length - (text === '' || text.endsWith('\n') ? 1 : 0),
    words: words.length,
    distinctWords: counts.size,
    complete: true,
    frequent: [...counts].sort(([, left], [, right]) => right - left),
  };
}

interface Product {
  readonly sku: string;
  readonly name: string;
  readonly price: number;
  readonly grams: number;
  readonly taxClass: string;
}

describe('catalog', () => {
  test('lists its products, or those that are asked for', async () => {
    const { products } = (await json('catalog', '')) as { products: Product[] };
    assert.equal(products.length, 60);
    assert.equal(new Set(products.map(({ sku }) => sku)).size, 60);
    for (const { name, price, grams, taxClass } of products) {
      assert.ok(name.length > 5 && price > 0 && grams > 0 && ['standard', 'books'].includes(taxClass), name);
    }
    const [first, second] = products as [Product, Product];
    const skus = [second.sku, first.sku, second.sku];
    assert.deepEqual(await json('catalog', { skus }), { currency: 'EUR', products: [second, first, second] });
    assert.deepEqual(await json('catalog', { skus: [] }), { currency: 'EUR', products: [] });
  });

  test('refuses what it does not have', async () => {
    const unknown = refusal('unknown_sku', 'there is no product "a\n"');
    assert.deepEqual(await json('catalog', { skus: ['BK-1001', 'a\n', 'b'] }, 404), unknown);
    assert.deepEqual(
      await json('catalog', { skus: [1] }, 400),
      refusal('invalid_request', 'a string is expected at byte 9'),
    );
    assert.deepEqual(await json('catalog', '[]', 400), refusal('invalid_request', 'an object is expected at byte 0'));
    const many = { skus: new Array(1001).fill('BK-1001') };
    assert.deepEqual(((await json('catalog', many, 400)) as { error: { code: string } }).error.code, 'invalid_request');
  });
});

interface Converted {
  readonly currency: string;
  readonly digits: number;
  readonly rate: string;
  readonly amounts: readonly number[];
}

/** Cents of euro in another currency's smallest unit, half a unit up, in integers of any size. */
function convert(cents: number, { rate, digits }: Converted): number {
  const [whole = '', fraction = ''] = rate.split('.');
  const scaled = BigInt(whole + fraction.padEnd(10, '0'));
  const divisor = 10n ** BigInt(12 - digits);
  return Number((BigInt(cents) * scaled * 2n + divisor) / (2n * divisor));
}

const CURRENCIES =
  'EUR USD JPY CZK DKK GBP HUF PLN RON SEK CHF ISK NOK TRY AUD BRL CAD CNY HKD IDR ILS INR KRW MXN MYR NZD PHP SGD THB';

describe('currency', () => {
  test('converts exactly', async () => {
    const dollars = await json('currency', { to: 'USD', amounts: [1999] });
    assert.deepEqual(dollars, { currency: 'USD', digits: 2, rate: '1.1761', date: '2026-05-08', amounts: [2351] });
    const amounts = fc.array(fc.integer({ min: 0, max: 1_000_000_000 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...CURRENCIES.split(' ')), amounts, async (to, cents) => {
        const answer = (await json('currency', { to, amounts: cents })) as Converted;
        assert.deepEqual(
          answer.amounts,
          cents.map((amount) => convert(amount, answer)),
        );
      }),
      { numRuns: 200 },
    );
  });

  test('refuses what it cannot convert', async () => {
    assert.deepEqual(
      await json('currency', { to: 'XAU' }, 404),
      refusal('unknown_currency', 'there is no rate for "XAU"'),
    );
    assert.deepEqual(await json('currency', {}, 404), refusal('unknown_currency', 'there is no rate for ""'));
    for (const amount of ['-1', '1000000001']) {
      const message = 'an amount is 0 to 1000000000 cents at byte 12';
      assert.deepEqual(await json('currency', `{"amounts":[${amount}]}`, 400), refusal('invalid_request', message));
    }
    const fraction = refusal('invalid_request', 'a whole number is expected at byte 12');
    assert.deepEqual(await json('currency', '{"amounts":[1.5]}', 400), fraction);
  });
});

describe('tax and shipping', () => {
  test('tax by country and class', async () => {
    const amounts = [{ class: 'standard', amount: 1000 }, { class: 'books', amount: 999 }, { amount: 2 }];
    assert.deepEqual(await json('tax', { amounts, country: 'FI' }), {
      country: 'FI',
      taxes: [
        { class: 'standard', basisPoints: 2550, amount: 255 },
        { class: 'books', basisPoints: 1350, amount: 135 },
        { class: 'standard', basisPoints: 2550, amount: 1 },
      ],
    });
    assert.deepEqual(
      await json('tax', { country: 'XX' }, 404),
      refusal('unknown_country', 'there are no tax rates for "XX"'),
    );
    const food = refusal('invalid_request', 'a class is "standard" or "books" at byte 21');
    assert.deepEqual(await json('tax', '{"amounts":[{"class":"food"}]}', 400), food);
  });

  test('shipping by weight and zone', async () => {
    const ship = async (country: string, grams: number): Promise<unknown> => json('shipping', { country, grams });
    assert.deepEqual(await ship('DE', 1000), { country: 'DE', zone: 'domestic', parcels: 1, days: 2, price: 419 });
    assert.deepEqual(await ship('DE', 1001), { country: 'DE', zone: 'domestic', parcels: 1, days: 2, price: 549 });
    assert.deepEqual(await ship('JP', 31_500), { country: 'JP', zone: 'world', parcels: 1, days: 12, price: 16_900 });
    assert.deepEqual(await ship('FR', 64_000), {
      country: 'FR',
      zone: 'neighbours',
      parcels: 3,
      days: 3,
      price: 2 * 3490 + 899,
    });
    const heavy = refusal('too_heavy', 'more than 40 parcels');
    assert.deepEqual(await json('shipping', { country: 'DE', grams: 40 * 31_500 + 1 }, 400), heavy);
    assert.deepEqual(await json('shipping', { country: 'DE' }, 400), refusal('invalid_request', 'grams are missing'));
    for (const country of ['', 'D', 'T BE', 'de', 'ZZ']) {
      const unknown = refusal('unknown_country', `nothing is shipped to "${country}"`);
      assert.deepEqual(await json('shipping', { country, grams: 1 }, 404), unknown);
    }
  });
});

interface Priced {
  readonly lines: readonly { readonly unitPrice: number; readonly quantity: number; readonly price: number }[];
  readonly goods: number;
  readonly shipping: { readonly price: number; readonly grams: number };
  readonly taxes: readonly { readonly basisPoints: number; readonly taxable: number; readonly amount: number }[];
  readonly tax: number;
  readonly total: number;
}

describe('checkout', () => {
  const order = { items: [{ sku: 'BK-1001', quantity: 2 }, { sku: 'KI-3004' }], currency: 'USD', country: 'FR' };

  test('prices an order', async () => {
    assert.deepEqual(await json('checkout', order), {
      currency: 'USD',
      country: 'FR',
      lines: [
        { sku: 'BK-1001', name: 'The Sea Between Two Harbours (hardcover)', quantity: 2, unitPrice: 2693, price: 5386 },
        { sku: 'KI-3004', name: 'Cast-iron pan, 28 cm', quantity: 1, unitPrice: 5831, price: 5831 },
      ],
      goods: 11_217,
      shipping: { zone: 'neighbours', days: 3, parcels: 1, grams: 4030, price: 1635 },
      taxes: [
        { class: 'standard', basisPoints: 2000, taxable: 7466, amount: 1493 },
        { class: 'books', basisPoints: 550, taxable: 5386, amount: 296 },
      ],
      tax: 1789,
      total: 14_641,
      rate: { perEuro: '1.1761', date: '2026-05-08' },
    });
  });

  test('adds up, whatever is ordered', async () => {
    const { products } = (await json('catalog', '')) as { products: Product[] };
    const items = fc.array(
      fc.record({ product: fc.constantFrom(...products), quantity: fc.integer({ min: 1, max: 5 }) }),
      { minLength: 1, maxLength: 20 },
    );
    const currencies = fc.constantFrom(...CURRENCIES.split(' '));
    await fc.assert(
      fc.asyncProperty(
        items,
        currencies,
        fc.constantFrom('DE', 'FR', 'IE', 'CH', 'US'),
        async (chosen, currency, country) => {
          const wanted = chosen.map(({ product, quantity }) => ({ quantity, sku: product.sku }));
          const priced = (await json('checkout', { country, currency, items: wanted })) as Priced;
          const prices = chosen.map(({ product }) => product.price);
          const { amounts } = (await json('currency', { to: currency, amounts: prices })) as Converted;
          assert.deepEqual(
            priced.lines.map(({ unitPrice }) => unitPrice),
            amounts,
          );
          for (const { unitPrice, quantity, price } of priced.lines) assert.equal(price, unitPrice * quantity);
          assert.equal(priced.goods, sum(priced.lines.map(({ price }) => price)));
          assert.equal(priced.shipping.grams, sum(chosen.map(({ product, quantity }) => product.grams * quantity)));
          assert.equal(sum(priced.taxes.map(({ taxable }) => taxable)), priced.goods + priced.shipping.price);
          for (const { basisPoints, taxable, amount } of priced.taxes) {
            assert.equal(amount, Math.floor((taxable * basisPoints + 5000) / 10_000));
          }
          assert.equal(priced.tax, sum(priced.taxes.map(({ amount }) => amount)));
          assert.equal(priced.total, priced.goods + priced.shipping.price + priced.tax);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('refuses an order that cannot be', async () => {
    for (const [body, code, message] of [
      ['', 'invalid_order', 'the text is empty at byte 0'],
      ['{"items":[', 'invalid_order', 'the text ends too early at byte 10'],
      ['{"items":[]}', 'invalid_order', 'an order needs items'],
      [{ items: [{ sku: 'BK-1001' }] }, 'invalid_order', 'an order needs a country'],
      ['{"items":[{}]}', 'invalid_order', 'an item needs a sku at byte 10'],
      ['{"items":[{"sku":"a","quantity":0}]}', 'invalid_order', 'a quantity is 1 to 1000 at byte 32'],
      ['{"items":[{"sku":"a","quantity":"1"}]}', 'invalid_order', 'a number is expected at byte 32'],
      ['{"items":[{"sku":"a","quantity":1.5}]}', 'invalid_order', 'a whole number is expected at byte 32'],
      [{ ...order, items: [{ sku: 'no' }] }, 'unknown_sku', 'there is no product "no"'],
      [{ ...order, currency: 'DEM' }, 'unknown_currency', 'there is no rate for "DEM"'],
      [{ ...order, country: 'AQ' }, 'unknown_country', 'nothing is shipped to "AQ"'],
      [{ ...order, items: [{ sku: 'GA-6004', quantity: 1000 }] }, 'too_heavy', 'more than 40 parcels'],
    ] as const) {
      assert.deepEqual(await json('checkout', body, 400), refusal(code, message));
    }
    const items = new Array(101).fill({ sku: 'BK-1001' });
    const { error } = (await json('checkout', { ...order, items }, 400)) as { error: { message: string } };
    assert.match(error.message, /^an order has at most 100 items at byte \d+$/);
    const notUtf8 = Buffer.from(JSON.stringify(order).replace('FR', 'F\u00e9'), 'latin1');
    assert.deepEqual(await json('checkout', notUtf8, 400), refusal('invalid_order', 'not UTF-8 at byte 89'));
  });

  test('says which of its services failed', async () => {
    const hello = await readCompiled('hello');
    for (const [service, wrong, reason] of [
      ['catalog', hello, 'an object is expected at byte 0'],
      ['currency', undefined, 'UNKNOWN_FUNCTION'],
      ['tax', await failing(), 'CALLEE_TRAP'],
    ] as const) {
      const right = await readCompiled(service);
      if (wrong === undefined) await server.remove(service);
      else await server.deploy(service, wrong);
      assert.deepEqual(await json('checkout', order, 502), refusal('service_failed', `${service}: ${reason}`));
      await server.deploy(service, right);
      await json('checkout', order);
    }
  });

  /** A function that does nothing but trap: `handle` is `unreachable`. */
  async function failing(): Promise<Uint8Array> {
    return Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...[1, 7, 1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f],
      ...[3, 2, 1, 0],
      ...[7, 10, 1, 6, ...Buffer.from('handle'), 0, 0],
      ...[10, 5, 1, 3, 0, 0x00, 0x0b],
    ]);
  }
});

describe('cart', () => {
  const key = (owner: string): Uint8Array => Buffer.from(`/${owner}`);

  async function cart(owner: string, body: unknown = '', method = 'POST'): Promise<unknown> {
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    const path = owner === '' ? '' : `/${owner}`;
    const result = await server.invoke('cart', bytes, { http: { method, path, query: '', headers: [] } });
    return { status: result.status ?? 200, ...JSON.parse(new TextDecoder().decode(result.body)) };
  }

  const items = (...all: readonly (readonly [sku: string, quantity: number])[]): unknown => ({
    status: 200,
    items: all.map(([sku, quantity]) => ({ sku, quantity })),
  });

  test('is kept for each of its owners', async () => {
    assert.deepEqual(await cart('ada'), items());
    assert.deepEqual(await cart('ada', { sku: 'BK-1001', quantity: 2 }), items(['BK-1001', 2]));
    assert.deepEqual(await cart('ada', { sku: 'MG-1 "x"' }), items(['BK-1001', 2], ['MG-1 "x"', 1]));
    assert.deepEqual(await cart('ada', { sku: 'BK-1001', quantity: 3 }), items(['BK-1001', 5], ['MG-1 "x"', 1]));
    assert.deepEqual(await cart('eva'), items());
    assert.deepEqual(await cart('ada', '', 'GET'), items(['BK-1001', 5], ['MG-1 "x"', 1]));
    assert.ok((await server.kv.space('carts')).durable, 'since the server has a data folder');
    assert.deepEqual(await cart('ada', '', 'DELETE'), items());
    assert.equal(server.kv.get('carts', key('ada')), undefined);
  });

  test('has items that checkout takes', async () => {
    await cart('eva', { sku: 'BK-1001', quantity: 1 });
    const kept = server.kv.get('carts', key('eva'))?.value ?? assert.fail('nothing is kept');
    const order = { ...JSON.parse(Buffer.from(kept).toString()), currency: 'EUR', country: 'DE' };
    assert.equal((await post('checkout', order)).status, 200);
  });

  test('refuses what is none, and what is too much', async () => {
    for (const [body, message] of [
      ['{}', /sku is missing/],
      ['[]', /an object is expected/],
      [{ sku: 'a', quantity: 0 }, /a quantity is 1 to 1000/],
      [{ sku: 'a', quantity: 1001 }, /a quantity is 1 to 1000/],
      [{ sku: 7 }, /a string is expected/],
    ] as const) {
      const { status, error } = (await cart('max', body)) as { status: number; error: { message: string } };
      assert.equal(status, 400);
      assert.match(error.message, message);
    }
    await cart('max', { sku: 'a', quantity: 1000 });
    assert.deepEqual(await cart('max', { sku: 'a' }), {
      status: 400,
      ...(refusal('cart_full', 'a cart has 1000 of an item at most') as object),
    });
    for (let i = 1; i < 100; i++) await cart('max', { sku: `s${i}` });
    assert.deepEqual(await cart('max', { sku: 's100' }), {
      status: 400,
      ...(refusal('cart_full', 'a cart has 100 items at most') as object),
    });
    assert.equal(((await cart('')) as { status: number }).status, 404);
  });

  test('loses nothing when many add at once', async () => {
    const busy = await startWorkerServer({ executors: 2 });
    try {
      await busy.deploy('cart', await readCompiled('cart'), { kv: ['carts:rw'] });
      const http = { method: 'POST', path: '/ada', query: '', headers: [] };
      const adding = Array.from({ length: 200 }, (_, i) =>
        busy.invoke('cart', Buffer.from(`{"sku":"s${i % 5}","quantity":2}`), { http }),
      );
      await Promise.all(adding);
      const { body } = await busy.invoke('cart', new Uint8Array(0), { http });
      const kept = JSON.parse(new TextDecoder().decode(body)) as { items: { sku: string; quantity: number }[] };
      assert.deepEqual(new Set(kept.items.map(({ quantity }) => quantity)), new Set([80]));
      assert.equal(kept.items.length, 5);
    } finally {
      await busy.stop();
    }
  });
});

describe('fan-out', () => {
  test('joins what the parts answer, in their order', async () => {
    const type = 'text/plain; charset=utf-8';
    const parts = ['Hello, part 1 of 3!', 'Hello, part 2 of 3!', 'Hello, part 3 of 3!', ''].join('\n');
    assert.deepEqual(await post('fan-out', { function: 'hello', parts: 3 }), { status: 200, type, text: parts });
    const same = await post('fan-out', { parts: 2, request: 'ü ', function: 'echo' });
    assert.deepEqual(same, { status: 200, type, text: 'ü ü ' });
    assert.equal((await post('fan-out', { function: 'echo', parts: 2, request: '' })).text, '');
    const numbers = Array.from({ length: 1000 }, (_, index) => `part ${index + 1} of 1000`);
    assert.equal((await post('fan-out', { function: 'echo', parts: 1000 })).text, numbers.join(''));
  });

  test('refuses what it cannot start', async () => {
    for (const [body, message] of [
      ['', 'the text is empty at byte 0'],
      [{ parts: 1 }, 'the function is missing'],
      [{ function: 'echo' }, 'parts are missing'],
      ['{"parts":0}', 'there are 1 to 1000 parts at byte 9'],
      ['{"parts":1001}', 'there are 1 to 1000 parts at byte 9'],
    ] as const) {
      assert.deepEqual(await json('fan-out', body, 400), refusal('invalid_request', message));
    }
    const unknown = refusal('service_failed', 'nowhere: UNKNOWN_FUNCTION');
    assert.deepEqual(await json('fan-out', { function: 'nowhere', parts: 2 }, 502), unknown);
  });
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
