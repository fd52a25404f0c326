/** Online Boutique: a shop of ten services. README.md tells what each does. */
import { join } from 'node:path';
import type { Application, ApplicationFunction } from '../application.ts';
import { entries, generate } from './data.ts';
import { mixOf } from './mix.ts';
import { BoutiqueModel } from './model.ts';

function service(name: string, kv: readonly string[], calls: readonly string[] = []): ApplicationFunction {
  return {
    name: `boutique-${name}`,
    source: join(import.meta.dirname, 'functions', `${name}.ts`),
    kv,
    calls: calls.map((callee) => `boutique-${callee}`),
  };
}

/** How many confirmations wait in the outbox at most: then the ones that nobody has asked for longest go. */
const OUTBOX_KEYS_MAX = 20_000;

export const application: Application<BoutiqueModel> = {
  name: 'boutique',
  functions: [
    service('catalog', ['boutique-catalog:ro']),
    service('currency', ['boutique-currency:ro']),
    service('cart', ['boutique-carts:rw']),
    service('recommendation', [], ['catalog']),
    service('shipping', []),
    service('payment', []),
    service('email', ['boutique-outbox:rw']),
    service('ad', ['boutique-ads:ro']),
    service('checkout', [], ['cart', 'catalog', 'currency', 'shipping', 'payment', 'email']),
    service('frontend', [], ['catalog', 'currency', 'cart', 'recommendation', 'shipping', 'ad', 'checkout']),
  ],
  spaces: [
    { name: 'boutique-catalog', options: {} },
    { name: 'boutique-currency', options: {} },
    { name: 'boutique-ads', options: {} },
    { name: 'boutique-carts', options: {} },
    { name: 'boutique-outbox', options: { cache: true, keysMax: OUTBOX_KEYS_MAX } },
  ],
  dataSet: (seed) => {
    const data = generate(seed);
    return { entries: () => entries(data), mix: mixOf(data), model: () => new BoutiqueModel(data) };
  },
};
