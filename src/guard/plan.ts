/** Where the parts of a module are after the guard: types, globals, added functions. Function indices stay. */
import { PAGE_SIZE } from '../../core/layout.ts';
import { emitCheck, emitLookUp, emitRefuse } from './access.ts';
import { emitCopy, emitEnd, emitFill, emitFind, emitGrow, emitInitSegment, emitRange } from './bulk.ts';
import { emitInterrupted } from './deadline.ts';
import { type Emitter, NEED_ENTRY, NEED_GRANULE, NEED_POINTER } from './emit.ts';
import { malformed } from './errors.ts';
import { planHome } from './layout.ts';
import type { Module } from './module.ts';
import { OP_I32_CONST } from './opcodes.ts';
import { Reader } from './reader.ts';
import type { FunctionType, GuardOptions, HomeLayout } from './types.ts';

/** A function that the guard adds; its last parameter is `base`. */
export interface AddedFunction {
  readonly name: string;
  readonly type: FunctionType;
  /** NEED_ bits of its temporaries. */
  readonly needs: number;
  /** Emits the instructions without the last `end`. */
  emit(e: Emitter): void;
}

export interface Plan {
  readonly layout: HomeLayout;
  /** For each global its slot in the header when it is mutable, otherwise -1. */
  readonly globalSlots: readonly number[];
  /** For each global its new index when it is immutable, otherwise -1. */
  readonly globalIndices: readonly number[];
  /** Offset in the header of the first data segment's flag. */
  readonly segmentFlags: number;
  /** The global that holds the stack pointer, or -1. */
  readonly stackPointer: number;
  /**
   * The module's types, which blocks and tags keep, then for each the twin that functions have: one i32 more at the end.
   * Then the types of the added functions.
   */
  readonly types: readonly FunctionType[];
  readonly addedFirst: number;
  /** In the order of added.ts, without `jord:init`. */
  readonly added: readonly AddedFunction[];
}

export function withBase(type: FunctionType): FunctionType {
  return { parameters: [...type.parameters, 'i32'], results: type.results };
}

/** Index of the twin of a type. */
export function twin(module: Module, type: number): number {
  return module.types.length + type;
}

export function planModule(module: Module, options: GuardOptions): Plan {
  const { layout, globalSlots, segmentFlags } = planHome(module, options);
  let immutable = 0;
  const globalIndices = module.globals.map((global) => {
    if (global.mutable) return -1;
    immutable += 1;
    return immutable - 1;
  });
  return {
    layout,
    globalSlots,
    globalIndices,
    segmentFlags,
    stackPointer: stackPointerOf(module),
    types: [...module.types, ...module.types.map(withBase), ...ADDED_TYPES],
    addedFirst: module.functions.length,
    added: addedFunctions(module.data.length, segmentFlags, layout),
  };
}

/**
 * The global that is the stack pointer, or -1: linkers for C and its like make it the first of all, mutable, and begin with an
 * address of the initial memory.
 */
function stackPointerOf(module: Module): number {
  const first = module.globals[0];
  const pages = module.memories[0]?.minimum ?? 0;
  if (first === undefined || first.type !== 'i32' || !first.mutable || first.initial[0] !== OP_I32_CONST) return -1;
  const start = new Reader(first.initial, 1, first.initial.length).s32();
  return start > 0 && start <= pages * PAGE_SIZE ? 0 : -1;
}

const I32_2: FunctionType = { parameters: ['i32', 'i32'], results: ['i32'] };
const I32_3: FunctionType = { parameters: ['i32', 'i32', 'i32'], results: ['i32'] };
const VOID_1: FunctionType = { parameters: ['i32'], results: [] };
const VOID_3: FunctionType = { parameters: ['i32', 'i32', 'i32'], results: [] };
const VOID_4: FunctionType = { parameters: ['i32', 'i32', 'i32', 'i32'], results: [] };
/** Of `jord:init`. */
export const INIT_TYPE: FunctionType = VOID_1;
const ADDED_TYPES: readonly FunctionType[] = [I32_2, I32_3, VOID_1, VOID_3, VOID_4];

/** `jord:init` is not among them, since it needs the plan. */
function addedFunctions(segmentCount: number, segmentFlags: number, layout: HomeLayout): readonly AddedFunction[] {
  const entry = NEED_ENTRY | NEED_GRANULE;
  const lookUp = entry | (layout.addressMask === 0 ? 0 : NEED_POINTER);
  const fixed: readonly AddedFunction[] = [
    { name: 'jord:check-read', type: I32_3, needs: 0, emit: (e) => emitCheck(e, false) },
    { name: 'jord:check-write', type: I32_3, needs: 0, emit: (e) => emitCheck(e, true) },
    { name: 'jord:look-up-read', type: VOID_3, needs: lookUp, emit: (e) => emitLookUp(e, false) },
    { name: 'jord:look-up-write', type: VOID_3, needs: lookUp, emit: (e) => emitLookUp(e, true) },
    { name: 'jord:refuse', type: VOID_3, needs: 0, emit: emitRefuse },
    { name: 'jord:readable-end', type: I32_2, needs: entry, emit: (e) => emitEnd(e, false) },
    { name: 'jord:writable-end', type: I32_2, needs: entry, emit: (e) => emitEnd(e, true) },
    { name: 'jord:read-range', type: I32_3, needs: NEED_POINTER, emit: (e) => emitRange(e, false) },
    { name: 'jord:write-range', type: I32_3, needs: NEED_POINTER, emit: (e) => emitRange(e, true) },
    { name: 'jord:memory.copy', type: VOID_4, needs: 0, emit: emitCopy },
    { name: 'jord:memory.fill', type: VOID_4, needs: 0, emit: emitFill },
    { name: 'jord:memory.grow', type: I32_2, needs: NEED_POINTER, emit: emitGrow },
    { name: 'jord:interrupted', type: VOID_1, needs: 0, emit: emitInterrupted },
    { name: 'jord:find-read', type: I32_3, needs: NEED_POINTER, emit: (e) => emitFind(e, false) },
    { name: 'jord:find-write', type: I32_3, needs: NEED_POINTER, emit: (e) => emitFind(e, true) },
  ];
  const segments = Array.from(
    { length: segmentCount },
    (_, segment): AddedFunction => ({
      name: `jord:memory.init ${segment}`,
      type: VOID_4,
      needs: 0,
      emit: (e) => emitInitSegment(e, segment, segmentFlags + segment),
    }),
  );
  return [...fixed, ...segments];
}

/** Index of the type of an added function. */
export function addedType(module: Module, type: FunctionType): number {
  const place = ADDED_TYPES.indexOf(type);
  if (place < 0) throw new Error('an added function has a type that is not in the list');
  return 2 * module.types.length + place;
}

/** Slot of a mutable global, or -1; `offset` is the place for the error. */
export function globalSlot(plan: Plan, global: number, offset: number): number {
  const slot = plan.globalSlots[global];
  if (slot === undefined) throw malformed(`there is no global ${global}`, offset);
  return slot;
}

/** New index of a global that stays in the module because it is immutable. */
export function constantGlobal(plan: Plan, global: number, offset: number): number {
  const index = plan.globalIndices[global] ?? -1;
  if (index < 0) throw malformed(`global ${global} is not constant`, offset);
  return index;
}
