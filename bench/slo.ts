/**
 * Throughput under a microsecond SLO: four microservice applications on Jord, on the same server without isolation, on
 * threads that pass messages, and on processes that speak HTTP.
 */
import { type Experiment, type ExperimentOptions, runExperiment } from './harness/experiment.ts';
import { type Result, resultOf } from './harness/report.ts';
import { pairwiseRatios, summarize } from './harness/statistics.ts';
import {
  type ApplicationRun,
  FULL_EFFORT,
  QUICK_EFFORT,
  runApplication,
  SLO_FACTOR,
  type SystemResult,
} from './slo/application-run.ts';
import { APPLICATIONS, type ApplicationName, applicationUrl, SYSTEMS } from './slo/applications.ts';

const HALF = 0.5;

/** Highest throughput of a curve whose 99th percentile is within some time, over all rounds; 0 when none is. */
function throughputWithin({ curve }: SystemResult, limitUs: number): number {
  const borne = curve.map(({ measurements }) => {
    const p99 = summarize(measurements.map(({ latencies }) => latencies.p99Us)).median;
    return p99 <= limitUs ? summarize(measurements.map((one) => one.throughputPerSecond)).median : 0;
  });
  return Math.max(0, ...borne);
}

function rowsOf(application: string, result: SystemResult, jordSloUs: number): Result[] {
  const { system, unloadedUs, sloUs, throughput, curve } = result;
  const prefix = `slo/${application}/${system}`;
  const half = curve.find(({ load }) => load === HALF)?.measurements ?? [];
  const rows = [
    resultOf(`${prefix}/throughput`, 'requests/s', throughput, {
      sloUs: summarize(sloUs).median,
      withinJordSlo: throughputWithin(result, jordSloUs),
    }),
    resultOf(`${prefix}/unloaded`, 'µs', unloadedUs),
  ];
  if (half.length === 0) return rows;
  const median = (of: (measurement: (typeof half)[number]) => number): number => summarize(half.map(of)).median;
  rows.push(
    resultOf(
      `${prefix}/p99`,
      'µs',
      half.map(({ latencies }) => latencies.p99Us),
      {
        p50Us: median(({ latencies }) => latencies.p50Us),
        p999Us: median(({ latencies }) => latencies.p999Us),
        offeredPerSecond: median(({ offeredPerSecond }) => offeredPerSecond),
      },
    ),
  );
  return rows;
}

/** Rows of one application: of each system, and Jord's throughput by that of each other, round by round. */
export function toResults({ application, systems }: ApplicationRun): Result[] {
  const jord = systems.find(({ system }) => system === 'jord');
  const jordSloUs = jord === undefined ? Number.NaN : summarize(jord.sloUs).median;
  const rows = systems.flatMap((result) => rowsOf(application, result, jordSloUs));
  if (jord === undefined) return rows;
  for (const { system, throughput } of systems) {
    if (system === 'jord') continue;
    rows.push(resultOf(`slo/${application}/vs-${system}`, 'ratio', pairwiseRatios(jord.throughput, throughput)));
  }
  return rows;
}

/** Runs those applications that have `only` in the names of their rows. */
export async function runAll({ quick, only, progress }: ExperimentOptions): Promise<ApplicationRun[]> {
  const all: readonly ApplicationName[] = only.includes('sample') ? ['sample'] : APPLICATIONS;
  const runs: ApplicationRun[] = [];
  for (const application of all) {
    const wanted = [application, ...SYSTEMS.map((system) => `slo/${application}/${system}`)];
    if (!wanted.some((name) => name.includes(only) || only.includes(name))) continue;
    runs.push(
      await runApplication({
        application,
        applicationUrl: applicationUrl(application),
        systems: SYSTEMS,
        effort: quick ? QUICK_EFFORT : FULL_EFFORT,
        progress,
      }),
    );
  }
  return runs;
}

export const experiment: Experiment = {
  name: 'slo',
  summary: 'throughput of four microservice applications under a microsecond SLO, on four systems',
  method: [
    'Requests arrive as a Poisson process, decided before by a thread of its own; latencies count from when they were due.',
    'Each system runs in a process of its own, after its answers were compared with the model of the application.',
    `unloaded: average latency of requests one at a time, without the longest hundredth. The SLO is ${SLO_FACTOR} times that.`,
    'throughput: the highest at which the 99th percentile is within the SLO, found by halving; all systems in turn, probe by probe.',
    'withinJordSlo: the highest of the curve at which it is within the SLO of jord. p99: at half of throughput.',
    `vs-…: throughput of jord by that of the other. ${FULL_EFFORT.rounds} rounds (--quick: ${QUICK_EFFORT.rounds}).`,
  ],
  run: async (options) => {
    const runs = await runAll(options);
    for (const { application, othersCoresMax } of runs) {
      options.progress(
        `${application}: others kept up to ${othersCoresMax.toFixed(2)} cores busy during a measurement`,
      );
    }
    return runs.flatMap(toResults);
  },
};

if (import.meta.main) process.exitCode = await runExperiment(experiment, process.argv.slice(2));
