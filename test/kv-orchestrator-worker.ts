/** A further orchestrator that does with the key-value store what it is told, for kv-orchestrator.test.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { JordError } from '../src/errors.ts';
import { type OrchestratorData, OrchestratorServer } from '../src/server/orchestrator.ts';

export interface KvOrder {
  readonly id: number;
  readonly method: 'spaces' | 'space' | 'create' | 'drop' | 'get' | 'put' | 'delete' | 'add' | 'list';
  readonly parameters: readonly unknown[];
}

export interface KvReport {
  readonly id: number;
  readonly result: unknown;
  readonly code: string | undefined;
}

const server = new OrchestratorServer(workerData as OrchestratorData);

async function perform({ id, method, parameters }: KvOrder): Promise<KvReport> {
  try {
    // Which method takes what is the test's business.
    const operation = server.kv[method] as (...parameters: readonly unknown[]) => unknown;
    return { id, result: await operation.apply(server.kv, [...parameters]), code: undefined };
  } catch (error) {
    return { id, result: undefined, code: error instanceof JordError ? error.code : String(error) };
  }
}

parentPort?.on('message', (message: KvOrder | 'stop') => {
  if (message !== 'stop') {
    void perform(message).then((report) => parentPort?.postMessage(report));
    return;
  }
  void server.stop();
  parentPort?.close();
});
