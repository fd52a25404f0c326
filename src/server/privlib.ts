/**
 * PrivLib as JavaScript sees it: what core/privlib.ts exports. Every number is an unsigned 32-bit one that WebAssembly
 * hands over as signed: compare results through `failed`, keep addresses with `>>> 0`.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ADDRESS_SPACE_PAGES, INVOCATION_SIZE, INVOCATION_TABLE, INVOCATIONS_MAX } from '../../core/layout.ts';
import { STATUS_MAX } from '../../core/status.ts';
import { JordError } from '../errors.ts';

/** What each operation does, and its statuses, stand with the operation in core/. */
export interface PrivLib {
  initialise(callDepthMax: number): number;
  homeMemoryFree(): number;
  clockAdvance(nowMs: number): void;
  /** Throws a RangeError, which no function can catch, unless much stack is left. */
  reserveHostStack(): void;
  executorCreate(): number;
  executorHost(executor: number): number;
  executorIdle(executor: number): void;
  executorDoom(executor: number): void;
  executorRecover(executor: number): number;
  executorHasWork(executor: number): number;
  executorPark(executor: number): number;
  executorWake(executor: number): number;
  ringBind(executor: number, orchestrator: number): void;
  ringPush(executor: number, handle: number, bound: number, moreToCome?: number): number;
  ringLength(executor: number): number;
  ringPeek(executor: number): number;
  ringAdvance(executor: number, handle: number): void;
  offerPush(executor: number, handle: number): number;
  offerPop(executor: number): number;
  invocationNew(id: number, request: number, fields: number, flags: number, queuedUs: number, asker: number): number;
  invocationTake(handle: number, executor: number): number;
  invocationTakeInside(handle: number, asker: number): number;
  invocationEnter(record: number, descriptor: number, asker: number): number;
  invocationLeave(record: number, response: number, bytesMax: number, base: number, asker: number): number;
  invocationAbort(record: number, status: number, base: number, asker: number): number;
  invocationSetFields(record: number, fields: number, httpStatus: number, host: number): number;
  invocationEnd(record: number): number;
  invocationArrive(record: number, executor: number): number;
  invocationArrived(executor: number): number;
  invocationReturned(executor: number, orchestrator: number): number;
  hasReturned(executor: number): number;
  invocationState(handle: number, asker: number): number;
  invocationRecord(handle: number, asker: number): number;
  invocationCollect(handle: number, asker: number): number;
  invocationForget(handle: number, asker: number): number;
  invocationInterrupt(executor: number): void;
  invocationCancel(handle: number, status: number, asker: number): number;
  functionCreate(
    headerSize: number,
    memoryLimit: number,
    memoryPages: number,
    chunkShift: number,
    mapOffset: number,
    mapSize: number,
    globalsSize: number,
    homesMax: number,
    timeoutMs: number,
    concurrencyMax: number,
    vmaBytesMax: number,
  ): number;
  functionSeal(handle: number, globalsSize: number, homesMax: number, asker: number): number;
  functionRetire(descriptor: number): number;
  functionDestroy(descriptor: number): number;
  functionHomes(descriptor: number): number;
  functionCreated(descriptor: number): bigint;
  functionLive(descriptor: number): bigint;
  functionSuspends(descriptor: number, set: number): number;
  poolTrim(executor: number, descriptor: number, keep: number): number;
  pdCreate(descriptor: number, asker: number): number;
  pdEnter(handle: number, asker: number): number;
  pdExit(handle: number, asker: number): number;
  pdDestroy(handle: number, asker: number): number;
  pdHandle(base: number): number;
  pdHome(handle: number): number;
  pdSuspend(base: number): number;
  pdResume(base: number): number;
  callEnter(descriptor: number, request: number, asker: number): number;
  callLeave(response: number, base: number, asker: number): number;
  callAbort(base: number, asker: number): number;
  vmaMap(length: number, asker: number): number;
  vmaUnmap(address: number, asker: number): number;
  vmaProtect(address: number, permission: number, asker: number): number;
  vmaResize(address: number, length: number, asker: number): number;
  vmaMove(address: number, handle: number, asker: number): number;
  vmaShare(address: number, handle: number, permission: number, asker: number): number;
  vmaRelease(address: number, asker: number): number;
  vmaLength(address: number, asker: number): number;
  argBufNew(length: number, asker: number): number;
  translate(pointer: number, length: number, write: number, asker: number): number;
  kvOpen(name: number, nameLength: number, asker: number): number;
  kvGet(space: number, key: number, keyLength: number, asker: number): number;
  kvTtl(space: number, key: number, keyLength: number, asker: number): bigint;
  kvSpaceOf(space: number, asker: number): number;
  /** `space` is an address here. */
  kvCount(space: number, counter: number): bigint;
  kvVersion(address: number, asker: number): bigint;
  kvPut(
    space: number,
    key: number,
    keyLength: number,
    value: number,
    expected: bigint,
    ttlMs: bigint,
    asker: number,
  ): bigint;
  kvDelete(space: number, key: number, keyLength: number, expected: bigint, asker: number): number;
  kvAdd(space: number, key: number, keyLength: number, delta: bigint, result: number, asker: number): number;
  kvExpire(space: number, key: number, keyLength: number, ttlMs: bigint, asker: number): number;
  kvList(
    space: number,
    prefix: number,
    prefixLength: number,
    after: number,
    afterLength: number,
    limit: number,
    asker: number,
  ): number;
  kvSpaceCreate(
    name: number,
    nameLength: number,
    flags: number,
    keysMax: number,
    bytesMax: number,
    seed: bigint,
    asker: number,
  ): number;
  kvSpaceConfigure(space: number, keysMax: number, bytesMax: number, asker: number): number;
  kvSpaceDrop(space: number, asker: number): number;
  kvBind(descriptor: number, slot: number, space: number, rights: number, asker: number): number;
  kvLoad(
    space: number,
    key: number,
    keyLength: number,
    value: number,
    version: bigint,
    ttlMs: bigint,
    asker: number,
  ): number;
  kvSetVersion(space: number, version: bigint, asker: number): number;
  kvSetLimit(bytesMax: number): void;
  kvSweep(space: number, steps: number, asker: number): number;
  kvDirtyTake(space: number, stripe: number, isFirst: number): number;
  kvDirtyDone(space: number, entry: number, value: number, isWritten: number): void;
  kvEntryKey(entry: number): number;
}

/** Whether a result that is an address, a handle or an id on success is a status instead. */
export function failed(result: number): boolean {
  return result >>> 0 <= STATUS_MAX;
}

/** The record of an invocation, as PrivLib finds it by its handle. */
export function recordOf(handle: number): number {
  return INVOCATION_TABLE + (handle & (INVOCATIONS_MAX - 1)) * INVOCATION_SIZE;
}

/** The one memory of a worker server, and what is compiled once for all threads. */
export interface AddressSpace {
  readonly memory: WebAssembly.Memory;
  /** A thread makes its own instance with `instantiatePrivLib`. */
  readonly privLib: WebAssembly.Module;
  /** core/waiting.ts. */
  readonly waiting: WebAssembly.Module;
}

/**
 * Reserves 4 GiB of address space (not of memory: pages are touched as they are used) and prepares it.
 *
 * Throws INTERNAL when PrivLib was not compiled, ADDRESS_SPACE_EXHAUSTED when the system does not give the addresses.
 */
export function createAddressSpace(options: { readonly callDepthMax: number }): AddressSpace {
  const addressSpace = { privLib: readModule('privlib'), waiting: readModule('waiting'), memory: reserveMemory() };
  const status = instantiatePrivLib(addressSpace).initialise(options.callDepthMax);
  if (status !== 0) throw new JordError('INTERNAL', `PrivLib cannot be initialised: status ${status}.`);
  return addressSpace;
}

function readModule(name: string): WebAssembly.Module {
  const url = new URL(`../../build/${name}.wasm`, import.meta.url);
  try {
    return new WebAssembly.Module(new Uint8Array(readFileSync(url)));
  } catch (error) {
    const message = `PrivLib is not compiled (${fileURLToPath(url)}). Run \`npm run setup\`.`;
    throw new JordError('INTERNAL', message, {}, { cause: error });
  }
}

function reserveMemory(): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: ADDRESS_SPACE_PAGES, maximum: ADDRESS_SPACE_PAGES, shared: true });
  } catch (error) {
    const message = 'The system gives no 4 GiB of address space. Raise the limit on virtual memory (`ulimit -v`).';
    throw new JordError('ADDRESS_SPACE_EXHAUSTED', message, {}, { cause: error });
  }
}

/** An instance for the calling thread. All state is in the memory. */
export function instantiatePrivLib(addressSpace: AddressSpace): PrivLib {
  const instance = new WebAssembly.Instance(addressSpace.privLib, { env: { memory: addressSpace.memory } });
  // The one place where the types of PrivLib's exports are taken on trust; the tests in core/ and test/ call them.
  return instance.exports as unknown as PrivLib;
}
