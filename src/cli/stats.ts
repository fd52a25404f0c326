/** `jord stats`. */

import { formatBytes } from '../bytes.ts';
import type { KvSpaceInfo } from '../server/kv/types.ts';
import type { ExecutorStats, FunctionStats, LatencySummary, ServerStats } from '../server/types.ts';
import { Client } from './client.ts';
import type { JsonOptions } from './manage.ts';
import { printJson, printLine, table } from './output.ts';

export async function stats(options: JsonOptions): Promise<void> {
  const counted = await new Client(options).stats();
  if (options.json === true) printJson(counted);
  else printLine(formatStats(counted));
}

/** Functions, executors, key spaces and totals, each a table for people. */
export function formatStats(counted: ServerStats): string {
  const functions = counted.functions.length === 0 ? 'No function is deployed.' : functionTable(counted.functions);
  const spaces = counted.kv.length === 0 ? [] : [spaceTable(counted.kv)];
  return [functions, executorTable(counted.executors), ...spaces, totals(counted)].join('\n\n');
}

const TIME_COLUMNS = ['QUEUED P50', 'QUEUED P99', 'SERVICE P50', 'SERVICE P99'];
const FUNCTION_COLUMNS = ['FUNCTION', 'CALLS', 'IN FLIGHT', ...TIME_COLUMNS, 'FAULTS'];
const EXECUTOR_COLUMNS = ['EXECUTOR', 'STATE', 'UTILIZATION', 'QUEUE', 'SUSPENDED'];

function functionTable(functions: readonly FunctionStats[]): string {
  const rows = functions.map(({ name, invocations, inFlight, faults, queueingUs, serviceUs }) => [
    name,
    String(invocations),
    String(inFlight),
    ...percentiles(queueingUs),
    ...percentiles(serviceUs),
    faultCounts(faults),
  ]);
  return table([FUNCTION_COLUMNS, ...rows], [1, 2, 3, 4, 5, 6]);
}

/** p50 and p99; dashes where nothing was measured. */
function percentiles({ count, p50, p99 }: LatencySummary): readonly string[] {
  return count === 0 ? ['-', '-'] : [formatUs(p50), formatUs(p99)];
}

/** To three digits, as far as they are behind the point. */
function formatUs(timeUs: number): string {
  const digits = timeUs < 10 ? 2 : timeUs < 100 ? 1 : 0;
  return `${timeUs.toFixed(digits)} µs`;
}

function faultCounts(faults: FunctionStats['faults']): string {
  const counts = Object.entries(faults).filter(([, count]) => count > 0);
  return counts.length === 0 ? 'none' : counts.map(([fault, count]) => `${count} ${fault}`).join(', ');
}

function executorTable(executors: readonly ExecutorStats[]): string {
  const rows = executors.map(({ index, state, utilization, queueLength, suspended }) => [
    String(index),
    state,
    `${(utilization * 100).toFixed(1)} %`,
    String(queueLength),
    String(suspended),
  ]);
  return table([EXECUTOR_COLUMNS, ...rows], [2, 3, 4]);
}

const SPACE_COLUMNS = [
  'SPACE',
  'KEYS',
  'BYTES',
  'GETS',
  'FOUND',
  'PUTS',
  'DELETES',
  'EVICTED',
  'EXPIRED',
  'NOT ON DISK',
];

function spaceTable(spaces: readonly KvSpaceInfo[]): string {
  const rows = spaces.map((space) => [
    space.name,
    String(space.keys),
    formatBytes(space.bytes),
    String(space.gets),
    space.gets === 0 ? '-' : `${((100 * space.hits) / space.gets).toFixed(1)} %`,
    ...[space.puts, space.deletes, space.evictions, space.expirations].map(String),
    space.durable ? formatBytes(space.unsavedBytes) + (space.diskFailed ? ', disk fails' : '') : '-',
  ]);
  return table([SPACE_COLUMNS, ...rows], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

function totals({ uptimeMs, functions, orchestrators, logMessagesDropped, homeMemoryFreeBytes }: ServerStats): string {
  const sum = <T>(list: readonly T[], count: (one: T) => number): number =>
    list.reduce((total, one) => total + count(one), 0);
  const requests = [
    `${sum(orchestrators, ({ accepted }) => accepted)} accepted`,
    `${sum(orchestrators, ({ refused }) => refused)} refused`,
    `${sum(orchestrators, ({ outstanding }) => outstanding)} outstanding`,
    `${sum(orchestrators, ({ waiting }) => waiting)} of them waiting`,
  ];
  const calls = [
    `${sum(functions, ({ invocations }) => invocations)} begun`,
    `${sum(functions, ({ inFlight }) => inFlight)} in flight`,
    `${sum(functions, ({ faults }) => sum(Object.values(faults), Number))} faults`,
  ];
  return table([
    ['up', `${(uptimeMs / 1000).toFixed(1)} s`],
    ['requests', requests.join(', ')],
    ['calls', calls.join(', ')],
    ['home memory', `${formatBytes(homeMemoryFreeBytes)} free`],
    ['log', logMessagesDropped === 0 ? 'nothing dropped' : `${logMessagesDropped} messages dropped`],
  ]);
}
