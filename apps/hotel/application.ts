/** Hotel reservation: ten services. README.md tells what each does. */
import { join } from 'node:path';
import type { Application, ApplicationFunction } from '../application.ts';
import { generate } from './data.ts';
import { mixOf } from './mix.ts';
import { HotelModel } from './model.ts';
import { entries } from './values.ts';

function service(name: string, kv: readonly string[], calls: readonly string[] = []): ApplicationFunction {
  return {
    name: `hotel-${name}`,
    source: join(import.meta.dirname, 'functions', `${name}.ts`),
    kv,
    calls: calls.map((callee) => `hotel-${callee}`),
  };
}

export const application: Application<HotelModel> = {
  name: 'hotel',
  functions: [
    service('geo', ['hotel-geo:ro']),
    service('rate', ['hotel-rates:ro']),
    service('search', [], ['geo', 'rate']),
    service('profile', ['hotel-profiles:ro']),
    service('recommendation', ['hotel-recommendation:ro']),
    service('user', ['hotel-users:ro']),
    service('reservation', ['hotel-availability:rw', 'hotel-reservations:rw']),
    service('review', ['hotel-reviews:ro']),
    service('attractions', ['hotel-attractions:ro']),
    service('frontend', [], ['search', 'profile', 'recommendation', 'user', 'reservation', 'review', 'attractions']),
  ],
  spaces: [
    'hotel-geo',
    'hotel-rates',
    'hotel-profiles',
    'hotel-recommendation',
    'hotel-users',
    'hotel-availability',
    'hotel-reservations',
    'hotel-reviews',
    'hotel-attractions',
  ].map((name) => ({ name, options: {} })),
  dataSet: (seed) => {
    const data = generate(seed);
    return { entries: () => entries(data), mix: mixOf(data), model: () => new HotelModel(data) };
  },
};
