/** The movie reviews on a worker server: its answers beside those of the model, and requests at the same time. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { Jord } from '../../src/jord.ts';
import type { ApplicationModel, ApplicationRequest } from '../application.ts';
import { respondAsModel, respondToMany, startApplication } from '../applications.fixture.ts';
import { Random } from '../random.ts';
import { application, MEDIA_SIZE } from './application.ts';
import { MediaDataSet } from './data-set.ts';

const SEED = 20_262;
const data = new MediaDataSet(SEED, { movies: 60, people: 200, users: 100, reviews: 800 });
/** These are answered although tests alone send them. */
const ANSWERED = [
  'compose-other-capitals',
  'compose-just-not-too-long',
  'compose-escapes',
  'read-unknown-user',
  'read-all-reviews',
];

interface Page {
  readonly movie: {
    readonly rating: { readonly average: number; readonly count: number; readonly distribution: readonly number[] };
  };
  readonly reviews: readonly { readonly review_id: number; readonly rating: number }[];
}

function asRequest(name: string, fields: unknown): ApplicationRequest {
  return { function: `media-frontend-${name}`, body: Buffer.from(JSON.stringify(fields)) };
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

  test('any text is tidied as the model does', () => {
    const random = new Random(SEED);
    const { username } = data.anyUser(random);
    const { title, id } = data.popularMovie(random);
    const part = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc.constantFrom(' ', '\n', '\t\v\f\r', '  ', '\u00a0'),
    );
    const text = fc.array(part, { maxLength: 30 }).map((parts) => parts.join('').toWellFormed());
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 10 }), (text, rating) => {
        respondAsModel(jord, model, asRequest('review', { username, title, text, rating, timestamp: 1 }));
        respondAsModel(jord, model, asRequest('read', { movie_id: id, stop: 1 }));
      }),
      { numRuns: 500 },
    );
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

  test('on executors, too, answers are those of the model', async () => {
    const model = data.model();
    const random = new Random(SEED + 1);
    for (let i = 0; i < 600; i += 1) {
      const request = random.pick(data.mix).request(random);
      const actual = await jord.invoke(request.function, request.body);
      assert.equal(Buffer.from(actual).toString(), Buffer.from(model.respond(request, actual)).toString());
    }
  });

  test('no review and no rating is lost', async () => {
    const random = new Random(SEED + 2);
    const movie = data.popularMovie(random);
    const user = data.anyUser(random);
    const look = async (): Promise<Page> =>
      (await respond(asRequest('read', { movie_id: movie.id, stop: 100 }))) as Page;
    const before = (await look()).movie.rating;

    const ratings = Array.from({ length: 80 }, () => random.between(0, 10));
    const ids = await Promise.all(
      ratings.map(async (rating, number) => {
        const fields = { username: user.username, title: movie.title, text: `number ${number}`, rating, timestamp: 1 };
        return ((await respond(asRequest('review', fields))) as { review_id: number }).review_id;
      }),
    );
    const page = await look();
    assert.equal(page.movie.rating.count, before.count + ratings.length);
    const distribution = before.distribution.map(
      (often, of) => often + ratings.filter((rating) => rating === of).length,
    );
    assert.deepEqual(page.movie.rating.distribution, distribution);
    const sum = distribution.reduce((sum, often, rating) => sum + often * rating, 0);
    assert.ok(Math.abs(page.movie.rating.average - sum / page.movie.rating.count) <= 0.005_001);

    const newest = [...ids].sort((left, right) => right - left);
    assert.deepEqual(
      page.reviews.slice(0, ids.length).map(({ review_id }) => review_id),
      newest,
    );
    for (const [index, id] of ids.entries()) {
      assert.equal(page.reviews.find(({ review_id }) => review_id === id)?.rating, ratings[index]);
    }
    const own = (await respond(asRequest('read', { user_id: user.id, stop: 80 }))) as Pick<Page, 'reviews'>;
    assert.deepEqual(
      own.reviews.map(({ review_id }) => review_id),
      newest,
    );
  });
});

describe('data set', () => {
  test('the same seed gives the same', () => {
    const size = { movies: 20, people: 20, users: 20, reviews: 50 };
    const [first, same, other] = [7, 7, 8].map((seed) => [...new MediaDataSet(seed, size).entries()]);
    assert.deepEqual(same, first);
    assert.notDeepEqual(other, first);
  });

  test('few movies have many reviews, all have a cast and a plot', () => {
    const { state } = application.dataSet(SEED) as MediaDataSet;
    const movies = state.catalog.movies.filter((movie) => movie !== undefined);
    assert.equal(movies.length, MEDIA_SIZE.movies);
    for (const { cast, plotId } of movies) {
      assert.ok(cast.length >= 5 && state.catalog.plots[plotId] !== undefined);
      for (const { cast_info_id } of cast) assert.ok(state.catalog.people[cast_info_id] !== undefined);
    }
    const counts = movies.map(({ id }) => state.ratings(id).reduce((sum, often) => sum + often, 0));
    counts.sort((left, right) => right - left);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      MEDIA_SIZE.reviews,
    );
    assert.ok((counts[10] ?? 0) > 10 * (counts[500] ?? 0), `${counts[10]}, ${counts[500]}`);
  });
});
