/**
 * What a function may touch and what it may not, in an address space by hand: its home between two others, ArgBufs of its own
 * among those of others, grants, and the server's tables. There are two versions of it, A and B, that differ in everything
 * that the function may not see. So a function that sees no more than it may does the same in both.
 */
import { createHash } from 'node:crypto';
import * as L from '../../core/layout.ts';
import type { TestSpace } from '../../src/guard/testing.ts';
import type { HomeLayout } from '../../src/guard/types.ts';

export type Version = 'A' | 'B';

interface Region {
  readonly what: string;
  readonly start: number;
  readonly end: number;
  /** Whether the function may write there (in its home: where it marks). */
  readonly writable: boolean;
  /** How many of its bytes the function may read, from the first one on; in its memory and its VMAs. */
  readonly visible: number;
}

const CLASS_SHIFT = 7;
const SLOT = 2 ** CLASS_SHIFT;
const GRANULE = 128;
/** Slots of the class that are looked at. */
const SLOTS = 14;
export const VMAS = GRANULE * 2 ** L.GRANULE_SHIFT;
/** Bytes beside the home that are looked at: an access with a small offset ends there if it leaves the home. */
const BESIDE = 12_288;
/** Memory is zero up to here, for functions that count. */
const COUNTERS_SIZE = 64;
/** A record of an invocation, for the deadline check to look at. */
const RECORD = L.INVOCATION_TABLE;

/** A pattern that differs from byte to byte and from version to version. */
function pattern(at: number, version: Version): number {
  const mixed = Math.imul(at ^ (version === 'A' ? 0x5bd1 : 0x1b873), 0x9e3779b1);
  return (mixed >>> 24) | 1;
}

interface OwnLength {
  readonly read: number;
  readonly write: number;
}

const OWN_LENGTHS: Readonly<Record<number, OwnLength>> = {
  2: { read: 100, write: 100 },
  4: { read: SLOT, write: SLOT },
  6: { read: 96, write: 0 },
  8: { read: 64, write: 0 },
  9: { read: 61, write: 61 },
};

/** How many bytes of the VMA in a slot the function may read and write. */
function ownLength(slot: number): OwnLength {
  return OWN_LENGTHS[slot] ?? { read: 0, write: 0 };
}

/** One version: where the homes are, and what each region holds. */
interface Scene {
  readonly base: number;
  /** Bases of the homes on both sides. */
  readonly before: number;
  readonly behind: number;
  readonly regions: readonly Region[];
  readonly contents: readonly Buffer[];
}

export class World {
  readonly space: TestSpace;
  readonly layout: HomeLayout;
  readonly #bytes: Buffer;
  readonly #scenes: Readonly<Record<Version, Scene>>;
  #scene: Scene;

  constructor(space: TestSpace, layout: HomeLayout) {
    this.space = space;
    this.layout = layout;
    this.#bytes = Buffer.from(space.memory.buffer);
    // The homes are elsewhere in B, since a function must not see its base either.
    const first = L.HOME_AREA + 0x10000;
    this.#scenes = { A: this.#make('A', first), B: this.#make('B', first + 8 * layout.homeSize + 0x5000) };
    this.#scene = this.#scenes.A;
  }

  /** Of the home, in the version that is loaded. */
  get base(): number {
    return this.#scene.base;
  }

  #describe(base: number): Region[] {
    const { layout } = this;
    const region = (what: string, start: number, end: number, writable = false, visible = 0): Region => ({
      what,
      start,
      end,
      writable,
      visible,
    });
    const behind = base + layout.homeSize;
    const memory = base + layout.headerSize;
    const memoryEnd = memory + layout.memoryLimit + L.RED_ZONE;
    return [
      // The time between them moves on.
      region('control block', 0, L.CONTROL_NOW_MS),
      region('control block and granule table', L.CONTROL_NOW_MS + 4, 0x1000),
      region('VMA table', L.VTE_AREA, L.VTE_AREA + SLOTS * L.VTE_SIZE),
      region('record', RECORD, RECORD + L.INVOCATION_SIZE),
      region('home before', base - BESIDE, base),
      region('header', base, memory, true),
      region('memory', memory, memoryEnd, true, memoryEnd - memory),
      region('rest of the home', memoryEnd, behind),
      region('home behind', behind, behind + BESIDE),
      region('before the VMAs', VMAS - 4096, VMAS),
      ...Array.from({ length: SLOTS }, (_, slot) => {
        const start = VMAS + slot * SLOT;
        const { read, write } = ownLength(slot);
        return [
          region(`VMA ${slot}`, start, start + write, true, write),
          region(`VMA ${slot}, what may not be written`, start + write, start + SLOT, false, read - write),
        ];
      }).flat(),
      region('behind the VMAs', VMAS + SLOTS * SLOT, VMAS + SLOTS * SLOT + 4096),
    ].filter(({ start, end }) => end > start);
  }

  /** Makes a version in the address space and keeps a copy of each region. */
  #make(version: Version, before: number): Scene {
    const { space, layout } = this;
    const base = before + layout.homeSize;
    const behind = base + layout.homeSize;
    const regions = this.#describe(base);
    for (const { start, end } of regions) {
      for (let at = start; at < end; at += 1) this.#bytes[at] = pattern(at, version);
    }
    // Always zero: what nobody's addresses lead to.
    this.#bytes.fill(0, 0, L.CONTROL_MAGIC);
    this.#bytes.fill(0, L.NULL_VTE, L.NULL_VTE + 2 * L.VTE_SIZE);
    for (let granule = 0; granule < L.GRANULE_COUNT; granule += 1) {
      space.set32(L.GRANULE_TABLE + 8 * granule, L.NULL_SHIFT);
      space.set32(L.GRANULE_TABLE + 8 * granule + 4, L.NULL_VTE);
    }
    const bias = L.VTE_AREA - ((VMAS / SLOT) << L.VTE_SHIFT);
    space.set32(L.GRANULE_TABLE + 8 * GRANULE, CLASS_SHIFT);
    space.set32(L.GRANULE_TABLE + 8 * GRANULE + 4, bias >>> 0);
    this.#makeVmas(version, base, version === 'A' ? before : behind);
    this.#makeHeader(version, base);
    this.#makeOwn(base);
    const contents = regions.map(({ start, end }) => Buffer.from(this.#bytes.subarray(start, end)));
    return { base, before, behind, regions, contents };
  }

  /** What the function may see is the same in both versions. */
  #makeOwn(base: number): void {
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const { read } = ownLength(slot);
      for (let i = 0; i < read; i += 1) this.#bytes[VMAS + slot * SLOT + i] = pattern(i, 'A');
    }
    const memory = base + this.layout.headerSize;
    const size = this.layout.memoryLimit + L.RED_ZONE;
    this.#bytes.fill(0, memory, memory + COUNTERS_SIZE);
    for (let i = COUNTERS_SIZE; i < size; i += 1) this.#bytes[memory + i] = pattern(i, 'A');
  }

  #makeVmas(version: Version, base: number, other: number): void {
    const { space } = this;
    const length = version === 'A' ? SLOT : SLOT - 32;
    this.#bytes.fill(0, L.VTE_AREA, L.VTE_AREA + SLOTS * L.VTE_SIZE);
    const map = (slot: number, owner: number, bytes: number, permission: number): void =>
      space.map(VMAS + slot * SLOT, bytes, owner, permission);
    for (const slot of [1, 3, 5, 7]) map(slot, other, length, L.PERMISSION_READ_WRITE);
    map(2, base, 100, L.PERMISSION_READ_WRITE);
    map(4, base, SLOT, L.PERMISSION_READ_WRITE);
    map(6, base, 96, L.PERMISSION_READ);
    map(8, other, 64, L.PERMISSION_READ_WRITE);
    map(9, other, 61, L.PERMISSION_READ_WRITE);
    map(10, base, 80, L.PERMISSION_NONE);
    map(11, L.OWNER_NOBODY, length, L.PERMISSION_READ_WRITE);
    map(12, RECORD, length, L.PERMISSION_READ_WRITE);
  }

  #makeHeader(version: Version, base: number): void {
    const { space, layout } = this;
    this.#bytes.fill(0, base + L.HOME_FAULT_KIND, base + L.HOME_GLOBALS);
    this.#bytes.fill(0, base + layout.mapOffset, base + layout.headerSize);
    this.#bytes.fill(0, base + L.HOME_GLOBALS, base + L.HOME_GLOBALS + layout.globalsSize);
    space.set32(base + L.HOME_MEMORY_PAGES, layout.memoryInitialPages);
    space.set32(base + L.HOME_INVOCATION, RECORD);
    space.set32(base + L.HOME_DEADLINE_MS, L.DEADLINE_FAR_MS);
    space.set32(base + L.HOME_END_MS, L.DEADLINE_FAR_MS);
    space.set32(base + L.HOME_VMA_BYTES, version === 'A' ? 1 : 2);
    if (version === 'B') {
      space.set32(base + L.HOME_LAST_READ_START, VMAS + 4 * SLOT);
      space.set32(base + L.HOME_LAST_READ_LENGTH, SLOT);
      space.set32(base + L.HOME_LAST_WRITE_START, VMAS + 2 * SLOT);
      space.set32(base + L.HOME_LAST_WRITE_LENGTH, 100);
    }
    space.set32(RECORD + L.INVOCATION_CANCELLED, 0);
    space.grant(base, VMAS + 8 * SLOT, L.PERMISSION_READ, 'A');
    space.grant(base, VMAS + 9 * SLOT, L.PERMISSION_READ_WRITE, 'B');
  }

  /** Puts a version into the address space, all of it as it was made. */
  load(version: Version): void {
    this.#scene = this.#scenes[version];
    for (const [i, { start }] of this.#scene.regions.entries()) {
      const content = this.#scene.contents[i] as Buffer; // one for each region
      const now = this.#bytes.subarray(start, start + content.length);
      if (!now.equals(content)) now.set(content);
    }
  }

  /** What the function has changed and may not have: a sentence, or undefined. */
  damage(): string | undefined {
    for (const [i, { what, start, end, writable }] of this.#scene.regions.entries()) {
      const now = this.#bytes.subarray(start, end);
      const content = this.#scene.contents[i] as Buffer; // one for each region
      if (now.equals(content)) continue;
      if (!writable) return `${what} has changed`;
      if (what === 'memory') {
        const unmarked = this.#unmarked(now, content);
        if (unmarked >= 0) return `byte 0x${unmarked.toString(16)} has changed without a mark`;
      } else if (what === 'header') {
        const place = this.#headerDamage(now, content);
        if (place >= 0) return `byte ${place} of the header has changed`;
      }
    }
    return undefined;
  }

  /** The first byte of memory that has changed and would not be restored, or -1. */
  #unmarked(now: Buffer, content: Buffer): number {
    const { mapOffset, mapSize, chunkShift } = this.layout;
    const restored = new Uint8Array(now.length);
    const map = this.#bytes.subarray(this.base + mapOffset, this.base + mapOffset + mapSize);
    for (const [chunk, marked] of map.entries()) {
      const start = chunk * 2 ** chunkShift;
      if (marked === 1) restored.fill(1, start, start + 2 ** chunkShift + L.RESTORED_BEHIND);
    }
    return now.findIndex((byte, at) => byte !== content[at] && restored[at] === 0);
  }

  #headerDamage(now: Buffer, content: Buffer): number {
    const { mapOffset, mapSize, globalsSize, memoryMaximumPages } = this.layout;
    return now.findIndex((byte, at) => {
      if (byte === content[at]) return false;
      if (at >= L.HOME_FAULT_KIND && at < L.HOME_FAULT_ACCESS + 4) return false;
      if (at >= L.HOME_MEMORY_PAGES && at < L.HOME_MEMORY_PAGES + 4) {
        return now.readUInt32LE(L.HOME_MEMORY_PAGES) > memoryMaximumPages;
      }
      if (at >= L.HOME_DEADLINE_MS && at < L.HOME_DEADLINE_MS + 4) {
        return now.readUInt32LE(L.HOME_DEADLINE_MS) !== now.readUInt32LE(L.HOME_END_MS);
      }
      if (at >= L.HOME_LAST_READ_START && at < L.HOME_LAST_WRITE_LENGTH + 4) return !this.#areLastVmas(now);
      if (at >= L.HOME_GLOBALS && at < L.HOME_GLOBALS + globalsSize) return false;
      return !(at >= mapOffset && at < mapOffset + mapSize && byte === 1);
    });
  }

  /** Whether the VMAs that were looked up last are none, or some that may be read, and written. */
  #areLastVmas(header: Buffer): boolean {
    const isOwn = (start: number, length: number, right: 'read' | 'write'): boolean => {
      if (length === 0) return true;
      const slot = (start - VMAS) / SLOT;
      return Number.isInteger(slot) && ownLength(slot)[right] === length;
    };
    const word = (place: number): number => header.readUInt32LE(place);
    return (
      isOwn(word(L.HOME_LAST_READ_START), word(L.HOME_LAST_READ_LENGTH), 'read') &&
      isOwn(word(L.HOME_LAST_WRITE_START), word(L.HOME_LAST_WRITE_LENGTH), 'write')
    );
  }

  /** All that the function can see afterwards, as a digest. */
  visible(): string {
    const { base, regions, contents } = this.#scene;
    const hash = createHash('sha1');
    for (const [i, { what, start, visible }] of regions.entries()) {
      const content = contents[i] as Buffer; // one for each region
      const now = this.#bytes.subarray(start, start + visible);
      if (!now.equals(content.subarray(0, visible))) hash.update(`${what}:`).update(now);
    }
    const globals = base + L.HOME_GLOBALS;
    hash.update(this.#bytes.subarray(globals, globals + this.layout.globalsSize));
    const fault = [L.HOME_FAULT_KIND, L.HOME_FAULT_ADDRESS, L.HOME_FAULT_ACCESS, L.HOME_MEMORY_PAGES];
    return [hash.digest('hex'), ...fault.map((place) => this.space.get32(base + place))].join();
  }

  /** Pointers worth trying, for an access that adds `offset` to them. */
  pointers(offset: number): number[] {
    const { base, before, behind } = this.#scenes.A;
    const { headerSize: header, memoryLimit: limit, homeSize } = this.layout;
    const around = (at: number): number[] => [-16, -4, -1, 0, 1, 4].map((distance) => at + distance);
    const own = [0, 1, 60, 255, 256, 4096, ...around(limit), ...around(limit + L.RED_ZONE), homeSize - header];
    const inVma = [0, 57, 58, 92, 93, 97, 99, 124, 127];
    const starts = Array.from({ length: SLOTS }, (_, slot) => VMAS + slot * SLOT);
    const vmas = starts.flatMap((start) => inVma.map((at) => start + at));
    const places = [
      0,
      L.CONTROL_NOW_MS,
      L.GRANULE_TABLE + 8 * GRANULE,
      L.VTE_AREA + 2 * L.VTE_SIZE,
      L.VTE_AREA + 3 * L.VTE_SIZE + L.VTE_OWNER,
    ];
    const homes = [
      base,
      base + L.HOME_PD,
      base + L.HOME_GRANT_TABLE_A,
      base + header,
      before,
      behind,
      behind + header,
      base - 4,
    ];
    const relative = [...places, ...homes, VMAS + SLOT, VMAS + 3 * SLOT].flatMap((at) => [
      at - base,
      at - base - header,
      at,
    ]);
    const targets = [...own, ...vmas, ...relative, ...around(2 ** 31), ...around(2 ** 32)];
    return [...new Set(targets.flatMap((at) => [(at - offset) >>> 0, at >>> 0]))];
  }
}
