/*
 * The verifier: proves of the bytes that are about to be run what the guard is for. It shares with the rewriter only the
 * decoder (reader.ts, decode.ts, instructions.ts) and tables of facts (opcodes.ts, core/layout.ts), and knows nothing of
 * how the rewriter works. An executor gets no module that has not passed it.
 *
 * WHAT IT GUARANTEES of a module that passes, whoever made it, as long as it is run in homes of this layout and every export
 * is called with the base of such a home as its last parameter:
 *
 *   1. Every access to memory, of any instruction, is in the home of that base (from its address 0 to the end of the red zone),
 *      or in a VMA that was found, since the last call, to be that PD's or granted to it, with the permission and for the exact
 *      bytes, in its VTE or in what the header remembers of the last look at one; or is one of the guard's own to header and tables, listed in verify-memory.ts.
 *   2. Every write to the home is marked in the dirty map before, so that it is undone when the PD ends.
 *   3. `base` is passed on, unchanged, to every function that is called, the host's included, and reaches the function itself
 *      in no other way: not in a result, in memory, in an operand of a computation. Nor does anything that is read from
 *      header and tables. (What the function learns is which of its own accesses are allowed, and whether it is time to end.)
 *   4. Nothing else is reachable: no import but the address space and what the ABI offers, in its types; no global, table or
 *      segment that changes; no start function; no export but those that the original module had.
 *   5. Every loop iteration, but those of loops that are known to end after a few (verify-counters.ts), and every function that calls
 *      passes a deadline check, so every stretch of code without one is finite; deadline.ts says why that follows.
 *   6. Where the function faults, its header says so, and it traps.
 *
 * WHAT IT TRUSTS: V8, that the module is valid and does what its bytes say (types and indices, the order of evaluation, that
 * nothing catches a trap; bytes that are not valid are refused here or there, in any order); PrivLib, that tables and headers
 * hold what core/layout.ts says, that permissions of a running PD change only when it calls, and that HOME_LAST_… are emptied when
 * it loses any; the layout, that it is the one the homes have; the decoder and the tables of instructions; itself.
 *
 * WHAT IT DOES NOT COVER: whether the module computes what the original one did; time (speculation, caches, the length of a
 * stretch without a check); the stack; what host functions do with parameters that are the function's own.
 *
 * How: verify-module.ts looks at the parts that are not code. verify-canonical.ts knows the functions that the guard adds by
 * heart. Every other function is interpreted, with values for what is not known (verify-values.ts), in one pass over its
 * instructions (verify-function.ts). docs/internals/guard.md has the whole, and how to extend it.
 */

import { HOME_GLOBALS } from '../../core/layout.ts';
import { decodeModule } from './decode.ts';
import { GUARDED_LIMITS, unproven } from './errors.ts';
import { decodeExpression, InstructionList } from './instructions.ts';
import { describeFunction, type Module } from './module.ts';
import { Reader } from './reader.ts';
import type { FunctionType, GuardedModule, HomeLayout } from './types.ts';
import { readValueType } from './value-types.ts';
import {
  type CanonicalFunction,
  canonicalFunctions,
  canonicalLength,
  canonicalSegment,
  INIT_SEGMENT_FIRST,
  segmentFlag,
  standsAt,
} from './verify-canonical.ts';
import { FunctionVerifier } from './verify-function.ts';
import { isWithBase, verifyLayout, verifyParts } from './verify-module.ts';
import type { FunctionContext } from './verify-state.ts';

export interface VerifyOptions {
  /** Host functions that the module may import, by `module.name`, with their types as the original module sees them. */
  readonly imports: ReadonlyMap<string, FunctionType>;
}

/**
 * Proves a guarded module: `bytes` for homes of `layout`, with `exports` and `imports` as they are said to be. Returns when
 * all of it is proven.
 *
 * Throws MODULE_UNPROVEN for what is not, with the function, the byte and the reason; the errors of the decoder
 * (MODULE_MALFORMED, MODULE_UNSUPPORTED, MODULE_TOO_LARGE) for what it does not understand; and MODULE_TOO_LARGE for a
 * function that would take too long. Takes time and memory in proportion to the size of the module.
 */
export function verifyModule(guarded: GuardedModule, { imports }: VerifyOptions): void {
  const { bytes, layout } = guarded;
  verifyLayout(layout);
  const module = decodeModule(bytes, GUARDED_LIMITS);
  const segmentCount = module.data.length;
  // jord:init is the last one.
  const addedFirst = module.functions.length - INIT_SEGMENT_FIRST - segmentCount - 1;
  if (addedFirst < module.importedFunctions) throw unproven('functions of the guard are missing', 0, 'the module');
  verifyParts(module, guarded, imports, addedFirst);
  const context = contextOf(module, layout, addedFirst);
  verifyAdded(module, layout, addedFirst);
  const verifier = new FunctionVerifier(context);
  const init = module.functions.length - 1;
  for (let index = module.importedFunctions; index <= init; index += 1) {
    if (index >= addedFirst && index < init) continue;
    const body = module.bodies[index - module.importedFunctions];
    if (body === undefined) throw unproven('a function has no body', 0, describeFunction(module, index));
    verifier.verify(index, body.start, body.end);
  }
}

function contextOf(module: Module, layout: HomeLayout, addedFirst: number): FunctionContext {
  const { types } = module;
  return {
    bytes: module.bytes,
    layout,
    typeParameters: Int32Array.from(types, ({ parameters }) => parameters.length),
    typeResults: Int32Array.from(types, ({ results }) => results.length),
    typeTakesBase: Uint8Array.from(types, ({ parameters }) => (parameters.at(-1) === 'i32' ? 1 : 0)),
    functions: module.functions,
    tags: module.tags,
    addedFirst,
    segmentCount: module.data.length,
    describe: (index) => describeFunction(module, index),
  };
}

/** The functions that the guard adds, but `jord:init`: they must stand there word for word. */
function verifyAdded(module: Module, layout: HomeLayout, addedFirst: number): void {
  const list = new InstructionList();
  for (const [place, wanted] of canonicalFunctions(layout).entries()) {
    verifyCanonical(module, addedFirst + place, wanted, list, addedFirst);
  }
  for (let segment = 0; segment < module.data.length; segment += 1) {
    const index = addedFirst + INIT_SEGMENT_FIRST + segment;
    const locals = decodeBody(module, index, list);
    const flag = segmentFlag(list);
    const isFlag = flag >= HOME_GLOBALS && flag < HOME_GLOBALS + layout.globalsSize;
    if (!isFlag || locals.length > 0) throw unproven('a flag of a data segment', 0, describeFunction(module, index));
    verifyCanonical(module, index, canonicalSegment(segment, flag), list, addedFirst);
  }
}

function verifyCanonical(
  module: Module,
  index: number,
  wanted: CanonicalFunction,
  list: InstructionList,
  addedFirst: number,
): void {
  const locals = decodeBody(module, index, list);
  const type = module.types[module.functions[index] ?? -1];
  const base = wanted.parameters.length - 1;
  const isSame =
    isWithBase(type, { parameters: wanted.parameters.slice(0, -1), results: wanted.results }) &&
    locals.join() === wanted.locals.join() &&
    list.count === canonicalLength(wanted.code) &&
    standsAt(wanted.code, list, 0, base, addedFirst);
  if (isSame) return;
  const offset = module.bodies[index - module.importedFunctions]?.start ?? 0;
  throw unproven(`it is not ${wanted.name} as it must be`, offset, describeFunction(module, index));
}

/** Decodes a small body; returns the types of its locals. */
function decodeBody(module: Module, index: number, list: InstructionList): string[] {
  const where = (): string => describeFunction(module, index);
  const body = module.bodies[index - module.importedFunctions];
  if (body === undefined) throw unproven('a function has no body', 0, where());
  const reader = new Reader(module.bytes, body.start, body.end);
  const locals: string[] = [];
  for (let groups = reader.u32(); groups > 0; groups -= 1) {
    const count = reader.u32();
    const type = readValueType(reader, where);
    if (count > LOCALS_OF_ADDED_MAX) throw unproven('a function of the guard with many locals', body.start, where());
    for (let i = 0; i < count; i += 1) locals.push(type);
  }
  decodeExpression(reader, list, { typeCount: module.types.length, where });
  if (!reader.atEnd) throw unproven('the body goes on behind its end', reader.position, where());
  return locals;
}

const LOCALS_OF_ADDED_MAX = 8;
