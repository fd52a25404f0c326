/** The key-value store at its edges: keys that were made to collide, caches with no way to make room, lists of what is gone, times. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { KvFixture } from '../test/kv-fixture.ts';
import { takeCensus } from '../test/privlib-census.ts';
import {
  CLOCK_LAG_MS,
  CONTROL_KV_BYTES,
  CONTROL_NOW_MS,
  CONTROL_NOW_MS64,
  HOME_DEADLINE_MS,
  HOME_END_MS,
  KV_MAY_READ_WRITE,
  KV_PAGE_BYTES_MAX,
  SPACE_BYTES,
  SPACE_EVICTIONS,
  SPACE_HANDLE_FIRST,
  SPACE_INDEX_CHANGES,
  SPACE_IS_CACHE,
  SPACE_IS_DURABLE,
  SPACE_KEYS,
  SPACE_SIZE,
  SPACE_TABLE,
  STRIPE_COUNT,
  STRIPE_SIZE,
  STRIPE_TABLE,
  STRIPES,
} from './layout.ts';
import * as status from './status.ts';

function spaceAt(handle: number): number {
  return SPACE_TABLE + (handle - SPACE_HANDLE_FIRST) * SPACE_SIZE;
}

/** How many entries each stripe of a space has. */
function stripeCounts(f: KvFixture, handle: number): number[] {
  const first = STRIPE_TABLE + (handle - SPACE_HANDLE_FIRST) * STRIPES * STRIPE_SIZE;
  return Array.from({ length: STRIPES }, (_, i) => f.word(first + i * STRIPE_SIZE + STRIPE_COUNT));
}

/** Keys as bytes. */
class BinaryKv {
  readonly f: KvFixture = new KvFixture();
  readonly space: number = this.f.createSpace('s');
  readonly #at: number = this.f.privLib.vmaMap(4096, this.f.host) >>> 0;

  put(key: Uint8Array): void {
    this.f.bytes.set(key, this.#at);
    const { privLib, host } = this.f;
    assert.ok(privLib.kvPut(this.space, this.#at, key.length, 0, -1n, 0n, host) > 65535n);
  }

  delete(key: Uint8Array): number {
    this.f.bytes.set(key, this.#at);
    return this.f.privLib.kvDelete(this.space, this.#at, key.length, -1n, this.f.host);
  }

  /** All keys behind one that begin with a prefix, in pages of so many. */
  list(prefix: Uint8Array, after: Uint8Array, limit: number): Uint8Array[] {
    const { f } = this;
    const found: Uint8Array[] = [];
    let cursor = after;
    for (;;) {
      f.bytes.set(prefix, this.#at);
      f.bytes.set(cursor, this.#at + 2048);
      const page =
        f.privLib.kvList(this.space, this.#at, prefix.length, this.#at + 2048, cursor.length, limit, f.host) >>> 0;
      assert.ok(page > status.STATUS_MAX, `${page}`);
      let at = page + 8;
      const count = f.word(page);
      for (let i = 0; i < count; i++) {
        const length = f.word(at + 20);
        found.push(Buffer.from(f.bytes.slice(at + 24, at + 24 + length)));
        at += (24 + length + 7) & ~7;
      }
      assert.equal(f.privLib.vmaLength(page, f.host), at - page, 'a page ends behind its last key');
      const more = f.word(page + 4);
      f.privLib.vmaUnmap(page, f.host);
      if (more === 0) return found;
      assert.ok(count > 0, 'there is something on each page but the last');
      cursor = found.at(-1) ?? cursor;
    }
  }
}

test('keys that collide whatever the seed is, if hashes were multiplied with a constant, are spread', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const at = f.privLib.vmaMap(4096, f.host) >>> 0;
  // The highest bit of a word stays what it is in each multiplication, and a shift by 29 makes bit 34 of it.
  const pairs = 10;
  for (let choice = 0; choice < 2 ** pairs; choice++) {
    for (let pair = 0; pair < pairs; pair++) {
      const [first, second] = ((choice >>> pair) & 1) === 1 ? [1n << 63n, (1n << 63n) | (1n << 34n)] : [0n, 0n];
      f.view.setBigUint64(at + pair * 16, first, true);
      f.view.setBigUint64(at + pair * 16 + 8, second, true);
    }
    assert.ok(f.privLib.kvPut(space, at, pairs * 16, 0, -1n, 0n, f.host) > 65535n);
  }
  const most = Math.max(...stripeCounts(f, space));
  assert.ok(most < 20, `${most} of 1,024 keys are in one of 256 stripes`);
  takeCensus(f.memory);
});

test('keys of every kind are spread over the stripes', () => {
  const kinds: Record<string, (i: number) => string> = {
    numbers: (i) => `${i}`,
    'numbers of one length': (i) => `user:${String(i).padStart(8, '0')}`,
    'numbers at the front': (i) => `${String(i).padStart(8, '0')}:cart`,
    'long ones': (i) => `${'x'.repeat(500)}${i}`,
    'words of one bit': (i) => String.fromCharCode(...Array.from({ length: 14 }, (_, bit) => 97 + ((i >>> bit) & 1))),
  };
  for (const [kind, name] of Object.entries(kinds)) {
    const f = new KvFixture();
    const space = f.createSpace('s');
    const count = 256 * 40;
    for (let i = 0; i < count; i++) f.put(space, name(i), '', f.host);
    const counts = stripeCounts(f, space);
    const chi = counts.reduce((sum, n) => sum + (n - 40) ** 2 / 40, 0);
    // 255 degrees of freedom: 400 is far beyond what comes by chance.
    assert.ok(chi < 400, `${kind}: ${chi}`);
  }
});

test('a cache gives up nothing for what it could not have room for', () => {
  const f = new KvFixture();
  const evictions = (handle: number) => f.view.getBigUint64(spaceAt(handle) + SPACE_EVICTIONS, true);
  const small = f.createSpace('small', { flags: SPACE_IS_CACHE, bytesMax: 64 * 256 });
  for (let i = 0; i < 64; i++) assert.ok(f.put(small, `k${i}`, 'v', f.host) > 65535n);
  assert.equal(
    f.put(small, 'new', 'x'.repeat(16_000), f.host),
    BigInt(status.KV_FULL),
    'its key does not fit beside it',
  );
  assert.equal(f.put(small, 'k1', 'x'.repeat(20_000), f.host), BigInt(status.KV_FULL));
  assert.equal(f.word(spaceAt(small) + SPACE_KEYS), 64);
  assert.equal(evictions(small), 0n);
  assert.ok(f.put(small, 'new', 'x'.repeat(8000), f.host) > 65535n);
  assert.equal(evictions(small), 33n, 'no more than it takes');
  // The store is full, of others.
  const others = f.createSpace('others');
  f.put(others, 'o', 'x'.repeat(2 ** 20), f.host);
  f.privLib.kvSetLimit(2 ** 20 + 2 ** 15);
  const keys = f.word(spaceAt(small) + SPACE_KEYS);
  f.privLib.kvSpaceConfigure(small, 0, 0, f.host);
  assert.equal(f.put(small, 'k1', 'x'.repeat(40_000), f.host), BigInt(status.KV_FULL));
  assert.equal(f.word(spaceAt(small) + SPACE_KEYS), keys);
  takeCensus(f.memory);
});

test('a cache makes room for one large value at the cost of very many keys, but not after the deadline', async (t) => {
  const f = new KvFixture();
  const cache = f.createSpace('cache', { flags: SPACE_IS_CACHE, bytesMax: 2 ** 24 });
  const made = f.makeFunction();
  f.bind(made, cache, KV_MAY_READ_WRITE);
  const fill = (): void => {
    for (let i = 0; i < 65_536; i++) f.put(cache, `k${i}`, '', f.host);
  };
  const keys = (): number => f.word(spaceAt(cache) + SPACE_KEYS);
  fill();
  const a = f.enter(made);
  const value = f.privLib.argBufNew(2 ** 23, a.base) >>> 0;
  const key = f.argBuf('large', a.base);
  // A clock that passes the deadline while it runs, as soon as it has begun to take keys.
  const code = `const { memory, at, keys } = require('node:worker_threads').workerData;
    const words = new Int32Array(memory.buffer, 0, 2 ** 29);
    require('node:worker_threads').parentPort.postMessage('ready');
    while (Atomics.load(words, keys >>> 2) === 65536);
    Atomics.add(words, at >>> 2, 1000);`;
  const clock = new Worker(code, {
    eval: true,
    workerData: { memory: f.memory, at: CONTROL_NOW_MS, keys: spaceAt(cache) + SPACE_KEYS },
  });
  t.after(() => clock.terminate());
  await once(clock, 'message');
  const now = f.word(CONTROL_NOW_MS);
  f.setWord(a.base + HOME_END_MS, now + 500);
  f.setWord(a.base + HOME_DEADLINE_MS, now + 500);
  const put = (): bigint => f.privLib.kvPut(a.space, key, 5, value, -1n, 0n, a.base);
  assert.throws(put, WebAssembly.RuntimeError);
  assert.ok(keys() > 2 ** 15 && keys() < 2 ** 16, 'in the midst of it');
  assert.equal(f.privLib.vmaLength(value, a.base), 2 ** 23, 'it is still the function’s');
  takeCensus(f.memory);
  f.setWord(a.base + HOME_END_MS, now + 5000);
  f.setWord(a.base + HOME_DEADLINE_MS, now + 5000);
  assert.ok(put() > 65535n);
  assert.equal(keys(), 2 ** 15);
  f.leave(a.pd);
  takeCensus(f.memory);
});

test('operations of a PD that is late trap before they change anything, also those that name no bytes', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const made = f.makeFunction();
  f.bind(made, space, KV_MAY_READ_WRITE);
  f.put(space, 'k', '12345678', f.host);
  const a = f.enter(made);
  const key = f.argBuf('k       ', a.base);
  const value = f.argBuf('v', a.base);
  f.setWord(a.base + HOME_END_MS, f.word(CONTROL_NOW_MS));
  f.setWord(a.base + HOME_DEADLINE_MS, f.word(CONTROL_NOW_MS));
  const { privLib } = f;
  const operations: Record<string, () => unknown> = {
    open: () => privLib.kvOpen(key, 1, a.base),
    get: () => privLib.kvGet(a.space, key, 1, a.base),
    put: () => privLib.kvPut(a.space, key, 1, value, -1n, 0n, a.base),
    'put nothing': () => privLib.kvPut(a.space, key, 1, 0, -1n, 0n, a.base),
    delete: () => privLib.kvDelete(a.space, key, 1, -1n, a.base),
    add: () => privLib.kvAdd(a.space, key, 1, 1n, key, a.base),
    expire: () => privLib.kvExpire(a.space, key, 1, 1n, a.base),
    list: () => privLib.kvList(a.space, 0, 0, 0, 0, 10, a.base),
  };
  for (const [name, operation] of Object.entries(operations)) {
    assert.throws(operation, WebAssembly.RuntimeError, name);
  }
  f.leave(a.pd);
  assert.equal(f.read(space, 'k', f.host), '12345678');
  takeCensus(f.memory);
});

test('an ArgBuf limit of the function has its own status, and costs a cache nothing', () => {
  const f = new KvFixture();
  const cache = f.createSpace('cache', { flags: SPACE_IS_CACHE, keysMax: 4 });
  for (const key of ['a', 'b', 'c', 'd']) f.put(cache, key, 'v', f.host);
  const keys = Array.from({ length: 40 }, (_, i) => `new ${i}`);
  // So much that the entry fits beside the value, and its stripe's first table does not.
  const made = f.makeFunction(() => {}, 131072, 10_000, { vmaBytesMax: 4096 + 256 });
  f.bind(made, cache, KV_MAY_READ_WRITE);
  const a = f.enter(made);
  const value = f.argBuf('v', a.base);
  const results = new Set(keys.map((key) => f.putAt(a.space, key, value, a.base)));
  assert.deepEqual(results, new Set([BigInt(status.ARGBUFS_EXHAUSTED)]));
  assert.equal(f.privLib.vmaLength(value, a.base), 1, 'it is still the function’s');
  f.leave(a.pd);
  assert.equal(f.view.getBigUint64(spaceAt(cache) + SPACE_EVICTIONS, true), 0n);
  takeCensus(f.memory);
});

test('a list passes over very many expired keys once, and says the truth of what is behind', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  for (let i = 0; i < 5000; i++) f.put(space, `e${String(i).padStart(5, '0')}`, 'v', f.host, -1n, 10n);
  f.put(space, 'a', 'first', f.host);
  f.put(space, 'f', 'last', f.host);
  f.passMs(20);
  // Another thread could change the index after each round: then it is sought again each time.
  const index = spaceAt(space) + SPACE_INDEX_CHANGES;
  const before = f.word(index);
  const names = (limit: number): unknown => {
    const page = f.list(space, '', '', limit, f.host);
    return typeof page === 'object' ? [page.keys.map(({ key }) => key), page.more] : page;
  };
  assert.deepEqual(names(10), [['a', 'f'], false]);
  assert.deepEqual(names(2), [['a', 'f'], false]);
  assert.deepEqual(names(1), [['a'], true]);
  assert.deepEqual(f.list(space, 'e', '', 10, f.host), { keys: [], more: false });
  assert.equal(f.word(index), before);
  takeCensus(f.memory);
});

test('what was in a page’s memory before is never seen', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const made = f.makeFunction();
  f.bind(made, space, KV_MAY_READ_WRITE);
  for (let i = 0; i < 30; i++) f.put(space, 'k'.repeat(i + 1), 'v', f.host, -1n, i % 3 === 0 ? 1n : 0n);
  f.passMs(100);
  const a = f.enter(made);
  const secrets = Array.from({ length: 8 }, () => f.privLib.argBufNew(KV_PAGE_BYTES_MAX, a.base) >>> 0);
  for (const secret of secrets) f.bytes.fill(0xaa, secret, secret + KV_PAGE_BYTES_MAX);
  for (const secret of secrets) f.privLib.vmaUnmap(secret, a.base);
  for (const limit of [1, 7, 20, 100]) {
    const page = f.privLib.kvList(a.space, 0, 0, 0, 0, limit, a.base) >>> 0;
    const length = f.privLib.vmaLength(page, a.base);
    assert.ok(length < 2000 && !f.guardAllows(a.base, page + length, 1, false));
    assert.ok(!f.bytes.slice(page, page + length).includes(0xaa));
    assert.equal(f.privLib.vmaResize(page, KV_PAGE_BYTES_MAX, a.base), status.OK);
    assert.ok(f.bytes.slice(page + length, page + KV_PAGE_BYTES_MAX).every((byte) => byte === 0));
  }
  f.leave(a.pd);
  takeCensus(f.memory);
});

test('parameters at their extremes: a status, and nothing has changed', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const made = f.makeFunction();
  f.bind(made, space, KV_MAY_READ_WRITE);
  const a = f.enter(made);
  const { privLib } = f;
  const key = f.argBuf('k', a.base);
  const value = f.argBuf('v', a.base);
  const lengths = [0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1025, 0];
  for (const length of lengths) {
    assert.equal(privLib.kvGet(a.space, key, length, a.base), status.KV_BAD_KEY);
    assert.equal(privLib.kvPut(a.space, key, length, value, -1n, 0n, a.base), BigInt(status.KV_BAD_KEY));
    assert.equal(privLib.kvDelete(a.space, key, length, -1n, a.base), status.KV_BAD_KEY);
    assert.equal(privLib.kvAdd(a.space, key, length, 1n, 0, a.base), status.KV_BAD_KEY);
    assert.equal(privLib.kvExpire(a.space, key, length, 1n, a.base), status.KV_BAD_KEY);
    if (length === 0) continue;
    assert.equal(privLib.kvList(a.space, key, length, 0, 0, 1, a.base), status.KV_BAD_KEY);
    assert.equal(privLib.kvList(a.space, 0, 0, key, length, 1, a.base), status.KV_BAD_KEY);
    assert.ok([status.BAD_POINTER, status.NOT_ALLOWED].includes(privLib.kvOpen(key, length, a.base)));
  }
  // The last bytes of the home, and of an ArgBuf that fills its class.
  const full = privLib.argBufNew(128, a.base) >>> 0;
  for (const [pointer, length, expected] of [
    [made.memoryLimit - 1, 1, status.KV_NO_SUCH_KEY],
    [made.memoryLimit - 1, 2, status.BAD_POINTER],
    [made.memoryLimit, 1, status.BAD_POINTER],
    [full + 127, 1, status.KV_NO_SUCH_KEY],
    [full + 127, 2, status.BAD_POINTER],
    [0xffff_ffff, 1, status.BAD_POINTER],
    [0xffff_ffff, 1024, status.BAD_POINTER],
    [0xff00_0000, 8, status.BAD_POINTER],
    [STRIPE_TABLE, 8, status.BAD_POINTER],
  ] as const) {
    assert.equal(privLib.kvGet(a.space, pointer, length, a.base), expected, `${pointer} ${length}`);
  }
  const largest = 2n ** 63n - 1n;
  for (const ttl of [-1n, -(2n ** 63n), largest, 2n ** 53n + 1n]) {
    assert.equal(privLib.kvPut(a.space, key, 1, value, -1n, ttl, a.base), BigInt(status.BAD_PARAMETER));
    assert.equal(privLib.kvExpire(a.space, key, 1, ttl, a.base), status.BAD_PARAMETER);
  }
  for (const expected of [-2n, -(2n ** 63n)]) {
    assert.equal(privLib.kvPut(a.space, key, 1, value, expected, 0n, a.base), BigInt(status.BAD_PARAMETER));
    assert.equal(privLib.kvDelete(a.space, key, 1, expected, a.base), status.BAD_PARAMETER);
  }
  assert.equal(privLib.kvPut(a.space, key, 1, value, largest, 0n, a.base), BigInt(status.KV_CONFLICT));
  for (const limit of [0, 10_001, 0x8000_0000, 0xffff_ffff]) {
    assert.equal(privLib.kvList(a.space, 0, 0, 0, 0, limit, a.base), status.BAD_PARAMETER);
  }
  assert.equal(f.word(spaceAt(space) + SPACE_KEYS), 0);

  // The key is in the very ArgBuf that is put, and in the very word where the sum goes.
  assert.ok(privLib.kvPut(a.space, value, 1, value, -1n, 0n, a.base) > 65535n);
  const counter = f.argBuf('12345678', a.base);
  f.view.setBigInt64(counter, 0x31n, true);
  assert.equal(privLib.kvAdd(a.space, counter, 8, 5n, counter, a.base), status.OK);
  assert.equal(f.view.getBigInt64(counter, true), 5n);
  const held = privLib.kvGet(a.space, value, 1, a.base) >>> 0;
  assert.equal(held, status.BAD_POINTER, 'its bytes are not the function’s any more');
  const v = f.argBuf('v', a.base);
  assert.equal(privLib.kvGet(a.space, v, 1, a.base) >>> 0, value);
  // A key may lie in a value that is read; a sum may not go there.
  assert.equal(privLib.kvGet(a.space, value, 1, a.base) >>> 0, value);
  assert.equal(privLib.kvAdd(a.space, key, 1, 1n, value, a.base), status.BAD_POINTER);
  // A counter is put from an ArgBuf, and added to while that ArgBuf's address is where the sum should go.
  const number = f.argBuf('\x01\0\0\0\0\0\0\0', a.base);
  assert.ok(privLib.kvPut(a.space, key, 1, number, -1n, 0n, a.base) > 65535n);
  assert.equal(privLib.kvAdd(a.space, key, 1, 1n, number, a.base), status.BAD_POINTER);
  assert.equal(privLib.kvAdd(a.space, key, 1, 1n, full, a.base), status.OK);
  assert.equal(f.view.getBigInt64(full, true), 2n);
  f.leave(a.pd);
  takeCensus(f.memory);
});

test('times of 64 bits: what the 32-bit word of the clock wraps over expires at its time and not before', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const at = (): bigint => f.view.getBigUint64(CONTROL_NOW_MS64, true);
  f.view.setBigUint64(CONTROL_NOW_MS64, 2n ** 32n - 50n, true);
  f.put(space, 'short', 'v', f.host, -1n, 100n);
  f.put(space, 'long', 'v', f.host, -1n, 2n ** 33n);
  f.put(space, 'longest', 'v', f.host, -1n, 2n ** 53n);
  f.passMs(60);
  assert.equal(at(), 2n ** 32n + 10n, 'the clock goes on');
  f.privLib.clockAdvance(2 ** 32 - 20);
  assert.equal(at(), 2n ** 32n + 10n, 'and not back over the wrap');
  assert.equal(f.read(space, 'short', f.host), 'v');
  f.passMs(40 + CLOCK_LAG_MS);
  assert.equal(f.read(space, 'short', f.host), status.KV_NO_SUCH_KEY);
  // A day at a time: 2^33 ms are 99 days, over two more wraps.
  const day = 24 * 3600 * 1000;
  const end = 2n ** 32n - 50n + 2n ** 33n + BigInt(CLOCK_LAG_MS);
  while (at() + BigInt(day) < end) {
    f.passMs(day);
    assert.equal(f.read(space, 'long', f.host), 'v');
  }
  f.passMs(Number(end - at()) - 1);
  assert.equal(f.read(space, 'long', f.host), 'v', 'to the last ms');
  f.passMs(1);
  assert.equal(f.read(space, 'long', f.host), status.KV_NO_SUCH_KEY);
  f.view.setBigUint64(CONTROL_NOW_MS64, 2n ** 53n, true);
  assert.equal(f.read(space, 'longest', f.host), 'v');
  takeCensus(f.memory);
});

test('property: keys are listed in the order of their bytes, from any place, whatever comes and goes', () => {
  const kv = new BinaryKv();
  const all = new Map<string, Buffer>();
  // All single bytes, prefixes of each other, and the longest ones that differ in their last byte alone.
  const fixed = [
    ...Array.from({ length: 256 }, (_, byte) => Buffer.from([byte])),
    ...Array.from({ length: 20 }, (_, length) => Buffer.alloc(length + 1)),
    ...Array.from({ length: 20 }, (_, length) => Buffer.alloc(length + 1, 255)),
    ...Array.from({ length: 20 }, (_, length) => Buffer.alloc(1024 - length, 97)),
    ...Array.from({ length: 256 }, (_, byte) => Buffer.concat([Buffer.alloc(1023, 98), Buffer.from([byte])])),
  ];
  const add = (key: Buffer): void => {
    kv.put(key);
    all.set(key.toString('latin1'), key);
  };
  for (const key of fixed) add(key);
  const byte = fc.constantFrom(0, 1, 97, 98, 127, 128, 254, 255);
  const key = fc
    .tuple(fc.constantFrom(0, 0, 7, 8, 9, 1000), byte, fc.array(byte, { minLength: 1, maxLength: 20 }))
    .map(([length, fill, rest]) => Buffer.concat([Buffer.alloc(length, fill), Buffer.from(rest)]));
  const sorted = (): Buffer[] => [...all.values()].sort(Buffer.compare);
  assert.deepEqual(kv.list(Buffer.alloc(0), Buffer.alloc(0), 10_000), sorted());
  fc.assert(
    fc.property(
      fc.array(key, { maxLength: 30 }),
      fc.array(key, { maxLength: 15 }),
      key,
      key,
      fc.integer({ min: 1, max: 300 }),
      (added, removed, prefix, after, limit) => {
        for (const one of added) add(one);
        for (const one of removed) {
          const was = all.delete(one.toString('latin1'));
          assert.equal(kv.delete(one), was ? status.OK : status.KV_NO_SUCH_KEY);
        }
        const keys = sorted();
        const short = prefix.subarray(0, 2);
        const begin = (whole: Buffer, part: Buffer): boolean => whole.subarray(0, part.length).equals(part);
        assert.deepEqual(
          kv.list(short, after, limit),
          keys.filter((one) => begin(one, short) && Buffer.compare(one, after) > 0),
        );
        assert.deepEqual(
          kv.list(prefix, Buffer.alloc(0), limit),
          keys.filter((one) => begin(one, prefix)),
        );
      },
    ),
    { numRuns: 60 },
  );
  takeCensus(kv.f.memory);
});

test('values that are held count as the store’s when they are replaced: one function cannot take all memory', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const made = f.makeFunction(() => {}, 131072, 10_000, { vmaBytesMax: 2 ** 21 });
  f.bind(made, space, KV_MAY_READ_WRITE);
  const megabyte = 2 ** 20;
  f.privLib.kvSetLimit(16 * megabyte);
  const bytes = (): number => f.word(CONTROL_KV_BYTES);
  const a = f.enter(made);
  const put = (): bigint => {
    const value = f.privLib.argBufNew(megabyte, a.base) >>> 0;
    const version = f.putAt(a.space, 'k', value, a.base);
    if (version < 65536n) f.privLib.vmaUnmap(value, a.base);
    return version;
  };
  const held: number[] = [];
  let replaced = 0;
  for (; put() > 65535n; replaced++) held.push(f.get(a.space, 'k', a.base));
  assert.equal(replaced, 15, 'its entry has some bytes, too');
  assert.equal(put(), BigInt(status.KV_FULL));
  assert.equal(f.word(spaceAt(space) + SPACE_BYTES), megabyte + 128, 'the space has but one of them');
  assert.equal(bytes(), 15 * megabyte + 128);
  takeCensus(f.memory);
  // Letting go of one makes room for one; of what is there still, for none.
  assert.equal(f.privLib.vmaRelease(held.pop() ?? 0, a.base), status.OK);
  assert.ok(put() > 65535n, 'nobody holds what it replaces');
  assert.equal(f.privLib.vmaRelease(held.pop() ?? 0, a.base), status.OK);
  assert.equal(bytes(), 14 * megabyte + 128);
  takeCensus(f.memory);
  assert.equal(f.delete(a.space, 'k', a.base), status.OK);
  assert.equal(bytes(), 13 * megabyte);
  f.leave(a.pd);
  assert.equal(bytes(), 0);
  takeCensus(f.memory);
});

test('a durable cache finds keys to give up behind many that the disk has not heard of', () => {
  const f = new KvFixture();
  const space = f.createSpace('s', { flags: SPACE_IS_CACHE | SPACE_IS_DURABLE, keysMax: 6000 });
  for (let i = 0; i < 6000; i++) f.put(space, `k${i}`, '', f.host);
  for (let i = 0; i < 5900; i++) f.delete(space, `k${i}`, f.host);
  for (let i = 0; i < 5900; i++) assert.ok(f.put(space, `n${i}`, '', f.host) > 65535n);
  for (let i = 0; i < 1000; i++) assert.ok(f.put(space, `m${i}`, '', f.host) > 65535n, `${i}`);
  takeCensus(f.memory);
});
