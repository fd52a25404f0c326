/**
 * Branch hints: the custom section `metadata.code.branch_hint`, which must stand before the code section. For each
 * function (ascending) the offset of an `if` or `br_if` from the start of its body (ascending) and 0 (unlikely) or 1 (likely).
 */
import { JordError } from '../errors.ts';
import type { BranchHints } from './module.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

export const BRANCH_HINT_SECTION = 'metadata.code.branch_hint';

/** The hints in a custom section. They are advice: a broken section gives none. */
export function decodeBranchHints(section: Reader): ReadonlyMap<number, BranchHints> {
  const hints = new Map<number, BranchHints>();
  try {
    for (let rest = section.u32(); rest > 0; rest -= 1) {
      const index = section.u32();
      hints.set(index, readFunctionHints(section));
    }
    return section.atEnd ? hints : new Map();
  } catch (error) {
    if (error instanceof JordError) return new Map();
    throw error;
  }
}

function readFunctionHints(section: Reader): BranchHints {
  const offsets: number[] = [];
  const values: number[] = [];
  for (let rest = section.u32(); rest > 0; rest -= 1) {
    const offset = section.u32();
    const size = section.u32();
    const value = section.take(size)[0];
    const known = size === 1 && (value === 0 || value === 1);
    if (known && offset > (offsets.at(-1) ?? -1)) {
      offsets.push(offset);
      values.push(value);
    }
  }
  return { offsets, values };
}

/** Collects the hints of the new bodies, in the order of the functions. */
export class HintWriter {
  #functions = 0;
  readonly #entries: Writer;

  constructor(entries: Writer) {
    this.#entries = entries;
  }

  /** The first `count` of the offsets and values are hints of function `index`. */
  add(index: number, offsets: Int32Array, values: Uint8Array, count: number): void {
    if (count === 0) return;
    const out = this.#entries;
    this.#functions += 1;
    out.u32(index);
    out.u32(count);
    for (let i = 0; i < count; i += 1) {
      out.u32(offsets[i] ?? 0);
      out.byte(1);
      out.byte(values[i] ?? 0);
    }
  }

  /** Writes the section's content, nothing when there are no hints. */
  encode(out: Writer): void {
    if (this.#functions === 0) return;
    out.name(BRANCH_HINT_SECTION);
    out.u32(this.#functions);
    out.bytes(this.#entries.written);
  }
}
