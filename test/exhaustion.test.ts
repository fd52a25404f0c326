/** What one invocation has used up is there again for all others when it is over, in whatever sizes they want it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLASS_SHIFT_MAX, GRANULE_SHIFT } from '../core/layout.ts';
import { CLASS_EXHAUSTED, OK } from '../core/status.ts';
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
