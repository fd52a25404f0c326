/**
 * A gateway in a worker thread of its own, at a port that it shares (`workerData`). Sends its port, and closes and sends the
 * report when it gets a message.
 */

import { parentPort, threadId, workerData } from 'node:worker_threads';
import { MemoryWorker } from './memory-worker.fixture.ts';
import { startGateway } from './server.ts';

const thread = Buffer.from(String(threadId));
const worker = new MemoryWorker({ thread: () => ({ body: thread }), never: () => new Promise(() => undefined) });
const gateway = await startGateway(worker, { host: '127.0.0.1', port: Number(workerData), reusePort: true });
parentPort?.once('message', async (graceMs: number) => {
  parentPort?.postMessage(await gateway.close(graceMs));
  parentPort?.close();
});
parentPort?.postMessage(gateway.port);
