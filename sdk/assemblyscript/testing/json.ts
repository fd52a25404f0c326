/** Reads JSON in the way the path says, and answers with what was read or with what is wrong. */
import { JsonKind, JsonReader, JsonWriter, Request, Response, TextWriter } from 'jord';

export function handle(request: Request): Response {
  const path = request.path;
  const json = new JsonReader(request);
  if (path == '/copy') return copyAll(json);
  if (path == '/skip') return finish(json, '');
  if (path == '/keys') return finish(json, readKeys(json));
  if (path == '/order') return finish(json, readOrder(json));
  if (path == '/kinds') return finish(json, readKinds(json));
  if (path == '/misuse') return misuse(json, request.query);
  return finish(json, readOne(json, path));
}

function finish(json: JsonReader, text: string): Response {
  return json.end() ? Response.text(text) : Response.text(json.message).status(400);
}

function readOne(json: JsonReader, path: string): string {
  if (path == '/i8') return json.integer<i8>().toString();
  if (path == '/u8') return json.integer<u8>().toString();
  if (path == '/i16') return json.integer<i16>().toString();
  if (path == '/u16') return json.integer<u16>().toString();
  if (path == '/i32') return json.integer<i32>().toString();
  if (path == '/u32') return json.integer<u32>().toString();
  if (path == '/i64') return json.integer<i64>().toString();
  if (path == '/u64') return json.integer<u64>().toString();
  if (path == '/boolean') return json.boolean().toString();
  if (path == '/null') return json.null().toString();
  if (path == '/utf8') return json.utf8().text();
  if (path == '/string') return json.string();
  throw new Error(path);
}

/** Every value through the typed reads and out through the writer. */
function copyAll(json: JsonReader): Response {
  const out = new JsonWriter(1);
  copy(json, out);
  return json.end() ? out.response() : Response.text(json.message).status(400);
}

function copy(json: JsonReader, out: JsonWriter): void {
  const kind = json.kind();
  if (kind == JsonKind.OBJECT) {
    if (!json.enterObject()) return;
    out.beginObject();
    while (json.nextKey()) {
      out.key(json.key());
      copy(json, out);
    }
    if (json.ok) out.endObject();
  } else if (kind == JsonKind.ARRAY) {
    if (!json.enterArray()) return;
    out.beginArray();
    while (json.nextItem()) copy(json, out);
    if (json.ok) out.endArray();
  } else if (kind == JsonKind.STRING) {
    // By turns the two ways to read and to write a string.
    if ((out.length & 1) == 0) out.string(json.string());
    else out.utf8(json.utf8());
  } else if (kind == JsonKind.NUMBER) out.number(json.number());
  else if (kind == JsonKind.BOOLEAN) out.boolean(json.boolean());
  else if (json.null()) out.null();
  else json.skip();
}

/** The keys of the outermost object, without reading any value; those that are "x" are marked. */
function readKeys(json: JsonReader): string {
  let keys = '';
  json.enterObject();
  while (json.nextKey()) keys += (json.keyIs('x') ? '*' : '') + json.key() + ';';
  return keys;
}

/** As an application reads: members in any order, unknown ones skipped, its own rules besides those of JSON. */
function readOrder(json: JsonReader): string {
  let name = '?';
  let sum: i32 = 0;
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('name')) name = json.string();
    else if (json.keyIs('counts')) {
      json.enterArray();
      while (json.nextItem()) {
        const count = json.integer<i32>();
        if (count < 1) json.refuse('a count is 1 or more');
        sum += count;
      }
    }
  }
  return name + ':' + sum.toString();
}

function readKinds(json: JsonReader): string {
  let kinds = '';
  json.enterArray();
  while (json.nextItem()) kinds += (json.kind() as i32).toString();
  return kinds;
}

/** Steps that are wrong whatever the text is. */
function misuse(json: JsonReader, how: string): Response {
  if (how == 'two-values') {
    json.string();
    json.string();
  } else if (how == 'key-in-array') {
    json.enterArray();
    json.nextKey();
  } else if (how == 'unfinished') {
    json.enterArray();
    json.nextItem();
    json.integer<i32>();
  } else if (how == 'inner-unfinished') {
    json.enterArray();
    json.nextItem();
    json.enterObject();
    json.nextItem();
  } else if (how == 'item-at-top') {
    json.integer<i32>();
    json.nextItem();
  }
  return finish(json, 'read');
}
