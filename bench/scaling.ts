/** How the throughput of the applications grows with executors, on Jord and on the same server without isolation. */
import { availableParallelism } from 'node:os';
import { type Experiment, type ExperimentOptions, runExperiment } from './harness/experiment.ts';
import { type Result, resultOf } from './harness/report.ts';
import { APPLICATIONS, type ApplicationName, applicationUrl } from './slo/applications.ts';
import { LoadSearch } from './slo/load-search.ts';
import type { SystemName } from './systems/system.ts';
import { SystemProcess } from './systems/system-process.ts';

const SYSTEMS: readonly SystemName[] = ['jord', 'unsafe'];
/** A load is borne while the 99th percentile is below this: what comes out is the throughput at saturation. */
const SATURATED_US = 20_000;
const CHECKS = 50;
const FIRST_PER_SECOND = 1000;
const WARM_UP_MS = 200;

interface Effort {
  readonly rounds: number;
  readonly durationMs: number;
  readonly precision: number;
}

const EFFORT: Effort = { rounds: 3, durationMs: 600, precision: 1.05 };
const QUICK_EFFORT: Effort = { rounds: 1, durationMs: 200, precision: 1.3 };

/** Powers of two up to the cores that the dispatcher leaves. */
function executorCounts(): number[] {
  const most = Math.max(1, availableParallelism() - 1);
  const counts: number[] = [];
  for (let count = 1; count <= most; count *= 2) counts.push(count);
  return counts;
}

async function saturation(process: SystemProcess, { durationMs, precision }: Effort, seed: number): Promise<number> {
  const search = new LoadSearch({ first: FIRST_PER_SECOND, precision });
  let best = 0;
  for (let load = search.next; load !== undefined; load = search.next) {
    const { latencies, lost, throughputPerSecond } = await process.measure({
      ...{ ratePerSecond: load, warmUpMs: WARM_UP_MS, durationMs, seed },
    });
    const isBorne = latencies.p99Us <= SATURATED_US && lost === 0;
    search.report(load, isBorne);
    if (isBorne) best = Math.max(best, throughputPerSecond);
  }
  return best;
}

async function measure(application: ApplicationName, executors: number, effort: Effort): Promise<Result[]> {
  const url = applicationUrl(application);
  const processes: SystemProcess[] = [];
  try {
    for (const system of SYSTEMS) {
      processes.push(
        await SystemProcess.start({ system, applicationUrl: url, options: { executors }, checks: CHECKS }),
      );
    }
    const samples = new Map(SYSTEMS.map((system) => [system, [] as number[]]));
    // The first round is for the compiler.
    for (let round = -1; round < effort.rounds; round++) {
      for (const process of processes) {
        const perSecond = await saturation(process, effort, round + 2);
        if (round >= 0) samples.get(process.system)?.push(perSecond);
      }
    }
    return [...samples].map(([system, values]) =>
      resultOf(`scaling/${application}/${system}/${executors}`, 'requests/s', values),
    );
  } finally {
    await Promise.all(processes.map((process) => process.stop()));
  }
}

async function run({ quick, only, progress }: ExperimentOptions): Promise<Result[]> {
  const all: readonly ApplicationName[] = only.includes('sample') ? ['sample'] : APPLICATIONS;
  const results: Result[] = [];
  for (const application of all.filter((name) => name.includes(only) || only.includes(name))) {
    for (const executors of executorCounts()) {
      progress(`${application}, executors: ${executors}`);
      results.push(...(await measure(application, executors, quick ? QUICK_EFFORT : EFFORT)));
    }
  }
  return results;
}

export const experiment: Experiment = {
  name: 'scaling',
  summary: 'throughput of the applications at saturation with one, two, four … executors',
  method: [
    `Open-loop arrivals; throughput is the highest at which the 99th percentile is below ${SATURATED_US / 1000} ms and nothing is lost.`,
    'Executors: powers of two up to the number of cores less one, which is the dispatcher’s. With two cores there is one.',
    `${EFFORT.rounds} rounds (--quick: ${QUICK_EFFORT.rounds}), the two systems in turn.`,
  ],
  run,
};

if (import.meta.main) process.exitCode = await runExperiment(experiment, process.argv.slice(2));
