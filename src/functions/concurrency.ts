/** How many invocations of a function may be under way at once: the bounds, for everything that takes such an option. */
import { JordError } from '../errors.ts';

export const CONCURRENCY_MAX = 65535;

export function isConcurrency(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= CONCURRENCY_MAX;
}

/** Throws BAD_OPTION, with `name` for what has the value. */
export function checkConcurrency(name: string, value: number): number {
  if (isConcurrency(value)) return value;
  throw badConcurrency(name, String(value));
}

/** The same from text. */
export function parseConcurrency(name: string, text: string): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (isConcurrency(value)) return value;
  throw badConcurrency(name, JSON.stringify(text));
}

function badConcurrency(name: string, shown: string): JordError {
  const message = `${name} is a whole number of invocations from 1 to ${CONCURRENCY_MAX}, not ${shown}.`;
  return new JordError('BAD_OPTION', message);
}
