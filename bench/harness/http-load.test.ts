import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { HttpLoad, type HttpLoadOptions } from './http-load.ts';
import { serveHttp } from './http-server.fixture.ts';
import type { HttpTarget } from './http-wire.ts';

function loadOn(t: TestContext, target: HttpTarget, options: HttpLoadOptions): HttpLoad {
  const load = new HttpLoad(target, options);
  t.after(() => load.close());
  return load;
}

test('every response is counted, in each run, with its latency', async (t) => {
  let served = 0;
  let underWay = 0;
  let underWayMax = 0;
  const target = await serveHttp(t, (_request, response) => {
    served++;
    underWayMax = Math.max(underWayMax, ++underWay);
    setTimeout(() => {
      underWay--;
      response.end('hello');
    }, 5);
  });
  const load = loadOn(t, target, { connections: 4, bodyBytes: 5 });
  for (let run = 0; run < 2; run++) {
    served = 0;
    const result = await load.run(400);
    assert.equal(result.latency.count, served);
    // Those that came after the end are not.
    assert.ok(result.requests <= served && result.requests >= served - 4);
    assert.ok(result.requests > 0);
    assert.equal(result.requestsPerSecond, result.requests * 2.5);
    assert.ok(result.latency.percentileUs(1) >= 4000);
    assert.ok(result.cpuShare > 0);
  }
  assert.equal(underWayMax, 4);
});

test('connections are kept from request to request and from run to run', async (t) => {
  const ports = new Set<number | undefined>();
  const target = await serveHttp(t, (request, response) => {
    ports.add(request.socket.remotePort);
    response.end();
  });
  const load = loadOn(t, target, { connections: 3 });
  await load.run(30);
  await load.run(30);
  assert.equal(ports.size, 3);
});

test('a status other than 200 fails the run', async (t) => {
  let served = 0;
  const target = await serveHttp(t, (_request, response) => {
    response.statusCode = ++served < 20 ? 200 : 503;
    response.end();
  });
  const load = loadOn(t, target, { connections: 2 });
  await assert.rejects(load.run(10_000), /status 503 instead of 200/);
  await assert.rejects(load.run(10), /status 503 instead of 200/);
});

test('a body of another length fails the run', async (t) => {
  const target = await serveHttp(t, (_request, response) => response.end('abcd'));
  await assert.rejects(loadOn(t, target, { bodyBytes: 5 }).run(10_000), /4 bytes instead of 5/);
});

test('a lost connection fails the run', async (t) => {
  const target = await serveHttp(t, (request) => request.socket.destroy());
  await assert.rejects(loadOn(t, target, { connections: 2 }).run(10_000), /closed a connection|ECONNRESET/);
});

test('a server that does not keep connections fails the run', async (t) => {
  const target = await serveHttp(t, (_request, response) => response.setHeader('connection', 'close').end());
  await assert.rejects(loadOn(t, target, { connections: 2 }).run(10_000), /does not keep the connection open/);
});

test('a server that does not answer fails the run', async (t) => {
  const target = await serveHttp(t, () => {});
  await assert.rejects(loadOn(t, target, { responseTimeoutMs: 20 }).run(10), /without a response for 20 ms/);
});

test('a port where nobody listens fails the run', async (t) => {
  const target = await serveHttp(t, () => {});
  await assert.rejects(loadOn(t, { ...target, port: 1 }, {}).run(10_000), /ECONNREFUSED/);
});

test('a load without connections is refused', () => {
  const target = { host: '127.0.0.1', port: 1, request: new Uint8Array(0) };
  assert.throws(() => new HttpLoad(target, { connections: 0 }), RangeError);
});
