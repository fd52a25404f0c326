/** The movie reviews: README.md. */
import { join } from 'node:path';
import type { Application, ApplicationFunction } from '../application.ts';
import { MediaDataSet, type MediaSize } from './data-set.ts';

/** The size for measurements. */
export const MEDIA_SIZE: MediaSize = { movies: 1_000, people: 5_000, users: 2_000, reviews: 20_000 };

const FUNCTIONS: readonly ApplicationFunction[] = [
  service('unique-id', ['counters:rw']),
  service('movie-id', ['titles:ro']),
  service('user', ['users:rw', 'counters:rw', 'secrets:ro']),
  service('text', []),
  service('rating', ['ratings:rw']),
  service('review-storage', ['reviews:rw']),
  service('user-review', ['user-reviews:rw'], ['review-storage']),
  service('movie-review', ['movie-reviews:rw'], ['review-storage']),
  service(
    'compose-review',
    [],
    ['movie-id', 'user', 'text', 'rating', 'unique-id', 'review-storage', 'user-review', 'movie-review'],
  ),
  service('movie-info', ['movies:ro'], ['rating']),
  service('cast-info', ['people:ro']),
  service('plot', ['plots:ro']),
  service('page', [], ['movie-info', 'movie-review', 'cast-info', 'plot']),
  service('frontend-review', [], ['compose-review']),
  service('frontend-read', [], ['page', 'movie-id', 'user-review']),
  service('frontend-user', [], ['user']),
];

/** Names of spaces and of other functions without `media-`. */
function service(name: string, spaces: readonly string[], calls: readonly string[] = []): ApplicationFunction {
  return {
    name: `media-${name}`,
    source: join(import.meta.dirname, 'functions', `${name}.ts`),
    kv: spaces.map((space) => `media-${space}`),
    calls: calls.map((called) => `media-${called}`),
  };
}

const spaceNames = new Set(FUNCTIONS.flatMap(({ kv }) => kv.map((space) => space.replace(/:r[ow]$/, ''))));

export const application: Application = {
  name: 'media',
  functions: FUNCTIONS,
  spaces: [...spaceNames].sort().map((name) => ({ name, options: {} })),
  dataSet: (seed) => new MediaDataSet(seed, MEDIA_SIZE),
};
