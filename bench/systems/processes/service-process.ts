/** The process of a service: see processes.ts. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { CALLEE_TRAP, OK } from '../../../core/status.ts';
import { HOST } from '../../harness/server-process.ts';
import { type Answer, Service, type Transport } from '../plain/service.ts';
import { post } from './http-call.ts';
import type { Ports, ServiceStart } from './processes.ts';
import { RemoteStore } from './remote-store.ts';

const EMPTY = new Uint8Array(0);

class HttpTransport implements Transport {
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1024 });
  #names: readonly string[] = [];
  #ports: readonly number[] = [];

  know({ ports }: Ports): void {
    this.#names = [...ports.keys()];
    this.#ports = [...ports.values()];
  }

  find(name: string): number {
    return this.#names.indexOf(name);
  }

  send(target: number, request: Uint8Array, answer: Answer): void {
    // The memory of the service is used again before all of it is sent.
    post(this.#agent, HOST, this.#ports[target] ?? 0, Buffer.from(request), (error, status, body) => {
      if (error === undefined && status === 200) answer(OK, body);
      else answer(CALLEE_TRAP, EMPTY);
    });
  }
}

interface Waiting {
  readonly body: Buffer;
  readonly response: http.ServerResponse;
}

const [{ name, module, concurrency, storePort }] = (await once(process, 'message')) as [ServiceStart];
const transport = new HttpTransport();
const kv = storePort === undefined ? undefined : await RemoteStore.connect(HOST, storePort);
let service: Service;
/** Requests that came while there was no room for more. */
const backlog: Waiting[] = [];

function begin({ body, response }: Waiting): void {
  service.begin(body, (status, bytes) => {
    response.writeHead(status === OK ? 200 : 500, {
      'content-type': 'application/octet-stream',
      'content-length': bytes.length,
    });
    response.end(Buffer.from(bytes));
    queueMicrotask(beginWaiting);
  });
}

function beginWaiting(): void {
  while (service.hasRoom) {
    const next = backlog.shift();
    if (next === undefined) return;
    begin(next);
  }
}

const server = http.createServer({ keepAliveTimeout: 600_000, noDelay: true }, (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const [first] = chunks;
    const body = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
    if (service.hasRoom && backlog.length === 0) begin({ body, response });
    else backlog.push({ body, response });
  });
});
process.once('disconnect', () => process.exit());
server.listen(0, HOST);
await once(server, 'listening');
process.send?.((server.address() as AddressInfo).port);
transport.know((await once(process, 'message'))[0] as Ports);
service = await Service.start({ name, module, transport, kv, concurrency });
process.send?.('ready');
