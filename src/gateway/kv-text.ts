/** How keys, versions and times of the key-value store are written in URLs, header fields and JSON. */

import { isUtf8 } from 'node:buffer';
import type { FastifyRequest } from 'fastify';
import { JordError } from '../errors.ts';

/** What is left until a key expires, in ms: in a request and in a response. */
export const TTL_FIELD = 'jord-ttl-ms';
/** Of an export: a JSON object for each key, a line each. */
export const NDJSON_TYPE = 'application/x-ndjson';

const PREFIX = '/kv/';
const KEYS = '/keys/';
const PERCENT = 0x25;
const PLUS = 0x2b;
const SPACE = 0x20;
const TTL_RULE = 'is a whole number of milliseconds from 1 to 999999999999999';

/**
 * A URL for the router, which takes only text in paths, while a key may be any bytes: what is behind `/kv/<space>/keys/` is encoded
 * once more. `keyOf` reads it.
 */
export function routableUrl(url: string): string {
  if (!url.startsWith(PREFIX)) return url;
  const keyAt = url.indexOf(KEYS, PREFIX.length) + KEYS.length;
  const queryAt = url.indexOf('?');
  const keyEnd = queryAt === -1 ? url.length : queryAt;
  if (keyAt < KEYS.length || keyAt > keyEnd) return url;
  return url.slice(0, keyAt) + url.slice(keyAt, keyEnd).replaceAll('%', '%25') + url.slice(keyEnd);
}

/** The key of a URL, whatever its bytes; slashes in it may be sent as they are. Throws BAD_REQUEST for a broken escape. */
export function keyOf(request: FastifyRequest, suffix = ''): Uint8Array {
  const { '*': text = '' } = request.params as { readonly '*'?: string };
  return decodePercent(text.slice(0, text.length - suffix.length));
}

/** Whether a URL ends like this behind its key. */
export function endsWith(request: FastifyRequest, suffix: string): boolean {
  return (request.params as { readonly '*'?: string })['*']?.endsWith(suffix) === true;
}

/** Parameters of a query as bytes. Throws BAD_OPTION for one that is not among `names`, or is there twice. */
export function queryBytes<Name extends string>(
  request: FastifyRequest,
  names: readonly Name[],
): Partial<Record<Name, Uint8Array>> {
  const url = request.raw.url ?? '';
  const queryAt = url.indexOf('?');
  const found: Partial<Record<Name, Uint8Array>> = {};
  for (const part of queryAt === -1 ? [] : url.slice(queryAt + 1).split('&')) {
    if (part === '') continue;
    const [text = '', ...values] = part.split('=');
    const name = names.find((candidate) => candidate === text);
    if (name === undefined) {
      const message = `There is no query parameter ${JSON.stringify(text)} here. There are ${names.join(', ')}.`;
      throw new JordError('BAD_OPTION', message);
    }
    if (found[name] !== undefined) throw new JordError('BAD_OPTION', `${name} is given twice.`);
    found[name] = decodePercent(values.join('='), true);
  }
  return found;
}

/** The bytes that a part of a URL stands for. */
function decodePercent(text: string, isQuery = false): Uint8Array {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    let byte = text.charCodeAt(at);
    if (byte === PERCENT) {
      const digits = text.slice(at + 1, at + 3);
      if (!/^[\da-f]{2}$/i.test(digits)) {
        throw new JordError('BAD_REQUEST', `The escape ${JSON.stringify(`%${digits}`)} in the URL is broken.`);
      }
      byte = Number.parseInt(digits, 16);
      at += 2;
    } else if (byte === PLUS && isQuery) byte = SPACE;
    bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
}

/** Bytes for a URL: unreserved characters as they are. */
export function encodePercent(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += /[\w.~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

/** Longer ones are no text to look at, and escapes could double them. */
const TEXT_BYTES_MAX = 16 * 1024 * 1024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const CONTROL_CHARACTERS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/**
 * Bytes as a member of JSON: `{ key }` where they are text, which is UTF-8 without control characters other than tabs and line ends,
 * otherwise `{ keyBase64 }`.
 */
export function textOrBase64(name: string, bytes: Uint8Array): Readonly<Record<string, string>> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.length <= TEXT_BYTES_MAX && isUtf8(buffer) ? buffer.toString() : undefined;
  if (text !== undefined && !CONTROL_CHARACTERS.test(text)) return { [name]: text };
  return { [`${name}Base64`]: buffer.toString('base64') };
}

/** The version as an entity tag. */
export function entityTag(version: bigint): string {
  return `"${version}"`;
}

/**
 * The version that a key must have according to `If-Match` and `If-None-Match`: 0n where it must not be there, undefined where it
 * does not matter. Throws BAD_REQUEST for what cannot be done.
 */
export function expectedVersion({ headers }: FastifyRequest): bigint | undefined {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (match === undefined && noneMatch === undefined) return undefined;
  if (match !== undefined && noneMatch !== undefined) {
    throw new JordError('BAD_REQUEST', 'Send either "If-Match" or "If-None-Match".');
  }
  if (match === undefined) {
    if (noneMatch === '*') return 0n;
    throw new JordError('BAD_REQUEST', '"If-None-Match" can be * here: the key must not be there.');
  }
  // Shells like to take the quotes away.
  const digits = /^"?(\d{1,19})"?$/.exec(match)?.[1];
  if (digits !== undefined && BigInt(digits) < 2n ** 63n) return BigInt(digits);
  throw new JordError('BAD_REQUEST', '"If-Match" is one version here, as "ETag" has it: If-Match: "65536".');
}

/** Throws BAD_OPTION for a value that is none. */
export function requestTtlMs({ headers }: FastifyRequest): number | undefined {
  const text = headers[TTL_FIELD];
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(String(text)) && Number(text) > 0) return Number(text);
  throw new JordError('BAD_OPTION', `${TTL_FIELD} ${TTL_RULE}. Leave it out for a key that never expires.`);
}

/** A whole number in decimal, of 64 bits; an empty body is 1. Throws BAD_REQUEST. */
export function wholeNumber(body: unknown): bigint {
  const text = body instanceof Uint8Array ? Buffer.from(body).toString('latin1').trim() : '';
  if (text === '') return 1n;
  if (/^[+-]?\d{1,19}$/.test(text)) {
    const value = BigInt(text.replace('+', ''));
    if (BigInt.asIntN(64, value) === value) return value;
  }
  throw new JordError('BAD_REQUEST', 'The body is what to add: a whole number in decimal, such as 1 or -20.');
}
