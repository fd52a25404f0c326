/** Where the time of a request goes, on each of the four systems: see bench/slo/breakdown-run.ts for how each share is measured. */
import { type Experiment, runExperiment } from './harness/experiment.ts';
import type { Result } from './harness/report.ts';
import { APPLICATIONS, type ApplicationName, applicationUrl, SYSTEMS } from './slo/applications.ts';
import {
  type ApplicationBreakdown,
  FULL_BREAKDOWN,
  QUICK_BREAKDOWN,
  runBreakdown,
  SHARES,
} from './slo/breakdown-run.ts';

/** A row for each share of each system, in µs, with what it is of the latency. */
export function toRows({ application, systems }: ApplicationBreakdown): Result[] {
  return systems.flatMap(({ system, latencyUs, us }) =>
    SHARES.map((share) => ({
      name: `breakdown/${application}/${system}/${share}`,
      value: us[share],
      unit: 'µs',
      low: us[share],
      high: us[share],
      more: { share: us[share] / latencyUs, latencyUs },
    })),
  );
}

export const experiment: Experiment = {
  name: 'breakdown',
  summary: "what of a request's time is isolation, dispatch, copying and the functions' own work",
  method: [
    'Requests one at a time, on all four systems in turn; medians over the rounds.',
    'work: time of an executor of unsafe at a request. isolation: what an executor of jord is at it longer.',
    'copying: payloads that are copied, counted, times what copies of their size take. dispatch: the rest of the latency.',
    'In processes, payloads are taken to be those of messages, each copied twice as often.',
  ],
  run: async ({ quick, only, progress }) => {
    const all: readonly ApplicationName[] = only.includes('sample') ? ['sample'] : APPLICATIONS;
    const rows: Result[] = [];
    for (const application of all.filter((name) => name.includes(only) || only.includes(name))) {
      const effort = quick ? QUICK_BREAKDOWN : FULL_BREAKDOWN;
      const url = applicationUrl(application);
      rows.push(
        ...toRows(await runBreakdown({ application, applicationUrl: url, systems: SYSTEMS, effort, progress })),
      );
    }
    return rows;
  },
};

if (import.meta.main) process.exitCode = await runExperiment(experiment, process.argv.slice(2));
