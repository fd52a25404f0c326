import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { JordError } from '../errors.ts';
import type { ServerStats } from '../server/types.ts';
import { send, serve, until } from './gateway.fixture.ts';
import { MemoryWorker } from './memory-worker.fixture.ts';

test('GET /stats is what the worker server counts, now', async (t) => {
  const { promise, resolve: finish } = Promise.withResolvers<object>();
  const worker = new MemoryWorker({
    slow: () => promise,
    faulty: () => {
      throw new JordError('FUNCTION_FAULT', 'It failed.', { fault: 'trap' });
    },
  });
  const gateway = await serve(t, worker);
  for (let count = 0; count < 3; count += 1) await send(gateway, { path: '/fn/faulty' });
  const slow = send(gateway, { path: '/fn/slow' });
  await until('it runs', () => gateway.invocations === 1);
  const answer = await send(gateway, { path: '/stats' });
  assert.equal(answer.status, 200);
  assert.match(String(answer.headers['content-type']), /^application\/json/);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.ok(answer.body.toString().startsWith('{\n  "uptimeMs": '));
  const stats = answer.json as unknown as ServerStats;
  assert.deepEqual(
    stats.functions.map(({ name, invocations, inFlight, faults }) => [name, invocations, inFlight, faults]),
    [
      ['faulty', 3, 0, { trap: 3 }],
      ['slow', 1, 1, {}],
    ],
  );
  finish({});
  await slow;
  const later = (await send(gateway, { path: '/stats' })).json as unknown as ServerStats;
  assert.equal(later.functions[1]?.inFlight, 0);
});

/** The names of all members, except those of `faults`, which are kinds of faults. */
function members(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(members);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => [name, ...(name === 'faults' ? [] : members(member))]);
}

test('docs/http.md explains each member', async (t) => {
  const gateway = await serve(t, new MemoryWorker({ a: () => ({}) }));
  await send(gateway, { path: '/fn/a' });
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'http.md'), 'utf8');
  const section = /^## Statistics\n[\s\S]*?(?=^## )/m.exec(page)?.[0] ?? '';
  const names = new Set(members((await send(gateway, { path: '/stats' })).json));
  assert.ok(names.size > 25);
  for (const name of names) assert.ok(section.includes(`| \`${name}\` | `), name);
  const documented = [...section.matchAll(/^\| `(\w+)` \| /gm)].map(([, name = '']) => name);
  assert.deepEqual(
    documented.filter((name) => !names.has(name)),
    [],
  );
});

test('docs/http.md explains each member of a space', async (t) => {
  const worker = new MemoryWorker();
  await worker.kv.create('s');
  const gateway = await serve(t, worker);
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'http.md'), 'utf8');
  const section = /^### A space\n[\s\S]*?(?=^### )/m.exec(page)?.[0] ?? '';
  const documented = [...section.matchAll(/^\| `(\w+)` \| /gm)].map(([, name = '']) => name);
  assert.deepEqual(documented, Object.keys((await send(gateway, { path: '/kv/s' })).json));
});
