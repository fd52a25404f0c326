import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWorkerServer } from '../../src/server/worker-server.ts';
import { CALLEE, CALLER, callerRequest, callsMade, nestedCallModule } from './nested-call.ts';

test('the caller makes as many calls as it was asked for, with an argument of any size', async () => {
  const server = await startWorkerServer({ executors: 0 });
  try {
    await server.deploy(CALLEE, await nestedCallModule(CALLEE));
    await server.deploy(CALLER, await nestedCallModule(CALLER));
    for (const [calls, argumentBytes] of [
      [0, 64],
      [1, 64],
      [1000, 64],
      [10, 2 ** 24],
    ] as const) {
      const { body } = await server.invoke(CALLER, callerRequest(calls, argumentBytes));
      assert.equal(callsMade(body), calls);
    }
  } finally {
    await server.stop();
  }
});

test('without its callee the caller fails, rather than measuring nothing', async () => {
  const server = await startWorkerServer({ executors: 0 });
  try {
    await server.deploy(CALLER, await nestedCallModule(CALLER));
    await assert.rejects(server.invoke(CALLER, callerRequest(1, 64)), { code: 'FUNCTION_FAULT' });
  } finally {
    await server.stop();
  }
});
