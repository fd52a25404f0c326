import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaitingQueue } from './waiting-queue.ts';

interface TestWaiter {
  readonly queuedMs: number;
  readonly isPatient: boolean;
  isOver: boolean;
}

function waiter(queuedMs: number, isPatient = false): TestWaiter {
  return { queuedMs, isPatient, isOver: false };
}

test('they leave in order, and who is over is passed over', () => {
  const queue = new WaitingQueue<TestWaiter>();
  assert.equal(queue.first(), undefined);
  const [a, b, c] = [waiter(1), waiter(2), waiter(3)];
  for (const one of [a, b, c]) queue.push(one, one.queuedMs);
  assert.equal(queue.size, 3);
  queue.leave(b);
  b.isOver = true;
  assert.equal(queue.first(), a);
  queue.shift();
  assert.equal(queue.first(), c);
  assert.equal(queue.size, 1);
  queue.shift();
  queue.shift();
  assert.equal(queue.first(), undefined);
  assert.deepEqual(queue.waiting(9), { count: 0, oldestMs: 0, standingMs: 0 });
});

test('the patient ones are as old as they are, and do not count', () => {
  const queue = new WaitingQueue<TestWaiter>();
  queue.push(waiter(10, true), 10);
  assert.equal(queue.waiting(15).count, 0);
  assert.equal(queue.waiting(15).oldestMs, 5);
  queue.push(waiter(20), 20);
  queue.push(waiter(30), 30);
  assert.deepEqual(queue.waiting(40), { count: 2, oldestMs: 30, standingMs: 20 });
  queue.shift();
  assert.deepEqual(queue.waiting(40), { count: 2, oldestMs: 20, standingMs: 20 });
});

test('they have stood since the first came that counted, until none is left', () => {
  const queue = new WaitingQueue<TestWaiter>();
  const [a, b, c] = [waiter(10), waiter(11), waiter(50)];
  queue.push(a, 10);
  queue.push(b, 11);
  queue.shift();
  assert.deepEqual(queue.waiting(30), { count: 1, oldestMs: 19, standingMs: 20 });
  queue.leave(b);
  b.isOver = true;
  queue.push(c, 50);
  assert.deepEqual(queue.waiting(52), { count: 1, oldestMs: 2, standingMs: 2 });
});
