/**
 * A service as an ordinary program would have it: one instance of the function's module in a WebAssembly memory of its own,
 * without guard, for any number of invocations one after the other or at a time. What it calls is reached by messages of
 * whatever kind, which copy payloads; while an invocation waits for one, others run (JSPI).
 */
import { randomFillSync } from 'node:crypto';
import {
  CALLEE_TRAP,
  NO_HTTP_REQUEST,
  NO_SUCH_INVOCATION,
  NOT_ALLOWED,
  OK,
  TOO_LARGE,
  UNKNOWN_FUNCTION,
} from '../../../core/status.ts';
import { promising, suspending } from '../../../src/server/jspi.ts';
import { ARENA_SIZE, type Arena, Arenas } from './arena.ts';
import { type KvClient, kvFunctions } from './kv-client.ts';
import { makeReentrant } from './reentrant.ts';

/** What came of a call: a response, which is good only until this returns, or a status. */
export type Answer = (status: number, response: Uint8Array) => void;

/** How a service reaches others. */
export interface Transport {
  /** Sends a request, which it has copied when it returns. */
  send(target: number, request: Uint8Array, answer: Answer): void;
  /** Index of the service with this name, or -1. */
  find(name: string): number;
}

const EMPTY: Uint8Array = new Uint8Array(0);
/** Ids and numbers of invocations are no statuses. */
const ID_FIRST = 65_536;

/** Those during which others may run. */
const YIELDING: readonly string[] = ['call', 'call_name', 'wait', 'wait_any', 'wait_all', 'sleep'];

export interface ServiceOptions {
  readonly name: string;
  /** As the SDK compiled it. */
  readonly module: Uint8Array;
  readonly transport: Transport;
  readonly kv: KvClient | undefined;
  /** Invocations at a time. */
  readonly concurrency: number;
}

/** An invocation, from its begin to its end. */
interface Live {
  readonly arena: Arena;
  /** What it has started and not collected: address or status of the response, once that is there. */
  readonly started: Map<number, number | undefined>;
  nextStarted: number;
  /** What it waits for, of those. */
  wait: { readonly left: Set<number>; needed: number; readonly resolve: () => void } | undefined;
}

type Handle = (request: number, length: number, context: number) => number | Promise<number>;

export class Service {
  readonly #options: ServiceOptions;
  readonly #memory: WebAssembly.Memory;
  readonly #handle: Handle;
  #bytes: Uint8Array;
  #buffer: Buffer;
  #arenas: Arenas | undefined;
  /** By context / ARENA_SIZE. */
  readonly #live: (Live | undefined)[] = [];
  readonly #names = new Map<string, number>();
  /** Invocations that run or are about to, and do not wait for anything. */
  running = 0;

  /** An instance whose module is initialised, which can ask the store and look for other services. */
  static async start(options: ServiceOptions): Promise<Service> {
    const service = new Service(options);
    await service.#initialised;
    service.#arenas = new Arenas(service.#memory, options.concurrency);
    service.#view();
    return service;
  }

  readonly #initialised: Promise<unknown>;

  private constructor(options: ServiceOptions) {
    this.#options = options;
    const { module, kv } = options;
    const kvYields = kv?.isRemote === true ? Object.keys(this.#kvFunctions()) : [];
    const yielding = new Set([...YIELDING, ...kvYields]);
    const bytes = makeReentrant(module, { yielding, arenaOffset: 0, initialises: 'by-export' });
    const compiled = new WebAssembly.Module(new Uint8Array(bytes));
    const suspends = WebAssembly.Module.imports(compiled).some(({ name }) => yielding.has(name));
    const instance = new WebAssembly.Instance(compiled, { jord: this.#imports(yielding) });
    this.#memory = instance.exports['memory'] as WebAssembly.Memory;
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#buffer = Buffer.from(this.#memory.buffer);
    const handle = instance.exports['handle'];
    this.#handle = (suspends ? promising(handle) : handle) as Handle;
    this.#initialised = promising(instance.exports['initialise'])(0);
  }

  /** The memory is where it is for good. */
  #view(): void {
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#buffer = Buffer.from(this.#memory.buffer);
  }

  get hasRoom(): boolean {
    return this.#arenas?.hasFree ?? false;
  }

  /** Begins an invocation with a copy of the request. Only while it has room. */
  begin(request: Uint8Array, answer: Answer): void {
    const arena = this.#arenas?.take();
    if (arena === undefined) throw new Error('the service was not started');
    const slot = this.#slot(arena.context);
    this.#live[slot] = { arena, started: new Map(), nextStarted: ID_FIRST, wait: undefined };
    this.running++;
    const address = request.length === 0 ? 0 : this.#newArgBuf(arena, request);
    let result: number | Promise<number>;
    try {
      result = this.#handle(address, request.length, arena.context);
    } catch (error) {
      this.#fail(arena, error, answer);
      return;
    }
    if (typeof result === 'number') this.#end(arena, result, answer);
    else {
      result.then(
        (response) => this.#end(arena, response, answer),
        (error: unknown) => this.#fail(arena, error, answer),
      );
    }
  }

  #slot(context: number): number {
    return Math.floor((context >>> 0) / ARENA_SIZE);
  }

  #liveOf(context: number): Live {
    const live = this.#live[this.#slot(context)];
    if (live === undefined) throw new Error('a host function was called for an invocation that is over');
    return live;
  }

  #end(arena: Arena, response: number, answer: Answer): void {
    const start = response >>> 0;
    answer(OK, start === 0 ? EMPTY : this.#bytes.subarray(start, start + arena.lengthOf(start)));
    this.#close(arena);
  }

  #fail(arena: Arena, error: unknown, answer: Answer): void {
    process.stderr.write(`${this.#options.name}: ${error instanceof Error ? error.stack : String(error)}\n`);
    answer(CALLEE_TRAP, EMPTY);
    this.#close(arena);
  }

  #close(arena: Arena): void {
    this.#live[this.#slot(arena.context)] = undefined;
    this.#arenas?.give(arena);
    this.running--;
  }

  #newArgBuf(arena: Arena, bytes: Uint8Array): number {
    const address = arena.allocateDirty(bytes.length);
    if (address === 0) throw new Error('no room for an ArgBuf');
    this.#bytes.set(bytes, address);
    return address;
  }

  #argBuf(arena: Arena, address: number): Uint8Array {
    return address === 0 ? EMPTY : this.#bytes.subarray(address, address + arena.lengthOf(address));
  }

  #find(pointer: number, length: number): number {
    const name = this.#buffer.toString('latin1', pointer, pointer + length);
    let id = this.#names.get(name);
    if (id === undefined) {
      const target = this.#options.transport.find(name);
      id = target === -1 ? UNKNOWN_FUNCTION : ID_FIRST + target;
      this.#names.set(name, id);
    }
    return id;
  }

  /** Sends a request; the promise is for the response's address in the arena of the caller, or a status. */
  #call(id: number, request: number, context: number): number | Promise<number> {
    if (id < ID_FIRST) return id;
    const { arena } = this.#liveOf(context);
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#options.transport.send(id - ID_FIRST, this.#argBuf(arena, request), (status, response) => {
      this.running++;
      resolve(this.#received(arena, status, response));
    });
    this.running--;
    return promise;
  }

  #received(arena: Arena, status: number, response: Uint8Array): number {
    if (status !== OK) return status;
    return response.length === 0 ? 0 : this.#newArgBuf(arena, response);
  }

  #start(id: number, request: number, context: number): number {
    if (id < ID_FIRST) return id;
    const live = this.#liveOf(context);
    const number = live.nextStarted++;
    live.started.set(number, undefined);
    this.#options.transport.send(id - ID_FIRST, this.#argBuf(live.arena, request), (status, response) => {
      // Its parent may be over, or may have cancelled it.
      if (this.#live[this.#slot(context)] !== live || !live.started.has(number)) return;
      live.started.set(number, this.#received(live.arena, status, response));
      this.#arrived(live, number);
    });
    return number;
  }

  #arrived(live: Live, number: number): void {
    const { wait } = live;
    if (wait === undefined || !wait.left.delete(number) || --wait.needed > 0) return;
    live.wait = undefined;
    this.running++;
    wait.resolve();
  }

  /** Waits until so many of those have arrived that have not. */
  #waitFor(live: Live, numbers: readonly number[], needed: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    live.wait = { left: new Set(numbers), needed, resolve };
    this.running--;
    return promise;
  }

  #wait(number: number, context: number): number | Promise<number> {
    const live = this.#liveOf(context);
    const collect = (): number => {
      const result = live.started.get(number);
      live.started.delete(number);
      return result ?? NO_SUCH_INVOCATION;
    };
    if (!live.started.has(number) || live.started.get(number) !== undefined) return collect();
    return this.#waitFor(live, [number], 1).then(collect);
  }

  #handles(pointer: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.#buffer.readInt32LE((pointer >>> 0) + 4 * i));
  }

  #waitAll(pointer: number, count: number, context: number): number | Promise<number> {
    const live = this.#liveOf(context);
    const handles = this.#handles(pointer, count);
    if (!handles.every((handle) => live.started.has(handle))) return NO_SUCH_INVOCATION;
    const left = handles.filter((handle) => live.started.get(handle) === undefined);
    return left.length === 0 ? OK : this.#waitFor(live, left, left.length).then(() => OK);
  }

  #waitAny(pointer: number, count: number, context: number): number | Promise<number> {
    const live = this.#liveOf(context);
    const handles = this.#handles(pointer, count);
    const first = (): number => handles.find((handle) => live.started.get(handle) !== undefined) ?? NO_SUCH_INVOCATION;
    return first() !== NO_SUCH_INVOCATION ? first() : this.#waitFor(live, handles, 1).then(first);
  }

  /** Goes on when a promise is settled that the event loop settles; others run meanwhile. */
  async #whileOthersRun<T>(promise: Promise<T>): Promise<T> {
    this.running--;
    try {
      return await promise;
    } finally {
      this.running++;
    }
  }

  #imports(yielding: ReadonlySet<string>): WebAssembly.ModuleImports {
    const functions: Record<string, (...parameters: never[]) => unknown> = {
      ...this.#argBufFunctions(),
      ...this.#callFunctions(),
      ...this.#systemFunctions(),
      ...this.#kvFunctions(),
    };
    const imports = Object.entries(functions).map(([name, hostFunction]) => [
      name,
      yielding.has(name) ? suspending(hostFunction as Parameters<typeof suspending>[0]) : hostFunction,
    ]);
    return Object.fromEntries(imports) as WebAssembly.ModuleImports;
  }

  #argBufFunctions(): Record<string, (...parameters: number[]) => number> {
    return {
      argbuf_new: (length = 0, context = 0) => this.#liveOf(context).arena.allocate(length) || TOO_LARGE,
      argbuf_free: () => OK,
      argbuf_length: (address = 0, context = 0) => this.#liveOf(context).arena.lengthOf(address),
      argbuf_resize: (address = 0, length = 0, context = 0) =>
        this.#liveOf(context).arena.resize(address, length) ? OK : TOO_LARGE,
      argbuf_protect: () => OK,
    };
  }

  #callFunctions(): Record<string, (...parameters: number[]) => number | Promise<number>> {
    return {
      resolve: (name = 0, length = 0) => this.#find(name, length),
      call: (id = 0, request = 0, context = 0) => this.#call(id, request, context),
      call_name: (name = 0, length = 0, request = 0, context = 0) =>
        this.#call(this.#find(name, length), request, context),
      start: (id = 0, request = 0, context = 0) => this.#start(id, request, context),
      wait: (invocation = 0, context = 0) => this.#wait(invocation, context),
      wait_any: (pointer = 0, count = 0, context = 0) => this.#waitAny(pointer, count, context),
      wait_all: (pointer = 0, count = 0, context = 0) => this.#waitAll(pointer, count, context),
      cancel: (invocation = 0, context = 0) =>
        this.#liveOf(context).started.delete(invocation) ? OK : NO_SUCH_INVOCATION,
      sleep: (milliseconds = 0) =>
        this.#whileOthersRun(new Promise((resolve) => setTimeout(resolve, milliseconds))).then(() => OK),
    };
  }

  #systemFunctions(): Record<string, (...parameters: number[]) => number> {
    return {
      log: (level = 0, text = 0, length = 0) => {
        if (level === 3)
          process.stderr.write(`${this.#options.name}: ${this.#buffer.toString('utf8', text, text + length)}\n`);
        return OK;
      },
      time: () => performance.timeOrigin + performance.now(),
      random: (pointer = 0, length = 0) => {
        randomFillSync(this.#bytes, pointer, length);
        return OK;
      },
      fetch: () => NOT_ALLOWED,
      request_field: () => NO_HTTP_REQUEST,
      request_fields: () => NO_HTTP_REQUEST,
      response_field: () => NO_HTTP_REQUEST,
    };
  }

  #kvFunctions(): ReturnType<typeof kvFunctions> {
    const { kv } = this.#options;
    if (kv === undefined) return {};
    return kvFunctions(kv, {
      bytes: (pointer, length) => this.#bytes.subarray(pointer >>> 0, (pointer >>> 0) + length),
      argBuf: (address, context) => this.#argBuf(this.#liveOf(context).arena, address),
      newArgBuf: (bytes, context) => this.#newArgBuf(this.#liveOf(context).arena, bytes),
      setVersion: (address, version, context) => this.#liveOf(context).arena.setVersion(address, version),
      versionOf: (address, context) => this.#liveOf(context).arena.versionOf(address),
      whileOthersRun: (promise) => this.#whileOthersRun(promise),
    });
  }
}
