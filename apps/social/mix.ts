/** The requests of the social network. README.md says where the weights come from. */
import type { User } from '../accounts.ts';
import type { ApplicationRequest, RequestKind } from '../application.ts';
import type { Random } from '../random.ts';
import type { SocialDataSet } from './data-set.ts';
import { shortUrl } from './post.ts';
import { makeMedia, makeText } from './texts.ts';

type Fields = Readonly<Record<string, unknown>>;

const NOW_MS = 1_710_000_000_000;
const DAY_MS = 86_400_000;
const PAGE_LENGTH = 10;

export function requestKinds(data: SocialDataSet): readonly RequestKind[] {
  return [...weighted(data), ...failing(data)];
}

function weighted(data: SocialDataSet): RequestKind[] {
  const { state } = data;
  return [
    kind('read-home-timeline', 585, (random) =>
      read({ timeline: 'home', user_id: data.anyUser(random).id, ...page(random) }),
    ),
    kind('read-user-timeline', 290, (random) =>
      read({ timeline: 'user', user_id: data.popularUser(random).id, ...page(random) }),
    ),
    kind('compose-post', 100, (random) => post(random, data, data.anyUser(random))),
    kind('login', 10, (random) => login(random, data.anyUser(random))),
    kind('follow', 7, (random) => {
      const followee = data.popularUser(random).id;
      // Nobody follows themselves.
      const user = ((followee + random.below(state.userCount - 1)) % state.userCount) + 1;
      return asUser({ operation: 'follow', user_id: user, followee_id: followee });
    }),
    kind('unfollow', 5, (random) => {
      const { id } = data.anyUser(random);
      const followees = [...(state.followees[id] ?? [])];
      const followee = followees.length > 0 ? random.pick(followees) : (id % state.userCount) + 1;
      return asUser({ operation: 'unfollow', user_id: id, followee_id: followee });
    }),
    kind('register', 3, (random) => register(random, `guest-${random.u32()}-${random.u32()}`)),
    kind('expand-url', 0, (random) => read({ url: shortUrl(random.between(1, Math.max(state.urls.size, 1))) })),
  ];
}

/** What is refused: for tests alone. */
function failing(data: SocialDataSet): RequestKind[] {
  const { state } = data;
  const fails = (name: string, make: (random: Random) => ApplicationRequest): RequestKind => kind(name, 0, make);
  const composed = (name: string, change: (random: Random) => Fields): RequestKind =>
    fails(name, (random) => post(random, data, data.anyUser(random), change(random)));
  const registered = (name: string, change: Fields): RequestKind =>
    fails(name, (random) => register(random, `guest-${random.u32()}`, change));
  return [
    composed('compose-unknown-user', () => ({ username: 'nobody_at_all' })),
    composed('compose-as-another', (random) => ({ user_id: state.userCount + 1 + random.below(1000) })),
    composed('compose-empty', () => ({ text: '' })),
    composed('compose-too-long', (random) => ({ text: 'ü🙂'.repeat(500 + random.between(1, 200)) })),
    composed('compose-just-not-too-long', () => ({ text: 'ü🙂'.repeat(500) })),
    composed('compose-escapes', (random) => ({
      text: `"\\\n\t\u0001@ @x @${'y'.repeat(300)} ${random.u32()} http:// https://x`,
    })),
    composed('compose-bad-media', (random) => ({ media_ids: ['12a'], media_types: [random.pick(['png', 'bmp'])] })),
    composed('compose-too-many-media', () => ({ media_ids: Array(5).fill('1'), media_types: Array(5).fill('png') })),
    composed('compose-media-unlike', () => ({ media_ids: ['1'], media_types: [] })),
    composed('compose-without-user', () => ({ user_id: undefined })),
    composed('compose-bad-type', () => ({ post_type: 4 })),
    fails('login-wrong-password', (random) => login(random, { ...data.anyUser(random), password: 'password_0' })),
    fails('login-unknown-user', (random) => login(random, { ...data.anyUser(random), username: 'nobody_at_all' })),
    fails('register-taken', (random) => register(random, data.anyUser(random).username)),
    registered('register-bad-username', { username: 'a b' }),
    registered('register-short-password', { password: '1234567' }),
    registered('register-long-name', { last_name: 'x'.repeat(65) }),
    fails('follow-oneself', (random) => {
      const { id } = data.anyUser(random);
      return asUser({ operation: 'follow', user_id: id, followee_id: id });
    }),
    fails('follow-unknown-user', (random) =>
      asUser({ operation: 'follow', user_id: data.anyUser(random).id, followee_id: 4_000_000_000 }),
    ),
    fails('unknown-user-follows', (random) =>
      asUser({ operation: 'unfollow', user_id: 4_000_000_000, followee_id: data.anyUser(random).id }),
    ),
    fails('unknown-operation', () => asUser({ operation: 'dance' })),
    fails('read-unknown-user', () => read({ timeline: 'home', user_id: 4_000_000_000 })),
    fails('read-bad-range', (random) =>
      read({ timeline: 'user', user_id: data.anyUser(random).id, start: random.between(-5, 5), stop: 106 }),
    ),
    fails('read-without-user', () => read({ timeline: 'home' })),
    fails('read-whole-timeline', (random) =>
      read({ timeline: 'home', user_id: data.anyUser(random).id, start: 0, stop: 100 }),
    ),
    fails('expand-unknown-url', (random) => read({ url: random.pick(['http://short-url/00000000', 'http://x/', '']) })),
    fails('no-json', (random) => ({
      function: random.pick(['social-frontend-read', 'social-frontend-user', 'social-frontend-post']),
      body: Buffer.from('{"user_id":'),
    })),
  ];
}

function kind(name: string, weight: number, request: (random: Random) => ApplicationRequest): RequestKind {
  return { name, weight, request };
}

/** Mostly the first page; otherwise one that begins anywhere up to 100, as in the load generator of the original. */
function page(random: Random): Fields {
  const start = random.chance(0.7) ? 0 : random.between(0, 100);
  return { start, stop: start + PAGE_LENGTH };
}

function read(fields: Fields): ApplicationRequest {
  return { function: 'social-frontend-read', body: Buffer.from(JSON.stringify(fields)) };
}

function asUser(fields: Fields): ApplicationRequest {
  return { function: 'social-frontend-user', body: Buffer.from(JSON.stringify(fields)) };
}

function post(random: Random, data: SocialDataSet, user: User, change: Fields = {}): ApplicationRequest {
  const media = makeMedia(random);
  const fields = {
    user_id: user.id,
    username: user.username,
    text: makeText(random, () => data.anyUser(random).username),
    media_ids: media.map(({ media_id }) => media_id),
    media_types: media.map(({ media_type }) => media_type),
    post_type: random.chance(0.9) ? 0 : random.below(4),
    timestamp: NOW_MS + random.below(DAY_MS),
    ...change,
  };
  return { function: 'social-frontend-post', body: Buffer.from(JSON.stringify(fields)) };
}

function login(random: Random, { username, password }: Pick<User, 'username' | 'password'>): ApplicationRequest {
  return asUser({ operation: 'login', username, password, timestamp: NOW_MS + random.below(DAY_MS) });
}

function register(random: Random, username: string, change: Fields = {}): ApplicationRequest {
  const password = `secret-${random.u32()}-pässword`;
  return asUser({ operation: 'register', username, password, first_name: 'Gast', last_name: 'Müller', ...change });
}
