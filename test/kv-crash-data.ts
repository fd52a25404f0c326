/** What kv-crash.ts and its child agree on. */
export const SPACE = 'crash';

export type Writer = 'fromOutside' | 'fromFunctions' | 'withoutWaiting' | 'counting';

export const KEYS: readonly { readonly key: number; readonly writer: Writer }[] = [
  ...Array.from({ length: 12 }, (_, i) => ({ key: 100 + i, writer: 'fromOutside' as const })),
  ...Array.from({ length: 12 }, (_, i) => ({ key: 200 + i, writer: 'fromFunctions' as const })),
  ...Array.from({ length: 4 }, (_, i) => ({ key: 300 + i, writer: 'withoutWaiting' as const })),
  ...Array.from({ length: 4 }, (_, i) => ({ key: 400 + i, writer: 'counting' as const })),
];

/** Whether the write with this number is a delete. */
export function isDeleted(number: number): boolean {
  return number % 7 === 0;
}

/** A value that says its number, and shows when it is not whole. */
export function valueWith(number: number): Uint8Array {
  const length = number % 2 === 0 ? 8 : 8 + ((number * 7919) % 20_000);
  const value = Buffer.alloc(length, number & 0xff);
  value.writeUInt32LE(number, 0);
  value.writeUInt32LE(length, 4);
  return value;
}

/** The number that a value says; -1 for one that is not what was put. */
export function numberOf(key: number, value: Uint8Array): number {
  const buffer = Buffer.from(value);
  const writer = KEYS.find((candidate) => candidate.key === key)?.writer;
  if (writer === 'counting') return buffer.length === 8 ? Number(buffer.readBigInt64LE()) : -1;
  if (buffer.length < 4) return -1;
  const number = buffer.readUInt32LE(0);
  if (writer !== 'fromOutside') return buffer.length === 4 ? number : -1;
  return buffer.equals(valueWith(number)) ? number : -1;
}
