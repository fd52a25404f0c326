/**
 * The guarded side: cases run as the server runs them, in PDs that PrivLib makes, in a real address space with an executor and
 * callees; with homes of other PDs, ArgBufs and spare bytes full of canaries around them.
 */
import * as L from '../../core/layout.ts';
import { TOO_LARGE } from '../../core/status.ts';
import { ABI_IMPORTS } from '../../src/functions/abi.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import { withBase } from '../../src/guard/plan.ts';
import type { FunctionType, GuardedModule, HomeLayout } from '../../src/guard/types.ts';
import { Clock } from '../../src/server/clock.ts';
import { Executor, FUNCTION_ID_FIRST, LONE_EXECUTOR } from '../../src/server/executor.ts';
import { createAddressSpace, failed, type PrivLib } from '../../src/server/privlib.ts';
import { discard, type Initialised, initialise, loadedFunction, loadVersion } from '../../src/server/version.ts';
import { takeCensus } from '../privlib-census.ts';
import { handle, imports, wat } from '../wat.ts';
import { guardAndVerify } from './guard-and-verify.ts';
import {
  ARGBUF_LENGTH_MAX,
  CALLEES,
  type Callee,
  FRESH_BYTE,
  FRESH_LENGTH,
  type HostCall,
  type VmaRange,
} from './model.ts';
import { type Call, type Callable, callables, type Outcome, type Trap, trapOf, valuesOf } from './outcome.ts';
import { expectOk, hex, type MappedVma, type VmaKind, type VmaSpec, Vmas } from './vmas.ts';

/** Longer than any case takes, on any machine. */
export const DEADLINE_MS_MAX = 60_000;
const NEIGHBOUR = 0x5a;

const CALLEE_BODIES: Readonly<Record<Callee, string>> = {
  echo: '(local.get $request)',
  sink: '(i32.const 0)',
  fault: 'unreachable',
  shrink: `(drop (call $argbuf_resize (local.get $request) (i32.shr_u (local.get $length) (i32.const 1))))
    (local.get $request)`,
  protect: '(drop (call $argbuf_protect (local.get $request) (i32.const 1))) (local.get $request)',
  fresh: `(local.set $x (call $argbuf_new (i32.const ${FRESH_LENGTH})))
    (memory.fill (local.get $x) (i32.const ${FRESH_BYTE}) (i32.const ${FRESH_LENGTH})) (local.get $x)`,
  flip: `(if (i32.eqz (local.get $request)) (then unreachable))
    (i32.store8 (local.get $request) (i32.xor (i32.load8_u (local.get $request)) (i32.const 0xff))) (local.get $request)`,
};

/** A module that is ready to run. */
export interface LoadedModule {
  readonly guarded: GuardedModule;
  readonly functions: ReadonlyMap<string, Callable>;
  readonly descriptor: number;
}

export interface GuardedRun {
  readonly outcomes: readonly Outcome[];
  readonly hostCalls: readonly HostCall[];
  /** Where the function's address 0 is. */
  readonly start: number;
}

/** What a test does to the guarded side, to see that it is seen. */
export interface Sabotage {
  /** What a PD gets instead. */
  readonly kind?: (kind: VmaKind) => VmaKind;
  /** Is called when all calls have returned or trapped. */
  readonly afterCalls?: (side: GuardedSide, base: number, layout: HomeLayout, vmas: readonly MappedVma[]) => void;
}

interface Neighbour {
  readonly pd: number;
  readonly base: number;
  /** What was there, and what is there instead until the end. */
  readonly before: Uint8Array;
  readonly filled: Buffer;
}

/** The PD of a case. */
interface Running {
  readonly loaded: LoadedModule;
  readonly pd: number;
  readonly base: number;
  /** Of the home from the grant tables on. */
  readonly pristine: Buffer;
  readonly neighbours: readonly Neighbour[];
}

export class GuardedSide {
  readonly bytes: Buffer;
  readonly memory: WebAssembly.Memory;
  readonly #executor: Executor;
  readonly #privLib: PrivLib;
  readonly #host: number;
  readonly #clock: Clock;
  readonly #sabotage: Sabotage;
  readonly #vmas: Vmas;
  #hostCalls: HostCall[] = [];
  #running: Running | undefined;
  private constructor(memory: WebAssembly.Memory, executor: Executor, clock: Clock, sabotage: Sabotage) {
    this.memory = memory;
    // The last granule is never given out, and Buffers are smaller than 4 GiB.
    this.bytes = Buffer.from(memory.buffer, 0, 0xff00_0000);
    this.#executor = executor;
    this.#privLib = executor.privLib;
    this.#host = executor.hostBase;
    this.#clock = clock;
    this.#sabotage = sabotage;
    this.#vmas = new Vmas(this.bytes, this.#privLib, executor.control, this.#host);
  }

  static async open(sabotage: Sabotage = {}): Promise<GuardedSide> {
    const space = createAddressSpace({ callDepthMax: 64 });
    const clock = new Clock(space);
    await clock.start();
    const side = new GuardedSide(space.memory, new Executor(space, LONE_EXECUTOR), clock, sabotage);
    await side.#loadCallees();
    return side;
  }

  close(): Promise<void> {
    return this.#clock.stop();
  }

  /** Id of the first of CALLEES. */
  get firstCallee(): number {
    return FUNCTION_ID_FIRST;
  }

  async #loadCallees(): Promise<void> {
    for (const [i, name] of CALLEES.entries()) {
      const body = handle(CALLEE_BODIES[name], '(local $x i32)');
      const text = `(module ${imports('argbuf_new', 'argbuf_resize', 'argbuf_protect')} (memory 1) ${body})`;
      const version = await loadVersion(this.#executor, name, wat(text), {});
      this.#executor.setFunction(FUNCTION_ID_FIRST + i, loadedFunction(version, i));
    }
  }

  /** Maps a case's VMAs. `unmap` must follow. */
  map(specs: readonly VmaSpec[]): MappedVma[] {
    return this.#vmas.map(specs);
  }

  unmap(vmas: readonly MappedVma[]): void {
    this.#vmas.unmap(vmas);
  }

  /** Ranges that no new ArgBuf may be given. */
  reserved(vmas: readonly MappedVma[]): VmaRange[] {
    return this.#vmas.reserved(vmas);
  }

  #word(address: number): number {
    return this.bytes.readUInt32LE(address);
  }

  /** Guards, compiles and initialises. Throws JordErrors as a deploy does; V8's errors would be errors of the guard. */
  load(bytes: Uint8Array, memoryLimitBytes: number | undefined): LoadedModule {
    const foreignImports = foreignImportsOf(bytes);
    const imports = new Map([...ABI_IMPORTS, ...foreignImports.map(({ key, type }) => [key, type] as const)]);
    const limit = memoryLimitBytes === undefined ? {} : { memoryLimitBytes };
    const guarded = guardAndVerify(bytes, { imports, ...limit });
    const module = new WebAssembly.Module(guarded.bytes);
    const settings = { deadlineMs: DEADLINE_MS_MAX, concurrency: null, argBufBytesMax: 0, fetchAllow: [] };
    const all = this.#imports(foreignImports);
    const free = this.#privLib.homeMemoryFree();
    let initialised: Initialised;
    try {
      initialised = initialise(this.#executor, 'case', { guarded, module }, settings, all);
    } catch (error) {
      if (this.#privLib.homeMemoryFree() !== free) throw new Error('a home is not given back', { cause: error });
      throw error;
    }
    const { descriptor, instance } = initialised;
    const types = guarded.exports.map(({ name, type }) => ({ name, type: withBase(type) }));
    return { guarded, descriptor, functions: callables(instance.exports, types) };
  }

  unload({ descriptor }: LoadedModule): void {
    if (!discard(this.#executor, descriptor)) throw new Error('a home is not given back');
  }

  /** Runs the calls in a PD that has the VMAs. What does not end ends at the deadline. `end` must follow, whatever comes of it. */
  run(loaded: LoadedModule, vmas: readonly MappedVma[], calls: readonly Call[], deadlineMs: number): GuardedRun {
    this.#executor.beginRoot(deadlineMs);
    const running = this.#begin(loaded);
    this.#running = running;
    const { base, pd } = running;
    this.#vmas.handOver(
      vmas.map((vma) => ({ ...vma, kind: this.#sabotage.kind?.(vma.kind) ?? vma.kind })),
      pd,
    );
    this.#hostCalls = [];
    const outcomes: Outcome[] = [];
    try {
      expectOk(this.#privLib.pdEnter(pd, this.#host), 'pdEnter');
      for (const [i, call] of calls.entries()) {
        if (i % 2 === 0) this.#interrupt(base);
        outcomes.push(this.#call(loaded, call, base));
      }
      this.#sabotage.afterCalls?.(this, base, loaded.guarded.layout, vmas);
    } finally {
      expectOk(this.#privLib.pdExit(pd, this.#host), 'pdExit');
      this.#executor.endRoot();
    }
    return { outcomes, hostCalls: this.#hostCalls, start: base + loaded.guarded.layout.headerSize };
  }

  /** Makes the next check of the deadline look closer, as another thread may at any time: it finds nothing. */
  #interrupt(base: number): void {
    this.bytes.writeUInt32LE(this.#word(L.CONTROL_NOW_MS), base + L.HOME_DEADLINE_MS);
  }

  /** Three PDs of the function in homes one behind the other: the middle one runs. */
  #begin(loaded: LoadedModule): Running {
    const made = [0, 1, 2].map(() => {
      const pd = this.#privLib.pdCreate(loaded.descriptor, this.#host);
      if (failed(pd)) throw new Error(`pdCreate: status ${pd}`);
      return { pd, base: this.#privLib.pdHome(pd) >>> 0 };
    });
    made.sort((a, b) => a.base - b.base);
    const { layout } = loaded.guarded;
    const fill = ({ pd, base }: { pd: number; base: number }): Neighbour => {
      const before = Uint8Array.from(this.bytes.subarray(base, base + layout.homeSize));
      this.bytes.fill(NEIGHBOUR, base + layout.headerSize, base + layout.headerSize + layout.memoryLimit + L.RED_ZONE);
      return { pd, base, before, filled: Buffer.from(this.bytes.subarray(base, base + layout.homeSize)) };
    };
    const [first, middle, last] = made;
    if (first === undefined || middle === undefined || last === undefined) throw new Error('no PDs');
    const pristine = Buffer.from(this.#homeOf(middle.base, loaded));
    return { loaded, ...middle, pristine, neighbours: [fill(first), fill(last)] };
  }

  /** A home from its grant tables on: what is before says who lives there, and until when. */
  #homeOf(base: number, { guarded }: LoadedModule): Buffer {
    return this.bytes.subarray(base + L.HOME_GRANT_TABLE_A, base + guarded.layout.homeSize);
  }

  #call({ functions }: LoadedModule, { name, values }: Call, base: number): Outcome {
    const f = functions.get(name);
    if (f === undefined) throw new Error(`the guarded module does not export ${name}`);
    this.bytes.writeUInt32LE(L.FAULT_NONE, base + L.HOME_FAULT_KIND);
    try {
      return { values: valuesOf(f(...values, base)) };
    } catch (error) {
      return { trap: this.#trapIn(base) ?? trapOf(error) };
    }
  }

  /** What the guard has left in the header; undefined when the trap was not the guard's. */
  #trapIn(base: number): Trap | undefined {
    const word = (field: number): number => this.#word(base + field);
    switch (word(L.HOME_FAULT_KIND)) {
      case L.FAULT_ACCESS:
        return { reason: 'memory', address: word(L.HOME_FAULT_ADDRESS), access: word(L.HOME_FAULT_ACCESS) };
      case L.FAULT_ATOMIC_WAIT:
        return { reason: 'wait', address: word(L.HOME_FAULT_ADDRESS), access: word(L.HOME_FAULT_ACCESS) };
      case L.FAULT_SEGMENT:
        return { reason: 'segment' };
      case L.FAULT_DEADLINE:
        return { reason: 'deadline' };
      default:
        return undefined;
    }
  }

  /** Host functions that note what is asked of them. */
  #imports(foreign: readonly ForeignImport[]): WebAssembly.Imports {
    const { jord } = this.#executor.imports;
    const own: Record<string, WebAssembly.ImportValue> = { memory: this.memory };
    for (const [name, real] of Object.entries(jord ?? {})) {
      if (typeof real !== 'function') continue;
      own[name] = (...parameters: number[]): number => {
        const base = parameters.pop() ?? 0;
        const result = this.#hostFunction(name, parameters, base, real as (...values: number[]) => number);
        this.#hostCalls.push({ name, parameters, result });
        return result;
      };
    }
    const all: Record<string, Record<string, WebAssembly.ImportValue>> = { jord: own };
    for (const { module, name, type } of foreign) {
      all[module] = { ...all[module], [name]: this.#foreignFunction(name, type) };
    }
    return all;
  }

  /** A function that does nothing but be called. */
  #foreignFunction(name: string, { results }: FunctionType): WebAssembly.ImportValue {
    return (...parameters: (number | bigint)[]): number | undefined => {
      parameters.pop();
      const result = results.length === 0 ? undefined : 0;
      this.#hostCalls.push({ name, parameters, result });
      return result;
    };
  }

  #hostFunction(
    name: string,
    parameters: readonly number[],
    base: number,
    real: (...values: number[]) => number,
  ): number {
    const [first = 0, second = 0] = parameters;
    if (name === 'argbuf_new' && first >>> 0 > ARGBUF_LENGTH_MAX) return TOO_LARGE;
    const changed = name === 'call' ? second >>> 0 : first >>> 0;
    this.#vmas.beforeChange(changed);
    const result = real(...parameters, base);
    // `call` gives the VMA up and may bring another one, the others change it where it is.
    if (name !== 'argbuf_new') this.#vmas.afterChange(changed, base);
    if ((name === 'argbuf_new' || name === 'call') && !failed(result)) this.#vmas.afterChange(result >>> 0, base);
    return result;
  }

  /** Ends the PD, and says what is not as it must be. */
  end(vmas: readonly MappedVma[]): string[] {
    const problems = this.#vmas.problems(vmas);
    const running = this.#running;
    if (running === undefined) return problems;
    this.#running = undefined;
    this.#endNeighbours(running, problems);
    this.#checkTables(problems);
    expectOk(this.#privLib.callAbort(running.base, this.#host), 'callAbort');
    const home = this.#homeOf(running.base, running.loaded);
    const at = differenceIn(home, running.pristine);
    if (at >= 0) {
      const where = at + L.HOME_GRANT_TABLE_A - running.loaded.guarded.layout.headerSize;
      problems.push(`the home is not as it was before the invocation: first at its address ${where}`);
      home.set(running.pristine);
    }
    return problems;
  }

  #endNeighbours({ neighbours }: Running, problems: string[]): void {
    for (const { pd, base, before, filled } of neighbours) {
      const at = differenceIn(this.bytes.subarray(base, base + filled.length), filled);
      if (at >= 0) problems.push(`the home of another PD was written to, at ${hex(base + at)}`);
      this.bytes.set(before, base);
      expectOk(this.#privLib.pdDestroy(pd, this.#host), 'pdDestroy');
    }
  }

  /** What is zero in every address space. */
  #checkTables(problems: string[]): void {
    for (const [start, end] of [
      [0, L.CONTROL_MAGIC],
      [L.NULL_VTE, L.NULL_VTE + 2 * L.VTE_SIZE],
    ] as const) {
      if (this.bytes.subarray(start, end).some((byte) => byte !== 0)) {
        problems.push(`PrivLib's memory at ${hex(start)} was written to`);
        this.bytes.fill(0, start, end);
      }
    }
  }

  /** Whether all tables of PrivLib are as they should be. Throws an AssertionError where not. */
  census(): void {
    takeCensus(this.memory);
  }
}

interface ForeignImport {
  readonly module: string;
  readonly name: string;
  /** `module.name` */
  readonly key: string;
  readonly type: FunctionType;
}

/** Imports of functions that are not the ABI's, which the guard is told to allow. */
function foreignImportsOf(bytes: Uint8Array): ForeignImport[] {
  const decoded = decodeModule(bytes);
  return decoded.imports.flatMap(({ kind, module, name, index }) => {
    const type = decoded.types[decoded.functions[index] ?? -1];
    if (kind !== 'function' || module === 'jord' || type === undefined) return [];
    return [{ module, name, key: `${module}.${name}`, type }];
  });
}

function differenceIn(a: Buffer, b: Buffer): number {
  if (a.equals(b)) return -1;
  return a.findIndex((byte, i) => byte !== b[i]);
}
