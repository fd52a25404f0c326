/** PrivLib in an address space of its own, and the guard's question asked from outside, for the tests of core/. */
import {
  GRANT_FACTOR_A,
  GRANT_FACTOR_B,
  GRANT_MASK,
  GRANT_SHIFT,
  GRANULE_SHIFT,
  GRANULE_TABLE,
  HOME_GLOBALS,
  HOME_GRANT_TABLE_A,
  HOME_GRANT_TABLE_B,
  HOME_LAST_READ_LENGTH,
  HOME_LAST_READ_START,
  HOME_LAST_WRITE_LENGTH,
  HOME_LAST_WRITE_START,
  PERMISSION_READ,
  PERMISSION_READ_WRITE,
  RED_ZONE,
  VTE_CLASS_MASK,
  VTE_OWNER,
  VTE_READ_END,
  VTE_SHIFT,
  VTE_START,
  VTE_WRITE_END,
} from '../core/layout.ts';
import {
  type AddressSpace,
  createAddressSpace,
  failed,
  instantiatePrivLib,
  type PrivLib,
} from '../src/server/privlib.ts';

export interface TestFunction {
  readonly descriptor: number;
  readonly headerSize: number;
  readonly memoryLimit: number;
  readonly mapOffset: number;
  readonly chunkShift: number;
  readonly globalsSize: number;
}

/** What a function may have; 0 is no limit. */
export interface FunctionLimits {
  readonly homesMax?: number;
  readonly concurrency?: number;
  readonly vmaBytesMax?: number;
}

/** An executor and its own PD. */
export interface TestExecutor {
  readonly control: number;
  readonly host: number;
}

export class Fixture {
  /** What another thread needs. */
  readonly space: AddressSpace;
  readonly privLib: PrivLib;
  readonly memory: WebAssembly.Memory;
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly executor: number;
  readonly host: number;

  constructor(options: { callDepthMax?: number } = {}) {
    const space = createAddressSpace({ callDepthMax: options.callDepthMax ?? 64 });
    this.space = space;
    this.memory = space.memory;
    this.view = new DataView(space.memory.buffer);
    this.bytes = new Uint8Array(space.memory.buffer);
    this.privLib = instantiatePrivLib(space);
    this.executor = this.privLib.executorCreate();
    this.host = this.privLib.executorHost(this.executor);
  }

  word(address: number): number {
    return this.view.getUint32(address, true);
  }

  setWord(address: number, value: number): void {
    this.view.setUint32(address, value, true);
  }

  addExecutor(): TestExecutor {
    const control = this.privLib.executorCreate();
    if (failed(control)) throw new Error(`executorCreate: ${control}`);
    return { control, host: this.privLib.executorHost(control) };
  }

  /** A function without code whose template holds what `fill` writes (and marks). */
  makeFunction(
    fill: (base: number, made: TestFunction) => void = () => {},
    memoryLimit = 131072,
    timeoutMs = 10_000,
    limits: FunctionLimits = {},
  ): TestFunction {
    const chunkShift = 9;
    const globalsSize = 64;
    const mapOffset = HOME_GLOBALS + globalsSize;
    const mapSize = Math.ceil((memoryLimit + RED_ZONE) / 2 ** chunkShift / 128) * 128;
    const headerSize = Math.ceil((mapOffset + mapSize) / 64) * 64;
    const descriptor = this.privLib.functionCreate(
      headerSize,
      memoryLimit,
      1,
      chunkShift,
      mapOffset,
      mapSize,
      globalsSize,
      1,
      timeoutMs,
      limits.concurrency ?? 0,
      limits.vmaBytesMax ?? 0,
    );
    if (failed(descriptor)) throw new Error(`functionCreate: ${descriptor}`);
    const made = { descriptor, headerSize, memoryLimit, mapOffset, chunkShift, globalsSize };
    const template = this.privLib.pdCreate(descriptor, this.host);
    if (failed(template)) throw new Error(`pdCreate: ${template}`);
    fill(this.privLib.pdHome(template), made);
    const status = this.privLib.functionSeal(template, globalsSize, limits.homesMax ?? 1000, this.host);
    if (status !== 0) throw new Error(`functionSeal: ${status}`);
    this.privLib.pdDestroy(template, this.host);
    return made;
  }

  /** Writes bytes of a home and marks them, as a guarded store does. */
  writeHome(base: number, made: TestFunction, pointer: number, content: Uint8Array): void {
    this.bytes.set(content, base + made.headerSize + pointer);
    const last = (pointer + content.length - 1) >>> made.chunkShift;
    for (let chunk = pointer >>> made.chunkShift; chunk <= last; chunk++) {
      this.bytes[base + made.mapOffset + chunk] = 1;
    }
  }

  /** The VTE of an address, by the arithmetic of the guard. */
  vteOf(address: number): number {
    const granule = this.view.getBigUint64(GRANULE_TABLE + ((address >>> GRANULE_SHIFT) << 3), true);
    const shift = Number(granule & 31n);
    return (((address >>> shift) << VTE_SHIFT) + Number(granule >> 32n)) >>> 0;
  }

  /** What a guarded access of this PD would be told: by what is remembered of the last one, otherwise by the tables. */
  guardAllows(base: number, address: number, size: number, write: boolean): boolean {
    const [start, length] = write
      ? [HOME_LAST_WRITE_START, HOME_LAST_WRITE_LENGTH]
      : [HOME_LAST_READ_START, HOME_LAST_READ_LENGTH];
    if (((address - this.word(base + start)) >>> 0) + size <= this.word(base + length)) return true;
    if (!this.#tablesAllow(base, address, size, write)) return false;
    const vte = this.vteOf(address);
    const vmaStart = (this.word(vte + VTE_START) & ~VTE_CLASS_MASK) >>> 0;
    this.setWord(base + start, vmaStart);
    this.setWord(base + length, this.word(vte + (write ? VTE_WRITE_END : VTE_READ_END)) - vmaStart);
    return true;
  }

  #tablesAllow(base: number, address: number, size: number, write: boolean): boolean {
    const vte = this.vteOf(address);
    const permission = write ? PERMISSION_READ_WRITE : PERMISSION_READ;
    const inA = this.word(base + HOME_GRANT_TABLE_A + ((Math.imul(vte, GRANT_FACTOR_A) >>> GRANT_SHIFT) & GRANT_MASK));
    const inB = this.word(base + HOME_GRANT_TABLE_B + ((Math.imul(vte, GRANT_FACTOR_B) >>> GRANT_SHIFT) & GRANT_MASK));
    const granted = [inA, inB].some((entry) => (entry & ~31) === vte && (entry & permission) === permission);
    if (this.word(vte + VTE_OWNER) !== base && !granted) return false;
    return address + size <= this.word(vte + (write ? VTE_WRITE_END : VTE_READ_END));
  }
}
