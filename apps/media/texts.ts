/** Titles, plots and reviews. */
import type { Random } from '../random.ts';

export const GENRES: readonly string[] =
  'Action Adventure Animation Comedy Crime Documentary Drama Family Fantasy History Horror Music Mystery Romance Thriller'.split(
    ' ',
  );
const ADJECTIVES: readonly string[] =
  'Amber Blind Broken Café Crimson Distant Eternal Forgotten Golden Hidden Last Little Lonely Long Lost Naïve Quiet Second Secret Silent Stolen Summer Uncertain Velvet White Wild Winter'.split(
    ' ',
  );
const NOUNS: readonly string[] =
  'Archive Bridge Captain Cartographer Clock Comet Daughter Detective Empire Engine Express Garden Harbour Hotel Island Journey Kingdom Ladder Letter Lighthouse Mirror Mountain Night Orchard Piano River Señorita Sea Shadow Station Storm Street Tower Train Waltz Winter'.split(
    ' ',
  );
const WORDS: readonly string[] = (
  'a about acting after all almost always and anyone as at beautiful because before best between but by camera cast character ' +
  'clumsy could dialogue director does dull end ending even every excellent expected eyes face family fear few film first for ' +
  'forget from funny good great had half has have heart her here hero his how I if in into is it its joke just know last laugh ' +
  'less life light like little long look lost love made make many me moment more most movie much music must my mystery never ' +
  'no not nothing of old on once one only or other our over people plot quiet rather really run scene score see seen "serious" ' +
  'she should so some something sound still story strange than that the their them then there these they thing think this time ' +
  'to told too twist two under until up us very voice war was watch way we well were what when where which while who why will ' +
  'with without woman words work world would years you young – déjà-vu 映画 🎬'
).split(' ');
/** As in the load generator of the original. */
const REVIEW_LENGTH = 256;

export function makeTitle(random: Random): string {
  const title = `The ${random.pick(ADJECTIVES)} ${random.pick(NOUNS)}`;
  return random.chance(0.4) ? `${title}: ${random.pick(ADJECTIVES)} ${random.pick(NOUNS)}` : title;
}

/** Text of about this many characters. */
export function makeProse(random: Random, length: number): string {
  let text = random.pick(WORDS);
  while (text.length < length) text += ` ${random.pick(WORDS)}`;
  return text;
}

export function makeReviewText(random: Random): string {
  return makeProse(random, REVIEW_LENGTH);
}
