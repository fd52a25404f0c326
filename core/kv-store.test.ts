import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KvFixture } from '../test/kv-fixture.ts';
import { takeCensus } from '../test/privlib-census.ts';
import {
  CLOCK_LAG_MS,
  KV_MAY_READ,
  KV_MAY_READ_WRITE,
  SPACE_EVICTIONS,
  SPACE_EXPIRATIONS,
  SPACE_HANDLE_FIRST,
  SPACE_IS_CACHE,
  SPACE_KEYS,
  SPACE_SIZE,
  SPACE_TABLE,
  SPACES_MAX,
  STRIPE_HITS,
  STRIPE_PUTS,
} from './layout.ts';
import * as status from './status.ts';

/** Address of the space behind a handle of a host's. */
function spaceAt(handle: number): number {
  return SPACE_TABLE + (handle - SPACE_HANDLE_FIRST) * SPACE_SIZE;
}

test('a value is moved in and shared out: what was put is found where it was, and nobody can write to it', () => {
  const f = new KvFixture();
  const space = f.createSpace('carts');
  const reader = f.makeFunction();
  const writer = f.makeFunction();
  f.bind(reader, space, KV_MAY_READ);
  f.bind(writer, space, KV_MAY_READ_WRITE);

  const a = f.enter(writer);
  const value = f.argBuf('three apples', a.base);
  const version = f.putAt(a.space, 'alice', value, a.base);
  assert.ok(version >= 65536n);
  assert.ok(!f.guardAllows(a.base, value, 1, false), 'what was put is not the function’s any more');
  assert.equal(f.privLib.vmaUnmap(value, a.base), status.NOT_THE_OWNER);
  f.leave(a.pd);

  const b = f.enter(reader);
  const got = f.get(b.space, 'alice', b.base);
  assert.equal(got, value, 'nothing was copied');
  assert.equal(f.get(b.space, 'alice', b.base), value, 'and held once');
  assert.ok(f.guardAllows(b.base, got, 12, false));
  assert.ok(!f.guardAllows(b.base, got, 13, false), 'to the byte');
  assert.ok(!f.guardAllows(b.base, got, 1, true), 'for reading only');
  assert.equal(f.privLib.kvVersion(got, b.base), version);
  for (const change of [
    f.privLib.vmaUnmap(got, b.base),
    f.privLib.vmaProtect(got, 3, b.base),
    f.privLib.vmaResize(got, 4, b.base),
    Number(f.putAt(b.space, 'bob', got, b.base)),
  ]) {
    assert.ok([status.NOT_THE_OWNER, status.NOT_ALLOWED].includes(change), `${change}`);
  }
  assert.equal(f.put(b.space, 'alice', 'x', b.base), BigInt(status.NOT_ALLOWED));
  assert.equal(f.delete(b.space, 'alice', b.base), status.NOT_ALLOWED);
  assert.equal(f.add(b.space, 'n', 1n, b.base), status.NOT_ALLOWED);
  assert.equal(f.expire(b.space, 'alice', 1n, b.base), status.NOT_ALLOWED);
  takeCensus(f.memory);
  f.leave(b.pd);
  takeCensus(f.memory);
});

test('a reader keeps what it got while the key is replaced and deleted; the last one frees it', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const reader = f.makeFunction();
  f.bind(reader, space, KV_MAY_READ);
  f.put(space, 'k', 'first', f.host);
  const r = f.enter(reader);
  const held = f.get(r.space, 'k', r.base);
  // Not the host's turn; but it may ask where nothing else runs.
  f.privLib.pdSuspend(r.base);
  for (let i = 0; i < 1000; i++) assert.ok(f.put(space, 'k', `later ${i}`, f.host) > 65535n);
  takeCensus(f.memory);
  assert.equal(f.delete(space, 'k', f.host), status.OK);
  assert.equal(f.delete(space, 'k', f.host), status.KV_NO_SUCH_KEY);
  f.privLib.pdResume(r.base);
  assert.equal(f.textAt(held, r.base), 'first');
  assert.ok(f.guardAllows(r.base, held, 5, false));
  assert.equal(f.get(r.space, 'k', r.base), status.KV_NO_SUCH_KEY);
  assert.equal(f.privLib.vmaRelease(held, r.base), status.OK);
  assert.ok(!f.guardAllows(r.base, held, 1, false));
  assert.equal(f.privLib.kvVersion(held, r.base), 0n);
  f.leave(r.pd);
  const census = takeCensus(f.memory);
  // What is left is the host's memory for keys and the table of the stripe.
  assert.equal(census.vmas, 2);
});

test('compare-and-set: the version that is expected, none, or any', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const first = f.put(space, 'k', 'a', f.host, 0n);
  assert.ok(first > 65535n);
  assert.equal(f.put(space, 'k', 'b', f.host, 0n), BigInt(status.KV_CONFLICT));
  assert.equal(f.put(space, 'other', 'b', f.host, first), BigInt(status.KV_CONFLICT), 'a key that is not there');
  const second = f.put(space, 'k', 'c', f.host, first);
  assert.ok(second > first, 'versions grow');
  assert.equal(f.put(space, 'k', 'd', f.host, first), BigInt(status.KV_CONFLICT));
  assert.equal(f.delete(space, 'k', f.host, first), status.KV_CONFLICT);
  assert.equal(f.read(space, 'k', f.host), 'c');
  assert.equal(f.delete(space, 'k', f.host, second), status.OK);
  assert.ok(f.put(space, 'k', 'e', f.host, 0n) > second, 'also after it was deleted');
  assert.equal(f.put(space, 'k', 'f', f.host, -2n), BigInt(status.BAD_PARAMETER));
  assert.equal(f.delete(space, 'k', f.host, 0n), status.BAD_PARAMETER);
  takeCensus(f.memory);
});

test('counters: in place, beside a reader who sees what it got, wrapping, and never of another value', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const reader = f.makeFunction();
  f.bind(reader, space, KV_MAY_READ_WRITE);
  assert.equal(f.add(space, 'n', 5n, f.host), 5n);
  assert.equal(f.add(space, 'n', -7n, f.host), -2n);
  const r = f.enter(reader);
  const held = f.get(r.space, 'n', r.base);
  const version = f.privLib.kvVersion(held, r.base);
  assert.equal(f.add(r.space, 'n', 100n, r.base), 98n);
  assert.equal(f.view.getBigInt64(held, true), -2n, 'what is read does not change');
  assert.equal(f.privLib.kvVersion(held, r.base), version);
  f.leave(r.pd);
  assert.equal(f.add(space, 'n', 2n ** 63n - 1n, f.host), BigInt.asIntN(64, 98n + 2n ** 63n - 1n));
  f.put(space, 't', 'nine byte', f.host);
  assert.equal(f.add(space, 't', 1n, f.host), status.KV_NOT_A_COUNTER);
  assert.equal(f.read(space, 't', f.host), 'nine byte');
  takeCensus(f.memory);
});

test('a key expires at its time and not before; counting keeps the time, putting sets it anew', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  f.put(space, 'k', 'v', f.host, -1n, 100n);
  f.add(space, 'n', 1n, f.host);
  f.expire(space, 'n', 50n, f.host);
  f.add(space, 'n', 1n, f.host);
  const [key, length] = [f.argBuf('k', f.host), 1];
  assert.ok(f.privLib.kvTtl(space, key, length, f.host) >= 100n);
  assert.equal(f.privLib.kvTtl(space, key, 0, f.host), -1n);
  f.passMs(99);
  assert.equal(f.read(space, 'k', f.host), 'v');
  assert.equal(f.get(space, 'n', f.host), status.KV_NO_SUCH_KEY);
  f.passMs(1 + CLOCK_LAG_MS);
  assert.equal(f.read(space, 'k', f.host), status.KV_NO_SUCH_KEY);
  assert.equal(f.privLib.kvTtl(space, key, length, f.host), -1n);
  assert.equal(f.expire(space, 'k', 10n, f.host), status.KV_NO_SUCH_KEY);
  assert.equal(f.delete(space, 'k', f.host), status.KV_NO_SUCH_KEY);
  assert.deepEqual(f.list(space, '', '', 10, f.host), { keys: [], more: false });
  assert.ok(f.put(space, 'k', 'again', f.host, 0n, 1000n) > 65535n, 'it counts as not there');
  assert.equal(f.add(space, 'n', 3n, f.host), 3n);
  const words = f.privLib.kvSpaceOf(space, f.host);
  assert.equal(words, spaceAt(space));
  assert.equal(f.privLib.kvCount(words, STRIPE_HITS), 1n);
  assert.equal(f.privLib.kvCount(words, STRIPE_PUTS), 5n);
  takeCensus(f.memory);
  for (let i = 0; i < 1000; i++) f.put(space, `e${i}`, 'v', f.host, -1n, 10n);
  f.expire(space, 'k', 0n, f.host);
  f.passMs(5000);
  let removed = 0;
  for (let i = 0; i < 1024 && removed < 1000; i++) removed += f.privLib.kvSweep(space, 1, f.host);
  assert.equal(removed, 1000, 'sweeping finds them all');
  assert.equal(f.read(space, 'k', f.host), 'again');
  assert.equal(f.view.getBigUint64(spaceAt(space) + SPACE_EXPIRATIONS, true), 1002n);
  takeCensus(f.memory);
});

test('keys in order, with a prefix, page by page, whatever comes and goes between', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const names = Array.from({ length: 3000 }, (_, i) => `user:${String((i * 7919) % 3000).padStart(4, '0')}`);
  for (const name of names) f.put(space, name, name, f.host);
  f.put(space, 'user', 'shorter', f.host);
  f.put(space, 'user;', 'behind', f.host);
  f.put(space, 'A', 'before', f.host);
  const seen: string[] = [];
  let after = '';
  for (let pages = 0; ; pages++) {
    assert.ok(pages < 100);
    const page = f.list(space, 'user:', after, 700, f.host);
    assert.ok(typeof page === 'object');
    for (const { key, valueLength, version, ttlMs } of page.keys) {
      assert.equal(valueLength, key.endsWith('+') ? 1 : key.length);
      assert.ok(version > 65535n && ttlMs === 0n);
      seen.push(key);
    }
    after = page.keys.at(-1)?.key ?? '';
    if (!page.more) break;
    // The last one that was listed goes, and one comes right behind it.
    f.delete(space, after, f.host);
    f.put(space, `${after}+`, 'x', f.host);
    after = page.keys.at(-1)?.key ?? '';
  }
  const plain = seen.filter((name) => !name.endsWith('+'));
  assert.deepEqual(plain, [...names].sort());
  assert.equal(seen.length - plain.length, Math.ceil(3000 / 700) - 1, 'what came behind the cursor is listed');
  assert.equal(f.list(space, '', '', 0, f.host), status.BAD_PARAMETER);
  assert.equal(f.list(space, '', '', 10_001, f.host), status.BAD_PARAMETER);
  const long = f.list(space, '', '', 10_000, f.host);
  assert.ok(typeof long === 'object' && long.more && long.keys.length > 1000, 'a page has 64 KiB at most');
  takeCensus(f.memory);
});

test('limits: keys and bytes of a space and of the store; what is refused is still the function’s', () => {
  const f = new KvFixture();
  const space = f.createSpace('s', { keysMax: 3, bytesMax: 128 * 1024 });
  for (const key of ['a', 'b', 'c']) assert.ok(f.put(space, key, 'v', f.host) > 65535n);
  const value = f.argBuf('v', f.host);
  assert.equal(f.putAt(space, 'd', value, f.host), BigInt(status.KV_FULL));
  assert.equal(f.privLib.vmaUnmap(value, f.host), status.OK);
  assert.ok(f.put(space, 'a', 'w', f.host) > 65535n, 'a key that is there can be replaced');
  assert.equal(f.add(space, 'd', 1n, f.host), status.KV_FULL);
  f.delete(space, 'c', f.host);
  assert.equal(f.put(space, 'c', 'x'.repeat(100_000), f.host), BigInt(status.KV_FULL));
  assert.equal(f.put(space, 'a', 'x'.repeat(130_000), f.host), BigInt(status.KV_FULL));
  assert.ok(f.put(space, 'c', 'x'.repeat(60_000), f.host) > 65535n);
  f.privLib.kvSetLimit(100_000);
  const other = f.createSpace('other');
  assert.equal(f.put(other, 'c', 'x'.repeat(60_000), f.host), BigInt(status.KV_FULL));
  assert.ok(f.put(other, 'c', 'x', f.host) > 65535n);
  f.privLib.kvSetLimit(2 ** 30);
  assert.equal(f.put(other, 'c', '', f.host) > 65535n, true);
  assert.equal(f.read(other, 'c', f.host), '');
  const large = f.privLib.vmaMap(2 ** 26 + 1, f.host) >>> 0;
  assert.equal(f.putAt(other, 'l', large, f.host), BigInt(status.TOO_LARGE));
  f.privLib.vmaUnmap(large, f.host);
  const largest = f.privLib.vmaMap(2 ** 26, f.host) >>> 0;
  assert.ok(f.putAt(other, 'l', largest, f.host) > 65535n);
  takeCensus(f.memory);
});

test('a cache loses what was used longest ago', () => {
  const f = new KvFixture();
  const small = f.createSpace('small', { flags: SPACE_IS_CACHE, keysMax: 50 });
  for (let i = 0; i < 50; i++) f.put(small, `k${i}`, 'v', f.host);
  for (let i = 0; i < 50; i += 2) f.read(small, `k${i}`, f.host);
  for (let i = 0; i < 25; i++) assert.ok(f.put(small, `n${i}`, 'v', f.host) > 65535n);
  for (let i = 0; i < 50; i++) {
    const found = f.read(small, `k${i}`, f.host);
    assert.equal(found, i % 2 === 0 ? 'v' : status.KV_NO_SUCH_KEY, `k${i}: one with few keys loses the very one`);
  }
  assert.equal(f.view.getBigUint64(spaceAt(small) + SPACE_EVICTIONS, true), 25n);
  const large = f.createSpace('large', { flags: SPACE_IS_CACHE, bytesMax: 2000 * 256 });
  for (let i = 0; i < 2000; i++) f.put(large, `k${i}`, 'v', f.host);
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 200; i++) f.read(large, `k${i}`, f.host);
    for (let i = 0; i < 100; i++) assert.ok(f.put(large, `r${round}-${i}`, 'v', f.host) > 65535n);
  }
  const kept = Array.from({ length: 200 }, (_, i) => f.read(large, `k${i}`, f.host)).filter((v) => v === 'v').length;
  assert.ok(kept >= 190, `of what is used all the time ${kept} of 200 are left`);
  assert.ok(f.put(large, 'big', 'x'.repeat(200_000), f.host) > 65535n, 'it makes room for a large one');
  assert.equal(f.put(large, 'huge', 'x'.repeat(600_000), f.host), BigInt(status.KV_FULL), 'but not for one too large');
  takeCensus(f.memory);
});

test('a function reaches the spaces of its deployment, and a dropped space reaches nobody', () => {
  const f = new KvFixture();
  const carts = f.createSpace('carts');
  const secret = f.createSpace('secret');
  f.put(secret, 'k', 'hidden', f.host);
  const made = f.makeFunction();
  f.bind(made, carts, KV_MAY_READ_WRITE, 3);
  const a = f.enter(made);
  assert.equal(f.open('carts', a.base), SPACE_HANDLE_FIRST + 3);
  assert.equal(f.open('secret', a.base), status.NOT_ALLOWED);
  assert.equal(f.open('', a.base), status.NOT_ALLOWED);
  for (const handle of [0, 1, SPACE_HANDLE_FIRST, SPACE_HANDLE_FIRST + 16, SPACE_HANDLE_FIRST + 128, -1]) {
    assert.equal(f.get(handle, 'k', a.base), status.NOT_ALLOWED, `${handle}`);
  }
  f.put(SPACE_HANDLE_FIRST + 3, 'k', 'v', a.base);
  const held = f.get(SPACE_HANDLE_FIRST + 3, 'k', a.base);
  f.privLib.pdSuspend(a.base);
  assert.equal(f.privLib.kvSpaceDrop(carts, f.host), status.OK);
  assert.equal(f.privLib.kvSpaceDrop(carts, f.host), status.KV_NO_SUCH_SPACE);
  const again = f.createSpace('carts');
  assert.equal(again, carts, 'the same place');
  f.put(again, 'k', 'of the new one', f.host);
  f.privLib.pdResume(a.base);
  const handle = SPACE_HANDLE_FIRST + 3;
  assert.equal(f.textAt(held, a.base), 'v');
  assert.equal(f.get(handle, 'k', a.base), status.KV_NO_SUCH_SPACE);
  assert.equal(f.put(handle, 'k', 'x', a.base), BigInt(status.KV_NO_SUCH_SPACE));
  assert.equal(f.delete(handle, 'k', a.base), status.KV_NO_SUCH_SPACE);
  assert.equal(f.add(handle, 'k', 1n, a.base), status.KV_NO_SUCH_SPACE);
  assert.equal(f.expire(handle, 'k', 1n, a.base), status.KV_NO_SUCH_SPACE);
  assert.equal(f.list(handle, '', '', 10, a.base), status.KV_NO_SUCH_SPACE);
  assert.equal(f.open('carts', a.base), status.NOT_ALLOWED);
  f.leave(a.pd);
  assert.equal(f.read(again, 'k', f.host), 'of the new one');
  takeCensus(f.memory);
});

test('wrong use has a status, and changes nothing', () => {
  const f = new KvFixture();
  const space = f.createSpace('s');
  const { privLib, host } = f;
  const value = f.argBuf('v', host);
  assert.equal(f.putAt(space, '', value, host), BigInt(status.KV_BAD_KEY));
  assert.equal(f.putAt(space, 'k'.repeat(1025), value, host), BigInt(status.KV_BAD_KEY));
  assert.equal(f.get(space, '', host), status.KV_BAD_KEY);
  assert.equal(f.putAt(space, 'k', value + 1, host), BigInt(status.NOT_THE_START));
  assert.equal(f.putAt(space, 'k', 77, host), BigInt(status.NOT_A_VMA));
  assert.equal(f.putAt(space, 'k', value, host, -1n, -1n), BigInt(status.BAD_PARAMETER));
  assert.equal(privLib.kvGet(space, 5, 5, host), status.BAD_POINTER);
  assert.equal(privLib.kvPut(space, 5, 5, value, -1n, 0n, host), BigInt(status.BAD_POINTER));
  assert.equal(privLib.kvAdd(space, value, 1, 1n, 12, host), status.BAD_POINTER);
  const made = f.makeFunction();
  const pd = privLib.pdCreate(made.descriptor, host);
  assert.equal(privLib.vmaShare(value, pd, 1, host), status.OK);
  assert.equal(f.putAt(space, 'k', value, host), BigInt(status.SHARED));
  const base = privLib.pdHome(pd);
  assert.equal(privLib.kvGet(space, value, 1, base), status.STALE_PD, 'a PD that does not run');
  privLib.pdEnter(pd, host);
  assert.equal(privLib.kvVersion(value, base), 0n, 'what another PD shares has no version');
  assert.equal(privLib.kvSpaceCreate(value, 1, 0, 0, 0, 1n, base), status.STALE_PD, 'only hosts make spaces');
  assert.equal(privLib.kvSpaceDrop(space, base), status.STALE_PD);
  assert.equal(privLib.kvBind(made.descriptor, 0, space, 3, base), status.STALE_PD);
  assert.equal(privLib.kvLoad(space, value, 1, value, 70_000n, 0n, base), status.STALE_PD);
  f.leave(pd);
  assert.equal(f.word(spaceAt(space) + SPACE_KEYS), 0);
  let last = 0;
  for (let i = 0; i <= SPACES_MAX; i++) last = f.createSpace(`n${i}`);
  assert.equal(last, status.TABLE_EXHAUSTED);
  takeCensus(f.memory);
});

const KEYS = ['a', 'b', 'ab', 'a-longer-key-of-24-bytes', 'k'.repeat(1024)] as const;

interface ModelValue {
  text: string;
  version: bigint;
}

test('property: one key after the other, the store does what a map with versions does', () => {
  const key = fc.constantFrom(...KEYS);
  const operation = fc.oneof(
    fc.record({
      kind: fc.constant('put' as const),
      key,
      size: fc.nat(300),
      expect: fc.constantFrom('any', 'absent', 'same', 'old'),
    }),
    fc.record({
      kind: fc.constant('delete' as const),
      key,
      size: fc.nat(1),
      expect: fc.constantFrom('any', 'same', 'old'),
    }),
    fc.record({ kind: fc.constant('hold' as const), key, size: fc.nat(1), expect: fc.constant('any') }),
    fc.record({ kind: fc.constant('release' as const), key, size: fc.nat(1), expect: fc.constant('any') }),
    fc.record({ kind: fc.constant('read' as const), key, size: fc.nat(1), expect: fc.constant('any') }),
  );
  const f = new KvFixture();
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const space = f.createSpace('s');
      const made = f.makeFunction();
      f.bind(made, space, KV_MAY_READ_WRITE);
      const a = f.enter(made);
      const model = new Map<string, ModelValue>();
      const held = new Map<number, string>();
      let last = 65535n;
      for (const [i, { kind, key: name, size, expect }] of operations.entries()) {
        const now = model.get(name);
        const expected =
          expect === 'any' ? -1n : expect === 'absent' ? 0n : expect === 'same' ? (now?.version ?? 70_000n) : 65_000n;
        const fits = expected === -1n || expected === (now?.version ?? 0n);
        if (kind === 'put') {
          const text = `${i}`.padEnd(size, '.');
          const version = f.put(a.space, name, text, a.base, expected);
          if (!fits) assert.equal(version, BigInt(status.KV_CONFLICT));
          else {
            assert.ok(version > last);
            last = version;
            model.set(name, { text, version });
          }
        } else if (kind === 'delete') {
          const result = f.delete(a.space, name, a.base, expected);
          assert.equal(result, now === undefined ? status.KV_NO_SUCH_KEY : fits ? status.OK : status.KV_CONFLICT);
          if (result === status.OK) {
            model.delete(name);
            last++;
          }
        } else if (kind === 'hold') {
          const address = f.get(a.space, name, a.base);
          if (now === undefined) assert.equal(address, status.KV_NO_SUCH_KEY);
          else held.set(address, now.text);
        } else if (kind === 'release') {
          const [address] = held.keys();
          if (address !== undefined) {
            assert.equal(f.privLib.vmaRelease(address, a.base), status.OK);
            held.delete(address);
          }
        } else if (held.size === 0) {
          assert.equal(f.read(a.space, name, a.base), now?.text ?? status.KV_NO_SUCH_KEY);
        }
        for (const [address, text] of held) assert.equal(f.textAt(address, a.base), text, 'what is held stays');
      }
      takeCensus(f.memory);
      const listed = f.list(a.space, '', '', 100, a.base);
      assert.ok(typeof listed === 'object');
      assert.deepEqual(
        listed.keys.map(({ key: name, version }) => [name, version]),
        [...model].sort(([x], [y]) => (x < y ? -1 : 1)).map(([name, { version }]) => [name, version]),
      );
      f.leave(a.pd);
      f.privLib.kvSpaceDrop(space, f.host);
      f.privLib.functionRetire(made.descriptor);
      f.privLib.poolTrim(f.executor, made.descriptor, 0);
      assert.equal(f.privLib.functionDestroy(made.descriptor), status.OK);
      takeCensus(f.memory);
    }),
    { numRuns: 60 },
  );
});
