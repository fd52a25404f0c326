/**
 * Sites: accesses with what is known of their pointers, and groups of those that are about one pointer in one stretch. Filled by
 * pointers.ts.
 */

import type { Access } from './opcodes.ts';
import { grown, int32 } from './tables.ts';

/** Most bytes that one check covers; its size has eight bits. */
const GROUP_BYTES_MAX = 255;

// Where the pointer of an access comes from.
export const FROM_LOCAL = 1;
export const FROM_STACK = 2;
export const FROM_CONSTANT = 3;
/** It is taken from the stack at the access itself. */
export const FROM_ACCESS = 4;

// Words of a site: an access, and the instruction that leaves its pointer.
const SITE_WORDS = 9;
const FROM = 0;
/** The local, or the constant. */
const SOURCE = 1;
/** The pointer's number. */
const VALUE = 2;
const GROUP = 3;
const ACCESS_AT = 4;
/** Whether the address can only be found at the access itself, since there are calls between pointer and access. */
const LATE = 5;
/** Whether the pointer is known to be where the home is, so that no check is needed. */
const HOME = 6;
const LOOP = 7;
/** The instruction that leaves the pointer. */
const LEFT = 8;

// Words of a group.
const GROUP_WORDS = 8;
const LOW = 0;
const HIGH = 1;
/** Range of what is written; HIGH 0: nothing. */
const WRITE_LOW = 2;
const WRITE_HIGH = 3;
const STRETCH = 4;
const GROUP_ACCESSES = 5;

export class PointerSites {
  /** Sites are numbered from 1 to below this. */
  count = 1;
  #sites = int32(SITE_WORDS * 256);
  #groups = int32(GROUP_WORDS * 256);
  #groupCount = 1;
  /** By number of a value: its latest group, and how far from it anything is written. */
  #groupOf = int32(1024);
  #writeHigh = int32(1024);

  /** Begins a body. */
  begin(): void {
    this.count = 1;
    this.#groupCount = 1;
  }

  /** There is a value of this number from now on. */
  addValue(value: number): void {
    this.#groupOf = grown(this.#groupOf, value + 1, int32);
    this.#groupOf[value] = 0;
    this.#writeHigh = grown(this.#writeHigh, value + 1, int32);
    this.#writeHigh[value] = 0;
  }

  from(site: number): number {
    return this.#sites[site * SITE_WORDS + FROM] as number; // sites are inside the table
  }

  source(site: number): number {
    return this.#sites[site * SITE_WORDS + SOURCE] as number;
  }

  value(site: number): number {
    return this.#sites[site * SITE_WORDS + VALUE] as number;
  }

  /** [pointer, pointer + this) has in it all that the function writes at this pointer. */
  writeHigh(site: number): number {
    return this.#writeHigh[this.value(site)] as number;
  }

  accessAt(site: number): number {
    return this.#sites[site * SITE_WORDS + ACCESS_AT] as number;
  }

  /** The instruction that leaves the pointer. */
  left(site: number): number {
    return this.#sites[site * SITE_WORDS + LEFT] as number;
  }

  isLate(site: number): boolean {
    return this.#sites[site * SITE_WORDS + LATE] === 1;
  }

  isHome(site: number): boolean {
    return this.#sites[site * SITE_WORDS + HOME] === 1;
  }

  /** Where the innermost loop that the access is in begins, or -1; only for one that `isHome`. */
  loop(site: number): number {
    return this.#sites[site * SITE_WORDS + LOOP] as number;
  }

  setHome(site: number, loop: number): void {
    this.#sites[site * SITE_WORDS + HOME] = 1;
    this.#sites[site * SITE_WORDS + LOOP] = loop;
  }

  groupLow(site: number): number {
    return this.#group(site, LOW);
  }

  groupHigh(site: number): number {
    return this.#group(site, HIGH);
  }

  groupWriteLow(site: number): number {
    return this.#group(site, WRITE_LOW);
  }

  /** 0 when the group writes nothing. */
  groupWriteHigh(site: number): number {
    return this.#group(site, WRITE_HIGH);
  }

  groupAccesses(site: number): number {
    return this.#group(site, GROUP_ACCESSES);
  }

  #group(site: number, word: number): number {
    const group = this.#sites[site * SITE_WORDS + GROUP] as number;
    return this.#groups[group * GROUP_WORDS + word] as number;
  }

  /** Returns the number of the new site. */
  add(from: number, source: number, value: number, group: number, left: number, at: number, isLate: boolean): number {
    const site = this.count;
    this.count = site + 1;
    this.#sites = grown(this.#sites, this.count * SITE_WORDS, int32);
    const sites = this.#sites;
    const word = site * SITE_WORDS;
    sites[word + FROM] = from;
    sites[word + SOURCE] = source;
    sites[word + VALUE] = value;
    sites[word + ACCESS_AT] = at;
    sites[word + LEFT] = left;
    sites[word + LATE] = isLate ? 1 : 0;
    sites[word + GROUP] = group;
    sites[word + HOME] = 0;
    if (from === FROM_LOCAL) this.#noteWrite(value, group);
    return site;
  }

  #noteWrite(value: number, group: number): void {
    const high = this.#groups[group * GROUP_WORDS + WRITE_HIGH] as number;
    if (high > (this.#writeHigh[value] as number)) this.#writeHigh[value] = high;
  }

  /** The group of an access of this value in this stretch: the latest one of the value, if it is of the stretch and not too wide. */
  groupFor(value: number, offset: number, access: Access, stretch: number): number {
    const group = this.#groupOf[value] as number;
    const word = group * GROUP_WORDS;
    const groups = this.#groups;
    const high = offset + access.sizeBytes;
    const isSame =
      group !== 0 &&
      groups[word + STRETCH] === stretch &&
      Math.max(groups[word + HIGH] as number, high) - Math.min(groups[word + LOW] as number, offset) <= GROUP_BYTES_MAX;
    if (!isSame) {
      const made = this.newGroup(offset, access, stretch);
      this.#groupOf[value] = made;
      return made;
    }
    groups[word + LOW] = Math.min(groups[word + LOW] as number, offset);
    groups[word + HIGH] = Math.max(groups[word + HIGH] as number, high);
    groups[word + GROUP_ACCESSES] = (groups[word + GROUP_ACCESSES] as number) + 1;
    if (access.write) {
      const none = groups[word + WRITE_HIGH] === 0;
      groups[word + WRITE_LOW] = none ? offset : Math.min(groups[word + WRITE_LOW] as number, offset);
      groups[word + WRITE_HIGH] = Math.max(groups[word + WRITE_HIGH] as number, high);
    }
    return group;
  }

  /** A group of this access alone, for now. */
  newGroup(offset: number, access: Access, stretch: number): number {
    const group = this.#groupCount;
    this.#groupCount = group + 1;
    this.#groups = grown(this.#groups, this.#groupCount * GROUP_WORDS, int32);
    const word = group * GROUP_WORDS;
    const groups = this.#groups;
    const high = offset + access.sizeBytes;
    groups[word + LOW] = offset;
    groups[word + HIGH] = high;
    groups[word + WRITE_LOW] = access.write ? offset : 0;
    groups[word + WRITE_HIGH] = access.write ? high : 0;
    groups[word + STRETCH] = stretch;
    groups[word + GROUP_ACCESSES] = 1;
    return group;
  }
}
