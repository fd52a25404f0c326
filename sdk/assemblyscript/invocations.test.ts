/** Functions that are started and waited for, and sleep. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startTestServer } from './sdk.fixture.ts';

const functions = await startTestServer(['echo', 'calls', 'invocations']);
after(() => functions.server.stop());

async function answer(path: string, body = ''): Promise<string> {
  return (await functions.call('invocations', path, body)).text;
}

async function milliseconds(operation: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await operation();
  return performance.now() - began;
}

describe('an invocation', () => {
  test('is started by name or by reference, and gives what a call gives', async () => {
    for (const path of ['/by-name', '/by-reference', '/by-method'])
      assert.equal(await answer(path), '0 OK 1 7 to echo');
    for (const path of ['/nothing', '/empty', '/no-response']) assert.equal(await answer(path), '0 OK 1 0 ');
  });

  test('takes the request with it, which can come back as the response', async () => {
    assert.equal(await answer('/moves', 'moved'), 'true false true moved');
  });

  test('of a function that is not there is a status, and the request is still here', async () => {
    const result = '32 UNKNOWN_FUNCTION 0 0 ';
    assert.equal(await answer('/unknown', 'kept'), `false 32 false false 32; ${result}; ${result}; true 43 true kept`);
  });

  test('keeps its result', async () => {
    assert.equal(await answer('/again'), 'false true true -1 43');
  });

  test('starts others, at many levels', async () => {
    assert.equal(await answer('/deep?100'), 'bottom');
  });

  test('that nobody waits for ends with the one that started it', async () => {
    assert.ok((await milliseconds(async () => assert.equal(await answer('/left'), 'done'))) < 4000);
  });

  test('can be cancelled, before and after it began', async () => {
    assert.equal(await answer('/cancel'), '0 43 true true -1 71 CALLEE_CANCELLED 0 0 ');
    const took = await milliseconds(async () => {
      assert.equal(await answer('/cancel-running'), '1 0 true CALLEE_CANCELLED');
    });
    assert.ok(took < 4000);
  });
});

describe('several invocations', () => {
  const results = [
    '0 OK 1 5 first',
    '0 OK 1 6 second',
    '65 CALLEE_TRAP 0 0 ',
    '32 UNKNOWN_FUNCTION 0 0 ',
    '0 OK 1 0 ',
    '0 OK 1 4 last',
  ];

  test('give their results in their order', async () => {
    assert.deepEqual((await answer('/all')).split('\n'), [...results, '']);
    assert.equal(await answer('/many?1000'), '1000');
  });

  test('give each result once, in the order in which they come', async () => {
    const lines = (await answer('/any')).split('\n');
    // What could not be started is known at once.
    assert.match(lines[0] ?? '', /^3 /);
    assert.deepEqual(lines.sort(), ['', ...results.map((result, index) => `${index} true ${result}`)]);
    assert.equal(await answer('/first'), '1 2 0 ');
  });

  test('can be none', async () => {
    assert.equal(await answer('/none'), '-1 0');
  });
});

describe('sleep', () => {
  test('takes its time', async () => {
    for (const duration of [0, 1, 30]) {
      const took = Number(await answer(`/sleep?${duration}`));
      assert.ok(took >= duration && took < duration + 2000, `${took} ms for ${duration} ms`);
    }
  });

  test('holds up nobody else', async () => {
    const took = Number(await answer('/sleepers?50'));
    assert.ok(took >= 100 && took < 2500, `${took} ms for 50 times 100 ms`);
  });

  test('refuses a time below 0', async () => {
    functions.logs.length = 0;
    await assert.rejects(answer('/sleep?-1'), { code: 'FUNCTION_FAULT' });
    assert.match(functions.logs[0]?.message ?? '', /^no time to sleep is below 0 at /);
  });
});
