/**
 * A worker server whose address space the test can look at, and what must be true of that address space whenever no
 * invocation runs. The tests of test/ see the server from outside otherwise.
 */
import assert from 'node:assert/strict';
import * as L from '../core/layout.ts';
import { JordError } from '../src/errors.ts';
import type { FaultDetails, LogRecord } from '../src/server/types.ts';
import { type LocalWorkerServer, startWorkerServer, type WorkerServerOptions } from '../src/server/worker-server.ts';

/** The executor of the thread that starts a server. */
export const EXECUTOR: number = L.EXECUTOR_TABLE;

export interface ObservedServer {
  readonly server: LocalWorkerServer;
  readonly memory: AddressSpaceView;
  /** What was logged since the test last emptied it. */
  readonly records: LogRecord[];
  /** Is called with each record as it comes. What it throws does not reach the function that logs: see `rethrow`. */
  onLog: (record: LogRecord) => void;
  /** Throws the first thing that `onLog` has thrown. */
  rethrow(): void;
}

/** Starts a server without a store, and without executor threads unless the options say otherwise. */
export async function startObserved(options: WorkerServerOptions = {}): Promise<ObservedServer> {
  const records: LogRecord[] = [];
  const thrown: unknown[] = [];
  const log = (record: LogRecord): void => {
    records.push(record);
    try {
      observed.onLog(record);
    } catch (error) {
      thrown.push(error);
    }
  };
  const [starting, memory] = catchMemory(() => startWorkerServer({ executors: 0, ...options, log }));
  const server = await starting;
  const observed: ObservedServer = {
    server,
    memory: new AddressSpaceView(memory),
    records,
    onLog: () => {},
    rethrow: () => {
      if (thrown.length > 0) throw thrown[0];
    },
  };
  return observed;
}

/** The address space is made before `startWorkerServer` first waits, so it is enough to look on until then. */
function catchMemory<T>(start: () => T): readonly [result: T, memory: WebAssembly.Memory] {
  const { Memory } = WebAssembly;
  const made: WebAssembly.Memory[] = [];
  WebAssembly.Memory = new Proxy(Memory, {
    construct(target, parameters: [WebAssembly.MemoryDescriptor]) {
      const memory = new target(...parameters);
      made.push(memory);
      return memory;
    },
  });
  try {
    const result = start();
    const [memory] = made;
    assert.ok(memory !== undefined && made.length === 1, 'the server made its address space');
    return [result, memory];
  } finally {
    WebAssembly.Memory = Memory;
  }
}

/** A live function as its descriptor has it. */
export interface DescribedFunction {
  readonly descriptor: number;
  readonly homes: number;
  readonly headerSize: number;
  readonly memoryLimit: number;
  readonly mapOffset: number;
  readonly mapSize: number;
  readonly imageEnd: number;
  /** Bases of the homes that idle. */
  readonly idle: readonly number[];
}

export interface Counts {
  readonly vmas: number;
  readonly pds: number;
  readonly homeMemoryFreeBytes: number;
  /** By descriptor. */
  readonly homes: Readonly<Record<number, number>>;
}

/** Reads the address space by core/layout.ts. Never writes. */
export class AddressSpaceView {
  readonly memory: WebAssembly.Memory;
  readonly bytes: Buffer;
  readonly #view: DataView;

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    // Buffer.from is limited to less than 4 GiB; the last granule is never given out.
    this.bytes = Buffer.from(memory.buffer, 0, 0xff00_0000);
    this.#view = new DataView(memory.buffer);
  }

  word(address: number): number {
    return this.#view.getUint32(address, true);
  }

  /** Control blocks of all executors, that of the thread that started the server first. */
  get executors(): readonly number[] {
    const count = this.word(L.CONTROL_EXECUTORS);
    return Array.from({ length: count }, (_, index) => L.EXECUTOR_TABLE + index * L.EXECUTOR_SIZE);
  }

  /** Sum of a word over all executors, as a signed number. */
  sum(field: number): number {
    return this.executors.reduce((sum, executor) => sum + this.word(executor + field), 0) | 0;
  }

  /** Base of the PD that runs on the first executor. */
  get running(): number {
    return this.word(EXECUTOR + L.EXECUTOR_CURRENT);
  }

  get hostBase(): number {
    return this.word(EXECUTOR + L.EXECUTOR_HOST);
  }

  /** Where a home's memory begins: the address of the function's address 0. */
  homeStart(base: number): number {
    return base + this.word(this.word(base + L.HOME_FUNCTION) + L.FUNCTION_HEADER_SIZE);
  }

  /** The VTE of an address, or undefined where no class has the granule. */
  entryOf(address: number): number | undefined {
    const granule = L.GRANULE_TABLE + (address >>> L.GRANULE_SHIFT) * 8;
    const shift = this.word(granule);
    if (shift === L.NULL_SHIFT) return undefined;
    return ((((address >>> shift) << L.VTE_SHIFT) >>> 0) + this.word(granule + 4)) >>> 0;
  }

  functions(): DescribedFunction[] {
    const found: DescribedFunction[] = [];
    for (let index = 1; index < L.FUNCTIONS_MAX; index++) {
      const descriptor = L.FUNCTION_TABLE + index * L.FUNCTION_SIZE;
      if (this.word(descriptor + L.FUNCTION_STATE) === L.FUNCTION_FREE) continue;
      found.push({
        descriptor,
        homes: this.word(descriptor + L.FUNCTION_HOMES),
        headerSize: this.word(descriptor + L.FUNCTION_HEADER_SIZE),
        memoryLimit: this.word(descriptor + L.FUNCTION_MEMORY_LIMIT),
        mapOffset: this.word(descriptor + L.FUNCTION_MAP_OFFSET),
        mapSize: this.word(descriptor + L.FUNCTION_MAP_SIZE),
        imageEnd: this.word(descriptor + L.FUNCTION_IMAGE_END),
        idle: this.executors.flatMap((_, executor) => this.pool(executor, descriptor)),
      });
    }
    return found;
  }

  /** Bases of the homes of a function that idle on an executor, the one with this index. */
  pool(executor: number, descriptor: number): number[] {
    const index = (descriptor - L.FUNCTION_TABLE) / L.FUNCTION_SIZE;
    const pool = L.POOL_TABLE + (executor * L.FUNCTIONS_MAX + index) * L.POOL_SIZE;
    const bases: number[] = [];
    for (let base = this.word(pool + L.POOL_HEAD); base !== 0; base = this.word(base + L.HOME_NEXT)) {
      bases.push(base);
      assert.ok(bases.length <= L.PDS_MAX, 'a pool ends');
    }
    assert.equal(this.word(pool + L.POOL_COUNT), bases.length, 'a pool counts its homes');
    return bases;
  }

  counts(): Counts {
    const homes = Object.fromEntries(this.functions().map((f) => [f.descriptor, f.homes]));
    let homeMemoryFreeBytes = 0;
    let previous = 0;
    for (let range = this.word(L.CONTROL_HOME_FREE); range !== 0; range = this.word(range + 4)) {
      assert.ok(range > previous, 'free home memory is in the order of its addresses');
      previous = range;
      homeMemoryFreeBytes += this.word(range);
    }
    return {
      vmas: this.sum(L.EXECUTOR_VMAS),
      pds: this.sum(L.EXECUTOR_PDS),
      homeMemoryFreeBytes,
      homes,
    };
  }

  /** The VTEs of all VMAs that were ever used since their granule came to its class. */
  *#carved(): Generator<{ readonly vte: number; readonly shift: number }> {
    for (let granule = L.GRANULE_FIRST; granule < L.GRANULE_LAST; granule++) {
      const shift = this.word(L.GRANULE_TABLE + granule * 8);
      if (shift === L.NULL_SHIFT) continue;
      const start = granule * 2 ** L.GRANULE_SHIFT;
      // A VMA of several granules has its VTE with the first one.
      const count = shift > L.GRANULE_SHIFT ? (start % 2 ** shift === 0 ? 1 : 0) : 2 ** (L.GRANULE_SHIFT - shift);
      const first = this.entryOf(start) ?? 0;
      for (let i = 0; i < count; i++) {
        const vte = first + i * L.VTE_SIZE;
        if (this.word(vte + L.VTE_START) === 0) break;
        yield { vte, shift };
      }
    }
  }

  /** Mapped VTEs, and how many are on a free list; none may be on two, or on one and mapped. */
  vmaCensus(): { readonly mapped: number; readonly free: number; readonly carved: number } {
    let mapped = 0;
    let carved = 0;
    for (const { vte } of this.#carved()) {
      carved++;
      if (this.word(vte + L.VTE_OWNER) !== 0) mapped++;
    }
    const listed = new Set<number>();
    for (let shift = L.CLASS_SHIFT_MIN; shift <= L.CLASS_SHIFT_MAX; shift++) {
      for (const executor of this.executors) {
        const list = executor + L.EXECUTOR_FREE + (shift - L.CLASS_SHIFT_MIN) * 8;
        const own = this.#freeList(list, shift, listed);
        assert.equal(this.word(list + 4), own, 'a free list counts its VMAs');
      }
      this.#freeList(L.CONTROL_SHARED_FREE + (shift - L.CLASS_SHIFT_MIN) * 4, shift, listed);
    }
    return { mapped, free: listed.size, carved };
  }

  /** How many VMAs of a size class were ever used. */
  carvedOf(wanted: number): number {
    let carved = 0;
    for (const { shift } of this.#carved()) if (shift === wanted) carved++;
    return carved;
  }

  #freeList(head: number, shift: number, listed: Set<number>): number {
    let count = 0;
    for (let vte = this.word(head); vte !== 0; vte = this.word(vte + L.VTE_NEXT)) {
      assert.ok(!listed.has(vte), 'a free VMA is on one list, once');
      assert.equal(this.word(vte + L.VTE_OWNER), 0, 'a VMA on a free list has no owner');
      assert.equal(this.word(vte + L.VTE_START) & 31, shift, 'a VMA is on the list of its class');
      assert.equal(this.word(vte + L.VTE_READ_END) | this.word(vte + L.VTE_WRITE_END), 0, 'nobody may use a free VMA');
      listed.add(vte);
      count++;
    }
    return count;
  }

  /** What must be true whenever no invocation runs. */
  assertIdle(): void {
    assert.equal(this.word(L.CONTROL_LOCK), 0, 'the lock is free');
    for (const executor of this.executors) {
      const host = this.word(executor + L.EXECUTOR_HOST);
      assert.equal(this.word(executor + L.EXECUTOR_CURRENT), host, 'the host runs');
      assert.equal(this.word(host + L.HOME_OWNED), 0, 'the host owns nothing');
    }
    assert.equal(this.sum(L.EXECUTOR_PDS), 0, 'no PD is left');
    assert.equal((this.sum(L.EXECUTOR_VMAS) + this.word(L.CONTROL_VMAS)) | 0, 0, 'no VMA is left');
    const { mapped, free, carved } = this.vmaCensus();
    assert.equal(mapped, 0, 'no VTE has an owner');
    assert.equal(free, carved, 'each VMA is on a free list');
    for (const f of this.functions()) {
      assert.equal(f.idle.length, f.homes, 'all homes idle');
      for (const base of f.idle) this.#assertPristineHeader(base, f);
    }
  }

  #assertPristineHeader(base: number, f: DescribedFunction): void {
    assert.equal(this.word(base + L.HOME_PD) | this.word(base + L.HOME_STATE), 0, 'no PD lives in an idle home');
    assert.equal(this.word(base + L.HOME_OWNED), 0, 'an idle home owns nothing');
    assert.equal(this.word(base + L.HOME_GRANTS), 0, 'nothing is shared with an idle home');
    const map = this.bytes.subarray(base + f.mapOffset, base + f.mapOffset + f.mapSize);
    assert.ok(isZero(map), 'nothing of an idle home is marked');
  }

  /** All memory of all idle homes is as their image has it, red zones included. Reads all of it. */
  assertPristine(): void {
    for (const f of this.functions()) {
      const image = this.word(f.descriptor + L.FUNCTION_IMAGE);
      const globals = this.word(f.descriptor + L.FUNCTION_GLOBALS_IMAGE);
      const globalsSize = this.word(f.descriptor + L.FUNCTION_GLOBALS_SIZE);
      const expectedGlobals = this.bytes.subarray(globals, globals + globalsSize);
      for (const base of f.idle) {
        const start = base + f.headerSize;
        const imaged = this.bytes.subarray(start, start + f.imageEnd);
        assert.ok(imaged.equals(this.bytes.subarray(image, image + f.imageEnd)), 'an idle home has its image');
        const rest = this.bytes.subarray(start + f.imageEnd, start + f.memoryLimit + L.RED_ZONE);
        assert.ok(isZero(rest), 'and zeros behind it');
        const own = this.bytes.subarray(base + L.HOME_GLOBALS, base + L.HOME_GLOBALS + globalsSize);
        assert.ok(own.equals(expectedGlobals), 'and its globals');
        const pages = this.word(base + L.HOME_MEMORY_PAGES);
        assert.equal(pages, this.word(f.descriptor + L.FUNCTION_MEMORY_PAGES), 'and its memory size');
      }
    }
  }
}

const ZEROS = Buffer.alloc(1 << 20);

export function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    if (!part.equals(ZEROS.subarray(0, part.length))) return false;
  }
  return true;
}

/** The JordError that an operation ends with; fails for success and for any other error. */
export async function jordError(operation: Promise<unknown>): Promise<JordError> {
  try {
    await operation;
  } catch (error) {
    if (error instanceof JordError) return error;
    assert.fail(`expected a JordError, not ${error instanceof Error ? error.stack : String(error)}`);
  }
  assert.fail('expected a JordError, but it succeeded');
}

/** The details of the FUNCTION_FAULT that an invocation ends with. */
export async function faultOf(invocation: Promise<unknown>): Promise<FaultDetails> {
  const error = await jordError(invocation);
  assert.equal(error.code, 'FUNCTION_FAULT', error.message);
  return error.details as unknown as FaultDetails;
}
