import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWorkerServer } from '../../src/server/worker-server.ts';
import { COMPUTE, COMPUTE_RESPONSE_BYTES, calibrateSteps, computeModule, computeRequest } from './compute.ts';

function stateAfter(steps: number): number {
  let state = 1;
  for (let step = 0; step < steps; step++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  return state >>> 0;
}

test('it takes as many steps as it was asked for', async () => {
  const server = await startWorkerServer();
  try {
    await server.deploy(COMPUTE, await computeModule());
    for (const steps of [0, 1, 2, 50_000]) {
      const { body } = await server.invoke(COMPUTE, computeRequest(steps));
      assert.equal(body.byteLength, COMPUTE_RESPONSE_BYTES);
      assert.equal(Buffer.from(body).readUInt32LE(), stateAfter(steps));
    }
  } finally {
    await server.stop();
  }
});

test('calibrating finds the steps for a time, whatever a round trip takes, and now and then longer', async () => {
  let nowMs = 0;
  let invocations = 0;
  const invoke = async (request: Uint8Array): Promise<void> => {
    const hiccupMs = invocations++ % 5 === 0 ? 20 : 0;
    nowMs += Buffer.from(request).readUInt32LE() / 100_000 + 3 + hiccupMs;
  };
  assert.equal(await calibrateSteps(invoke, 500, () => nowMs), 50_000);
});
