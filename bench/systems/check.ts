/** Whether a system answers as the model of its application does. */
import assert from 'node:assert/strict';
import { type ApplicationRequest, pickRequest } from '../../apps/application.ts';
import { Random } from '../../apps/random.ts';
import type { Subject, System } from './system.ts';

/** What an error shows before the first byte that differs, and in all. */
const CONTEXT_BYTES = 100;
const SHOWN_BYTES = 500;

/** One request through a system, which is polled. */
export function ask(system: System, request: ApplicationRequest): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    system.submit(request, (error, response) => {
      isOver = true;
      if (error !== undefined) reject(error);
      else resolve(response ?? new Uint8Array(0));
    });
    const look = (): void => {
      system.poll?.();
      if (!isOver) setImmediate(look);
    };
    look();
  });
}

/**
 * Sends so many requests of the mix, one after the other, to a system that has had none, and a model with it. Throws an
 * AssertionError where an answer is not the model's.
 */
export async function checkAgainstModel(system: System, subject: Subject, seed: number, count: number): Promise<void> {
  const { application, dataSet } = subject;
  const model = dataSet.model();
  const random = new Random(seed);
  for (let i = 0; i < count; i++) {
    const request = pickRequest(dataSet.mix, random);
    const actual = await ask(system, request);
    const expected = model.respond(request, actual);
    if (Buffer.compare(actual, expected) === 0) continue;
    const at = actual.findIndex((byte, i) => byte !== expected[i]);
    const from = Math.max(0, (at === -1 ? Math.min(actual.length, expected.length) : at) - CONTEXT_BYTES);
    const text = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(from, from + SHOWN_BYTES)).toString('utf8');
    const what = `${application.name}: request ${i}, ${request.function} ${Buffer.from(request.body).toString('utf8')}`;
    assert.equal(text(actual), text(expected), `${what}: from byte ${from} on`);
  }
}
