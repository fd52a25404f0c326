/**
 * Who follows whom. For each user there are two values, those that follow and those that are followed: lists of ids, four
 * bytes each, in ascending order.
 *
 * INSERT: `u32 operation, u32 user` → `u32 0`
 * FOLLOW, UNFOLLOW: `u32 operation, u32 user, u32 followee` → `u32 0, u32 whether anything changed`
 * FOLLOWERS, FOLLOWEES: `u32 operation, u32 user` → `u32 0`, then the ids
 */
import { ArgBuf, Request, Response, Space, Status } from 'jord';
import { Code } from '../../shared/codes';
import { keyOf } from '../../shared/keys';
import { done, newAnswer, refuse } from '../../shared/service';
import { SocialCode } from './shared/failures';
import { change, Change, isMember } from './shared/members';
import { GraphOperation } from './shared/operations';

const FOLLOWERS = Space.open('social-followers');
const FOLLOWEES = Space.open('social-followees');

export function handle(request: Request): Response {
  const operation = request.load<u32>(0);
  const user = request.load<u32>(4);
  if (operation == GraphOperation.FOLLOWERS) return members(FOLLOWERS, user);
  if (operation == GraphOperation.FOLLOWEES) return members(FOLLOWEES, user);
  if (operation == GraphOperation.INSERT) return insert(user);
  return follow(user, request.load<u32>(8), operation == GraphOperation.FOLLOW);
}

function members(space: Space, user: u32): Response {
  const found = space.getBytes(keyOf(user));
  if (found == null) return refuse(Code.UNKNOWN_USER);
  const answer = newAnswer(4 + found.length);
  answer.set(found, 4);
  return new Response(answer);
}

function insert(user: u32): Response {
  insertInto(FOLLOWERS, user);
  insertInto(FOLLOWEES, user);
  return done();
}

function insertInto(space: Space, user: u32): void {
  const put = space.putBytes(keyOf(user), new ArgBuf(0), 0);
  // It is there when somebody tried before.
  if (put < 65536 && put != Status.KV_CONFLICT) throw new Error(`the user cannot be kept: status ${put}`);
}

/**
 * The two lists are two keys, so they cannot be changed in one step. Those that a user follows decide; the followers are
 * brought in line with that. Should another request have changed the former meanwhile, the latter are brought in line
 * again: whoever changes the followers last has seen the last state of the followees.
 */
function follow(user: u32, followee: u32, follows: bool): Response {
  if (user == followee) return refuse(SocialCode.OWN_FOLLOW);
  const probe = FOLLOWERS.getBytes(keyOf(followee));
  if (probe == null) return refuse(Code.UNKNOWN_USER);
  probe.release();
  const changed = change(FOLLOWEES, user, followee, follows);
  if (changed == Change.NO_LIST) return refuse(Code.UNKNOWN_USER);
  let state = follows;
  for (;;) {
    change(FOLLOWERS, followee, user, state);
    const now = isMember(FOLLOWEES, user, followee);
    if (now == state) break;
    state = now;
  }
  const answer = newAnswer(8);
  answer.store<u32>(4, changed == Change.MADE ? 1 : 0);
  return new Response(answer);
}
