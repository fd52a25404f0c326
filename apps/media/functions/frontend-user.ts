/**
 * From outside: registers users and lets them in.
 *
 * `{"operation":"register","username":"ada_1","password":"…","first_name":"Ada","last_name":"Lovelace"}` → `{"user_id":5}`
 * `{"operation":"login","username":"ada_1","password":"…","timestamp":1700000000000}` → `{"token":"…"}`
 */
import { JsonReader, JsonWriter, Request, Response, View } from 'jord';
import { AccountFields } from '../../shared/accounts';
import { Code } from '../../shared/codes';
import { badRequest } from '../../shared/failure';
import { codeOf, Service } from '../../shared/service';
import { failed } from './shared/failures';
import { UserOperation } from './shared/operations';

const USER = new Service('media-user');

export function handle(request: Request): Response {
  const fields = new AccountFields();
  let operation: View = new View(0, 0);
  const json = new JsonReader(request);
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('operation')) operation = json.utf8();
    else fields.read(json);
  }
  if (!json.end()) return badRequest(json.message);
  if (operation.is('login')) return login(fields);
  if (operation.is('register')) return register(fields);
  return badRequest('an operation is register or login');
}

function register(fields: AccountFields): Response {
  if (fields.tooLong != 0) return failed(fields.tooLong);
  const result = USER.call(fields.registerRequest(UserOperation.REGISTER));
  const code = codeOf(result);
  if (code != 0) return failed(code);
  return new JsonWriter(64).beginObject().key('user_id').integer(result.response.load<u32>(4)).endObject().response();
}

function login(fields: AccountFields): Response {
  if (fields.tooLong != 0) return failed(Code.WRONG_CREDENTIALS);
  const result = USER.call(fields.loginRequest(UserOperation.LOGIN));
  const code = codeOf(result);
  if (code != 0) return failed(code);
  return new JsonWriter(512).beginObject().key('token').utf8(result.response.slice(4)).endObject().response();
}
