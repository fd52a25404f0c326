/** The process of a system under test: see system-process.ts. */
import { DATA_SEED, loadSubject } from './applications.ts';
import { checkAgainstModel } from './check.ts';
import { runFront } from './load/front.ts';
import { Generator, type Load } from './load/generator.ts';
import { measureUnloaded } from './load/unloaded.ts';
import { makeSystem } from './registry.ts';
import type { System } from './system.ts';
import type { FromSystem, Measurement, SystemProcessData, ToSystem } from './system-process.ts';

const POOL_SIZE = 16_384;
const CHECK_SEED = 11;
const REQUEST_SEED = 17;
const STOP_MS_MAX = 3000;

const send = process.send?.bind(process);
if (send === undefined) throw new Error('this file is started by a benchmark, not by hand');
const { system: name, applicationUrl, options, checks } = JSON.parse(process.argv[2] ?? '') as SystemProcessData;

async function measure(system: System, generator: Generator, load: Load): Promise<Measurement> {
  const schedule = await generator.schedule(load);
  const front = await runFront(system, generator.pool, load, schedule);
  return { ...(await generator.reckon(load, schedule)), ...front };
}

async function answer(work: () => Promise<FromSystem>): Promise<void> {
  try {
    send?.(await work());
  } catch (error) {
    send?.({ kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

const system = makeSystem(name, options);
let generator: Generator | undefined;

async function start(): Promise<FromSystem> {
  const subject = await loadSubject(applicationUrl);
  await system.start(subject);
  await checkAgainstModel(system, subject, CHECK_SEED, checks);
  generator = await Generator.start({
    applicationUrl,
    dataSeed: DATA_SEED,
    requestSeed: REQUEST_SEED,
    poolSize: POOL_SIZE,
  });
  return { kind: 'ready' };
}

async function perform(message: ToSystem): Promise<FromSystem> {
  if (generator === undefined) throw new Error('it has not started');
  switch (message.kind) {
    case 'measure':
      return { kind: 'measured', measurement: await measure(system, generator, message.load) };
    case 'unloaded': {
      const { first, count } = message;
      return { kind: 'unloaded', unloaded: await measureUnloaded(system, generator.pool, first, count) };
    }
    case 'profile':
      return { kind: 'profiled', profile: await system.profile?.() };
    default:
      return message satisfies never;
  }
}

process.on('message', (message: ToSystem) => void answer(() => perform(message)));
/** However far it has come. */
process.once('disconnect', () => {
  const force = setTimeout(() => process.exit(1), STOP_MS_MAX);
  void Promise.allSettled([system.stop(), generator?.stop()]).then(() => {
    clearTimeout(force);
    process.exit();
  });
});
await answer(start);
