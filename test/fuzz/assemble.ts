/** From code.ts to bytes: an encoder of its own, so that what the guard's encoder does wrong is not done wrong here too. */
import { ABI_FUNCTIONS } from '../../src/functions/abi.ts';
import {
  functionBody,
  functionType,
  moduleBytes,
  section,
  signed,
  text,
  unsigned,
  VALUE_TYPE_BYTES,
  vector,
} from '../../src/guard/testing-modules.ts';
import { BodyAssembler, constantBytes, i32Of, littleEndian, ModuleIndices } from './assemble-body.ts';
import type { GlobalCode, ModuleCode, Segment } from './code.ts';
import { globalGetters, MEMORY_EXPORT, SIZE_GETTER } from './getters.ts';

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
    const getters = [SIZE_GETTER, ...globalGetters(globals)];
    const bodyAssembler = new BodyAssembler(this.#indices);
    const declared = [
      ...functions.map(({ signature }) => signature),
      ...getters.map(({ type }) => ({ parameters: [], results: [type] })),
    ];
    const declaredTypes = declared.map((signature) => unsigned(this.#indices.typeIndex(signature)));
    const tagTypes = tags.map((tag) => [0, ...unsigned(this.#indices.typeIndex(tag))]);
    const bodies = [
      ...functions.map((f) => bodyAssembler.body(f)),
      ...getters.map(({ code }) => functionBody([], code)),
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
    return moduleBytes(
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
    );
  }

  #global({ type, mutable, value }: GlobalCode): number[] {
    return [VALUE_TYPE_BYTES[type], mutable ? 1 : 0, ...constantBytes(type, value, this.#indices.addresses), 0x0b];
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
