/** Asks another server: the one whose URL the header `x-url` has. */
import { FetchRequest, FetchResponse, fetch, JsonReader, JsonWriter, Request, Response } from 'jord';

export function handle(request: Request): Response {
  const url = request.header('x-url')!;
  const path = request.path;
  if (path == '/get') return describe(fetch(url));
  if (path == '/send') return describe(fetch(message(url, request)));
  if (path == '/empty') return describe(fetch(new FetchRequest('DELETE', url)));
  if (path == '/twice') return twice(message(url, request));
  if (path == '/json') return json(fetch(url));
  if (path == '/body') return Response.bytes(fetch(url).body);
  if (path == '/many') return many(url, i32(parseInt(request.query)));
  if (path == '/malformed') return malformed(url);
  throw new Error(path);
}

function message(url: string, request: Request): FetchRequest {
  const method = request.query;
  return new FetchRequest(method, url).header('Content-Type', 'text/x').header('X-Sent', 'a, "b"').body(request);
}

function describe(response: FetchResponse): Response {
  const out = new JsonWriter();
  out.beginObject();
  out.key('status').integer(response.status);
  out.key('ok').boolean(response.ok);
  out.key('error').string(response.errorName);
  out.key('headers').beginArray();
  optional(out, response.header('Content-TYPE'));
  optional(out, response.header('x-several'));
  optional(out, response.header('x-empty'));
  optional(out, response.header('x-sever'));
  optional(out, response.header(''));
  out.endArray();
  out.key('length').integer(response.body.length);
  out.key('text').string(response.text());
  return out.endObject().response();
}

function optional(out: JsonWriter, value: string | null): void {
  if (value == null) out.null();
  else out.string(value);
}

/** A request stays as it is when it is fetched. */
function twice(request: FetchRequest): Response {
  const first = fetch(request);
  const second = fetch(request.header('x-more', '1'));
  return Response.text(first.text() + '\n' + second.text());
}

function json(response: FetchResponse): Response {
  const reader = new JsonReader(response.body);
  let method = '';
  reader.enterObject();
  while (reader.nextKey()) if (reader.keyIs('method')) method = reader.string();
  return Response.text(`${reader.end()} ${method}`);
}

/** More than an invocation may own at once, unless each is freed. */
function many(url: string, count: i32): Response {
  let bytes: i64 = 0;
  let freed = 0;
  for (let i = 0; i < count; i++) {
    const response = fetch(url);
    bytes += response.body.length;
    if (response.free() == 0) freed++;
  }
  return Response.text(`${bytes} ${freed}`);
}

/** None of these is sent. */
function malformed(url: string): Response {
  const requests = [
    new FetchRequest('', url),
    new FetchRequest('GET /', url),
    new FetchRequest('GET\n', url),
    new FetchRequest('GET', url + ' /'),
    new FetchRequest('GET', url + '\nx-a: 1'),
    new FetchRequest('GET', url).header('x-a', '1\nx-b: 2'),
    new FetchRequest('GET', url).header('x-a', '1\r'),
    new FetchRequest('GET', url).header('x-a', '1\0'),
    new FetchRequest('GET', url).header('x-a: 1\nx-b', '2'),
    new FetchRequest('GET', url).header('x-a:', '1'),
    new FetchRequest('GET', url).header('', '1'),
    new FetchRequest('GET', url).header('x-ü', '1').header('x-fine', '1'),
  ];
  let text = '';
  for (let i = 0; i < requests.length; i++) {
    const response = fetch(requests[i]);
    text += `${response.status} ${response.errorName} ${response.ok} ${response.body.length}\n`;
  }
  return Response.text(text);
}
