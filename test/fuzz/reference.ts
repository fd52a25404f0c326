/**
 * The reference: plain V8 in a memory of its own, in which the function's memory is at 0 and VMAs are where they are in the
 * address space. Before each access it asks the model; after that, V8 alone says what the access does.
 */
import { ADDRESS_SPACE_PAGES, RED_ZONE } from '../../core/layout.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import type { Module } from '../../src/guard/module.ts';
import type { FunctionType } from '../../src/guard/types.ts';
import { makeTrap } from '../../src/server/trap.ts';
import { HOOKS_EXPORT, type Hooks, hookFunctions, instrument, REFERENCE_MEMORY } from './instrument.ts';
import { Model, ModelError, type ModelOptions } from './model.ts';
import { type Call, callables, type Outcome, trapOf, valuesOf } from './outcome.ts';

/** Accesses, calls and rounds of loops after which a run is given up: the case is too long to say anything. */
const STEPS_MAX = 2_000_000;

/** The case took too long here. */
export class TooLong extends Error {}

export interface ReferenceRun {
  readonly outcomes: readonly Outcome[];
  readonly model: Model;
  /** For each call, whether it ended at an access that the guard may refuse or allow. */
  readonly wasFree: readonly boolean[];
  /** What the guarded run did that it must not have done; the run ends there. */
  readonly problem: string | undefined;
}

export interface ReferenceOptions extends Omit<ModelOptions, 'memory'> {
  readonly calls: readonly Call[];
  /** What the calls came to with guards, for what may be refused or allowed. */
  readonly there: readonly Outcome[];
  /** For each call, how many accesses that look like the one refused there were allowed before it. */
  readonly allowedBefore: readonly number[];
  /** What the VMAs hold at first, by their addresses. */
  readonly contents: ReadonlyMap<number, Uint8Array>;
}

/** A module that is ready for the reference. */
export interface ReferenceModule {
  readonly module: WebAssembly.Module;
  readonly decoded: Module;
}

export class Reference {
  readonly bytes: Buffer;
  readonly #memory: WebAssembly.Memory;
  readonly #hooks: readonly unknown[];
  readonly #trap: unknown = makeTrap();
  #model: Model | undefined;
  #problem: Error | undefined;
  #steps = 0;

  constructor() {
    this.#memory = new WebAssembly.Memory({ initial: ADDRESS_SPACE_PAGES, maximum: ADDRESS_SPACE_PAGES, shared: true });
    this.bytes = Buffer.from(this.#memory.buffer, 0, 0xff00_0000);
    const step = (): void => {
      this.#steps += 1;
      if (this.#steps > STEPS_MAX) this.#fail(new TooLong('too many steps'));
    };
    const model = (): Model => {
      step();
      if (this.#model === undefined) throw new Error('nothing runs');
      return this.#model;
    };
    const hooks: Hooks = {
      check: (pointer, offset, access) => (model().refuses(pointer >>> 0, offset >>> 0, access) ? 1 : 0),
      range: (pointer, length, access) => (model().refusesRange(pointer >>> 0, length >>> 0, access) ? 1 : 0),
      size: () => model().pages,
      grow: (pages) => model().grow(pages >>> 0),
      step,
    };
    this.#hooks = hookFunctions(hooks);
  }

  load(bytes: Uint8Array): ReferenceModule {
    return { module: new WebAssembly.Module(instrument(bytes)), decoded: decodeModule(bytes) };
  }

  /** Ends what runs with a trap, which no handler of the module sees, and throws the error when that has ended. */
  #fail(error: Error): never {
    this.#problem = error;
    throw this.#trap;
  }

  /** Throws TooLong when nothing can be said. */
  run({ module, decoded }: ReferenceModule, options: ReferenceOptions): ReferenceRun {
    this.bytes.fill(0, 0, options.memoryLimit + RED_ZONE);
    for (const [start, content] of options.contents) this.bytes.set(content, start);
    const model = new Model({ ...options, memory: this.bytes });
    this.#model = model;
    this.#steps = 0;
    const instance = new WebAssembly.Instance(module, this.#imports(decoded, model));
    const hooks = instance.exports[HOOKS_EXPORT];
    if (!(hooks instanceof WebAssembly.Table)) throw new Error('the reference has no hooks');
    for (const [i, hook] of this.#hooks.entries()) hooks.set(i, hook);
    const functions = callables(instance.exports, exportedTypes(decoded));
    const outcomes: Outcome[] = [];
    const wasFree: boolean[] = [];
    for (const [i, { name, values }] of options.calls.entries()) {
      const f = functions.get(name);
      if (f === undefined) throw new Error(`the module does not export ${name}`);
      try {
        outcomes.push(this.#call(() => f(...values), model, options.there[i], options.allowedBefore[i] ?? 0));
      } catch (error) {
        if (error instanceof ModelError) return { outcomes, model, wasFree, problem: error.message };
        throw error;
      }
      wasFree.push(model.refusal !== undefined && model.wasFree);
    }
    return { outcomes, model, wasFree, problem: undefined };
  }

  #call(f: () => unknown, model: Model, there: Outcome | undefined, allowedBefore: number): Outcome {
    model.refusal = undefined;
    model.allowedBefore = allowedBefore;
    const trap = there !== undefined && 'trap' in there ? there.trap : undefined;
    model.refusedThere = trap?.address === undefined ? undefined : { address: trap.address, access: trap.access ?? 0 };
    try {
      return { values: valuesOf(f()) };
    } catch (error) {
      const problem = this.#problem;
      this.#problem = undefined;
      if (problem !== undefined) throw problem;
      // Set within this call, and followed by a trap: `refusal` is undefined before each call.
      const refusal: Model['refusal'] = model.refusal;
      if (refusal === undefined) return { trap: trapOf(error) };
      const { address, access, isWait } = refusal;
      return { trap: { reason: isWait ? 'wait' : 'memory', address, access } };
    }
  }

  #imports(decoded: Module, model: Model): WebAssembly.Imports {
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {
      [REFERENCE_MEMORY.module]: { [REFERENCE_MEMORY.name]: this.#memory },
    };
    for (const { kind, module, name } of decoded.imports) {
      if (kind !== 'function') continue;
      const f = (...parameters: (number | bigint)[]): number | undefined => this.#ask(model, name, parameters);
      imports[module] = { ...imports[module], [name]: f };
    }
    return imports;
  }

  #ask(model: Model, name: string, parameters: readonly (number | bigint)[]): number | undefined {
    this.#steps += 1;
    try {
      return model.call(name, parameters);
    } catch (error) {
      if (error instanceof ModelError) this.#fail(error);
      throw error;
    }
  }
}

/** Exported functions with their types. */
export function exportedTypes(decoded: Module): { readonly name: string; readonly type: FunctionType }[] {
  return decoded.exports.flatMap(({ kind, name, index }) => {
    const type = decoded.types[decoded.functions[index] ?? -1];
    return kind === 'function' && type !== undefined ? [{ name, type }] : [];
  });
}
