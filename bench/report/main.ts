/**
 * `npm run report [-- --quick] [-- --rounds <n>] [-- --percentile <90|99>] [-- --only <application>] [-- --out <folder>] [-- --from <data.json>]`: measures, and writes a
 * page (report.html), a summary for the README (summary.md, throughput.svg, latency.svg) and what was measured (data.json).
 * With `--from` nothing is measured.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { environment } from '../harness/environment.ts';
import {
  type ApplicationRun,
  FULL_EFFORT,
  QUICK_EFFORT,
  runApplication,
  type SloEffort,
} from '../slo/application-run.ts';
import { APPLICATIONS, type ApplicationName, applicationUrl, SYSTEMS } from '../slo/applications.ts';
import { type ApplicationBreakdown, FULL_BREAKDOWN, QUICK_BREAKDOWN, runBreakdown } from '../slo/breakdown-run.ts';
import type { ReportData } from './data.ts';
import { reportPage } from './page.ts';
import { latencyPlot, throughputPlot } from './plots.ts';
import { summary } from './summary.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const ROUNDS_MAX = 100;

type Progress = (text: string) => void;

function progressFrom(startMs: number): Progress {
  return (text) => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0).padStart(5);
    process.stderr.write(`[${seconds} s] ${text}\n`);
  };
}

async function measure(
  isQuick: boolean,
  effort: Partial<SloEffort>,
  only: string,
  progress: Progress,
): Promise<ReportData> {
  const all: readonly ApplicationName[] = only === 'sample' ? ['sample'] : APPLICATIONS;
  const wanted = all.filter((name) => name.includes(only));
  if (wanted.length === 0)
    throw new RangeError(`No application has "${only}" in its name; there are ${APPLICATIONS.join(', ')}.`);
  const runs: ApplicationRun[] = [];
  const breakdowns: ApplicationBreakdown[] = [];
  for (const [i, application] of wanted.entries()) {
    progress(`application ${i + 1} of ${wanted.length}: ${application}`);
    const common = { application, applicationUrl: applicationUrl(application), systems: SYSTEMS, progress };
    runs.push(
      await runApplication({
        ...common,
        effort: isQuick ? { ...QUICK_EFFORT, percentile: effort.percentile ?? 99 } : { ...FULL_EFFORT, ...effort },
      }),
    );
    progress(`${application}: where the time goes`);
    breakdowns.push(await runBreakdown({ ...common, effort: isQuick ? QUICK_BREAKDOWN : FULL_BREAKDOWN }));
  }
  return { environment: environment(), isQuick, percentile: effort.percentile ?? 99, runs, breakdowns };
}

/** Writes all of it into a folder; returns the path of the page. */
export async function writeReport(data: ReportData, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const page = path.join(folder, 'report.html');
  const [first] = data.runs;
  await writeFile(page, reportPage(data));
  await writeFile(path.join(folder, 'data.json'), `${JSON.stringify(data)}\n`);
  await writeFile(path.join(folder, 'summary.md'), summary(data, path.relative(ROOT, folder) || '.'));
  await writeFile(path.join(folder, 'throughput.svg'), throughputPlot(data.runs));
  if (first !== undefined)
    await writeFile(path.join(folder, 'latency.svg'), latencyPlot(first, data.percentile, 760, 420));
  return page;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string', default: String(FULL_EFFORT.rounds) },
      percentile: { type: 'string', default: '99' },
      only: { type: 'string', default: '' },
      out: { type: 'string', default: path.join(ROOT, 'build', 'report') },
      from: { type: 'string' },
    },
  });
  const { quick, only, out, from } = values;
  const rounds = Number(values.rounds);
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= ROUNDS_MAX))
    throw new RangeError(`--rounds is a whole number from 1 to ${ROUNDS_MAX}, not ${values.rounds}.`);
  if (values.percentile !== '90' && values.percentile !== '99')
    throw new RangeError(`--percentile is 90 or 99, not ${values.percentile}.`);
  const percentile = values.percentile === '90' ? 90 : 99;
  const data =
    from === undefined
      ? await measure(quick, { rounds, percentile }, only, progressFrom(performance.now()))
      : (JSON.parse(await readFile(from, 'utf8')) as ReportData);
  console.log(`Written: ${await writeReport(data, path.resolve(out))}`);
  return 0;
}

if (import.meta.main) {
  process.exitCode = await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  });
}
