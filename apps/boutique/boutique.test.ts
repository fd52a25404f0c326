/** Online Boutique on an embedded server: each answer is the model's, byte by byte. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { startGateway } from '../../src/gateway/server.ts';
import { Jord } from '../../src/jord.ts';
import { startWorkerServer } from '../../src/server/worker-server.ts';
import { isFailure } from '../application.ts';
import { respondAsModel, respondToMany, startApplication } from '../applications.fixture.ts';
import { utf8 } from '../bytes.ts';
import { deployApplication, localTarget, remoteTarget } from '../deploy.ts';
import { Random } from '../random.ts';
import { application } from './application.ts';
import { generate, RATES } from './data.ts';
import { cardNumber } from './mix.ts';
import { type BoutiqueModel, convert, moneyText, passesLuhn, type Visit } from './model.ts';

const SEED = 20_260_508;
const data = generate(SEED);
const dataSet = application.dataSet(SEED);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const visit = (visit: Visit): { function: string; body: Uint8Array } => ({
  function: 'boutique-frontend',
  body: utf8(JSON.stringify(visit)),
});

describe('the data set', () => {
  test('is the same for the same seed, and another for another', () => {
    const hashes = [SEED, SEED, SEED + 1].map((seed) => {
      const [first] = application.dataSet(seed).entries();
      return Buffer.from(first?.value ?? []).toString('base64');
    });
    assert.equal(hashes[0], hashes[1]);
    assert.notEqual(hashes[0], hashes[2]);
  });

  test('has products and carts in number, and text that must be escaped', () => {
    assert.equal(data.products.length, 420);
    assert.ok(data.carts.size > 2000);
    assert.ok(data.products.some(({ name }) => name.includes('&')));
    for (const character of ['<', '"', "'", 'ö']) {
      assert.ok(data.products.some(({ description }) => description.includes(character)));
    }
  });
});

describe('the model', () => {
  test('converts as fractions do, and writes amounts', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 15n), fc.constantFrom(...RATES.keys()), (nanos, currency) => {
        const exact = nanos * (RATES.get(currency) ?? 0n);
        const error = convert(nanos, currency) * (RATES.get('USD') ?? 0n) - exact;
        // At most half a billionth, and not below minus that: half is rounded up.
        assert.ok(2n * error <= (RATES.get('USD') ?? 0n) && 2n * error > -(RATES.get('USD') ?? 0n));
      }),
    );
    assert.equal(convert(10n ** 9n, 'USD'), 10n ** 9n);
    assert.equal(moneyText(19_990_000_000n, 'USD'), '$19.99');
    assert.equal(moneyText(19_995_000_000n, 'EUR'), '€20.00');
    assert.equal(moneyText(1_499_999_999n, 'JPY'), '¥1');
    assert.equal(moneyText(5_000_000n, 'CHF'), 'CHF 0.01');
  });

  test('knows good card numbers', () => {
    assert.ok(passesLuhn('79927398713') && !passesLuhn('79927398714'));
    const random = new Random(1);
    for (let i = 0; i < 100; i += 1) assert.ok(passesLuhn(cardNumber('4', 16, random).replace(/\D/g, '')));
  });
});

describe('one request after the other', () => {
  let jord: Jord;
  let model: BoutiqueModel;
  before(async () => {
    jord = await startApplication(application, dataSet, 0);
    model = dataSet.model();
  });
  after(() => jord.stop());

  test('requests of all kinds', () => {
    const tallies = respondToMany(jord, dataSet, model, 6000, SEED);
    for (const { name, weight } of dataSet.mix) {
      const { count = 0, failures = 0 } = tallies.get(name) ?? {};
      assert.ok(count > 200, name);
      if (weight > 0) assert.equal(failures, 0, name);
      else if (/unknown|bad/.test(name)) assert.ok(failures > 0.9 * count, name);
      else if (/card|currency|as-is/.test(name)) assert.ok(failures > 0.2 * count && failures < 0.9 * count, name);
    }
  });

  test('each order has its confirmation in the outbox', () => {
    assert.ok(model.mails.size > 500);
    for (const [order, mail] of model.mails)
      assert.equal(text(jord.kv.get('boutique-outbox', utf8(order))?.value ?? utf8('')), mail);
  });

  test('a cart takes 1000 pieces of a product, and 100 products', () => {
    const session = 'a customer without bounds';
    const [first, ...others] = data.products.map(({ id }) => id);
    const add = (product = '', quantity = 10): Uint8Array =>
      respondAsModel(jord, model, visit({ page: 'add', session, product, quantity }));
    for (let i = 0; i < 100; i += 1) assert.ok(!isFailure(add(first)));
    assert.match(text(add(first, 1)), /cart_full/);
    for (const product of others.slice(0, 99)) assert.ok(!isFailure(add(product)));
    assert.match(text(add(others[99])), /cart_full/);
    assert.ok(!isFailure(add(others[3], 1)));
    assert.equal(model.cart(session).length, 100);
    assert.ok(respondAsModel(jord, model, visit({ page: 'cart', session, currency: 'IDR' })).length > 15_000);
  });

  test('what is no request is refused', () => {
    for (const [body, expected] of [
      ['', 'the text is empty at byte 0'],
      ['{"page":"home"', 'the text ends too early at byte 14'],
      ['[]', 'an object is expected at byte 0'],
      ['{"page":7}', 'a string is expected at byte 8'],
      ['{"page":"home"}', 'a session is needed'],
      [`{"session":"${'x'.repeat(65)}"}`, 'a text of at most 64 bytes is expected at byte 11'],
      ['{"session":"s","quantity":1.5}', 'a whole number is expected at byte 26'],
      ['{"session":"s","card":{"cvv":70000}}', 'the number is out of range at byte 29'],
    ] as const) {
      const answer = text(jord.invokeInline('boutique-frontend', utf8(body)));
      assert.deepEqual(JSON.parse(answer), { error: { code: 'bad_request', message: expected } }, body);
    }
  });

  test('texts may have escapes and any characters', () => {
    const strange = '<&>"\'\\\n 日本 👋';
    for (const page of ['home', 'search', 'cart']) {
      respondAsModel(jord, model, visit({ page, session: strange, request: strange, text: strange }));
    }
    assert.match(text(respondAsModel(jord, model, visit({ page: 'search', session: 's', text: 'MALMÖ' }))), />0 found/);
    assert.doesNotMatch(
      text(respondAsModel(jord, model, visit({ page: 'search', session: 's', text: 'MALMö' }))),
      />0 found/,
    );
  });
});

test('nothing that is added at the same time gets lost', async (t) => {
  const jord = await startApplication(application, dataSet, 2);
  t.after(() => jord.stop());
  const sessions = ['ada', 'grace'];
  const products = data.products.slice(0, 3).map(({ id }) => id);
  const requests = Array.from({ length: 900 }, (_, index) => {
    const session = sessions[index % 2] ?? '';
    return visit({ page: 'add', session, product: products[index % 3] ?? '', quantity: 2 }).body;
  });
  for (const answer of await jord.invokeAll('boutique-frontend', requests)) {
    assert.ok(answer instanceof Uint8Array);
    assert.equal(text(answer), '{"redirect":"/cart"}');
  }
  for (const session of sessions) {
    const cart = Buffer.from(jord.kv.get('boutique-carts', utf8(session))?.value ?? []);
    const lines = Array.from({ length: cart.length / 16 }, (_, index) => ({
      product: cart.subarray(16 * index, 16 * index + 10).toString(),
      quantity: cart.readUInt32LE(16 * index + 12),
    }));
    const expected = products.map((product) => ({ product, quantity: 300 }));
    assert.deepEqual(
      lines.sort((left, right) => left.product.localeCompare(right.product)),
      expected,
    );
  }
});

test('the application is deployed to a server over HTTP, twice', async (t) => {
  const server = await startWorkerServer({ executors: 1 });
  t.after(() => server.stop());
  const gateway = await startGateway(server, { host: '127.0.0.1', port: 0 });
  t.after(() => gateway.close());
  const address = `http://127.0.0.1:${gateway.port}`;
  for (let round = 0; round < 2; round += 1) {
    await deployApplication(remoteTarget(address), application, dataSet);
    assert.equal(server.list().length, application.functions.length);
  }
  const counts = new Map<string, number>();
  for (const { space } of dataSet.entries()) counts.set(space, (counts.get(space) ?? 0) + 1);
  for (const { name } of application.spaces)
    assert.equal((await server.kv.space(name)).keys, counts.get(name) ?? 0, name);
  const response = await fetch(`${address}/fn/boutique-frontend`, {
    method: 'POST',
    body: '{"page":"home","session":"s"}',
  });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8');
  assert.match(await response.text(), /<h1>Hot products<\/h1>/);
  const unknown = await fetch(`${address}/fn/boutique-frontend`, {
    method: 'POST',
    body: '{"page":"product","session":"s"}',
  });
  assert.equal(unknown.status, 404);
});

test('functions may be deployed before those that they call', async (t) => {
  const jord = await Jord.start({ executors: 0 });
  t.after(() => jord.stop());
  const reversed = { ...application, functions: [...application.functions].reverse() };
  await deployApplication(localTarget(jord), reversed, dataSet);
  const model = dataSet.model();
  for (const kind of dataSet.mix) respondAsModel(jord, model, kind.request(new Random(SEED)));
});
