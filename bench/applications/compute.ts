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
const STEPS_FIRST = 20_000;

/** How many steps take this long. `invoke` runs the function with a request. */
export async function calibrateSteps(invoke: (request: Uint8Array) => Promise<unknown>, us: number): Promise<number> {
  const request = computeRequest(STEPS_FIRST);
  const warmAtMs = performance.now() + CALIBRATE_WARM_UP_MS;
  while (performance.now() < warmAtMs) await invoke(request);
  const samplesMs: number[] = [];
  while (samplesMs.length < CALIBRATE_SAMPLES) {
    const startMs = performance.now();
    await invoke(request);
    samplesMs.push(performance.now() - startMs);
  }
  return Math.max(1, Math.round((STEPS_FIRST * us) / 1000 / quantile(samplesMs, 0.5)));
}
