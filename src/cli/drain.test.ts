import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send, serve, until } from '../gateway/gateway.fixture.ts';
import { MemoryWorker } from '../gateway/memory-worker.fixture.ts';
import type { Gateway } from '../gateway/server.ts';
import { drain } from './drain.ts';
import type { LogEntry } from './log.ts';

/** What is logged while this gateway is closed. */
async function drained(gateway: Gateway, graceMs: number): Promise<readonly string[]> {
  const entries: LogEntry[] = [];
  await drain(gateway, graceMs, (entry) => entries.push(entry));
  return entries.map(({ level, message }) => `${level} ${message}`);
}

test('nothing runs', async (t) => {
  assert.deepEqual(await drained(await serve(t), 1000), [
    'info stopping',
    'info stopped, every invocation has finished',
  ]);
});

test('what runs finishes in time', async (t) => {
  const { promise, resolve: finish } = Promise.withResolvers<object>();
  const gateway = await serve(t, new MemoryWorker({ slow: () => promise }));
  const answer = send(gateway, { path: '/fn/slow' });
  await until('it runs', () => gateway.invocations === 1);
  const messages = drained(gateway, 5000);
  finish({});
  assert.equal((await answer).status, 200);
  assert.deepEqual(await messages, [
    'info stopping, waits for 1 request, 5000 ms at most',
    'info stopped, every invocation has finished',
  ]);
});

test('what does not is named', async (t) => {
  const never = (): Promise<never> => new Promise(() => undefined);
  const gateway = await serve(t, new MemoryWorker({ one: never, other: never }));
  const answers = ['one', 'other', 'one'].map((name) => send(gateway, { path: `/fn/${name}` }));
  await until('all run', () => gateway.invocations === 3);
  assert.deepEqual(await drained(gateway, 0), [
    'info stopping, waits for 3 requests, 0 ms at most',
    'warn stopped, was cut off after 0 ms: one (2), other (1)',
  ]);
  for (const answer of answers) assert.equal((await answer).json['code'], 'SERVER_STOPPED');
});
