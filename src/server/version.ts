/**
 * From bytes to a version of a function that can run: guard, verify, compile, run the initialisers once in a template home,
 * make the image of it. Nothing else makes a module that an executor runs, also of what the store has.
 */
import { FUNCTION_TABLE, PAGE_SIZE } from '../../core/layout.ts';
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
import { checkKvRights } from '../functions/kv-rights.ts';
import { moduleVersion } from '../functions/store.ts';
import { nextAlone } from '../guard/alone.ts';
import { guardModule } from '../guard/guard.ts';
import { type Alone, type GuardedModule, type GuardOptions, type HomeLayout, INIT_EXPORT } from '../guard/types.ts';
import { statusError } from './errors.ts';
import type { Executor, Handle, LoadedFunction } from './executor.ts';
import { classifyFault, type Fault } from './faults.ts';
import type { KvBinding } from './kv/spaces.ts';
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
  readonly kv: readonly string[];
  readonly imports: readonly string[];
  readonly descriptor: number;
  readonly module: WebAssembly.Module;
  readonly handle: Handle;
  readonly loadMs: number;
}

/** A module that may be instantiated. */
export interface Prepared {
  readonly guarded: GuardedModule;
  readonly module: WebAssembly.Module;
}

/** What PrivLib and the executor are told of a version beside its module. */
export interface VersionSettings {
  readonly deadlineMs: number;
  readonly concurrency: number | null;
  /** Bounds what one invocation may have in ArgBufs; 0 is no limit. */
  readonly argBufBytesMax: number;
  readonly fetchAllow: readonly string[];
  /** Spaces of the key-value store that it may use. */
  readonly spaces?: readonly KvBinding[];
}

/** A version on its executor: its image is made, so homes of it can be. */
export interface Initialised {
  readonly descriptor: number;
  readonly instance: WebAssembly.Instance;
}

/** Homes of one function, over all executors: as many as the address space holds. */
const HOMES_MAX = 65535;

/**
 * From bytes to a module that may be instantiated in the address space. There is no other way there, for deploys as for the
 * tests: what the guard has made is proven here, and nothing else is handed out.
 *
 * Throws the MODULE_* errors of guard and verifier, and BAD_OPTION.
 */
export async function prepare(bytes: Uint8Array, options: GuardOptions): Promise<Prepared> {
  let alone: Alone = new Set();
  for (;;) {
    const guarded = guardModule(bytes, { ...options, alone });
    try {
      return { guarded, module: await compileProven(guarded, options.imports) };
    } catch (error) {
      const next = nextAlone(alone, error);
      if (next === undefined) throw error;
      alone = next;
    }
  }
}

/** What the memory of a function may grow to, in bytes. */
export function memoryLimitOf(layout: HomeLayout): number {
  return layout.memoryMaximumPages * PAGE_SIZE;
}

/** What all functions of a server have in common. */
export interface LoadSettings {
  /** Bounds what one invocation may have in ArgBufs; 0 is no limit. */
  readonly argBufBytesMax?: number;
  readonly maskAddresses?: boolean;
  /** What entries of `DeployOptions.kv` mean. Left out, there are no spaces. */
  readonly kvBindings?: (entries: readonly string[]) => readonly KvBinding[];
}

/**
 * Makes a version ready on an executor; it is not reachable yet.
 *
 * Throws the MODULE_* errors, BAD_OPTION, and ADDRESS_SPACE_EXHAUSTED when there is no room for its homes.
 */
export async function loadVersion(
  executor: Executor,
  name: string,
  bytes: Uint8Array,
  options: DeployOptions,
  { argBufBytesMax = 0, maskAddresses = false, kvBindings = () => [] }: LoadSettings = {},
): Promise<Version> {
  const started = performance.now();
  const deadlineMs = checkDeadlineMs('deadlineMs', options.deadlineMs ?? DEADLINE_MS_DEFAULT);
  const { concurrency: limit } = options;
  const concurrency = limit === undefined ? null : checkConcurrency('concurrency', limit);
  const fetchAllow = checkFetchAllow(options.fetchAllow ?? []);
  const kv = checkKvRights(options.kv ?? []);
  const prepared = await prepare(bytes, { ...options, imports: ABI_IMPORTS, maskAddresses });
  const { guarded, module } = prepared;
  checkExports(guarded.exports);
  const settings = { deadlineMs, concurrency, argBufBytesMax, fetchAllow, spaces: kvBindings(kv) };
  const { descriptor, instance } = initialise(executor, name, prepared, settings);
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
    kv,
    imports,
    descriptor,
    module,
    handle: instance.exports[HANDLE_EXPORT] as Handle,
    loadMs: performance.now() - started,
  };
}

/**
 * Brings a prepared module to life on an executor: an instance, a descriptor, and the image, for which the initialisers run.
 * `imports` are what the module gets; `prepare` was told what it may ask for.
 *
 * Throws MODULE_INIT_FAILED with FaultDetails, and ADDRESS_SPACE_EXHAUSTED. Then nothing of it is left.
 */
export function initialise(
  executor: Executor,
  name: string,
  { guarded, module }: Prepared,
  settings: VersionSettings,
  imports: WebAssembly.Imports = executor.imports,
): Initialised {
  const instance = instantiate(name, module, imports);
  const descriptor = createDescriptor(executor, name, guarded, settings);
  executor.setVersion(descriptor, name, settings.fetchAllow);
  try {
    bindSpaces(executor, name, descriptor, settings.spaces ?? []);
    makeImage(executor, name, descriptor, guarded, instance);
  } catch (error) {
    discard(executor, descriptor);
    throw error;
  }
  return { descriptor, instance };
}

/** A version as its executor needs it; `index` is the function's id less FUNCTION_ID_FIRST. */
export function loadedFunction({ name, descriptor, layout, module, handle }: Version, index: number): LoadedFunction {
  return { name, index, descriptor, memoryLimit: memoryLimitOf(layout), module, handle };
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
function instantiate(name: string, module: WebAssembly.Module, imports: WebAssembly.Imports): WebAssembly.Instance {
  try {
    return new WebAssembly.Instance(module, imports);
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
  settings: VersionSettings,
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
    settings.deadlineMs,
    settings.concurrency ?? 0,
    settings.argBufBytesMax,
  );
  if (descriptor < FUNCTION_TABLE) throw statusError(descriptor, `the function ${name}`);
  return descriptor;
}

/** Before anything of it runs: its initialisers may use spaces too. */
function bindSpaces(executor: Executor, name: string, descriptor: number, spaces: readonly KvBinding[]): void {
  for (const [slot, { space, rights }] of spaces.entries()) {
    const status = executor.privLib.kvBind(descriptor, slot, space, rights, executor.hostBase);
    if (status !== 0) throw statusError(status, `a space of ${name}`);
  }
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
    const fault = classifyFault(name, error, executor.faults.header(base), memoryLimitOf(layout));
    if (fault === undefined) throw error;
    throw initFailed(name, executor.faults.withLastWords(fault, base));
  } finally {
    privLib.callAbort(base, hostBase);
  }
}

function expectOk(status: number, name: string): void {
  if (status !== 0) throw statusError(status, `the image of ${name}`);
}
