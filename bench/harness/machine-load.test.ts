import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { OTHERS_CORES_MAX, OthersLoad, treeSeconds, undisturbed } from './machine-load.ts';

test('what a child does is counted with what this process does', { skip: process.platform !== 'linux' }, async () => {
  const before = treeSeconds(process.pid);
  const work =
    'const start = process.cpuUsage(); while (process.cpuUsage(start).user < 400_000); setInterval(() => {}, 1000);';
  const child = spawn(process.execPath, ['-e', `${work} process.stdout.write("done");`], {
    stdio: ['ignore', 'pipe', 2],
  });
  assert.ok(child.stdout !== null);
  await once(child.stdout, 'data');
  const seconds = treeSeconds(process.pid) - before;
  child.kill();
  await once(child, 'exit');
  assert.ok(seconds >= 0.35 && seconds < 5, `${seconds} s`);
});

test('others can keep no more cores busy than there are', () => {
  const cores = new OthersLoad().cores();
  assert.ok(cores >= 0 && cores <= availableParallelism(), `${cores}`);
});

test('a measurement that is disturbed is taken again, but not for ever', async () => {
  let count = 0;
  const { result, othersCores } = await undisturbed(async () => ++count, 2);
  assert.equal(result, count);
  assert.ok(count >= 1 && count <= 3);
  assert.ok(count === 3 || othersCores <= OTHERS_CORES_MAX);
});
