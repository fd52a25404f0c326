/**
 * Functions as PrivLib knows them, and protection domains: create, enter, exit, destroy.
 *
 * A PD lives in a home, and the address of the home (`base`) is its identity while it lives. Others name it by its
 * handle, which holds a generation, so that a handle of a PD that is gone is found out (unless 65,535 PDs have had the
 * same slot of the PD table meanwhile).
 */
import { giveHomeMemory, lock, reserveStack, takeHomeMemory, unlock } from './address-space';
import { freeHome, growPool, newHome, poolOf, popPool, pushPool, restoreHome } from './home';
import {
  CLOCK_LAG_MS,
  CONTROL_CALL_DEPTH_MAX,
  CONTROL_EXECUTORS,
  CONTROL_NOW_MS,
  DEADLINE_FAR_MS,
  EXECUTOR_CURRENT,
  EXECUTOR_HOST,
  EXECUTOR_INDEX,
  EXECUTOR_PDS,
  EXECUTOR_SIZE,
  EXECUTOR_TABLE,
  EXECUTORS_MAX,
  FAULT_NONE,
  FUNCTION_CHUNK_SHIFT,
  FUNCTION_FREE,
  FUNCTION_GLOBALS_IMAGE,
  FUNCTION_GLOBALS_SIZE,
  FUNCTION_HEADER_SIZE,
  FUNCTION_HOME_SIZE,
  FUNCTION_HOMES,
  FUNCTION_HOMES_MAX,
  FUNCTION_IMAGE,
  FUNCTION_IMAGE_END,
  FUNCTION_LIVE,
  FUNCTION_MAP_OFFSET,
  FUNCTION_MAP_SIZE,
  FUNCTION_MEMORY_LIMIT,
  FUNCTION_MEMORY_PAGES,
  FUNCTION_RETIRED,
  FUNCTION_SIZE,
  FUNCTION_STATE,
  FUNCTION_TABLE,
  FUNCTION_TIMEOUT_MS,
  FUNCTIONS_MAX,
  HOME_CALLER,
  HOME_DEADLINE_MS,
  HOME_DEPTH,
  HOME_EXECUTOR,
  HOME_FAULT_KIND,
  HOME_FUNCTION,
  HOME_GLOBALS,
  HOME_GRANTS,
  HOME_MEMORY_PAGES,
  HOME_PD,
  HOME_REQUEST_LENGTH,
  HOME_SLOT,
  HOME_STATE,
  MEMORY_LIMIT_MAX,
  PD_CREATED,
  PD_FREE,
  PD_GENERATIONS,
  PD_HOST,
  PD_RUNNING,
  PD_TABLE,
  PDS_MAX,
  RED_ZONE,
  RESTORED_BEHIND,
  TIMEOUT_MS_MAX,
  VTE_END,
} from './layout';
import {
  BAD_PARAMETER,
  CALLEE_BAD_RESPONSE,
  CALL_DEPTH_EXCEEDED,
  OK,
  SHARED,
  STALE_PD,
  TABLE_EXHAUSTED,
  UNKNOWN_FUNCTION,
  WRONG_STATE,
} from './status';
import { dropGrants, grant } from './grant';
import { checkDeadline, dropOwned, failed, isShared, mayAsk, moveVma, ownVte } from './vma-table';

/** Sets up the next executor with a PD of its own, the host's. Returns the address of its control block or a status. */
export function executorCreate(): u32 {
  reserveStack();
  const index = atomic.add<u32>(CONTROL_EXECUTORS, 1);
  const executor = EXECUTOR_TABLE + index * EXECUTOR_SIZE;
  const host = index >= <u32>EXECUTORS_MAX ? TABLE_EXHAUSTED : newHome(executor, 0, HOME_GLOBALS);
  if (failed(host)) {
    atomic.sub<u32>(CONTROL_EXECUTORS, 1);
    return host;
  }
  store<u32>(executor, index, EXECUTOR_INDEX);
  store<u32>(host, (1 << 16) | load<u32>(host, HOME_SLOT), HOME_PD);
  store<u32>(host, PD_HOST, HOME_STATE);
  store<u32>(host, load<u32>(CONTROL_NOW_MS) + DEADLINE_FAR_MS, HOME_DEADLINE_MS);
  store<u32>(executor, host, EXECUTOR_HOST);
  store<u32>(executor, host, EXECUTOR_CURRENT);
  return executor;
}

/** Base of an executor's own PD, which asks for whatever the server does. */
export function executorHost(executor: u32): u32 {
  return load<u32>(executor, EXECUTOR_HOST);
}

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
    // One until it is sealed: the template.
    store<u32>(descriptor, 1, FUNCTION_HOMES_MAX);
    return descriptor;
  }
  return TABLE_EXHAUSTED;
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
  lock();
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
  store<u32>(descriptor, FUNCTION_RETIRED, FUNCTION_STATE);
  return OK;
}

/** Forgets a retired function that has no home left. WRONG_STATE while it has. */
export function functionDestroy(descriptor: u32): u32 {
  if (!isFunction(descriptor)) return UNKNOWN_FUNCTION;
  if (load<u32>(descriptor, FUNCTION_STATE) != FUNCTION_RETIRED) return WRONG_STATE;
  if (atomic.load<u32>(descriptor, FUNCTION_HOMES) != 0) return WRONG_STATE;
  reserveStack();
  const image = load<u32>(descriptor, FUNCTION_IMAGE);
  if (image != 0) {
    const size = load<u32>(descriptor, FUNCTION_IMAGE_END) + load<u32>(descriptor, FUNCTION_GLOBALS_SIZE) + 16;
    memory.fill(image, 0, size);
    lock();
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
function isFunction(descriptor: u32): bool {
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
  const pool = poolOf(executor, descriptor);
  let freed: u32 = 0;
  while (load<u32>(pool, 4) > keep) {
    freeHome(popPool(pool));
    freed++;
  }
  return freed;
}

/** The base of the PD with this handle, or 0. */
// @ts-ignore: decorator
@inline
function pdBase(handle: u32): u32 {
  const base = load<u32>(PD_TABLE + ((handle & (PDS_MAX - 1)) << 2));
  // A free slot holds a small number or 0; the first page has no home.
  if (base <= <u32>PDS_MAX) return 0;
  return handle != 0 && load<u32>(base, HOME_PD) == handle ? base : 0;
}

/** The handle of the PD that lives in this home; 0 when none does. */
export function pdHandle(base: u32): u32 {
  return load<u32>(base, HOME_PD);
}

/** Base of the home of a PD, or STALE_PD. */
export function pdHome(handle: u32): u32 {
  const base = pdBase(handle);
  return base == 0 ? STALE_PD : base;
}

/**
 * Creates a PD for an invocation of a function, called by the asker, with the earlier of the asker's deadline and the
 * function's own. Returns its handle, or STALE_PD, UNKNOWN_FUNCTION, CALL_DEPTH_EXCEEDED, HOMES_EXHAUSTED, HOME_MEMORY_EXHAUSTED, TABLE_EXHAUSTED.
 */
export function pdCreate(descriptor: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const base = createPd(asker, descriptor);
  return failed(base) ? base : load<u32>(base, HOME_PD);
}

// @ts-ignore: decorator
@inline
function createPd(asker: u32, descriptor: u32): u32 {
  if (!isFunction(descriptor) || load<u32>(descriptor, FUNCTION_STATE) != FUNCTION_LIVE) return UNKNOWN_FUNCTION;
  // That of a root invocation is 1, and it is no nested call.
  const depth = load<u32>(asker, HOME_DEPTH) + 1;
  if (depth - 1 > load<u32>(CONTROL_CALL_DEPTH_MAX)) return CALL_DEPTH_EXCEEDED;
  checkDeadline(asker);
  const executor = load<u32>(asker, HOME_EXECUTOR);
  let base = popPool(poolOf(executor, descriptor));
  if (base == 0) {
    base = growPool(executor, descriptor);
    if (failed(base)) return base;
  }
  // 1 to 65,535: with 0 a handle would look like a status.
  const slot = load<u32>(base, HOME_SLOT);
  const last = PD_GENERATIONS + (slot << 2);
  const generation = max<u32>((load<u32>(last) + 1) & 0xffff, 1);
  store<u32>(last, generation);
  store<u32>(base, (generation << 16) | slot, HOME_PD);
  store<u32>(base, asker, HOME_CALLER);
  store<u32>(base, depth, HOME_DEPTH);
  store<u32>(base, deadlineFor(asker, descriptor), HOME_DEADLINE_MS);
  store<u32>(base, PD_CREATED, HOME_STATE);
  store<u32>(executor, load<u32>(executor, EXECUTOR_PDS) + 1, EXECUTOR_PDS);
  return base;
}

/** The asker's, or what the function may take from now on when that is earlier. Not before its time: the clock lags. */
// @ts-ignore: decorator
@inline
function deadlineFor(asker: u32, descriptor: u32): u32 {
  const inherited = load<u32>(asker, HOME_DEADLINE_MS);
  const own = load<u32>(CONTROL_NOW_MS) + load<u32>(descriptor, FUNCTION_TIMEOUT_MS) + CLOCK_LAG_MS;
  return <i32>(own - inherited) < 0 ? own : inherited;
}

/** The asker hands its executor to a PD that it created. */
export function pdEnter(handle: u32, asker: u32): u32 {
  const base = ownCreatedPd(handle, asker);
  if (failed(base)) return base;
  enterPd(base);
  return OK;
}

/** Base of the PD with this handle, if the asker created it and it does not run; otherwise a status. */
// @ts-ignore: decorator
@inline
function ownCreatedPd(handle: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const base = pdBase(handle);
  if (base == 0) return STALE_PD;
  return load<u32>(base, HOME_STATE) == PD_CREATED && load<u32>(base, HOME_CALLER) == asker ? base : WRONG_STATE;
}

// @ts-ignore: decorator
@inline
function enterPd(base: u32): void {
  store<u32>(base, FAULT_NONE, HOME_FAULT_KIND);
  store<u32>(base, PD_RUNNING, HOME_STATE);
  store<u32>(load<u32>(base, HOME_EXECUTOR), base, EXECUTOR_CURRENT);
}

/**
 * Takes the executor back from a PD that the asker entered. Should PDs that it called itself still be there, which only
 * a stack overflow in the server's own frames leaves behind, they are destroyed.
 */
export function pdExit(handle: u32, asker: u32): u32 {
  const base = pdBase(handle);
  if (base == 0) return STALE_PD;
  if (load<u32>(base, HOME_STATE) != PD_RUNNING || load<u32>(base, HOME_CALLER) != asker) return WRONG_STATE;
  exitPd(base);
  return OK;
}

// @ts-ignore: decorator
@inline
function exitPd(base: u32): void {
  const executor = load<u32>(base, HOME_EXECUTOR);
  if (load<u32>(executor, EXECUTOR_CURRENT) != base) unwind(executor, base);
  store<u32>(base, PD_CREATED, HOME_STATE);
  store<u32>(executor, load<u32>(base, HOME_CALLER), EXECUTOR_CURRENT);
}

/** Destroys what runs above a PD on its executor, innermost first. */
function unwind(executor: u32, base: u32): void {
  reserveStack();
  for (let i: u32 = 0; i < <u32>PDS_MAX; i++) {
    const current = load<u32>(executor, EXECUTOR_CURRENT);
    if (current == base) return;
    const caller = load<u32>(current, HOME_CALLER);
    // The host at the bottom: this PD was not on the stack of its executor.
    if (caller == 0) unreachable();
    destroyPd(current);
    store<u32>(executor, caller, EXECUTOR_CURRENT);
  }
}

/** Destroys a PD that the asker created and that does not run: unmaps all that it owns, restores its home. */
export function pdDestroy(handle: u32, asker: u32): u32 {
  const base = ownCreatedPd(handle, asker);
  if (failed(base)) return base;
  destroyPd(base);
  return OK;
}

/** Each step can be repeated, so a stack overflow on the way leaves a PD that can be destroyed again. */
// @ts-ignore: decorator
@inline
function destroyPd(base: u32): void {
  const descriptor = load<u32>(base, HOME_FUNCTION);
  const executor = load<u32>(base, HOME_EXECUTOR);
  if (load<u32>(base, HOME_GRANTS) != 0) dropGrants(base);
  dropOwned(base);
  restoreHome(base, descriptor);
  store<u32>(base, 0, HOME_PD);
  store<u32>(base, PD_FREE, HOME_STATE);
  store<u32>(executor, load<u32>(executor, EXECUTOR_PDS) - 1, EXECUTOR_PDS);
  pushPool(poolOf(executor, descriptor), base);
  if (load<u32>(descriptor, FUNCTION_STATE) == FUNCTION_RETIRED) poolTrim(executor, descriptor, 0);
}

/** Moves a VMA of the asker to a PD that it created and that does not run, or to its caller. */
export function vmaMove(address: u32, handle: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const vte = ownVte(asker, address);
  if (failed(vte)) return vte;
  const to = neighbour(handle, asker);
  if (failed(to)) return to;
  if (isShared(vte)) return SHARED;
  moveVma(vte, asker, to);
  return OK;
}

/** Shares a VMA of the asker with a PD that it created and that does not run, or with its caller. */
export function vmaShare(address: u32, handle: u32, permission: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const vte = ownVte(asker, address);
  if (failed(vte)) return vte;
  const to = neighbour(handle, asker);
  return failed(to) ? to : grant(vte, to, permission);
}

/** Base of a PD that permissions may move to, since it does not run meanwhile: a created child, or the caller. Or a status. */
// @ts-ignore: decorator
@inline
function neighbour(handle: u32, asker: u32): u32 {
  const other = pdBase(handle);
  if (other == 0) return STALE_PD;
  if (load<u32>(asker, HOME_CALLER) == other) return other;
  return load<u32>(other, HOME_CALLER) == asker && load<u32>(other, HOME_STATE) == PD_CREATED ? other : WRONG_STATE;
}

/**
 * All that happens before a synchronous nested call: checks the request (an ArgBuf of the asker, or 0), creates the
 * callee's PD, moves the request into it and enters it. Returns the base of the callee's home, or a status.
 */
export function callEnter(descriptor: u32, request: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  let vte: u32 = 0;
  if (request != 0) {
    vte = ownVte(asker, request);
    if (failed(vte)) return vte;
    if (isShared(vte)) return SHARED;
  }
  const base = createPd(asker, descriptor);
  if (failed(base)) return base;
  let length: u32 = 0;
  if (vte != 0) {
    moveVma(vte, asker, base);
    length = load<u32>(vte, VTE_END) - request;
  }
  store<u32>(base, length, HOME_REQUEST_LENGTH);
  enterPd(base);
  return base;
}

/**
 * All that happens after it: exits the callee, moves its response (an ArgBuf of the callee, or 0) to the asker and
 * destroys the PD. Returns the response; CALLEE_BAD_RESPONSE when it is neither (then nothing of it is left); WRONG_STATE, having
 * done nothing, when the asker is not the caller.
 */
export function callLeave(response: u32, base: u32, asker: u32): u32 {
  if (load<u32>(base, HOME_STATE) != PD_RUNNING || load<u32>(base, HOME_CALLER) != asker) return WRONG_STATE;
  exitPd(base);
  let result: u32 = response;
  if (response != 0) {
    const vte = ownVte(base, response);
    if (failed(vte) || isShared(vte)) result = CALLEE_BAD_RESPONSE;
    else moveVma(vte, base, asker);
  }
  destroyPd(base);
  return result;
}

/** All that happens after a callee has faulted: what it owned goes, its home is restored. WRONG_STATE as `callLeave`. */
export function callAbort(base: u32, asker: u32): u32 {
  if (load<u32>(base, HOME_STATE) == PD_FREE || load<u32>(base, HOME_CALLER) != asker) return WRONG_STATE;
  if (load<u32>(base, HOME_STATE) == PD_RUNNING) exitPd(base);
  destroyPd(base);
  return OK;
}
