/** The thread of clock.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import {
  CONTROL_CLOCK,
  CONTROL_EXECUTORS,
  EXECUTOR_ACTIVE,
  EXECUTOR_INVOCATION,
  EXECUTOR_SIZE,
  EXECUTOR_TABLE,
  INVOCATION_CANCELLED,
} from '../../core/layout.ts';
import { CLOCK_PARKED, CLOCK_STOPPED, CLOCK_TICKING, type ClockWorkerData } from './clock.ts';
import { instantiatePrivLib } from './privlib.ts';
import { clockWord, monotonicMs } from './time.ts';

/** With the millisecond that the clock rounds down, CLOCK_LAG_MS. */
const TICK_MS = 2;
/** It parks after so many ticks in which nothing ran. */
const QUIET_TICKS_MAX = 8;
/** It looks at the time at least once a day: two times must be less than 2^31 ms apart to tell which one is later. */
const PARK_MS_MAX = 86_400_000;

const { addressSpace } = workerData as ClockWorkerData;
const privLib = instantiatePrivLib(addressSpace);
const words = new Int32Array(addressSpace.memory.buffer, 0, 2 ** 29);
const clock = CONTROL_CLOCK >>> 2;

/** The word at an address. */
function word(address: number): number {
  return words[address >>> 2] ?? 0;
}

/** Advances the time, and interrupts what was cancelled. Returns whether any executor is active. */
function tick(): boolean {
  privLib.clockAdvance(clockWord(monotonicMs()));
  return isAnyActive(interruptCancelled);
}

function isAnyActive(visit: (executor: number) => void): boolean {
  const count = Atomics.load(words, CONTROL_EXECUTORS >>> 2);
  let isActive = false;
  for (let i = 0; i < count; i++) {
    const executor = EXECUTOR_TABLE + i * EXECUTOR_SIZE;
    if (Atomics.load(words, (executor + EXECUTOR_ACTIVE) >>> 2) === 0) continue;
    isActive = true;
    visit(executor);
  }
  return isActive;
}

/** Ends what was cancelled. What is read here can be outdated: PrivLib looks again, and the next tick does. */
function interruptCancelled(executor: number): void {
  const invocation = word(executor + EXECUTOR_INVOCATION);
  if (invocation !== 0 && word(invocation + INVOCATION_CANCELLED) !== 0) privLib.invocationInterrupt(executor);
}

/** Waits for the next `begin`, unless one is active by now: see Activity.begin for why none is missed. */
function park(): void {
  if (Atomics.compareExchange(words, clock, CLOCK_TICKING, CLOCK_PARKED) !== CLOCK_TICKING) return;
  if (!isAnyActive(() => {})) Atomics.wait(words, clock, CLOCK_PARKED, PARK_MS_MAX);
  Atomics.compareExchange(words, clock, CLOCK_PARKED, CLOCK_TICKING);
}

function run(): void {
  let quietTicks = 0;
  while (Atomics.load(words, clock) !== CLOCK_STOPPED) {
    quietTicks = tick() ? 0 : quietTicks + 1;
    if (quietTicks < QUIET_TICKS_MAX) {
      Atomics.wait(words, clock, CLOCK_TICKING, TICK_MS);
    } else {
      park();
      quietTicks = 0;
    }
  }
}

parentPort?.postMessage('ticking');
run();
