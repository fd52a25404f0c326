/** Emits the instructions of one function body and the hints of its branches. */
import {
  OP_CALL,
  OP_I32_CONST,
  OP_I32_LOAD,
  OP_I32_STORE,
  OP_IF,
  OP_LOCAL_GET,
  OP_LOCAL_SET,
  OP_LOCAL_TEE,
} from './opcodes.ts';
import type { HomeLayout, ValueType } from './types.ts';
import type { Writer } from './writer.ts';

/** Temporaries a body needs, as bits. */
export const NEED_POINTER = 1;
/** The entry and the granule of a VMA check. */
export const NEED_ENTRY = 2;
export const NEED_GRANULE = 4;
export const NEED_VALUE_I32 = 8;
export const NEED_VALUE_I64 = 16;
export const NEED_VALUE_F32 = 32;
export const NEED_VALUE_F64 = 64;
export const NEED_VALUE_V128 = 128;
export const NEED_SECOND_I32 = 256;
export const NEED_SECOND_I64 = 512;

/** Type of the temporary of each bit, in their order. */
export const TEMPORARY_TYPES: readonly ValueType[] = [
  'i32',
  'i32',
  'i64',
  'i32',
  'i64',
  'f32',
  'f64',
  'v128',
  'i32',
  'i64',
];

export const HINT_UNLIKELY = 0;
export const HINT_LIKELY = 1;

/** Result of a block in the binary format. */
export const BLOCK_EMPTY = 0x40;
export const BLOCK_I32 = 0x7f;

export class Emitter {
  readonly out: Writer;
  readonly layout: HomeLayout;
  readonly #addedFirst: number;
  /** Local that holds `base`, and the one that holds the memory limit, or -1: it is shorter than the constant. */
  base = 0;
  #limit = -1;
  /** Local of each temporary, by the number of its bit; -1 when this body has not asked for it. */
  readonly temporaries: number[] = new Array(TEMPORARY_TYPES.length).fill(-1);
  hintOffsets = new Int32Array(1024);
  hintValues = new Uint8Array(1024);
  hintCount = 0;

  /** `addedFirst` is the index of the first function that the guard adds. */
  constructor(out: Writer, layout: HomeLayout, addedFirst: number) {
    this.out = out;
    this.layout = layout;
    this.#addedFirst = addedFirst;
  }

  /** Begins a body: forgets the last one and gives the temporaries in `needs` the locals from `firstLocal` on. */
  begin(base: number, firstLocal: number, needs: number): void {
    this.out.clear();
    this.base = base;
    this.#limit = -1;
    this.hintCount = 0;
    let next = firstLocal;
    for (let bit = 0; bit < TEMPORARY_TYPES.length; bit += 1) {
      const needed = (needs & (1 << bit)) !== 0;
      this.temporaries[bit] = needed ? next : -1;
      if (needed) next += 1;
    }
  }

  /** Local of the temporary of a NEED_ bit. */
  temporary(need: number): number {
    const local = this.temporaries[31 - Math.clz32(need)] ?? -1;
    if (local < 0) throw new Error(`temporary ${need} was not asked for`);
    return local;
  }

  op(opcode: number): void {
    this.out.byte(opcode);
  }

  get(local: number): void {
    this.out.indexed(OP_LOCAL_GET, local);
  }

  set(local: number): void {
    this.out.indexed(OP_LOCAL_SET, local);
  }

  tee(local: number): void {
    this.out.indexed(OP_LOCAL_TEE, local);
  }

  i32(value: number): void {
    if (value >= -64 && value < 64) {
      this.out.pair(OP_I32_CONST, value & 0x7f);
      return;
    }
    this.out.byte(OP_I32_CONST);
    this.out.s32(value);
  }

  /** Has the memory limit in a local from here on. */
  holdLimit(local: number): void {
    this.i32(this.layout.memoryLimit);
    this.set(local);
    this.#limit = local;
  }

  /** Leaves the memory limit. */
  limit(): void {
    if (this.#limit >= 0) this.get(this.#limit);
    else this.i32(this.layout.memoryLimit);
  }

  /** A load or store that the guard itself emits, naturally aligned. */
  memory(opcode: number, alignment: number, offset: number): void {
    this.out.opcode(opcode);
    this.out.u32(alignment);
    this.out.u32(offset);
  }

  load32(offset: number): void {
    this.memory(OP_I32_LOAD, 2, offset);
  }

  store32(offset: number): void {
    this.memory(OP_I32_STORE, 2, offset);
  }

  /** Calls one of the functions of added.ts, whose other parameters are on the stack. */
  callAdded(place: number): void {
    this.get(this.base);
    this.out.indexed(OP_CALL, this.#addedFirst + place);
  }

  if(result: number, hint: number): void {
    this.hint(hint);
    this.out.pair(OP_IF, result);
  }

  /** A hint for the `if` or `br_if` that is emitted next. */
  hint(value: number): void {
    this.#hintAt(this.out.length, value);
  }

  #hintAt(offset: number, value: number): void {
    if (this.hintCount === this.hintOffsets.length) this.#growHints();
    this.hintOffsets[this.hintCount] = offset;
    this.hintValues[this.hintCount] = value;
    this.hintCount += 1;
  }

  #growHints(): void {
    const offsets = new Int32Array(2 * this.hintOffsets.length);
    const values = new Uint8Array(offsets.length);
    offsets.set(this.hintOffsets);
    values.set(this.hintValues);
    this.hintOffsets = offsets;
    this.hintValues = values;
  }
}
