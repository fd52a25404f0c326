/**
 * Jord as a server under test, in a process of its own: `jord-server.ts hello` with the functions of the demo, or
 * `jord-server.ts compute <µs>` with a function that computes for that long; it announces the steps that this takes.
 */
import { deployDemo } from '../../demo/deploy.ts';
import { startGateway } from '../../src/gateway/server.ts';
import type { WorkerServer } from '../../src/server/types.ts';
import { startWorkerServer } from '../../src/server/worker-server.ts';
import { COMPUTE, calibrateSteps, computeModule } from '../applications/compute.ts';
import { announce, HOST } from './server-process.ts';

async function deploy(worker: WorkerServer, subject: string, us: number): Promise<{ readonly steps?: number }> {
  switch (subject) {
    case 'hello':
      await deployDemo(worker);
      return {};
    case COMPUTE:
      await worker.deploy(COMPUTE, await computeModule());
      return { steps: await calibrateSteps((request) => worker.invoke(COMPUTE, request), us) };
    default:
      throw new RangeError(`nothing to deploy is called ${subject}`);
  }
}

function complain({ level, message }: { readonly level: string; readonly message: string }): void {
  if (level === 'error') console.error(message);
}

const [subject = '', us] = process.argv.slice(2);
const worker = await startWorkerServer({ log: complain });
const facts = await deploy(worker, subject, Number(us));
const gateway = await startGateway(worker, { host: HOST, port: 0, log: complain });
announce({ port: gateway.port, ...facts }, async () => {
  await gateway.close(0);
  await worker.stop();
});
