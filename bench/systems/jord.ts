/** Jord as it is. */
import type { Application, ApplicationRequest } from '../../apps/application.ts';
import { deployApplication, localTarget } from '../../apps/deploy.ts';
import { type LocalWorkerServer, startWorkerServer, type WorkerServerOptions } from '../../src/server/worker-server.ts';
import type { Completion, Profile, Subject, System, SystemOptions } from './system.ts';

/** Longer than requests are apart but under the least loads. */
const SPIN_US = 1000;

/**
 * Dispatcher and executors poll without parking while there is load, as systems do that are to answer within microseconds.
 * What waits is not refused after some time, but waits: that it does is what is measured.
 */
export function serverOptions({ executors }: SystemOptions): WorkerServerOptions {
  return {
    ...(executors === undefined ? {} : { executors }),
    spinUs: SPIN_US,
    queueDelayMs: 0,
    outstandingMax: 60_000,
    log: ({ level, message }) => {
      if (level === 'error') process.stderr.write(`${message}\n`);
    },
  };
}

export class JordSystem implements System {
  readonly #options: SystemOptions;
  #server: LocalWorkerServer | undefined;
  #fronts: ReadonlySet<string> = new Set();

  constructor(options: SystemOptions = {}) {
    this.#options = options;
  }

  async start(subject: Subject): Promise<void> {
    this.#server = await startWorkerServer(serverOptions(this.#options));
    const { application, dataSet } = subject;
    this.#fronts = frontsOf(application);
    await deployApplication(localTarget(this.#server), application, dataSet);
  }

  submit(request: ApplicationRequest, callback: Completion): void {
    submitTo(this.#server, request, callback);
  }

  readonly poll = (): boolean => this.#server?.poll() ?? false;

  readonly profile = (): Promise<Profile> => profileOf(this.#server, this.#fronts);

  async stop(): Promise<void> {
    await this.#server?.stop();
  }
}

/** The functions that are asked for from outside: those that no other one calls. */
export function frontsOf({ functions }: Application): ReadonlySet<string> {
  const called = new Set(functions.flatMap(({ calls }) => calls));
  return new Set(functions.map(({ name }) => name).filter((name) => !called.has(name)));
}

/** Of these functions, the fronts. */
export async function profileOf(server: LocalWorkerServer | undefined, names: ReadonlySet<string>): Promise<Profile> {
  const functions = (await server?.stats())?.functions ?? [];
  const fronts = functions.filter(({ name }) => names.has(name));
  const invocations = fronts.reduce((sum, { serviceUs }) => sum + serviceUs.count, 0);
  const serviceSumUs = fronts.reduce((sum, { serviceUs }) => sum + serviceUs.count * serviceUs.mean, 0);
  return { invocations, serviceUs: serviceSumUs, copies: 0, copiedBytes: 0 };
}

export function submitTo(
  server: LocalWorkerServer | undefined,
  request: ApplicationRequest,
  callback: Completion,
): void {
  if (server === undefined) throw new Error('the system was not started');
  server.submit(request.function, request.body, {}, (error, result) => callback(error, result?.body));
}
