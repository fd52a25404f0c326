/** Modules taken apart into sections, and put together again. */
import { Reader } from '../../src/guard/reader.ts';
import { moduleBytes, section, unsigned } from '../../src/guard/testing-modules.ts';

/** Section ids in the order in which they must come. */
const ORDER = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

export type Sections = Map<number, Uint8Array | readonly number[]>;

/** Contents of the sections of a valid module by their ids; without custom ones, which may speak of offsets. */
export function sectionsOf(bytes: Uint8Array): Sections {
  const sections: Sections = new Map();
  const reader = new Reader(bytes, 8, bytes.length);
  while (!reader.atEnd) {
    const id = reader.byte();
    const content = reader.take(reader.u32());
    if (id !== 0) sections.set(id, content);
  }
  return sections;
}

/** Adds to the end of a section that is a list. */
export function append(sections: Sections, id: number, more: readonly (readonly number[])[]): void {
  const content = Uint8Array.from(sections.get(id) ?? [0]);
  const reader = new Reader(content, 0, content.length);
  const count = reader.u32();
  const rest = content.subarray(reader.position);
  sections.set(id, [...unsigned(count + more.length), ...rest, ...more.flat()]);
}

export function joinSections(sections: Sections): Uint8Array<ArrayBuffer> {
  return moduleBytes(
    ...ORDER.map((id) => {
      const content = sections.get(id);
      return content === undefined ? [] : section(id, [...content]);
    }),
  );
}
