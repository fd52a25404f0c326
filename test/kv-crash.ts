/**
 * Kills a server in the midst of durable writes, again and again, and looks up in the next one what was acknowledged. Each key
 * has one writer, with one write under way at a time: what is found is the last one that was acknowledged, or the one after it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeleted, KEYS, type Writer } from './kv-crash-data.ts';

export interface CrashOptions {
  readonly folder: string;
  readonly kills: number;
  readonly seed: number;
  readonly progress?: (kills: number) => void;
}

export interface CrashResult {
  /** Writes that were acknowledged, and looked up. */
  readonly acknowledged: number;
  /** How often a write was found that was under way when the server was killed. */
  readonly found: number;
}

/** More than are written before a kill. */
const NUMBERS_PER_LIFE = 1_000_000;
const LIFE_MS_MAX = 200;
/** Some are killed while they start: one in so many, so long after they were begun. */
const EARLY = 5;
const START_MS_MAX = 800;

/** What is known of a key: the number of its last write that counts (0: it is not there), and its version where that is known. */
interface Known {
  number: number;
  version: bigint;
}

interface Life {
  readonly isReady: boolean;
  readonly found: ReadonlyMap<number, Known>;
  readonly done: readonly (Known & { readonly key: number })[];
  readonly logged: readonly string[];
}

/** Throws where something that was acknowledged is missing. */
export async function crash({ folder, kills, seed, progress = () => {} }: CrashOptions): Promise<CrashResult> {
  let state = seed | 0 || 1;
  // xorshift32 (Marsaglia 2003).
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const known = new Map<number, Known>(KEYS.map(({ key }) => [key, { number: 0, version: 0n }]));
  /** What was under way when the server was killed. */
  let underWay = new Map<number, number>();
  let versionMax = 0n;
  let acknowledged = 0;
  let found = 0;
  for (let kill = 1; kill <= kills; kill++) {
    const first = kill * NUMBERS_PER_LIFE + 1;
    const isEarly = Math.floor(random() * EARLY) === 0;
    const life = await live(folder, first, isEarly, random() * (isEarly ? START_MS_MAX : LIFE_MS_MAX));
    assert.deepEqual(life.logged, []);
    progress(kill);
    // It has written nothing, and has not said all that it found.
    if (!life.isReady) continue;
    for (const { key, writer } of KEYS) {
      const before = known.get(key) ?? assert.fail();
      const now = life.found.get(key) ?? { number: 0, version: 0n };
      check(writer, key, before, now, underWay.get(key));
      if (now.number !== before.number) found++;
      known.set(key, now);
    }
    for (const { key, number, version } of life.done) {
      assert.ok(version === 0n || version > versionMax, `version ${version} of ${key} was given out before`);
      known.set(key, { number, version });
    }
    for (const { version } of life.done) if (version > versionMax) versionMax = version;
    acknowledged += life.done.length;
    underWay = nextWrites(life, known, first);
  }
  return { acknowledged, found };
}

function check(writer: Writer, key: number, before: Known, now: Known, next: number | undefined): void {
  const what = `${writer} ${key}: found ${now.number}, acknowledged ${before.number}, under way ${next}`;
  if (writer === 'withoutWaiting') {
    assert.ok(now.number >= before.number, what);
    return;
  }
  if (now.number === before.number) {
    assert.ok(before.version === 0n || now.version === before.version, `${what}: version ${now.version}`);
    return;
  }
  assert.equal(now.number, next, what);
}

/** What each writer had under way when its server was killed. */
function nextWrites(life: Life, known: ReadonlyMap<number, Known>, first: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { key } of life.done) counts.set(key, (counts.get(key) ?? 0) + 1);
  return new Map(
    KEYS.map(({ key, writer }) => {
      if (writer === 'counting') return [key, (known.get(key)?.number ?? 0) + 1];
      const number = first + (counts.get(key) ?? 0);
      return [key, writer === 'fromOutside' && isDeleted(number) ? 0 : number];
    }),
  );
}

/** One server, from its start until it is killed so long after its first acknowledgement, or after it was begun. */
async function live(folder: string, first: number, isEarly: boolean, milliseconds: number): Promise<Life> {
  const file = join(import.meta.dirname, 'kv-crash-server.ts');
  const child = spawn(process.execPath, [file, folder, String(first)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('latin1');
    if (output.includes('\ndone')) resolve();
  });
  const closed = once(child, 'close');
  if (!isEarly) await Promise.race([begun, closed]);
  await delay(milliseconds);
  child.kill('SIGKILL');
  const [, signal] = await closed;
  assert.equal(signal, 'SIGKILL', `the server ended by itself:\n${output.slice(-2000)}`);
  // The last line may not be whole.
  return read(output.split('\n').slice(0, -1));
}

function read(lines: readonly string[]): Life {
  const found = new Map<number, Known>();
  const done: (Known & { readonly key: number })[] = [];
  const logged: string[] = [];
  for (const line of lines) {
    const [kind, ...rest] = line.split(' ');
    if (kind === 'log') logged.push(line);
    if (kind !== 'found' && kind !== 'done') continue;
    const [key = -1, number = -1] = rest.map(Number);
    const version = BigInt(rest[2] ?? 0);
    if (kind === 'found') found.set(key, { number, version });
    else done.push({ key, number, version });
  }
  return { isReady: lines.includes('ready'), found, done, logged };
}
