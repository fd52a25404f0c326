import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { runHttpOpenLoop } from './http-open-loop.ts';
import { serveHttp } from './http-server.fixture.ts';

test('every request is sent and counted by what came of it', async (t) => {
  let served = 0;
  const statuses = [200, 503, 200, 500, 503, 504, 200, 200, 200, 200];
  const target = await serveHttp(t, (_request, response) => {
    response.statusCode = statuses[served++ % statuses.length] ?? 200;
    response.end('abc');
  });
  const result = await runHttpOpenLoop({ target, ratePerSecond: 1000, durationMs: 300, drainMs: 5000, seed: 1 });
  const { arrivals, ok, refused, failed, unanswered, failures } = result;
  assert.ok(Math.abs(arrivals / 300 - 1) < 0.2, `${arrivals} arrivals`);
  assert.equal(arrivals, served);
  const expected = (status: number): number =>
    Array.from({ length: served }, (_, index) => statuses[index % statuses.length]).filter((one) => one === status)
      .length;
  assert.deepEqual([ok, refused, unanswered], [expected(200), expected(503), 0]);
  assert.equal(failed, expected(500) + expected(504));
  assert.deepEqual(
    failures,
    new Map([
      ['status 500', expected(500)],
      ['status 504', expected(504)],
    ]),
  );
  assert.equal(result.latency.count, ok);
  assert.equal(result.waitedForConnection, 0);
});

/** Answers at once, except that what comes within this time after the first request is answered at its end. */
function stalling(fromMs: number, toMs: number): (response: ServerResponse) => void {
  let startMs: number | undefined;
  return (response) => {
    startMs ??= performance.now();
    const atMs = performance.now() - startMs;
    if (atMs < fromMs || atMs >= toMs) response.end();
    else setTimeout(() => response.end(), toMs - atMs);
  };
}

for (const [what, connectionsMax] of [
  ['with a connection for each request', 1024],
  ['with one connection, on which the others wait', 1],
] as const) {
  test(`a server that stalls for 50 ms is seen by all requests that were due then: ${what}`, async (t) => {
    const answer = stalling(100, 150);
    const target = await serveHttp(t, (_request, response) => answer(response));
    const result = await runHttpOpenLoop({
      target,
      connectionsMax,
      ratePerSecond: 1000,
      durationMs: 300,
      drainMs: 5000,
      seed: 5,
    });
    assert.equal(result.ok, result.arrivals);
    // A sixth of all requests waited, evenly from 50 ms to 0; a quarter of those for more than 37 ms. A generator that waited for
    // responses would have seen a few long ones only.
    const p95 = result.latency.percentileUs(95);
    assert.ok(p95 > 28_000, `${p95}`);
    assert.ok(result.latency.percentileUs(100) > 40_000);
    if (connectionsMax === 1) {
      assert.equal(result.connectionsOpened, 1);
      assert.ok(result.waitedForConnection > 25, `${result.waitedForConnection} waited`);
    } else {
      assert.ok(result.connectionsOpened > 25, `${result.connectionsOpened} connections`);
      assert.equal(result.waitedForConnection, 0);
    }
  });
}

test('connections are opened beforehand, and used again', async (t) => {
  const ports = new Set<number | undefined>();
  const target = await serveHttp(t, (request, response) => {
    ports.add(request.socket.remotePort);
    response.end();
  });
  const result = await runHttpOpenLoop({
    target,
    connectionsInitial: 50,
    ratePerSecond: 500,
    durationMs: 100,
    seed: 1,
  });
  assert.equal(result.ok, result.arrivals);
  assert.ok(result.connectionsOpened >= 50);
  assert.ok(ports.size < result.arrivals);
});

test('lost connections are failures, and are replaced', async (t) => {
  let served = 0;
  const target = await serveHttp(t, (request, response) => {
    if (served++ % 2 === 0) request.socket.destroy();
    else response.setHeader('connection', 'close').end();
  });
  const result = await runHttpOpenLoop({
    target,
    connectionsMax: 2,
    ratePerSecond: 300,
    durationMs: 200,
    drainMs: 5000,
    seed: 2,
  });
  assert.equal(served, result.arrivals);
  assert.equal(result.failed, Math.ceil(served / 2));
  assert.equal(result.ok, Math.floor(served / 2));
  assert.equal(result.connectionsOpened, served);
  assert.equal(
    result.failures.values().reduce((sum, count) => sum + count, 0),
    result.failed,
  );
});

test('what is not answered is counted, and does not hold up the end', async (t) => {
  const held: ServerResponse[] = [];
  const target = await serveHttp(t, (_request, response) => void held.push(response));
  // The end of a run waits for the server; this one answers when everything is over.
  setTimeout(() => held.forEach((response) => void response.end()), 250);
  const result = await runHttpOpenLoop({
    target,
    connectionsMax: 10,
    ratePerSecond: 500,
    durationMs: 100,
    drainMs: 20,
    seed: 1,
  });
  assert.equal(result.unanswered, result.arrivals);
  assert.equal(result.ok, 0);
  assert.equal(held.length, 10);
  assert.equal(result.waitedForConnection, result.arrivals - 10);
});

test('a port where nobody listens is an error beforehand', async (t) => {
  const target = await serveHttp(t, () => {});
  const options = { ratePerSecond: 100, durationMs: 50, seed: 1 };
  const nowhere = { ...target, port: 1 };
  await assert.rejects(
    runHttpOpenLoop({ ...options, target: nowhere, connectionsInitial: 2 }),
    /cannot connect.*ECONNREFUSED/,
  );
  const later = await runHttpOpenLoop({ ...options, target: nowhere });
  assert.equal(later.failed, later.arrivals);
});
