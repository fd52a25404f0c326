/** A function that does with a key of one space what its request says, and returns what came of it as a word. */
import { answer, guest } from './guests.ts';
import { OPERATIONS } from './kv-requests.ts';

const NAME_AT = 256;
const RESULT_AT = 512;
const KEY = '(i32.add (local.get $request) (i32.const 4)) (i32.const 4)';
const VALUE = '(i32.load offset=8 (local.get $request))';
const SYNC = '(call $kv_sync (local.get $space))';

const put = (then: string): string => `
  (local.set $value (call $argbuf_new (i32.const 4)))
  (i32.store (local.get $value) ${VALUE})
  (local.set $version (call $kv_put (local.get $space) ${KEY} (local.get $value) (i64.const -1) (i64.const 0)))
  (local.set $result (i32.wrap_i64 (local.get $version)))
  (if (i64.ge_s (local.get $version) (i64.const 65536)) (then (local.set $result ${then})))`;

const get = `
  (local.set $result (call $kv_get (local.get $space) ${KEY}))
  (if (i32.ge_u (local.get $result) (i32.const 65536)) (then (local.set $result (i32.load (local.get $result)))))`;

const add = `(local.set $result (call $kv_add (local.get $space) ${KEY} (i64.extend_i32_s ${VALUE}) (i32.const ${RESULT_AT})))
  (if (i32.eqz (local.get $result)) (then (local.set $result (i32.load (i32.const ${RESULT_AT})))))`;

/** Of the space with this name. With `canSync` false it imports nothing that suspends, and `sync` and `putAndSync` do without. */
export function kvGuest(space: string, canSync = true): Uint8Array {
  const sync = canSync ? SYNC : '(i32.const 0)';
  const operations = [
    [OPERATIONS.put, put('(i32.const 0)')],
    [OPERATIONS.putAndSync, put(sync)],
    [OPERATIONS.get, get],
    [OPERATIONS.sync, `(local.set $result ${sync})`],
    [OPERATIONS.add, add],
    [OPERATIONS.delete, `(local.set $result (call $kv_delete (local.get $space) ${KEY} (i64.const -1)))`],
  ];
  const branches = operations.map(
    ([number, body]) => `(if (i32.eq (local.get $operation) (i32.const ${number})) (then ${body}))`,
  );
  const body = `
    (local.set $operation (i32.load (local.get $request)))
    (local.set $space (call $kv_open (i32.const ${NAME_AT}) (i32.const ${space.length})))
    (local.set $result (local.get $space))
    (if (i32.ge_u (local.get $space) (i32.const 65536)) (then ${branches.join('\n')}))
    ${answer('(local.get $result)')}`;
  const locals =
    '(local $operation i32) (local $space i32) (local $result i32) (local $value i32) (local $version i64)';
  return guest(body, { locals, more: `(data (i32.const ${NAME_AT}) "${space}")` });
}
