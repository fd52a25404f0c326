/** From the bytes of a test to a module that lives, with what it imports. */
import { PAGE_SIZE } from '../../core/layout.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import { OP_MEMORY_GROW } from '../../src/guard/opcodes.ts';
import type { FunctionType, GuardOptions, ValueType } from '../../src/guard/types.ts';
import type { LoadedModule, ModuleHost } from './modules.ts';
import { uses } from './rebuild.ts';

export interface Running {
  /** What was guarded. */
  readonly bytes: Uint8Array;
  readonly module: LoadedModule;
  readonly host: WebAssembly.Imports;
  /** A memory of another module of the test, which here is one of its own. */
  readonly sharesMemory: boolean;
  readonly isLinked: boolean;
  /** What its first life began with. */
  readonly snapshot: Buffer;
  /** Whose functions it imports. */
  readonly suppliers: readonly Running[];
  /** A module that was refused, or has a memory of its own, would have changed memory, tables or globals of this one. */
  isDisturbed: boolean;
}

/** Whether a module may have another state here than in the specification, or one whose functions it calls. */
export function isDisturbed({ isDisturbed: own, suppliers }: Running): boolean {
  return own || suppliers.some(isDisturbed);
}

/** What a name of the script stands for. */
export type Current = Running | { readonly refused: string };

const PRINTS: ReadonlyMap<string, readonly ValueType[]> = new Map([
  ['print', []],
  ['print_i32', ['i32']],
  ['print_i64', ['i64']],
  ['print_f32', ['f32']],
  ['print_f64', ['f64']],
  ['print_i32_f32', ['i32', 'f32']],
  ['print_f64_f64', ['f64', 'f64']],
]);

/** Homes of modules that grow their memory, and the largest initial memory that gets so tight a limit as others. */
const GROWING_BYTES = 1024 * PAGE_SIZE;
const TIGHT_BYTES_MAX = 4096 * PAGE_SIZE;

export class Loader {
  /** An initialiser has called a function of another module since this was set to false. */
  isEntangled = false;
  readonly #modules: ModuleHost;
  #isInitialising = false;

  constructor(modules: ModuleHost) {
    this.#modules = modules;
  }

  /** Begins the first life of a module. Throws what a deploy would. */
  async start(bytes: Uint8Array, registered: ReadonlyMap<string, Current>, isLinked = false): Promise<Running> {
    const { types, host } = this.#offers(registered);
    this.#isInitialising = true;
    try {
      const module = await this.#modules.load(bytes, this.#options(bytes, types), host);
      const snapshot = this.#modules.snapshot(this.#modules.begin(module));
      const { imports } = decodeModule(bytes);
      const sharesMemory = imports.some((i) => i.kind === 'memory' && i.module !== 'spectest');
      const suppliers = imports
        .map((entry) => registered.get(entry.module))
        .filter((supplier) => supplier !== undefined && 'module' in supplier);
      return { bytes, module, host, sharesMemory, isLinked, snapshot, suppliers, isDisturbed: false };
    } finally {
      this.#isInitialising = false;
    }
  }

  /** The limit is as tight as can be, so that a trap of the specification is one here, unless the module wants to grow. */
  #options(bytes: Uint8Array, imports: ReadonlyMap<string, FunctionType>): GuardOptions {
    if (!WebAssembly.validate(Uint8Array.from(bytes))) return { imports };
    const module = decodeModule(bytes);
    const initial = (module.memories[0]?.minimum ?? 0) * PAGE_SIZE;
    if (initial > TIGHT_BYTES_MAX) return { imports };
    const isGrowing = uses(module, OP_MEMORY_GROW);
    return { imports, memoryLimitBytes: isGrowing ? Math.max(GROWING_BYTES, initial) : initial };
  }

  /** The functions of `spectest`, and the exports of registered modules, which run in the PDs of these. */
  #offers(registered: ReadonlyMap<string, Current>): {
    types: ReadonlyMap<string, FunctionType>;
    host: WebAssembly.Imports;
  } {
    const types = new Map<string, FunctionType>();
    const host: Record<string, Record<string, WebAssembly.ImportValue>> = {};
    const offer = (module: string, name: string, type: FunctionType, f: (...values: unknown[]) => unknown): void => {
      types.set(`${module}.${name}`, type);
      host[module] = { ...host[module], [name]: f };
    };
    for (const [name, parameters] of PRINTS) offer('spectest', name, { parameters, results: [] }, () => undefined);
    for (const [as, current] of registered) {
      if (!('module' in current)) continue;
      for (const { name, type } of current.module.exports) {
        const count = type.parameters.length;
        offer(as, name, type, (...values) => this.#callOther(current.module, name, values.slice(0, count)));
      }
    }
    return { types, host };
  }

  #callOther(module: LoadedModule, name: string, values: readonly unknown[]): unknown {
    if (this.#isInitialising) this.isEntangled = true;
    const f = module.plain[name];
    if (typeof f !== 'function') throw new Error(`there is no export ${name}`);
    return f(...values, this.#modules.lifeOf(module).base);
  }
}
