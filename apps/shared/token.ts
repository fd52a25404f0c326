/** Tokens of those that are logged in: a JSON Web Token (RFC 7519) signed with HMAC-SHA-256. */
import { ArgBuf, Space, View } from 'jord';
import { base64UrlLength, hmacSha256, writeBase64Url } from './hmac';
import { JsonFragment } from './json-fragment';
import { newAnswer } from './service';
import { SHA256_LENGTH } from './sha256';
import { utf8 } from './text';

/** `{"alg":"HS256","typ":"JWT"}` and the dot behind it. */
const HEADER: View = utf8('eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.');
const TTL_SECONDS: i32 = 3600;
const USER_ID: View = utf8('{"user_id":"');
const USERNAME: View = utf8('","username":"');
const TIMESTAMP: View = utf8('","timestamp":"');
const TTL: View = utf8('","ttl":"');

/** `u32 0`, then the token. `secrets` has what it is signed with, as `token`. The time is in milliseconds since 1970. */
export function writeToken(secrets: Space, userId: u32, username: View, timeMs: f64): ArgBuf {
  const claims = new JsonFragment(128);
  claims.bytes(USER_ID).integer(userId).bytes(USERNAME).bytes(username);
  claims.bytes(TIMESTAMP).integer(<i64>(timeMs / 1000)).bytes(TTL).integer(TTL_SECONDS).byte(0x22).byte(0x7d);
  const payload = claims.argbuf();

  const secret = secrets.get('token');
  if (secret == null) throw new Error('there is no secret to sign tokens with');
  const signed = HEADER.length + base64UrlLength(payload.length);
  const answer = newAnswer(4 + signed + 1 + base64UrlLength(SHA256_LENGTH));
  answer.set(HEADER, 4);
  writeBase64Url(payload, answer.pointer + 4 + <usize>HEADER.length);
  answer[4 + signed] = 0x2e;
  const signature = heap.alloc(SHA256_LENGTH);
  hmacSha256(secret, answer.slice(4, 4 + signed), signature);
  writeBase64Url(new View(signature, SHA256_LENGTH), answer.pointer + 5 + <usize>signed);
  return answer;
}
