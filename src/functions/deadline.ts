/** How long an invocation may take: the bounds and the default, for everything that takes such an option. */
import { TIMEOUT_MS_MAX } from '../../core/layout.ts';
import { JordError } from '../errors.ts';

export const DEADLINE_MS_DEFAULT = 10_000;
export const DEADLINE_MS_MAX: number = TIMEOUT_MS_MAX;
/** A header field of a request, which shortens the deadline of its invocation. */
export const DEADLINE_FIELD = 'jord-deadline-ms';
/** A sentence for messages, behind what the value is called. */
export const DEADLINE_RULE = `is a whole number of milliseconds from 1 to ${DEADLINE_MS_MAX}`;

export function isDeadlineMs(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= DEADLINE_MS_MAX;
}

/** Throws BAD_OPTION, with `name` for what has the value. */
export function checkDeadlineMs(name: string, value: number): number {
  if (isDeadlineMs(value)) return value;
  throw new JordError('BAD_OPTION', `${name} ${DEADLINE_RULE}, not ${String(value)}.`);
}

/** The same from text. */
export function parseDeadlineMs(name: string, text: string): number {
  return checkDeadlineMs(name, /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN);
}
