/** The HTTP side: what a function sees of a request, and what it sets for the response. */
import { call, JsonWriter, Request, Response } from 'jord';

export function handle(request: Request): Response {
  if (!request.isHttp) return seen(request);
  const path = request.path;
  if (path.startsWith('/seen')) return seen(request);
  if (path == '/nested') return new Response(call('http', request).response);
  if (path == '/fields') {
    const fields = request.fields();
    return fields == null ? Response.text('none') : new Response(fields);
  }
  return answer(path, request);
}

function seen(request: Request): Response {
  const json = new JsonWriter();
  json.beginObject();
  json.key('isHttp').boolean(request.isHttp);
  json.key('method').string(request.method);
  json.key('path').string(request.path);
  json.key('query').string(request.query);
  json.key('headers').beginArray();
  optional(json, request.header('Content-Type'));
  optional(json, request.header('x-missing'));
  json.endArray();
  json.key('parameters').beginArray();
  optional(json, request.parameter('a'));
  optional(json, request.parameter('b c'));
  optional(json, request.parameter('é'));
  optional(json, request.parameter(''));
  json.endArray();
  return json.endObject().response();
}

function optional(json: JsonWriter, value: string | null): void {
  if (value == null) json.null();
  else json.string(value);
}

function answer(path: string, request: Request): Response {
  if (path == '/plain') return Response.text('text').status(418);
  if (path == '/json') return Response.json('{"a":1}').header('X-One', '1').header('x-two', '2');
  if (path == '/bytes') return Response.bytes(request);
  if (path == '/bare') return new Response(request);
  if (path == '/type') return Response.text('a,b').type('text/csv');
  if (path == '/empty') return Response.empty().status(204);
  if (path == '/last') return Response.text('').header('x-name', 'first').header('X-Name', 'last');
  if (path == '/cookies') return Response.text('').header('set-cookie', 'a=1').header('set-cookie', 'b=2');
  if (path == '/unused') {
    Response.text('never sent').status(500).header('x-unused', '1');
    return Response.text('sent');
  }
  if (path == '/bad-status') return Response.text('').status(100);
  if (path == '/bad-header') return Response.text('').header('x-bad', 'line\nbreak');
  throw new Error(path);
}
