/** `jord serve`: a worker server with its gateway, until a signal ends it. */

import manifest from '../../package.json' with { type: 'json' };
import { startGateways } from '../gateway/orchestrators.ts';
import type { Gateway } from '../gateway/server.ts';
import type { LogRecord, WorkerServer } from '../server/types.ts';
import { startWorkerServer } from '../server/worker-server.ts';
import { drain } from './drain.ts';
import { createLog, type LogEntry } from './log.ts';
import { outliveReaders, printLine } from './output.ts';
import { dispatchOptions, type ServeOptions } from './serve-options.ts';

/** A second signal this soon is the same one, which reached the process by two ways. */
const SAME_SIGNAL_MS = 500;
const EXIT_INTERRUPTED = 130;

/** Returns when the server has stopped. Throws what keeps it from starting. */
export async function serve(options: ServeOptions): Promise<void> {
  const format = options.logFormat ?? (process.stderr.isTTY ? 'text' : 'json');
  const log = createLog(options.logLevel, format, (line) => process.stderr.write(line));
  outliveReaders();
  const stopped = stopSignal();
  const worker = await startWorkerServer({
    ...dispatchOptions(options),
    dataFolder: options.data,
    log: (record) => log(functionEntry(record)),
  });
  try {
    let isReady = false;
    const gateway = await startGateways(worker, {
      ...options,
      bodyLimitBytes: options.bodyLimit,
      moduleLimitBytes: options.moduleLimit,
      accessLog: options.accessLog === true,
      log: (record) => log({ ...record, function: '' }),
      isReady: () => isReady,
    });
    try {
      if (options.demo === true) await deployDemoFunctions(worker, options.data, log);
      isReady = true;
      announce(gateway, worker, options);
      await stopped;
      await drain(gateway, options.graceMs, log);
    } finally {
      // Where something else ends it; otherwise it is closed already.
      await gateway.close();
    }
  } finally {
    await worker.stop();
  }
}

async function deployDemoFunctions(
  worker: WorkerServer,
  dataFolder: string,
  log: (entry: LogEntry) => void,
): Promise<void> {
  const { deployDemo } = await import('../../demo/deploy.ts');
  await deployDemo(worker, { dataFolder, report: (message) => log({ level: 'info', function: '', message }) });
}

function announce(gateway: Gateway, worker: WorkerServer, options: ServeOptions): void {
  const names = worker.list().map(({ name }) => name);
  const example = names.includes('hello') ? 'hello' : names[0];
  const lines = [
    `jord ${manifest.version} serves ${countText(names.length)} at ${gateway.url} (kept in ${options.data})`,
    example === undefined
      ? `Deploy one:  npx jord deploy demo/hello.ts --server ${gateway.url}`
      : `Try:  curl --data 'world' ${gateway.url}/fn/${example}`,
  ];
  if (options.maskAddresses === true) lines.push('Addresses of functions are masked.');
  if (options.token === undefined && !/^(?:127\.|localhost$|::1$)/.test(options.host)) {
    lines.push('Other machines can invoke functions, but not manage them: no token is configured.');
  }
  printLine(lines.join('\n'));
}

function countText(count: number): string {
  return count === 1 ? '1 function' : `${count} functions`;
}

/** Resolves at the first SIGINT or SIGTERM; another one ends the process at once. */
function stopSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let firstAtMs: number | undefined;
  const onSignal = (): void => {
    if (firstAtMs !== undefined && performance.now() - firstAtMs > SAME_SIGNAL_MS) process.exit(EXIT_INTERRUPTED);
    firstAtMs ??= performance.now();
    resolve();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return promise;
}

function functionEntry({ level, function: name, message, fault }: LogRecord): LogEntry {
  return { level, function: name, message, ...(fault === undefined ? {} : { fields: { fault } }) };
}
