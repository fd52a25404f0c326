/** The report as one page that needs nothing else, for readers who know nothing of this project. */
import { SLO_FACTOR } from '../slo/application-run.ts';
import { SHARES } from '../slo/breakdown-run.ts';
import type { SystemName } from '../systems/system.ts';
import { median, pointsOf, type ReportData, ratios, SYSTEM_TITLES, titleOf } from './data.ts';
import { breakdownPlot, latencyPlot, ratioPlot, throughputPlot } from './plots.ts';
import { duration, escapeText, short } from './svg.ts';

const OTHERS: readonly SystemName[] = ['unsafe', 'messages', 'processes'];

const STYLE = `
:root { color-scheme: light; }
body { margin: 0; background: #f4f5f7; color: #222; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; }
p, ul, dl { max-width: 78ch; }
.lead { font-size: 1.1rem; }
.plots { display: flex; flex-wrap: wrap; gap: 14px; }
.plots figure { margin: 0; }
svg { max-width: 100%; height: auto; box-shadow: 0 1px 3px rgb(0 0 0 / 12%); border-radius: 6px; }
table { border-collapse: collapse; background: #fff; box-shadow: 0 1px 3px rgb(0 0 0 / 12%); border-radius: 6px; font-size: .92rem; }
th, td { padding: .38rem .8rem; text-align: right; border-bottom: 1px solid #eceef0; white-space: nowrap; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
thead th { background: #fafbfc; font-weight: 600; }
.scroll { overflow-x: auto; }
.warning { background: #fff4d6; border-left: 4px solid #e0a400; padding: .6rem 1rem; border-radius: 4px; }
dt { font-weight: 600; margin-top: .5rem; }
dd { margin-left: 0; }
footer { margin-top: 3rem; color: #666; font-size: .9rem; }
`;

function cells(values: readonly string[], tag: 'td' | 'th' = 'td'): string {
  return `<tr>${values.map((value) => `<${tag}>${escapeText(value)}</${tag}>`).join('')}</tr>`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const body = rows.map((row) => cells(row)).join('\n');
  return `<div class="scroll"><table><thead>${cells(header, 'th')}</thead><tbody>${body}</tbody></table></div>`;
}

function spread(samples: readonly number[], format: (value: number) => string): string {
  if (samples.length < 2) return format(median(samples));
  return `${format(median(samples))} (${format(Math.min(...samples))}–${format(Math.max(...samples))})`;
}

function resultsTable({ runs }: ReportData): string {
  const rows = runs.flatMap(({ application, systems }) =>
    systems.map((result) => {
      const { system, unloadedUs, sloUs, throughput, curve } = result;
      const half = curve.find(({ load }) => load === 0.5)?.measurements ?? [];
      return [
        titleOf(application),
        SYSTEM_TITLES[system],
        spread(unloadedUs, duration),
        duration(median(sloUs)),
        spread(throughput, short),
        half.length === 0 ? '–' : duration(median(half.map(({ latencies }) => latencies.p50Us))),
        half.length === 0 ? '–' : duration(median(half.map(({ latencies }) => latencies.p90Us))),
        half.length === 0 ? '–' : duration(median(half.map(({ latencies }) => latencies.p99Us))),
        half.length === 0 ? '–' : duration(median(half.map(({ latencies }) => latencies.p999Us))),
      ];
    }),
  );
  const header = [
    'application',
    'system',
    'unloaded latency',
    'SLO',
    'requests/s within it',
    'p50 at half of that',
    'p90',
    'p99',
    'p99.9',
  ];
  return table(header, rows);
}

function curvesTable({ runs }: ReportData): string {
  const rows = runs.flatMap(({ application, systems }) =>
    systems.flatMap((result) =>
      pointsOf(result).map((point) => [
        titleOf(application),
        SYSTEM_TITLES[result.system],
        short(point.offeredPerSecond),
        short(point.throughputPerSecond),
        ...[point.p50Us, point.p99Us, point.p999Us].map((us) => (us > 1e9 ? 'lost' : duration(us))),
      ]),
    ),
  );
  return table(['application', 'system', 'offered/s', 'answered/s', 'p50', 'p99', 'p99.9'], rows);
}

function breakdownTable({ breakdowns }: ReportData): string {
  const rows = breakdowns.flatMap(({ application, systems }) =>
    systems.map(({ system, latencyUs, us }) => [
      titleOf(application),
      SYSTEM_TITLES[system],
      duration(latencyUs),
      ...SHARES.map((share) => duration(us[share])),
    ]),
  );
  return table(['application', 'system', 'latency', ...SHARES], rows);
}

/** What came out, in words. */
function outcome({ runs }: ReportData): string {
  const items = OTHERS.flatMap((other) => {
    const values = runs.flatMap((run) => {
      const samples = ratios(run, other);
      return samples === undefined ? [] : [median(samples)];
    });
    if (values.length === 0) return [];
    const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => Number(value.toPrecision(3)));
    const range = values.length === 1 || least === most ? `${least}` : `${least} to ${most}`;
    const what: Readonly<Record<SystemName, string>> = {
      jord: '',
      unsafe: 'of what the same server does without any isolation',
      messages: 'times what services do that pass messages between threads',
      processes: 'times what services do that are processes and speak HTTP',
    };
    return [`<li>Jord answers <strong>${range}</strong> ${what[other]}.</li>`];
  });
  return `<ul>${items.join('\n')}</ul>`;
}

const COMPARED = `
<dl>
<dt>Jord</dt>
<dd>All services of an application are WebAssembly functions in one address space. Each invocation runs in a protection domain
of its own; checks compiled into the functions keep them apart. A call between services costs about as much as a call of a
function, payloads move without being copied, and the store hands out values in place.</dd>
<dt>Without isolation</dt>
<dd>The same server with the checks and protection domains taken out, and functions that are compiled for fixed addresses: what
this design could do at most, if nobody had to be kept apart. It is insecure.</dd>
<dt>Message passing</dt>
<dd>Each service is a thread with a memory of its own. Calls are messages through rings in shared memory, copied in and out;
threads without work sleep and are woken. The store is in shared memory; values are copied.</dd>
<dt>Processes over HTTP</dt>
<dd>Each service is a Node process with an HTTP server, called over the loopback interface through connections that stay
open. The store is one more process. This is what people run today.</dd>
</dl>`;

const method = (percentile: number): string => `
<p>Requests of each application's mix arrive at random times (a Poisson process), decided beforehand by a thread of its own, and
are handed over when they are due, whatever became of those before. Latency counts from when a request was due, so a system
that stalls is seen to stall by all that was due meanwhile. The unloaded latency is the average of requests one at a time,
without the longest hundredth; the SLO is ${SLO_FACTOR} times that, of each system its own. The throughput within the SLO is the
highest load at which ${percentile} of 100 requests are within it, found by halving; probes of all systems take turns, and each probe is
repeated until results agree. Each system ran in processes of its own after its answers were compared with a model of the
application in plain TypeScript. All ran the same functions from the same sources on the same machine.</p>`;

export function reportPage(data: ReportData): string {
  const { environment: where, runs, breakdowns, isQuick, percentile } = data;
  const figures = (plots: readonly string[]): string =>
    `<div class="plots">${plots.map((plot) => `<figure>${plot}</figure>`).join('\n')}</div>`;
  const others = runs.map(({ othersCoresMax }) => othersCoresMax);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Jord: throughput of microservices under an SLO</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Microservices in one address space</h1>
<p class="lead">Four applications made of small services, each run on four systems, on the same machine with the same requests.
How many requests a second does each system answer while ${percentile} of 100 answers are quick?</p>
${isQuick ? '<p class="warning">Made with <code>--quick</code>: short runs, to see that it works. The numbers are rough and not to be quoted.</p>' : ''}
<h2>What came out</h2>
${outcome(data)}
${figures([throughputPlot(runs)])}
<p>Higher is better; the scale is logarithmic. “None”: not even the least load is answered within the SLO.</p>
${figures(OTHERS.map((other) => ratioPlot(runs, other)))}
<h2>What was compared</h2>
${COMPARED}
<h2>Latency against load</h2>
<p>Thick lines are the ${percentile}th percentile, thin ones the median. A circle is where a system's ${percentile}th percentile meets its SLO. Both
scales are logarithmic; what is far beyond the SLO is at the upper edge.</p>
${figures(runs.map((run) => latencyPlot(run, percentile)))}
${
  breakdowns.length === 0
    ? ''
    : `<h2>Where the time of a request goes</h2>
<p>Of requests one at a time. Work is the time that functions take without isolation; isolation what Jord adds to that; copying is
counted and calibrated; dispatch and waiting is the rest: queues, waking threads, HTTP, the kernel.</p>
${figures(breakdowns.map((breakdown) => breakdownPlot(breakdown)))}`
}
<h2>How it was measured</h2>
${method(percentile)}
<p>Machine: ${where.cores} × ${escapeText(where.cpu)}; Node ${where.node}, V8 ${where.v8}; ${where.date}. Dispatcher and one executor
of Jord have a core each; the threads and processes of the other two systems share the same cores. While something was measured,
other programs kept ${Math.max(0, ...others).toFixed(2)} cores busy at most. Ranges in parentheses are over
${runs[0]?.systems[0]?.throughput.length ?? 0} rounds.</p>
<h2>All numbers</h2>
${resultsTable(data)}
<h2>Curves</h2>
${curvesTable(data)}
${breakdowns.length === 0 ? '' : `<h2>Breakdown</h2>\n${breakdownTable(data)}`}
<footer>Made by <code>npm run report</code>. What each system is in detail, and what is not measured, is in
<code>docs/benchmarks.md</code>.</footer>
</main>
</body>
</html>
`;
}
