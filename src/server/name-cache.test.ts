import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NameCache } from './name-cache.ts';

test('property: the text is that of the bytes as they are now, whatever was read before', () => {
  const memory = new Uint8Array(256);
  const cache = new NameCache(memory);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.nat(200), (bytes, address) => {
      memory.set(bytes, address);
      const expected = String.fromCharCode(...bytes);
      assert.equal(cache.read(address, bytes.length), expected);
      assert.equal(cache.read(address, bytes.length), expected);
    }),
    { numRuns: 3000 },
  );
});

test('two names with the same hash are told apart', () => {
  // Known collision of 32-bit FNV-1a.
  const names = ['costarring', 'liquid'];
  const memory = Buffer.from(names.join(''));
  const cache = new NameCache(memory);
  for (let i = 0; i < 3; i++) {
    assert.equal(cache.read(0, 10), 'costarring');
    assert.equal(cache.read(10, 6), 'liquid');
  }
});
