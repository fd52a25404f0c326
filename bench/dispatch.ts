/**
 * What it costs to have another thread run a function, and to wait for something without holding a thread.
 *
 * `round-trip/spinning`: an orchestrator queues an invocation with 64 bytes, the executor takes it from its ring, runs it in a PD
 * and sends it back, the orchestrator copies the response out; both look for work all the time.
 * `round-trip/parked`: the same where both have parked: two wake-ups by the operating system are in it.
 * `async-start-wait`: a function starts another and waits for it, on one executor.
 * `suspend-resume`: a function on a stack of its own waits for nothing (`sleep(0)`), and goes on.
 * `throughput/<n>`: invocations per second with n executors and one orchestrator that keeps 64 of them outstanding.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type LocalWorkerServer, startWorkerServer } from '../src/server/worker-server.ts';
import { CALLER_OF_MANY, ECHO, SLEEPER } from './applications/dispatch.ts';
import { type Experiment, type ExperimentOptions, runExperiment } from './harness/experiment.ts';
import { type Result, resultOf } from './harness/report.ts';

interface Effort {
  readonly rounds: number;
  readonly roundTrips: number;
  readonly parkedRoundTrips: number;
  readonly calls: number;
  readonly throughputMs: number;
}

const EFFORT: Effort = { rounds: 31, roundTrips: 5000, parkedRoundTrips: 200, calls: 20_000, throughputMs: 500 };
const QUICK_EFFORT: Effort = { rounds: 7, roundTrips: 2000, parkedRoundTrips: 40, calls: 5000, throughputMs: 150 };
const WARM_UP_ROUNDS = 5;
const ALWAYS_SPINNING_US = 1_000_000;
const OUTSTANDING = 64;
/** Longer than anything spins by default. */
const PARKING_MS = 3;
const REQUEST = new Uint8Array(64);

async function startServer(executors: number, spinUs: number): Promise<LocalWorkerServer> {
  const server = await startWorkerServer({ executors, spinUs, queueDelayMs: 0 });
  await server.deploy('echo', await ECHO());
  await server.deploy('caller', await CALLER_OF_MANY());
  await server.deploy('sleeper', await SLEEPER());
  return server;
}

/** One invocation, without the event loop. */
function roundTrip(server: LocalWorkerServer): void {
  let isOver = false;
  server.submit('echo', REQUEST, {}, (error) => {
    if (error !== undefined) throw error;
    isOver = true;
  });
  while (!isOver) server.poll();
}

async function spinning(server: LocalWorkerServer, effort: Effort): Promise<Result> {
  const samples: number[] = [];
  for (let round = -WARM_UP_ROUNDS; round < effort.rounds; round++) {
    const start = performance.now();
    for (let i = 0; i < effort.roundTrips; i++) roundTrip(server);
    const ns = ((performance.now() - start) * 1e6) / effort.roundTrips;
    if (round >= 0) samples.push(ns);
    // Node's own work between the rounds.
    await delay(1);
  }
  return resultOf('round-trip/spinning', 'ns', samples);
}

async function parked(server: LocalWorkerServer, effort: Effort): Promise<Result> {
  const samples: number[] = [];
  for (let i = -WARM_UP_ROUNDS; i < effort.parkedRoundTrips; i++) {
    await delay(PARKING_MS);
    const start = performance.now();
    await server.invoke('echo', REQUEST);
    if (i >= 0) samples.push((performance.now() - start) * 1e6);
  }
  return resultOf('round-trip/parked', 'ns', samples);
}

/** Time of one of the things that a function does `count` times, in ns. */
async function inside(server: LocalWorkerServer, name: string, row: string, effort: Effort): Promise<Result> {
  const samples: number[] = [];
  const timed = async (count: number): Promise<number> => {
    const request = new Uint8Array(Uint32Array.of(count).buffer);
    const start = performance.now();
    await server.invoke(name, request);
    return performance.now() - start;
  };
  for (let round = -WARM_UP_ROUNDS; round < effort.rounds; round++) {
    const frameMs = await timed(0);
    const ms = await timed(effort.calls);
    if (round >= 0) samples.push(((ms - frameMs) * 1e6) / effort.calls);
  }
  return resultOf(row, 'ns', samples);
}

/** Keeps OUTSTANDING invocations going for a while; invocations per second. */
async function throughput(executors: number, effort: Effort): Promise<Result> {
  const server = await startServer(executors, ALWAYS_SPINNING_US);
  let ended = 0;
  const submit = (): void =>
    server.submit('echo', REQUEST, {}, (error) => {
      if (error !== undefined) throw error;
      ended++;
      outstanding--;
    });
  let outstanding = 0;
  const samples: number[] = [];
  for (let round = -2; round < effort.rounds / 3; round++) {
    const first = ended;
    const start = performance.now();
    while (performance.now() - start < effort.throughputMs) {
      for (; outstanding < OUTSTANDING; outstanding++) submit();
      server.poll();
    }
    const seconds = (performance.now() - start) / 1000;
    if (round >= 0) samples.push((ended - first) / seconds);
    await delay(1);
  }
  while (outstanding > 0) server.poll();
  await server.stop();
  return resultOf(`throughput/${executors}`, '1/s', samples);
}

async function run({ quick, only, progress }: ExperimentOptions): Promise<Result[]> {
  const effort = quick ? QUICK_EFFORT : EFFORT;
  const results: Result[] = [];
  const wanted = (name: string): boolean => {
    if (!name.includes(only)) return false;
    progress(name);
    return true;
  };
  const server = await startServer(1, ALWAYS_SPINNING_US);
  if (wanted('round-trip/spinning')) results.push(await spinning(server, effort));
  if (wanted('async-start-wait')) results.push(await inside(server, 'caller', 'async-start-wait', effort));
  if (wanted('suspend-resume')) results.push(await inside(server, 'sleeper', 'suspend-resume', effort));
  await server.stop();
  if (wanted('round-trip/parked')) {
    const parking = await startServer(1, 0);
    results.push(await parked(parking, effort));
    await parking.stop();
  }
  for (let executors = 1; executors <= Math.max(1, availableParallelism() - 1); executors *= 2) {
    if (wanted(`throughput/${executors}`)) results.push(await throughput(executors, effort));
  }
  return results;
}

export const experiment: Experiment = {
  name: 'dispatch',
  summary: 'time from orchestrator to executor and back, of async calls, and of suspending',
  method: [
    `round-trip: invocations of a function that gives back its 64 bytes, one after the other; ${EFFORT.rounds} samples of`,
    `${EFFORT.roundTrips} (parked: ${EFFORT.parkedRoundTrips} single ones). async-start-wait, suspend-resume: inside a function,`,
    `${EFFORT.calls} times less none. throughput: ${OUTSTANDING} outstanding. --quick: fewer of all.`,
  ],
  run,
};

if (import.meta.main) await runExperiment(experiment, process.argv.slice(2));
