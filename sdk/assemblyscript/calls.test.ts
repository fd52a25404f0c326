/** Calls between functions, and their statuses. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as statuses from '../../core/status.ts';
import { startTestServer, type TestServer } from './sdk.fixture.ts';

let functions: TestServer;
before(async () => {
  functions = await startTestServer(['calls', 'echo']);
});
after(() => functions.server.stop());

async function answer(path: string, body = ''): Promise<string> {
  return (await functions.call('calls', path, body)).text;
}

test('calls by name and by reference', async () => {
  for (const path of ['/by-name', '/by-reference', '/by-method']) assert.equal(await answer(path), '0 OK 1 7 to echo');
  for (const path of ['/nothing', '/empty', '/no-response']) assert.equal(await answer(path), '0 OK 1 0 ');
  assert.equal(await answer('/forward', 'passed on'), 'passed on');
});

test('the request goes to the callee itself and comes back as the response', async () => {
  assert.equal(await answer('/address'), 'true true');
});

test('a function that is not there is a status, and the request is still here', async () => {
  assert.equal(await answer('/unknown', 'kept'), '32 UNKNOWN_FUNCTION 1 1 kept');
  assert.equal(await answer('/unresolved'), '0 32 32 1 0');
});

test('a callee that fails is a status, and the request is gone', async () => {
  for (const [how, status] of [
    ['trap', '65 CALLEE_TRAP'],
    ['throw', '65 CALLEE_TRAP'],
    ['memory', '64 CALLEE_MEMORY_FAULT'],
    ['stack', '66 CALLEE_STACK_EXHAUSTED'],
    ['bad-response', '69 CALLEE_BAD_RESPONSE'],
  ] as const) {
    assert.equal(await answer(`/fault?${how}`), `${status} 0 0`);
  }
});

test('calls are refused beyond the greatest depth, with the request kept', async () => {
  assert.match(await answer('/depth'), /^\d{2,} CALL_DEPTH_EXCEEDED true$/);
});

test('a request that was given away cannot be used', async () => {
  await assert.rejects(answer('/gone'), /it may not read 1 bytes at 0xff000000/);
  functions.logs.length = 0;
  await assert.rejects(answer('/twice'), { code: 'FUNCTION_FAULT' });
  assert.match(functions.logs[0]?.message ?? '', /^this ArgBuf was freed or given away at /);
});

const known = new Map(Object.entries(statuses).filter(([name]) => name !== 'STATUS_MAX' && name !== 'WAITS'));

test('the statuses of the SDK are those of the server', () => {
  const source = readFileSync(join(import.meta.dirname, 'assembly/status.ts'), 'utf8');
  const body = /enum Status \{([^}]+)\}/.exec(source)?.[1] ?? '';
  const found = [...body.matchAll(/^ {2}([A-Z_]+) = (\d+),$/gm)].map(([, name, value]) => [name, Number(value)]);
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(known));
});

test('each status has its name', async () => {
  const names = (await answer('/names')).split('\n');
  assert.equal(names.pop(), String(statuses.CALLEE_TRAP));
  const byNumber = new Map([...known].map(([name, status]) => [status, name]));
  for (const [status, line] of names.entries()) {
    assert.equal(line, `${status} ${byNumber.get(status) ?? `STATUS ${status}`}`);
  }
});
