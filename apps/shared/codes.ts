/** What can go wrong, as services tell each other (a number) and as those outside are told (JSON). */
import { Response } from 'jord';
import { failure } from './failure';

/** What more than one application knows. The codes of a single one begin at 32. */
export namespace Code {
  /** The service faulted, or is not there. */
  export const SERVICE_FAILED: i32 = 1;
  export const UNKNOWN_USER: i32 = 2;
  export const WRONG_CREDENTIALS: i32 = 3;
  export const USERNAME_TAKEN: i32 = 4;
  export const INVALID_USERNAME: i32 = 5;
  export const INVALID_PASSWORD: i32 = 6;
  export const INVALID_NAME: i32 = 7;
  export const TEXT_EMPTY: i32 = 8;
  export const TEXT_TOO_LONG: i32 = 9;
  export const INVALID_RANGE: i32 = 10;
}

export class Failure {
  constructor(
    readonly code: i32,
    readonly status: i32,
    readonly name: string,
    readonly message: string,
  ) {}
}

const COMMON: Failure[] = [
  new Failure(Code.SERVICE_FAILED, 502, 'service_failed', 'a service did not answer'),
  new Failure(Code.UNKNOWN_USER, 404, 'unknown_user', 'there is no such user'),
  new Failure(Code.WRONG_CREDENTIALS, 401, 'wrong_credentials', 'the username or the password is wrong'),
  new Failure(Code.USERNAME_TAKEN, 409, 'username_taken', 'somebody else has this username'),
  new Failure(Code.INVALID_USERNAME, 400, 'invalid_username', 'a username has 3 to 32 letters, digits, - and _'),
  new Failure(Code.INVALID_PASSWORD, 400, 'invalid_password', 'a password has 8 to 64 bytes'),
  new Failure(Code.INVALID_NAME, 400, 'invalid_name', 'a first and a last name have 1 to 64 bytes'),
  new Failure(Code.TEXT_EMPTY, 400, 'text_empty', 'a text is needed'),
  new Failure(Code.TEXT_TOO_LONG, 400, 'text_too_long', 'a text has at most 1,000 characters'),
  new Failure(Code.INVALID_RANGE, 400, 'invalid_range', 'a page begins at 0 or later and has at most 100 items'),
];

/** The answer to those outside for a code; `own` are those of the application. */
export function failedBy(code: i32, own: Failure[]): Response {
  const failures = code < 32 ? COMMON : own;
  for (let i = 0; i < failures.length; i++) {
    if (failures[i].code == code) return failure(failures[i].status, failures[i].name, failures[i].message);
  }
  return failedBy(Code.SERVICE_FAILED, own);
}
