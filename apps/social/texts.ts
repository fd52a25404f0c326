/** Texts and media for the social network. */
import type { Random } from '../random.ts';
import type { Medium } from './post.ts';

const WORDS: readonly string[] = (
  'a about after all and another are as at away back be because been before better between bread but by café came can cat ' +
  'city coffee come could day did down each early evening every far few first for friend from garden gave go good great had ' +
  'has have he her here him his home house how I if in into is it its just know last late letter light like little long ' +
  'look made make many me meeting might minute more morning most mountain much music must my naïve never new night no not now ' +
  'of off old on once one only or other our out over own people place rain read river said same saw say "see" she should so ' +
  'some song station still story street such summer sun take talk than that the their them then there these they thing ' +
  'think this those time to today together told tomorrow too train tree two under up us very walk want was water way we ' +
  'week well went were what when where which while who why wind window winter with word work world would year yes yesterday ' +
  'you young your – über 東京 🙂'
).split(' ');
/** Lengths and numbers as in the load generator of the original: 256 characters, up to 5 mentions and URLs, up to 4 media. */
const PROSE_LENGTH = 256;
const MENTIONS_MAX = 5;
const URLS_MAX = 5;
const MEDIA_MAX = 4;
const URL_LENGTH = 64;
const URL_LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** The text of a post, with mentions and URLs behind it. */
export function makeText(random: Random, username: () => string): string {
  let text = '';
  while (text.length < PROSE_LENGTH) text += `${random.pick(WORDS)} `;
  for (let left = random.between(0, MENTIONS_MAX); left > 0; left -= 1) text += `@${username()} `;
  for (let left = random.between(0, URLS_MAX); left > 0; left -= 1) text += `http://${letters(random, URL_LENGTH)} `;
  return text.trimEnd();
}

export function makeMedia(random: Random): Medium[] {
  return Array.from({ length: random.between(0, MEDIA_MAX) }, () => ({
    media_id: String(random.between(1, 9)) + Array.from({ length: 17 }, () => random.below(10)).join(''),
    media_type: random.pick(['png', 'jpg', 'gif', 'mp4']),
  }));
}

function letters(random: Random, count: number): string {
  let text = '';
  for (let i = 0; i < count; i += 1) text += URL_LETTERS[random.below(URL_LETTERS.length)] ?? '';
  return text;
}
