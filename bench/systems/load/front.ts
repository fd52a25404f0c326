/**
 * The front of a system, which every request passes: hands requests over when they are due, whether or not those before
 * have ended, and writes down when each ends. In jord and unsafe it is the thread of the dispatcher.
 */
import type { ApplicationRequest } from '../../../apps/application.ts';
import { isFailure } from '../../../apps/application.ts';
import { monotonicUs } from '../../../src/server/time.ts';
import type { Completion, System } from '../system.ts';
import type { Load, Schedule } from './generator.ts';

/** What was due while the front was busy is sent at once, but what has ended is looked for in between. */
const BURST = 16;
/** The event loop turns this often. */
const TURN_US = 250;
/** From the call until the first request may be due. */
const LEAD_US = 1000;
/** How long it waits, after the last request was due, for those that have not ended. */
const DRAIN_MS = 1000;
/** A front that rests wakes up this much before the next request is due, since waking takes about as long. */
const WAKING_MS = 0.06;
/**
 * A front that polls gives its core up for a moment when nothing has ended for so long: then perhaps it keeps the one that
 * would do the work from running, on a machine with less cores than threads that poll.
 */
export const PATIENCE_US = 500;
const NAP_MS = 0.02;
/** Nobody writes this or wakes who waits for it. */
const never = new Int32Array(new SharedArrayBuffer(4));

/** Gives the core up for a moment. */
export function nap(): void {
  Atomics.wait(never, 0, 0, NAP_MS);
}

export interface FrontResult {
  /** Answers that say that the application could not do what it was asked for. Of all requests, those of the warm-up too. */
  readonly refusals: number;
  /** The first error of those that failed. */
  readonly error: string | undefined;
}

/** Returns when all requests have ended, or the wait for them is over. */
export async function runFront(
  system: System,
  pool: readonly ApplicationRequest[],
  load: Load,
  schedule: Schedule,
): Promise<FrontResult> {
  const { dueUs, which, endedUs } = schedule;
  const count = dueUs.length;
  const startUs = monotonicUs() + LEAD_US;
  const giveUpUs = (load.warmUpMs + load.durationMs + DRAIN_MS) * 1000;
  let next = 0;
  let ended = 0;
  let refusals = 0;
  let firstError: string | undefined;
  const completion = (index: number): Completion => {
    return (error, response) => {
      const atUs = monotonicUs() - startUs;
      ended++;
      endedUs[index] = error === undefined ? atUs : -atUs;
      if (error !== undefined) firstError ??= String(error);
      else if (response !== undefined && isFailure(response)) refusals++;
    };
  };
  let turnedUs = 0;
  let progressUs = 0;
  for (;;) {
    let nowUs = monotonicUs() - startUs;
    for (let sent = 0; sent < BURST && next < count && (dueUs[next] ?? 0) <= nowUs; sent++) {
      const request = pool[which[next] ?? 0];
      if (request === undefined) throw new RangeError('the pool has no such request');
      system.submit(request, completion(next++));
    }
    const didWork = system.poll?.() ?? false;
    if (next === count && (ended === count || nowUs > giveUpUs)) break;
    if (didWork || ended === next) progressUs = nowUs;
    if (system.rest === undefined && nowUs - progressUs > PATIENCE_US) {
      nap();
      progressUs = nowUs;
    }
    if (!didWork && system.rest !== undefined) {
      nowUs = monotonicUs() - startUs;
      const freeMs = next < count ? ((dueUs[next] ?? 0) - nowUs) / 1000 - WAKING_MS : 1;
      if (freeMs > 0) system.rest(freeMs);
    }
    if (system.poll === undefined || nowUs - turnedUs > TURN_US) {
      await turn();
      turnedUs = monotonicUs() - startUs;
    }
  }
  return { refusals, error: firstError };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
