/** What a module exports for the comparison: its memory, and functions that tell what is not memory. */
import { carriers, toCarriers, unsigned } from '../../src/guard/testing-modules.ts';
import type { ValueType } from '../../src/guard/types.ts';
import { isCarried } from './outcome.ts';

export const MEMORY_EXPORT = 'memory';
const SIZE_EXPORT = 'size';
const GLOBAL_EXPORT = 'global ';

/** A function without parameters. */
export interface Getter {
  readonly name: string;
  readonly type: ValueType;
  /** Without `end`. */
  readonly code: readonly number[];
}

/** A module may have such a name for something else. */
export function isGetterName(name: string): boolean {
  return name === SIZE_EXPORT || name.startsWith(GLOBAL_EXPORT);
}

/** Tells the memory's size. */
export const SIZE_GETTER: Getter = { name: SIZE_EXPORT, type: 'i32', code: [0x3f, 0] };

/** They tell mutable globals of numbers: all bits of floats, and of a v128 two halves, the low one first. */
export function globalGetters(globals: readonly { readonly type: ValueType; readonly mutable: boolean }[]): Getter[] {
  return globals.flatMap(({ type, mutable }, index) => {
    const [carrier = type] = carriers(type);
    if (!mutable || !isCarried(carrier)) return [];
    const name = `${GLOBAL_EXPORT}${index}`;
    const get = [0x23, ...unsigned(index)];
    if (type !== 'v128') return [{ name, type: carrier, code: [...get, ...toCarriers(type, 0)] }];
    // i64x2.extract_lane
    return [0, 1].map((half) => ({ name: `${name} ${half}`, type: carrier, code: [...get, 0xfd, 0x1d, half] }));
  });
}
