/** Uses the spaces `own` (rw) and `other` (ro), as the path says. The query is a key. */
import {
  ArgBuf,
  JsonWriter,
  KeyPage,
  Request,
  Response,
  Space,
  Status,
  statusName,
  TextWriter,
  Value,
  View,
} from 'jord';

/** Opened at deploy. */
const own = Space.open('own');

export function handle(request: Request): Response {
  const path = request.path;
  const key = request.query;
  if (path == '/get') return get(own.get(key));
  if (path == '/get-bytes') return get(own.getBytes(request));
  if (path == '/put') return version(own.put(key, request));
  if (path == '/put-ttl') return version(own.put(key, request, 60_000));
  if (path == '/put-if') return putIf(key, request);
  if (path == '/put-bytes') return version(own.putBytes(request, ArgBuf.copy(request)));
  if (path == '/delete') return Response.text(statusName(own.delete(key)));
  if (path == '/delete-bytes') return Response.text(statusName(own.deleteBytes(request)));
  if (path == '/expire') return Response.text(statusName(own.expire(key, 30_000)));
  if (path == '/add') return Response.text(own.add(key, i64.parse(request.text())).toString());
  if (path == '/try-add') return tryAdd(key);
  if (path == '/list') return list(key, request.text());
  if (path == '/walk') return walk();
  if (path == '/sync') return Response.text(statusName(own.sync()));
  if (path == '/other') return other(key);
  if (path == '/other-add') return Response.text(Space.open('other').add(key).toString());
  if (path == '/open') return open(key);
  if (path == '/stop') return Response.text(Space.open(key).name);
  if (path == '/held') return held(key);
  if (path == '/after-put') return afterPut(key);
  if (path == '/write') return write(key);
  if (path == '/hold-many') return holdMany();
  throw new Error(path);
}

function version(returned: i64): Response {
  return Response.text(returned < 65536 ? statusName(<i32>returned) : 'version');
}

function get(value: Value | null): Response {
  if (value == null) return Response.text('null').status(404);
  if (value.version < 65536) throw new Error('a version is missing');
  // As any view, and by the operators of its own.
  if (value.length > 0 && (value[0] != value.load<u8>(0) || unchecked(value[0]) != value[0])) throw new Error('bytes');
  return Response.bytes(value);
}

/** Appends, if nobody else has done so meanwhile; in between, somebody does as often as the body says. */
function putIf(key: string, request: Request): Response {
  let rivals = i32.parse(request.text());
  let tries = 0;
  for (;;) {
    tries++;
    const before = own.get(key);
    const expected: i64 = before == null ? 0 : before.version;
    if (rivals-- > 0) own.put(key, ArgBuf.text(`rival ${rivals}`));
    const text = ArgBuf.text((before == null ? '' : before.text()) + '+');
    const put = own.putIf(key, text, expected);
    if (put == Status.KV_CONFLICT) {
      if (!text.isHere) throw new Error('a conflict took the value');
      text.free();
      continue;
    }
    return Response.text(`${tries} ${put >= 65536} ${text.isHere} ${own.get(key)!.text()}`);
  }
}

function tryAdd(key: string): Response {
  const status = own.tryAdd(key, 5);
  const bytes = own.tryAddBytes(View.of(Uint8Array.wrap(String.UTF8.encode(key))), -1);
  return Response.text(`${statusName(status)} ${statusName(bytes)} ${status == Status.OK ? own.sum.toString() : ''}`);
}

function list(prefix: string, after: string): Response {
  const page: KeyPage = own.list(prefix, after, 3);
  const out = new JsonWriter();
  out.beginObject();
  out.key('more').boolean(page.more);
  out.key('last').string(page.lastKey);
  out.key('keys').beginArray();
  for (let i = 0; i < page.length; i++) {
    if (page.version(i) < 65536) throw new Error('a version is missing');
    out.beginArray();
    out.string(page.key(i)).integer(page.keyBytes(i).length).integer(page.valueLength(i));
    out.boolean(page.ttlMs(i) > 0).endArray();
  }
  out.endArray().endObject();
  if (page.free() != Status.OK) throw new Error('a page is an ArgBuf');
  return out.response();
}

/** All keys, by bytes, in pages of two. */
function walk(): Response {
  const out = new TextWriter();
  const none = new View(0, 0);
  let page = own.listBytes(none, none, 2);
  while (page.length > 0) {
    for (let i = 0; i < page.length; i++) out.bytes(page.keyBytes(i)).byte(0x2c);
    const before = page;
    page = own.listBytes(none, before.keyBytes(before.length - 1), 2);
    before.free();
  }
  return out.response();
}

/** A space that may only be read. */
function other(key: string): Response {
  const space = Space.open('other');
  const value = space.get(key);
  const put = ArgBuf.text('x');
  const status = space.put(key, put);
  return Response.text(
    `${value == null ? 'null' : value.text()} ${statusName(<i32>status)} ${put.isHere} ${statusName(space.delete(key))}`,
  );
}

function open(name: string): Response {
  const space = Space.tryOpen(name);
  return Response.text(space == null ? 'null' : space.name);
}

/** What was got stays as it is, whatever becomes of the key. */
function held(key: string): Response {
  own.put(key, ArgBuf.text('first'));
  const first = own.get(key)!;
  const again = own.get(key)!;
  own.put(key, ArgBuf.text('second'));
  const second = own.get(key)!;
  own.delete(key);
  const text = `${first.text()} ${second.text()} ${first.pointer == again.pointer} ${first.version < second.version}`;
  second.release();
  second.release();
  return Response.text(`${text} ${second.version} ${second.length} ${own.get(key) == null}`);
}

function afterPut(key: string): Response {
  const given = ArgBuf.text('given');
  const pointer = given.pointer;
  own.put(key, given);
  return Response.text(`${given.isHere} ${load<u8>(pointer)}`);
}

function write(key: string): Response {
  const value = own.get(key)!;
  store<u8>(value.pointer, 0);
  return Response.text('written');
}

/** Gets as many values as it may; stops where that is one too many. */
function holdMany(): Response {
  for (let i = 0; i < 1000; i++) {
    const key = i.toString();
    own.put(key, ArgBuf.text('x'));
    own.get(key);
    if (i % 50 == 0) own.put('count', ArgBuf.text(i.toString()));
  }
  return Response.text('all');
}
