/** The same in short, as Markdown for the README. */
import type { SystemName } from '../systems/system.ts';
import { median, type ReportData, ratios, SYSTEM_TITLES, titleOf } from './data.ts';
import { duration, short } from './svg.ts';

const OTHERS: readonly SystemName[] = ['unsafe', 'messages', 'processes'];

/** `folder` is where the plots are, as the README names it. */
export function summary(data: ReportData, folder: string): string {
  const { environment: where, runs } = data;
  const header = [
    'application',
    'Jord, requests/s',
    'p50 at half of that',
    'p90',
    'p99',
    ...OTHERS.map((other) => `against ${SYSTEM_TITLES[other].toLowerCase()}`),
  ];
  const rows = runs.map((run) => {
    const jord = run.systems.find(({ system }) => system === 'jord');
    const half = jord?.curve.find(({ load }) => load === 0.5)?.measurements ?? [];
    return [
      titleOf(run.application),
      jord === undefined ? '–' : short(median(jord.throughput)),
      half.length === 0 ? '–' : duration(median(half.map(({ latencies }) => latencies.p50Us))),
      half.length === 0 ? '–' : duration(median(half.map(({ latencies }) => latencies.p90Us))),
      half.length === 0 ? '–' : duration(median(half.map(({ latencies }) => latencies.p99Us))),
      ...OTHERS.map((other) => {
        const samples = ratios(run, other);
        return samples === undefined ? '–' : `${median(samples).toPrecision(3)} ×`;
      }),
    ];
  });
  const line = (values: readonly string[]): string => `| ${values.join(' | ')} |`;
  return `${[
    `![Throughput within the SLO of four applications on four systems](${folder}/throughput.svg)`,
    '',
    line(header),
    line(header.map(() => '---')),
    ...rows.map(line),
    '',
    `![Latency against load](${folder}/latency.svg)`,
    '',
    `Throughput while the ${data.percentile}th percentile is within ten times the unloaded latency, on ${where.cores} × ${where.cpu}, Node ${where.node}, ` +
      `${where.date.slice(0, 10)}${data.isQuick ? ' (short runs: not to be quoted)' : ''}. \`npm run report\` measures it and makes a page with all of it.`,
  ].join('\n')}\n`;
}
