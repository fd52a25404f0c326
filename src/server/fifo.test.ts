import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fifo } from './fifo.ts';

test('what goes in first comes out first, however long the queue is and was', () => {
  const fifo = new Fifo<number>();
  assert.equal(fifo.shift(), undefined);
  let [pushed, shifted] = [0, 0];
  // Grows to 5,000 and shrinks to nothing, several times, so that its front is cut off at different lengths.
  for (const [pushes, shifts] of [
    [5000, 1100],
    [1, 2000],
    [3000, 4901],
    [10, 10],
  ] as const) {
    for (let i = 0; i < pushes; i++) fifo.push(pushed++);
    for (let i = 0; i < shifts; i++) {
      assert.equal(fifo.peek(), shifted);
      assert.equal(fifo.shift(), shifted++);
      assert.equal(fifo.size, pushed - shifted);
    }
  }
  assert.equal(fifo.size, 0);
  assert.equal(fifo.peek(), undefined);
  assert.equal(fifo.shift(), undefined);
  assert.equal(fifo.size, 0);
});
