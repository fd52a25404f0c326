import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest, Frames } from './store-wire.ts';

const REQUEST = {
  operation: 3,
  space: 65_537,
  key: Buffer.from('key'),
  secondKey: Buffer.from('second'),
  a: -1n,
  b: 2n ** 62n,
  value: Buffer.from('a value'),
};

test('requests and answers come out as they were put in', () => {
  const { number, ...request } = decodeRequest(encodeRequest(7, REQUEST));
  assert.equal(number, 7);
  assert.deepEqual(request, REQUEST);
  const answer = { result: -(2n ** 63n), value: Buffer.from([0, 255]) };
  assert.deepEqual(decodeAnswer(encodeAnswer(2 ** 32 - 1, answer)), { number: 2 ** 32 - 1, ...answer });
});

test('frames are put together again wherever their bytes are cut', () => {
  const frames = [
    encodeRequest(1, REQUEST),
    encodeRequest(2, { ...REQUEST, value: Buffer.alloc(0) }),
    encodeRequest(3, REQUEST),
  ];
  const all = Buffer.concat(frames);
  for (let size = 1; size <= all.length; size++) {
    const taken: Buffer[] = [];
    const reader = new Frames((frame) => taken.push(frame));
    for (let at = 0; at < all.length; at += size) reader.push(all.subarray(at, at + size));
    assert.deepEqual(taken, frames);
  }
});
