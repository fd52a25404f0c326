/** Functions as PrivLib knows them: descriptors, and the image that every home of a function starts from. */
import { giveHomeMemory, lock, reserveStack, takeHomeMemory, unlock } from './address-space';
import { freeHome, poolOf, popPool } from './home';
import {
  EXECUTORS_MAX,
  EXECUTOR_HOST,
  EXECUTOR_SIZE,
  EXECUTOR_TABLE,
  FUNCTIONS_MAX,
  FUNCTION_CHUNK_SHIFT,
  FUNCTION_CONCURRENCY,
  FUNCTION_FREE,
  FUNCTION_GLOBALS_IMAGE,
  FUNCTION_GLOBALS_SIZE,
  FUNCTION_HEADER_SIZE,
  FUNCTION_HOMES,
  FUNCTION_HOMES_MAX,
  FUNCTION_HOME_SIZE,
  FUNCTION_IMAGE,
  FUNCTION_IMAGE_END,
  FUNCTION_LIVE,
  FUNCTION_LIVE_PDS,
  FUNCTION_MAP_OFFSET,
  FUNCTION_MAP_SIZE,
  FUNCTION_MEMORY_LIMIT,
  FUNCTION_MEMORY_PAGES,
  FUNCTION_RETIRED,
  FUNCTION_SIZE,
  FUNCTION_STATE,
  FUNCTION_SUSPENDS,
  FUNCTION_TABLE,
  FUNCTION_TIMEOUT_MS,
  FUNCTION_VMA_BYTES_MAX,
  HOME_EXECUTOR,
  HOME_FUNCTION,
  HOME_GLOBALS,
  HOME_MEMORY_PAGES,
  HOME_STATE,
  KV_BINDINGS,
  KV_BINDINGS_SIZE,
  MEMORY_LIMIT_MAX,
  PD_UNMADE,
  POOL_COUNT,
  POOL_CREATED,
  POOL_DESTROYED,
  RED_ZONE,
  RESTORED_BEHIND,
  TIMEOUT_MS_MAX,
} from './layout';
import { ownCreatedPd } from './protection-domain';
import { BAD_PARAMETER, OK, TABLE_EXHAUSTED, UNKNOWN_FUNCTION, WRONG_STATE } from './status';
import { failed } from './vma-table';

/**
 * Makes a function known, with the layout that the guard computed (HomeLayout in src/guard/types.ts). It has no image
 * yet: its first PD is the template, and `functionSeal` makes the image of it.
 * Returns the address of its descriptor, or TABLE_EXHAUSTED, BAD_PARAMETER.
 */
export function functionCreate(
  headerSize: u32,
  memoryLimit: u32,
  memoryPages: u32,
  chunkShift: u32,
  mapOffset: u32,
  mapSize: u32,
  globalsSize: u32,
  homesMax: u32,
  timeoutMs: u32,
  concurrencyMax: u32,
  vmaBytesMax: u32,
): u32 {
  const chunks = ((memoryLimit + RED_ZONE - 1) >>> chunkShift) + 1;
  const sound =
    memoryLimit <= <u32>MEMORY_LIMIT_MAX &&
    chunkShift >= 8 &&
    chunkShift <= 16 &&
    (globalsSize & 7) == 0 &&
    globalsSize <= 1 << 20 &&
    mapOffset >= <u32>HOME_GLOBALS + globalsSize &&
    (mapOffset & 15) == 0 &&
    (mapSize & 127) == 0 &&
    mapSize >= chunks &&
    mapSize <= 1 << 22 &&
    headerSize >= mapOffset + mapSize &&
    headerSize <= 1 << 23 &&
    (headerSize & 63) == 0 &&
    memoryPages <= memoryLimit >>> 16 &&
    homesMax >= 1 &&
    timeoutMs >= 1 &&
    timeoutMs <= <u32>TIMEOUT_MS_MAX;
  if (!sound) return BAD_PARAMETER;
  for (let i: u32 = 1; i < <u32>FUNCTIONS_MAX; i++) {
    const descriptor = FUNCTION_TABLE + i * FUNCTION_SIZE;
    if (atomic.cmpxchg<u32>(descriptor, FUNCTION_FREE, FUNCTION_LIVE, FUNCTION_STATE) != FUNCTION_FREE) continue;
    store<u32>(descriptor, headerSize, FUNCTION_HEADER_SIZE);
    store<u32>(descriptor, memoryLimit, FUNCTION_MEMORY_LIMIT);
    store<u32>(descriptor, headerSize + memoryLimit + RED_ZONE, FUNCTION_HOME_SIZE);
    store<u32>(descriptor, memoryPages, FUNCTION_MEMORY_PAGES);
    store<u32>(descriptor, chunkShift, FUNCTION_CHUNK_SHIFT);
    store<u32>(descriptor, mapOffset, FUNCTION_MAP_OFFSET);
    store<u32>(descriptor, mapSize, FUNCTION_MAP_SIZE);
    store<u32>(descriptor, 0, FUNCTION_IMAGE);
    store<u32>(descriptor, 0, FUNCTION_IMAGE_END);
    store<u32>(descriptor, 0, FUNCTION_GLOBALS_IMAGE);
    store<u32>(descriptor, 0, FUNCTION_GLOBALS_SIZE);
    store<u32>(descriptor, 0, FUNCTION_HOMES);
    store<u32>(descriptor, timeoutMs, FUNCTION_TIMEOUT_MS);
    store<u32>(descriptor, 0, FUNCTION_LIVE_PDS);
    store<u32>(descriptor, concurrencyMax, FUNCTION_CONCURRENCY);
    store<u32>(descriptor, vmaBytesMax, FUNCTION_VMA_BYTES_MAX);
    store<u32>(descriptor, 0, FUNCTION_SUSPENDS);
    memory.fill(KV_BINDINGS + i * KV_BINDINGS_SIZE, 0, KV_BINDINGS_SIZE);
    forgetCounts(descriptor);
    // One until it is sealed: the template.
    store<u32>(descriptor, 1, FUNCTION_HOMES_MAX);
    return descriptor;
  }
  return TABLE_EXHAUSTED;
}

/** PDs of the function that had this descriptor before do not count. Nothing of it is left, so nobody else writes there. */
function forgetCounts(descriptor: u32): void {
  for (let i: u32 = 0; i < <u32>EXECUTORS_MAX; i++) {
    const executor = EXECUTOR_TABLE + i * EXECUTOR_SIZE;
    if (load<u32>(executor, EXECUTOR_HOST) == 0) continue;
    store<u64>(poolOf(executor, descriptor), 0, POOL_CREATED);
    store<u64>(poolOf(executor, descriptor), 0, POOL_DESTROYED);
  }
}

/**
 * Makes the image of a function from its template PD, which has been exited; every home starts from it from now on.
 * The template is destroyed as any PD.
 */
export function functionSeal(handle: u32, globalsSize: u32, homesMax: u32, asker: u32): u32 {
  const base = ownCreatedPd(handle, asker);
  if (failed(base)) return base;
  const descriptor = load<u32>(base, HOME_FUNCTION);
  if (load<u32>(descriptor, FUNCTION_IMAGE) != 0) return WRONG_STATE;
  if ((globalsSize & 7) != 0 || <u32>HOME_GLOBALS + globalsSize > load<u32>(descriptor, FUNCTION_MAP_OFFSET)) {
    return BAD_PARAMETER;
  }
  const imageEnd = findImageEnd(base, descriptor);
  reserveStack();
  lock(load<u32>(base, HOME_EXECUTOR));
  const image = takeHomeMemory(imageEnd + globalsSize + 16);
  unlock();
  if (failed(image)) return image;
  memory.copy(image, base + load<u32>(descriptor, FUNCTION_HEADER_SIZE), imageEnd);
  memory.copy(image + imageEnd, base + HOME_GLOBALS, globalsSize);
  store<u32>(descriptor, image, FUNCTION_IMAGE);
  store<u32>(descriptor, imageEnd, FUNCTION_IMAGE_END);
  store<u32>(descriptor, image + imageEnd, FUNCTION_GLOBALS_IMAGE);
  store<u32>(descriptor, globalsSize, FUNCTION_GLOBALS_SIZE);
  store<u32>(descriptor, load<u32>(base, HOME_MEMORY_PAGES), FUNCTION_MEMORY_PAGES);
  store<u32>(descriptor, homesMax, FUNCTION_HOMES_MAX);
  return OK;
}

/** Behind the last byte that is not zero, up to a multiple of 64; only marked chunks can hold such a byte. */
function findImageEnd(base: u32, descriptor: u32): u32 {
  const map = base + load<u32>(descriptor, FUNCTION_MAP_OFFSET);
  const shift = load<u32>(descriptor, FUNCTION_CHUNK_SHIFT);
  const memoryStart = base + load<u32>(descriptor, FUNCTION_HEADER_SIZE);
  const memoryEnd = load<u32>(descriptor, FUNCTION_MEMORY_LIMIT) + RED_ZONE;
  for (let chunk = load<u32>(descriptor, FUNCTION_MAP_SIZE); chunk > 0; chunk--) {
    if (load<u8>(map + chunk - 1) == 0) continue;
    const first = (chunk - 1) << shift;
    let end = min<u32>((chunk << shift) + RESTORED_BEHIND, memoryEnd);
    for (; end > first; end -= 16) {
      if (v128.any_true(v128.load(memoryStart + end - 16))) return (end + 63) & ~63;
    }
  }
  return 0;
}

/** No new PD of this function from now on; each home is given back when its PD ends. Call `poolTrim` for the idle ones. */
export function functionRetire(descriptor: u32): u32 {
  if (!isFunction(descriptor)) return UNKNOWN_FUNCTION;
  atomic.store<u32>(descriptor, FUNCTION_RETIRED, FUNCTION_STATE);
  return OK;
}

/** Forgets a retired function that has no home left. WRONG_STATE while it has. */
export function functionDestroy(descriptor: u32): u32 {
  if (!isFunction(descriptor)) return UNKNOWN_FUNCTION;
  if (load<u32>(descriptor, FUNCTION_STATE) != FUNCTION_RETIRED) return WRONG_STATE;
  reserveStack();
  lock(0);
  const homes = load<u32>(descriptor, FUNCTION_HOMES);
  unlock();
  if (homes != 0) return WRONG_STATE;
  const image = load<u32>(descriptor, FUNCTION_IMAGE);
  if (image != 0) {
    const size = load<u32>(descriptor, FUNCTION_IMAGE_END) + load<u32>(descriptor, FUNCTION_GLOBALS_SIZE) + 16;
    memory.fill(image, 0, size);
    lock(0);
    giveHomeMemory(image, size);
    unlock();
  }
  store<u32>(descriptor, 0, FUNCTION_IMAGE);
  atomic.store<u32>(descriptor, FUNCTION_FREE, FUNCTION_STATE);
  return OK;
}

/** How many homes a function has, over all executors. */
export function functionHomes(descriptor: u32): u32 {
  return isFunction(descriptor) ? atomic.load<u32>(descriptor, FUNCTION_HOMES) : 0;
}

// @ts-ignore: decorator
@inline
export function isFunction(descriptor: u32): bool {
  const offset = descriptor - FUNCTION_TABLE;
  return (
    offset < <u32>(FUNCTIONS_MAX * FUNCTION_SIZE) &&
    offset % FUNCTION_SIZE == 0 &&
    load<u32>(descriptor, FUNCTION_STATE) != FUNCTION_FREE
  );
}

/** Gives back idle homes of a function on an executor until `keep` are left. Returns how many went. */
export function poolTrim(executor: u32, descriptor: u32, keep: u32): u32 {
  if (!isFunction(descriptor)) return 0;
  reserveStack();
  return trimPool(executor, descriptor, keep);
}

/** The same. Call `reserveStack` before. */
export function trimPool(executor: u32, descriptor: u32, keep: u32): u32 {
  const pool = poolOf(executor, descriptor);
  let freed: u32 = 0;
  while (load<u32>(pool, POOL_COUNT) > keep) {
    const base = popPool(pool);
    // Nothing is called in between, so it is always known what is left to do.
    store<u32>(base, PD_UNMADE, HOME_STATE);
    freeHome(base);
    freed++;
  }
  return freed;
}

/** Notes that the call graph of a function reaches a host function that suspends; or asks, with `set` false. */
export function functionSuspends(descriptor: u32, set: bool): u32 {
  if (!isFunction(descriptor)) return 0;
  if (set) store<u32>(descriptor, 1, FUNCTION_SUSPENDS);
  return load<u32>(descriptor, FUNCTION_SUSPENDS);
}

/** PDs of a function that were created so far, over all executors; and how many of them live, as far as can be seen at once. */
export function functionCreated(descriptor: u32): u64 {
  return sumOverPools(descriptor, POOL_CREATED);
}

export function functionLive(descriptor: u32): u64 {
  // In this order: what ends meanwhile is not missed.
  const destroyed = sumOverPools(descriptor, POOL_DESTROYED);
  return sumOverPools(descriptor, POOL_CREATED) - destroyed;
}

function sumOverPools(descriptor: u32, field: u32): u64 {
  if (!isFunction(descriptor)) return 0;
  let sum: u64 = 0;
  for (let i: u32 = 0; i < <u32>EXECUTORS_MAX; i++) {
    const executor = EXECUTOR_TABLE + i * EXECUTOR_SIZE;
    if (load<u32>(executor, EXECUTOR_HOST) != 0) sum += load<u64>(poolOf(executor, descriptor) + field);
  }
  return sum;
}
