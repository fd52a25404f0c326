/** Bytes of modules that are wrong in small ways: bits, numbers, lengths, sections. */
import { Reader } from '../../src/guard/reader.ts';
import { moduleBytes, section, text, unsigned } from '../../src/guard/testing-modules.ts';
import type { Random } from './random.ts';

interface Part {
  readonly id: number;
  readonly content: Uint8Array;
}

const BYTES = [0x00, 0x01, 0x0b, 0x40, 0x41, 0x60, 0x6f, 0x70, 0x7f, 0x80, 0xfc, 0xfd, 0xfe, 0xff];
/** Numbers that are as large as can be, too long, or longer than they need be. */
const NUMBERS: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0x7f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
  [0x80, 0x80, 0x80, 0x80, 0x08],
  [0xff, 0xff, 0x03],
  [0x80, 0x00],
  [0x80],
];
const CUSTOM_NAMES = ['name', 'metadata.code.branch_hint', 'jord', ''];
const SECTION_IDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x7f];

/** A module with one to four things changed; parts of `others` may come in. */
export function mutate(random: Random, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let mutant = Uint8Array.from(bytes);
  for (let i = random.pick([1, 1, 1, 2, 3, 4]); i > 0; i--) {
    mutant = random.chance(0.6) ? mutateBytes(random, mutant, others) : mutateSections(random, mutant, others);
  }
  return mutant;
}

function mutateBytes(random: Random, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const length = random.pick([1, 1, 2, 4, 16, random.below(200)]);
  const end = Math.min(at + length, bytes.length);
  const other = random.pick(others);
  const from = random.below(other.length);
  return random.weighted([
    [6, () => spliced(bytes, at, at + 1, [(bytes[at] ?? 0) ^ (1 << random.below(8))])],
    [4, () => spliced(bytes, at, at + 1, [random.pick(BYTES)])],
    [3, () => spliced(bytes, at, at + 1, random.pick(NUMBERS))],
    [2, () => spliced(bytes, at, at, random.bytes(length))],
    [2, () => spliced(bytes, at, end, [])],
    [1, () => spliced(bytes, at, at, bytes.subarray(at, end))],
    [1, () => spliced(bytes, at, end, other.subarray(from, from + length))],
    [1, () => Uint8Array.from(bytes.subarray(0, at))],
  ] as const)();
}

function mutateSections(random: Random, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const parts = partsOf(bytes);
  if (parts.length === 0) return Uint8Array.from(bytes);
  const at = random.below(parts.length);
  const part = parts[at] ?? { id: 0, content: new Uint8Array(0) };
  const inside = mutateBytes(random, part.content, others);
  const foreign = partsOf(random.pick(others));
  const name = text(random.pick(CUSTOM_NAMES));
  const custom = Uint8Array.from([...name, ...(random.chance(0.5) ? inside : random.pick(NUMBERS))]);
  return random.weighted([
    [8, () => joined(parts.with(at, { id: part.id, content: inside }))],
    [2, () => joined(parts.toSpliced(at, 1))],
    [1, () => joined(parts.toSpliced(at, 0, part))],
    [1, () => joined([...parts.slice(at), ...parts.slice(0, at)])],
    [1, () => joined(parts.with(at, { id: random.pick(SECTION_IDS), content: part.content }))],
    [2, () => joined(foreign.length === 0 ? parts : parts.with(at, random.pick(foreign)))],
    [3, () => joined(parts.toSpliced(random.below(parts.length + 1), 0, { id: 0, content: custom }))],
    [2, () => joined(parts, random.pick([-1, 1, 100, 2 ** 31]), at)],
  ] as const)();
}

function spliced(bytes: Uint8Array, from: number, to: number, more: Iterable<number>): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...bytes.subarray(0, from), ...more, ...bytes.subarray(to)]);
}

/** The sections that can be told apart. */
function partsOf(bytes: Uint8Array): Part[] {
  const parts: Part[] = [];
  try {
    const reader = new Reader(bytes, 8, bytes.length);
    while (!reader.atEnd) {
      const id = reader.byte();
      parts.push({ id, content: reader.take(reader.u32()) });
    }
  } catch {
    // What comes behind is not taken apart.
  }
  return parts;
}

/** With a size that is wrong by so much, of one section. */
function joined(parts: readonly Part[], wrongBy = 0, wrong = -1): Uint8Array<ArrayBuffer> {
  const sections = parts.map(({ id, content }, i) =>
    i === wrong ? [id, ...unsigned((content.length + wrongBy) >>> 0), ...content] : section(id, [...content]),
  );
  return moduleBytes(...sections);
}
