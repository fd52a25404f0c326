/** Tiny HTTP servers for tests of the load generators. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { buildRequest, type HttpTarget } from './http-wire.ts';

/** Serves on a free port until the test is over. */
export async function serveHttp(t: TestContext, listener: RequestListener): Promise<HttpTarget> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => listener(request, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { host: '127.0.0.1', port, request: buildRequest('/', 'localhost', 'text/plain', Buffer.from('abc')) };
}
