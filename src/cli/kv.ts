/** `jord kv`: spaces, keys and counters. Export and import are in kv-transfer.ts. */

import { formatBytes } from '../bytes.ts';
import { JordError } from '../errors.ts';
import type { KvSpaceInfo } from '../server/kv/types.ts';
import { Client } from './client.ts';
import { type DataOptions, readData } from './input.ts';
import { type Expectation, firstPage, KvClient, type ListedKey } from './kv-client.ts';
import type { JsonOptions } from './manage.ts';
import type { ServerOptions } from './options.ts';
import { printable, printJson, printLine, table } from './output.ts';

export interface CreateOptions extends JsonOptions {
  readonly durable?: boolean;
  readonly cache?: boolean;
  /** Infinity is no limit. */
  readonly keysMax?: number;
  readonly bytesMax?: number;
}

/** Keys are text, or bytes in base64. */
export interface KeyOptions extends ServerOptions {
  readonly base64?: boolean;
}

export interface GetOptions extends KeyOptions {
  readonly json?: boolean;
}

export interface PutOptions extends GetOptions, DataOptions, Expectation {
  readonly ttlMs?: number;
}

export interface DeleteOptions extends KeyOptions {
  readonly ifVersion?: bigint;
}

export interface ListOptions extends JsonOptions {
  readonly prefix: string;
  readonly after: string;
  readonly limit: number;
}

/** Most keys that are asked for at once. */
const PAGE_KEYS_MAX = 1000;

export async function create(name: string, options: CreateOptions): Promise<void> {
  const { durable, cache, keysMax, bytesMax } = options;
  const { info, isNew } = await clientOf(options).create(name, {
    ...(durable === undefined ? {} : { durable }),
    ...(cache === undefined ? {} : { cache }),
    ...(keysMax === undefined ? {} : { keysMax: limitOf(keysMax) }),
    ...(bytesMax === undefined ? {} : { bytesMax: limitOf(bytesMax) }),
  });
  if (options.json === true) printJson(info);
  else printLine(`${isNew ? 'Created' : 'Changed'} ${info.name}: ${kindOf(info)}, ${limitsOf(info)}.`);
}

function limitOf(limit: number): number | null {
  return limit === Number.POSITIVE_INFINITY ? null : limit;
}

export async function drop(names: readonly string[], options: ServerOptions): Promise<void> {
  const client = clientOf(options);
  for (const name of names) {
    await client.drop(name);
    printLine(`Dropped ${name}.`);
  }
}

export async function spaces(name: string | undefined, options: JsonOptions): Promise<void> {
  const client = clientOf(options);
  if (name !== undefined) {
    const info = await client.space(name);
    if (options.json === true) printJson(info);
    else printLine(table(describe(info)));
    return;
  }
  const all = await client.spaces();
  if (options.json === true) printJson({ spaces: all });
  else if (all.length === 0) printLine('There is no space. Create one with `jord kv create carts`.');
  else printLine(spaceTable(all));
}

const SPACE_COLUMNS = ['SPACE', 'KIND', 'KEYS', 'BYTES', 'LIMITS', 'USED BY'];

function spaceTable(all: readonly KvSpaceInfo[]): string {
  const rows = all.map((info) => [
    info.name,
    kindOf(info),
    String(info.keys),
    formatBytes(info.bytes),
    limitsOf(info),
    usersOf(info),
  ]);
  return table([SPACE_COLUMNS, ...rows], [2, 3]);
}

function describe(info: KvSpaceInfo): string[][] {
  const rows = [
    ['name', info.name],
    ['kind', kindOf(info)],
    ['keys', info.keysMax === null ? String(info.keys) : `${info.keys} of ${info.keysMax}`],
    ['bytes', formatBytes(info.bytes) + (info.bytesMax === null ? '' : ` of ${formatBytes(info.bytesMax)}`)],
    ['gets', info.gets === 0 ? '0' : `${info.gets}, ${((100 * info.hits) / info.gets).toFixed(1)} % found their key`],
    ['puts', String(info.puts)],
    ['deletes', String(info.deletes)],
    ['evicted', String(info.evictions)],
    ['expired', String(info.expirations)],
  ];
  if (info.durable) {
    const state = info.unsavedBytes === 0 ? 'all' : `all but ${formatBytes(info.unsavedBytes)}`;
    rows.push([
      'on disk',
      info.diskFailed ? `${state}; the disk takes no more, the log of the server says why` : state,
    ]);
  }
  return [...rows, ['used by', usersOf(info)]];
}

function kindOf({ durable, cache }: KvSpaceInfo): string {
  return `${durable ? 'durable' : 'memory'}${cache ? ', cache' : ''}`;
}

function limitsOf({ keysMax, bytesMax }: KvSpaceInfo): string {
  const limits = [
    ...(keysMax === null ? [] : [`${keysMax} keys`]),
    ...(bytesMax === null ? [] : [formatBytes(bytesMax)]),
  ];
  return limits.length === 0 ? 'no limits' : limits.join(', ');
}

function usersOf({ functions }: KvSpaceInfo): string {
  return functions.length === 0 ? 'none' : functions.map(({ name, rights }) => `${name} (${rights})`).join(', ');
}

/** The value goes to standard output, byte for byte. */
export async function get(space: string, key: string, options: GetOptions): Promise<void> {
  const { value, version, ttlMs } = await clientOf(options).get(space, keyOf(key, options));
  if (options.json === true) {
    printJson({ key: shownKey(key, options), version, sizeBytes: value.length, ttlMs });
    return;
  }
  process.stdout.write(value);
  // A prompt belongs on a line of its own.
  if (process.stdout.isTTY && value.length > 0 && value.at(-1) !== 0x0a) process.stdout.write('\n');
}

export async function put(space: string, key: string, options: PutOptions): Promise<void> {
  const value = await readData(options);
  if (value === undefined) {
    throw new JordError('BAD_OPTION', 'Give the value with --data or --data-file, or pipe it in.');
  }
  const version = await clientOf(options).put(space, keyOf(key, options), value, options);
  if (options.json === true) printJson({ version });
  else printLine(`Put ${printable(key)}: ${formatBytes(value.length)}, version ${version}.`);
}

export async function remove(space: string, keys: readonly string[], options: DeleteOptions): Promise<void> {
  if (keys.length > 1 && options.ifVersion !== undefined) {
    throw new JordError('BAD_OPTION', '--if-version is for one key: no two have the same.');
  }
  const client = clientOf(options);
  for (const key of keys) {
    await client.delete(space, keyOf(key, options), options);
    printLine(`Deleted ${printable(key)}.`);
  }
}

export async function add(space: string, key: string, delta: bigint, options: KeyOptions): Promise<void> {
  printLine(await clientOf(options).add(space, keyOf(key, options), delta));
}

export async function list(space: string, options: ListOptions): Promise<void> {
  const { prefix, after, limit } = options;
  const client = clientOf(options);
  const keys: ListedKey[] = [];
  let path: string | null = firstPage(space, prefix, after, Math.min(limit, PAGE_KEYS_MAX));
  while (path !== null && keys.length < limit) {
    const page = await client.list(path);
    keys.push(...page.keys);
    path = page.next;
  }
  const shown = keys.slice(0, limit);
  const more = path !== null || shown.length < keys.length;
  if (options.json === true) printJson({ keys: shown, more });
  else if (shown.length === 0) printLine(`No key${prefix === '' ? '' : ' like that'} is in ${space}.`);
  else printLine(keyTable(shown));
  const last = shown.at(-1)?.key;
  if (!more || options.json === true) return;
  const how = last === undefined ? '--limit' : `--limit, or --after ${JSON.stringify(last)}`;
  process.stderr.write(`There are further keys: see them with ${how}.\n`);
}

function keyTable(keys: readonly ListedKey[]): string {
  const rows = keys.map(({ key, keyBase64, version, sizeBytes, ttlMs }) => [
    key ?? `${keyBase64 ?? ''} (base64)`,
    version,
    formatBytes(sizeBytes),
    ttlMs === null ? 'never' : `in ${formatDuration(ttlMs)}`,
  ]);
  return table([['KEY', 'VERSION', 'SIZE', 'EXPIRES'], ...rows], [1, 2]);
}

/** In the largest unit of which there is one at least. */
function formatDuration(durationMs: number): string {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1000, 's'],
  ] as const;
  const unit = units.find(([ms]) => durationMs >= ms);
  return unit === undefined ? `${durationMs} ms` : `${Math.round((10 * durationMs) / unit[0]) / 10} ${unit[1]}`;
}

function clientOf(options: ServerOptions): KvClient {
  return new KvClient(new Client(options));
}

function keyOf(key: string, { base64 }: KeyOptions): Uint8Array {
  if (base64 !== true) return new TextEncoder().encode(key);
  try {
    return Uint8Array.fromBase64(key);
  } catch (error) {
    throw new JordError('BAD_OPTION', `The key ${JSON.stringify(key)} is not base64.`, {}, { cause: error });
  }
}

function shownKey(key: string, { base64 }: KeyOptions): string {
  return base64 === true ? `${key} (base64)` : key;
}
