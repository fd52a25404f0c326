/** A module between JavaScript and a guarded one, so that all bits of all values (v128, NaNs) get through. */
import {
  carriers,
  fromCarriers,
  functionBody,
  functionType,
  moduleBytes,
  section,
  text,
  toCarriers,
  unsigned,
  vector,
} from '../../src/guard/testing-modules.ts';
import type { FunctionType, ModuleExport, ValueType } from '../../src/guard/types.ts';

function carried(type: FunctionType): FunctionType {
  return { parameters: type.parameters.flatMap(carriers), results: type.results.flatMap(carriers) };
}

function adapt(type: FunctionType, callee: number): number[] {
  const { parameters } = carried(type);
  const code: number[] = [];
  let local = 0;
  for (const parameter of type.parameters) {
    code.push(...fromCarriers(parameter, local));
    local += carriers(parameter).length;
  }
  code.push(0x10, ...unsigned(callee));
  // Results go to locals, from the last one on, and come apart from there.
  const locals: readonly ValueType[] = type.results;
  for (let i = locals.length - 1; i >= 0; i -= 1) code.push(0x21, ...unsigned(parameters.length + i));
  for (const [i, result] of locals.entries()) {
    const at = parameters.length + i;
    code.push(0x20, ...unsigned(at), ...toCarriers(result, at));
  }
  return functionBody(locals, code);
}

/** Exports e0, e1 … for functions of these types, which it imports as `m` with the same names. */
function adapterModule(types: readonly FunctionType[]): Uint8Array<ArrayBuffer> {
  const count = types.length;
  return moduleBytes(
    section(1, vector([...types, ...types.map(carried)].map(functionType))),
    section(2, vector(types.map((_, i) => [...text('m'), ...text(`e${i}`), 0, ...unsigned(i)]))),
    section(3, vector(types.map((_, i) => unsigned(count + i)))),
    section(7, vector(types.map((_, i) => [...text(`e${i}`), 0, ...unsigned(count + i)]))),
    section(10, vector(types.map(adapt))),
  );
}

export type AdaptedFunction = (...values: readonly unknown[]) => unknown;

/** The results of a call of an export. */
export function resultsOf(result: unknown): readonly unknown[] {
  if (result === undefined) return [];
  return Array.isArray(result) ? result : [result];
}

/** The functions of `exports` by name, with carriers instead of their values. `types` are their real types. */
export function adaptExports(
  exports: WebAssembly.Exports,
  types: readonly ModuleExport[],
): Map<string, AdaptedFunction> {
  const inner = Object.fromEntries(types.map(({ name }, i) => [`e${i}`, exports[name] ?? 0]));
  const module = new WebAssembly.Module(adapterModule(types.map(({ type }) => type)));
  const adapter = new WebAssembly.Instance(module, { m: inner });
  const functions = new Map<string, AdaptedFunction>();
  for (const [i, { name }] of types.entries()) {
    const f = adapter.exports[`e${i}`];
    if (typeof f === 'function') functions.set(name, (...values) => f(...values));
  }
  return functions;
}
