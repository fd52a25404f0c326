/** A function that computes for a given time and does nothing else: compute.wat, with its request. */
import { readFile } from 'node:fs/promises';
import { quantile } from '../harness/statistics.ts';
import { assembleWat } from '../harness/wat.ts';

export const COMPUTE = 'compute';
export const COMPUTE_RESPONSE_BYTES = 4;

export async function computeModule(): Promise<Uint8Array> {
  const text = await readFile(new URL('compute.wat', import.meta.url), 'utf8');
  return assembleWat('compute.wat', text);
}

export function computeRequest(steps: number): Uint8Array<ArrayBuffer> {
  const request = Buffer.alloc(4);
  request.writeUInt32LE(steps);
  return request;
}

const CALIBRATE_WARM_UP_MS = 300;
const CALIBRATE_SAMPLES = 101;
const STEPS_FEW = 50_000;
const STEPS_MANY = 250_000;

/**
 * How many steps take this long. `invoke` runs the function with a request; what that takes beside the steps does not count, since
 * only the difference between few steps and many is measured. `clock` is in ms; for tests.
 */
export async function calibrateSteps(
  invoke: (request: Uint8Array) => Promise<unknown>,
  us: number,
  clock: () => number = () => performance.now(),
): Promise<number> {
  const durationMs = async (steps: number): Promise<number> => {
    const startMs = clock();
    await invoke(computeRequest(steps));
    return clock() - startMs;
  };
  const warmAtMs = clock() + CALIBRATE_WARM_UP_MS;
  while (clock() < warmAtMs) await durationMs(STEPS_FEW);
  const few: number[] = [];
  const many: number[] = [];
  while (few.length < CALIBRATE_SAMPLES) {
    few.push(await durationMs(STEPS_FEW));
    many.push(await durationMs(STEPS_MANY));
  }
  const differenceUs = (quantile(many, 0.5) - quantile(few, 0.5)) * 1000;
  return Math.max(1, Math.round(((STEPS_MANY - STEPS_FEW) * us) / differenceUs));
}
