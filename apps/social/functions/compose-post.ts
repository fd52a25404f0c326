/**
 * Makes a post: asks text, media, user and unique-id for their parts at the same time, has post-storage keep the whole, and
 * puts it on timelines. Only what is kept is put there, so nobody finds a post that is not.
 *
 * `u32 user, u32 type of post, f64 time in ms, u32 length of username, u32 length of text, username, text, media` → `u32 0,
 * u32 -, u64 id`. (The media are as the service of this name takes them.)
 */
import { ArgBuf, Request, Response, View, waitAll } from 'jord';
import { STORE_LENGTH, storeRequest } from '../../shared/documents';
import { JsonFragment } from '../../shared/json-fragment';
import { TimelineOperation } from '../../shared/read-timeline';
import { codeOf, refuse, Service } from '../../shared/service';
import { utf8 } from '../../shared/text';
import { UserOperation } from './shared/operations';

const TEXT = new Service('social-text');
const MEDIA = new Service('social-media');
const USER = new Service('social-user');
const UNIQUE_ID = new Service('social-unique-id');
const POSTS = new Service('social-post-storage');
const USER_TIMELINE = new Service('social-user-timeline');
const HOME_TIMELINE = new Service('social-home-timeline');

const POST_ID: View = utf8('{"post_id":');
const TIMESTAMP: View = utf8(',"timestamp":');
const POST_TYPE: View = utf8(',"post_type":');

export function handle(request: Request): Response {
  const user = request.load<u32>(0);
  const usernameEnd = 24 + request.load<i32>(16);
  const textEnd = usernameEnd + request.load<i32>(20);
  const started = [
    MEDIA.start(ArgBuf.copy(request.slice(textEnd))),
    USER.start(askForCreator(user, request.slice(24, usernameEnd))),
    UNIQUE_ID.start(new ArgBuf(0)),
  ];
  const text = TEXT.call(ArgBuf.copy(request.slice(usernameEnd, textEnd)));
  const results = waitAll(started);
  let code = codeOf(text);
  if (code == 0) code = codeOf(results[1]);
  if (code == 0) code = codeOf(results[0]);
  if (code == 0) code = codeOf(results[2]);
  if (code != 0) return refuse(code);

  const id = results[2].response.load<u64>(8);
  code = codeOf(POSTS.call(makePost(id, request, text.response, results[0].response, results[1].response)));
  if (code == 0) code = publish(user, id, text.response);
  if (code != 0) return refuse(code);
  return new Response(results[2].response);
}

function askForCreator(user: u32, username: View): ArgBuf {
  const ask = new ArgBuf(8 + username.length);
  ask.store<u32>(0, UserOperation.CREATOR);
  ask.store<u32>(4, user);
  ask.set(username, 8);
  return ask;
}

/** The post as post-storage takes it. */
function makePost(id: u64, request: Request, text: ArgBuf, media: ArgBuf, creator: ArgBuf): ArgBuf {
  const out = new JsonFragment(160 + STORE_LENGTH + text.length + media.length + creator.length);
  out.bytes(POST_ID).integer(id).byte(0x2c);
  out.bytes(creator.slice(4)).byte(0x2c);
  out.bytes(text.slice(8 + 4 * text.load<i32>(4))).byte(0x2c);
  out.bytes(media.slice(4));
  out.bytes(TIMESTAMP).integer(<i64>request.load<f64>(8));
  out.bytes(POST_TYPE).integer(request.load<u32>(4)).byte(0x7d);
  return storeRequest(out, id);
}

/** Puts the post on the author's timeline, and on those of followers and of those that the text names. */
function publish(user: u32, id: u64, text: ArgBuf): i32 {
  const own = new ArgBuf(16);
  own.store<u32>(0, TimelineOperation.WRITE);
  own.store<u32>(4, user);
  own.store<u64>(8, id);
  const mentions = text.slice(8, 8 + 4 * text.load<i32>(4));
  const home = new ArgBuf(16 + mentions.length);
  home.set(own);
  home.set(mentions, 16);
  const started = USER_TIMELINE.start(own);
  const code = codeOf(HOME_TIMELINE.call(home));
  const ownCode = codeOf(started.wait());
  return code == 0 ? ownCode : code;
}
