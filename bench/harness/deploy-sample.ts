/**
 * Deploys one module several times in a process of its own and prints how long that took: one JSON array, a sample for
 * each time. `deploy-sample.ts <module> <server|parts|chain> <warm-up ms> <samples>`
 *
 * server  the whole of it, by a worker server without a store
 * parts   each part by itself, those within the guard too
 * chain   like parts, but the guard only as a whole, so that nothing is warm when it is called first
 *
 * The module is one that `asFunction` made.
 */
import { readFile } from 'node:fs/promises';
import { decodeModule } from '../../src/guard/decode.ts';
import { guardModule } from '../../src/guard/guard.ts';
import { INIT_EXPORT } from '../../src/guard/types.ts';
import { verifyModule } from '../../src/guard/verify.ts';
import { startWorkerServer } from '../../src/server/worker-server.ts';
import { distinguish } from './as-function.ts';
import { exportedFunction } from './guest.ts';
import { createAddressSpace } from './home.ts';

/** Milliseconds by part, and the size of the result. */
export type DeploySample = Readonly<Record<string, number>>;

export type DeployMode = 'server' | 'parts' | 'chain';

/** However fast deploying is, warming up does not fill the address space with homes. */
const WARM_UP_DEPLOYS_MAX = 100;
const WARM_UP_DEPLOYS_MIN = 3;

type Deploy = (bytes: Uint8Array) => Promise<DeploySample>;

async function serverDeploy(): Promise<{ readonly deploy: Deploy; readonly stop: () => Promise<void> }> {
  const server = await startWorkerServer({ executors: 0 });
  return {
    deploy: async (bytes) => {
      const start = performance.now();
      const { guardedSizeBytes } = await server.deploy('measured', bytes);
      return { totalMs: performance.now() - start, guardedBytes: guardedSizeBytes };
    },
    stop: () => server.stop(),
  };
}

function partsDeploy(inside: boolean): Deploy {
  const space = createAddressSpace();
  return async (bytes) => {
    const sample: Record<string, number> = {};
    let last = performance.now();
    const lap = (part: string): void => {
      const now = performance.now();
      sample[part] = now - last;
      last = performance.now();
    };
    if (inside) {
      if (!WebAssembly.validate(new Uint8Array(bytes))) throw new RangeError('the module is not valid');
      lap('validateMs');
      decodeModule(bytes);
      lap('decodeMs');
    }
    const guarded = guardModule(bytes, { imports: new Map() });
    lap('guardMs');
    verifyModule(guarded, { imports: new Map() });
    lap('verifyMs');
    const module = await WebAssembly.compile(new Uint8Array(guarded.bytes));
    lap('compileMs');
    const instance = new WebAssembly.Instance(module, { jord: { memory: space.memory } });
    lap('instantiateMs');
    const base = space.createHome(guarded.layout);
    exportedFunction(instance, INIT_EXPORT)(base);
    lap('initialiseMs');
    return { ...sample, guardedBytes: guarded.bytes.length };
  };
}

async function takeSamples(
  deploy: Deploy,
  bytes: Uint8Array,
  warmUpMs: number,
  count: number,
): Promise<DeploySample[]> {
  let number = 0;
  if (warmUpMs > 0) {
    const end = performance.now() + warmUpMs;
    while (number < WARM_UP_DEPLOYS_MIN || (performance.now() < end && number < WARM_UP_DEPLOYS_MAX)) {
      await deploy(distinguish(bytes, number++));
    }
  }
  const samples: DeploySample[] = [];
  while (samples.length < count) samples.push(await deploy(distinguish(bytes, number++)));
  return samples;
}

async function main([file = '', mode, warmUpMs, count]: readonly string[]): Promise<void> {
  const bytes = await readFile(file);
  const server = mode === 'server' ? await serverDeploy() : undefined;
  const deploy = server?.deploy ?? partsDeploy(mode === 'parts');
  const samples = await takeSamples(deploy, bytes, Number(warmUpMs), Number(count));
  await server?.stop();
  console.log(JSON.stringify(samples));
}

if (import.meta.main) await main(process.argv.slice(2));
