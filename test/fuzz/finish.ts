/** Modules that are somebody else's: what the comparison needs of them, and calls of what they export. */
import { decodeModule } from '../../src/guard/decode.ts';
import { functionBody, functionType, text, unsigned } from '../../src/guard/testing-modules.ts';
import type { FunctionType } from '../../src/guard/types.ts';
import { globalGetters, isGetterName, MEMORY_EXPORT, SIZE_GETTER } from './getters.ts';
import { type Call, isCarried, parameterCarriers } from './outcome.ts';
import { Random } from './random.ts';
import { exportedTypes } from './reference.ts';
import { append, joinSections, sectionsOf } from './sections.ts';

/** Adds what the comparison looks at: the memory and functions that tell globals and the memory's size. Takes the start function out. */
export function finish(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const module = decodeModule(bytes);
  const sections = sectionsOf(bytes);
  sections.delete(8);
  const there = new Set(module.exports.map(({ name }) => name));
  const hasMemory = module.memories.length > 0;
  const getters = [...(hasMemory ? [SIZE_GETTER] : []), ...globalGetters(module.globals)];
  const added = getters.filter(({ name }) => !there.has(name));
  const firstType = module.types.length;
  const firstFunction = module.functions.length;
  append(
    sections,
    1,
    added.map(({ type }) => functionType({ parameters: [], results: [type] })),
  );
  append(
    sections,
    3,
    added.map((_, i) => unsigned(firstType + i)),
  );
  const exports = added.map(({ name }, i) => [...text(name), 0, ...unsigned(firstFunction + i)]);
  if (hasMemory && !there.has(MEMORY_EXPORT)) exports.push([...text(MEMORY_EXPORT), 2, 0]);
  append(sections, 7, exports);
  append(
    sections,
    10,
    added.map(({ code }) => functionBody([], code)),
  );
  return joinSections(sections);
}

/** Calls of what a module exports, with parameters of all kinds, these addresses among them. */
export function randomCalls(bytes: Uint8Array, seed: number, addresses: readonly number[] = []): Call[][] {
  const random = new Random(seed);
  const types = exportedTypes(decodeModule(bytes)).filter(({ name, type }) => !isGetterName(name) && isCallable(type));
  if (types.length === 0) return [[]];
  const call = (): Call => {
    const { name, type } = random.pick(types);
    return { name, values: parameterCarriers(type).map((carrier) => value(random, carrier, addresses)) };
  };
  return Array.from({ length: 3 }, () => Array.from({ length: random.between(4, 16) }, call));
}

function isCallable(type: FunctionType): boolean {
  return parameterCarriers(type).every(isCarried);
}

/** Small ones are no NaNs where they carry a float. */
function value(random: Random, carrier: string, addresses: readonly number[]): number | bigint {
  if (carrier === 'i32' && addresses.length > 0 && random.chance(0.4)) return random.pick(addresses) | 0;
  const word = random.pick([0, 1, 4, 64, 65535, 65536, 0x3f80_0000, random.below(2 ** 30)]);
  return carrier === 'i64' ? BigInt(word) << BigInt(random.pick([0, 0, 16, 30])) : word;
}
