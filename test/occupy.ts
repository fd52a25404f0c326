/** Executors that are busy for as long as a test wants. */
import assert from 'node:assert/strict';
import * as L from '../core/layout.ts';
import { Cancellation } from '../src/server/types.ts';
import { eventually } from './census.ts';
import { jordError, type ObservedServer } from './observed-server.ts';

/**
 * Invokes a function that does not end by itself `count` times, and returns when each invocation runs on an executor of its own.
 * They end when they are cancelled.
 */
export async function occupy({ server, memory }: ObservedServer, count: number, name: string): Promise<Cancellation[]> {
  const cancellations = Array.from({ length: count }, () => new Cancellation());
  for (const cancellation of cancellations) {
    const error = jordError(server.invoke(name, new Uint8Array(0), { cancellation, deadlineMs: 600_000 }));
    error.then(({ code }) => assert.equal(code, 'INVOCATION_CANCELLED'));
  }
  await eventually(() => {
    const running = memory.executors.filter((executor) => memory.word(executor + L.EXECUTOR_INVOCATION) !== 0);
    assert.equal(running.length, count);
  });
  return cancellations;
}
