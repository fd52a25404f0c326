/** The social network: README.md. */
import { join } from 'node:path';
import type { Application, ApplicationFunction } from '../application.ts';
import { SocialDataSet, type SocialSize } from './data-set.ts';

/** The size for measurements. */
export const SOCIAL_SIZE: SocialSize = { users: 10_000, posts: 30_000 };

const FUNCTIONS: readonly ApplicationFunction[] = [
  service('unique-id', ['counters:rw']),
  service('url-shorten', ['urls:rw', 'counters:rw']),
  service('user-mention', ['users:ro']),
  service('text', [], ['url-shorten', 'user-mention']),
  service('media', []),
  service('social-graph', ['followers:rw', 'followees:rw']),
  service('user', ['users:rw', 'counters:rw', 'secrets:ro'], ['social-graph']),
  service('post-storage', ['posts:rw']),
  service('user-timeline', ['user-timelines:rw'], ['post-storage']),
  service('home-timeline', ['home-timelines:rw'], ['post-storage', 'social-graph']),
  service('compose-post', [], ['text', 'media', 'user', 'unique-id', 'post-storage', 'user-timeline', 'home-timeline']),
  service('frontend-post', [], ['compose-post']),
  service('frontend-read', [], ['home-timeline', 'user-timeline', 'url-shorten']),
  service('frontend-user', [], ['user', 'social-graph']),
];

/** Names of spaces and of other functions without `social-`. */
function service(name: string, spaces: readonly string[], calls: readonly string[] = []): ApplicationFunction {
  return {
    name: `social-${name}`,
    source: join(import.meta.dirname, 'functions', `${name}.ts`),
    kv: spaces.map((space) => `social-${space}`),
    calls: calls.map((called) => `social-${called}`),
  };
}

const spaceNames = new Set(FUNCTIONS.flatMap(({ kv }) => kv.map((space) => space.replace(/:r[ow]$/, ''))));

export const application: Application = {
  name: 'social',
  functions: FUNCTIONS,
  spaces: [...spaceNames].sort().map((name) => ({ name, options: {} })),
  dataSet: (seed) => new SocialDataSet(seed, SOCIAL_SIZE),
};
