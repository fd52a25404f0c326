import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KvSpaceInfo } from '../server/kv/types.ts';
import type { ExecutorStats, FunctionStats, LatencySummary, ServerStats } from '../server/types.ts';
import { formatStats } from './stats.ts';

function summary(count: number, p50: number, p99: number): LatencySummary {
  return { count, mean: p50, p50, p90: p99, p99, p999: p99, max: p99 };
}

const FUNCTIONS: readonly FunctionStats[] = [
  {
    name: 'hello',
    invocations: 123_456,
    inFlight: 3,
    faults: {},
    queueingUs: summary(123_000, 1.25, 88.04),
    serviceUs: summary(123_456, 12, 1234.5),
  },
  {
    name: 'parse\x1b[2J',
    invocations: 7,
    inFlight: 0,
    faults: { trap: 2, deadline: 1, exception: 0 },
    queueingUs: summary(0, 0, 0),
    serviceUs: summary(7, 0.1, 9.5),
  },
];

const EXECUTOR: ExecutorStats = {
  index: 0,
  state: 'awake',
  utilization: 0.4567,
  queueLength: 2,
  offers: 0,
  suspended: 1000,
  stacks: 1001,
  begun: 123_463,
  replacements: 0,
};

const STATS: ServerStats = {
  uptimeMs: 61_234,
  functions: FUNCTIONS,
  executors: [EXECUTOR, { ...EXECUTOR, index: 1, state: 'replacing', utilization: 1, queueLength: 0, suspended: 0 }],
  orchestrators: [
    { index: 0, outstanding: 3, waiting: 1, accepted: 100, refused: 5 },
    { index: 1, outstanding: 4, waiting: 0, accepted: 200, refused: 6 },
  ],
  logMessagesDropped: 12,
  homeMemoryFreeBytes: 1 << 30,
  kv: [],
};

const SPACE: KvSpaceInfo = {
  name: 'carts',
  durable: true,
  cache: false,
  keysMax: null,
  bytesMax: null,
  keys: 12,
  bytes: 4096,
  gets: 1000,
  hits: 987,
  puts: 40,
  deletes: 3,
  evictions: 0,
  expirations: 2,
  unsavedBytes: 256,
  diskFailed: false,
  functions: [],
};

test('functions, executors and totals, in columns', () => {
  assert.equal(
    formatStats(STATS),
    [
      'FUNCTION         CALLS  IN FLIGHT  QUEUED P50  QUEUED P99  SERVICE P50  SERVICE P99  FAULTS',
      'hello           123456          3     1.25 µs     88.0 µs      12.0 µs      1235 µs  none',
      'parse\\u001b[2J       7          0           -           -      0.10 µs      9.50 µs  2 trap, 1 deadline',
      '',
      'EXECUTOR  STATE      UTILIZATION  QUEUE  SUSPENDED',
      '0         awake           45.7 %      2       1000',
      '1         replacing      100.0 %      0          0',
      '',
      'up           61.2 s',
      'requests     300 accepted, 11 refused, 7 outstanding, 1 of them waiting',
      'calls        123463 begun, 3 in flight, 3 faults',
      'home memory  1 GiB free',
      'log          12 messages dropped',
    ].join('\n'),
  );
});

test('spaces of the key-value store', () => {
  const kv = [SPACE, { ...SPACE, diskFailed: true }, { ...SPACE, name: 'pages', durable: false, gets: 0, hits: 0 }];
  const [head = '', ...rows] =
    formatStats({ ...STATS, kv })
      .split('\n\n')[2]
      ?.split('\n') ?? [];
  assert.match(head, /^SPACE +KEYS +BYTES +GETS +FOUND +PUTS +DELETES +EVICTED +EXPIRED +NOT ON DISK$/);
  assert.match(rows[0] ?? '', /^carts +12 +4 KiB +1000 +98\.7 % +40 +3 +0 +2 +256 B$/);
  assert.match(rows[1] ?? '', / 256 B, disk fails$/);
  assert.match(rows[2] ?? '', /^pages +12 +4 KiB +0 +- +40 +3 +0 +2 +-$/);
});

test('a server that has done nothing yet', () => {
  const text = formatStats({ ...STATS, functions: [], executors: [], orchestrators: [], logMessagesDropped: 0 });
  assert.match(text, /^No function is deployed\.\n\nEXECUTOR .*\n\nup /);
  assert.match(text, /^requests +0 accepted, 0 refused, 0 outstanding, 0 of them waiting$/m);
  assert.match(text, /^log +nothing dropped$/m);
});
