/**
 * What goes between threads beside requests and responses: HTTP fields and details of faults, as JSON in a VMA that belongs
 * to the invocation record. Only invocations that need it have one.
 */
import { failed, type PrivLib } from './privlib.ts';
import type { FaultDetails, HttpRequest } from './types.ts';

export interface Fields {
  /** Of the request. */
  readonly http?: HttpRequest | undefined;
  /** Of the response. */
  readonly headers?: readonly (readonly [name: string, value: string])[] | undefined;
  readonly fault?: FaultDetails | undefined;
}

export const EMPTY_FIELDS: HttpRequest = { method: '', path: '', query: '', headers: [] };

/** Whoever writes: its PrivLib and the host PD that owns the VMA. */
export interface FieldsOwner {
  readonly privLib: PrivLib;
  readonly hostBase: number;
  readonly bytes: Uint8Array;
}

/** Writes fields into a new VMA and returns its address; 0 when there is no room for it. */
export function writeFields(owner: FieldsOwner, fields: Fields): number {
  const text = Buffer.from(JSON.stringify(fields), 'utf8');
  const address = owner.privLib.vmaMap(text.length, owner.hostBase);
  if (failed(address)) return 0;
  owner.bytes.set(text, address >>> 0);
  return address;
}

/** Reads what `writeFields` of this server has written. */
export function readFields(bytes: Uint8Array, address: number, length: number): Fields {
  const start = address >>> 0;
  return JSON.parse(Buffer.from(bytes.buffer, start, length).toString('utf8')) as Fields;
}
