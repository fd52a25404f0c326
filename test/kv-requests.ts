/** Requests to the functions of kv-guests.ts. A file of its own, since what makes modules takes long to load. */
import type { LocalWorkerServer } from '../src/server/worker-server.ts';

/** What the first word of a request says; the second one is the key, the third a value. */
export const OPERATIONS = { open: 0, put: 1, putAndSync: 2, get: 3, sync: 4, add: 5, delete: 6 } as const;
export type Operation = keyof typeof OPERATIONS;

/** What a function of this module answers. */
export async function ask(
  server: LocalWorkerServer,
  name: string,
  operation: Operation,
  key = 0,
  value = 0,
): Promise<number> {
  const { body } = await server.invoke(name, request(operation, key, value));
  return new Uint32Array(body.slice().buffer)[0] ?? -1;
}

export function request(operation: Operation, key = 0, value = 0): Uint8Array {
  return new Uint8Array(Uint32Array.of(OPERATIONS[operation], key, value).buffer);
}

/** The key as it is seen from outside. */
export function keyBytes(key: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(key).buffer);
}
