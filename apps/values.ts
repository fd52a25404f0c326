/** Keys and values of data sets, as functions/shared has them. */
import type { ApplicationEntry } from './application.ts';

/** How many ids a timeline keeps: the newest ones. */
export const TIMELINE_LENGTH_MAX = 128;

/** A number as a key: eight bytes, big-endian. */
export function numberKey(id: number): Uint8Array {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(id));
  return key;
}

export function counterEntry(space: string, name: string, value: number): ApplicationEntry {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return { space, key: Buffer.from(name), value: bytes };
}

/** Ids of four bytes, in ascending order. */
export function idSet(ids: Iterable<number>): Uint8Array {
  return bytesOf(Uint32Array.from(ids).sort());
}

/** Ids of eight bytes, in the order that they have. */
export function timeline(ids: readonly number[]): Uint8Array {
  return bytesOf(BigUint64Array.from(ids, BigInt));
}

/** Adds an id that is above all that are there to a timeline, or is the last one. */
export function addToTimeline(ids: number[] | undefined, id: number): void {
  if (ids === undefined || ids.at(-1) === id) return;
  ids.push(id);
  if (ids.length > TIMELINE_LENGTH_MAX) ids.shift();
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
