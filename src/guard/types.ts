/** What the guard takes and gives. Sizes in bytes. */

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'funcref' | 'externref' | 'exnref';

export interface FunctionType {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** Functions by index. */
export type Alone = ReadonlySet<number> | 'all';

export interface GuardOptions {
  /** A multiple of 64 KiB. Default: 1 MiB above the initial memory, but never above the declared maximum. */
  readonly memoryLimitBytes?: number;
  /**
   * Also bounds addresses by computing, behind each check, so that a processor that guesses the check wrong still stays in the
   * home, or in a VMA of the PD; SECURITY.md says where not. The memory limit is rounded up to a power of two. Default: false.
   */
  readonly maskAddresses?: boolean;
  /**
   * Functions, by index, in which each access is guarded by itself, as if there were no other: `alone.ts` says what for. Default: none.
   */
  readonly alone?: Alone;
  /** Host functions that the module may import, by `module.name`, with their types as the module sees them (without `base`). */
  readonly imports: ReadonlyMap<string, FunctionType>;
}

/** How a home of this module is laid out; see core/layout.ts. */
export interface HomeLayout {
  /** From `base` to the function's address 0; a multiple of 64. */
  readonly headerSize: number;
  readonly memoryLimit: number;
  /** memoryLimit - 1 where addresses are masked, and memoryLimit is a power of two then; 0 where they are not. */
  readonly addressMask: number;
  readonly memoryInitialPages: number;
  /** What `memory.grow` may reach: memoryLimit in pages, or less where addresses are masked. */
  readonly memoryMaximumPages: number;
  /** log2 of the bytes that one byte of the dirty map stands for. */
  readonly chunkShift: number;
  /** From `base` to the dirty map, which covers [0, memoryLimit + RED_ZONE); a multiple of 16; its size is one of 128. */
  readonly mapOffset: number;
  readonly mapSize: number;
  /** From HOME_GLOBALS on: globals and dropped-segment flags. */
  readonly globalsSize: number;
  /** headerSize + memoryLimit + RED_ZONE, rounded up to HOME_ALIGNMENT. */
  readonly homeSize: number;
}

export interface ModuleExport {
  readonly name: string;
  /** As the module declares it; the guarded function takes one i32 more, `base`, as its last parameter. */
  readonly type: FunctionType;
}

export interface GuardedModule {
  /** The guarded module, a view of a buffer that may be larger. Imports `jord.memory` and the host functions, which take `base` as last parameter too. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly layout: HomeLayout;
  /** Function exports only; memory, table, global and tag exports are dropped. */
  readonly exports: readonly ModuleExport[];
  /** `module.name` of the host functions imported. */
  readonly imports: readonly string[];
}

/**
 * Exported by every guarded module, as (base: i32) → (). Runs once, in the template home: sets the mutable globals,
 * writes the active data segments and calls the start function.
 */
export const INIT_EXPORT = 'jord:init';
