import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admission, STANDING_MAX, STANDING_MS, type Waiting } from './admission.ts';

const NOTHING: Waiting = { count: 0, oldestMs: 0, standingMs: 0 };

function admission(outstandingMax: number, queueDelayMs: number, executors = 2): Admission {
  return new Admission({ outstandingMax, queueDelayMs }, executors);
}

test('no more are outstanding than may be, patient or not', () => {
  const few = admission(4, 100);
  assert.equal(few.refusal(3, NOTHING, false), undefined);
  for (const isPatient of [false, true]) {
    const error = few.refusal(4, NOTHING, isPatient);
    assert.equal(error?.code, 'OVERLOADED');
    assert.match(error.message, /outstandingMax, 4/);
  }
  assert.equal(few.refused, 2);
});

test('while the oldest has waited longer than queueDelayMs, others than patient ones are refused', () => {
  const waiting = (oldestMs: number): Waiting => ({ count: 1, oldestMs, standingMs: 10_000 });
  const some = admission(1000, 100);
  assert.equal(some.refusal(1, waiting(100), false), undefined);
  assert.match(some.refusal(1, waiting(101), false)?.message ?? '', /101 ms/);
  assert.equal(some.refusal(1, waiting(101), true), undefined);
  assert.equal(admission(1000, 0).refusal(1, waiting(3_600_000), false), undefined);
  assert.equal(some.refused, 1);
});

test('a long queue that has stood for long is cut, a short one, a young one and a quick one are not', () => {
  const some = admission(1000, 100, 2);
  const long: Waiting = { count: 2 * STANDING_MAX + 1, oldestMs: STANDING_MS + 1, standingMs: 101 };
  assert.equal(some.refusal(200, long, false)?.code, 'OVERLOADED');
  assert.equal(some.refusal(200, { ...long, count: 2 * STANDING_MAX }, false), undefined);
  assert.equal(some.refusal(200, { ...long, standingMs: 100 }, false), undefined);
  assert.equal(some.refusal(200, { ...long, oldestMs: STANDING_MS }, false), undefined);
  assert.equal(some.refusal(200, long, true), undefined);
  // Who allows less than STANDING_MS gets no more.
  assert.equal(admission(1000, 2).refusal(200, { ...long, oldestMs: 3 }, false)?.code, 'OVERLOADED');
});
