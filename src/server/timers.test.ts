import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Timed, Timers } from './timers.ts';

function entry(dueMs: number): Timed {
  return { dueMs, timerIndex: -1 };
}

test('property: what is due comes out in order, and what was removed does not', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), dueMs: fc.integer({ min: 0, max: 1000 }) }),
    fc.record({ kind: fc.constant('remove' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('take' as const), nowMs: fc.integer({ min: 0, max: 1000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const timers = new Timers<Timed>();
      const model = new Set<Timed>();
      const next = (): number => Math.min(Number.POSITIVE_INFINITY, ...[...model].map(({ dueMs }) => dueMs));
      for (const step of steps) {
        if (step.kind === 'add') {
          const added = entry(step.dueMs);
          model.add(added);
          timers.add(added);
        } else if (step.kind === 'remove') {
          const removed = [...model][step.which % Math.max(1, model.size)];
          if (removed !== undefined) timers.remove(removed);
          if (removed !== undefined) model.delete(removed);
        } else {
          const taken = timers.takeDue(step.nowMs);
          assert.equal(
            taken?.dueMs ?? Number.POSITIVE_INFINITY,
            next() <= step.nowMs ? next() : Number.POSITIVE_INFINITY,
          );
          if (taken !== undefined) assert.ok(model.delete(taken) && taken.timerIndex === -1);
        }
        assert.equal(timers.nextMs, next());
      }
    }),
  );
});

test('removing twice, or what was never in, does nothing', () => {
  const timers = new Timers<Timed>();
  const [first, second] = [entry(1), entry(2)];
  timers.remove(first);
  timers.add(first);
  timers.add(second);
  timers.remove(first);
  timers.remove(first);
  assert.equal(timers.takeDue(5), second);
  assert.equal(timers.takeDue(5), undefined);
});
