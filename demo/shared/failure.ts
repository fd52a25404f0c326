/** How the demo's functions tell each other, and HTTP, what went wrong: `{"error":{"code":…,"message":…}}`. */
import { JsonReader, JsonWriter, Response, Result } from 'jord';

export class Failure {
  readonly status: i32;
  readonly code: string;
  readonly message: string;

  constructor(status: i32, code: string, message: string) {
    this.status = status;
    this.code = code;
    this.message = message;
  }

  response(): Response {
    const json = new JsonWriter();
    json.beginObject().key('error').beginObject();
    json.key('code').string(this.code);
    json.key('message').string(this.message);
    json.endObject().endObject();
    return json.response().status(this.status);
  }

  /** A request that cannot be understood. */
  static invalid(message: string): Failure {
    return new Failure(400, 'invalid_request', message);
  }

  /** What went wrong in another function, or null when it answered well. Its refusals are passed on as they are. */
  static of(service: string, result: Result): Failure | null {
    if (!result.ok) return new Failure(502, 'service_failed', `${service}: ${result.statusName}`);
    const json = new JsonReader(result.response);
    json.enterObject();
    if (!json.nextKey() || !json.keyIs('error')) {
      return json.ok ? null : new Failure(502, 'service_failed', `${service}: ${json.message}`);
    }
    let code = 'service_failed';
    let message = service;
    json.enterObject();
    while (json.nextKey()) {
      if (json.keyIs('code')) code = json.string();
      else if (json.keyIs('message')) message = json.string();
    }
    return new Failure(400, code, message);
  }
}
