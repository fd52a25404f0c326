/** The social network in plain TypeScript: what each request is to be answered with. */
import type { AccountFields } from '../accounts.ts';
import { badRequest, commonFailure, failureJson, isRange, PAGE_LENGTH, whyTextRefused } from '../answers.ts';
import type { ApplicationModel, ApplicationRequest } from '../application.ts';
import { areMediaValid, type Medium, shortUrlLetters } from './post.ts';
import type { SocialState } from './state.ts';

/** The messages by code, as functions/shared/failures.ts has them. */
const FAILURES = {
  invalid_media: 'a post has at most 4 media, png, jpg, gif or mp4, with ids of digits',
  own_follow: 'nobody can follow themselves',
  unknown_url: 'there is no such shortened URL',
} as const;

const POST_TYPE_MAX = 3;

/** What a request may have; which of it is needed depends on the request. */
interface Fields extends AccountFields {
  readonly timeline?: 'home' | 'user';
  readonly url?: string;
  readonly operation?: string;
  readonly user_id?: number;
  readonly followee_id?: number;
  readonly start?: number;
  readonly stop?: number;
  readonly text?: string;
  readonly media_ids?: readonly string[];
  readonly media_types?: readonly string[];
  readonly post_type?: number;
}

export class SocialModel implements ApplicationModel {
  readonly #state: SocialState;

  constructor(state: SocialState) {
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
    if (name === 'social-frontend-post') return this.#compose(fields);
    if (name === 'social-frontend-read') return this.#read(fields);
    if (name !== 'social-frontend-user') throw new Error(`no front function of this name: ${name}`);
    if (fields.operation === 'login') return this.#state.accounts.login(fields);
    if (fields.operation === 'register') return this.#register(fields);
    if (fields.operation === 'follow' || fields.operation === 'unfollow') return this.#follow(fields);
    return undefined;
  }

  #read({ timeline, url, user_id, start = 0, stop = start + PAGE_LENGTH }: Fields): string | undefined {
    if (url !== undefined) {
      const expanded = this.#state.urls.get(shortUrlLetters(url) ?? '');
      return expanded === undefined ? failure('unknown_url') : JSON.stringify({ expanded_url: expanded });
    }
    if (timeline === undefined || user_id === undefined) return undefined;
    if (!isRange(start, stop)) return commonFailure('invalid_range');
    const timelines = timeline === 'home' ? this.#state.homeTimelines : this.#state.userTimelines;
    const ids = [...(timelines[user_id] ?? [])].reverse().slice(start, stop);
    return `{"posts":[${ids.map((id) => this.#state.posts[id]).join(',')}]}`;
  }

  #compose(fields: Fields): string | undefined {
    const { user_id, username, text = '', media_ids = [], media_types = [], post_type = 0, timestamp = 0 } = fields;
    if (user_id === undefined || username === undefined || username === '' || post_type > POST_TYPE_MAX)
      return undefined;
    if (media_ids.length !== media_types.length) return failure('invalid_media');
    const media: Medium[] = media_ids.map((id, index) => ({ media_id: id, media_type: media_types[index] ?? '' }));
    const user = this.#state.accounts.find(username);
    const refusal = whyTextRefused(text);
    // The services are asked all at once: what one of them has done stays, though another one refuses.
    const composed = refusal === undefined ? this.#state.composeText(text) : undefined;
    if (composed !== undefined && user?.id === user_id && areMediaValid(media)) {
      const id = this.#state.addPost({ user, text: composed, media, timestamp, type: post_type });
      return JSON.stringify({ post_id: id });
    }
    this.#state.skipPost();
    if (refusal !== undefined) return commonFailure(refusal);
    return user?.id === user_id ? failure('invalid_media') : commonFailure('unknown_user');
  }

  #register(fields: Fields): string {
    const registered = this.#state.accounts.register(fields);
    if (typeof registered === 'string') return registered;
    this.#state.addNode();
    return JSON.stringify({ user_id: registered.id });
  }

  #follow({ operation, user_id, followee_id }: Fields): string | undefined {
    if (user_id === undefined || followee_id === undefined) return undefined;
    if (user_id === followee_id) return failure('own_follow');
    if (Math.max(user_id, followee_id) > this.#state.userCount) return commonFailure('unknown_user');
    return JSON.stringify({ changed: this.#state.setFollows(user_id, followee_id, operation === 'follow') });
  }
}

function failure(code: keyof typeof FAILURES): string {
  return failureJson(code, FAILURES[code]);
}
