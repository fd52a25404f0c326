/** A post as the services make it, in plain TypeScript. */

const MEDIA_MAX = 4;
const SHORT_PREFIX = 'http://short-url/';

/** A mention, or a URL. They are found from the left, so a URL can hold no mention, and the other way round. */
const PARTS = /@[A-Za-z0-9_-]+|https?:\/\/[A-Za-z0-9!$%&'()*+,\-./:;=?_~#]+/g;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

export interface Medium {
  readonly media_id: string;
  readonly media_type: string;
}

export interface Creator {
  readonly user_id: number;
  readonly username: string;
}

/** What the text service makes of a text. */
export interface ComposedText {
  readonly text: string;
  readonly user_mentions: readonly Creator[];
  readonly urls: readonly { readonly shortened_url: string; readonly expanded_url: string }[];
}

/** What the text service needs of others. */
export interface TextServices {
  /** The id of a user; undefined when there is none of this name. */
  userId(username: string): number | undefined;
  /** Keeps a URL; returns its shortened form. */
  shorten(url: string): string;
}

export function composeText(text: string, services: TextServices): ComposedText {
  const mentions = new Map<string, Creator>();
  const urls: { shortened_url: string; expanded_url: string }[] = [];
  const shortened = text.replace(PARTS, (part) => {
    if (part.startsWith('@')) {
      const username = part.slice(1);
      const id = services.userId(username);
      if (id !== undefined) mentions.set(username, { user_id: id, username });
      return part;
    }
    const short = services.shorten(part);
    urls.push({ shortened_url: short, expanded_url: part });
    return short;
  });
  return { text: shortened, user_mentions: [...mentions.values()], urls };
}

export interface PostParts {
  readonly id: number;
  readonly creator: Creator;
  readonly text: ComposedText;
  readonly media: readonly Medium[];
  readonly timestamp: number;
  readonly type: number;
}

/** The JSON text that post-storage keeps. */
export function postJson({ id, creator, text, media, timestamp, type }: PostParts): string {
  return JSON.stringify({ post_id: id, creator, ...text, media, timestamp, post_type: type });
}

export function areMediaValid(media: readonly Medium[]): boolean {
  return (
    media.length <= MEDIA_MAX &&
    media.every(({ media_id, media_type }) => /^\d{1,20}$/.test(media_id) && /^(png|jpg|gif|mp4)$/.test(media_type))
  );
}

/** The shortened form of the URL that was the `number`-th, from 1 on. */
export function shortUrl(number: number): string {
  let rest = (BigInt(number) * 0x2c1b3c6d5abn) & ((1n << 42n) - 1n);
  let letters = '';
  for (let i = 0; i < 8; i += 1) {
    letters = (DIGITS[Number(rest % 62n)] ?? '') + letters;
    rest /= 62n;
  }
  return SHORT_PREFIX + letters;
}

/** The letters of a shortened URL; undefined when it is none. */
export function shortUrlLetters(url: string): string | undefined {
  return url.startsWith(SHORT_PREFIX) ? url.slice(SHORT_PREFIX.length) : undefined;
}
