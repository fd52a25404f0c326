import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fixture } from '../test/privlib-fixture.ts';
import { EXECUTOR_VMAS } from './layout.ts';
import * as status from './status.ts';

const MIB = 1024 * 1024;

/** Maps VMAs of this size until none is left. */
function mapAll(fixture: Fixture, length: number, countMax = 1_000_000): number[] {
  const mapped: number[] = [];
  while (mapped.length < countMax) {
    const address = fixture.privLib.vmaMap(length, fixture.host) >>> 0;
    if (address === status.CLASS_EXHAUSTED) return mapped;
    assert.ok(address > status.STATUS_MAX);
    mapped.push(address);
  }
  return mapped;
}

function unmapAll(fixture: Fixture, addresses: readonly number[]): void {
  for (const address of addresses) assert.equal(fixture.privLib.vmaUnmap(address, fixture.host), status.OK);
}

test('a class that had taken all granules leaves them to the others when its VMAs are free', () => {
  const fixture = new Fixture();
  for (const [hog, victim] of [
    [16 * MIB, 256 * MIB],
    [256 * MIB, 16 * MIB],
    [MIB, 64 * MIB],
    [64 * MIB, 4096],
    [65536, 32 * MIB],
  ] as const) {
    const fresh = mapAll(new Fixture(), victim, 200).length;
    const taken = mapAll(fixture, hog);
    assert.ok(taken.length > 5, `${hog}: ${taken.length}`);
    const meanwhile = mapAll(fixture, victim, 200);
    assert.ok(meanwhile.length < fresh || fresh === 200);
    unmapAll(fixture, meanwhile);
    unmapAll(fixture, taken);
    const after = mapAll(fixture, victim, 200);
    // One granule may stay with each class: the one that it carves from.
    assert.ok(after.length >= Math.min(fresh, 200) * 0.8 - 1, `${victim} after ${hog}: ${after.length} of ${fresh}`);
    unmapAll(fixture, after);
  }
  assert.equal(fixture.word(fixture.executor + EXECUTOR_VMAS), 0);
});

test('a granule with one VMA in use stays with its class', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const taken = mapAll(fixture, MIB);
  const kept = taken.filter((_, i) => i % 16 === 3);
  unmapAll(
    fixture,
    taken.filter((address) => !kept.includes(address)),
  );
  const others = mapAll(fixture, 32 * MIB);
  for (const address of kept) {
    assert.equal(privLib.vmaLength(address, host), MIB);
    assert.ok(fixture.guardAllows(host, address, MIB, true));
    assert.ok(others.every((other) => address + MIB <= other || other + 32 * MIB <= address));
  }
});

test('an address of a granule that changed its class has the status of its new life', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const taken = mapAll(fixture, 16 * MIB);
  unmapAll(fixture, taken);
  const large = mapAll(fixture, 256 * MIB);
  const inside = taken.filter((address) => large.some((start) => address > start && address < start + 256 * MIB));
  assert.ok(inside.length > 0);
  for (const address of inside) assert.equal(privLib.vmaUnmap(address, host), status.NOT_THE_START);
  unmapAll(fixture, large);
});

test('property: VMAs of all classes never overlap, whatever was reclaimed between', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const step = fc.record({
    shift: fc.integer({ min: 18, max: 28 }),
    count: fc.integer({ min: 1, max: 60 }),
    free: fc.nat(100),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const live = new Map<number, number>();
      for (const { shift, count, free } of steps) {
        for (let i = 0; i < count; i++) {
          const address = privLib.vmaMap(2 ** shift, host) >>> 0;
          if (address <= status.STATUS_MAX) break;
          assert.ok(!live.has(address));
          live.set(address, 2 ** shift);
        }
        const ranges = [...live].sort(([a], [b]) => a - b);
        for (const [i, [start, size]] of ranges.entries()) {
          assert.ok(start + size <= (ranges[i + 1]?.[0] ?? 0xff000000));
          assert.ok(fixture.guardAllows(host, start, size, true));
        }
        for (const [i, [address]] of [...live].entries()) {
          if ((i * 37) % 100 >= free) continue;
          assert.equal(privLib.vmaUnmap(address, host), status.OK);
          assert.ok(!fixture.guardAllows(host, address, 1, false));
          live.delete(address);
        }
      }
      unmapAll(fixture, [...live.keys()]);
    }),
    { numRuns: 40 },
  );
});
