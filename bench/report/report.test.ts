import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { ApplicationRun } from '../slo/application-run.ts';
import { toResults } from '../slo.ts';
import type { Measurement } from '../systems/system-process.ts';
import type { ReportData } from './data.ts';
import { writeReport } from './main.ts';

function measurement(offeredPerSecond: number, p99Us: number): Measurement {
  const latencies = {
    meanUs: p99Us / 3,
    p50Us: p99Us / 4,
    p90Us: p99Us / 2,
    p99Us,
    p999Us: p99Us * 2,
    maxUs: p99Us * 3,
  };
  return {
    arrivals: 1000,
    lost: 0,
    offeredPerSecond,
    throughputPerSecond: offeredPerSecond,
    latencies,
    refusals: 0,
    error: undefined,
  };
}

/** Jord does 80 % of unsafe; messages bears nothing at all. */
const RUN: ApplicationRun = {
  application: 'boutique',
  othersCoresMax: 0.01,
  systems: [
    {
      system: 'jord',
      unloadedUs: [20, 22],
      sloUs: [200, 220],
      throughput: [800, 880],
      curve: [{ load: 0.5, measurements: [measurement(400, 60), measurement(440, 64)] }],
    },
    {
      system: 'unsafe',
      unloadedUs: [15, 15],
      sloUs: [150, 150],
      throughput: [1000, 1100],
      curve: [{ load: 0.5, measurements: [measurement(500, 50)] }],
    },
    { system: 'messages', unloadedUs: [300, 310], sloUs: [3000, 3100], throughput: [0, 0], curve: [] },
  ],
};

const DATA: ReportData = {
  environment: { node: '26', v8: '14', cpu: 'a <cpu>', cores: 2, date: '2026-01-01T00:00:00.000Z' },
  isQuick: true,
  percentile: 99,
  runs: [RUN],
  breakdowns: [
    {
      application: 'boutique',
      systems: [{ system: 'jord', latencyUs: 20, us: { work: 10, isolation: 2, copying: 1, dispatch: 7 } }],
    },
  ],
};

test('rows have the names that the documentation says, and ratios are taken round by round', () => {
  const rows = new Map(toResults(RUN).map((row) => [row.name, row]));
  assert.ok(Math.abs((rows.get('slo/boutique/vs-unsafe')?.value ?? 0) - 0.8) < 1e-9);
  assert.equal(rows.get('slo/boutique/jord/throughput')?.value, 840);
  assert.equal(rows.get('slo/boutique/jord/throughput')?.more?.['sloUs'], 210);
  assert.equal(rows.get('slo/boutique/jord/p99')?.value, 62);
  assert.equal(rows.get('slo/boutique/messages/throughput')?.value, 0);
  assert.equal(rows.has('slo/boutique/messages/p99'), false);
});

test('a report is one page without anything from elsewhere, a summary, two pictures and the numbers', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'jord-report-'));
  try {
    const page = await readFile(await writeReport(DATA, folder), 'utf8');
    assert.deepEqual((await readdir(folder)).sort(), [
      'data.json',
      'latency.svg',
      'report.html',
      'summary.md',
      'throughput.svg',
    ]);
    assert.match(page, /Online Boutique/);
    assert.match(page, /a &lt;cpu&gt;/);
    assert.match(page, /not to be quoted/);
    assert.doesNotMatch(page, /<script|<link|<img|src=|href=|NaN|Infinity|undefined/);
    const opened = page.match(/<svg/g)?.length ?? 0;
    assert.ok(opened >= 5 && opened === page.match(/<\/svg>/g)?.length, `${opened} pictures`);
    const summary = await readFile(path.join(folder, 'summary.md'), 'utf8');
    assert.match(summary, /\| Online Boutique \| 840 \| 15\.5 µs \| 31 µs \| 62 µs \| 0\.800 × \| – \| – \|/);
    assert.deepEqual(
      JSON.parse(await readFile(path.join(folder, 'data.json'), 'utf8')),
      JSON.parse(JSON.stringify(DATA)),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
