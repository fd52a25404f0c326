/** Text in and out in every way there is. */
import { ArgBuf, CodePoints, Request, Response, TextWriter, View } from 'jord';

export function handle(request: Request): Response {
  const path = request.path;
  if (path == '/string') return Response.text(request.text());
  if (path == '/argbuf') return new Response(ArgBuf.text(request.text()));
  if (path == '/points') return points(request);
  if (path == '/is-utf8') return Response.text(request.isUtf8().toString());
  if (path == '/is') return is(request);
  if (path == '/grow') return grow(i32(parseInt(request.query)));
  if (path == '/numbers') return numbers();
  if (path == '/units') return units(request);
  if (path == '/given-away') {
    const out = new TextWriter();
    out.argbuf();
    return out.text('more').response();
  }
  if (path == '/empty') return new TextWriter().response();
  throw new Error(path);
}

/** Each code point in hexadecimal digits, those of malformed bytes with an exclamation mark. */
function points(request: Request): Response {
  const out = new TextWriter(1);
  const reader = new CodePoints(request);
  for (let code = reader.next(); code >= 0; code = reader.next()) {
    out.text(code.toString(16));
    out.byte(reader.malformed ? 0x21 : 0x20);
    out.codePoint(code);
    out.byte(0x0a);
  }
  return out.response();
}

/** Two texts, separated by a zero byte, are compared in all four ways. */
function is(request: Request): Response {
  const zero = request.indexOf(0);
  const left = request.slice(0, zero);
  const right = request.slice(zero + 1);
  const out = new TextWriter();
  out.integer(<i32>left.is(right.text())).integer(<i32>right.is(left.text()));
  out.integer(<i32>left.equals(right)).integer(<i32>(left.text() == right.text()));
  return out.response();
}

/** Far more than the first capacity, in steps of all kinds. */
function grow(rounds: i32): Response {
  const out = new TextWriter(1);
  const dash = ArgBuf.text('–');
  for (let i = 0; i < rounds; i++) {
    out.text('é').integer(i).codePoint(0x1f600).bytes(dash).byte(0x0a);
  }
  out.byte(0x23).integer(out.length);
  return out.response('text/csv');
}

function numbers(): Response {
  const out = new TextWriter();
  out.integer(i8.MIN_VALUE).byte(0x20).integer(u8.MAX_VALUE).byte(0x20).integer(i16.MIN_VALUE).byte(0x20);
  out.integer(i32.MIN_VALUE).byte(0x20).integer(i32.MAX_VALUE).byte(0x20).integer(u32.MAX_VALUE).byte(0x20);
  out.integer(i64.MIN_VALUE).byte(0x20).integer(i64.MAX_VALUE).byte(0x20).integer(u64.MAX_VALUE).byte(0x20);
  out.integer(0).byte(0x20).integer(-1).byte(0x20).integer(10);
  return out.response();
}

/** A string of the UTF-16 units that are posted, two bytes each: lone surrogates, too. */
function units(request: Request): Response {
  let text = '';
  for (let i = 0; i < request.length; i += 2) text += String.fromCharCode(request.load<u16>(i));
  const copy = new TextWriter().text(text).argbuf();
  return new Response(copy);
}
