/**
 * What a Jord server still does when it is offered more than it can do: goodput and latency against offered load, up to three
 * times saturation, with open-loop arrivals over HTTP.
 */
import { COMPUTE, COMPUTE_RESPONSE_BYTES, computeRequest } from './applications/compute.ts';
import { type Experiment, type ExperimentOptions, runExperiment } from './harness/experiment.ts';
import { HttpLoad } from './harness/http-load.ts';
import { type HttpOpenLoopResult, runHttpOpenLoop } from './harness/http-open-loop.ts';
import { buildRequest, type HttpTarget } from './harness/http-wire.ts';
import { type Result, resultOf } from './harness/report.ts';
import { HOST, startServer } from './harness/server-process.ts';
import { summarize } from './harness/statistics.ts';

/** By saturation. */
const LOADS: readonly number[] = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3];
/** The load whose goodput is compared with the best. */
const OVERLOAD = 2;
const COMPUTE_US = 200;

/** Enough to keep the server busy, not so many that it would have a reason to refuse any. */
const SATURATION_CONNECTIONS = 16;
/** Connections of the open loop. */
const CONNECTIONS_INITIAL = 256;
const CONNECTIONS_MAX = 1024;
const DRAIN_MS = 200;
/** Of the generator, between polls: the cores are the server's. */
const REST_MS = 0.05;

interface Effort {
  readonly rounds: number;
  readonly saturationWarmUpMs: number;
  readonly saturationMs: number;
  readonly loadWarmUpMs: number;
  readonly loadMs: number;
}

const EFFORT: Effort = { rounds: 3, saturationWarmUpMs: 1000, saturationMs: 1500, loadWarmUpMs: 400, loadMs: 1400 };
const QUICK_EFFORT: Effort = {
  rounds: 1,
  saturationWarmUpMs: 700,
  saturationMs: 1000,
  loadWarmUpMs: 300,
  loadMs: 1000,
};

const SATURATION = 'saturation';
const AT_OVERLOAD = `goodput-at-${OVERLOAD}x/vs-peak`;
const NAMES = [SATURATION, ...LOADS.flatMap((load) => [`goodput/${load}`, `p99/${load}`]), AT_OVERLOAD];

interface Round {
  readonly saturationPerSecond: number;
  readonly byLoad: ReadonlyMap<number, HttpOpenLoopResult>;
}

async function saturation(target: HttpTarget, effort: Effort): Promise<number> {
  const load = new HttpLoad(target, { connections: SATURATION_CONNECTIONS, bodyBytes: COMPUTE_RESPONSE_BYTES });
  try {
    await load.run(effort.saturationWarmUpMs);
    return (await load.run(effort.saturationMs)).requestsPerSecond;
  } finally {
    load.close();
  }
}

/** Tells what the columns cannot. */
function explain(result: HttpOpenLoopResult, progress: (text: string) => void): void {
  if (!result.keptUp) {
    const percent = (result.lateShare * 100).toFixed(1);
    progress(`  the generator was late in ${percent} % of arrivals, by ${result.latenessMaxMs.toFixed(1)} ms at worst`);
  }
  if (result.waitedForConnection > 0) {
    progress(`  ${result.waitedForConnection} requests waited for a connection: all ${CONNECTIONS_MAX} were busy`);
  }
  for (const [what, count] of result.failures) progress(`  failed ${count} times: ${what}`);
}

/** Every other round begins with the highest load. */
async function measureRound(
  target: HttpTarget,
  round: number,
  effort: Effort,
  progress: (text: string) => void,
): Promise<Round> {
  const saturationPerSecond = await saturation(target, effort);
  progress(`round ${round + 1} of ${effort.rounds}: ${Math.round(saturationPerSecond)} requests/s at saturation`);
  const byLoad = new Map<number, HttpOpenLoopResult>();
  for (const load of round % 2 === 0 ? LOADS : LOADS.toReversed()) {
    const result = await runHttpOpenLoop({
      target,
      ratePerSecond: load * saturationPerSecond,
      warmUpMs: effort.loadWarmUpMs,
      durationMs: effort.loadMs,
      drainMs: DRAIN_MS,
      restMs: REST_MS,
      seed: round * LOADS.length + LOADS.indexOf(load),
      connectionsInitial: CONNECTIONS_INITIAL,
      connectionsMax: CONNECTIONS_MAX,
    });
    progress(`load ${load}: goodput ${Math.round(result.goodputPerSecond)} requests/s`);
    explain(result, progress);
    byLoad.set(load, result);
  }
  return { saturationPerSecond, byLoad };
}

function resultAt({ byLoad }: Round, load: number): HttpOpenLoopResult {
  const result = byLoad.get(load);
  if (result === undefined) throw new RangeError(`load ${load} was not measured`);
  return result;
}

function rowsOf(load: number, rounds: readonly Round[]): Result[] {
  const results = rounds.map((round) => resultAt(round, load));
  const median = (of: (result: HttpOpenLoopResult) => number): number => summarize(results.map(of)).median;
  const share = (of: (result: HttpOpenLoopResult) => number): number =>
    median((result) => of(result) / result.arrivals);
  const goodput = rounds.map((round) => resultAt(round, load).goodputPerSecond / round.saturationPerSecond);
  const percentiles = results.map(({ latency }) => latency.percentileUs(99)).filter((us) => !Number.isNaN(us));
  return [
    resultOf(`goodput/${load}`, 'of saturation', goodput, {
      offeredPerSecond: median(({ offeredPerSecond }) => offeredPerSecond),
      refusedShare: share(({ refused }) => refused),
      failedShare: share(({ failed }) => failed),
      unansweredShare: share(({ unanswered }) => unanswered),
      waitedForConnection: median(({ waitedForConnection }) => waitedForConnection),
      lateShare: median(({ lateShare }) => lateShare),
    }),
    // Where no round had an answer, there is none.
    resultOf(`p99/${load}`, 'µs', percentiles.length === 0 ? [Number.NaN] : percentiles),
  ];
}

function toResults(rounds: readonly Round[]): Result[] {
  const vsPeak = rounds.map((round) => {
    const goodputs = LOADS.map((load) => resultAt(round, load).goodputPerSecond);
    return resultAt(round, OVERLOAD).goodputPerSecond / Math.max(...goodputs);
  });
  return [
    resultOf(
      SATURATION,
      'requests/s',
      rounds.map(({ saturationPerSecond }) => saturationPerSecond),
    ),
    ...LOADS.flatMap((load) => rowsOf(load, rounds)),
    resultOf(AT_OVERLOAD, 'ratio', vsPeak),
  ];
}

async function run({ quick, only, progress }: ExperimentOptions): Promise<readonly Result[]> {
  if (!NAMES.some((name) => name.includes(only))) return [];
  const effort = quick ? QUICK_EFFORT : EFFORT;
  const server = await startServer('jord-server.ts', [COMPUTE, String(COMPUTE_US)]);
  try {
    const { port, steps } = server;
    if (steps === undefined) throw new Error('the server did not say how many steps the function takes');
    progress(`${COMPUTE_US} µs are ${steps} steps`);
    const request = buildRequest(
      `/fn/${COMPUTE}`,
      `${HOST}:${port}`,
      'application/octet-stream',
      computeRequest(steps),
    );
    const target = { host: HOST, port, request };
    const rounds: Round[] = [];
    while (rounds.length < effort.rounds) rounds.push(await measureRound(target, rounds.length, effort, progress));
    return toResults(rounds).filter(({ name }) => name.includes(only));
  } finally {
    await server.stop();
  }
}

export const experiment: Experiment = {
  name: 'overload',
  summary: 'goodput and latency against offered load over HTTP, up to three times saturation',
  method: [
    `A function that computes for about ${COMPUTE_US} µs, on a Jord server in a process of its own, over the loopback interface.`,
    `saturation: a closed loop of ${SATURATION_CONNECTIONS} connections. Then an open loop: Poisson arrivals at each load (by that saturation), sent`,
    'when they are due, whatever came of those before; latencies count from when a request was due.',
    `goodput: responses with status 200 within the measured ${EFFORT.loadMs} ms (--quick: ${QUICK_EFFORT.loadMs}), by saturation. p99: of those with 200.`,
    `refused is 503; failed is anything else; unanswered had no response ${DRAIN_MS} ms after the end: shares of the arrivals.`,
    `waitedForConnection: requests that found all ${CONNECTIONS_MAX} connections busy, and so reached the server late.`,
    'lateShare: sent more than 1 ms late by the generator, which shares the cores with the server. It sleeps between',
    'arrivals rather than take a core from the server, and sees responses a fraction of a millisecond late for it.',
    `${EFFORT.rounds} rounds (--quick: ${QUICK_EFFORT.rounds}), loads upwards and downwards in turn.`,
  ],
  run,
};

if (import.meta.main) process.exitCode = await runExperiment(experiment, process.argv.slice(2));
