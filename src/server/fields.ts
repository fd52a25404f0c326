/**
 * What goes between threads beside requests and responses, each as a text in a VMA that belongs to the invocation record:
 * the HTTP fields of the request and of the response, and the details of a fault. Only invocations that need one have it.
 *
 * Fields are lines, a name and then its value: neither can hold a line break. They are Latin-1, as HTTP has them.
 */
import { failed, type PrivLib } from './privlib.ts';
import type { FaultDetails, HttpRequest } from './types.ts';

type Headers = readonly (readonly [name: string, value: string])[];

/** Of an invocation whose function does not ask. */
export const NO_REQUEST: HttpRequest = { method: '', path: '', query: '', headers: [] };

/** Whoever writes: its PrivLib and the host PD that owns the VMA. */
export interface FieldsOwner {
  readonly privLib: PrivLib;
  readonly hostBase: number;
  readonly bytes: Uint8Array;
}

/** Writes a text into a new VMA and returns its address; 0 for an empty one, or when there is no room for it. */
function writeText(owner: FieldsOwner, text: string, encoding: BufferEncoding): number {
  const length = Buffer.byteLength(text, encoding);
  if (length === 0) return 0;
  const address = owner.privLib.vmaMap(length, owner.hostBase);
  if (failed(address)) return 0;
  Buffer.from(owner.bytes.buffer, address >>> 0, length).write(text, encoding);
  return address;
}

/** The bytes of a text. */
export function readText(bytes: Uint8Array, address: number, length: number): string {
  return Buffer.from(bytes.buffer, address >>> 0, length).toString('latin1');
}

export function writeRequestFields(owner: FieldsOwner, { method, path, query, headers }: HttpRequest): number {
  return writeText(owner, `${method}\n${path}\n${query}\n${encodeHeaders(headers)}`, 'latin1');
}

export function decodeRequest(text: string): HttpRequest {
  const [method = '', path = '', query = '', ...lines] = text.split('\n');
  return { method, path, query, headers: pairs(lines) };
}

export function writeHeaders(owner: FieldsOwner, headers: Headers): number {
  return writeText(owner, encodeHeaders(headers), 'latin1');
}

export function decodeHeaders(text: string): Headers {
  return pairs(text.split('\n'));
}

function encodeHeaders(headers: Headers): string {
  let text = '';
  for (const [name, value] of headers) text += `${name}\n${value}\n`;
  return text;
}

function pairs(lines: readonly string[]): Headers {
  const headers: [name: string, value: string][] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) headers.push([lines[i] ?? '', lines[i + 1] ?? '']);
  return headers;
}

export function writeFault(owner: FieldsOwner, fault: FaultDetails): number {
  return writeText(owner, JSON.stringify(fault), 'utf8');
}

/** `text` as `readText` gives it. */
export function decodeFault(text: string): FaultDetails {
  return JSON.parse(Buffer.from(text, 'latin1').toString('utf8')) as FaultDetails;
}
