import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Kin } from './kin.ts';

test('values that are united have one number, others another', () => {
  const pair = fc.tuple(fc.nat(29), fc.nat(29));
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 40 }), (pairs) => {
      const kin = new Kin();
      for (let value = 0; value < 30; value += 1) kin.add(value);
      const sets = Array.from({ length: 30 }, (_, value) => new Set([value]));
      for (const [a, b] of pairs) {
        kin.unite(a, b);
        const all = new Set([...(sets[a] ?? []), ...(sets[b] ?? [])]);
        for (const value of all) sets[value] = all;
      }
      for (let a = 0; a < 30; a += 1) {
        for (let b = 0; b < 30; b += 1) assert.equal(kin.of(a) === kin.of(b), sets[a]?.has(b));
      }
    }),
  );
});

test('a site of another group is known to all kin, whenever they became that', () => {
  const step = fc.oneof(
    fc.record({ a: fc.nat(5), b: fc.nat(5), group: fc.constant(0) }),
    fc.record({ a: fc.nat(5), b: fc.constant(0), group: fc.integer({ min: 1, max: 4 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const kin = new Kin();
      for (let value = 0; value < 6; value += 1) kin.add(value);
      const sites: { value: number; group: number; at: number }[] = [];
      for (const [at, { a, b, group }] of steps.entries()) {
        if (group === 0) kin.unite(a, b);
        else {
          kin.note(a, group, at);
          sites.push({ value: a, group, at });
        }
      }
      for (let value = 0; value < 6; value += 1) {
        for (const group of [1, 2, 3, 4]) {
          for (let at = -1; at <= steps.length; at += 1) {
            const is = sites.some((s) => kin.of(s.value) === kin.of(value) && s.group !== group && s.at > at);
            // It may be said where there is none of late, and never the other way round.
            assert.ok(!is || kin.isOtherSince(value, group, at), `${value} of ${group} since ${at}`);
          }
        }
      }
    }),
  );
});
