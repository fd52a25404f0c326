/** The thread of an orchestrator beyond the first: a gateway of its own, on the port that the first one has. */
import { parentPort, workerData } from 'node:worker_threads';
import { JordError } from '../errors.ts';
import { type OrchestratorData, OrchestratorServer } from '../server/orchestrator.ts';
import { type CloseReport, type Gateway, type GatewayLogRecord, type GatewayOptions, startGateway } from './server.ts';

/** What of the gateway's options can be sent to a thread. */
export type PortableGatewayOptions = Omit<GatewayOptions, 'log' | 'isReady' | 'reusePort'>;

export interface OrchestratorThreadData {
  readonly orchestrator: OrchestratorData;
  readonly gateway: PortableGatewayOptions;
}

export type ToOrchestratorThread = { readonly kind: 'ready' } | { readonly kind: 'close'; readonly graceMs: number };

export type FromOrchestratorThread =
  | { readonly kind: 'listening' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'log'; readonly record: GatewayLogRecord }
  | { readonly kind: 'closed'; readonly report: CloseReport };

const data = workerData as OrchestratorThreadData;
if (parentPort === null) throw new Error('an orchestrator thread has a parent');
const port = parentPort;

function post(message: FromOrchestratorThread): void {
  port.postMessage(message);
}

let isReady = false;
const worker = new OrchestratorServer(data.orchestrator);
let gateway: Gateway | undefined;
try {
  gateway = await startGateway(worker, {
    ...data.gateway,
    reusePort: true,
    isReady: () => isReady,
    log: (record) => post({ kind: 'log', record }),
  });
  post({ kind: 'listening' });
} catch (error) {
  post({ kind: 'failed', message: error instanceof JordError ? error.message : String(error) });
}

async function close(graceMs: number): Promise<void> {
  const report = (await gateway?.close(graceMs)) ?? { cutOff: [] };
  await worker.stop();
  post({ kind: 'closed', report });
  port.close();
}

port.on('message', (message: ToOrchestratorThread) => {
  if (message.kind === 'ready') isReady = true;
  else if (message.kind === 'close') void close(message.graceMs);
});
