import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPUTE, computeRequest } from '../applications/compute.ts';
import { HOST, startServer } from './server-process.ts';

test('a Jord server in a process of its own answers until it is stopped', async () => {
  const server = await startServer('jord-server.ts', [COMPUTE, '50']);
  const post = (): Promise<Response> =>
    fetch(`http://${HOST}:${server.port}/fn/${COMPUTE}`, { method: 'POST', body: computeRequest(server.steps ?? 0) });
  assert.ok((server.steps ?? 0) > 0);
  const response = await post();
  assert.equal(response.status, 200);
  assert.equal((await response.arrayBuffer()).byteLength, 4);
  await server.stop();
  await assert.rejects(post());
});

test('the bare server answers as it was told to', async () => {
  const server = await startServer('bare-server.ts', ['/fn/hello', 'text/x-test', '17']);
  const response = await fetch(`http://${HOST}:${server.port}/fn/hello`, { method: 'POST', body: 'world' });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/x-test');
  assert.equal((await response.text()).length, 17);
  await server.stop();
});

test('a server that does not start is an error', async () => {
  await assert.rejects(startServer('jord-server.ts', ['nothing']), /jord-server\.ts ended with code 1/);
});
