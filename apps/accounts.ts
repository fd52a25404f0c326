/** The users of an application in plain TypeScript, as shared/accounts.ts and shared/token.ts have them for the functions. */
import { createHash, createHmac } from 'node:crypto';
import { commonFailure } from './answers.ts';
import type { ApplicationEntry } from './application.ts';
import type { Random } from './random.ts';
import { counterEntry } from './values.ts';

/** What tokens are signed with. */
const TOKEN_SECRET = 'a secret of the measurements alone';
const TTL_SECONDS = 3600;

export interface User {
  /** From 1 on. */
  readonly id: number;
  readonly username: string;
  readonly password: string;
  readonly firstName: string;
  readonly lastName: string;
}

/** What requests to register and to log in may have. */
export interface AccountFields {
  readonly username?: string;
  readonly password?: string;
  readonly first_name?: string;
  readonly last_name?: string;
  readonly timestamp?: number;
}

export class Accounts {
  readonly #users: Map<string, User>;

  constructor(users: Iterable<readonly [string, User]> = []) {
    this.#users = new Map(users);
  }

  copy(): Accounts {
    return new Accounts(this.#users);
  }

  get count(): number {
    return this.#users.size;
  }

  find(username: string): User | undefined {
    return this.#users.get(username);
  }

  all(): readonly User[] {
    return [...this.#users.values()];
  }

  add(details: Omit<User, 'id'>): User {
    const user = { id: this.count + 1, ...details };
    this.#users.set(user.username, user);
    return user;
  }

  /** The new user, or the answer that refuses. */
  register({ username = '', password = '', first_name = '', last_name = '' }: AccountFields): User | string {
    if (!/^[A-Za-z0-9_-]{3,32}$/.test(username)) return commonFailure('invalid_username');
    if (!isLength(password, 8)) return commonFailure('invalid_password');
    if (!isLength(first_name, 1) || !isLength(last_name, 1)) return commonFailure('invalid_name');
    if (this.#users.has(username)) return commonFailure('username_taken');
    return this.add({ username, password, firstName: first_name, lastName: last_name });
  }

  /** The answer. */
  login({ username = '', password = '', timestamp = 0 }: AccountFields): string {
    const user = this.#users.get(username);
    if (user === undefined || user.password !== password) return commonFailure('wrong_credentials');
    return JSON.stringify({ token: tokenOf(user, timestamp) });
  }

  /** In the spaces `<application>-users`, `-secrets` and, for the last id, `-counters`. */
  *entries(application: string, random: Random): Iterable<ApplicationEntry> {
    yield counterEntry(`${application}-counters`, 'user', this.count);
    yield { space: `${application}-secrets`, key: Buffer.from('token'), value: Buffer.from(TOKEN_SECRET) };
    for (const user of this.#users.values()) {
      const key = Buffer.from(user.username);
      yield { space: `${application}-users`, key, value: userRecord(user, random.bytes(16)) };
    }
  }
}

function isLength(text: string, min: number): boolean {
  const length = Buffer.byteLength(text);
  return length >= min && length <= 64;
}

function tokenOf({ id, username }: User, timeMs: number): string {
  const timestamp = String(Math.floor(timeMs / 1000));
  const claims = { user_id: String(id), username, timestamp, ttl: String(TTL_SECONDS) };
  const signed = [{ alg: 'HS256', typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${signed}.${createHmac('sha256', TOKEN_SECRET).update(signed).digest('base64url')}`;
}

function userRecord({ id, password, firstName, lastName }: User, salt: Uint8Array): Uint8Array {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(id);
  head.writeUInt8(Buffer.byteLength(firstName), 4);
  head.writeUInt8(Buffer.byteLength(lastName), 5);
  const hash = createHash('sha256').update(password).update(salt).digest();
  return Buffer.concat([head, salt, hash, Buffer.from(firstName), Buffer.from(lastName)]);
}

const FIRST_NAMES: readonly string[] =
  'Ada Alan Barbara Claude Dana Edsger Frances Grace Hedy Ivan Jean Katherine Leslie Margaret Niklaus Ole Radia Sophie Tim Wei'.split(
    ' ',
  );
const LAST_NAMES: readonly string[] =
  'Allen Bartik Dijkstra Hamilton Hopper Johnson Knuth Lamarr Lamport Liskov Lovelace Perlman Shannon Sutherland Turing Wilson'.split(
    ' ',
  );

export function makeName(random: Random): { readonly firstName: string; readonly lastName: string } {
  return { firstName: random.pick(FIRST_NAMES), lastName: random.pick(LAST_NAMES) };
}

/** Adds users with usernames such as `ada_1` and passwords such as `password_1`. */
export function addUsers(accounts: Accounts, random: Random, count: number): void {
  for (let i = 0; i < count; i += 1) {
    const name = makeName(random);
    const number = accounts.count + 1;
    accounts.add({ username: `${name.firstName.toLowerCase()}_${number}`, password: `password_${number}`, ...name });
  }
}
