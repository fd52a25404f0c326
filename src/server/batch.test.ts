import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JordError } from '../errors.ts';
import { Batch, orError } from './batch.ts';
import type { Answer } from './types.ts';

const REQUESTS = Array.from({ length: 10 }, (_, i) => Uint8Array.of(i));
const result = (body: Uint8Array) => ({ body, status: undefined, headers: [] });

test('responses are in the order of the requests, whatever order they come in, and no more are outstanding than may', async () => {
  const waiting: { readonly request: Uint8Array; readonly answer: Answer }[] = [];
  let most = 0;
  const batch = new Batch(REQUESTS, 3, (request, answer) => {
    waiting.push({ request, answer });
    most = Math.max(most, waiting.length);
  });
  const running = batch.run();
  while (waiting.length > 0) {
    const last = waiting.pop();
    last?.answer(undefined, result(last.request));
  }
  assert.deepEqual(await running, REQUESTS);
  assert.equal(most, 3);
});

test('an error stands in the place of its response; a server that is full is asked again', async () => {
  const answers: (() => void)[] = [];
  let refusals = 0;
  const batch = new Batch(REQUESTS, 10, (request, answer) => {
    if (answers.length >= 2) {
      refusals++;
      throw new JordError('OVERLOADED', 'full');
    }
    if (request[0] === 4) throw new JordError('BODY_TOO_LARGE', 'too large');
    answers.push(() => answer(undefined, result(request)));
  });
  const running = batch.run();
  for (let next = answers.shift(); next !== undefined; next = answers.shift()) next();
  const responses = await running;
  assert.ok(refusals > 0);
  for (const [i, response] of responses.entries()) {
    if (i === 4) assert.ok(response instanceof JordError && response.code === 'BODY_TOO_LARGE');
    else assert.deepEqual(response, REQUESTS[i]);
  }
});

test('a server that is full of other things refuses, and nothing waits for ever', async () => {
  const responses = await new Batch(REQUESTS, 4, () => {
    throw new JordError('OVERLOADED', 'full');
  }).run();
  for (const response of responses) assert.ok(response instanceof JordError && response.code === 'OVERLOADED');
});

test('no requests, no responses', async () => {
  assert.deepEqual(await new Batch([], 4, () => assert.fail()).run(), []);
});

test('what is no JordError becomes one', () => {
  const error = orError(() => {
    throw new TypeError('odd');
  });
  assert.ok(error instanceof JordError && error.code === 'INTERNAL' && error.message === 'odd');
});
