/** Results for people (a table) and for programs (one JSON object). */
import type { Environment } from './environment.ts';
import { summarize } from './statistics.ts';

export interface Result {
  /** `experiment/case`. */
  readonly name: string;
  /** The median, where there are several samples. */
  readonly value: number;
  readonly unit: string;
  /** First and third quartile of the samples. */
  readonly low: number;
  readonly high: number;
  /** Further members of this result, and columns of the table. Their unit is at the end of their names. */
  readonly more?: Readonly<Record<string, number | string>>;
}

/** Median and quartiles of samples, of which there is at least one. */
export function resultOf(name: string, unit: string, samples: readonly number[], more: Result['more'] = {}): Result {
  const { median, low, high } = summarize(samples);
  return { name, value: median, unit, low, high, more };
}

/** Four significant digits, without an exponent. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return String(value);
  const integerDigits = Math.max(1, Math.floor(Math.log10(Math.abs(value))) + 1);
  const leadingZeros = Math.max(0, -Math.floor(Math.log10(Math.abs(value))) - 1);
  const digits = Math.abs(value) >= 1 ? Math.max(0, 4 - integerDigits) : 4 + leadingZeros;
  return value.toFixed(Math.min(digits, 12));
}

/** Aligns columns: the first to the left, all others to the right. Rows may be of different lengths. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => (column === 0 ? (row[column] ?? '').padEnd(width) : (row[column] ?? '').padStart(width)))
      .join('  ')
      .trimEnd();
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

export function resultsTable(results: readonly Result[]): string {
  const more = [...new Set(results.flatMap((result) => Object.keys(result.more ?? {})))];
  const rows = results.map((result) => [
    result.name,
    formatNumber(result.value),
    result.unit,
    formatNumber(result.low),
    formatNumber(result.high),
    ...more.map((key) => {
      const value = result.more?.[key] ?? '';
      return typeof value === 'number' ? formatNumber(value) : value;
    }),
  ]);
  return formatTable(['name', 'median', 'unit', 'low (q1)', 'high (q3)', ...more], rows);
}

/** One line of JSON. */
export function resultsJson(experiment: string, results: readonly Result[], where: Environment): string {
  return JSON.stringify({
    experiment,
    results: results.map(({ more, ...result }) => ({ ...result, ...more })),
    environment: where,
  });
}
