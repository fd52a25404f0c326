/** The two functions of the experiment about calls: one that makes nested calls, and one that is called. */
import { readFile } from 'node:fs/promises';
import { assembleWat } from '../harness/wat.ts';

export const CALLER = 'caller';
export const CALLEE = 'callee';

/** The text of CALLER or CALLEE, which says what it does. */
export function nestedCallWat(name: typeof CALLER | typeof CALLEE): Promise<string> {
  return readFile(new URL(`../kernels/${name}.wat`, import.meta.url), 'utf8');
}

/** The module of CALLER or CALLEE. */
export async function nestedCallModule(name: typeof CALLER | typeof CALLEE): Promise<Uint8Array> {
  return assembleWat(name, await nestedCallWat(name));
}

/** The request that makes CALLER call CALLEE `calls` times with an argument of `argumentBytes` (4 or more). */
export function callerRequest(calls: number, argumentBytes: number): Uint8Array {
  const request = Buffer.alloc(8 + CALLEE.length);
  request.writeUInt32LE(calls, 0);
  request.writeUInt32LE(argumentBytes, 4);
  request.write(CALLEE, 8);
  return request;
}

/** How many calls CALLER says it made. */
export function callsMade(response: Uint8Array): number {
  return new DataView(response.buffer, response.byteOffset, response.byteLength).getUint32(0, true);
}
