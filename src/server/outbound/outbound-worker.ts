/**
 * The I/O thread of outbound-thread.ts: makes the requests of all executors, with `fetch`, which pools connections, speaks
 * HTTP/1.1 and HTTP/2, and adds the fields `accept`, `accept-encoding`, `accept-language`, `sec-fetch-mode` and `user-agent`
 * where a function sets none. There are no cookies and no cache. `fetch` gives up by itself when connecting takes 10 s, a
 * server says nothing for 300 s, or answers with 407, which only proxies may.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { TIMEOUT_MS_MAX } from '../../../core/layout.ts';
import { IO_FAILED, TOO_LARGE } from '../../../core/status.ts';
import { responseHead } from './message.ts';
import {
  type Answer,
  type Command,
  type FetchCommand,
  type OutboundWorkerData,
  type Registration,
  wakeExecutor,
} from './protocol.ts';

/** Of the body, decoded. */
const BODY_BYTES_MAX = 16 * 2 ** 20;
const BUFFER_BYTES_MIN = 4096;

const { memory } = workerData as OutboundWorkerData;
const words = new Int32Array(memory.buffer);

parentPort?.on('message', ({ port, control }: Registration) => serve(port, control));

/** Until the port is closed, which it is when the executor's thread ends, its requests are answered. */
function serve(port: MessagePort, control: number): void {
  const underWay = new Map<number, AbortController>();
  port.on('message', (command: Command) => {
    if (command.kind === 'cancel') underWay.get(command.token)?.abort();
    else void answer(command);
  });
  port.on('close', () => {
    for (const controller of underWay.values()) controller.abort();
  });

  async function answer(command: FetchCommand): Promise<void> {
    const { token } = command;
    const controller = new AbortController();
    underWay.set(token, controller);
    const timer = setTimeout(() => controller.abort(), Math.min(command.timeoutMs, TIMEOUT_MS_MAX));
    const result = await request(command, controller.signal);
    clearTimeout(timer);
    underWay.delete(token);
    const message: Answer = { token, result };
    port.postMessage(message, typeof result === 'number' ? [] : [result.buffer]);
    wakeExecutor(words, control);
  }
}

/** The text of the response, or a status. Never rejects: whatever goes wrong on the network is IO_FAILED. */
async function request(command: FetchCommand, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | number> {
  const { method, headers, body } = command;
  try {
    const response = await fetch(command.url, {
      method,
      headers: headers.map(([name, value]): [string, string] => [name, value]),
      body: body.length === 0 ? null : body,
      redirect: 'manual',
      signal,
    });
    const head = responseHead(response.status, response.headers);
    return await readBehind(head, response.body);
  } catch {
    return IO_FAILED;
  }
}

/**
 * Head and body in one buffer, or TOO_LARGE. Copies each chunk: a server that sends single bytes would otherwise have an
 * object made of each of them.
 */
async function readBehind(
  head: Uint8Array,
  body: ReadableStream<Uint8Array> | null,
): Promise<Uint8Array<ArrayBuffer> | number> {
  let buffer = new Uint8Array(Math.max(head.length, BUFFER_BYTES_MIN));
  buffer.set(head);
  let length = head.length;
  for await (const chunk of body ?? []) {
    // Leaving the loop cancels the stream, and that closes the connection.
    if (length + chunk.length > head.length + BODY_BYTES_MAX) return TOO_LARGE;
    if (length + chunk.length > buffer.length) {
      const larger = new Uint8Array(Math.max(2 * buffer.length, length + chunk.length));
      larger.set(buffer);
      buffer = larger;
    }
    buffer.set(chunk, length);
    length += chunk.length;
  }
  return buffer.subarray(0, length);
}
