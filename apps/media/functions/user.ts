/**
 * Who users are: registers them, lets them in, and says who made a review.
 *
 * REGISTER: as shared/accounts.ts has it → `u32 0, u32 id`
 * LOGIN: as shared/accounts.ts has it
 * REVIEWER: `u32 operation, username` → `u32 0, u32 id`, then the JSON `"user":{"user_id":…,"username":…}`
 */
import { Request, Response, Space, View } from 'jord';
import { login, register, userIdOf } from '../../shared/accounts';
import { Code } from '../../shared/codes';
import { JsonFragment } from '../../shared/json-fragment';
import { newAnswer, refuse } from '../../shared/service';
import { utf8 } from '../../shared/text';
import { UserOperation } from './shared/operations';

const USERS = Space.open('media-users');
const COUNTERS = Space.open('media-counters');
const SECRETS = Space.open('media-secrets');

/** The two words are filled in. */
const USER_BEGIN: View = utf8('\0\0\0\0\0\0\0\0"user":{"user_id":');
const USERNAME: View = utf8(',"username":"');
const USER_END: View = utf8('"}');

export function handle(request: Request): Response {
  const operation = request.load<u32>(0);
  if (operation == UserOperation.REVIEWER) return reviewer(request.slice(4));
  return operation == UserOperation.LOGIN ? login(USERS, SECRETS, request) : addUser(request);
}

function reviewer(username: View): Response {
  const id = userIdOf(USERS, username);
  if (id == 0) return refuse(Code.UNKNOWN_USER);
  const out = new JsonFragment(128);
  out.bytes(USER_BEGIN).integer(id).bytes(USERNAME).bytes(username).bytes(USER_END);
  const answer = out.argbuf();
  answer.store<u32>(4, id);
  return new Response(answer);
}

function addUser(request: Request): Response {
  const registered = register(USERS, COUNTERS, request);
  if (registered < 0) return refuse(<i32>-registered);
  const answer = newAnswer(8);
  answer.store<u32>(4, <u32>registered);
  return new Response(answer);
}
