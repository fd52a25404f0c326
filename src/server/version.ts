/**
 * From bytes to a version of a function that can run: guard, verify, compile, run the initialisers once in a template home,
 * make the image of it. Nothing else makes a module that an executor runs, also of what the store has.
 */
import { FUNCTION_TABLE } from '../../core/layout.ts';
import { JordError } from '../errors.ts';
import {
  ABI_IMPORTS,
  ABI_MODULE,
  checkExports,
  HANDLE_EXPORT,
  INITIALIZE_EXPORT,
  SUSPENDING_FUNCTIONS,
} from '../functions/abi.ts';
import { checkConcurrency } from '../functions/concurrency.ts';
import { checkDeadlineMs, DEADLINE_MS_DEFAULT } from '../functions/deadline.ts';
import { checkFetchAllow } from '../functions/fetch-allow.ts';
import { moduleVersion } from '../functions/store.ts';
import { guardModule } from '../guard/guard.ts';
import { type GuardedModule, type HomeLayout, INIT_EXPORT } from '../guard/types.ts';
import { statusError } from './errors.ts';
import type { Executor, Handle, LoadedFunction } from './executor.ts';
import { classifyFault, type Fault } from './faults.ts';
import { failed } from './privlib.ts';
import { compileProven } from './proven-module.ts';
import type { DeployOptions } from './types.ts';

/** A version of a function, guarded, compiled and with its image made. */
export interface Version {
  readonly name: string;
  /** SHA-256 of the module as deployed. */
  readonly hash: string;
  readonly sizeBytes: number;
  readonly guardedSizeBytes: number;
  readonly layout: HomeLayout;
  readonly deadlineMs: number;
  readonly concurrency: number | null;
  readonly fetchAllow: readonly string[];
  readonly imports: readonly string[];
  readonly descriptor: number;
  readonly module: WebAssembly.Module;
  readonly handle: Handle;
  readonly loadMs: number;
}

/** Homes of one function, over all executors: as many as the address space holds. */
const HOMES_MAX = 65535;

/**
 * Makes a version ready on an executor; it is not reachable yet. `argBufBytesMax` bounds what one invocation may have in ArgBufs.
 *
 * Throws the MODULE_* errors, BAD_OPTION, and ADDRESS_SPACE_EXHAUSTED when there is no room for its homes.
 */
export async function loadVersion(
  executor: Executor,
  name: string,
  bytes: Uint8Array,
  options: DeployOptions,
  argBufBytesMax = 0,
): Promise<Version> {
  const started = performance.now();
  const deadlineMs = checkDeadlineMs('deadlineMs', options.deadlineMs ?? DEADLINE_MS_DEFAULT);
  const { concurrency: limit } = options;
  const concurrency = limit === undefined ? null : checkConcurrency('concurrency', limit);
  const fetchAllow = checkFetchAllow(options.fetchAllow ?? []);
  const guarded = guardModule(bytes, { imports: ABI_IMPORTS, ...options });
  checkExports(guarded.exports);
  const module = await compileProven(guarded);
  const instance = instantiate(executor, name, module);
  const descriptor = createDescriptor(executor, name, guarded, { deadlineMs, concurrency, argBufBytesMax });
  executor.setVersion(descriptor, name, fetchAllow);
  try {
    makeImage(executor, name, descriptor, guarded, instance);
  } catch (error) {
    discard(executor, descriptor);
    throw error;
  }
  const { layout, imports } = guarded;
  if (SUSPENDING_IMPORTS.some((suspending) => imports.includes(suspending))) {
    executor.privLib.functionSuspends(descriptor, 1);
  }
  return {
    name,
    hash: moduleVersion(bytes),
    sizeBytes: bytes.length,
    guardedSizeBytes: guarded.bytes.length,
    layout,
    deadlineMs,
    concurrency,
    fetchAllow,
    imports,
    descriptor,
    module,
    handle: instance.exports[HANDLE_EXPORT] as Handle,
    loadMs: performance.now() - started,
  };
}

/** A version as its executor needs it; `index` is the function's id less FUNCTION_ID_FIRST. */
export function loadedFunction({ name, descriptor, layout, module, handle }: Version, index: number): LoadedFunction {
  return { name, index, descriptor, memoryLimit: layout.memoryLimit, module, handle };
}

const SUSPENDING_IMPORTS: readonly string[] = SUSPENDING_FUNCTIONS.map((name) => `${ABI_MODULE}.${name}`);

/**
 * Takes a version out of use, as far as this executor goes. Returns false while it has homes anywhere: then call again later.
 * The descriptor is gone when this returns true.
 */
export function discard(executor: Executor, descriptor: number): boolean {
  const { privLib } = executor;
  privLib.functionRetire(descriptor);
  privLib.poolTrim(executor.control, descriptor, 0);
  if (privLib.functionDestroy(descriptor) !== 0) return false;
  executor.forget(descriptor);
  return true;
}

/** Element segments are all that V8 itself writes then: into tables of the instance. */
function instantiate(executor: Executor, name: string, module: WebAssembly.Module): WebAssembly.Instance {
  try {
    return new WebAssembly.Instance(module, executor.imports);
  } catch (error) {
    const fault = classifyFault(name, error, new Uint32Array(0), 0);
    if (fault === undefined) throw error;
    throw initFailed(name, fault);
  }
}

function initFailed(name: string, { details }: Fault): JordError {
  const message = `${name} failed while it was initialised: ${details.reason}.`;
  return new JordError('MODULE_INIT_FAILED', message, { ...details });
}

function createDescriptor(
  executor: Executor,
  name: string,
  { layout }: GuardedModule,
  limits: { readonly deadlineMs: number; readonly concurrency: number | null; readonly argBufBytesMax: number },
): number {
  const descriptor = executor.privLib.functionCreate(
    layout.headerSize,
    layout.memoryLimit,
    layout.memoryInitialPages,
    layout.chunkShift,
    layout.mapOffset,
    layout.mapSize,
    layout.globalsSize,
    HOMES_MAX,
    limits.deadlineMs,
    limits.concurrency ?? 0,
    limits.argBufBytesMax,
  );
  if (descriptor < FUNCTION_TABLE) throw statusError(descriptor, `the function ${name}`);
  return descriptor;
}

function makeImage(
  executor: Executor,
  name: string,
  descriptor: number,
  { layout }: GuardedModule,
  instance: WebAssembly.Instance,
): void {
  executor.beginRoot();
  try {
    runInitialisers(executor, name, descriptor, layout, instance);
  } finally {
    executor.endRoot();
  }
}

/** In the template, whose deadline is the function's. */
function runInitialisers(
  executor: Executor,
  name: string,
  descriptor: number,
  layout: HomeLayout,
  instance: WebAssembly.Instance,
): void {
  const { privLib, hostBase } = executor;
  const pd = executor.takingHomes(() => privLib.pdCreate(descriptor, hostBase));
  if (failed(pd)) throw statusError(pd, `a home of ${name} (${layout.homeSize} bytes)`);
  const base = privLib.pdHome(pd);
  privLib.pdEnter(pd, hostBase);
  try {
    (instance.exports[INIT_EXPORT] as (base: number) => void)(base);
    (instance.exports[INITIALIZE_EXPORT] as ((base: number) => void) | undefined)?.(base);
    expectOk(privLib.pdExit(pd, hostBase), name);
    const seal = (): number => privLib.functionSeal(pd, layout.globalsSize, HOMES_MAX, hostBase);
    expectOk(executor.takingHomes(seal), name);
  } catch (error) {
    const fault = classifyFault(name, error, executor.faults.header(base), layout.memoryLimit);
    if (fault === undefined) throw error;
    throw initFailed(name, fault);
  } finally {
    privLib.callAbort(base, hostBase);
  }
}

function expectOk(status: number, name: string): void {
  if (status !== 0) throw statusError(status, `the image of ${name}`);
}
