/** For tests: an address space with homes and VMAs made by hand, as core/layout.ts says, without PrivLib. */
import {
  ADDRESS_SPACE_PAGES,
  DEADLINE_FAR_MS,
  GRANT_FACTOR_A,
  GRANT_FACTOR_B,
  GRANT_MASK,
  GRANT_SHIFT,
  GRANULE_COUNT,
  GRANULE_FIRST,
  GRANULE_SHIFT,
  GRANULE_TABLE,
  HOME_AREA,
  HOME_DEADLINE_MS,
  HOME_END_MS,
  HOME_FAULT_ACCESS,
  HOME_FAULT_ADDRESS,
  HOME_FAULT_KIND,
  HOME_GRANT_TABLE_A,
  HOME_GRANT_TABLE_B,
  HOME_LAST_READ_LENGTH,
  HOME_LAST_WRITE_LENGTH,
  HOME_MEMORY_PAGES,
  NULL_SHIFT,
  NULL_VTE,
  PERMISSION_READ,
  PERMISSION_READ_WRITE,
  VTE_AREA,
  VTE_END,
  VTE_OWNER,
  VTE_READ_END,
  VTE_SHIFT,
  VTE_START,
  VTE_WRITE_END,
} from '../../core/layout.ts';
import { type GuardedModule, type HomeLayout, INIT_EXPORT } from './types.ts';

/** A home in the test's address space. */
export interface TestHome {
  readonly base: number;
  readonly layout: HomeLayout;
  /** Address of the function's address 0. */
  readonly start: number;
}

export interface TestFault {
  readonly kind: number;
  readonly address: number;
  readonly access: number;
}

export interface TestInstance {
  readonly home: TestHome;
  /** Calls an export with `base` added; the result as JavaScript gets it. */
  call(name: string, ...parameters: readonly unknown[]): unknown;
  /** The same for another home: the instance itself has no state. */
  callIn(home: TestHome, name: string, ...parameters: readonly unknown[]): unknown;
  init(): void;
}

export type HostFunction = (...parameters: readonly unknown[]) => unknown;

export class TestSpace {
  readonly memory = new WebAssembly.Memory({
    initial: ADDRESS_SPACE_PAGES,
    maximum: ADDRESS_SPACE_PAGES,
    shared: true,
  });
  readonly bytes = new Uint8Array(this.memory.buffer);
  readonly view = new DataView(this.memory.buffer);
  #nextEntry = VTE_AREA;
  #nextHome = HOME_AREA;

  constructor() {
    for (let granule = 0; granule < GRANULE_COUNT; granule += 1) this.#setGranule(granule, NULL_SHIFT, NULL_VTE);
  }

  get32(address: number): number {
    return this.view.getUint32(address, true);
  }

  set32(address: number, value: number): void {
    this.view.setUint32(address, value, true);
  }

  #setGranule(granule: number, shift: number, bias: number): void {
    this.set32(GRANULE_TABLE + 8 * granule, shift);
    this.set32(GRANULE_TABLE + 8 * granule + 4, bias);
  }

  /** Gives granule number `granule` (from GRANULE_FIRST on) to the class of VMAs of 2^shift bytes, 24 at most. */
  giveGranule(granule: number, shift: number): void {
    if (granule < GRANULE_FIRST || shift > GRANULE_SHIFT) throw new RangeError('no such granule or class');
    const firstIndex = (granule * 2 ** GRANULE_SHIFT) / 2 ** shift;
    this.#setGranule(granule, shift, (this.#nextEntry - (firstIndex << VTE_SHIFT)) >>> 0);
    this.#nextEntry += 2 ** (GRANULE_SHIFT - shift + VTE_SHIFT);
  }

  /** Address of the VTE of an address in a granule that was given out. */
  entryOf(address: number): number {
    const at = GRANULE_TABLE + 8 * (address >>> GRANULE_SHIFT);
    return (((address >>> this.get32(at)) << VTE_SHIFT) + this.get32(at + 4)) >>> 0;
  }

  /** Makes the VMA that begins at `start`. */
  map(start: number, length: number, owner: number, permission: number): void {
    const entry = this.entryOf(start);
    const end = start + length;
    const before = this.get32(entry + VTE_OWNER);
    if (before !== 0) this.forgetLast(before);
    this.set32(entry + VTE_OWNER, owner);
    this.set32(entry + VTE_READ_END, permission === 0 ? 0 : end);
    this.set32(entry + VTE_WRITE_END, permission === PERMISSION_READ_WRITE ? end : 0);
    this.set32(entry + VTE_END, end);
    this.set32(entry + VTE_START, start);
  }

  /** Enters the VMA of an address in a grant table of the PD at `base`; permission 0 takes it out. */
  grant(base: number, address: number, permission: number, table: 'A' | 'B'): void {
    const entry = this.entryOf(address);
    const [factor, offset] =
      table === 'A' ? [GRANT_FACTOR_A, HOME_GRANT_TABLE_A] : [GRANT_FACTOR_B, HOME_GRANT_TABLE_B];
    const value = permission >= PERMISSION_READ ? entry | permission : 0;
    this.set32(base + offset + ((Math.imul(entry, factor) >>> GRANT_SHIFT) & GRANT_MASK), value);
    this.forgetLast(base);
  }

  /** What PrivLib does when the PD at `base` loses something. */
  forgetLast(base: number): void {
    this.set32(base + HOME_LAST_READ_LENGTH, 0);
    this.set32(base + HOME_LAST_WRITE_LENGTH, 0);
  }

  /** A home in fresh memory. */
  newHome(layout: HomeLayout): TestHome {
    const base = this.#nextHome;
    this.#nextHome += layout.homeSize;
    return this.homeAt(base, layout);
  }

  /** A home at a place of one's own, with no deadline to meet. Clears header and map, and leaves the rest. */
  homeAt(base: number, layout: HomeLayout): TestHome {
    this.bytes.fill(0, base, base + layout.headerSize);
    this.set32(base + HOME_MEMORY_PAGES, layout.memoryInitialPages);
    this.set32(base + HOME_DEADLINE_MS, DEADLINE_FAR_MS);
    this.set32(base + HOME_END_MS, DEADLINE_FAR_MS);
    return { base, layout, start: base + layout.headerSize };
  }

  /** What the guard recorded in a home, and forgets it. */
  takeFault(home: TestHome): TestFault {
    const fault = {
      kind: this.get32(home.base + HOME_FAULT_KIND),
      address: this.get32(home.base + HOME_FAULT_ADDRESS),
      access: this.get32(home.base + HOME_FAULT_ACCESS),
    };
    this.bytes.fill(0, home.base + HOME_FAULT_KIND, home.base + HOME_FAULT_ACCESS + 4);
    return fault;
  }

  /** Numbers of the chunks that are marked, and clears the marks. */
  takeMarks(home: TestHome): number[] {
    const { mapOffset, mapSize } = home.layout;
    const map = this.bytes.subarray(home.base + mapOffset, home.base + mapOffset + mapSize);
    const marks = Array.from(map.keys()).filter((chunk) => map[chunk] !== 0);
    map.fill(0);
    return marks;
  }

  /** Instantiates a module with the memory as `jord.memory` and host functions by `module.name`. */
  link(bytes: Uint8Array<ArrayBuffer>, host: Readonly<Record<string, HostFunction>>): WebAssembly.Exports {
    const module = new WebAssembly.Module(bytes);
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = { jord: { memory: this.memory } };
    for (const entry of WebAssembly.Module.imports(module)) {
      const offered = host[`${entry.module}.${entry.name}`];
      if (offered === undefined) continue;
      imports[entry.module] = { ...imports[entry.module], [entry.name]: offered };
    }
    return new WebAssembly.Instance(module, imports).exports;
  }

  /** Instantiates a guarded module for one home. */
  instantiate(guarded: GuardedModule, home: TestHome, host: Readonly<Record<string, HostFunction>> = {}): TestInstance {
    const exports = this.link(guarded.bytes, host);
    const callIn = (other: TestHome, name: string, ...parameters: readonly unknown[]): unknown => {
      const f = exports[name];
      if (typeof f !== 'function') throw new RangeError(`the module does not export ${name}`);
      return f(...parameters, other.base);
    };
    const call = (name: string, ...parameters: readonly unknown[]): unknown => callIn(home, name, ...parameters);
    return { home, call, callIn, init: () => void call(INIT_EXPORT) };
  }
}
