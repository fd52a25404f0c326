/** The thread of clock.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { CONTROL_NOW_MS } from '../../core/layout.ts';
import {
  CLOCK_BEGUN,
  CLOCK_ENDED,
  CLOCK_MODE,
  type ClockWorkerData,
  MODE_PARKED,
  MODE_STOPPED,
  MODE_TICKING,
  monotonicMs,
} from './clock.ts';

/** With the millisecond that the clock rounds down, CLOCK_LAG_MS. */
const TICK_MS = 2;
/** It parks after so many ticks in which nothing ran. */
const QUIET_TICKS_MAX = 8;

const { memory, words } = workerData as ClockWorkerData;
const now = new Int32Array(memory.buffer, CONTROL_NOW_MS, 1);

function tick(): void {
  now[0] = monotonicMs();
}

/** Waits for the next `begin`, unless there was one since `begun` was read: see Clock.begin for why none is missed. */
function park(begun: number): void {
  if (Atomics.compareExchange(words, CLOCK_MODE, MODE_TICKING, MODE_PARKED) !== MODE_TICKING) return;
  if (Atomics.load(words, CLOCK_BEGUN) === begun) Atomics.wait(words, CLOCK_MODE, MODE_PARKED);
  Atomics.compareExchange(words, CLOCK_MODE, MODE_PARKED, MODE_TICKING);
}

function run(): void {
  let seen = 0;
  let quietTicks = 0;
  while (Atomics.load(words, CLOCK_MODE) !== MODE_STOPPED) {
    tick();
    // Ended first: what begins and ends between the two reads then counts as running.
    const ended = Atomics.load(words, CLOCK_ENDED);
    const begun = Atomics.load(words, CLOCK_BEGUN);
    quietTicks = begun === seen && begun === ended ? quietTicks + 1 : 0;
    seen = begun;
    if (quietTicks < QUIET_TICKS_MAX) {
      Atomics.wait(words, CLOCK_MODE, MODE_TICKING, TICK_MS);
    } else {
      park(begun);
      quietTicks = 0;
    }
  }
}

parentPort?.postMessage('ticking');
run();
