/** Several gateways on one port: that of the main thread, and one in the thread of each further orchestrator. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { JordError } from '../errors.ts';
import type { LocalWorkerServer } from '../server/worker-server.ts';
import type {
  FromOrchestratorThread,
  OrchestratorThreadData,
  PortableGatewayOptions,
  ToOrchestratorThread,
} from './orchestrator-thread.ts';
import { CLOSE_GRACE_MS_DEFAULT, type CloseReport, type Gateway, type GatewayOptions, startGateway } from './server.ts';

const READY_LOOK_MS = 20;

interface Thread {
  readonly worker: Worker;
  /** How many invocations are under way there. */
  readonly counter: Int32Array;
  readonly closed: Promise<CloseReport>;
}

/**
 * Serves a worker server over HTTP with as many orchestrators as it was started with. The kernel spreads connections over
 * them; each dispatches to executors of its own.
 *
 * Throws LISTEN_FAILED when the address cannot be had.
 */
export async function startGateways(worker: LocalWorkerServer, options: GatewayOptions): Promise<Gateway> {
  if (worker.orchestrators === 1) return startGateway(worker, options);
  await refuseBusyPort(worker, options);
  const first = await startGateway(worker, { ...options, reusePort: true });
  const threads: Thread[] = [];
  try {
    for (let index = 1; index < worker.orchestrators; index++) {
      threads.push(await startThread(worker, index, { ...options, port: first.port }));
    }
  } catch (error) {
    await closeAll(first, threads, 0);
    throw error;
  }
  tellWhenReady(threads, options.isReady ?? (() => true));
  return together(first, threads);
}

/** What `GET /readyz` says must be the same wherever a connection ends up. */
function tellWhenReady(threads: readonly Thread[], isReady: () => boolean): void {
  const timer = setInterval(() => {
    if (!isReady()) return;
    clearInterval(timer);
    for (const { worker } of threads) tell(worker, { kind: 'ready' });
  }, READY_LOOK_MS);
  timer.unref();
}

/** With `reusePort` the kernel lets several programs of one user listen at one port, and a mistake would go unnoticed. */
async function refuseBusyPort(worker: LocalWorkerServer, options: GatewayOptions): Promise<void> {
  if (options.port === 0) return;
  await (await startGateway(worker, { ...options, reusePort: false })).close(0);
}

function tell(worker: Worker, message: ToOrchestratorThread): void {
  worker.postMessage(message);
}

async function startThread(worker: LocalWorkerServer, index: number, options: GatewayOptions): Promise<Thread> {
  const orchestrator = worker.connectOrchestrator(index);
  const { log, isReady: _isReady, ...portable } = options;
  const counter = new Int32Array(new SharedArrayBuffer(4));
  const gateway: PortableGatewayOptions = { ...portable, counter };
  const workerData: OrchestratorThreadData = { orchestrator, gateway };
  const thread = new Worker(new URL('./orchestrator-thread.ts', import.meta.url), {
    execArgv: [],
    workerData,
    transferList: [orchestrator.port],
  });
  const listening = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<CloseReport>();
  thread.on('message', (message: FromOrchestratorThread) => {
    if (message.kind === 'log') log?.(message.record);
    else if (message.kind === 'closed') closed.resolve(message.report);
    else if (message.kind === 'listening') listening.resolve();
    else listening.reject(new JordError('LISTEN_FAILED', message.message));
  });
  thread.on('error', (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log?.({ level: 'error', message: `the thread of orchestrator ${index} failed: ${text}`, fields: {} });
    listening.reject(error);
  });
  thread.on('exit', () => closed.resolve({ cutOff: [] }));
  await listening.promise;
  return { worker: thread, counter, closed: closed.promise };
}

function together(first: Gateway, threads: readonly Thread[]): Gateway {
  let closed: Promise<CloseReport> | undefined;
  return {
    url: first.url,
    port: first.port,
    get invocations() {
      return threads.reduce((sum, { counter }) => sum + (counter[0] ?? 0), first.invocations);
    },
    close: (graceMs = CLOSE_GRACE_MS_DEFAULT) => {
      closed ??= closeAll(first, threads, graceMs);
      return closed;
    },
  };
}

async function closeAll(first: Gateway, threads: readonly Thread[], graceMs: number): Promise<CloseReport> {
  const reports = await Promise.all([
    first.close(graceMs),
    ...threads.map(async ({ worker, closed }) => {
      const exited = once(worker, 'exit');
      tell(worker, { kind: 'close', graceMs });
      const report = await closed;
      await exited;
      return report;
    }),
  ]);
  const counts = new Map<string, number>();
  for (const { function: name, count } of reports.flatMap(({ cutOff }) => cutOff)) {
    counts.set(name, (counts.get(name) ?? 0) + count);
  }
  return { cutOff: [...counts].map(([name, count]) => ({ function: name, count })) };
}
