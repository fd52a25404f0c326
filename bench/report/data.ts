/** What a report is made of: plain JSON, so that it can be kept and shown again. */
import type { Environment } from '../harness/environment.ts';
import { summarize } from '../harness/statistics.ts';
import type { ApplicationRun, SloPercentile, SystemResult } from '../slo/application-run.ts';
import type { ApplicationBreakdown } from '../slo/breakdown-run.ts';
import type { SystemName } from '../systems/system.ts';

export interface ReportData {
  readonly environment: Environment;
  /** Short runs: not for numbers to quote. */
  readonly isQuick: boolean;
  /** That which is within the SLO. */
  readonly percentile: SloPercentile;
  readonly runs: readonly ApplicationRun[];
  readonly breakdowns: readonly ApplicationBreakdown[];
}

export const TITLES: Readonly<Record<string, string>> = {
  boutique: 'Online Boutique',
  hotel: 'Hotel reservation',
  social: 'Social network',
  media: 'Movie reviews',
  sample: 'Sample',
};

export const SYSTEM_TITLES: Readonly<Record<SystemName, string>> = {
  jord: 'Jord',
  unsafe: 'Without isolation',
  messages: 'Message passing',
  processes: 'Processes over HTTP',
};

/** Told apart also by who sees colours otherwise (Okabe and Ito), and by their dashes. */
export const COLOURS: Readonly<Record<SystemName, string>> = {
  jord: '#0072b2',
  unsafe: '#7a7a7a',
  messages: '#d55e00',
  processes: '#009e73',
};

export const DASHES: Readonly<Record<SystemName, string>> = {
  jord: 'none',
  unsafe: '6 3',
  messages: 'none',
  processes: '2 3',
};

export function titleOf(application: string): string {
  return TITLES[application] ?? application;
}

/** Medians over the rounds. */
export interface Point {
  readonly throughputPerSecond: number;
  readonly offeredPerSecond: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

export function pointsOf({ curve }: SystemResult): Point[] {
  return curve
    .map(({ measurements }) => {
      const median = (of: (one: (typeof measurements)[number]) => number): number =>
        summarize(measurements.map(of)).median;
      return {
        throughputPerSecond: median((one) => one.throughputPerSecond),
        offeredPerSecond: median((one) => one.offeredPerSecond),
        p50Us: median(({ latencies }) => latencies.p50Us),
        p90Us: median(({ latencies }) => latencies.p90Us),
        p99Us: median(({ latencies }) => latencies.p99Us),
        p999Us: median(({ latencies }) => latencies.p999Us),
      };
    })
    .sort((a, b) => a.offeredPerSecond - b.offeredPerSecond);
}

export function median(samples: readonly number[]): number {
  return samples.length === 0 ? Number.NaN : summarize(samples).median;
}

/** Jord's throughput by that of another system, round by round; undefined where that has none. */
export function ratios({ systems }: ApplicationRun, other: SystemName): readonly number[] | undefined {
  const jord = systems.find(({ system }) => system === 'jord')?.throughput;
  const throughput = systems.find(({ system }) => system === other)?.throughput;
  if (jord === undefined || throughput === undefined || throughput.some((one) => !(one > 0))) return undefined;
  return jord.map((one, i) => one / (throughput[i] ?? Number.NaN));
}
