/** Value types in the binary format. */

import { malformed, unsupported } from './errors.ts';
import type { Reader } from './reader.ts';
import type { ValueType } from './types.ts';

const BYTES: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
  exnref: 0x69,
};

const TYPES: ReadonlyMap<number, ValueType> = new Map(
  Object.entries(BYTES).map(([type, byte]) => [byte, type as ValueType]),
);

const REFUSED: ReadonlyMap<number, string> = new Map([
  [0x63, 'a typed reference'],
  [0x64, 'a typed reference'],
  [0x68, 'a continuation reference'],
  [0x6a, 'the type arrayref (garbage collection)'],
  [0x6b, 'the type structref (garbage collection)'],
  [0x6c, 'the type i31ref (garbage collection)'],
  [0x6d, 'the type eqref (garbage collection)'],
  [0x6e, 'the type anyref (garbage collection)'],
  [0x71, 'the type nullref (garbage collection)'],
  [0x72, 'the type nullexternref (garbage collection)'],
  [0x73, 'the type nullfuncref (garbage collection)'],
  [0x74, 'the type nullexnref'],
  [0x77, 'packed types (garbage collection)'],
  [0x78, 'packed types (garbage collection)'],
]);

export function valueTypeByte(type: ValueType): number {
  return BYTES[type];
}

export function isReference(type: ValueType): boolean {
  return type === 'funcref' || type === 'externref' || type === 'exnref';
}

/** `where` describes the function, for messages. */
export function readValueType(reader: Reader, where: () => string = () => ''): ValueType {
  const start = reader.position;
  const byte = reader.byte();
  const type = TYPES.get(byte);
  if (type !== undefined) return type;
  const refused = REFUSED.get(byte);
  if (refused !== undefined) throw unsupported(refused, start, where());
  throw malformed(`0x${byte.toString(16)} is no value type`, start);
}

/** The byte of a reference type, as `ref.null` has it. */
export function readReferenceType(reader: Reader, where: () => string): number {
  const start = reader.position;
  const byte = reader.byte();
  const type = TYPES.get(byte);
  if (type !== undefined && isReference(type)) return byte;
  throw unsupported(REFUSED.get(byte) ?? 'a reference to a type of the module', start, where());
}
