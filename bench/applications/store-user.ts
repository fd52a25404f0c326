/** The function that asks the key-value store again and again: kernels/store-user.wat says what. */
import { readFile } from 'node:fs/promises';
import { assembleWat } from '../harness/wat.ts';

/** What it does in each round. Nothing, for what the loop itself takes. */
export const NOTHING = 0;
export const GET = 1;
/** Rounds in multiples of 32. */
export const PUT = 2;
export const ADD = 3;
/** Puts and waits until it is on disk: in `store-saver` only, a function of the other kind, since it can wait. */
export const SAVE = 4;

export async function storeUserModule(name: 'store-user' | 'store-saver' = 'store-user'): Promise<Uint8Array> {
  return assembleWat(name, await readFile(new URL(`../kernels/${name}.wat`, import.meta.url), 'utf8'));
}

export interface Asking {
  readonly what: number;
  readonly rounds: number;
  readonly valueBytes: number;
  /** How many keys it asks for in turn. */
  readonly keys: number;
}

export function storeUserRequest({ what, rounds, valueBytes, keys }: Asking): Uint8Array {
  const request = Buffer.alloc(16);
  for (const [i, word] of [what, rounds, valueBytes, keys].entries()) request.writeUInt32LE(word, i * 4);
  return request;
}

/** How many ms it asked. */
export function askedMs(response: Uint8Array): number {
  return new DataView(response.buffer, response.byteOffset, response.byteLength).getFloat64(0, true);
}
