/** A decoded module: everything the binary format says, still close to it. Function bodies stay bytes until they are walked. */

import { quoteName } from './errors.ts';
import type { FunctionType, ValueType } from './types.ts';

export type ExternalKind = 'function' | 'table' | 'memory' | 'global' | 'tag';

/** Byte of each kind in the binary format. */
export const EXTERNAL_KINDS: readonly ExternalKind[] = ['function', 'table', 'memory', 'global', 'tag'];

/** `offset`s are bytes from the start of the module, for messages. */
export interface Import {
  readonly module: string;
  readonly name: string;
  readonly kind: ExternalKind;
  /** In the index space of its kind; imports come first there. */
  readonly index: number;
  readonly offset: number;
}

export interface Export {
  readonly name: string;
  readonly kind: ExternalKind;
  readonly index: number;
  readonly offset: number;
}

export interface Limits {
  readonly minimum: number;
  readonly maximum: number | undefined;
  readonly shared: boolean;
  readonly offset: number;
}

export interface Table extends Limits {
  readonly element: ValueType;
  /** A constant expression, where the table has its own. */
  readonly initial: Uint8Array | undefined;
}

export interface Global {
  readonly type: ValueType;
  readonly mutable: boolean;
  /** A constant expression with its `end`; empty for an imported global. */
  readonly initial: Uint8Array;
  readonly offset: number;
}

export interface ElementSegment {
  /** Bits as in the binary format: 1 passive or declarative, 2 explicit table or declarative, 4 expressions. */
  readonly flags: number;
  readonly table: number;
  /** Constant expression of an active segment; empty otherwise. */
  readonly place: Uint8Array;
  readonly type: ValueType;
  readonly functions: readonly number[];
  readonly expressions: readonly Uint8Array[];
  readonly offset: number;
}

export interface DataSegment {
  /** Constant expression of an active segment, undefined for a passive one. */
  readonly place: Uint8Array | undefined;
  readonly memory: number;
  readonly content: Uint8Array;
  readonly offset: number;
}

/** A body without its size: local declarations, then instructions. */
export interface Body {
  readonly start: number;
  readonly end: number;
}

/** Parts that are encoded; the guard makes a new one of these. */
export interface ModuleParts {
  readonly types: readonly FunctionType[];
  readonly imports: readonly Import[];
  /** Type index of every function, imported ones first. */
  readonly functions: readonly number[];
  readonly tables: readonly Table[];
  readonly memories: readonly Limits[];
  /** Type index of every tag. */
  readonly tags: readonly number[];
  readonly globals: readonly Global[];
  readonly exports: readonly Export[];
  readonly start: number | undefined;
  readonly elements: readonly ElementSegment[];
  readonly data: readonly DataSegment[];
  readonly names: Names;
}

export interface Names {
  readonly module: string | undefined;
  readonly functions: ReadonlyMap<number, string>;
}

/** Branch hints of a function: offsets from the start of its body, ascending, and a value for each. */
export interface BranchHints {
  readonly offsets: readonly number[];
  readonly values: readonly number[];
}

export interface Module extends ModuleParts {
  readonly bytes: Uint8Array;
  readonly hasDataCount: boolean;
  /** Of the functions that are not imported. */
  readonly bodies: readonly Body[];
  readonly importedFunctions: number;
  /** By function index. */
  readonly branchHints: ReadonlyMap<number, BranchHints>;
}

/** `function 12 "name"`, for messages. */
export function describeFunction(module: ModuleParts, index: number): string {
  const name =
    module.names.functions.get(index) ?? module.exports.find((e) => e.kind === 'function' && e.index === index)?.name;
  return name === undefined ? `function ${index}` : `function ${index} ${quoteName(name)}`;
}
