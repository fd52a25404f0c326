/**
 * What a nested call costs, and what its parts cost.
 *
 * `nested-call/<bytes>`: one function calls another and gets its argument back, on the worker server as it is: argument
 * checked and moved, PD created and entered, callee run, PD left, response moved, home restored. The callee reads and
 * writes its argument in place and writes to its home, so that there is something to restore.
 * `nested-call-unsafe/<bytes>`: the same two modules, the same frame with try and catch between them, guard and PDs off.
 * `pd-create` … `vma-move` …: operations of PrivLib, called from JavaScript, the time of an empty call taken off.
 */
import { PERMISSION_READ } from '../core/layout.ts';
import { Executor, FUNCTION_ID_FIRST, LONE_EXECUTOR } from '../src/server/executor.ts';
import { createAddressSpace, failed, instantiatePrivLib } from '../src/server/privlib.ts';
import { loadedFunction, loadVersion } from '../src/server/version.ts';
import { CALLEE, CALLER, callerRequest, callsMade, nestedCallModule } from './applications/nested-call.ts';
import { type UnsafePair, unsafePair } from './applications/unsafe-call.ts';
import { type Experiment, type ExperimentOptions, runExperiment } from './harness/experiment.ts';
import { type Result, resultOf } from './harness/report.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const ARGUMENT_SIZES = [64, 4 * KIB, MIB, 16 * MIB];

/** Runs `count` calls and returns how long they took in ms; the frame around them is measured with 0 calls. */
type Calls = (count: number) => number;

interface Effort {
  readonly rounds: number;
  readonly calls: number;
  readonly warmUpRounds: number;
}

/** Numbers of calls are multiples of BATCH. */
const EFFORT: Effort = { rounds: 61, calls: 102_400, warmUpRounds: 15 };
const QUICK_EFFORT: Effort = { rounds: 11, calls: 20_480, warmUpRounds: 10 };

/** Time of one call in ns: `(T(calls) - T(0)) / calls`, one sample a round, all variants in each round in turn. */
function sampleCalls(variants: ReadonlyMap<string, Calls>, effort: Effort): Map<string, number[]> {
  const samples = new Map([...variants.keys()].map((name) => [name, [] as number[]]));
  for (let round = -effort.warmUpRounds; round < effort.rounds; round++) {
    const order = [...variants];
    if (round % 2 !== 0) order.reverse();
    for (const [name, run] of order) {
      const frameMs = run(0);
      const ms = run(effort.calls);
      if (round >= 0) samples.get(name)?.push(((ms - frameMs) * 1e6) / effort.calls);
    }
  }
  return samples;
}

function toResults(samples: ReadonlyMap<string, readonly number[]>): Result[] {
  return [...samples].map(([name, values]) => resultOf(name, 'ns', values));
}

/** The worker server's own path, without the copies of the outermost request: they are in T(0). */
async function safeCalls(): Promise<(size: number) => Calls> {
  const functions = new Map<string, number>();
  const space = createAddressSpace({ callDepthMax: 512 });
  const executor = new Executor(space, {
    ...LONE_EXECUTOR,
    resolve: (name) => functions.get(name),
    log: ({ message }) => {
      throw new Error(message);
    },
  });
  for (const [index, name] of ([CALLER, CALLEE] as const).entries()) {
    const version = await loadVersion(executor, name, await nestedCallModule(name), {});
    functions.set(name, FUNCTION_ID_FIRST + index);
    executor.setFunction(FUNCTION_ID_FIRST + index, loadedFunction(version, index));
  }
  return (size) => (count) => {
    const request = callerRequest(count, size);
    const start = performance.now();
    const response = executor.invoke(FUNCTION_ID_FIRST, request);
    const ms = performance.now() - start;
    if (callsMade(response) !== count) throw new Error(`${callsMade(response)} calls instead of ${count}`);
    return ms;
  };
}

function unsafeCalls(pair: UnsafePair): (size: number) => Calls {
  return (size) => (count) => {
    const start = performance.now();
    const made = pair.run(count, size);
    const ms = performance.now() - start;
    if (made !== count) throw new Error(`${made} calls instead of ${count}`);
    return ms;
  };
}

/** One operation, and what undoes it; `index` is below BATCH. */
interface Part {
  readonly operation: (index: number) => void;
  readonly undo: (index: number) => void;
}

/** Operations are timed this many at a time, so that the clock costs little and all they touch stays in the cache. */
const BATCH = 64;

/** Each part timed alone: a batch of operations on the clock, then their undoing off it. */
function partCalls({ operation, undo }: Part): Calls {
  return (count) => {
    let ms = 0;
    for (let done = 0; done < count; done += BATCH) {
      const start = performance.now();
      for (let index = 0; index < BATCH; index++) operation(index);
      ms += performance.now() - start;
      for (let index = 0; index < BATCH; index++) undo(index);
    }
    return ms;
  };
}

/** Throws when a result is a status: what is measured must not be a refusal. */
function expect(result: number): number {
  if (failed(result)) throw new Error(`PrivLib refused with status ${result}`);
  return result >>> 0;
}

function expectOk(status: number): void {
  if (status !== 0) throw new Error(`PrivLib refused with status ${status}`);
}

/** Operations of PrivLib on an address space of their own. */
async function parts(): Promise<ReadonlyMap<string, Part>> {
  const space = createAddressSpace({ callDepthMax: 512 });
  const executor = new Executor(space, LONE_EXECUTOR);
  const { descriptor } = await loadVersion(executor, CALLEE, await nestedCallModule(CALLEE), {});
  const { hostBase: host } = executor;
  const privLib = instantiatePrivLib(space);
  const pd = expect(privLib.pdCreate(descriptor, host));
  const own = Array.from({ length: BATCH }, () => expect(privLib.vmaMap(64, host)));
  const vma = (index: number): number => own[index] ?? 0;
  const pds = (): Part =>
    pairOf(
      () => privLib.pdCreate(descriptor, host),
      (handle) => privLib.pdDestroy(handle, host),
    );
  const vmas = (size: number): Part =>
    pairOf(
      () => privLib.vmaMap(size, host),
      (address) => privLib.vmaUnmap(address, host),
    );
  const argBufs = (size: number): Part =>
    pairOf(
      () => privLib.argBufNew(size, host),
      (address) => privLib.vmaUnmap(address, host),
    );
  const moveBack = (index: number): void => {
    expectOk(privLib.pdEnter(pd, host));
    expectOk(privLib.vmaMove(vma(index), privLib.pdHandle(host), privLib.pdHome(pd)));
    expectOk(privLib.pdExit(pd, host));
  };
  const empty = { operation: () => void privLib.pdHandle(host), undo: () => {} };
  return new Map<string, Part>([
    [EMPTY, empty],
    ['pd-create', pds()],
    ['pd-destroy', reversed(pds())],
    ['vma-map', vmas(64)],
    ['vma-unmap', reversed(vmas(64))],
    ['vma-move', { operation: (i) => expectOk(privLib.vmaMove(vma(i), pd, host)), undo: moveBack }],
    ['vma-protect', { operation: (i) => expectOk(privLib.vmaProtect(vma(i), PERMISSION_READ, host)), undo: () => {} }],
    ['argbuf-new/64', argBufs(64)],
    ['argbuf-new/4096', argBufs(4 * KIB)],
    ['argbuf-new/65536', argBufs(64 * KIB)],
  ]);
}

/** An operation whose result is what its undoing takes. */
function pairOf(make: () => number, undo: (made: number) => number): Part {
  const made = new Array<number>(BATCH).fill(0);
  return {
    operation: (index) => {
      made[index] = expect(make());
    },
    undo: (index) => expectOk(undo(made[index] ?? 0)),
  };
}

/** Measures the undoing: what there is to undo is made before, off the clock. */
function reversed({ operation, undo }: Part): Part {
  for (let index = 0; index < BATCH; index++) operation(index);
  return { operation: undo, undo: operation };
}

const EMPTY = 'empty-call';

/** Takes the median time of an empty call off the others. */
function withoutCall(results: readonly Result[]): Result[] {
  const empty = results.find(({ name }) => name === EMPTY)?.value ?? 0;
  return results.map((result) => {
    if (result.name === EMPTY) return result;
    return { ...result, value: result.value - empty, low: result.low - empty, high: result.high - empty };
  });
}

async function run({ quick, only, progress }: ExperimentOptions): Promise<Result[]> {
  const effort = quick ? QUICK_EFFORT : EFFORT;
  const safe = await safeCalls();
  const unsafe = unsafeCalls(await unsafePair());
  const nested = new Map<string, Calls>();
  for (const size of ARGUMENT_SIZES) {
    nested.set(`nested-call/${size}`, safe(size));
    nested.set(`nested-call-unsafe/${size}`, unsafe(size));
  }
  const selected = (all: ReadonlyMap<string, Calls>): Map<string, Calls> =>
    new Map([...all].filter(([name]) => name.includes(only)));
  progress('nested calls');
  const calls = toResults(sampleCalls(selected(nested), effort));
  progress('parts');
  const partResults = new Map([...(await parts())].map(([name, part]): [string, Calls] => [name, partCalls(part)]));
  const selectedParts = [...partResults].filter(([name]) => name === EMPTY || name.includes(only));
  return [...calls, ...withoutCall(toResults(sampleCalls(new Map(selectedParts), effort)))];
}

export const experiment: Experiment = {
  name: 'call',
  summary: 'time of one nested call, with its parts, and with guard and PDs off',
  method: [
    'A function calls another, which reads and writes its argument and its own memory and gives the argument back.',
    `A sample is the time of ${EFFORT.calls} calls (--quick: ${QUICK_EFFORT.calls}) less that of none, by their number;`,
    `${EFFORT.rounds} samples (--quick: ${QUICK_EFFORT.rounds}), all rows in turn. 16 MiB: an ArgBuf is cleared in the frame, off the count.`,
    `Parts: operations of PrivLib called from JavaScript, ${BATCH} at a time; the median of empty-call is taken off.`,
  ],
  run,
};

if (import.meta.main) await runExperiment(experiment, process.argv.slice(2));
