/**
 * Accounts: a user in a space of users, by username: `u32 id, u8 length of the first name, u8 of the last name, u16 -, salt,
 * hash, first name, last name`. The hash is SHA-256 over the password and then the salt.
 *
 * REGISTER: `u32 operation, u8 lengths of username, password, first name, last name, the four`
 * LOGIN: `u32 operation, u8 lengths of username and password, u16 -, f64 time in ms, the two` → `u32 0, token`
 */
import { ArgBuf, JsonReader, random, Request, Response, Space, Status, time, View } from 'jord';
import { Code } from './codes';
import { refuse } from './service';
import { SHA256_LENGTH, sha256 } from './sha256';
import { writeToken } from './token';

const FIRST_LENGTH: i32 = 4;
const LAST_LENGTH: i32 = 5;
const SALT: i32 = 8;
const SALT_LENGTH: i32 = 16;
const HASH: i32 = 24;
const NAMES: i32 = 56;

const USERNAME_LENGTH_MIN: i32 = 3;
const USERNAME_LENGTH_MAX: i32 = 32;
const PASSWORD_LENGTH_MIN: i32 = 8;
const PASSWORD_LENGTH_MAX: i32 = 64;
const NAME_LENGTH_MAX: i32 = 64;

const NOTHING: View = new View(0, 0);
/** A record whose password nobody can know: no text has a hash of zeros. */
const NOBODY: View = new View(memory.data(56), NAMES);

/** The id of a user, from 1 on; 0 when there is none of this name. */
export function userIdOf(users: Space, username: View): u32 {
  if (username.length < USERNAME_LENGTH_MIN || username.length > USERNAME_LENGTH_MAX) return 0;
  const record = users.getBytes(username);
  if (record == null) return 0;
  const id = record.load<u32>(0);
  record.release();
  return id;
}

/** A byte that usernames may have. */
export function isUsernameByte(byte: u8): bool {
  const letter = byte | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte == 0x2d || byte == 0x5f;
}

/** Does REGISTER: the id of the new user, or below 0 the code of a refusal. `counters` has the last id as `user`. */
export function register(users: Space, counters: Space, request: Request): i64 {
  const username = request.slice(8, 8 + request[4]);
  const password = after(request, username, request[5]);
  const firstName = after(request, password, request[6]);
  const lastName = after(request, firstName, request[7]);
  const code = whyRefused(username, password, firstName, lastName);
  if (code != 0) return -code;
  // Looked up first, so that ids are not used up for nothing.
  if (userIdOf(users, username) != 0) return -Code.USERNAME_TAKEN;
  const id = <u32>counters.add('user');
  const put = users.putBytes(username, makeRecord(id, password, firstName, lastName), 0);
  if (put == Status.KV_CONFLICT) return -Code.USERNAME_TAKEN;
  if (put < 65536) throw new Error(`the user cannot be kept: status ${put}`);
  return id;
}

/** Does LOGIN: the answer. `secrets` has what tokens are signed with as `token`. */
export function login(users: Space, secrets: Space, request: Request): Response {
  const username = request.slice(16, 16 + request[4]);
  const password = after(request, username, request[5]);
  const isName = username.length >= USERNAME_LENGTH_MIN && username.length <= USERNAME_LENGTH_MAX;
  const found = isName ? users.getBytes(username) : null;
  // Where there is no such user something is compared all the same, so that nobody can tell by the time who there is.
  const record: View = found == null ? NOBODY : found;
  const digest = heap.alloc(SHA256_LENGTH);
  sha256(password, record.slice(SALT, SALT + SALT_LENGTH), digest);
  if (!isSame(record.slice(HASH, HASH + SHA256_LENGTH), digest)) return refuse(Code.WRONG_CREDENTIALS);
  return new Response(writeToken(secrets, record.load<u32>(0), username, request.load<f64>(8)));
}

/** Takes as long whatever the bytes are. */
function isSame(left: View, right: usize): bool {
  let different: u32 = 0;
  for (let i = 0; i < left.length; i++) different |= left[i] ^ load<u8>(right + <usize>i);
  return different == 0;
}

/** The part of a request that follows another one. */
function after(request: Request, part: View, length: i32): View {
  const start = <i32>(part.pointer - request.pointer) + part.length;
  return request.slice(start, start + length);
}

function whyRefused(username: View, password: View, firstName: View, lastName: View): i32 {
  if (username.length < USERNAME_LENGTH_MIN || username.length > USERNAME_LENGTH_MAX) return Code.INVALID_USERNAME;
  for (let i = 0; i < username.length; i++) if (!isUsernameByte(username[i])) return Code.INVALID_USERNAME;
  if (password.length < PASSWORD_LENGTH_MIN || password.length > PASSWORD_LENGTH_MAX) return Code.INVALID_PASSWORD;
  if (firstName.isEmpty || firstName.length > NAME_LENGTH_MAX) return Code.INVALID_NAME;
  return lastName.isEmpty || lastName.length > NAME_LENGTH_MAX ? Code.INVALID_NAME : 0;
}

function makeRecord(id: u32, password: View, firstName: View, lastName: View): ArgBuf {
  const record = new ArgBuf(NAMES + firstName.length + lastName.length);
  record.store<u32>(0, id);
  record[FIRST_LENGTH] = <u8>firstName.length;
  record[LAST_LENGTH] = <u8>lastName.length;
  const salt = record.slice(SALT, SALT + SALT_LENGTH);
  random.fill(salt);
  sha256(password, salt, record.pointer + HASH);
  record.set(firstName, NAMES);
  record.set(lastName, NAMES + firstName.length);
  return record;
}

/** What a front function reads of a request that is about an account, and makes a request to the service of. */
export class AccountFields {
  username: View = NOTHING;
  password: View = NOTHING;
  firstName: View = NOTHING;
  lastName: View = NOTHING;
  timeMs: f64 = -1;

  /** Reads a member of an object if it is one of these. */
  read(json: JsonReader): void {
    if (json.keyIs('username')) this.username = json.utf8();
    else if (json.keyIs('password')) this.password = json.utf8();
    else if (json.keyIs('first_name')) this.firstName = json.utf8();
    else if (json.keyIs('last_name')) this.lastName = json.utf8();
    else if (json.keyIs('timestamp')) this.timeMs = <f64>json.integer<i64>();
  }

  /** Why these cannot be told to the service; 0 when they can. It has one byte for a length, and looks closer. */
  get tooLong(): i32 {
    if (this.username.length > 255) return Code.INVALID_USERNAME;
    if (this.password.length > 255) return Code.INVALID_PASSWORD;
    return this.firstName.length > 255 || this.lastName.length > 255 ? Code.INVALID_NAME : 0;
  }

  registerRequest(operation: u32): ArgBuf {
    const names = this.firstName.length + this.lastName.length;
    const ask = new ArgBuf(8 + this.username.length + this.password.length + names);
    ask.store<u32>(0, operation);
    let at = append(ask, 4, 8, this.username);
    at = append(ask, 5, at, this.password);
    at = append(ask, 6, at, this.firstName);
    append(ask, 7, at, this.lastName);
    return ask;
  }

  loginRequest(operation: u32): ArgBuf {
    const ask = new ArgBuf(16 + this.username.length + this.password.length);
    ask.store<u32>(0, operation);
    ask.store<f64>(8, this.timeMs < 0 ? time() : this.timeMs);
    const at = append(ask, 4, 16, this.username);
    append(ask, 5, at, this.password);
    return ask;
  }
}

/** Writes a part and its length; returns where the next part begins. */
function append(ask: ArgBuf, lengthAt: i32, at: i32, part: View): i32 {
  ask[lengthAt] = <u8>part.length;
  ask.set(part, at);
  return at + part.length;
}
