/** What one invocation has used up is there again for all others when it is over, in whatever sizes they want it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLASS_SHIFT_MAX, GRANULE_SHIFT } from '../core/layout.ts';
import { BAD_POINTER, CLASS_EXHAUSTED, OK } from '../core/status.ts';
import { failed } from '../src/server/privlib.ts';
import { Fixture } from './privlib-fixture.ts';

/** Size classes up to that of the largest request that the gateway lets through by default. */
const COMMON_SHIFTS = Array.from({ length: GRANULE_SHIFT - 6 }, (_, i) => i + 7);

for (const shift of [12, 20, GRANULE_SHIFT, CLASS_SHIFT_MAX]) {
  test(`a PD that takes every ArgBuf of ${2 ** shift} bytes leaves room for all sizes`, () => {
    const fixture = new Fixture();
    const { privLib, host } = fixture;
    const { descriptor } = fixture.makeFunction();
    const hog = privLib.callEnter(descriptor, 0, host);
    let taken = 0;
    while (!failed(privLib.vmaMap(2 ** shift, hog))) taken++;
    assert.equal(privLib.vmaMap(2 ** shift, hog), CLASS_EXHAUSTED);
    assert.ok(taken * 2 ** shift >= 2 ** 30, `${taken} ArgBufs`);
    assert.equal(privLib.callLeave(0, hog, host), OK);
    // Requests and responses of two invocations, one inside the other, in each size.
    const held = COMMON_SHIFTS.flatMap((wanted) => Array.from({ length: 4 }, () => privLib.vmaMap(2 ** wanted, host)));
    assert.deepEqual(
      held.map((address, i) => (failed(address) ? COMMON_SHIFTS[Math.floor(i / 4)] : 0)).filter((lost) => lost !== 0),
      [],
      'classes without room',
    );
    for (const address of held) assert.equal(privLib.vmaUnmap(address, host), OK);
  });
}

test('PDs that take all of one size after the other, and what the one before had is nobody else’s', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const { descriptor } = fixture.makeFunction();
  const taken = new Map<number, number>();
  let lost: readonly number[] = [];
  for (const shift of [
    20,
    CLASS_SHIFT_MAX,
    13,
    GRANULE_SHIFT,
    18,
    26,
    20,
    13,
    CLASS_SHIFT_MAX,
    18,
    GRANULE_SHIFT,
    26,
  ]) {
    const hog = privLib.callEnter(descriptor, 0, host);
    const held: number[] = [];
    for (;;) {
      const address = privLib.vmaMap(2 ** shift - 5, hog);
      if (failed(address)) break;
      held.push(address >>> 0);
    }
    assert.equal(new Set(held).size, held.length);
    // The same home as the one before, which is all that a guard could mistake it by.
    for (const address of lost) {
      const own = held.some((start) => address >= start && address + 64 <= start + 2 ** shift - 5);
      assert.equal(fixture.guardAllows(hog, address, 64, true), own, `0x${address.toString(16)} as ${shift}`);
      if (!own) assert.equal(privLib.translate(address, 64, 1, hog), BAD_POINTER);
    }
    assert.equal(taken.get(shift) ?? held.length, held.length, 'as many as the last time');
    taken.set(shift, held.length);
    // Some from all over, and their last bytes.
    const some = held.filter((_, i) => i % Math.ceil(held.length / 20) === 0);
    lost = some.flatMap((address) => [address, address + 2 ** (shift - 1), address + 2 ** shift - 64]);
    assert.equal(privLib.callLeave(0, hog, host), OK);
    for (const address of lost) assert.ok(!fixture.guardAllows(hog, address, 1, false));
  }
});
