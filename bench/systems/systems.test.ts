import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applicationUrl, SYSTEMS } from '../slo/applications.ts';
import { SystemProcess } from './system-process.ts';

const CHECKS = 30;

for (const system of SYSTEMS) {
  test(`${system} answers as the model of the sample application does, and all that is asked for under load`, async () => {
    // Starting includes the comparison.
    const process = await SystemProcess.start({
      ...{ system, applicationUrl: applicationUrl('sample'), options: {}, checks: CHECKS },
    });
    try {
      const { meanUs, requests, payloadBytes } = await process.unloaded(0, 20);
      assert.equal(requests, 20);
      assert.ok(meanUs > 0 && payloadBytes > 0);
      const outcome = await process.measure({ ratePerSecond: 100, warmUpMs: 50, durationMs: 300, seed: 1 });
      assert.equal(outcome.error, undefined);
      assert.deepEqual([outcome.lost, outcome.refusals], [0, 0]);
      assert.ok(outcome.arrivals > 10 && outcome.latencies.p99Us >= outcome.latencies.p50Us);
    } finally {
      await process.stop();
    }
  });
}

test('a system that does not start says why', async () => {
  const missing = new URL('./missing.ts', import.meta.url).href;
  const start = SystemProcess.start({ system: 'jord', applicationUrl: missing, options: {}, checks: 0 });
  await assert.rejects(start, /jord: .*missing\.ts/s);
});
