import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CONTROL_NOW_MS } from '../../core/layout.ts';
import { Activity, Clock } from './clock.ts';
import { createAddressSpace, instantiatePrivLib } from './privlib.ts';
import { clockWord, monotonicMs } from './time.ts';

/** Generous, since the machine may be busy with something else. */
const PATIENCE_MS = 20_000;

function clockWithWord(): { clock: Clock; activity: Activity; now: () => number } {
  const space = createAddressSpace({ callDepthMax: 1 });
  const { memory } = space;
  const privLib = instantiatePrivLib(space);
  const word = new Int32Array(memory.buffer, CONTROL_NOW_MS, 1);
  const activity = new Activity(memory, privLib, privLib.executorCreate());
  return { clock: new Clock(space), activity, now: () => word[0] ?? 0 };
}

/** Holds this thread until the word is `ms` further, as an endless loop would. */
function spin(now: () => number, ms: number): void {
  const [first, start] = [now(), performance.now()];
  while (((now() - first) | 0) < ms) {
    assert.ok(performance.now() - start < PATIENCE_MS, 'the clock stands still');
  }
}

async function untilParked(now: () => number): Promise<void> {
  for (const start = performance.now(); performance.now() - start < PATIENCE_MS; ) {
    const before = now();
    await delay(100);
    if (now() === before) return;
  }
  assert.fail('the clock does not park');
}

test('it goes on while this thread is in a loop, parks when nothing runs, and is right again at the next beginning', async () => {
  const { clock, activity, now } = clockWithWord();
  await clock.start();
  // The clock itself may have looked a moment later.
  assert.ok(((now() - activity.begin()) | 0) <= 1000);
  spin(now, 20);
  assert.ok(Math.abs((now() - clockWord(monotonicMs())) | 0) < 1000);
  activity.end();
  await untilParked(now);
  const begun = activity.begin();
  assert.ok(Math.abs((begun - clockWord(monotonicMs())) | 0) < 1000);
  assert.ok(((now() - begun) | 0) >= 0);
  spin(now, 20);
  activity.end();
  await clock.stop();
  await clock.stop();
});

test('no beginning is missed, whenever it comes', async () => {
  const { clock, activity, now } = clockWithWord();
  await clock.start();
  for (let round = 0; round < 60; round++) {
    // Around the time that it parks after.
    await delay(8 + (round % 20));
    activity.begin();
    spin(now, 4);
    activity.end();
  }
  await clock.stop();
});

test('one that is not started only moves at beginnings', async () => {
  const { clock, activity, now } = clockWithWord();
  const before = now();
  await delay(30);
  assert.equal(now(), before);
  activity.begin();
  assert.ok(((now() - before) | 0) >= 29);
  activity.end();
  await clock.stop();
});

test('a clock keeps no process alive', async () => {
  const url = (file: string): string => new URL(file, import.meta.url).href;
  const program = `
    import { Activity, Clock } from '${url('./clock.ts')}';
    import { createAddressSpace, instantiatePrivLib } from '${url('./privlib.ts')}';
    const space = createAddressSpace({ callDepthMax: 1 });
    const privLib = instantiatePrivLib(space);
    const clock = new Clock(space);
    await clock.start();
    new Activity(space.memory, privLib, privLib.executorCreate()).begin();`;
  await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    timeout: PATIENCE_MS,
  });
});
