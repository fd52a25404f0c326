/** Values of options and environment variables: parsed once, here, with errors that say what is possible. */

import { InvalidArgumentError, Option } from 'commander';
import { MEMORY_LIMIT_MAX, PAGE_SIZE } from '../../core/layout.ts';
import { formatBytes } from '../bytes.ts';
import { JordError } from '../errors.ts';
import { DEADLINE_MS_MAX, isDeadlineMs } from '../functions/deadline.ts';
import { checkFetchAllow } from '../functions/fetch-allow.ts';
import { checkKvRights } from '../functions/kv-rights.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, B: 1, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30 };

/** A number of bytes: `65536`, `64KiB`, `16 MiB`, `1GiB`. */
export function parseBytes(text: string): number {
  const match = /^(\d{1,15})\s*([a-z]*)$/i.exec(text.trim());
  const unit = UNITS[(match?.[2] ?? '').toUpperCase()];
  const bytes = Number(match?.[1]) * (unit ?? Number.NaN);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError('Give a number of bytes such as 65536, 64KiB or 16MiB.');
}

/** The same between two bounds. */
export function parseBytesWithin(min: number, max: number): (text: string) => number {
  return (text) => {
    const bytes = parseBytes(text);
    if (bytes >= min && bytes <= max) return bytes;
    throw new InvalidArgumentError(`Possible are ${formatBytes(min)} to ${formatBytes(max)}.`);
  };
}

export function parseMemoryLimit(text: string): number {
  const bytes = parseBytes(text);
  if (bytes > 0 && bytes <= MEMORY_LIMIT_MAX && bytes % PAGE_SIZE === 0) return bytes;
  throw new InvalidArgumentError(`Possible are multiples of 64KiB up to ${formatBytes(MEMORY_LIMIT_MAX)}.`);
}

export function parseDeadline(text: string): number {
  const deadlineMs = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (isDeadlineMs(deadlineMs)) return deadlineMs;
  throw new InvalidArgumentError(`Possible are whole numbers of milliseconds from 1 to ${DEADLINE_MS_MAX}.`);
}

/** A whole number between two bounds, both of them possible. */
export function parseNumberWithin(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Possible are whole numbers from ${min} to ${max}.`);
  };
}

/** An origin to fetch from, in its normal form, added to those before. */
export function collectFetchAllow(text: string, previous: readonly string[] = []): readonly string[] {
  return asArgument(() => checkFetchAllow([...previous, text]));
}

/** A space and what may be done there, as in `carts:rw`, added to those before. */
export function collectKv(text: string, previous: readonly string[] = []): readonly string[] {
  return asArgument(() => checkKvRights([...previous, text]));
}

/** What a check of the server refuses is refused as an argument. */
function asArgument<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof JordError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** What `parse` takes, or "none" for no limit, which is Infinity. */
export function parseLimit(parse: (text: string) => number): (text: string) => number {
  return (text) => (text === 'none' ? Number.POSITIVE_INFINITY : parse(text));
}

/** A version of a key. */
export function parseVersion(text: string): bigint {
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError('A version is a number, as `jord kv put` and `jord kv list` print it.');
}

/** What to add to a counter. */
export function parseDelta(text: string): bigint {
  const delta = /^[+-]?\d{1,19}$/.test(text) ? BigInt(text.replace('+', '')) : undefined;
  if (delta !== undefined && BigInt.asIntN(64, delta) === delta) return delta;
  throw new InvalidArgumentError('It is a whole number of 64 bits, such as 1 or -20.');
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65535) return port;
  throw new InvalidArgumentError('A port is a number from 0 (any free one) to 65535.');
}

/** A header field as in `Name: value`, appended to those before. */
export function collectHeader(
  text: string,
  previous: readonly (readonly [string, string])[] = [],
): (readonly [string, string])[] {
  const colon = text.indexOf(':');
  if (colon < 1) throw new InvalidArgumentError('A header field looks like "Name: value".');
  return [...previous, [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]];
}

/** In capitals. Not those that \`fetch\` refuses to send. */
export function parseMethod(text: string): string {
  const method = text.toUpperCase();
  if (/^[!#$%&'*+.^_`|~0-9A-Z-]+$/.test(method) && !['CONNECT', 'TRACE', 'TRACK'].includes(method)) return method;
  throw new InvalidArgumentError('A method is a word such as GET or POST, and not CONNECT, TRACE or TRACK.');
}

export function parseToken(text: string): string {
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw new InvalidArgumentError('A token is made of visible ASCII characters, without spaces.');
}

/** The address of a server, without a slash at its end. A path is a mistake: those of the API follow. */
export function parseServerUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isBase =
    url?.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  if (url !== undefined && isBase && (url.protocol === 'http:' || url.protocol === 'https:')) return url.origin;
  throw new InvalidArgumentError('An address looks like http://127.0.0.1:8080, with nothing behind it.');
}

/** What commands have that talk to a server. */
export interface ServerOptions {
  readonly server: string;
  readonly token?: string;
}

export function serverOption(): Option {
  return new Option('-s, --server <url>', 'address of the server')
    .env('JORD_URL')
    .default('http://127.0.0.1:8080')
    .argParser(parseServerUrl);
}

export function tokenOption(description: string): Option {
  return new Option('--token <token>', description).env('JORD_TOKEN').argParser(parseToken);
}

/** A folder or a file. An empty text is no name of one, and would be the current folder. */
export function parsePath(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('A path cannot be empty.');
}

/** Of options that are there or not, in a variable. */
export function parseSwitch(text: string): boolean {
  if (text === '1' || text === 'true') return true;
  if (text === '0' || text === 'false') return false;
  throw new InvalidArgumentError('It is 1 or true for yes, 0 or false for no.');
}

/** An empty variable counts as one that is not set, as in most tools. */
export function dropEmptyVariables(environment: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(environment)) {
    if (value === '' && (name === 'PORT' || name.startsWith('JORD_'))) delete environment[name];
  }
}
