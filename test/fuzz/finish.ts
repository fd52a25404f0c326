/** Modules that are somebody else's: what the comparison needs of them, and calls of what they export. */
import { decodeModule } from '../../src/guard/decode.ts';
import { carriers, functionType, text, toCarriers, unsigned } from '../../src/guard/testing-modules.ts';
import type { FunctionType, ValueType } from '../../src/guard/types.ts';
import { GLOBAL_EXPORT, MEMORY_EXPORT, SIZE_EXPORT } from './assemble.ts';
import { type Call, parameterCarriers } from './outcome.ts';
import { Random } from './random.ts';
import { exportedTypes } from './reference.ts';
import { append, joinSections, sectionsOf } from './sections.ts';

/** Adds what the comparison looks at: the memory and functions that tell globals and the memory's size. Takes the start function out. */
export function finish(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const module = decodeModule(bytes);
  const sections = sectionsOf(bytes);
  sections.delete(8);
  const there = new Set(module.exports.map(({ name }) => name));
  const getters: { name: string; type: ValueType; code: number[]; locals: number[] }[] = [];
  const hasMemory = module.memories.length > 0;
  if (hasMemory) getters.push({ name: SIZE_EXPORT, type: 'i32', code: [0x3f, 0], locals: [] });
  for (const [index, { type, mutable }] of module.globals.entries()) {
    if (!mutable || carriers(type).some((carrier) => carrier !== 'i32' && carrier !== 'i64')) continue;
    const get = [0x23, ...unsigned(index)];
    const isVector = type === 'v128';
    for (const half of isVector ? [0, 1] : [0]) {
      const code = isVector ? [...get, 0xfd, 0x1d, half] : [...get, ...toCarriers(type, 0)];
      const suffix = isVector ? ` ${half}` : '';
      getters.push({ name: `${GLOBAL_EXPORT}${index}${suffix}`, type: carriers(type)[0] ?? type, code, locals: [] });
    }
  }
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
    added.map(({ code }) => [...unsigned(code.length + 2), 0, ...code, 0x0b]),
  );
  return joinSections(sections);
}

/** Calls of what a module exports, with parameters of all kinds, these addresses among them. */
export function randomCalls(bytes: Uint8Array, seed: number, addresses: readonly number[] = []): Call[][] {
  const random = new Random(seed);
  const types = exportedTypes(decodeModule(bytes)).filter(
    ({ name, type }) => name !== SIZE_EXPORT && !name.startsWith(GLOBAL_EXPORT) && isCallable(type),
  );
  if (types.length === 0) return [[]];
  const call = (): Call => {
    const { name, type } = random.pick(types);
    return { name, values: parameterCarriers(type).map((carrier) => value(random, carrier, addresses)) };
  };
  return Array.from({ length: 3 }, () => Array.from({ length: random.between(4, 16) }, call));
}

function isCallable(type: FunctionType): boolean {
  return parameterCarriers(type).every((carrier) => carrier === 'i32' || carrier === 'i64');
}

/** Small ones are no NaNs where they carry a float. */
function value(random: Random, carrier: string, addresses: readonly number[]): number | bigint {
  if (carrier === 'i32' && addresses.length > 0 && random.chance(0.4)) return random.pick(addresses) | 0;
  const word = random.pick([0, 1, 4, 64, 65535, 65536, 0x3f80_0000, random.below(2 ** 30)]);
  return carrier === 'i64' ? BigInt(word) << BigInt(random.pick([0, 0, 16, 30])) : word;
}
