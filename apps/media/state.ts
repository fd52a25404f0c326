/** The state of the movie reviews: what the key-value store holds, as the model and the data set have it. */
import { Accounts, type User } from '../accounts.ts';
import type { ApplicationEntry } from '../application.ts';
import type { Random } from '../random.ts';
import { addToTimeline, counterEntry, numberKey, timeline } from '../values.ts';

export const RATING_MAX = 10;

export interface Movie {
  readonly id: number;
  readonly title: string;
  readonly plotId: number;
  /** Ids of people, and what they play. */
  readonly cast: readonly { readonly cast_info_id: number; readonly character: string }[];
  readonly year: number;
  readonly genres: readonly string[];
  readonly runtimeMinutes: number;
  readonly photoIds: readonly string[];
}

export interface Person {
  readonly cast_info_id: number;
  readonly name: string;
  readonly born: number;
  readonly intro: string;
}

export interface NewReview {
  readonly user: User;
  readonly movie: Movie;
  /** Tidied. */
  readonly text: string;
  readonly rating: number;
  readonly timestamp: number;
}

interface Review {
  readonly id: number;
  readonly rating: number;
  readonly json: string;
}

/** What never changes: movies, people and plots. Their ids begin at 1; index 0 is unused. */
export class Catalog {
  readonly movies: Movie[] = [];
  readonly people: Person[] = [];
  readonly plots: string[] = [];
  readonly #byTitle: Map<string, Movie> = new Map();

  add(movie: Movie): void {
    this.movies[movie.id] = movie;
    this.#byTitle.set(titleKey(movie.title), movie);
  }

  find(title: string): Movie | undefined {
    return this.#byTitle.get(titleKey(title));
  }

  *entries(): Iterable<ApplicationEntry> {
    for (const [title, { id }] of this.#byTitle) {
      yield { space: 'media-titles', key: Buffer.from(title), value: words([id]) };
    }
    for (const movie of this.movies.values()) {
      if (movie !== undefined) yield { space: 'media-movies', key: numberKey(movie.id), value: movieValue(movie) };
    }
    for (const person of this.people.values()) {
      if (person === undefined) continue;
      const value = Buffer.from(JSON.stringify(person));
      yield { space: 'media-people', key: numberKey(person.cast_info_id), value };
    }
    for (const [id, plot] of this.plots.entries()) {
      if (plot !== undefined)
        yield { space: 'media-plots', key: numberKey(id), value: Buffer.from(JSON.stringify(plot)) };
    }
  }
}

export class MediaState {
  readonly catalog: Catalog;
  accounts: Accounts = new Accounts();
  readonly #reviews: Map<number, Review> = new Map();
  /** How many ids of reviews were given out. */
  reviewCount = 0;
  /** Ids of reviews, ascending, by the id of the user or movie. */
  readonly #ofUsers: Map<number, number[]> = new Map();
  readonly #ofMovies: Map<number, number[]> = new Map();
  /** How often each rating was given, by the id of the movie. */
  readonly #ratings: Map<number, number[]> = new Map();

  constructor(catalog: Catalog) {
    this.catalog = catalog;
  }

  copy(): MediaState {
    const copy = new MediaState(this.catalog);
    copy.accounts = this.accounts.copy();
    copy.reviewCount = this.reviewCount;
    for (const [id, review] of this.#reviews) copy.#reviews.set(id, review);
    for (const [id, reviews] of this.#ofUsers) copy.#ofUsers.set(id, [...reviews]);
    for (const [id, reviews] of this.#ofMovies) copy.#ofMovies.set(id, [...reviews]);
    for (const [id, ratings] of this.#ratings) copy.#ratings.set(id, [...ratings]);
    return copy;
  }

  /** For a review that came to nothing: its id is used up. */
  skipReview(): void {
    this.reviewCount += 1;
  }

  /** Returns the id. */
  addReview({ user, movie, text, rating, timestamp }: NewReview): number {
    this.reviewCount += 1;
    const id = this.reviewCount;
    const reviewer = { user_id: user.id, username: user.username };
    const json = JSON.stringify({ review_id: id, user: reviewer, movie_id: movie.id, text, rating, timestamp });
    this.#reviews.set(id, { id, rating, json });
    addToTimeline(listOf(this.#ofUsers, user.id), id);
    addToTimeline(listOf(this.#ofMovies, movie.id), id);
    const ratings = listOf(this.#ratings, movie.id, Array<number>(RATING_MAX + 1).fill(0));
    ratings[rating] = (ratings[rating] ?? 0) + 1;
    return id;
  }

  /** The newest first: the JSON of each. */
  userReviews(user: number, start: number, stop: number): string[] {
    return this.#newest(this.#ofUsers.get(user), start, stop, false);
  }

  /** The newest first, or the best. */
  movieReviews(movie: number, start: number, stop: number, isBestFirst: boolean): string[] {
    return this.#newest(this.#ofMovies.get(movie), start, stop, isBestFirst);
  }

  /** How often each rating was given. */
  ratings(movie: number): readonly number[] {
    return this.#ratings.get(movie) ?? Array<number>(RATING_MAX + 1).fill(0);
  }

  /** All entries of the key-value store. */
  *entries(random: Random): Iterable<ApplicationEntry> {
    yield* this.catalog.entries();
    yield* this.accounts.entries('media', random);
    yield counterEntry('media-counters', 'review', this.reviewCount);
    for (const { id, json } of this.#reviews.values()) {
      yield { space: 'media-reviews', key: numberKey(id), value: Buffer.from(json) };
    }
    for (const [id, reviews] of this.#ofUsers) {
      yield { space: 'media-user-reviews', key: numberKey(id), value: timeline(reviews) };
    }
    for (const [id, reviews] of this.#ofMovies) {
      const entries = reviews.map((review) => review * 16 + (this.#reviews.get(review)?.rating ?? 0));
      yield { space: 'media-movie-reviews', key: numberKey(id), value: timeline(entries) };
    }
    for (const [id, ratings] of this.#ratings) {
      const count = ratings.reduce((sum, often) => sum + often, 0);
      yield { space: 'media-ratings', key: numberKey(id), value: words([count, sumOf(ratings), ...ratings]) };
    }
  }

  #newest(ids: readonly number[] = [], start: number, stop: number, isBestFirst: boolean): string[] {
    const reviews = [...ids].reverse().map((id) => this.#reviews.get(id));
    if (isBestFirst) reviews.sort((left, right) => (right?.rating ?? 0) - (left?.rating ?? 0));
    return reviews.slice(start, stop).map((review) => review?.json ?? '');
  }
}

/** What all ratings add up to, from how often each was given. */
export function sumOf(ratings: readonly number[]): number {
  return ratings.reduce((sum, often, rating) => sum + rating * often, 0);
}

/** The JSON of a movie up to its rating, without brackets. */
export function movieJson(movie: Movie): string {
  const casts = movie.cast.map((member, index) => ({ cast_id: index, ...member }));
  const json = JSON.stringify({
    movie_id: movie.id,
    title: movie.title,
    year: movie.year,
    genres: movie.genres,
    runtime_minutes: movie.runtimeMinutes,
    photo_ids: movie.photoIds,
    casts,
  });
  return json.slice(1, -1);
}

/** A title as it is looked up. */
function titleKey(title: string): string {
  return title.replace(/^ +| +$/g, '').replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** As functions/movie-info.ts has it. */
function movieValue(movie: Movie): Uint8Array {
  const ids = movie.cast.map(({ cast_info_id }) => cast_info_id);
  return Buffer.concat([words([movie.plotId, ids.length, ...ids]), Buffer.from(movieJson(movie))]);
}

function words(numbers: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(numbers).buffer);
}

function listOf(lists: Map<number, number[]>, id: number, first: number[] = []): number[] {
  const list = lists.get(id) ?? first;
  lists.set(id, list);
  return list;
}
