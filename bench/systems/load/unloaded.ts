/** The latency of a system without load: one request at a time. */
import type { ApplicationRequest } from '../../../apps/application.ts';
import { monotonicUs } from '../../../src/server/time.ts';
import type { System } from '../system.ts';
import { nap, PATIENCE_US } from './front.ts';

/** Of the latencies, the longest are left out of the average: in those the machine did something else. */
const LONGEST_SHARE = 0.01;
const REST_MS = 1;
/** The event loop turns after so many requests. */
const TURN_AFTER = 16;

export interface Unloaded {
  /** Average in µs, without the longest hundredth. */
  readonly meanUs: number;
  /** What half of them are within: says something also where others keep the machine busy. */
  readonly medianUs: number;
  readonly requests: number;
  /** Of all requests and responses together. */
  readonly payloadBytes: number;
}

/** The next request is sent when the one before has ended. Throws the error of one that fails. */
export async function measureUnloaded(
  system: System,
  pool: readonly ApplicationRequest[],
  first: number,
  count: number,
): Promise<Unloaded> {
  const latencies: number[] = [];
  let payloadBytes = 0;
  for (let i = 0; i < count; i++) {
    const request = pool[(first + i) % pool.length];
    if (request === undefined) throw new RangeError('the pool is empty');
    const { us, responseBytes } = await one(system, request, i % TURN_AFTER === 0);
    latencies.push(us);
    payloadBytes += request.body.length + responseBytes;
  }
  latencies.sort((a, b) => a - b);
  const counted = latencies.slice(0, Math.ceil(count * (1 - LONGEST_SHARE)));
  return {
    meanUs: counted.reduce((sum, us) => sum + us, 0) / counted.length,
    medianUs: latencies[Math.floor(count / 2)] ?? Number.NaN,
    requests: count,
    payloadBytes,
  };
}

interface One {
  readonly us: number;
  readonly responseBytes: number;
}

async function one(system: System, request: ApplicationRequest, turns: boolean): Promise<One> {
  let endUs = 0;
  let responseBytes = 0;
  let failure: Error | undefined;
  if (turns) await turn();
  const startUs = monotonicUs();
  system.submit(request, (error, response) => {
    endUs = monotonicUs();
    responseBytes = response?.length ?? 0;
    failure = error;
  });
  while (endUs === 0) {
    if (system.poll === undefined) await turn();
    else if (!system.poll()) {
      if (system.rest !== undefined) system.rest(REST_MS);
      else if (monotonicUs() - startUs > PATIENCE_US) nap();
    }
  }
  if (failure !== undefined) throw failure;
  return { us: endUs - startUs, responseBytes };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
