/** The state of the social network: what the key-value store holds, as the model and the data set have it. */
import { Accounts, type User } from '../accounts.ts';
import type { ApplicationEntry } from '../application.ts';
import type { Random } from '../random.ts';
import { addToTimeline, counterEntry, idSet, numberKey, timeline } from '../values.ts';
import { type ComposedText, composeText, type Medium, postJson, shortUrl, shortUrlLetters } from './post.ts';

export interface NewPost {
  readonly user: User;
  readonly text: ComposedText;
  readonly media: readonly Medium[];
  readonly timestamp: number;
  readonly type: number;
}

/** Ids of users and posts begin at 1; index 0 of all lists is unused. */
export class SocialState {
  accounts: Accounts = new Accounts();
  /** Their JSON; '' for an id that was used up for nothing. */
  readonly posts: string[] = [''];
  /** By their letters. */
  readonly urls: Map<string, string> = new Map();
  readonly followers: Set<number>[] = [new Set()];
  readonly followees: Set<number>[] = [new Set()];
  /** Ids of posts, ascending. */
  readonly homeTimelines: number[][] = [[]];
  readonly userTimelines: number[][] = [[]];

  copy(): SocialState {
    const copy = new SocialState();
    copy.accounts = this.accounts.copy();
    for (const [letters, url] of this.urls) copy.urls.set(letters, url);
    fill(copy.posts, this.posts, (post) => post);
    fill(copy.followers, this.followers, (set) => new Set(set));
    fill(copy.followees, this.followees, (set) => new Set(set));
    fill(copy.homeTimelines, this.homeTimelines, (ids) => [...ids]);
    fill(copy.userTimelines, this.userTimelines, (ids) => [...ids]);
    return copy;
  }

  get userCount(): number {
    return this.accounts.count;
  }

  /** What there is for each user beside the account. */
  addNode(): void {
    this.followers.push(new Set());
    this.followees.push(new Set());
    this.homeTimelines.push([]);
    this.userTimelines.push([]);
  }

  /** Whether anything changed. */
  setFollows(user: number, followee: number, follows: boolean): boolean {
    const followees = this.followees[user];
    const followers = this.followers[followee];
    if (followees === undefined || followers === undefined || followees.has(followee) === follows) return false;
    if (follows) {
      followees.add(followee);
      followers.add(user);
    } else {
      followees.delete(followee);
      followers.delete(user);
    }
    return true;
  }

  /** What the text service does with a text that is not refused. */
  composeText(text: string): ComposedText {
    return composeText(text, {
      userId: (name) => this.accounts.find(name)?.id,
      shorten: (url) => {
        const short = shortUrl(this.urls.size + 1);
        this.urls.set(shortUrlLetters(short) ?? '', url);
        return short;
      },
    });
  }

  /** For a post that came to nothing: its id is used up. */
  skipPost(): void {
    this.posts.push('');
  }

  /** Returns the id. */
  addPost({ user, text, media, timestamp, type }: NewPost): number {
    const id = this.posts.length;
    const creator = { user_id: user.id, username: user.username };
    this.posts.push(postJson({ id, creator, text, media, timestamp, type }));
    addToTimeline(this.userTimelines[user.id], id);
    for (const follower of this.followers[user.id] ?? []) addToTimeline(this.homeTimelines[follower], id);
    for (const mention of text.user_mentions) addToTimeline(this.homeTimelines[mention.user_id], id);
    return id;
  }

  /** All entries of the key-value store. */
  *entries(random: Random): Iterable<ApplicationEntry> {
    yield* this.accounts.entries('social', random);
    yield counterEntry('social-counters', 'post', this.posts.length - 1);
    yield counterEntry('social-counters', 'url', this.urls.size);
    for (let id = 1; id <= this.userCount; id += 1) {
      const key = numberKey(id);
      yield { space: 'social-followers', key, value: idSet(this.followers[id] ?? []) };
      yield { space: 'social-followees', key, value: idSet(this.followees[id] ?? []) };
      yield { space: 'social-home-timelines', key, value: timeline(this.homeTimelines[id] ?? []) };
      yield { space: 'social-user-timelines', key, value: timeline(this.userTimelines[id] ?? []) };
    }
    for (const [id, post] of this.posts.entries()) {
      if (post !== '') yield { space: 'social-posts', key: numberKey(id), value: Buffer.from(post) };
    }
    for (const [letters, url] of this.urls) {
      yield { space: 'social-urls', key: Buffer.from(letters), value: Buffer.from(url) };
    }
  }
}

function fill<T>(to: T[], from: readonly T[], copy: (item: T) => T): void {
  for (const [index, item] of from.entries()) to[index] = copy(item);
}
