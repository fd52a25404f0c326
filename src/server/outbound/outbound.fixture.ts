/** What the tests of outbound requests share: an address space, servers to ask, and an executor's side on this thread. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createAddressSpace, instantiatePrivLib } from '../privlib.ts';
import { type IsAllowed, Outbound } from './outbound.ts';
import type { OutboundThread } from './outbound-thread.ts';
import type { Answer } from './protocol.ts';

/** Generous, since the machine may be busy with something else. */
export const PATIENCE_MS = 20_000;

export const addressSpace = createAddressSpace({ callDepthMax: 16 });
const privLib = instantiatePrivLib(addressSpace);

export const isAllowed: IsAllowed = (list, url) => list.includes(url.origin);

/** Control block of another executor. */
export function newExecutor(): number {
  return privLib.executorCreate();
}

export function connect(thread: OutboundThread): Outbound {
  return new Outbound(thread.connect(newExecutor()), isAllowed);
}

/** Starts a server on a free port of loopback. Returns its origin. What it has not answered when the test ends, it never will. */
export async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return originOf(server);
}

/** Starts a server that says one and the same to each connection, and closes it. */
export async function serveRaw(t: TestContext, answer: string): Promise<string> {
  const server = createTcpServer((socket: Socket) => void socket.on('error', () => {}).end(answer));
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return originOf(server);
}

/** A port where nobody listens. */
export async function deadOrigin(): Promise<string> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = originOf(server);
  server.close();
  await once(server, 'close');
  return origin;
}

function originOf(server: { address(): unknown }): string {
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null && 'port' in address);
  return `http://127.0.0.1:${address.port}`;
}

/** Begins a request that is allowed. */
export function begin(outbound: Outbound, text: string | Buffer, timeoutMs = PATIENCE_MS): number {
  const bytes = Buffer.from(text);
  const url = /(http:[^\n]*)\n/.exec(bytes.toString('latin1'))?.[1] ?? '';
  const token = outbound.begin(bytes, [new URL(url).origin], timeoutMs);
  assert.ok(typeof token === 'number', `refused: ${JSON.stringify(token)}`);
  return token;
}

export async function nextAnswer(outbound: Outbound): Promise<Answer> {
  for (const start = performance.now(); performance.now() - start < PATIENCE_MS; ) {
    const answer = outbound.poll();
    if (answer !== undefined) return answer;
    await delay(2);
  }
  assert.fail('no answer came');
}

/** Begins a request, and waits for its response as text with a character a byte, or for its status. */
export async function request(outbound: Outbound, text: string | Buffer, timeoutMs?: number): Promise<string | number> {
  const token = begin(outbound, text, timeoutMs);
  const { token: answered, result } = await nextAnswer(outbound);
  assert.equal(answered, token);
  return typeof result === 'number' ? result : Buffer.from(result).toString('latin1');
}

/** The body of a response; throws for a status. */
export function bodyOf(result: Uint8Array | string | number | undefined): string {
  assert.ok(typeof result === 'string' || result instanceof Uint8Array, `no response: ${result}`);
  const text = typeof result === 'string' ? result : Buffer.from(result).toString('latin1');
  return text.slice(text.indexOf('\n\n') + 2);
}

/** A response without the one field that is never the same. */
export function withoutDate(response: string | number): string {
  return String(response).replace(/^date: .*\n/m, '');
}
