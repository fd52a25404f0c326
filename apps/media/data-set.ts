/** The data set of the movie reviews: movies, those who play in them, users and reviews. The same for the same seed. */
import { addUsers, makeName, type User } from '../accounts.ts';
import type { ApplicationEntry, ApplicationModel, DataSet, RequestKind } from '../application.ts';
import { Popularity } from '../popularity.ts';
import { Random } from '../random.ts';
import { requestKinds } from './mix.ts';
import { MediaModel } from './model.ts';
import { Catalog, MediaState, type Movie } from './state.ts';
import { GENRES, makeProse, makeReviewText, makeTitle } from './texts.ts';

export interface MediaSize {
  readonly movies: number;
  readonly people: number;
  readonly users: number;
  readonly reviews: number;
}

/** The time of the first review, in ms since 1970. */
const FIRST_REVIEW_MS = 1_700_000_000_000;
const REVIEW_INTERVAL_MS = 60_000;
const CAST_MIN = 5;
const CAST_MAX = 25;

export class MediaDataSet implements DataSet {
  /** What the entries describe; not to be changed. */
  readonly state: MediaState;
  readonly mix: readonly RequestKind[];
  readonly #popularity: Popularity;
  readonly #users: readonly User[];
  readonly #seed: number;

  constructor(seed: number, size: MediaSize) {
    this.#seed = seed;
    const random = new Random(seed);
    const catalog = new Catalog();
    addPeople(catalog, random, size.people);
    for (let id = 1; id <= size.movies; id += 1) addMovie(catalog, random, id);
    this.state = new MediaState(catalog);
    addUsers(this.state.accounts, random, size.users);
    this.#users = this.state.accounts.all();
    this.#popularity = new Popularity(random, size.movies, 0.9, 5);
    const qualities = Array.from({ length: size.movies + 1 }, () => 6.5 + 1.5 * random.normal());
    for (let number = 0; number < size.reviews; number += 1) this.#review(random, number, qualities);
    this.mix = requestKinds(this);
  }

  entries(): Iterable<ApplicationEntry> {
    return this.state.entries(new Random(this.#seed + 1));
  }

  model(): ApplicationModel {
    return new MediaModel(this.state.copy());
  }

  anyUser(random: Random): User {
    return random.pick(this.#users);
  }

  /** Popular ones are likely. */
  popularMovie(random: Random): Movie {
    const movie = this.state.catalog.movies[this.#popularity.pick(random)];
    if (movie === undefined) throw new RangeError('there are no movies');
    return movie;
  }

  #review(random: Random, number: number, qualities: readonly number[]): void {
    const movie = this.popularMovie(random);
    const rating = Math.round((qualities[movie.id] ?? 0) + 2 * random.normal());
    this.state.addReview({
      user: this.anyUser(random),
      movie,
      text: makeReviewText(random),
      rating: Math.min(Math.max(rating, 0), 10),
      timestamp: FIRST_REVIEW_MS + number * REVIEW_INTERVAL_MS + random.below(REVIEW_INTERVAL_MS),
    });
  }
}

function addPeople(catalog: Catalog, random: Random, count: number): void {
  for (let id = 1; id <= count; id += 1) {
    const { firstName, lastName } = makeName(random);
    const intro = makeProse(random, random.between(80, 250));
    catalog.people[id] = {
      cast_info_id: id,
      name: `${firstName} ${lastName}`,
      born: random.between(1930, 2005),
      intro,
    };
  }
}

function addMovie(catalog: Catalog, random: Random, id: number): void {
  let title = makeTitle(random);
  while (catalog.find(title) !== undefined) title = `${title} ${random.between(2, 9)}`;
  const cast = Array.from({ length: random.between(CAST_MIN, CAST_MAX) }, () => {
    const { firstName, lastName } = makeName(random);
    return { cast_info_id: random.between(1, catalog.people.length - 1), character: `${firstName} ${lastName}` };
  });
  catalog.plots[id] = makeProse(random, random.between(300, 800));
  catalog.add({
    id,
    title,
    plotId: id,
    cast,
    year: random.between(1930, 2025),
    genres: random.sample(GENRES, random.between(1, 3)),
    runtimeMinutes: random.between(70, 210),
    photoIds: Array.from({ length: random.between(1, 6) }, () => `photo-${random.u32()}`),
  });
}
