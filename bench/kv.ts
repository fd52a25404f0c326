/**
 * What the key-value store costs from inside a function, how it grows with executors, how fast it brings things to disk, and
 * beside it the same asked of a Redis on loopback.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { Jord } from '../src/jord.ts';
import {
  ADD,
  type Asking,
  askedMs,
  GET,
  NOTHING,
  PUT,
  SAVE,
  storeUserModule,
  storeUserRequest,
} from './applications/store-user.ts';
import { type Experiment, type ExperimentOptions, runExperiment } from './harness/experiment.ts';
import { RedisClient, startRedis } from './harness/redis.ts';
import { type Result, resultOf } from './harness/report.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SIZES: readonly number[] = [64, 4 * KIB, MIB];
const USER = 'store-user';
const SAVER = 'store-saver';
const SPACE = 'bench';
/** Keys asked for in turn: their values fit into the second-level cache, or they do not. */
const KEYS = 1000;
const LARGE_VALUE_KEYS = 64;
/** Invocations that wait for the disk at once. */
const SAVERS = 64;
const SAVES_EACH = 20;

interface Effort {
  readonly samples: number;
  readonly rounds: number;
  readonly redisRounds: number;
}

/** Rounds are multiples of 32. */
const EFFORT: Effort = { samples: 31, rounds: 102_400, redisRounds: 2000 };
const QUICK_EFFORT: Effort = { samples: 7, rounds: 20_480, redisRounds: 300 };

function asking(what: number, valueBytes: number, rounds: number): Asking {
  const isLarge = valueBytes > 64 * KIB;
  return { what, valueBytes, keys: isLarge ? LARGE_VALUE_KEYS : KEYS, rounds: isLarge ? rounds / 10 : rounds };
}

/** One sample of each row in each round in turn. */
async function sampleInTurn(
  rows: ReadonlyMap<string, () => number | Promise<number>>,
  samples: number,
): Promise<Map<string, number[]>> {
  const values = new Map([...rows.keys()].map((name) => [name, [] as number[]]));
  const warmUps = 3;
  for (let round = -warmUps; round < samples; round++) {
    for (const [name, sample] of round % 2 === 0 ? rows : [...rows].reverse()) {
      const value = await sample();
      if (round >= 0) values.get(name)?.push(value);
    }
  }
  return values;
}

function toResults(samples: ReadonlyMap<string, readonly number[]>, unit: string): Result[] {
  return [...samples].map(([name, values]) => resultOf(name, unit, values));
}

/** ns of one operation of a function, on the thread that asks. */
function operationNs(jord: Jord, work: Asking): number {
  return (askedMs(jord.invokeInline(USER, storeUserRequest(work))) * 1e6) / work.rounds;
}

async function operations(effort: Effort, only: string): Promise<Result[]> {
  const jord = await Jord.start({ executors: 0, argBufBytesMax: 1024 * MIB });
  try {
    await jord.deploy(USER, await storeUserModule(), { kv: [`${SPACE}:rw`] });
    const rows = new Map<string, () => number>();
    const empty = asking(NOTHING, 64, effort.rounds);
    rows.set('loop', () => operationNs(jord, empty));
    for (const size of SIZES) {
      // First all keys get values of this size.
      rows.set(`put/${size}`, () => operationNs(jord, asking(PUT, size, effort.rounds)));
      rows.set(`get/${size}`, () => {
        operationNs(jord, { ...asking(PUT, size, 1), rounds: 1024 });
        return operationNs(jord, asking(GET, size, effort.rounds));
      });
    }
    rows.set('add', () => {
      operationNs(jord, { ...asking(PUT, 8, 1), rounds: 1024 });
      return operationNs(jord, asking(ADD, 8, effort.rounds));
    });
    const selected = new Map([...rows].filter(([name]) => name.includes(only)));
    return toResults(await sampleInTurn(selected, effort.samples), 'ns');
  } finally {
    await jord.stop();
  }
}

/** Operations in a second, in millions, of as many invocations at once as there are executors. */
async function scaling(effort: Effort, only: string, progress: (text: string) => void): Promise<Result[]> {
  const results: Result[] = [];
  for (let executors = 1; executors <= availableParallelism(); executors++) {
    const names = [`get-rate/${executors}`, `put-rate/${executors}`, `get-rate-one-key/${executors}`];
    if (!names.some((name) => name.includes(only))) continue;
    progress(`${executors} executors`);
    const jord = await Jord.start({ executors });
    try {
      await jord.deploy(USER, await storeUserModule(), { kv: [`${SPACE}:rw`] });
      const rate = async (work: Asking): Promise<number> => {
        const request = storeUserRequest(work);
        const responses = await Promise.all(Array.from({ length: executors }, () => jord.invoke(USER, request)));
        return responses.reduce((sum, response) => sum + work.rounds / askedMs(response) / 1000, 0);
      };
      const [get, put] = [asking(GET, 64, effort.rounds * 5), asking(PUT, 64, effort.rounds * 5)];
      await rate(put);
      const rows = new Map([
        [`get-rate/${executors}`, () => rate(get)],
        [`get-rate-one-key/${executors}`, () => rate({ ...get, keys: 1 })],
        [`put-rate/${executors}`, () => rate(put)],
      ]);
      const selected = new Map([...rows].filter(([name]) => name.includes(only)));
      results.push(...toResults(await sampleInTurn(selected, effort.samples), 'M/s'));
    } finally {
      await jord.stop();
    }
  }
  return results;
}

/** Durable puts in a second, in thousands: those that nobody waits for until they are on disk, and those that are waited for. */
async function durable(effort: Effort, only: string): Promise<Result[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'jord-bench-'));
  const jord = await Jord.start({ dataFolder: folder });
  try {
    await jord.kv.create(SPACE, { durable: true });
    for (const name of [USER, SAVER] as const)
      await jord.deploy(name, await storeUserModule(name), { kv: [`${SPACE}:rw`] });
    const key = new TextEncoder().encode('the last one');
    const rows = new Map<string, () => Promise<number>>();
    rows.set('durable-put/64', async () => {
      const work = { what: PUT, valueBytes: 64, keys: effort.rounds, rounds: effort.rounds };
      const start = performance.now();
      await jord.invoke(USER, storeUserRequest(work));
      await jord.kv.put(SPACE, key, key);
      return work.rounds / (performance.now() - start);
    });
    rows.set('durable-put-and-wait/64', async () => {
      const request = storeUserRequest({ what: SAVE, valueBytes: 64, keys: KEYS, rounds: SAVES_EACH });
      const start = performance.now();
      await Promise.all(Array.from({ length: SAVERS }, () => jord.invoke(SAVER, request)));
      return (SAVERS * SAVES_EACH) / (performance.now() - start);
    });
    const selected = new Map([...rows].filter(([name]) => name.includes(only)));
    return toResults(await sampleInTurn(selected, Math.ceil(effort.samples / 3)), 'k/s');
  } finally {
    await jord.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A Redis on loopback, asked one request after the other. */
async function redis(effort: Effort, only: string, progress: (text: string) => void): Promise<Result[]> {
  const server = await startRedis(false);
  if (server === undefined) {
    progress('redis-server is not installed: no rows of Redis');
    return [];
  }
  const client = await RedisClient.open(server.port);
  try {
    const rows = new Map<string, () => Promise<number>>();
    for (const size of SIZES) {
      const value = Buffer.alloc(size, 'x');
      const rounds = size > 64 * KIB ? effort.redisRounds / 20 : effort.redisRounds;
      const timed = async (operation: () => Promise<unknown>): Promise<number> => {
        const start = performance.now();
        for (let i = 0; i < rounds; i++) await operation();
        return ((performance.now() - start) * 1e6) / rounds;
      };
      rows.set(`redis-set/${size}`, () => timed(() => client.set('the key no: 0001', value)));
      rows.set(`redis-get/${size}`, async () => {
        await client.set('the key no: 0001', value);
        return timed(() => client.get('the key no: 0001'));
      });
    }
    const selected = new Map([...rows].filter(([name]) => name.includes(only)));
    return toResults(await sampleInTurn(selected, effort.samples), 'ns');
  } finally {
    client.close();
    await server.stop();
  }
}

/** The same, each write on disk before it is answered. */
async function durableRedis(effort: Effort, only: string): Promise<Result[]> {
  const name = 'redis-durable-set/64';
  if (!name.includes(only)) return [];
  const server = await startRedis(true);
  if (server === undefined) return [];
  const clients = await Promise.all(Array.from({ length: SAVERS }, () => RedisClient.open(server.port)));
  try {
    const value = Buffer.alloc(64, 'x');
    const sample = async (): Promise<number> => {
      const start = performance.now();
      await Promise.all(
        clients.map(async (client, i) => {
          for (let j = 0; j < SAVES_EACH; j++) await client.set(`${i}-${j}`, value);
        }),
      );
      return (SAVERS * SAVES_EACH) / (performance.now() - start);
    };
    return toResults(await sampleInTurn(new Map([[name, sample]]), Math.ceil(effort.samples / 3)), 'k/s');
  } finally {
    for (const client of clients) client.close();
    await server.stop();
  }
}

async function run({ quick, only, progress }: ExperimentOptions): Promise<Result[]> {
  const effort = quick ? QUICK_EFFORT : EFFORT;
  progress('operations');
  const results = await operations(effort, only);
  results.push(...(await scaling(effort, only, progress)));
  progress('disk');
  results.push(...(await durable(effort, only)));
  progress('Redis');
  results.push(...(await redis(effort, only, progress)), ...(await durableRedis(effort, only)));
  return results;
}

export const experiment: Experiment = {
  name: 'kv',
  summary: 'the key-value store from inside a function, over executors, to disk, and beside Redis',
  method: [
    'get/<bytes>: kv_get, a read of the last 8 bytes, kv_release. put/<bytes>: kv_put of an ArgBuf that was made before,',
    `which replaces a value. add: kv_add. ${KEYS} keys in turn (${LARGE_VALUE_KEYS} of 1 MiB), a sample is ${EFFORT.rounds} operations; loop: without them.`,
    'get-rate/<n>, put-rate/<n>: n invocations at once on n executors, 64 bytes, all keys, or all the same key.',
    'durable-put: 64 bytes, new keys, from the first put until all are on disk. durable-put-and-wait:',
    `${SAVERS} invocations at once, each waits for the disk (kv_sync) after every put.`,
    'redis-get, redis-set: GET and SET over loopback, one after the other, from Node, nothing written to disk.',
    `redis-durable-set: ${SAVERS} connections, appendfsync always.`,
  ],
  run,
};

if (import.meta.main) await runExperiment(experiment, process.argv.slice(2));
