/**
 * Whether a name and a password belong together. The space `hotel-users` has a value for each name: 16 bytes of salt, and
 * the SHA-256 of this and the password.
 */
import { ArgBuf, Request, Response, Space } from 'jord';
import { SHA256_LENGTH, sha256 } from '../../shared/sha256';

const SALT_LENGTH: i32 = 16;

const users = Space.open('hotel-users');

export function handle(request: Request): Response {
  const nameEnd = 4 + request.load<i32>(0);
  const user = users.getBytes(request.slice(4, nameEnd));
  // Without a user something is hashed all the same, so that nobody can tell by the time who there is.
  const salt = user == null ? request.slice(0, 4) : user.slice(0, SALT_LENGTH);
  const digest = memory.data(SHA256_LENGTH);
  sha256(salt, request.slice(nameEnd), digest);
  let difference: u64 = user == null ? 1 : 0;
  if (user != null) {
    const expected = user.pointer + SALT_LENGTH;
    for (let i: usize = 0; i < <usize>SHA256_LENGTH; i += 8)
      difference |= load<u64>(expected + i) ^ load<u64>(digest + i);
  }
  const answer = new ArgBuf(4);
  answer.store<u32>(0, difference == 0 ? 1 : 0);
  return new Response(answer);
}
