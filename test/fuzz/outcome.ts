/** What a call from outside came to, in words that are the same with and without guard. */
import { carriers } from '../../src/guard/testing-modules.ts';
import type { FunctionType, ValueType } from '../../src/guard/types.ts';
import { adaptExports, resultsOf } from '../conformance/adapter.ts';

/** A call of an export. Values are as `carriers` makes them. */
export interface Call {
  readonly name: string;
  readonly values: readonly (number | bigint)[];
}

/**
 * Why it trapped: `memory` and `segment` for bounds, `wait`, `deadline`, `stack`, `exception` for one that nothing caught;
 * anything else is V8's message.
 */
export interface Trap {
  readonly reason: string;
  /** Of `memory`: the effective address, modulo 2^32 where there is a guard, and the code of HOME_FAULT_ACCESS. */
  readonly address?: number;
  readonly access?: number;
}

export type Outcome = { readonly values: readonly (number | bigint)[] } | { readonly trap: Trap };

export type Callable = (...values: readonly unknown[]) => unknown;

/** What `error` is, when it is no guard's doing. Errors that no function can cause are thrown on. */
export function trapOf(error: unknown): Trap {
  if (error instanceof WebAssembly.Exception) return { reason: 'exception' };
  if (error instanceof RangeError) return { reason: 'stack' };
  // A v128 for a function of JavaScript.
  if (error instanceof TypeError && /^type incompatibility/.test(error.message)) return { reason: 'type' };
  if (!(error instanceof WebAssembly.RuntimeError)) throw error;
  return { reason: /^memory access out of bounds/.test(error.message) ? 'segment' : error.message };
}

export function valuesOf(result: unknown): (number | bigint)[] {
  return resultsOf(result).map((value) => (typeof value === 'bigint' ? value : Number(value)));
}

/** Whether JavaScript carries a value of this type with all its bits. */
export function isCarried(type: ValueType): boolean {
  return type === 'i32' || type === 'i64';
}

/** Exports by name, so that all bits of values get through. `types` are those of the functions as they are. */
export function callables(
  exports: WebAssembly.Exports,
  types: readonly { readonly name: string; readonly type: FunctionType }[],
): Map<string, Callable> {
  const functions = new Map<string, Callable>();
  const adapted = types.filter(({ type }) => ![...type.parameters, ...type.results].every(isCarried));
  if (adapted.length > 0) for (const [name, f] of adaptExports(exports, adapted)) functions.set(name, f);
  for (const { name } of types) {
    const f = exports[name];
    if (!functions.has(name) && typeof f === 'function') functions.set(name, (...values) => f(...values));
  }
  return functions;
}

/** How many values a call of a function of this type takes, and of which types. */
export function parameterCarriers({ parameters }: FunctionType): readonly ValueType[] {
  return parameters.flatMap(carriers);
}

export function describeOutcome(outcome: Outcome): string {
  if ('values' in outcome) return `returned (${outcome.values.join(', ')})`;
  const { reason, address, access } = outcome.trap;
  const where = address === undefined ? '' : ` at 0x${address.toString(16)}, access 0x${(access ?? 0).toString(16)}`;
  return `trapped: ${reason}${where}`;
}
