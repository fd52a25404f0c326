/**
 * Finds the users that a text names. `u32 count`, then for each `u8 length, username` → `u32 0, u32 count`, then for each
 * `u32 id`, 0 where there is no such user
 */
import { Request, Response, Space } from 'jord';
import { newAnswer } from '../../shared/service';
import { userIdOf } from '../../shared/accounts';

const USERS = Space.open('social-users');

export function handle(request: Request): Response {
  const count = request.load<i32>(0);
  const answer = newAnswer(8 + 4 * count);
  answer.store<i32>(4, count);
  let at = 4;
  for (let i = 0; i < count; i++) {
    const length: i32 = request[at];
    answer.store<u32>(8 + 4 * i, userIdOf(USERS, request.slice(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return new Response(answer);
}
