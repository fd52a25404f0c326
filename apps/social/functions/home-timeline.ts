/**
 * The posts of those whom a user follows, and those that name the user.
 *
 * READ: as shared/read-timeline.ts has it, with posts
 * WRITE: `u32 operation, u32 author, u64 post, u32 ids of those that it names` → `u32 0`
 */
import { ArgBuf, Request, Response, Space, View } from 'jord';
import { NumberKey } from '../../shared/keys';
import { readTimeline, TimelineOperation } from '../../shared/read-timeline';
import { codeOf, done, refuse, Service } from '../../shared/service';
import { addToTimeline } from '../../shared/timeline';
import { GraphOperation } from './shared/operations';

const TIMELINES = Space.open('social-home-timelines');
const POSTS = new Service('social-post-storage');
const GRAPH = new Service('social-social-graph');

export function handle(request: Request): Response {
  if (request.load<u32>(0) == TimelineOperation.READ) return readTimeline(TIMELINES, POSTS, request);
  return write(request);
}

function write(request: Request): Response {
  const ask = new ArgBuf(8);
  ask.store<u32>(0, GraphOperation.FOLLOWERS);
  ask.store<u32>(4, request.load<u32>(4));
  const result = GRAPH.call(ask);
  const code = codeOf(result);
  if (code != 0) return refuse(code);

  const post = request.load<u64>(8);
  addToAll(result.response.slice(4), post);
  // One that follows the author, too, has it already: then nothing happens.
  addToAll(request.slice(16), post);
  return done();
}

function addToAll(users: View, post: u64): void {
  const key = new NumberKey();
  for (let at = 0; at < users.length; at += 4) addToTimeline(TIMELINES, key.of(users.load<u32>(at)), post);
}
