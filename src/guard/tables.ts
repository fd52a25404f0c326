/** Tables that grow: typed arrays that are made larger when something is put behind their end. */

/** The table, or a larger one with what it held, that has room for `length` entries. */
export function grown<T extends Int32Array | Uint8Array>(table: T, length: number, make: (length: number) => T): T {
  if (length <= table.length) return table;
  const larger = make(Math.max(length, 2 * table.length));
  larger.set(table);
  return larger;
}

export const int32 = (length: number): Int32Array<ArrayBuffer> => new Int32Array(length);
export const uint8 = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length);
