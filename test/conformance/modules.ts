/**
 * Modules of the tests as the worker server would run them: guarded, compiled and initialised on a real executor, each then
 * in a PD of its own, in which its state lasts from command to command as the specification has it.
 */
import { DEADLINE_FAR_MS, HOME_GLOBALS, HOME_MEMORY_PAGES, RED_ZONE, TIMEOUT_MS_MAX } from '../../core/layout.ts';
import { withBase } from '../../src/guard/plan.ts';
import type { GuardOptions, HomeLayout, ModuleExport } from '../../src/guard/types.ts';
import { Executor, LONE_EXECUTOR } from '../../src/server/executor.ts';
import { createAddressSpace, failed } from '../../src/server/privlib.ts';
import type { FaultDetails } from '../../src/server/types.ts';
import { discard, initialise, prepare } from '../../src/server/version.ts';
import { type AdaptedFunction, adaptExports, resultsOf } from './adapter.ts';

/** A module that has been initialised. */
export interface LoadedModule {
  readonly descriptor: number;
  readonly layout: HomeLayout;
  readonly exports: readonly ModuleExport[];
  /** Take carriers, then `base`. */
  readonly functions: ReadonlyMap<string, AdaptedFunction>;
  /** The same without the adapter, for other modules to import. */
  readonly plain: WebAssembly.Exports;
}

/** A PD in which a module runs. */
export interface Life {
  readonly module: LoadedModule;
  readonly pd: number;
  readonly base: number;
}

/** What came of an invocation: results as carriers, or a fault as the server would report it. */
export type Outcome = { readonly results: readonly unknown[] } | { readonly fault: FaultDetails };

/** Behind this the memory of a home is not looked at. */
const COMPARED_BYTES_MAX = 1 << 20;

/** An executor with nothing else on it, and what runs there. */
export class ModuleHost {
  readonly #executor = new Executor(createAddressSpace({ callDepthMax: 16 }), LONE_EXECUTOR);
  readonly #lives = new Map<LoadedModule, Life>();
  readonly #freeAtFirst = this.#executor.privLib.homeMemoryFree();

  /** Throws what a deploy would. `host` has the functions that `options` offers, by module and name. */
  async load(bytes: Uint8Array, options: GuardOptions, host: WebAssembly.Imports): Promise<LoadedModule> {
    const executor = this.#executor;
    const prepared = await prepare(bytes, options);
    const settings = { deadlineMs: TIMEOUT_MS_MAX, concurrency: null, argBufBytesMax: 0, fetchAllow: [] };
    const imports = { ...host, ...executor.imports };
    const { descriptor, instance } = initialise(executor, 'test', prepared, settings, imports);
    const { layout, exports } = prepared.guarded;
    const functions = adaptExports(
      instance.exports,
      exports.map(({ name, type }) => ({ name, type: withBase(type) })),
    );
    return { descriptor, layout, exports, functions, plain: instance.exports };
  }

  /** Begins a life in a home that is as the initialisers left it. */
  begin(module: LoadedModule): Life {
    const { privLib, hostBase } = this.#executor;
    this.#executor.beginRoot(DEADLINE_FAR_MS - 1);
    const pd = privLib.pdCreate(module.descriptor, hostBase);
    this.#executor.endRoot();
    if (failed(pd)) throw new Error(`pdCreate: status ${pd}`);
    const life = { module, pd, base: privLib.pdHome(pd) };
    this.#lives.set(module, life);
    return life;
  }

  /** The life of a module that has begun and not ended. */
  lifeOf(module: LoadedModule): Life {
    const life = this.#lives.get(module);
    if (life === undefined) throw new Error('the module has no life');
    return life;
  }

  /** One action: enters the PD, runs an export with carriers, exits. */
  invoke({ module, pd, base }: Life, name: string, values: readonly unknown[]): Outcome {
    const { privLib, hostBase, faults } = this.#executor;
    const f = module.functions.get(name);
    if (f === undefined) throw new Error(`there is no export ${name}`);
    expectOk('pdEnter', privLib.pdEnter(pd, hostBase));
    try {
      return { results: resultsOf(f(...values, base)) };
    } catch (error) {
      const faulty = { name: 'test', index: 0, memoryLimit: module.layout.memoryLimit };
      const fault = faults.describe(faulty, error, base);
      if (fault === undefined) throw error;
      return { fault: fault.details };
    } finally {
      expectOk('pdExit', privLib.pdExit(pd, hostBase));
    }
  }

  /** Ends a life as an invocation ends: the home goes back into its pool as its image has it. */
  end({ module, pd }: Life): void {
    expectOk('pdDestroy', this.#executor.privLib.pdDestroy(pd, this.#executor.hostBase));
    this.#lives.delete(module);
  }

  discard({ descriptor }: LoadedModule): void {
    if (!discard(this.#executor, descriptor)) throw new Error('a module that is discarded has homes');
  }

  /** Throws unless all that was loaded is gone without a trace. */
  expectEmpty(): void {
    const lost = this.#freeAtFirst - this.#executor.privLib.homeMemoryFree();
    if (lost !== 0 || !this.#executor.isIdle) throw new Error(`${lost} bytes of homes are not given back`);
  }

  /** What `memory.size` says. */
  pagesOf({ base }: Life): number {
    return this.#executor.word(base + HOME_MEMORY_PAGES);
  }

  /** The memory of a home with its red zone, not a copy. */
  memoryOf({ module, base }: Life): Uint8Array {
    const start = base + module.layout.headerSize;
    return this.#executor.bytes.subarray(start, start + module.layout.memoryLimit + RED_ZONE);
  }

  /** A copy of what a life begins with: size, globals and memory, up to a limit. */
  snapshot(life: Life): Buffer {
    const globals = life.base + HOME_GLOBALS;
    return Buffer.concat([
      Uint8Array.of(...new Uint8Array(Uint32Array.of(this.pagesOf(life)).buffer)),
      this.#executor.bytes.subarray(globals, globals + life.module.layout.globalsSize),
      this.memoryOf(life).subarray(0, COMPARED_BYTES_MAX),
    ]);
  }
}

function expectOk(operation: string, status: number): void {
  if (status !== 0) throw new Error(`${operation}: status ${status}`);
}
