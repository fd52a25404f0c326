/** ArgBufs and views, used rightly and wrongly. */
import { ArgBuf, Request, Response, Status, TextWriter, View } from 'jord';

export function handle(request: Request): Response {
  const path = request.path;
  if (path == '/load') return loads(request);
  if (path == '/store') return stores();
  if (path == '/zero') return new Response(new ArgBuf(300));
  if (path == '/reuse') return reuse(request);
  if (path == '/resize') return resize();
  if (path == '/limits') return limits();
  if (path == '/at') return at(request);
  if (path == '/protect') return protect(request);
  if (path == '/copy') return Response.bytes(request);
  if (path == '/bytes') return bytes(request);
  if (path == '/empty') return empty(request);
  return wrong(path, request);
}

function loads(request: Request): Response {
  const out = new TextWriter();
  out.integer(request.load<u8>(0)).byte(0x20).integer(request.load<i8>(0)).byte(0x20);
  out.integer(request.load<u16>(1)).byte(0x20).integer(request.load<u32>(0)).byte(0x20);
  out.integer(request.load<u64>(0)).byte(0x20).integer(request[7]).byte(0x20).integer(unchecked(request[6]));
  out.byte(0x20).integer(request.indexOf(0x33)).byte(0x20).integer(request.indexOf(0x11, 1));
  return out.response();
}

function stores(): Response {
  const buffer = new ArgBuf(16);
  buffer[0] = 1;
  unchecked((buffer[1] = 2));
  buffer.store<u16>(3, 0x1122);
  buffer.store<f64>(8, 1.5);
  const part = new ArgBuf(2);
  part[0] = 9;
  buffer.set(part, 5);
  return new Response(buffer);
}

/** Answers in the request's own ArgBuf, with its bytes turned round. */
function reuse(request: Request): Response {
  for (let i = 0, j = request.length - 1; i < j; i++, j--) {
    const first = request[i];
    request[i] = request[j];
    request[j] = first;
  }
  return new Response(request);
}

function resize(): Response {
  const buffer = new ArgBuf(100);
  const out = new TextWriter();
  out.integer(buffer.resize(128)).byte(0x20).integer(buffer.length).byte(0x20);
  out.integer(buffer.resize(129)).byte(0x20).integer(buffer.length).byte(0x20);
  out.integer(buffer.resize(7)).byte(0x20).integer(buffer.length).byte(0x20);
  out.integer(buffer.resize(0)).byte(0x20).integer(buffer.length).byte(0x20).integer(buffer.pointer).byte(0x20);
  out.integer(buffer.resize(5)).byte(0x20).integer(buffer.length).byte(0x20);
  out
    .integer(<i32>(buffer.pointer >= 0x8000_0000))
    .byte(0x20)
    .integer(<i32>buffer.isHere)
    .byte(0x20);
  out
    .integer(buffer.free())
    .byte(0x20)
    .integer(<i32>buffer.isHere)
    .byte(0x20)
    .integer(buffer.length);
  return out.response();
}

/** How large an ArgBuf can be: the status of one that is too large is below 65,536, and no address is. */
function limits(): Response {
  const out = new TextWriter();
  out.integer(<i32>(ArgBuf.tryNew((1 << 28) + 1) == null)).byte(0x20);
  out.integer(<i32>(ArgBuf.tryNew(-1) == null)).byte(0x20);
  const large = ArgBuf.tryNew(1 << 28);
  out.integer(large == null ? 0 : large.length).byte(0x20);
  if (large != null) {
    large[large.length - 1] = 1;
    out.integer(<i32>(<i32>large.pointer < 0));
  }
  return out.response();
}

function at(request: Request): Response {
  const out = new TextWriter();
  const again = ArgBuf.at(request.pointer);
  out.integer(again == null ? -1 : again.length).byte(0x20);
  out.integer(<i32>(ArgBuf.at(request.pointer + 1) == null)).byte(0x20);
  out
    .integer(<i32>(ArgBuf.at(0) == null))
    .byte(0x20)
    .integer(<i32>(ArgBuf.at(0xffff_ff00) == null))
    .byte(0x20);
  request.free();
  out.integer(<i32>(again == null || ArgBuf.at(again.pointer) == null));
  return out.response();
}

function protect(request: Request): Response {
  const out = new TextWriter();
  out.integer(request.protect(1)).byte(0x20).integer(request.load<u8>(0)).byte(0x20);
  out.integer(request.protect(2)).byte(0x20).integer(request.protect(3)).byte(0x20).integer(new ArgBuf(0).protect(9));
  request[0] = 1;
  return out.response();
}

function bytes(request: Request): Response {
  const copy = request.bytes();
  request.store<u8>(0, 0);
  return Response.bytes(View.of(copy));
}

function empty(request: Request): Response {
  const nothing = new ArgBuf(0);
  const out = new TextWriter();
  out
    .integer(<i32>request.isEmpty)
    .integer(<i32>nothing.isEmpty)
    .integer(nothing.pointer)
    .integer(nothing.free());
  out
    .integer(<i32>nothing.equals(request))
    .integer(<i32>request.is(''))
    .integer(request.slice(0).length);
  out.integer(ArgBuf.text('').length).integer(ArgBuf.copy(request).length).integer(request.bytes().length);
  return out.response();
}

/** Each of these ends the function. */
function wrong(path: string, request: Request): Response {
  const view: View = request;
  if (path == '/index') view[request.length];
  else if (path == '/negative') view[-1];
  else if (path == '/offset') request.load<u32>(request.length - 3);
  else if (path == '/negative-offset') request.load<u8>(-1);
  else if (path == '/store-index') request[request.length] = 1;
  else if (path == '/store-offset') request.store<u16>(request.length - 1, 1);
  else if (path == '/slice-end') request.slice(1, request.length + 1);
  else if (path == '/slice-order') request.slice(2, 1);
  else if (path == '/set') request.set(new View(0, 2), request.length - 1);
  else if (path == '/too-large') new ArgBuf((1 << 28) + 1);
  else if (path == '/past-the-bound') load<u8>(request.pointer + request.length);
  else if (path == '/unchecked') unchecked(request[request.length]);
  else if (path == '/read-only') {
    request.protect(1);
    request[0] = 1;
  } else if (path == '/after-free') {
    const pointer = request.pointer;
    request.free();
    load<u8>(pointer);
  } else if (path == '/after-free-object') {
    request.free();
    load<u8>(request.pointer);
  } else if (path == '/resize-freed') {
    request.free();
    request.resize(8);
  } else if (path == '/return-freed') {
    request.free();
    return new Response(request);
  } else if (path == '/out-of-memory') new Uint8Array(900 << 20);
  return Response.text(Status.OK.toString());
}
