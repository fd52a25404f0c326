/** A worker server with the functions of `testing/`, which use the SDK as an author would. */
import { join } from 'node:path';
import { compileSource } from '../../src/functions/compile.ts';
import type { DeployOptions, HttpRequest, LogRecord, WorkerServer } from '../../src/server/types.ts';
import { startWorkerServer } from '../../src/server/worker-server.ts';

/** What a function answered, its body as text as well. */
export interface Answer {
  readonly text: string;
  readonly body: Uint8Array;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

export interface TestServer {
  readonly server: WorkerServer;
  /** What was logged since it was last emptied. */
  readonly logs: LogRecord[];
  /** Invokes with an HTTP request: `path` is behind the function's name and may have a query. */
  call(name: string, path: string, body?: string | Uint8Array, http?: Partial<HttpRequest>): Promise<Answer>;
}

export async function startTestServer(functions: readonly string[], options: DeployOptions = {}): Promise<TestServer> {
  const logs: LogRecord[] = [];
  const server = await startWorkerServer({ log: (record) => logs.push(record) });
  for (const name of functions) {
    await server.deploy(name, await compileSource(join(import.meta.dirname, 'testing', `${name}.ts`)), options);
  }
  return {
    server,
    logs,
    call: async (name, target, body = '', more = {}) => {
      const [path = '', query = ''] = target.split('?', 2);
      const http: HttpRequest = { method: 'POST', path, query, headers: [], ...more };
      const result = await server.invoke(name, typeof body === 'string' ? new TextEncoder().encode(body) : body, {
        http,
      });
      const text = new TextDecoder().decode(result.body);
      return { text, body: result.body, status: result.status, headers: Object.fromEntries(result.headers) };
    },
  };
}
