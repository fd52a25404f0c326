/** A line of an import. */

import { isUtf8 } from 'node:buffer';
import { JordError } from '../errors.ts';

export interface ImportEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly ttlMs: number | undefined;
}

const MEMBERS: readonly string[] = ['key', 'keyBase64', 'value', 'valueBase64', 'ttlMs'];
const EXAMPLE = '{"key": "ada", "value": "[]"}';

/** Throws KV_IMPORT_INVALID with the number of the line. */
export function importEntry(line: number, bytes: Uint8Array): ImportEntry {
  const members = parseLine(line, bytes);
  const unknown = Object.keys(members).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined) {
    throw invalid(line, `there is no member ${JSON.stringify(unknown)}. There are ${MEMBERS.join(', ')}.`);
  }
  return {
    key: bytesOf(line, members, 'key'),
    value: bytesOf(line, members, 'value'),
    ttlMs: ttlOf(line, members['ttlMs']),
  };
}

function parseLine(line: number, bytes: Uint8Array): Readonly<Record<string, unknown>> {
  if (!isUtf8(bytes))
    throw invalid(line, 'it is not UTF-8. Write bytes that are no text as keyBase64 and valueBase64.');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(line, `it is not JSON (${reason}). Each line is an object such as ${EXAMPLE}.`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(line, `it is no JSON object such as ${EXAMPLE}.`);
}

/** From text or base64, one of which must be there. */
function bytesOf(line: number, members: Readonly<Record<string, unknown>>, name: 'key' | 'value'): Uint8Array {
  const base64Name = `${name}Base64`;
  const text = members[name];
  const base64 = members[base64Name];
  if ((text === undefined) === (base64 === undefined)) {
    const which = text === undefined ? `neither ${name} nor ${base64Name}` : `both ${name} and ${base64Name}`;
    throw invalid(line, `it has ${which}. One of them is needed.`);
  }
  const given = text ?? base64;
  if (typeof given !== 'string') throw invalid(line, `${text === undefined ? base64Name : name} is no string.`);
  if (text === undefined) return fromBase64(line, base64Name, given);
  if (given.isWellFormed()) return Buffer.from(given);
  throw invalid(line, `${name} has half of a surrogate pair, which is no text. Write it as ${base64Name}.`);
}

function fromBase64(line: number, name: string, text: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text);
  } catch (error) {
    throw invalid(line, `${name} is not base64.`, error);
  }
}

function ttlOf(line: number, ttlMs: unknown): number | undefined {
  if (ttlMs === undefined || ttlMs === null) return undefined;
  if (typeof ttlMs === 'number' && Number.isSafeInteger(ttlMs) && ttlMs >= 1) return ttlMs;
  throw invalid(line, 'ttlMs is a whole number of milliseconds from 1 on.');
}

function invalid(line: number, what: string, cause?: unknown): JordError {
  return new JordError('KV_IMPORT_INVALID', `Line ${line}: ${what}`, { line }, cause === undefined ? {} : { cause });
}
