/** The requests of the movie reviews. README.md says where the weights come from. */
import type { User } from '../accounts.ts';
import type { ApplicationRequest, RequestKind } from '../application.ts';
import type { Random } from '../random.ts';
import type { MediaDataSet } from './data-set.ts';
import { RATING_MAX } from './state.ts';
import { makeReviewText } from './texts.ts';

type Fields = Readonly<Record<string, unknown>>;

const NOW_MS = 1_710_000_000_000;
const DAY_MS = 86_400_000;
const PAGE_LENGTH = 10;

export function requestKinds(data: MediaDataSet): readonly RequestKind[] {
  return [...weighted(data), ...failing(data)];
}

function weighted(data: MediaDataSet): RequestKind[] {
  return [
    kind('read-page', 650, (random) => read({ movie_id: data.popularMovie(random).id, ...page(random) })),
    kind('read-page-best', 120, (random) =>
      read({ movie_id: data.popularMovie(random).id, ...page(random), order: 'best' }),
    ),
    kind('read-page-by-title', 50, (random) => read({ title: data.popularMovie(random).title })),
    kind('read-user-reviews', 65, (random) => read({ user_id: data.anyUser(random).id, ...page(random) })),
    kind('compose-review', 100, (random) => review(random, data)),
    kind('login', 10, (random) => login(random, data.anyUser(random))),
    kind('register', 5, (random) => register(random, `guest-${random.u32()}-${random.u32()}`)),
  ];
}

/** What is refused, and what is seldom: for tests alone. */
function failing(data: MediaDataSet): RequestKind[] {
  const fails = (name: string, make: (random: Random) => ApplicationRequest): RequestKind => kind(name, 0, make);
  const composed = (name: string, change: (random: Random) => Fields): RequestKind =>
    fails(name, (random) => review(random, data, change(random)));
  const registered = (name: string, change: Fields): RequestKind =>
    fails(name, (random) => register(random, `guest-${random.u32()}`, change));
  return [
    composed('compose-unknown-user', () => ({ username: 'nobody_at_all' })),
    composed('compose-unknown-movie', () => ({ title: 'No Such Movie' })),
    composed('compose-long-title', () => ({ title: 'x'.repeat(2000) })),
    composed('compose-other-capitals', (random) => ({ title: `  ${capitals(data.popularMovie(random).title)} ` })),
    composed('compose-blank', () => ({ text: ' \n\t ' })),
    composed('compose-too-long', (random) => ({ text: 'ü🙂'.repeat(500 + random.between(1, 200)) })),
    composed('compose-just-not-too-long', () => ({ text: `  ${'ü🙂'.repeat(500)}\n` })),
    composed('compose-escapes', (random) => ({ text: ` \\ "a"\r\n\n\u0001  b\t${random.u32()}\u001f\u007f ` })),
    composed('compose-bad-rating', (random) => ({ rating: random.pick([-1, 11, 1_000_000]) })),
    composed('compose-without-rating', () => ({ rating: undefined })),
    composed('compose-without-title', () => ({ title: undefined })),
    composed('compose-all-wrong', () => ({ title: '?', username: '?', rating: 11 })),
    fails('login-wrong-password', (random) => login(random, { ...data.anyUser(random), password: 'password_0' })),
    fails('login-unknown-user', (random) => login(random, { ...data.anyUser(random), username: 'nobody_at_all' })),
    fails('register-taken', (random) => register(random, data.anyUser(random).username)),
    registered('register-bad-username', { username: 'ä' }),
    registered('register-long-password', { password: 'x'.repeat(300) }),
    registered('register-without-name', { first_name: '' }),
    fails('unknown-operation', () => asUser({ operation: 'dance' })),
    fails('read-unknown-movie', () => read({ movie_id: 4_000_000_000 })),
    fails('read-unknown-title', () => read({ title: 'No Such Movie' })),
    fails('read-unknown-user', () => read({ user_id: 4_000_000_000 })),
    fails('read-nothing', () => read({ start: 5 })),
    fails('read-bad-order', (random) => read({ movie_id: data.popularMovie(random).id, order: 'worst' })),
    fails('read-bad-range', (random) =>
      read({ movie_id: data.popularMovie(random).id, start: random.between(-5, 5), stop: 106 }),
    ),
    fails('read-all-reviews', (random) =>
      read({ movie_id: data.popularMovie(random).id, start: 20, stop: 120, order: random.pick(['best', 'newest']) }),
    ),
    fails('no-json', (random) => ({
      function: random.pick(['media-frontend-read', 'media-frontend-user', 'media-frontend-review']),
      body: Buffer.from('{"movie_id":'),
    })),
  ];
}

function kind(name: string, weight: number, request: (random: Random) => ApplicationRequest): RequestKind {
  return { name, weight, request };
}

/** Those of ASCII alone. */
function capitals(text: string): string {
  return text.replace(/[a-z]/g, (letter) => letter.toUpperCase());
}

/** Mostly the first page. */
function page(random: Random): Fields {
  const start = random.chance(0.8) ? 0 : PAGE_LENGTH * random.between(1, 5);
  return { start, stop: start + PAGE_LENGTH };
}

function read(fields: Fields): ApplicationRequest {
  return { function: 'media-frontend-read', body: Buffer.from(JSON.stringify(fields)) };
}

function asUser(fields: Fields): ApplicationRequest {
  return { function: 'media-frontend-user', body: Buffer.from(JSON.stringify(fields)) };
}

function review(random: Random, data: MediaDataSet, change: Fields = {}): ApplicationRequest {
  const fields = {
    username: data.anyUser(random).username,
    title: data.popularMovie(random).title,
    text: makeReviewText(random),
    rating: random.between(0, RATING_MAX),
    timestamp: NOW_MS + random.below(DAY_MS),
    ...change,
  };
  return { function: 'media-frontend-review', body: Buffer.from(JSON.stringify(fields)) };
}

function login(random: Random, { username, password }: Pick<User, 'username' | 'password'>): ApplicationRequest {
  return asUser({ operation: 'login', username, password, timestamp: NOW_MS + random.below(DAY_MS) });
}

function register(random: Random, username: string, change: Fields = {}): ApplicationRequest {
  const password = `secret-${random.u32()}-pässword`;
  return asUser({ operation: 'register', username, password, first_name: 'Gast', last_name: 'Müller', ...change });
}
