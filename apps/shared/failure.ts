/** How front functions say what went wrong: `{"error":{"code":…,"message":…}}`, with a status for HTTP. */
import { JsonWriter, Response } from 'jord';

export function failure(status: i32, code: string, message: string): Response {
  const json = new JsonWriter(256);
  json.beginObject().key('error').beginObject();
  json.key('code').string(code);
  json.key('message').string(message);
  json.endObject().endObject();
  return json.response().status(status);
}

/** A request that cannot be understood. */
export function badRequest(message: string): Response {
  return failure(400, 'bad_request', message);
}
