/** Grants of a PD: where they are kept, that each is given up once, and how many there can be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { takeCensus } from '../test/privlib-census.ts';
import { Fixture } from '../test/privlib-fixture.ts';
import {
  GRANT_MASK,
  HOME_GRANT_GROUPS,
  HOME_GRANT_TABLE_A,
  HOME_GRANT_TABLE_B,
  HOME_GRANTS,
  PERMISSION_READ,
  PERMISSION_READ_WRITE,
  VTE_GRANTS,
} from './layout.ts';
import * as status from './status.ts';

/** Whether all words of both tables are 0, and no group is said to have any. */
function isEmpty(f: Fixture, base: number): boolean {
  for (let at = base + HOME_GRANT_TABLE_A; at <= base + HOME_GRANT_TABLE_B + GRANT_MASK; at += 4) {
    if (f.word(at) !== 0) return false;
  }
  return f.word(base + HOME_GRANTS) === 0 && f.word(base + HOME_GRANT_GROUPS) === 0;
}

/** VMAs of the host: `count` of each of some classes. */
function mapMany(f: Fixture, count: number, classes: readonly number[]): number[] {
  const lists = classes.map((bytes) => Array.from({ length: count }, () => f.privLib.vmaMap(bytes, f.host) >>> 0));
  const mapped = lists.flat();
  assert.ok(mapped.every((address) => address > status.STATUS_MAX));
  return mapped;
}

test('property: whatever is granted, given up and ended, each grant is counted and none is left', () => {
  const f = new Fixture();
  const made = f.makeFunction();
  const { privLib, host } = f;
  const vmas = mapMany(f, 60, [100, 200, 500, 1000, 2000, 70_000]);
  const step = fc.record({
    kind: fc.constantFrom('share', 'share', 'share', 'share', 'release', 'end'),
    which: fc.nat(vmas.length - 1),
    // Many at once, so that tables get full and entries have to move.
    count: fc.constantFrom(1, 1, 5, 40, 150),
    write: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      let pd = privLib.pdCreate(made.descriptor, host);
      let base = privLib.pdHome(pd);
      const granted = new Map<number, boolean>();
      const check = (): void => {
        assert.equal(f.word(base + HOME_GRANTS), granted.size);
        if (granted.size === 0) assert.ok(isEmpty(f, base));
        for (const address of vmas) {
          const write = granted.get(address);
          assert.equal(f.word(f.vteOf(address) + VTE_GRANTS), write === undefined ? 0 : 1);
          assert.equal(f.guardAllows(base, address, 1, false), write !== undefined, 'the guard finds it');
          assert.equal(f.guardAllows(base, address, 1, true), write === true);
        }
        takeCensus(f.memory);
      };
      for (const { kind, which, count, write } of steps) {
        for (let i = 0; i < count; i++) {
          const address = vmas[(which + i * 7) % vmas.length] ?? 0;
          if (kind === 'share') {
            const permission = write ? PERMISSION_READ_WRITE : PERMISSION_READ;
            const result = privLib.vmaShare(address, pd, permission, host);
            if (granted.has(address)) assert.equal(result, status.GRANT_REFUSED, 'it has that one already');
            else if (result === status.OK) granted.set(address, write);
            else {
              assert.equal(result, status.GRANT_REFUSED);
              assert.ok(granted.size >= 60, `refused with ${granted.size}`);
            }
          } else if (kind === 'release') {
            privLib.pdEnter(pd, host);
            const result = privLib.vmaRelease(address, base);
            assert.equal(result, granted.delete(address) ? status.OK : status.NOT_GRANTED);
            privLib.pdExit(pd, host);
          }
        }
        if (kind === 'end') {
          privLib.pdDestroy(pd, host);
          granted.clear();
          assert.ok(isEmpty(f, base), 'an idle home has no grants');
          pd = privLib.pdCreate(made.descriptor, host);
          base = privLib.pdHome(pd);
        }
        check();
      }
      privLib.pdDestroy(pd, host);
      granted.clear();
      assert.ok(isEmpty(f, base));
    }),
    { numRuns: 40 },
  );
  takeCensus(f.memory);
});

const CASES: Readonly<Record<string, readonly [count: number, classes: readonly number[]]>> = {
  'one size': [400, [100]],
  'eight sizes': [50, [100, 200, 500, 1000, 2000, 4000, 8000, 16_000]],
  'few of each of many sizes': [10, Array.from({ length: 14 }, (_, i) => 100 * 2 ** i)],
  'three sizes': [130, [100, 1000, 10_000]],
};

for (const [name, [count, classes]] of Object.entries(CASES)) {
  test(`a PD can hold many at once, of ${name}`, (t) => {
    const f = new Fixture();
    const made = f.makeFunction();
    const vmas = mapMany(f, count, classes);
    let least = vmas.length;
    // In whatever order they are taken.
    fc.assert(
      fc.property(fc.shuffledSubarray(vmas, { minLength: vmas.length }), (order) => {
        const pd = f.privLib.pdCreate(made.descriptor, f.host);
        let held = 0;
        for (; held < order.length; held++) {
          if (f.privLib.vmaShare(order[held] ?? 0, pd, PERMISSION_READ, f.host) !== status.OK) break;
        }
        least = Math.min(least, held);
        assert.ok(held >= 60, `${held}`);
        f.privLib.pdDestroy(pd, f.host);
      }),
      { numRuns: 30 },
    );
    t.diagnostic(`${least} or more`);
    takeCensus(f.memory);
  });
}
