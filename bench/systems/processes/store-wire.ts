/**
 * What services and the store's process say to each other: frames, any number of them under way on one connection. A number
 * ties an answer to its request; all numbers are little-endian.
 *
 *     request   u32 length of what follows, u32 number, u8 operation, u8 0, u16 key length, u32 space, i64 a, i64 b,
 *               u16 length of a second key, u16 0, key, second key, value
 *     answer    u32 length of what follows, u32 number, i64 result, value
 */

export const OPEN = 1;
export const GET = 2;
export const PUT = 3;
export const DELETE = 4;
export const ADD = 5;
export const EXPIRE = 6;
export const LIST = 7;

export interface StoreRequest {
  readonly operation: number;
  readonly space: number;
  readonly key: Uint8Array;
  readonly secondKey: Uint8Array;
  readonly a: bigint;
  readonly b: bigint;
  readonly value: Uint8Array;
}

export interface StoreAnswer {
  readonly result: bigint;
  readonly value: Uint8Array;
}

const REQUEST_HEAD = 36;
const ANSWER_HEAD = 16;

export function encodeRequest(number: number, request: StoreRequest): Buffer {
  const { operation, space, key, secondKey, a, b, value } = request;
  const frame = Buffer.allocUnsafe(REQUEST_HEAD + key.length + secondKey.length + value.length);
  frame.writeUInt32LE(frame.length - 4, 0);
  frame.writeUInt32LE(number, 4);
  frame.writeUInt8(operation, 8);
  frame.writeUInt8(0, 9);
  frame.writeUInt16LE(key.length, 10);
  frame.writeUInt32LE(space >>> 0, 12);
  frame.writeBigInt64LE(a, 16);
  frame.writeBigInt64LE(b, 24);
  frame.writeUInt16LE(secondKey.length, 32);
  frame.writeUInt16LE(0, 34);
  frame.set(key, REQUEST_HEAD);
  frame.set(secondKey, REQUEST_HEAD + key.length);
  frame.set(value, REQUEST_HEAD + key.length + secondKey.length);
  return frame;
}

/** `frame` is all of it. Keys and value are views of it. */
export function decodeRequest(frame: Buffer): StoreRequest & { readonly number: number } {
  const keyEnd = REQUEST_HEAD + frame.readUInt16LE(10);
  const secondKeyEnd = keyEnd + frame.readUInt16LE(32);
  return {
    number: frame.readUInt32LE(4),
    operation: frame.readUInt8(8),
    space: frame.readUInt32LE(12),
    a: frame.readBigInt64LE(16),
    b: frame.readBigInt64LE(24),
    key: frame.subarray(REQUEST_HEAD, keyEnd),
    secondKey: frame.subarray(keyEnd, secondKeyEnd),
    value: frame.subarray(secondKeyEnd),
  };
}

export function encodeAnswer(number: number, { result, value }: StoreAnswer): Buffer {
  const frame = Buffer.allocUnsafe(ANSWER_HEAD + value.length);
  frame.writeUInt32LE(frame.length - 4, 0);
  frame.writeUInt32LE(number, 4);
  frame.writeBigInt64LE(result, 8);
  frame.set(value, ANSWER_HEAD);
  return frame;
}

export function decodeAnswer(frame: Buffer): StoreAnswer & { readonly number: number } {
  return { number: frame.readUInt32LE(4), result: frame.readBigInt64LE(8), value: frame.subarray(ANSWER_HEAD) };
}

/** Puts frames together again, however their bytes are cut. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0);
  readonly #take: (frame: Buffer) => void;

  /** `take` gets each frame; its bytes are good as long as anybody has them. */
  constructor(take: (frame: Buffer) => void) {
    this.#take = take;
  }

  push(bytes: Buffer): void {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (rest.length >= 4) {
      const end = 4 + rest.readUInt32LE(0);
      if (rest.length < end) break;
      this.#take(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
  }
}
