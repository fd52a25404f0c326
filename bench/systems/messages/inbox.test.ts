import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Inbox } from './inbox.ts';

interface Message {
  readonly numbers: readonly number[];
  readonly payload: string;
}

function takeAll(inbox: Inbox, countMax = 1000): Message[] {
  const messages: Message[] = [];
  inbox.take((kind, first, second, third, payload) => {
    messages.push({ numbers: [kind, first, second, third], payload: Buffer.from(payload).toString('latin1') });
  }, countMax);
  return messages;
}

test('messages come out as they were put in, in their order', () => {
  const inbox = new Inbox(1024);
  assert.deepEqual(takeAll(inbox), []);
  inbox.send(1, 2, 3, 4, Buffer.from('five'));
  inbox.send(6, -7, 8, 9, new Uint8Array(0));
  assert.deepEqual(takeAll(inbox), [
    { numbers: [1, 2, 3, 4], payload: 'five' },
    { numbers: [6, -7, 8, 9], payload: '' },
  ]);
  assert.ok(inbox.isEmpty);
});

test('no more are taken than were asked for', () => {
  const inbox = new Inbox(1024);
  for (let i = 0; i < 5; i++) inbox.send(i, 0, 0, 0, new Uint8Array(i));
  assert.equal(takeAll(inbox, 2).length, 2);
  assert.equal(takeAll(inbox, 2).length, 2);
  assert.equal(takeAll(inbox, 2).length, 1);
});

test('the ring goes round, with messages of all sizes', () => {
  const inbox = new Inbox(1024);
  for (let i = 0; i < 5000; i++) {
    const payload = String.fromCharCode(97 + (i % 26)).repeat((i * 37) % inbox.payloadBytesMax);
    inbox.send(i, i + 1, i + 2, i + 3, Buffer.from(payload));
    assert.deepEqual(takeAll(inbox), [{ numbers: [i, i + 1, i + 2, i + 3], payload }]);
  }
});

test('what does not fit is refused', () => {
  const inbox = new Inbox(1024);
  inbox.send(1, 0, 0, 0, new Uint8Array(inbox.payloadBytesMax));
  assert.throws(() => inbox.send(1, 0, 0, 0, new Uint8Array(inbox.payloadBytesMax + 1)), RangeError);
  assert.throws(() => new Inbox(1000), RangeError);
});

test('three threads send at once to one that sleeps: nothing is lost, doubled or broken, and each one keeps its order', async () => {
  const inbox = new Inbox(4096);
  const each = 20_000;
  const source = `
    import { workerData } from 'node:worker_threads';
    import { Inbox } from ${JSON.stringify(new URL('./inbox.ts', import.meta.url).href)};
    const inbox = new Inbox(workerData.buffer);
    for (let i = 0; i < workerData.each; i++) {
      const payload = new Uint8Array((i * 13) % 300).fill(i & 0xff);
      inbox.send(workerData.sender, i, payload.length, 0, payload);
    }`;
  const senders = [0, 1, 2].map((sender) => {
    const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
    return new Worker(url, { workerData: { buffer: inbox.buffer, sender, each }, execArgv: [] });
  });
  const ended = Promise.all(senders.map((worker) => once(worker, 'exit')));
  const next = [0, 0, 0];
  let left = 3 * each;
  const untilMs = performance.now() + 20_000;
  while (left > 0 && performance.now() < untilMs) {
    left -= inbox.take((sender, i, length, _third, payload) => {
      assert.equal(i, next[sender], `message of sender ${sender}`);
      assert.equal(payload.length, length);
      assert.ok(payload.every((byte) => byte === (i & 0xff)));
      next[sender] = i + 1;
    }, 64);
    if (inbox.isEmpty) inbox.park(100);
  }
  assert.equal(left, 0);
  await ended;
});
