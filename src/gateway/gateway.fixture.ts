/** Gateways over a memory worker, on ports of their own, for tests. */

import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MemoryWorker } from './memory-worker.fixture.ts';
import { type Gateway, type GatewayOptions, startGateway } from './server.ts';

export async function serve(
  t: TestContext,
  worker: MemoryWorker = new MemoryWorker(),
  options: Partial<GatewayOptions> = {},
): Promise<Gateway> {
  const gateway = await startGateway(worker, { host: '127.0.0.1', port: 0, ...options });
  t.after(() => gateway.close());
  return gateway;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as JSON. */
  readonly json: Record<string, unknown>;
}

export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** One request as written down, without what `fetch` adds or refuses to send. */
export function send(gateway: Pick<Gateway, 'port'>, sent: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', path = '/', headers = {}, body } = sent;
    // Node says the length of a body by itself for some methods only.
    const length: Record<string, string> =
      body === undefined || headers['transfer-encoding'] !== undefined
        ? {}
        : { 'content-length': String(Buffer.byteLength(body)) };
    const options = {
      host: '127.0.0.1',
      port: gateway.port,
      method,
      path,
      headers: { ...length, ...headers },
      agent: false,
    };
    const request = httpRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const whole = Buffer.concat(chunks);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: whole,
          get json() {
            return JSON.parse(whole.toString()) as Record<string, unknown>;
          },
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** What the server says to these bytes until it closes the connection. `later` may write more. */
export function sendRaw(
  gateway: Gateway,
  text: string,
  later?: (write: (more: string) => void) => void,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(gateway.port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
    later?.((more) => socket.write(more));
  });
}

/** Polls until it is true; fails after two seconds. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const startedAt = performance.now(); !isSo(); await delay(2))
    if (performance.now() - startedAt > 2000) assert.fail(`not in time: ${what}`);
}
