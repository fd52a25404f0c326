/** What models answer where something is wrong, as shared/codes.ts has it for the functions. */
import assert from 'node:assert/strict';

/** The messages of refusals by code, of all applications that have these. */
export const COMMON_FAILURES = {
  unknown_user: 'there is no such user',
  wrong_credentials: 'the username or the password is wrong',
  username_taken: 'somebody else has this username',
  invalid_username: 'a username has 3 to 32 letters, digits, - and _',
  invalid_password: 'a password has 8 to 64 bytes',
  invalid_name: 'a first and a last name have 1 to 64 bytes',
  text_empty: 'a text is needed',
  text_too_long: 'a text has at most 1,000 characters',
  invalid_range: 'a page begins at 0 or later and has at most 100 items',
} as const;

export type CommonFailure = keyof typeof COMMON_FAILURES;

/** Most characters of a text. */
export const TEXT_LENGTH_MAX = 1000;
/** Length of a page when the request does not say where it ends. */
export const PAGE_LENGTH = 10;
const PAGE_LENGTH_MAX = 100;

export function failureJson(code: string, message: string): string {
  return JSON.stringify({ error: { code, message } });
}

export function commonFailure(code: CommonFailure): string {
  return failureJson(code, COMMON_FAILURES[code]);
}

export function isRange(start: number, stop: number): boolean {
  return start >= 0 && stop >= start && stop - start <= PAGE_LENGTH_MAX;
}

/** Why a text is refused. */
export function whyTextRefused(text: string): CommonFailure | undefined {
  if (text === '') return 'text_empty';
  return [...text].length > TEXT_LENGTH_MAX ? 'text_too_long' : undefined;
}

/** The answer to a request that cannot be understood: with whatever message, since that is the reader's. */
export function badRequest(actual: Uint8Array): Uint8Array {
  const answer: unknown = JSON.parse(new TextDecoder().decode(actual));
  const { error } = answer as { error?: { code?: unknown; message?: unknown } };
  assert.equal(error?.code, 'bad_request');
  assert.ok(typeof error.message === 'string' && error.message !== '');
  return Buffer.from(failureJson(error.code, error.message));
}
