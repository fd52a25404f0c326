/**
 * Who users are: registers them, lets them in, and says who made a post.
 *
 * REGISTER: as shared/accounts.ts has it → `u32 0, u32 id`
 * LOGIN: as shared/accounts.ts has it
 * CREATOR: `u32 operation, u32 id, username` → `u32 0`, then the JSON `"creator":{"user_id":…,"username":…}`
 */
import { ArgBuf, Request, Response, Space, View } from 'jord';
import { login, register, userIdOf } from '../../shared/accounts';
import { Code } from '../../shared/codes';
import { JsonFragment } from '../../shared/json-fragment';
import { codeOf, newAnswer, refuse, Service } from '../../shared/service';
import { utf8 } from '../../shared/text';
import { GraphOperation, UserOperation } from './shared/operations';

const USERS = Space.open('social-users');
const COUNTERS = Space.open('social-counters');
const SECRETS = Space.open('social-secrets');
const GRAPH = new Service('social-social-graph');

const CREATOR_BEGIN: View = utf8('\0\0\0\0"creator":{"user_id":');
const CREATOR_NAME: View = utf8(',"username":"');
const CREATOR_END: View = utf8('"}');

export function handle(request: Request): Response {
  const operation = request.load<u32>(0);
  if (operation == UserOperation.CREATOR) return creator(request);
  return operation == UserOperation.LOGIN ? login(USERS, SECRETS, request) : addUser(request);
}

function creator(request: Request): Response {
  const id = request.load<u32>(4);
  const username = request.slice(8);
  if (id == 0 || userIdOf(USERS, username) != id) return refuse(Code.UNKNOWN_USER);
  const out = new JsonFragment(128);
  out.bytes(CREATOR_BEGIN).integer(id).bytes(CREATOR_NAME).bytes(username).bytes(CREATOR_END);
  return new Response(out.argbuf());
}

function addUser(request: Request): Response {
  const registered = register(USERS, COUNTERS, request);
  if (registered < 0) return refuse(<i32>-registered);
  const node = new ArgBuf(8);
  node.store<u32>(0, GraphOperation.INSERT);
  node.store<u32>(4, <u32>registered);
  const code = codeOf(GRAPH.call(node));
  if (code != 0) return refuse(code);
  const answer = newAnswer(8);
  answer.store<u32>(4, <u32>registered);
  return new Response(answer);
}
