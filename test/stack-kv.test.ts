/** The key-value store asked with every amount of stack left, as in stack.test.ts: no lock stays taken, and the store is whole. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as L from '../core/layout.ts';
import type { FaultDetails } from '../src/server/types.ts';
import { deepest, depths, diveRequest, diverModule } from './diver.ts';
import { EXECUTOR, type ObservedServer, startObserved } from './observed-server.ts';
import { takeCensus } from './privlib-census.ts';

const OWN = '(i32.const 65536)';
const CACHE = '(i32.const 65537)';
const K = '(i32.const 0) (i32.const 1)';
const COUNTER = '(i32.const 8) (i32.const 1)';
/** A key that is another one with each amount of stack. */
const NEW_KEY = '(local.get $x) (i32.const 12)';
const NEW_VALUE = '(call $argbuf_new (i32.const 100))';
/** A key that is put before each dive, also a new one each time. */
const THERE = '(i32.const 512) (i32.const 12)';
const PUT_THERE = `(memory.copy (i32.const 512) (local.get $request) (i32.const 12)) (i32.store8 (i32.const 512) (i32.const 255))
  (drop ${put(OWN, THERE, NEW_VALUE)})`;
const CACHE_KEYS_MAX = 20;

function put(space: string, key: string, value: string): string {
  return `(i32.wrap_i64 (call $kv_put ${space} ${key} ${value} (i64.const -1) (i64.const 0)))`;
}

const OPERATIONS: Readonly<Record<string, string>> = {
  nothing: '(i32.const 0)',
  kv_open: '(call $kv_open (i32.const 16) (i32.const 3))',
  kv_get: `(call $kv_get ${OWN} ${K})`,
  'kv_get of no key': `(call $kv_get ${OWN} ${NEW_KEY})`,
  'kv_get and kv_release': `(call $kv_release (call $kv_get ${OWN} ${K}))`,
  kv_version: `(i32.wrap_i64 (call $kv_version (call $kv_get ${OWN} ${K})))`,
  'kv_put in place of another': put(OWN, K, NEW_VALUE),
  'kv_put in place of another that is held': `(drop (call $kv_get ${OWN} ${K})) ${put(OWN, K, NEW_VALUE)}`,
  'kv_put of nothing': put(OWN, K, '(i32.const 0)'),
  'kv_put of a new key': put(OWN, NEW_KEY, NEW_VALUE),
  'kv_put of the ArgBuf with the key': put(OWN, NEW_KEY, '(local.get $x)'),
  'kv_put in a cache that is full': put(CACHE, NEW_KEY, NEW_VALUE),
  'kv_put that needs the room of several': put(CACHE, K, '(call $argbuf_new (i32.const 1800))'),
  kv_delete: `(call $kv_delete ${OWN} ${THERE} (i64.const -1))`,
  'kv_delete of what is held': `(drop (call $kv_get ${OWN} ${THERE})) (call $kv_delete ${OWN} ${THERE} (i64.const -1))`,
  'kv_put of what is there, in an ArgBuf that is there': put(OWN, THERE, '(local.get $x)'),
  kv_add: `(call $kv_add ${OWN} ${COUNTER} (i64.const 1) (i32.const 128))`,
  'kv_add to what is held': `(drop (call $kv_get ${OWN} ${COUNTER})) (call $kv_add ${OWN} ${COUNTER} (i64.const 1) (i32.const 128))`,
  'kv_add to no key': `(call $kv_add ${OWN} ${NEW_KEY} (i64.const 1) (i32.const 128))`,
  kv_expire: `(call $kv_expire ${OWN} ${COUNTER} (i64.const 100000))`,
  kv_list: `(call $kv_list ${OWN} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 50))`,
  'kv_list behind a key': `(call $kv_list ${OWN} (i32.const 0) (i32.const 0) ${NEW_KEY} (i32.const 50))`,
  kv_sync: `(call $kv_sync ${OWN})`,
};

const IMPORTS = [
  'argbuf_new',
  'kv_open',
  'kv_get',
  'kv_version',
  'kv_put',
  'kv_delete',
  'kv_add',
  'kv_expire',
] as const;
const MODULE = diverModule(
  Object.values(OPERATIONS),
  [...IMPORTS, 'kv_list', 'kv_release', 'kv_sync'],
  '(data (i32.const 0) "k") (data (i32.const 8) "counter") (data (i32.const 16) "own")',
  PUT_THERE,
);

let observed: ObservedServer;
let memory: WebAssembly.Memory;

before(async () => {
  observed = await startObserved();
  ({ memory } = observed.memory);
  const { server } = observed;
  await server.kv.create('cache', { cache: true, keysMax: CACHE_KEYS_MAX, bytesMax: 8192 });
  await server.deploy('diver', MODULE, { kv: ['own:rw', 'cache:rw'] });
  await server.kv.put('own', Buffer.from('k'), Buffer.from('value'));
  await server.kv.add('own', Buffer.from('c'), 1n);
  // Until V8 has optimised it: its frames get smaller.
  for (let i = 0; i < 50; i++) await dive(0, 5000, 1000);
});
after(() => observed?.server.stop());

/** No lock of the store is taken. */
function assertUnlocked(): void {
  const view = observed.memory;
  for (let space = 0; space < 2; space++) {
    assert.equal(
      view.word(L.SPACE_TABLE + space * L.SPACE_SIZE + L.SPACE_INDEX_LOCK),
      0,
      'the lock of an index is free',
    );
    for (let i = 0; i < L.STRIPES; i++) {
      const stripe = L.STRIPE_TABLE + (space * L.STRIPES + i) * L.STRIPE_SIZE;
      assert.equal(view.word(stripe + L.STRIPE_LOCK), 0, 'the lock of a stripe is free');
    }
  }
}

/** The fault of a dive, or undefined when it came back. */
async function dive(operation: number, coarse: number, fine: number): Promise<FaultDetails | undefined> {
  try {
    const { body } = await observed.server.invoke('diver', diveRequest(operation, coarse, fine));
    assert.equal(body.length, 0);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error && 'details' in error);
    assert.equal(error.code, 'FUNCTION_FAULT', `${error.message}: ${error.cause}`);
    return error.details as FaultDetails;
  } finally {
    const view = observed.memory;
    assert.equal(view.running, view.hostBase);
    assert.equal(view.word(EXECUTOR + L.EXECUTOR_PDS), 0);
    assertUnlocked();
  }
}

for (const [operation, name] of Object.keys(OPERATIONS).entries()) {
  test(name, async () => {
    await dive(operation, 1, 0);
    const bottom = await deepest(async (coarse) => (await dive(0, coarse, 0)) === undefined);
    const seen = new Set<string | undefined>();
    let dives = 0;
    for (const [coarse, fine] of depths(bottom)) {
      seen.add((await dive(operation, coarse, fine))?.fault);
      if (dives++ % 100 === 0) takeCensus(memory);
    }
    assert.deepEqual(seen, new Set(['stack-exhausted', undefined]));
    takeCensus(memory);
    // One thread after the other gets what it asks for.
    assert.notEqual(observed.server.kv.get('own', Buffer.from('k')), undefined);
  });
}

test('what is left are the keys that were put', async () => {
  const { server } = observed;
  await server.remove('diver');
  for (const name of ['own', 'cache']) await server.kv.drop(name);
  assert.equal(takeCensus(memory).vmas, 0);
  observed.memory.assertIdle();
  observed.memory.assertPristine();
});
