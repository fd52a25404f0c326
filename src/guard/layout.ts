/** How a module's home is laid out, from its memory, mutable globals and data segments. */
import { HOME_ALIGNMENT, HOME_GLOBALS, MEMORY_LIMIT_MAX, PAGE_SIZE, RED_ZONE } from '../../core/layout.ts';
import { JordError } from '../errors.ts';
import { LIMITS, refusal } from './errors.ts';
import type { Module } from './module.ts';
import type { GuardOptions, HomeLayout, ValueType } from './types.ts';

const DEFAULT_HEADROOM_BYTES = 1024 * 1024;

/** Layout of a home, and where in its header the module's globals and segment flags are; offsets are from `base`. */
export interface HomePlan {
  readonly layout: HomeLayout;
  /** For each global its slot when it is mutable, otherwise -1. */
  readonly globalSlots: readonly number[];
  /** One byte for each data segment, from here on: 1 when dropped. */
  readonly segmentFlags: number;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Errors are JordErrors: BAD_OPTION for an impossible limit, MODULE_TOO_LARGE for what does not fit. */
export function planHome(module: Module, options: GuardOptions): HomePlan {
  const { globalSlots, globalsEnd } = placeGlobals(module);
  const globalsSize = roundUp(globalsEnd + module.data.length - HOME_GLOBALS, 16);
  if (globalsSize > LIMITS.headerGlobalsBytes) {
    throw new JordError(
      'MODULE_TOO_LARGE',
      `The module's mutable globals and data segments take ${globalsSize} bytes of a home's header; at most ${LIMITS.headerGlobalsBytes} are allowed`,
    );
  }
  const limit = chooseMemoryLimit(module, options);
  const isMasked = options.maskAddresses === true && limit > 0;
  const memoryLimit = isMasked ? 2 ** Math.ceil(Math.log2(limit)) : limit;
  const chunkShift = chooseChunkShift(memoryLimit);
  const mapOffset = HOME_GLOBALS + globalsSize;
  const mapSize = roundUp(Math.ceil((memoryLimit + RED_ZONE) / 2 ** chunkShift), 128);
  const headerSize = roundUp(mapOffset + mapSize, 64);
  const layout: HomeLayout = {
    headerSize,
    memoryLimit,
    addressMask: isMasked ? memoryLimit - 1 : 0,
    memoryInitialPages: module.memories[0]?.minimum ?? 0,
    memoryMaximumPages: limit / PAGE_SIZE,
    chunkShift,
    mapOffset,
    mapSize,
    globalsSize,
    homeSize: roundUp(headerSize + memoryLimit + RED_ZONE, HOME_ALIGNMENT),
  };
  return { layout, globalSlots, segmentFlags: globalsEnd };
}

/** v128 slots first, so that none needs padding. */
function placeGlobals(module: Module): { globalSlots: readonly number[]; globalsEnd: number } {
  const globalSlots: number[] = new Array(module.globals.length).fill(-1);
  let end = HOME_GLOBALS;
  const place = (size: number, belongs: (type: ValueType) => boolean): void => {
    for (const [index, global] of module.globals.entries()) {
      if (!global.mutable || !belongs(global.type)) continue;
      globalSlots[index] = end;
      end += size;
    }
  };
  place(16, (type) => type === 'v128');
  place(8, (type) => type !== 'v128');
  return { globalSlots, globalsEnd: end };
}

function chooseMemoryLimit(module: Module, options: GuardOptions): number {
  const asked = options.memoryLimitBytes;
  if (
    asked !== undefined &&
    (!Number.isInteger(asked) || asked % PAGE_SIZE !== 0 || asked < 0 || asked > MEMORY_LIMIT_MAX)
  ) {
    const rule = `a multiple of ${PAGE_SIZE} bytes and at most ${MEMORY_LIMIT_MAX}`;
    throw new JordError('BAD_OPTION', `The memory limit must be ${rule}; it is ${asked}`);
  }
  const memory = module.memories[0];
  if (memory === undefined) return 0;
  const initial = memory.minimum * PAGE_SIZE;
  const declared = memory.maximum === undefined ? MEMORY_LIMIT_MAX : memory.maximum * PAGE_SIZE;
  const limit = Math.min(asked ?? initial + DEFAULT_HEADROOM_BYTES, declared, MEMORY_LIMIT_MAX);
  if (initial > limit) {
    const what = `The module asks for ${initial} bytes of memory at its start, and its limit is ${limit}`;
    throw refusal('MODULE_TOO_LARGE', what, memory.offset);
  }
  return limit;
}

/** Bytes of the dirty map that are worth one step to larger chunks. */
const MAP_BYTES_MAX = 1100;

/**
 * Destroying a PD scans the map and copies the dirty chunks: small chunks copy less, large ones keep the map short.
 * Measured with two to four dirty chunks: 256 B is best in homes of 64 KiB, 512 B equal up to 512 KiB, 1 KiB best in homes
 * of 1 MiB. From 4 KiB on copying costs more than scanning.
 */
function chooseChunkShift(memoryLimit: number): number {
  let shift = 8;
  while (shift < 12 && memoryLimit / 2 ** shift > MAP_BYTES_MAX) shift += 1;
  return shift;
}
