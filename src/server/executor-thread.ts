/** The thread of an executor: sets it up, and runs its loop until it is told to end. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { HANDLE_EXPORT } from '../functions/abi.ts';
import { isAllowed } from '../functions/fetch-allow.ts';
import { Executor, FUNCTION_ID_FIRST, type Handle } from './executor.ts';
import {
  type ExecutorThreadData,
  type FromExecutor,
  LOG_DROPPED,
  LOG_RECEIVED,
  LOG_SENT,
  LOG_UNDER_WAY_MAX,
  type PortableFunction,
  type ToExecutor,
} from './messages.ts';
import { Outbound } from './outbound/outbound.ts';
import { RunLoop } from './run-loop.ts';
import { ThreadStats } from './stats.ts';
import type { LogRecord } from './types.ts';

const data = workerData as ExecutorThreadData;
if (parentPort === null) throw new Error('an executor thread has a parent');
const port = parentPort;
const stats = new ThreadStats(data.stats);
const logCounts = new Int32Array(data.logCounts);
const ids = new Map<string, number>();
let fetcher: Outbound | undefined;

function post(message: FromExecutor): void {
  port.postMessage(message);
}

/** Hands a record to the main thread, unless that is far behind. */
function log(record: LogRecord): void {
  const underWay = (Atomics.load(logCounts, LOG_SENT) - Atomics.load(logCounts, LOG_RECEIVED)) | 0;
  if (underWay >= LOG_UNDER_WAY_MAX) {
    Atomics.add(logCounts, LOG_DROPPED, 1);
    return;
  }
  Atomics.add(logCounts, LOG_SENT, 1);
  data.logPort.postMessage(record);
}

/** Two offers or more: one is soon run by who made it, the others are worth waking somebody. */
function offer(handle: number): void {
  if (executor.privLib.offerPush(data.control, handle) < 2) return;
  for (const peer of data.peers) if (executor.privLib.executorWake(peer) !== 0) return;
}

/** Gives back the homes that idle here. Returns whether there were any. */
function trim(): boolean {
  let freed = 0;
  for (const id of ids.values()) {
    const loaded = executor.functionOf(id);
    if (loaded !== undefined) freed += executor.privLib.poolTrim(data.control, loaded.descriptor, 0);
  }
  return freed > 0;
}

const executor: Executor = new Executor(
  data.addressSpace,
  {
    limits: data.limits,
    get fetcher() {
      return fetcher;
    },
    resolve: (name) => ids.get(name),
    log,
    countFault: (index, fault) => stats.fault(index, fault),
    countInvocation: (index, queueingUs, serviceUs) => stats.record(index, queueingUs, serviceUs),
    reclaim: trim,
    refresh: () => takeMessages() > 0,
    fetched: (token, result) => loop.continuations.fetched(token, result),
    drainInbox: () => void loop.drainInbox(),
    offer,
  },
  data.control,
);

function install({ id, name, descriptor, memoryLimit, module, fetchAllow }: PortableFunction): void {
  const instance = new WebAssembly.Instance(module, executor.imports);
  const handle = instance.exports[HANDLE_EXPORT] as Handle;
  executor.setVersion(descriptor, name, fetchAllow);
  executor.setFunction(id, { name, index: id - FUNCTION_ID_FIRST, descriptor, memoryLimit, module, handle });
  ids.set(name, id);
}

function remove(id: number): void {
  const name = executor.functionOf(id)?.name;
  if (name !== undefined) ids.delete(name);
  executor.removeFunction(id);
}

let isEnding = false;

function take(message: ToExecutor): void {
  switch (message.kind) {
    case 'install':
      install(message.installed);
      break;
    case 'remove':
      remove(message.id);
      break;
    case 'retire':
      executor.privLib.poolTrim(data.control, message.descriptor, 0);
      loop.continuations.forget(message.descriptor);
      post({ kind: 'retired', descriptor: message.descriptor });
      break;
    case 'fetcher':
      if (fetcher === undefined) fetcher = new Outbound(message.port, isAllowed);
      else fetcher.reconnect(message.port);
      break;
    case 'trim':
      trim();
      break;
    case 'stop':
      isEnding = true;
      break;
    default:
      message satisfies never;
  }
}

/** Takes the messages of the main thread, and fetches that have ended. Returns how many messages there were. */
function takeMessages(): number {
  let count = 0;
  for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port)) {
    take(received.message as ToExecutor);
    count++;
  }
  for (let done = fetcher?.poll(); done !== undefined; done = fetcher?.poll()) {
    loop.continuations.fetched(done.token, done.result);
  }
  return count;
}

const loop: RunLoop = new RunLoop(executor, {
  spinUs: data.spinUs,
  stacksMax: data.stacksMax,
  peers: data.peers,
  takeMessages: () => {
    takeMessages();
    return !isEnding;
  },
});
for (const portable of data.functions) install(portable);
post({ kind: 'ready' });
await loop.run();
