/** From code.ts to bytes: an encoder of its own, so that what the guard's encoder does wrong is not done wrong here too. */

import { ABI_FUNCTIONS } from '../../src/functions/abi.ts';
import { functionType, section, signed, text, unsigned, vector } from '../../src/guard/testing-modules.ts';
import {
  BodyAssembler,
  constantBytes,
  i32Of,
  littleEndian,
  ModuleIndices,
  opcode,
  sized,
  TYPE_BYTES,
} from './assemble-body.ts';
import type { GlobalCode, ModuleCode, Segment, Signature, Type } from './code.ts';

/** What exports are called that the comparison uses. Of a v128 global there are two, low half first. */
export const MEMORY_EXPORT = 'memory';
export const SIZE_EXPORT = 'size';
export const GLOBAL_EXPORT = 'global ';

/** Makes the bytes; `addresses` are those of the case's VMAs. Throws AssembleError. */
export function assemble(code: ModuleCode, addresses: readonly number[]): Uint8Array<ArrayBuffer> {
  return new Assembler(code, addresses).module();
}

class Assembler {
  readonly #code: ModuleCode;
  readonly #indices: ModuleIndices;

  constructor(code: ModuleCode, addresses: readonly number[]) {
    this.#code = code;
    this.#indices = new ModuleIndices(code, addresses);
  }

  module(): Uint8Array<ArrayBuffer> {
    const { imports, functions, pages, maximumPages, table, tags, segments, globals } = this.#code;
    const types = imports.map((name) => this.#indices.typeIndex(ABI_FUNCTIONS[name as keyof typeof ABI_FUNCTIONS]));
    const importEntries = imports.map((name, i) => [...text('jord'), ...text(name), 0, ...unsigned(types[i] ?? 0)]);
    const getters = this.#getters();
    const bodyAssembler = new BodyAssembler(this.#indices);
    const declared = [...functions.map(({ signature }) => signature), ...getters.map(({ signature }) => signature)];
    const declaredTypes = declared.map((signature) => unsigned(this.#indices.typeIndex(signature)));
    const tagTypes = tags.map((tag) => [0, ...unsigned(this.#indices.typeIndex(tag))]);
    const bodies = [
      ...functions.map((f) => bodyAssembler.body(f)),
      ...getters.map(({ code }) => sized([0, ...code, 0x0b])),
    ];
    const first = imports.length + functions.length;
    const exports = [
      ...functions
        .filter(({ isEntry }) => isEntry)
        .map(({ name }) => exported(name, 0, this.#indices.functionIndex(name))),
      ...getters.map(({ name }, i) => exported(name, 0, first + i)),
      exported(MEMORY_EXPORT, 2, 0),
    ];
    const limits = [maximumPages === undefined ? 0 : 1, ...unsigned(pages)];
    if (maximumPages !== undefined) limits.push(...unsigned(maximumPages));
    const elements = [0, 0x41, 0, 0x0b, ...vector(table.map((name) => unsigned(this.#indices.functionIndex(name))))];
    const parts = [
      section(1, vector(this.#indices.types.map(functionType))),
      section(2, vector(importEntries)),
      section(3, vector(declaredTypes)),
      section(4, vector([[0x70, 0, ...unsigned(table.length)]])),
      section(5, vector([limits])),
      tags.length === 0 ? [] : section(13, vector(tagTypes)),
      section(6, vector(globals.map((global) => this.#global(global)))),
      section(7, vector(exports)),
      table.length === 0 ? [] : section(9, vector([elements])),
      section(12, unsigned(segments.length)),
      section(10, vector(bodies)),
      section(11, vector(segments.map((segment) => this.#segment(segment)))),
      section(0, this.#names()),
    ];
    const bytes = new Uint8Array(8 + parts.reduce((sum, part) => sum + part.length, 0));
    bytes.set([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    let at = 8;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** Functions that tell the memory's size and each mutable global. */
  #getters(): { name: string; signature: Signature; code: number[] }[] {
    const getter = (
      name: string,
      type: Type,
      code: number[],
    ): { name: string; signature: Signature; code: number[] } => ({
      name,
      signature: { parameters: [], results: [type] },
      code,
    });
    const getters = [getter(SIZE_EXPORT, 'i32', [0x3f, 0])];
    for (const [index, { type, mutable }] of this.#code.globals.entries()) {
      if (!mutable) continue;
      const name = `${GLOBAL_EXPORT}${index}`;
      const get = [0x23, ...unsigned(index)];
      if (type === 'f32') getters.push(getter(name, 'i32', [...get, ...opcode('i32.reinterpret_f32')]));
      else if (type === 'f64') getters.push(getter(name, 'i64', [...get, ...opcode('i64.reinterpret_f64')]));
      else if (type === 'v128') {
        for (const half of [0, 1])
          getters.push(getter(`${name} ${half}`, 'i64', [...get, ...opcode('i64x2.extract_lane'), half]));
      } else getters.push(getter(name, type, get));
    }
    return getters;
  }

  #global({ type, mutable, value }: GlobalCode): number[] {
    return [TYPE_BYTES[type], mutable ? 1 : 0, ...constantBytes(type, value, this.#indices.addresses), 0x0b];
  }

  #segment({ place, words }: Segment): number[] {
    const content = words.flatMap((word) => littleEndian(BigInt(i32Of(word, this.#indices.addresses) >>> 0), 4));
    const where = place === undefined ? [1] : [0, 0x41, ...signed(place), 0x0b];
    return [...where, ...unsigned(content.length), ...content];
  }

  #names(): number[] {
    const { functions, globals } = this.#code;
    const names = functions.map(({ name }) => [...unsigned(this.#indices.functionIndex(name)), ...text(name)]);
    const globalNames = globals.map(({ name }, i) => [...unsigned(i), ...text(name)]);
    return [...text('name'), ...section(1, vector(names)), ...section(7, vector(globalNames))];
  }
}

function exported(name: string, kind: number, index: number): number[] {
  return [...text(name), kind, ...unsigned(index)];
}
