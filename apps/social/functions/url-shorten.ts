/**
 * Shortens URLs, and finds what a shortened one stands for.
 *
 * SHORTEN: `u32 operation, u32 count`, then for each `u32 length, URL` → `u32 0, u32 count`, then for each 8 letters
 * EXPAND: `u32 operation, u32 length, letters` → `u32 0`, then the URL
 */
import { ArgBuf, Request, Response, Space } from 'jord';
import { newAnswer, refuse } from '../../shared/service';
import { SocialCode } from './shared/failures';
import { CODE_LENGTH, ShortenOperation } from './shared/short-url';

const URLS = Space.open('social-urls');
const COUNTERS = Space.open('social-counters');

const DIGITS: string = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Numbers below 2^42 have at most eight digits of base 62. */
const MASK: u64 = (1 << 42) - 1;
/** Odd, so that no two numbers below 2^42 give the same product modulo 2^42: letters of URLs in turn are not alike. */
const SPREAD: u64 = 0x2c1_b3c6_d5ab;

export function handle(request: Request): Response {
  return request.load<u32>(0) == ShortenOperation.SHORTEN ? shorten(request) : expand(request);
}

function shorten(request: Request): Response {
  const count = request.load<i32>(4);
  const answer = newAnswer(8 + count * CODE_LENGTH);
  answer.store<i32>(4, count);
  let number = COUNTERS.add('url', count) - count;
  let at = 8;
  for (let i = 0; i < count; i++) {
    const length = request.load<i32>(at);
    const code = answer.slice(8 + i * CODE_LENGTH, 8 + (i + 1) * CODE_LENGTH);
    writeCode(++number, code.pointer);
    const put = URLS.putBytes(code, ArgBuf.copy(request.slice(at + 4, at + 4 + length)));
    if (put < 65536) throw new Error(`a URL cannot be kept: status ${put}`);
    at += 4 + length;
  }
  return new Response(answer);
}

function writeCode(number: i64, to: usize): void {
  let rest = (<u64>number * SPREAD) & MASK;
  for (let i: usize = CODE_LENGTH; i > 0; i--) {
    store<u8>(to + i - 1, <u8>DIGITS.charCodeAt(<i32>(rest % 62)));
    rest /= 62;
  }
}

function expand(request: Request): Response {
  const length = request.load<i32>(4);
  if (length != CODE_LENGTH) return refuse(SocialCode.UNKNOWN_URL);
  const url = URLS.getBytes(request.slice(8, 8 + length));
  if (url == null) return refuse(SocialCode.UNKNOWN_URL);
  const answer = newAnswer(4 + url.length);
  answer.set(url, 4);
  return new Response(answer);
}
