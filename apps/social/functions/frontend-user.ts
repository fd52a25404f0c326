/**
 * From outside: what users do beside posts.
 *
 * `{"operation":"register","username":"ada_1","password":"…","first_name":"Ada","last_name":"Lovelace"}` → `{"user_id":5}`
 * `{"operation":"login","username":"ada_1","password":"…","timestamp":1700000000000}` → `{"token":"…"}`
 * `{"operation":"follow","user_id":5,"followee_id":6}` → `{"changed":true}`, and the same with `"unfollow"`
 */
import { ArgBuf, JsonReader, JsonWriter, Request, Response, View } from 'jord';
import { AccountFields } from '../../shared/accounts';
import { Code } from '../../shared/codes';
import { badRequest } from '../../shared/failure';
import { codeOf, Service } from '../../shared/service';
import { failed } from './shared/failures';
import { GraphOperation, UserOperation } from './shared/operations';

const USER = new Service('social-user');
const GRAPH = new Service('social-social-graph');

class Fields extends AccountFields {
  operation: View = new View(0, 0);
  userId: u32 = 0;
  followeeId: u32 = 0;
}

export function handle(request: Request): Response {
  const fields = new Fields();
  const json = new JsonReader(request);
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('operation')) fields.operation = json.utf8();
    else if (json.keyIs('user_id')) fields.userId = json.integer<u32>();
    else if (json.keyIs('followee_id')) fields.followeeId = json.integer<u32>();
    else fields.read(json);
  }
  if (!json.end()) return badRequest(json.message);
  if (fields.operation.is('login')) return login(fields);
  if (fields.operation.is('follow')) return follow(fields, GraphOperation.FOLLOW);
  if (fields.operation.is('unfollow')) return follow(fields, GraphOperation.UNFOLLOW);
  if (fields.operation.is('register')) return register(fields);
  return badRequest('an operation is register, login, follow or unfollow');
}

function register(fields: Fields): Response {
  if (fields.tooLong != 0) return failed(fields.tooLong);
  const result = USER.call(fields.registerRequest(UserOperation.REGISTER));
  const code = codeOf(result);
  if (code != 0) return failed(code);
  return new JsonWriter(64).beginObject().key('user_id').integer(result.response.load<u32>(4)).endObject().response();
}

function login(fields: Fields): Response {
  if (fields.tooLong != 0) return failed(Code.WRONG_CREDENTIALS);
  const result = USER.call(fields.loginRequest(UserOperation.LOGIN));
  const code = codeOf(result);
  if (code != 0) return failed(code);
  return new JsonWriter(512).beginObject().key('token').utf8(result.response.slice(4)).endObject().response();
}

function follow(fields: Fields, operation: u32): Response {
  if (fields.userId == 0 || fields.followeeId == 0) return badRequest('a user_id and a followee_id are needed');
  const ask = new ArgBuf(12);
  ask.store<u32>(0, operation);
  ask.store<u32>(4, fields.userId);
  ask.store<u32>(8, fields.followeeId);
  const result = GRAPH.call(ask);
  const code = codeOf(result);
  if (code != 0) return failed(code);
  const changed = result.response.load<u32>(4) != 0;
  return new JsonWriter(64).beginObject().key('changed').boolean(changed).endObject().response();
}
