/** How front functions say what went wrong: `{"error":{"code":…,"message":…}}`, with a status for HTTP. */
import { JsonWriter, Response, Result } from 'jord';

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

/** Stops this function when another failed that has no reason to: its own log says why. */
export function expectOk(service: string, result: Result): void {
  if (!result.ok) throw new Error(service + ': ' + result.statusName);
}
