/** The social network on a worker server: its answers beside those of the model, and requests at the same time. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { Jord } from '../../src/jord.ts';
import type { User } from '../accounts.ts';
import type { ApplicationModel, ApplicationRequest } from '../application.ts';
import { respondAsModel, respondToMany, startApplication } from '../applications.fixture.ts';
import { Random } from '../random.ts';
import { numberKey, TIMELINE_LENGTH_MAX } from '../values.ts';
import { application, SOCIAL_SIZE } from './application.ts';
import { SocialDataSet } from './data-set.ts';
import { shortUrl } from './post.ts';

const SEED = 20_261;
const data = new SocialDataSet(SEED, { users: 300, posts: 600 });
/** These are answered although tests alone send them. */
const ANSWERED = [
  'compose-just-not-too-long',
  'compose-escapes',
  'read-unknown-user',
  'read-whole-timeline',
  'expand-url',
];

function asRequest(name: string, fields: unknown): ApplicationRequest {
  return { function: `social-frontend-${name}`, body: Buffer.from(JSON.stringify(fields)) };
}

function postBy({ id, username }: User, text: string): ApplicationRequest {
  return asRequest('post', { user_id: id, username, text, timestamp: 1 });
}

describe('one request after the other', () => {
  let jord: Jord;
  let model: ApplicationModel;
  before(async () => {
    jord = await startApplication(application, data, 0);
    model = data.model();
  });
  after(() => jord.stop());

  test('all kinds of requests are answered as the model does', () => {
    const tallies = respondToMany(jord, data, model, 5000, SEED);
    for (const { name, weight } of data.mix) {
      const { count, failures } = tallies.get(name) ?? assert.fail(`no ${name}`);
      assert.equal(failures, weight > 0 || ANSWERED.includes(name) ? 0 : count, name);
    }
  });

  test('any text is read as the model reads it', () => {
    const user = data.anyUser(new Random(SEED));
    const part = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc.constantFrom(
        '@',
        `@${user.username}`,
        '@nobody',
        'http://',
        'https://',
        'http:/',
        'httphttp://',
        'a/b?c=d#e',
        '"\\',
      ),
    );
    const text = fc.array(part, { maxLength: 30 }).map((parts) => parts.join('').toWellFormed());
    fc.assert(
      fc.property(text, (text) => {
        respondAsModel(jord, model, postBy(user, text));
        respondAsModel(jord, model, asRequest('read', { timeline: 'user', user_id: user.id, stop: 1 }));
      }),
      { numRuns: 500 },
    );
  });

  test('a timeline keeps the newest', () => {
    const random = new Random(SEED);
    const reader = data.anyUser(random);
    for (let post = 0; post < TIMELINE_LENGTH_MAX + 5; post += 1) {
      respondAsModel(jord, model, postBy(data.anyUser(random), `for @${reader.username}, number ${post}`));
    }
    for (const start of [0, 100, TIMELINE_LENGTH_MAX - 1, TIMELINE_LENGTH_MAX]) {
      respondAsModel(
        jord,
        model,
        asRequest('read', { timeline: 'home', user_id: reader.id, start, stop: start + 100 }),
      );
    }
  });
});

describe('requests at the same time', () => {
  let jord: Jord;
  before(async () => {
    jord = await startApplication(application, data, 2);
  });
  after(() => jord.stop());

  async function respond(request: ApplicationRequest): Promise<unknown> {
    return JSON.parse(new TextDecoder().decode(await jord.invoke(request.function, request.body)));
  }

  async function timelineIds(timeline: 'home' | 'user', user: User): Promise<readonly number[]> {
    const fields = { timeline, user_id: user.id, start: 0, stop: 100 };
    const { posts } = (await respond(asRequest('read', fields))) as { posts: readonly { post_id: number }[] };
    return posts.map(({ post_id }) => post_id);
  }

  function idsIn(space: string, owner: number): readonly number[] {
    const { value } = jord.kv.get(space, numberKey(owner)) ?? assert.fail(`nothing for ${owner} in ${space}`);
    return [...new Uint32Array(value.slice().buffer)];
  }

  test('on executors, too, answers are those of the model', async () => {
    const model = data.model();
    const random = new Random(SEED + 1);
    for (let i = 0; i < 600; i += 1) {
      const request = random.pick(data.mix).request(random);
      const actual = await jord.invoke(request.function, request.body);
      assert.equal(Buffer.from(actual).toString(), Buffer.from(model.respond(request, actual)).toString());
    }
  });

  test('no post is lost', async () => {
    const random = new Random(SEED + 2);
    const [reader, ...authors] = random
      .sample(
        Array.from({ length: 300 }, (_, index) => index),
        9,
      )
      .map((index) => {
        const user = data.state.accounts.all()[index];
        return user ?? assert.fail(`no user ${index}`);
      });
    assert.ok(reader !== undefined);
    const posts = Array.from({ length: 80 }, (_, number) => ({
      number,
      author: authors[number % authors.length] ?? reader,
    }));
    const answers = await Promise.all(
      posts.map(async ({ number, author }) => {
        const answer = await respond(postBy(author, `for @${reader.username}: http://example.org/${number}`));
        return { author, id: (answer as { post_id: number }).post_id };
      }),
    );
    const ids = answers.map(({ id }) => id).sort((left, right) => right - left);
    assert.equal(new Set(ids).size, posts.length);
    assert.deepEqual((await timelineIds('home', reader)).slice(0, ids.length), ids);
    for (const author of authors) {
      const own = answers.filter((answer) => answer.author === author).map(({ id }) => id);
      const newest = (await timelineIds('user', author)).slice(0, own.length);
      assert.deepEqual(
        newest,
        own.sort((left, right) => right - left),
        author.username,
      );
    }
  });

  test('no follower is lost, and both sides agree', async () => {
    const random = new Random(SEED + 3);
    const star = data.anyUser(random);
    const others = data.state.accounts.all().filter(({ id }) => id !== star.id);
    const asked = others.slice(0, 150).flatMap(({ id }) => {
      // The last one asked for need not be the last one done.
      const operations = random.chance(0.5) ? ['follow'] : ['follow', 'unfollow', 'follow', 'unfollow'];
      return operations.map((operation) => ({ operation, user_id: id, followee_id: star.id }));
    });
    await Promise.all(asked.map((fields) => respond(asRequest('user', fields))));
    const followers = idsIn('social-followers', star.id);
    assert.deepEqual(
      followers,
      others.filter(({ id }) => idsIn('social-followees', id).includes(star.id)).map(({ id }) => id),
    );
    const surely = asked.filter((fields, index) => {
      const neighbours = [asked[index - 1], asked[index + 1]];
      return neighbours.every((other) => other?.user_id !== fields.user_id);
    });
    assert.ok(surely.length > 20);
    for (const { user_id } of surely) assert.ok(followers.includes(user_id));
  });

  test('a username is given to one user only', async () => {
    const fields = { operation: 'register', password: 'password', first_name: 'A', last_name: 'B' };
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        respond(asRequest('user', { ...fields, username: `twin-${index % 4}` })),
      ),
    );
    const users = answers.filter((answer) => 'user_id' in (answer as object));
    assert.equal(users.length, 4, JSON.stringify(answers));
  });
});

describe('data set', () => {
  test('the same seed gives the same', () => {
    const size = { users: 50, posts: 50 };
    const [first, same, other] = [7, 7, 8].map((seed) => [...new SocialDataSet(seed, size).entries()]);
    assert.deepEqual(same, first);
    assert.notDeepEqual(other, first);
  });

  test('few users have many followers', () => {
    const { state } = application.dataSet(SEED) as SocialDataSet;
    const counts = state.followers.slice(1).map((followers) => followers.size);
    counts.sort((left, right) => right - left);
    assert.equal(counts.length, SOCIAL_SIZE.users);
    const all = counts.reduce((sum, count) => sum + count, 0);
    const ofTop = counts.slice(0, counts.length / 100).reduce((sum, count) => sum + count, 0);
    const [most = 0, median = 0, mean] = [counts[0], counts[counts.length / 2], all / counts.length];
    assert.ok(mean > 15 && mean < 25, `mean ${mean}`);
    assert.ok(median < 0.7 * mean && most > 40 * mean, `median ${median}, most ${most}`);
    assert.ok(ofTop > 0.15 * all, `the top hundredth has ${ofTop} of ${all}`);
  });

  test('no two shortened URLs are alike', () => {
    const urls = Array.from({ length: 100_000 }, (_, index) => shortUrl(index + 1));
    assert.equal(new Set(urls).size, urls.length);
    assert.match(urls[0] ?? '', /^http:\/\/short-url\/[0-9A-Za-z]{8}$/);
  });
});
