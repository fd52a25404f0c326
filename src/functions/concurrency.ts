/** How many invocations of a function may be under way at once: the bounds, for everything that takes such an option. */
import { JordError } from '../errors.ts';

export const CONCURRENCY_MAX = 65535;

export function isConcurrency(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= CONCURRENCY_MAX;
}

/** Throws BAD_OPTION, with `name` for what has the value. */
export function checkConcurrency(name: string, value: number): number {
  if (isConcurrency(value)) return value;
  throw new JordError(
    'BAD_OPTION',
    `${name} is a whole number of invocations from 1 to ${CONCURRENCY_MAX}, not ${String(value)}.`,
  );
}
