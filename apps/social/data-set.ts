/** The data set of the social network: users, who follows whom, and what they have written. The same for the same seed. */
import { addUsers, type User } from '../accounts.ts';
import type { ApplicationEntry, ApplicationModel, DataSet, RequestKind } from '../application.ts';
import { Popularity } from '../popularity.ts';
import { Random } from '../random.ts';
import { requestKinds } from './mix.ts';
import { SocialModel } from './model.ts';
import { SocialState } from './state.ts';
import { makeMedia, makeText } from './texts.ts';

export interface SocialSize {
  readonly users: number;
  readonly posts: number;
}

/** The time of the first post, in ms since 1970. */
const FIRST_POST_MS = 1_700_000_000_000;
const POST_INTERVAL_MS = 30_000;
/** Half of the users follow fewer others than this; the mean is about twice as much. */
const FOLLOWEES_MEDIAN = 9;
const FOLLOWEES_MAX = 500;

export class SocialDataSet implements DataSet {
  /** What the entries describe; not to be changed. */
  readonly state: SocialState;
  /** Who is followed, and whose posts are looked at. */
  readonly popularity: Popularity;
  readonly mix: readonly RequestKind[];
  readonly #users: readonly User[];
  readonly #seed: number;

  constructor(seed: number, size: SocialSize) {
    this.#seed = seed;
    const random = new Random(seed);
    this.state = new SocialState();
    addUsers(this.state.accounts, random, size.users);
    this.#users = this.state.accounts.all();
    for (let id = 1; id <= size.users; id += 1) this.state.addNode();
    this.popularity = new Popularity(random, size.users, 0.8, 10);
    for (let id = 1; id <= size.users; id += 1) this.#follow(random, id);
    for (let post = 0; post < size.posts; post += 1) this.#post(random, post);
    this.mix = requestKinds(this);
  }

  entries(): Iterable<ApplicationEntry> {
    return this.state.entries(new Random(this.#seed + 1));
  }

  model(): ApplicationModel {
    return new SocialModel(this.state.copy());
  }

  /** Any user, each as likely. */
  anyUser(random: Random): User {
    return random.pick(this.#users);
  }

  /** Popular ones are likely. */
  popularUser(random: Random): User {
    return this.#users[this.popularity.pick(random) - 1] ?? this.anyUser(random);
  }

  #follow(random: Random, user: number): void {
    const wanted = Math.ceil(FOLLOWEES_MEDIAN * Math.exp(1.2 * random.normal()));
    const count = Math.min(wanted, FOLLOWEES_MAX, this.state.userCount / 4);
    for (let i = 0; i < count; i += 1) {
      const followee = this.popularity.pick(random);
      if (followee !== user) this.state.setFollows(user, followee, true);
    }
  }

  #post(random: Random, number: number): void {
    // Those who are followed by many write more.
    const user = random.chance(0.5) ? this.popularUser(random) : this.anyUser(random);
    const text = makeText(random, () => this.anyUser(random).username);
    const timestamp = FIRST_POST_MS + number * POST_INTERVAL_MS + random.below(POST_INTERVAL_MS);
    this.state.addPost({ user, text: this.state.composeText(text), media: makeMedia(random), timestamp, type: 0 });
  }
}
