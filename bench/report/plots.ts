/** The plots of the report. */
import type { ApplicationRun, SloPercentile } from '../slo/application-run.ts';
import { type ApplicationBreakdown, SHARES, type Share } from '../slo/breakdown-run.ts';
import type { SystemName } from '../systems/system.ts';
import { COLOURS, DASHES, median, type Point, pointsOf, ratios, SYSTEM_TITLES, titleOf } from './data.ts';
import { duration, element, linearScale, logScale, picture, type Scale, short, text } from './svg.ts';

const GRID = '#e6e6e6';
const MUTED = '#666';

interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

function horizontalGrid(scale: Scale, { left, right }: Area, label: (value: number) => string): string[] {
  return scale.ticks.flatMap((tick) => [
    element('line', { x1: left, x2: right, y1: scale(tick), y2: scale(tick), stroke: GRID }),
    text(left - 6, scale(tick) + 4, label(tick), { 'text-anchor': 'end', fill: MUTED, 'font-size': 11 }),
  ]);
}

function verticalGrid(scale: Scale, { top, bottom }: Area, label: (value: number) => string): string[] {
  return scale.ticks.flatMap((tick) => [
    element('line', { x1: scale(tick), x2: scale(tick), y1: top, y2: bottom, stroke: GRID }),
    text(scale(tick), bottom + 15, label(tick), { 'text-anchor': 'middle', fill: MUTED, 'font-size': 11 }),
  ]);
}

function legend(systems: readonly SystemName[], x: number, y: number, isLine: boolean): string[] {
  let at = x;
  return systems.flatMap((system) => {
    const start = at;
    at += 34 + SYSTEM_TITLES[system].length * 6.6;
    const colour = COLOURS[system];
    const mark = isLine
      ? element('line', {
          ...{ x1: start, x2: start + 20, y1: y - 4, y2: y - 4, stroke: colour },
          ...{ 'stroke-width': 2.5, 'stroke-dasharray': DASHES[system] },
        })
      : element('rect', { x: start + 4, y: y - 10, width: 12, height: 12, fill: colour, rx: 2 });
    return [mark, text(start + 25, y, SYSTEM_TITLES[system])];
  });
}

/** One line through points that are there; the last may be far outside. */
function line(points: readonly (readonly [x: number, y: number])[], system: SystemName, width: number): string {
  const path = points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
  return element('path', {
    ...{ d: path, fill: 'none', stroke: COLOURS[system], 'stroke-width': width },
    ...{ 'stroke-dasharray': DASHES[system], 'stroke-linejoin': 'round' },
  });
}

/** Latencies longer than this by the SLO of their system are drawn at the upper edge. */
const SHOWN_BY_SLO = 20;

/** The percentile of the SLO, and the median thinner, against the load, with a mark where each system's SLO is met last. */
export function latencyPlot(run: ApplicationRun, percentile: SloPercentile, width = 560, height = 360): string {
  const percentileOf = ({ p90Us, p99Us }: Point): number => (percentile === 90 ? p90Us : p99Us);
  const area: Area = { left: 62, right: width - 16, top: 58, bottom: height - 46 };
  const systems = run.systems.filter(({ curve }) => curve.length > 0);
  if (systems.length === 0) return picture(width, height, titleOf(run.application), [text(20, 30, 'no measurements')]);
  const all = systems.map((result) => ({ result, points: pointsOf(result), sloUs: median(result.sloUs) }));
  const most = Math.max(...all.map(({ sloUs }) => sloUs * SHOWN_BY_SLO));
  const latencies = all.flatMap(({ points, sloUs }) => [
    sloUs,
    ...points.flatMap((point) => [point.p50Us, Math.min(percentileOf(point), most)]),
  ]);
  const x = logScale(
    all.flatMap(({ points }) => points.map((point) => point.offeredPerSecond)),
    area.left,
    area.right,
  );
  const y = logScale(latencies, area.bottom, area.top);
  const clip = (us: number): number => Math.max(area.top, y(Math.min(us, 1e12)));
  const drawn = all.flatMap(({ result: { system, throughput }, points, sloUs }) => {
    const at = (of: (point: (typeof points)[number]) => number): (readonly [number, number])[] =>
      points.map((point) => [x(point.offeredPerSecond), clip(of(point))] as const);
    const borne = median(throughput);
    const mark = element('circle', {
      cx: x(borne),
      cy: y(sloUs),
      r: 5,
      fill: '#fff',
      stroke: COLOURS[system],
      'stroke-width': 2.5,
    });
    return [
      element(
        'g',
        { opacity: 0.45 },
        line(
          at(({ p50Us }) => p50Us),
          system,
          1.2,
        ),
      ),
      line(at(percentileOf), system, 2.5),
      ...(borne > 0 ? [mark] : []),
    ];
  });
  return picture(width, height, `${titleOf(run.application)}: latency against load`, [
    text(16, 24, titleOf(run.application), { 'font-size': 15, 'font-weight': 600 }),
    ...legend(
      systems.map(({ system }) => system),
      16,
      46,
      true,
    ),
    ...horizontalGrid(y, area, duration),
    ...verticalGrid(x, area, short),
    ...drawn,
    text((area.left + area.right) / 2, height - 10, 'requests per second (logarithmic)', {
      'text-anchor': 'middle',
      fill: MUTED,
    }),
  ]);
}

/** Throughput within the SLO: a group of bars for each application, on a logarithmic scale. */
export function throughputPlot(runs: readonly ApplicationRun[], width = 760, height = 340): string {
  const area: Area = { left: 56, right: width - 12, top: 58, bottom: height - 34 };
  const values = runs.flatMap(({ systems }) => systems.map(({ throughput }) => median(throughput)));
  if (!values.some((value) => value > 0))
    return picture(width, height, 'Throughput', [text(20, 30, 'no measurements')]);
  const least = Math.min(...values.filter((value) => value > 0)) / 3;
  const y = logScale([least, ...values], area.bottom, area.top);
  const group = (area.right - area.left) / runs.length;
  const bars = runs.flatMap(({ application, systems }, i) => {
    const bar = (group * 0.84) / systems.length;
    const start = area.left + i * group + group * 0.08;
    const one = systems.flatMap(({ system, throughput }, j) => {
      const value = median(throughput);
      const x = start + j * bar;
      const top = value > 0 ? y(value) : area.bottom;
      return [
        element('rect', { x: x + 1, y: top, width: bar - 2, height: area.bottom - top, fill: COLOURS[system], rx: 2 }),
        text(x + bar / 2, top - 4, value > 0 ? short(value) : 'none', { 'text-anchor': 'middle', 'font-size': 10.5 }),
      ];
    });
    return [
      ...one,
      text(start + group * 0.42, area.bottom + 20, titleOf(application), {
        'text-anchor': 'middle',
        'font-weight': 600,
      }),
    ];
  });
  return picture(width, height, 'Throughput within the SLO', [
    text(16, 24, 'Throughput within the SLO, requests per second', { 'font-size': 15, 'font-weight': 600 }),
    ...legend(runs[0]?.systems.map(({ system }) => system) ?? [], 16, 46, false),
    ...horizontalGrid(y, area, short),
    ...bars,
  ]);
}

/** Jord's throughput by that of each other system. */
export function ratioPlot(runs: readonly ApplicationRun[], other: SystemName, width = 370, height = 240): string {
  const area: Area = { left: 124, right: width - 62, top: 44, bottom: height - 24 };
  const values = runs.map((run) => ratios(run, other));
  const x = linearScale(
    [1, ...values.map((samples) => (samples === undefined ? 0 : median(samples)))],
    area.left,
    area.right,
  );
  const row = (area.bottom - area.top) / runs.length;
  const bars = runs.flatMap(({ application }, i) => {
    const samples = values[i];
    const y = area.top + i * row;
    const label = text(area.left - 8, y + row / 2 + 4, titleOf(application), { 'text-anchor': 'end' });
    if (samples === undefined) return [label, text(area.left + 6, y + row / 2 + 4, 'no throughput', { fill: MUTED })];
    const value = median(samples);
    return [
      label,
      element('rect', {
        x: area.left,
        y: y + row * 0.2,
        width: Math.max(0, x(value) - area.left),
        height: row * 0.6,
        fill: COLOURS[other],
        rx: 2,
      }),
      text(x(value) + 5, y + row / 2 + 4, `${value.toPrecision(3)} ×`, { 'font-weight': 600 }),
    ];
  });
  return picture(width, height, `Jord by ${SYSTEM_TITLES[other]}`, [
    text(16, 24, `Jord ÷ ${SYSTEM_TITLES[other].toLowerCase()}`, { 'font-size': 14, 'font-weight': 600 }),
    ...verticalGrid(x, area, (value) => String(Number(value.toPrecision(3)))),
    ...bars,
    element('line', { x1: x(1), x2: x(1), y1: area.top, y2: area.bottom, stroke: '#333', 'stroke-dasharray': '3 2' }),
  ]);
}

const SHARE_COLOURS: Readonly<Record<Share, string>> = {
  work: '#4c78a8',
  isolation: '#e45756',
  copying: '#f2b134',
  dispatch: '#b8b8b8',
};

const SHARE_TITLES: Readonly<Record<Share, string>> = {
  work: "the functions' work",
  isolation: 'isolation',
  copying: 'copying',
  dispatch: 'dispatch and waiting',
};

/** For each system a bar that is all of the latency, with its shares. */
export function breakdownPlot({ application, systems }: ApplicationBreakdown, width = 560): string {
  const rowHeight = 34;
  const area: Area = { left: 148, right: width - 76, top: 62, bottom: 62 + rowHeight * systems.length };
  let legendAt = 16;
  const key = SHARES.flatMap((share) => {
    const x = legendAt;
    legendAt += 30 + SHARE_TITLES[share].length * 6.4;
    return [
      element('rect', { x, y: 38, width: 12, height: 12, fill: SHARE_COLOURS[share], rx: 2 }),
      text(x + 17, 48, SHARE_TITLES[share]),
    ];
  });
  const bars = systems.flatMap(({ system, latencyUs, us }, i) => {
    const y = area.top + i * rowHeight;
    const total = SHARES.reduce((sum, share) => sum + us[share], 0);
    let x = area.left;
    const parts = SHARES.flatMap((share) => {
      const partWidth = ((area.right - area.left) * us[share]) / total;
      const start = x;
      x += partWidth;
      const percent = Math.round((100 * us[share]) / total);
      return [
        element('rect', { x: start, y: y + 5, width: partWidth, height: rowHeight - 10, fill: SHARE_COLOURS[share] }),
        ...(partWidth > 30
          ? [
              text(start + partWidth / 2, y + rowHeight / 2 + 4, `${percent} %`, {
                'text-anchor': 'middle',
                'font-size': 11,
                fill: share === 'work' || share === 'isolation' ? '#fff' : '#333',
              }),
            ]
          : []),
      ];
    });
    return [
      text(area.left - 8, y + rowHeight / 2 + 4, SYSTEM_TITLES[system], { 'text-anchor': 'end' }),
      ...parts,
      text(area.right + 8, y + rowHeight / 2 + 4, duration(latencyUs), { 'font-weight': 600 }),
    ];
  });
  return picture(width, area.bottom + 12, `${titleOf(application)}: where the time of a request goes`, [
    text(16, 24, titleOf(application), { 'font-size': 15, 'font-weight': 600 }),
    ...key,
    ...bars,
  ]);
}
