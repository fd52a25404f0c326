/** The guard: from a module to one that can be run among others in one address space. */
import { ADDRESS_SPACE_PAGES } from '../../core/layout.ts';
import { checkLayout } from './access.ts';
import { HintWriter } from './branch-hints.ts';
import { decodeModule } from './decode.ts';
import { codeWriter, encodeModule, moduleWriter } from './encode.ts';
import { checkCount, LIMITS, malformed } from './errors.ts';
import { ConstantRewriter, emitInit, INIT_NEEDS } from './init.ts';
import type { Export, Import, Module, ModuleParts } from './module.ts';
import { addedType, INIT_TYPE, type Plan, planModule, twin } from './plan.ts';
import { refuseUnsupported } from './refuse.ts';
import { FunctionRewriter } from './rewrite.ts';
import { type Alone, type GuardedModule, type GuardOptions, INIT_EXPORT, type ModuleExport } from './types.ts';
import type { Writer } from './writer.ts';

/**
 * Guards a module: every access of the result stays in the home at `base` and the VMAs of its PD. `bytes` is copied
 * first and not changed.
 *
 * Errors are JordErrors: MODULE_MALFORMED (with V8's reason), MODULE_UNSUPPORTED and MODULE_IMPORT_UNKNOWN (naming the
 * construct and its place), MODULE_TOO_LARGE, BAD_OPTION. What is NOT guaranteed: that the result is correct. It should be
 * given to whoever proves that before it is run.
 */
export function guardModule(bytes: Uint8Array, options: GuardOptions): GuardedModule {
  checkCount('bytes', bytes.length, LIMITS.moduleBytes);
  const copy = new Uint8Array(bytes);
  validate(copy);
  const module = decodeModule(copy);
  refuseUnsupported(module, options);
  const plan = planModule(module, options);
  checkLayout(plan.layout);
  const hints = new HintWriter(moduleWriter(4096));
  const { bodies, gap } = codeWriter(copy.length);
  rewriteBodies(module, plan, bodies, hints, options.alone ?? new Set());
  const count = module.bodies.length + plan.added.length + 1;
  const dataCount = module.data.length > 0;
  return {
    bytes: encodeModule(guardedParts(module, plan), { count, bodies, gap, hints, dataCount }),
    layout: plan.layout,
    exports: functionExports(module),
    imports: [...new Set(functionImports(module).map((entry) => `${entry.module}.${entry.name}`))],
  };
}

/** V8 says whether the module is valid, so the rewriter works on valid modules only. */
function validate(bytes: Uint8Array<ArrayBuffer>): void {
  if (WebAssembly.validate(bytes)) return;
  const reason = invalidReason(bytes);
  const place = /^(.*) @\+(\d+)$/s.exec(reason);
  throw malformed(place?.[1] ?? reason, Number(place?.[2] ?? 0));
}

/** V8 says why only when it is asked to compile. */
function invalidReason(bytes: Uint8Array<ArrayBuffer>): string {
  try {
    new WebAssembly.Module(bytes);
  } catch (error) {
    if (error instanceof Error) return error.message.replace(/^WebAssembly\.Module\(\): /, '');
  }
  return 'V8 refuses it';
}

function rewriteBodies(module: Module, plan: Plan, bodies: Writer, hints: HintWriter, alone: Alone): void {
  const rewriter = new FunctionRewriter(module, plan, bodies, hints, alone);
  for (const [i, body] of module.bodies.entries()) rewriter.rewrite(module.importedFunctions + i, body);
  for (const [i, added] of plan.added.entries()) {
    rewriter.add(plan.addedFirst + i, added.type.parameters.length, added.needs, (e) => added.emit(e));
  }
  rewriter.add(plan.addedFirst + plan.added.length, 1, INIT_NEEDS, (e) => emitInit(e, module, plan));
}

function functionImports(module: Module): readonly Import[] {
  return module.imports.filter((entry) => entry.kind === 'function');
}

function functionExports(module: Module): readonly ModuleExport[] {
  return module.exports.flatMap((entry) => {
    const type = module.types[module.functions[entry.index] ?? -1];
    return entry.kind === 'function' && type !== undefined ? [{ name: entry.name, type }] : [];
  });
}

function guardedParts(module: Module, plan: Plan): ModuleParts {
  const constants = new ConstantRewriter(module, plan);
  const constant = (expression: Uint8Array): Uint8Array => constants.rewrite(expression);
  const memory = { minimum: ADDRESS_SPACE_PAGES, maximum: ADDRESS_SPACE_PAGES, shared: true, offset: 0 };
  const memoryImport: Import = { module: 'jord', name: 'memory', kind: 'memory', index: 0, offset: 0 };
  const init: Export = { name: INIT_EXPORT, kind: 'function', index: plan.addedFirst + plan.added.length, offset: 0 };
  const added = [...plan.added.map((f) => f.name), INIT_EXPORT];
  const addedTypes = [...plan.added.map((f) => f.type), INIT_TYPE].map((type) => addedType(module, type));
  return {
    types: plan.types,
    imports: [memoryImport, ...functionImports(module)],
    functions: [...module.functions.map((type) => twin(module, type)), ...addedTypes],
    tables: module.tables.map((t) => ({ ...t, initial: t.initial === undefined ? undefined : constant(t.initial) })),
    memories: [memory],
    tags: module.tags,
    globals: module.globals.filter((g) => !g.mutable).map((g) => ({ ...g, initial: constant(g.initial) })),
    exports: [...module.exports.filter((entry) => entry.kind === 'function'), init],
    start: undefined,
    elements: module.elements.map((segment) => ({
      ...segment,
      place: segment.place.length === 0 ? segment.place : constant(segment.place),
      expressions: segment.expressions.map(constant),
    })),
    data: module.data.map((segment) => ({ ...segment, place: undefined })),
    names: {
      module: module.names.module,
      // Exports that have no name in the module go by their own.
      functions: new Map([
        ...module.exports.flatMap((entry) => (entry.kind === 'function' ? [[entry.index, entry.name] as const] : [])),
        ...module.names.functions,
        ...added.map((name, i) => [plan.addedFirst + i, name] as const),
      ]),
    },
  };
}
