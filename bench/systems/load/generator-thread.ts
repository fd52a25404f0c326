/** The thread of the generator: see generator.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { type ApplicationRequest, pickRequest } from '../../../apps/application.ts';
import { Random } from '../../../apps/random.ts';
import { loadApplication } from '../applications.ts';
import { poissonArrivals } from './arrivals.ts';
import type { GeneratorData, Load, PoolMessage, Schedule, ToGenerator } from './generator.ts';
import { reckon } from './reckon.ts';

const { applicationUrl, dataSeed, requestSeed, poolSize } = workerData as GeneratorData;

function sharePool(requests: readonly ApplicationRequest[]): PoolMessage {
  const bodies = new SharedArrayBuffer(requests.reduce((sum, { body }) => sum + body.length, 0));
  const bytes = new Uint8Array(bodies);
  const ends = new Uint32Array(requests.length);
  let at = 0;
  for (const [i, { body }] of requests.entries()) {
    bytes.set(body, at);
    at += body.length;
    ends[i] = at;
  }
  return { functions: requests.map((request) => request.function), bodies, ends };
}

async function makePool(): Promise<PoolMessage> {
  const application = await loadApplication(applicationUrl);
  const { mix } = application.dataSet(dataSeed);
  const random = new Random(requestSeed);
  return sharePool(Array.from({ length: poolSize }, () => pickRequest(mix, random)));
}

function schedule({ ratePerSecond, warmUpMs, durationMs, seed }: Load): Schedule {
  const arrivals = poissonArrivals({ ratePerSecond, durationMs: warmUpMs + durationMs, seed, poolSize });
  const endedUs = new Float64Array(new SharedArrayBuffer(arrivals.dueUs.byteLength));
  return { ...arrivals, endedUs };
}

if (parentPort === null) throw new Error('a generator has a front');
const port = parentPort;
port.postMessage(await makePool());
port.on('message', (message: ToGenerator) => {
  if (message.kind === 'schedule') port.postMessage(schedule(message.load));
  else port.postMessage(reckon(message.load, message.schedule));
});
