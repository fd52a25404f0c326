/** Writes JSON in the way the path says. */
import { JsonWriter, Request, Response, TextWriter, View } from 'jord';

export function handle(request: Request): Response {
  const path = request.path;
  const json = new JsonWriter();
  if (path == '/all') return all(json, request);
  if (path == '/string') return json.string(request.text()).response();
  if (path == '/utf8') return json.utf8(request).response();
  if (path == '/key') return json.beginObject().key(request.text()).null().endObject().response();
  if (path == '/deep') return deep(json, i32(parseInt(request.query)));
  if (path == '/unfinished') return json.beginArray().response();
  if (path == '/empty') return json.response();
  if (path == '/two-values') return json.null().null().response();
  if (path == '/no-key') return json.beginObject().null().response();
  if (path == '/key-in-array') return json.beginArray().key('a').response();
  if (path == '/two-keys') return json.beginObject().key('a').key('b').response();
  if (path == '/wrong-end') return json.beginObject().endArray().response();
  if (path == '/key-then-end') return json.beginObject().key('a').endObject().response();
  throw new Error(path);
}

function all(json: JsonWriter, request: Request): Response {
  const raw = new TextWriter().text('{"raw": true}').argbuf();
  json.beginObject();
  json.key('integers').beginArray();
  json.integer(i8.MIN_VALUE).integer(u8.MAX_VALUE).integer(i32.MIN_VALUE).integer(u32.MAX_VALUE);
  json.integer(i64.MIN_VALUE).integer(i64.MAX_VALUE).integer(u64.MAX_VALUE).integer(0);
  json.endArray();
  json.key('numbers').beginArray();
  json.number(0).number(-0.0).number(1).number(-1.5).number(1e21).number(5e-324).number(f64.MAX_VALUE);
  json.number(NaN).number(Infinity).number(-Infinity);
  json.endArray();
  json.key('booleans').beginArray().boolean(true).boolean(false).endArray();
  json
    .key('empty')
    .beginObject()
    .key('object')
    .beginObject()
    .endObject()
    .key('array')
    .beginArray()
    .endArray()
    .endObject();
  json.key('raw').raw(raw);
  json.key('none').utf8(new View(0, 0));
  json.key('body').utf8(request);
  return json.endObject().response();
}

function deep(json: JsonWriter, depth: i32): Response {
  for (let i = 0; i < depth; i++) json.beginArray();
  for (let i = 0; i < depth; i++) json.endArray();
  return json.response();
}
