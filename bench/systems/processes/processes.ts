/**
 * What people run today: each service is a process with an HTTP server, called over the loopback interface through
 * connections that stay open; and so is the store, which speaks a protocol of its own, several requests at a time over one
 * connection. The services run the same modules as everywhere, in a WebAssembly memory of their own.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import type { ApplicationEntry, ApplicationRequest, ApplicationSpace } from '../../../apps/application.ts';
import { HOST } from '../../harness/server-process.ts';
import type { Completion, Subject, System } from '../system.ts';
import { post } from './http-call.ts';

export interface ServiceStart {
  readonly name: string;
  readonly module: Uint8Array;
  readonly concurrency: number;
  /** Port of the store, where the application has one. */
  readonly storePort: number | undefined;
}

export interface StoreStart {
  readonly spaces: readonly ApplicationSpace[];
  readonly entries: readonly ApplicationEntry[];
}

/** Ports of all services by name. */
export interface Ports {
  readonly ports: ReadonlyMap<string, number>;
}

const CONCURRENCY = 64;
const STOP_MS_MAX = 3000;
/** The front sleeps for moments between looks at its connections, rather than take a core from the services. */
const NAP_MS = 0.05;

interface Child {
  readonly process: ChildProcess;
  readonly port: number;
}

async function startChild(file: string, start: unknown): Promise<Child> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = fork(path, [], { stdio: ['ignore', 2, 2, 'ipc'], serialization: 'advanced' });
  const exited = once(child, 'exit').then(() => {
    throw new Error(`${file} has ended before it listened`);
  });
  exited.catch(() => {});
  child.send(start as object);
  const [port] = (await Promise.race([once(child, 'message'), exited])) as [number];
  return { process: child, port };
}

async function stopChild({ process: child }: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await exited;
  clearTimeout(timer);
}

export class ProcessesSystem implements System {
  readonly #children: Child[] = [];
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1024 });
  readonly #ports = new Map<string, number>();
  /** Nobody writes this or wakes who waits for it. */
  readonly #never = new Int32Array(new SharedArrayBuffer(4));

  async start({ application, modules, dataSet }: Subject): Promise<void> {
    let storePort: number | undefined;
    if (application.spaces.length > 0) {
      const start: StoreStart = { spaces: application.spaces, entries: [...dataSet.entries()] };
      const store = await startChild('./store-process.ts', start);
      this.#children.push(store);
      storePort = store.port;
    }
    for (const { name } of application.functions) {
      const module = modules.get(name);
      if (module === undefined) throw new Error(`${name} has no module`);
      const start: ServiceStart = { name, module, concurrency: CONCURRENCY, storePort };
      const child = await startChild('./service-process.ts', start);
      this.#children.push(child);
      this.#ports.set(name, child.port);
    }
    const services = this.#children.slice(storePort === undefined ? 0 : 1);
    const ready = services.map(({ process: child }) => once(child, 'message'));
    for (const { process: child } of services) child.send({ ports: this.#ports } satisfies Ports);
    await Promise.all(ready);
  }

  submit(request: ApplicationRequest, callback: Completion): void {
    const port = this.#ports.get(request.function);
    if (port === undefined) throw new Error(`there is no service ${request.function}`);
    // What is sent must not be shared memory.
    post(this.#agent, HOST, port, Buffer.from(request.body), (error, status, body) => {
      if (error === undefined && status === 200) callback(undefined, body);
      else callback(error ?? new Error(`the service failed: HTTP status ${status}`), undefined);
    });
  }

  readonly rest = (milliseconds: number): void => {
    Atomics.wait(this.#never, 0, 0, Math.min(milliseconds, NAP_MS));
  };

  async stop(): Promise<void> {
    this.#agent.destroy();
    await Promise.all(this.#children.map(stopChild));
  }
}
