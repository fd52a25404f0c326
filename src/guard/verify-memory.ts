/**
 * Loads and stores: the places that only the guard may touch, each in the one form it is for, and what the function itself
 * accesses, which `AccessProof` proves.
 *
 *   HOME_MEMORY_PAGES                   i32.load
 *   globals and segment flags           anything: they are the function's own, and restored whole
 *   the dirty map                       i32.store8 of 1
 *
 * The words of deadlines, faults and the VMA that was looked up last, and the tables of granules and VMAs, are in canonical code
 * only (verify-canonical.ts), and those of a fault where the walker's `#fault` is.
 */
import { HOME_GLOBALS, HOME_MEMORY_PAGES } from '../../core/layout.ts';
import { type Access, OP_I32_LOAD, OP_I32_LOAD8_U, OP_I32_LOAD16_U, OP_I32_STORE8 } from './opcodes.ts';
import type { HomeLayout } from './types.ts';
import type { AccessProof, ProofAccess } from './verify-access.ts';
import {
  KIND_BASE,
  KIND_CONSTANT,
  KIND_HOME,
  KIND_OPAQUE,
  KIND_SHIFTED,
  VALUE_ANY,
  VALUE_ZERO,
  type Values,
} from './verify-values.ts';

const NOT_HEADER = -1;

export class MemoryInstructions {
  readonly #values: Values;
  readonly #proof: AccessProof;
  readonly #layout: HomeLayout;
  readonly #access: ProofAccess = { offset: 0, sizeBytes: 0, write: false, epoch: 0 };
  /** Why the last access was refused. */
  reason = '';

  constructor(values: Values, proof: AccessProof, layout: HomeLayout) {
    this.#values = values;
    this.#proof = proof;
    this.#layout = layout;
  }

  /** What an access that does not write leaves; -1 when it is refused. */
  load(opcode: number, access: Access, address: number, offset: number, epoch: number): number {
    const place = this.#headerPlace(address, offset);
    if (place !== NOT_HEADER) {
      const isPages = place === HOME_MEMORY_PAGES && opcode === OP_I32_LOAD;
      return isPages || this.#isGlobal(place, access.sizeBytes)
        ? VALUE_ANY
        : this.#refuse('a read of the header of the home');
    }
    return this.#isProven(address, access, offset, epoch) ? this.#loaded(opcode) : -1;
  }

  /** A value of the function; what is shorter than its type is no larger than its bytes can be. */
  #loaded(opcode: number): number {
    const high = opcode === OP_I32_LOAD8_U ? 0xff : opcode === OP_I32_LOAD16_U ? 0xffff : 0;
    return high === 0 ? VALUE_ANY : this.#values.ranged(KIND_OPAQUE, 0, 0, 0, high);
  }

  #refuse(reason: string): -1 {
    this.reason = reason;
    return -1;
  }

  #deny(reason: string): false {
    this.reason = reason;
    return false;
  }

  /** Whether an access that writes is allowed. `value` is what it writes, the last of its operands. */
  store(opcode: number, access: Access, address: number, value: number, offset: number, epoch: number): boolean {
    const place = this.#headerPlace(address, offset);
    if (opcode === OP_I32_STORE8 && this.#isOne(value)) {
      const { mapOffset, mapSize } = this.#layout;
      if (place >= mapOffset && place < mapOffset + mapSize) {
        this.#proof.markChunk(place - mapOffset);
        return true;
      }
      const marked = this.#markedIndex(address, offset);
      if (marked >= 0) return this.#proof.markFrom(marked) || this.#deny('a mark that may be outside of the dirty map');
    }
    if (place !== NOT_HEADER) {
      return this.#isGlobal(place, access.sizeBytes) || this.#deny('a write to the header of the home');
    }
    return this.#isProven(address, access, offset, epoch);
  }

  #isOne(value: number): boolean {
    return this.#values.kinds[value] === KIND_CONSTANT && this.#values.a[value] === 1;
  }

  /** The index of the home that a store to base + mapOffset + (index >>> chunkShift) marks, or -1 when it is none. */
  #markedIndex(address: number, offset: number): number {
    const values = this.#values;
    const { mapOffset, chunkShift } = this.#layout;
    if (values.kinds[address] !== KIND_HOME || values.b[address] !== 0 || offset !== mapOffset) return -1;
    const chunk = values.a[address] as number;
    return values.kinds[chunk] === KIND_SHIFTED && values.b[chunk] === chunkShift ? (values.a[chunk] as number) : -1;
  }

  /** How far behind `base` an access at a constant place in the header is. */
  #headerPlace(address: number, offset: number): number {
    const values = this.#values;
    if (values.kinds[address] === KIND_BASE) return offset < this.#layout.headerSize ? offset : NOT_HEADER;
    if (values.kinds[address] !== KIND_HOME || values.a[address] !== VALUE_ZERO) return NOT_HEADER;
    const constant = values.b[address] as number;
    const place = constant + offset;
    return constant >= 0 && place < this.#layout.headerSize ? place : NOT_HEADER;
  }

  #isGlobal(place: number, sizeBytes: number): boolean {
    return place >= HOME_GLOBALS && place + sizeBytes <= HOME_GLOBALS + this.#layout.globalsSize;
  }

  #isProven(address: number, { sizeBytes, write }: Access, offset: number, epoch: number): boolean {
    const access = this.#access;
    access.offset = offset;
    access.sizeBytes = sizeBytes;
    access.write = write;
    access.epoch = epoch;
    const missing = this.#proof.missing(address, access);
    if (missing !== undefined) this.reason = missing;
    return missing === undefined;
  }
}
