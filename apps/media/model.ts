/** The movie reviews in plain TypeScript: what each request is to be answered with. */
import type { AccountFields } from '../accounts.ts';
import { badRequest, commonFailure, failureJson, isRange, PAGE_LENGTH, whyTextRefused } from '../answers.ts';
import type { ApplicationModel, ApplicationRequest } from '../application.ts';
import { type MediaState, type Movie, movieJson, RATING_MAX, sumOf } from './state.ts';

/** The messages by code, as functions/shared/failures.ts has them. */
const FAILURES = {
  unknown_movie: 'there is no such movie',
  invalid_rating: 'a rating is a whole number from 0 to 10',
} as const;

/** What a request may have; which of it is needed depends on the request. */
interface Fields extends AccountFields {
  readonly operation?: string;
  readonly movie_id?: number;
  readonly title?: string;
  readonly user_id?: number;
  readonly start?: number;
  readonly stop?: number;
  readonly order?: string;
  readonly text?: string;
  readonly rating?: number;
}

export class MediaModel implements ApplicationModel {
  readonly #state: MediaState;

  constructor(state: MediaState) {
    this.#state = state;
  }

  respond(request: ApplicationRequest, actual: Uint8Array): Uint8Array {
    let fields: Fields;
    try {
      fields = JSON.parse(new TextDecoder().decode(request.body)) as Fields;
    } catch {
      return badRequest(actual);
    }
    const answer = this.#answer(request.function, fields);
    return answer === undefined ? badRequest(actual) : Buffer.from(answer);
  }

  /** The body; undefined when the request lacks something that the front function asks for. */
  #answer(name: string, fields: Fields): string | undefined {
    if (name === 'media-frontend-review') return this.#compose(fields);
    if (name === 'media-frontend-read') return this.#read(fields);
    if (name !== 'media-frontend-user') throw new Error(`no front function of this name: ${name}`);
    if (fields.operation === 'login') return this.#state.accounts.login(fields);
    if (fields.operation !== 'register') return undefined;
    const registered = this.#state.accounts.register(fields);
    return typeof registered === 'string' ? registered : JSON.stringify({ user_id: registered.id });
  }

  #read(fields: Fields): string | undefined {
    const { movie_id, title, user_id, start = 0, stop = start + PAGE_LENGTH, order = 'newest' } = fields;
    if (order !== 'newest' && order !== 'best') return undefined;
    if (user_id !== undefined) {
      if (!isRange(start, stop)) return commonFailure('invalid_range');
      return `{"reviews":[${this.#state.userReviews(user_id, start, stop).join(',')}]}`;
    }
    if (movie_id === undefined && (title === undefined || title === '')) return undefined;
    const { catalog } = this.#state;
    const movie = movie_id === undefined ? catalog.find(title ?? '') : catalog.movies[movie_id];
    if (movie === undefined) return failure('unknown_movie');
    if (!isRange(start, stop)) return commonFailure('invalid_range');
    return this.#page(movie, this.#state.movieReviews(movie.id, start, stop, order === 'best'));
  }

  #page(movie: Movie, reviews: readonly string[]): string {
    const { people, plots } = this.#state.catalog;
    const ratings = this.#state.ratings(movie.id);
    const count = ratings.reduce((sum, often) => sum + often, 0);
    const hundredths = Math.floor((sumOf(ratings) * 200 + count) / (2 * count));
    const average =
      count === 0 ? 'null' : `${Math.floor(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}`;
    const rating = `"rating":{"average":${average},"count":${count},"distribution":[${ratings.join(',')}]}`;
    const cast = movie.cast.flatMap(({ cast_info_id }) => people[cast_info_id] ?? []);
    const parts = [
      `"movie":{${movieJson(movie)},${rating}}`,
      `"cast":${JSON.stringify(cast)}`,
      `"plot":${JSON.stringify(plots[movie.plotId] ?? null)}`,
      `"reviews":[${reviews.join(',')}]`,
    ];
    return `{${parts.join(',')}}`;
  }

  #compose({ username, title, text = '', rating = -1, timestamp = 0 }: Fields): string | undefined {
    if (username === undefined || username === '' || title === undefined || title === '') return undefined;
    const tidied = text.replace(/[ \t\n\v\f\r]+/g, ' ').replace(/^ | $/g, '');
    const refusal = whyTextRefused(tidied);
    const movie = this.#state.catalog.find(title);
    const user = this.#state.accounts.find(username);
    if (refusal === undefined && movie !== undefined && user !== undefined && rating >= 0 && rating <= RATING_MAX) {
      return JSON.stringify({ review_id: this.#state.addReview({ user, movie, text: tidied, rating, timestamp }) });
    }
    // The services are asked all at once, so an id is used up.
    this.#state.skipReview();
    if (refusal !== undefined) return commonFailure(refusal);
    if (movie === undefined) return failure('unknown_movie');
    return user === undefined ? commonFailure('unknown_user') : failure('invalid_rating');
  }
}

function failure(code: keyof typeof FAILURES): string {
  return failureJson(code, FAILURES[code]);
}
