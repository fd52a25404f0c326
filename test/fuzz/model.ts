/**
 * What a function may do with memory, and what the host functions do for it: written down from docs/abi.md, and sharing
 * nothing with the guard and PrivLib but the numbers of statuses and of kinds of access. The reference asks it before each
 * access.
 *
 * It does not say which address a new ArgBuf gets, nor which of several statuses a refusal is: that it takes from the
 * guarded run, and checks that it can be.
 */
import { ACCESS_WRITE, PAGE_SIZE, RED_ZONE } from '../../core/layout.ts';
import { CLASS_EXHAUSTED, OK, STATUS_MAX } from '../../core/status.ts';

/** A VMA of the function's address space. */
export interface ModelVma {
  readonly start: number;
  /** In bytes, exactly. */
  length: number;
  /** What the function owns it may free, pass on and so on. */
  readonly isOwned: boolean;
  canRead: boolean;
  canWrite: boolean;
}

export interface VmaRange {
  readonly start: number;
  readonly length: number;
}

/** A host function that was called: its name, its parameters without `base`, and what it returned. */
export interface HostCall {
  readonly name: string;
  readonly parameters: readonly (number | bigint)[];
  readonly result: number | undefined;
}

/** An access that is refused. Codes are those of HOME_FAULT_ACCESS. */
export interface Refusal {
  /** With 33 bits. */
  readonly address: number;
  readonly access: number;
  readonly isWait: boolean;
}

/** Access code of memory.atomic.wait, which is refused always. */
export const ACCESS_WAIT = 0x1000;

/** Callees that a case can call, by their ids less the first one. Each gets an ArgBuf or 0. */
export const CALLEES = ['echo', 'sink', 'fault', 'shrink', 'protect', 'fresh', 'flip'] as const;
export type Callee = (typeof CALLEES)[number];
/** Length and bytes of what `fresh` returns. */
export const FRESH_LENGTH = 96;
export const FRESH_BYTE = 0x3c;

const ARGBUF_SIZE_MIN = 128;
/** The cases get none that are longer: both sides would clear them. */
export const ARGBUF_LENGTH_MAX: number = 2 ** 20;

/** The guarded run did what the model does not allow. */
export class ModelError extends Error {}

export interface ModelOptions {
  readonly memory: Uint8Array;
  readonly memoryLimit: number;
  readonly pages: number;
  readonly vmas: readonly ModelVma[];
  /** Where other VMAs are. */
  readonly reserved: readonly VmaRange[];
  /** Id of the first of CALLEES. */
  readonly firstCallee: number;
  readonly hostCalls: readonly HostCall[];
}

export class Model {
  readonly #memory: Uint8Array;
  readonly #memoryLimit: number;
  readonly #reserved: readonly VmaRange[];
  readonly #firstCallee: number;
  /** Sizes of the classes that VMAs were made with, by their addresses. */
  readonly #sizes = new Map<number, number>();
  readonly #hostCalls: readonly HostCall[];
  #nextCall = 0;
  pages: number;
  readonly vmas = new Map<number, ModelVma>();
  /** The access that is refused last. */
  refusal: Refusal | undefined;
  /** What the guarded run refused, of all that it may refuse or allow; set for each call from outside. */
  refusedThere: { readonly address: number; readonly access: number } | undefined;
  /** How many accesses that look like that one are allowed before the one that was refused. */
  allowedBefore = 0;
  /** Whether the last refusal was one that need not have been. */
  wasFree = false;
  /** Accesses so far. */
  accesses = 0;
  /** Whether a module without guard, in a memory of its own, would have seen the same. */
  isPlain = true;

  constructor(options: ModelOptions) {
    this.#memory = options.memory;
    this.#memoryLimit = options.memoryLimit;
    this.#reserved = options.reserved;
    this.#firstCallee = options.firstCallee;
    this.#hostCalls = options.hostCalls;
    this.pages = options.pages;
    for (const vma of options.vmas) this.#put({ ...vma });
  }

  /** Whether all that the guarded run asked of the host was asked here, too. */
  get isComplete(): boolean {
    return this.#nextCall === this.#hostCalls.length;
  }

  get hostCallCount(): number {
    return this.#nextCall;
  }

  /** Says whether an access of this code is refused. `access` has the size in its low byte. */
  refuses(pointer: number, offset: number, access: number): boolean {
    const address = pointer + offset;
    const size = access & 0xff;
    this.accesses += 1;
    if ((access & ACCESS_WAIT) !== 0) return this.#refuse(address, access, true);
    if (this.#isInHome(address, size)) return false;
    if (address + size <= this.#memoryLimit + RED_ZONE) return this.#mayRefuse(address, access);
    this.isPlain = false;
    const vma = this.#vmaOf(address, size, (access & ACCESS_WRITE) !== 0);
    return vma === undefined && this.#refuse(address, access, false);
  }

  /** The same for a range of `memory.copy`, `fill` and `init`; an empty one must lie somewhere too. */
  refusesRange(pointer: number, length: number, access: number): boolean {
    this.accesses += 1;
    if (this.#isInHome(pointer, length)) return false;
    if (pointer + length <= this.#memoryLimit + RED_ZONE) return this.#mayRefuse(pointer, access);
    this.isPlain = false;
    const vma = this.#vmaOf(pointer, length, (access & ACCESS_WRITE) !== 0);
    return vma === undefined && this.#refuse(pointer, access, false);
  }

  /** Below the limit all is allowed; behind `memory.size` a module without guard would have trapped. */
  #isInHome(address: number, size: number): boolean {
    if (address + size > this.#memoryLimit) return false;
    if (address + size > this.pages * PAGE_SIZE) this.isPlain = false;
    return true;
  }

  /** Behind the limit, in the red zone: the guard may allow it or refuse it, and the guarded run says which it did. */
  #mayRefuse(address: number, access: number): boolean {
    this.isPlain = false;
    const there = this.refusedThere;
    if (there?.address !== address || there.access !== access) return false;
    if (this.allowedBefore > 0) {
      this.allowedBefore -= 1;
      return false;
    }
    this.#refuse(address, access, false);
    this.wasFree = true;
    return true;
  }

  #refuse(address: number, access: number, isWait: boolean): true {
    this.isPlain &&= !isWait;
    this.refusal = { address, access: access & ~ACCESS_WAIT, isWait };
    this.wasFree = false;
    return true;
  }

  #vmaOf(address: number, length: number, write: boolean): ModelVma | undefined {
    for (const vma of this.vmas.values()) {
      const isInside = address >= vma.start && address + length <= vma.start + vma.length;
      if (isInside && (write ? vma.canWrite : vma.canRead)) return vma;
    }
    return undefined;
  }

  /** `memory.grow` within the limit. */
  grow(pages: number): number {
    const old = this.pages;
    if (pages > this.#memoryLimit / PAGE_SIZE - old) {
      // A memory of its own may have no maximum.
      this.isPlain = false;
      return -1;
    }
    this.pages += pages;
    return old;
  }

  /** A host function: the next one of the guarded run must be the same, with a result that is right. */
  call(name: string, parameters: readonly (number | bigint)[]): number | undefined {
    const there = this.#hostCalls[this.#nextCall];
    const asked = `${name}(${parameters.join(', ')})`;
    if (there === undefined) throw new ModelError(`${asked} was not called with guards`);
    if (there.name !== name || there.parameters.join() !== parameters.join()) {
      throw new ModelError(`${there.name}(${there.parameters.join(', ')}) was called with guards instead of ${asked}`);
    }
    this.#nextCall += 1;
    const { result } = there;
    if (result === undefined) return undefined;
    const expected = this.#expect(name, parameters.map(Number), result >>> 0);
    const isRight =
      expected === 'failure' ? result >>> 0 > OK && result >>> 0 <= STATUS_MAX : result >>> 0 === expected;
    if (!isRight) throw new ModelError(`${asked} returned ${result >>> 0}, expected ${expected}`);
    return result;
  }

  /** What it must return; changes what it changes. */
  #expect(name: string, parameters: readonly number[], result: number): number | 'failure' {
    const [first = 0, second = 0] = parameters.map((value) => value >>> 0);
    const own = this.#own(first);
    switch (name) {
      case 'argbuf_new':
        if (first > ARGBUF_LENGTH_MAX || result === CLASS_EXHAUSTED) return 'failure';
        return this.#new(result, first, 0);
      case 'argbuf_free':
        if (own === undefined) return 'failure';
        this.#remove(first);
        return OK;
      case 'argbuf_length':
        return this.vmas.get(first)?.length ?? 0xffff_ffff;
      case 'argbuf_resize':
        return own === undefined ? 'failure' : this.#resize(own, second);
      case 'argbuf_protect':
        if (own === undefined || ![0, 1, 3].includes(second)) return 'failure';
        own.canRead = second !== 0;
        own.canWrite = second === 3;
        return OK;
      case 'call':
        return this.#callFunction(CALLEES[first - this.#firstCallee], second, result);
      default:
        return result;
    }
  }

  #own(address: number): ModelVma | undefined {
    const vma = this.vmas.get(address);
    return vma?.isOwned === true ? vma : undefined;
  }

  /** An ArgBuf of this length at the address that it was given. */
  #new(start: number, length: number, byte: number): number {
    const size = sizeClass(length);
    for (const vma of [...this.vmas.values(), ...this.#reserved]) {
      const otherSize = this.#sizes.get(vma.start) ?? sizeClass(vma.length);
      if (start < vma.start + otherSize && vma.start < start + size) {
        throw new ModelError(`a new ArgBuf at ${start} lies over the one at ${vma.start}`);
      }
    }
    if (start < 2 ** 31 || start % size !== 0) throw new ModelError(`a new ArgBuf at ${start}`);
    this.#put({ start, length, isOwned: true, canRead: true, canWrite: true });
    this.#memory.fill(byte, start, start + length);
    return start;
  }

  #resize(vma: ModelVma, length: number): number | 'failure' {
    if (length > (this.#sizes.get(vma.start) ?? 0)) return 'failure';
    this.#memory.fill(0, vma.start + vma.length, Math.max(vma.start + length, vma.start + vma.length));
    vma.length = length;
    return OK;
  }

  #remove(start: number): void {
    this.vmas.delete(start);
    this.#sizes.delete(start);
  }

  #put(vma: ModelVma): void {
    this.vmas.set(vma.start, vma);
    this.#sizes.set(vma.start, sizeClass(vma.length));
  }

  #callFunction(callee: Callee | undefined, request: number, result: number): number | 'failure' {
    if (callee === undefined) return 'failure';
    const own = this.#own(request);
    if (request !== 0 && own === undefined) return 'failure';
    switch (callee) {
      case 'echo':
        return request;
      case 'sink':
        this.#remove(request);
        return 0;
      case 'fault':
        this.#remove(request);
        return 'failure';
      case 'shrink':
        if (own !== undefined) this.#resize(own, own.length >>> 1);
        return request;
      case 'protect':
        if (own !== undefined) {
          own.canRead = true;
          own.canWrite = false;
        }
        return request;
      case 'fresh':
        this.#remove(request);
        return this.#new(result, FRESH_LENGTH, FRESH_BYTE);
      case 'flip':
        return this.#flip(own, request);
    }
  }

  /** Inverts the first byte; a callee that may not do that faults. */
  #flip(own: ModelVma | undefined, request: number): number | 'failure' {
    if (own?.canWrite === true && own.length > 0) {
      this.#memory[own.start] = (this.#memory[own.start] ?? 0) ^ 0xff;
      return request;
    }
    this.#remove(request);
    return 'failure';
  }
}

function sizeClass(length: number): number {
  let size = ARGBUF_SIZE_MIN;
  while (size < length) size *= 2;
  return size;
}
