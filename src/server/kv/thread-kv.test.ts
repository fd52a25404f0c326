/** Keys and values from outside, against a model and at their limits. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { type ErrorCode, JordError } from '../../errors.ts';
import { type LocalWorkerServer, startWorkerServer } from '../worker-server.ts';
import type { KvKey } from './types.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const VERSION_FIRST = 65_536n;

let server: LocalWorkerServer;
before(async () => {
  server = await startWorkerServer({ executors: 0, kvBytesMax: 256 * 2 ** 20 });
});
after(() => server.stop());

function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

function code(expected: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof JordError && error.code === expected;
}

function text(space: string, key: string): string | undefined {
  const value = server.kv.get(space, bytes(key))?.value;
  return value && decoder.decode(value);
}

function keysOf(keys: readonly KvKey[]): string[] {
  return keys.map(({ key }) => decoder.decode(key));
}

test('what is put is got, as copies', async () => {
  const { kv } = server;
  await kv.create('copies');
  const value = bytes('one');
  const version = await kv.put('copies', bytes('k'), value);
  value.fill(0);
  const entry = kv.get('copies', bytes('k'));
  assert.deepEqual(entry, { value: bytes('one'), version, ttlMs: null });
  entry?.value.fill(0);
  assert.equal(text('copies', 'k'), 'one');
  assert.equal(version, VERSION_FIRST);
  assert.equal(await kv.put('copies', bytes('k'), new Uint8Array(0)), VERSION_FIRST + 1n);
  assert.equal(text('copies', 'k'), '');
  assert.equal(await kv.delete('copies', bytes('k')), true);
  assert.equal(await kv.delete('copies', bytes('k')), false);
  assert.equal(kv.get('copies', bytes('k')), undefined);
});

test('a put, and a delete, with a version that is no longer that of the key changes nothing', async () => {
  const { kv } = server;
  await kv.create('cas');
  const key = bytes('k');
  await assert.rejects(kv.put('cas', key, bytes('a'), { expected: 70_000n }), code('KV_CONFLICT'));
  const first = await kv.put('cas', key, bytes('a'), { expected: 0n });
  await assert.rejects(kv.put('cas', key, bytes('b'), { expected: 0n }), code('KV_CONFLICT'));
  const second = await kv.put('cas', key, bytes('b'), { expected: first });
  assert.ok(second > first);
  await assert.rejects(kv.put('cas', key, bytes('c'), { expected: first }), code('KV_CONFLICT'));
  await assert.rejects(kv.delete('cas', key, { expected: first }), code('KV_CONFLICT'));
  assert.equal(text('cas', 'k'), 'b');
  assert.equal(await kv.delete('cas', key, { expected: second }), true);
});

test('counters add up, wrap, and are refused where the value is none', async () => {
  const { kv } = server;
  await kv.create('counters');
  const key = bytes('n');
  assert.equal(await kv.add('counters', key, 5n), 5n);
  assert.equal(await kv.add('counters', key, -7n), -2n);
  assert.equal(await kv.add('counters', key, 2n ** 63n - 1n), 2n ** 63n - 3n);
  assert.equal(await kv.add('counters', key, 3n), -(2n ** 63n));
  assert.deepEqual(kv.get('counters', key)?.value, new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0x80]));
  await kv.put('counters', key, bytes('seven'));
  await assert.rejects(kv.add('counters', key, 1n), code('KV_NOT_A_COUNTER'));
  await assert.rejects(kv.add('counters', key, 2n ** 63n), code('BAD_OPTION'));
  await assert.rejects(kv.add('counters', key, 1 as never), code('BAD_OPTION'));
});

test('keys expire, are swept, and free their memory', async () => {
  const { kv } = server;
  await kv.create('short');
  for (let i = 0; i < 2000; i++) await kv.put('short', bytes(`k${i}`), bytes('v'), { ttlMs: 50 });
  await kv.put('short', bytes('stays'), bytes('v'), { ttlMs: 60_000 });
  await kv.put('short', bytes('k0'), bytes('for ever'));
  const ttlMs = kv.get('short', bytes('stays'))?.ttlMs ?? 0;
  assert.ok(ttlMs > 50_000 && ttlMs <= 60_010, `${ttlMs} ms`);
  await delay(60);
  assert.equal(kv.get('short', bytes('k1')), undefined);
  assert.equal(text('short', 'k0'), 'for ever');
  assert.deepEqual(keysOf(kv.list('short').keys), ['k0', 'stays']);
  for (let tries = 0; (await kv.space('short')).keys > 2 && tries < 100; tries++) await delay(50);
  const { keys, expirations } = await kv.space('short');
  assert.equal(keys, 2);
  // On a slow machine k0 has expired before it is put again.
  assert.ok(expirations === 1999 || expirations === 2000, `${expirations}`);
});

test('pages list each key once, in the order of bytes', async () => {
  const { kv } = server;
  await kv.create('pages');
  const names = Array.from({ length: 3000 }, (_, i) => `${i % 2 === 0 ? 'even' : 'odd'}/${i}`);
  for (const name of names) await kv.put('pages', bytes(name), bytes(name));
  const found: string[] = [];
  let after: Uint8Array | undefined;
  for (;;) {
    const { keys, more } = kv.list('pages', { prefix: bytes('odd/'), limit: 400, ...(after && { after }) });
    found.push(...keysOf(keys));
    after = keys.at(-1)?.key;
    if (!more) break;
    assert.ok(keys.length > 0);
  }
  assert.deepEqual(found, names.filter((name) => name.startsWith('odd/')).sort());
  assert.deepEqual(kv.list('pages', { prefix: bytes('none') }), { keys: [], more: false });
  const [first] = kv.list('pages', { limit: 1 }).keys;
  assert.deepEqual([first?.sizeBytes, first?.ttlMs], [6, null]);
});

test('keys and values at and beyond their limits', async () => {
  const { kv } = server;
  await kv.create('limits');
  const longest = new Uint8Array(1024).fill(7);
  await kv.put('limits', longest, bytes('v'));
  assert.deepEqual(kv.get('limits', longest)?.value, bytes('v'));
  for (const key of [new Uint8Array(0), new Uint8Array(1025), 'text' as never]) {
    assert.throws(() => kv.get('limits', key), code('KV_KEY_INVALID'));
    await assert.rejects(kv.put('limits', key, bytes('v')), code('KV_KEY_INVALID'));
    await assert.rejects(kv.delete('limits', key), code('KV_KEY_INVALID'));
    await assert.rejects(kv.add('limits', key, 1n), code('KV_KEY_INVALID'));
  }
  assert.throws(() => kv.list('limits', { prefix: new Uint8Array(1025) }), code('KV_KEY_INVALID'));
  const large = new Uint8Array(64 * 2 ** 20).fill(3);
  await kv.put('limits', bytes('large'), large);
  assert.ok(Buffer.from(large).equals(kv.get('limits', bytes('large'))?.value ?? new Uint8Array(0)));
  await assert.rejects(kv.put('limits', bytes('k'), new Uint8Array(large.length + 1)), code('BODY_TOO_LARGE'));
  await assert.rejects(kv.put('limits', bytes('k'), 'text' as never), code('BAD_REQUEST'));
  for (const ttlMs of [0, -1, 1.5, Number.NaN, '5' as never]) {
    await assert.rejects(kv.put('limits', bytes('k'), bytes('v'), { ttlMs }), code('BAD_OPTION'));
  }
  for (const expected of [-1n, 2n ** 63n, 1 as never]) {
    await assert.rejects(kv.put('limits', bytes('k'), bytes('v'), { expected }), code('BAD_OPTION'));
  }
  await assert.rejects(kv.delete('limits', bytes('k'), { expected: 0n }), code('BAD_OPTION'));
  for (const limit of [0, 10_001, 1.5]) assert.throws(() => kv.list('limits', { limit }), code('BAD_OPTION'));
  assert.equal(kv.get('limits', bytes('k')), undefined);
  await kv.drop('limits');
});

test('a space without room says so, a cache makes some', async () => {
  const { kv } = server;
  await kv.create('few', { keysMax: 2 });
  await kv.create('cache', { cache: true, keysMax: 50 });
  await kv.put('few', bytes('a'), bytes('v'));
  await kv.put('few', bytes('b'), bytes('v'));
  await assert.rejects(kv.put('few', bytes('c'), bytes('v')), code('KV_FULL'));
  await kv.put('few', bytes('b'), bytes('w'));
  await kv.create('few', { keysMax: 3 });
  await kv.put('few', bytes('c'), bytes('v'));
  await kv.create('few', { bytesMax: 3 * 256 });
  await assert.rejects(kv.put('few', bytes('a'), new Uint8Array(200)), code('KV_FULL'));
  assert.equal(text('few', 'a'), 'v');
  for (let i = 0; i < 500; i++) await kv.put('cache', bytes(`k${i}`), bytes('v'));
  const { keys, evictions } = await kv.space('cache');
  assert.deepEqual([keys, evictions], [50, 450]);
  assert.equal(text('cache', 'k499'), 'v');
});

test('any sequence of operations does what a map does', async () => {
  const { kv } = server;
  const keys = fc.constantFrom('a', 'ab', 'b', 'long'.repeat(60), 'é');
  const operation = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), key: keys, size: fc.nat(600), cas: fc.boolean() }),
    fc.record({ kind: fc.constant('delete' as const), key: keys }),
    fc.record({ kind: fc.constant('add' as const), key: keys, delta: fc.bigInt(-1000n, 1000n) }),
    fc.record({ kind: fc.constant('get' as const), key: keys }),
  );
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
      const space = `model-${runs++}`;
      await kv.create(space);
      const model = new Map<string, { value: Uint8Array; version: bigint }>();
      let last = VERSION_FIRST - 1n;
      for (const step of operations) {
        const key = bytes(step.key);
        const there = model.get(step.key);
        if (step.kind === 'put') {
          const value = new Uint8Array(step.size).fill(step.size);
          const version = await kv.put(space, key, value, step.cas ? { expected: there?.version ?? 0n } : {});
          assert.ok(version > last);
          last = version;
          model.set(step.key, { value, version });
        } else if (step.kind === 'delete') {
          assert.equal(await kv.delete(space, key), model.delete(step.key));
        } else if (step.kind === 'add') {
          if (there !== undefined && there.value.length !== 8) {
            await assert.rejects(kv.add(space, key, step.delta), code('KV_NOT_A_COUNTER'));
          } else {
            const sum = (there === undefined ? 0n : Buffer.from(there.value).readBigInt64LE()) + step.delta;
            assert.equal(await kv.add(space, key, step.delta), BigInt.asIntN(64, sum));
            const got = kv.get(space, key);
            assert.ok(got !== undefined && got.version > last);
            last = got.version;
            model.set(step.key, got);
          }
        }
        const got = kv.get(space, key);
        const expected = model.get(step.key);
        assert.equal(got?.version, expected?.version);
        assert.deepEqual(got?.value, expected?.value);
      }
      assert.deepEqual(
        keysOf(kv.list(space).keys),
        [...model.keys()].sort((a, b) => Buffer.compare(bytes(a), bytes(b))),
      );
      assert.equal((await kv.space(space)).keys, model.size);
      await kv.drop(space);
    }),
    { numRuns: 60 },
  );
});

test('nothing is done without a space, and after the end', async () => {
  const other = await startWorkerServer({ executors: 0 });
  await other.kv.create('s');
  assert.throws(() => other.kv.get('t', bytes('k')), code('KV_SPACE_UNKNOWN'));
  await assert.rejects(other.kv.put('t', bytes('k'), bytes('v')), code('KV_SPACE_UNKNOWN'));
  assert.throws(() => other.kv.list('t'), code('KV_SPACE_UNKNOWN'));
  await assert.rejects(other.kv.space('t'), code('KV_SPACE_UNKNOWN'));
  await assert.rejects(other.kv.drop('t'), code('KV_SPACE_UNKNOWN'));
  await other.stop();
  assert.throws(() => other.kv.get('s', bytes('k')), code('SERVER_STOPPED'));
  await assert.rejects(other.kv.spaces(), code('SERVER_STOPPED'));
  await assert.rejects(other.kv.create('u'), code('SERVER_STOPPED'));
});
