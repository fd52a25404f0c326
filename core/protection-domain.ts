/**
 * Protection domains: create, enter, exit, destroy; and moving VMAs between them.
 *
 * A PD lives in a home, and the address of the home (`base`) is its identity while it lives. Others name it by its
 * handle, which holds a generation, so that a handle of a PD that is gone is found out (unless 65,535 PDs have had the
 * same slot of the PD table meanwhile).
 */
import { reserveStack } from './address-space';
import { spill } from './free-lists';
import { isFunction, trimPool } from './function';
import { dropGrants, grant } from './grant';
import { growPool, newHome, poolOf, popPool, pushPool, restoreHome } from './home';
import { dropChildren } from './invocation';
import {
  CLOCK_LAG_MS,
  CONTROL_CALL_DEPTH_MAX,
  CONTROL_EXECUTORS,
  CONTROL_NOW_MS,
  DEADLINE_FAR_MS,
  EXECUTORS_MAX,
  EXECUTOR_CURRENT,
  EXECUTOR_HOST,
  EXECUTOR_INBOX_HEAD,
  EXECUTOR_INBOX_STUB,
  EXECUTOR_INBOX_TAIL,
  EXECUTOR_INDEX,
  EXECUTOR_INVOCATION,
  EXECUTOR_PDS,
  EXECUTOR_SIZE,
  EXECUTOR_TABLE,
  FAULT_NONE,
  FUNCTION_CONCURRENCY,
  FUNCTION_LIVE,
  FUNCTION_LIVE_PDS,
  FUNCTION_RETIRED,
  FUNCTION_STATE,
  FUNCTION_TIMEOUT_MS,
  HOME_CALLER,
  HOME_CHILDREN,
  HOME_DEADLINE_MS,
  HOME_DEPTH,
  HOME_END_MS,
  HOME_EXECUTOR,
  HOME_FAULT_KIND,
  HOME_FUNCTION,
  HOME_GLOBALS,
  HOME_GRANTS,
  HOME_INVOCATION,
  HOME_LOG_BYTES,
  HOME_PD,
  HOME_SLOT,
  HOME_STATE,
  HOME_VMA_BYTES,
  PDS_MAX,
  PD_CREATED,
  PD_FREE,
  PD_GENERATIONS,
  PD_HOST,
  PD_RUNNING,
  PD_SUSPENDED,
  PD_TABLE,
  POOL_CREATED,
  POOL_DESTROYED,
} from './layout';
import { CALL_DEPTH_EXCEEDED, CONCURRENCY_EXCEEDED, OK, SHARED, STALE_PD, TABLE_EXHAUSTED, UNKNOWN_FUNCTION, WRONG_STATE } from './status';
import { checkDeadline, dropOwned, failed, forgetLast, isShared, mayAsk, moveVma, ownVte } from './vma-table';

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
  store<u32>(host, load<u32>(CONTROL_NOW_MS) + DEADLINE_FAR_MS, HOME_END_MS);
  store<u32>(executor, host, EXECUTOR_HOST);
  store<u32>(executor, host, EXECUTOR_CURRENT);
  store<u32>(executor, executor + EXECUTOR_INBOX_STUB, EXECUTOR_INBOX_HEAD);
  store<u32>(executor, executor + EXECUTOR_INBOX_STUB, EXECUTOR_INBOX_TAIL);
  return executor;
}

/** Base of an executor's own PD, which asks for whatever the server does. */
export function executorHost(executor: u32): u32 {
  return load<u32>(executor, EXECUTOR_HOST);
}

/** The base of the PD with this handle, or 0. */
// @ts-ignore: decorator
@inline
export function pdBase(handle: u32): u32 {
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
 * function's own. Returns its handle, or STALE_PD, UNKNOWN_FUNCTION, CALL_DEPTH_EXCEEDED, CONCURRENCY_EXCEEDED, HOMES_EXHAUSTED,
 * HOME_MEMORY_EXHAUSTED, TABLE_EXHAUSTED.
 */
export function pdCreate(descriptor: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const base = createPd(asker, descriptor);
  return failed(base) ? base : load<u32>(base, HOME_PD);
}

/** The same for an asker that may; returns the base. */
export function createPd(asker: u32, descriptor: u32): u32 {
  return makePd(asker, descriptor);
}

/** The same, inline, for nested calls. From the last call on it neither loops nor calls. */
// @ts-ignore: decorator
@inline
export function makePd(asker: u32, descriptor: u32): u32 {
  if (!isFunction(descriptor) || load<u32>(descriptor, FUNCTION_STATE) != FUNCTION_LIVE) return UNKNOWN_FUNCTION;
  // That of a root invocation is 1, and it is no nested call.
  const depth = load<u32>(asker, HOME_DEPTH) + 1;
  if (depth - 1 > load<u32>(CONTROL_CALL_DEPTH_MAX)) return CALL_DEPTH_EXCEEDED;
  checkDeadline(asker);
  const executor = load<u32>(asker, HOME_EXECUTOR);
  const pool = poolOf(executor, descriptor);
  let base = popPool(pool);
  if (base == 0) {
    base = growPool(executor, descriptor);
    if (failed(base)) return base;
  }
  const concurrency = load<u32>(descriptor, FUNCTION_CONCURRENCY);
  if (concurrency != 0 && atomic.add<u32>(descriptor, 1, FUNCTION_LIVE_PDS) >= concurrency) {
    atomic.sub<u32>(descriptor, 1, FUNCTION_LIVE_PDS);
    store<u32>(base, PD_FREE, HOME_STATE);
    pushPool(pool, base);
    return CONCURRENCY_EXCEEDED;
  }
  // 1 to 65,535: with 0 a handle would look like a status.
  const slot = load<u32>(base, HOME_SLOT);
  const last = PD_GENERATIONS + (slot << 2);
  const generation = max<u32>((load<u32>(last) + 1) & 0xffff, 1);
  store<u32>(last, generation);
  store<u32>(base, (generation << 16) | slot, HOME_PD);
  store<u32>(base, asker, HOME_CALLER);
  store<u32>(base, depth, HOME_DEPTH);
  const end = deadlineFor(asker, descriptor);
  store<u32>(base, end, HOME_DEADLINE_MS);
  store<u32>(base, end, HOME_END_MS);
  store<u32>(base, load<u32>(asker, HOME_INVOCATION), HOME_INVOCATION);
  store<u32>(base, 0, HOME_VMA_BYTES);
  store<u64>(base, 0, HOME_CHILDREN);
  store<u32>(base, 0, HOME_LOG_BYTES);
  forgetLast(base);
  store<u32>(base, PD_CREATED, HOME_STATE);
  store<u32>(executor, load<u32>(executor, EXECUTOR_PDS) + 1, EXECUTOR_PDS);
  store<u64>(pool, load<u64>(pool, POOL_CREATED) + 1, POOL_CREATED);
  return base;
}

/** The asker's, or what the function may take from now on when that is earlier. Not before its time: the clock lags. */
// @ts-ignore: decorator
@inline
function deadlineFor(asker: u32, descriptor: u32): u32 {
  const inherited = load<u32>(asker, HOME_END_MS);
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
export function ownCreatedPd(handle: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const base = pdBase(handle);
  if (base == 0) return STALE_PD;
  return load<u32>(base, HOME_STATE) == PD_CREATED && load<u32>(base, HOME_CALLER) == asker ? base : WRONG_STATE;
}

// @ts-ignore: decorator
@inline
export function enterPd(base: u32): void {
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
  endAbove(base);
  store<u32>(base, PD_CREATED, HOME_STATE);
  store<u32>(load<u32>(base, HOME_EXECUTOR), asker, EXECUTOR_CURRENT);
  return OK;
}

/** Destroys what still runs above a PD that runs. */
// @ts-ignore: decorator
@inline
function endAbove(base: u32): void {
  const executor = load<u32>(base, HOME_EXECUTOR);
  if (load<u32>(executor, EXECUTOR_CURRENT) != base) unwind(executor, base);
}

/** Destroys what runs above a PD on its executor, innermost first. Can be taken up again. */
function unwind(executor: u32, base: u32): void {
  reserveStack();
  for (let i: u32 = 0; i < <u32>PDS_MAX; i++) {
    const current = load<u32>(executor, EXECUTOR_CURRENT);
    if (current == base) return;
    // The host at the bottom: this PD was not on the stack of its executor.
    if (load<u32>(current, HOME_STATE) != PD_RUNNING) unreachable();
    destroyPd(current);
  }
}

/** Destroys a PD that the asker created and that does not run: unmaps all that it owns, restores its home. */
export function pdDestroy(handle: u32, asker: u32): u32 {
  const base = ownCreatedPd(handle, asker);
  if (failed(base)) return base;
  destroyPd(base);
  return OK;
}

/** Exits a PD if it runs, unmaps all that it owns, restores its home and puts that into its pool. */
export function destroyPd(base: u32): void {
  const isRunning = load<u32>(base, HOME_STATE) == PD_RUNNING;
  const isRetired = letGo(base, isRunning);
  closePd(base, isRunning, isRetired);
}

/**
 * The first half of it: all that may overflow the stack before the PD is gone. It can be repeated, and a PD that ran still runs,
 * so that it is destroyed with its caller at the latest. Returns whether its function is retired, for `closePd`.
 */
// @ts-ignore: decorator
@inline
export function letGo(base: u32, isRunning: bool): bool {
  if (isRunning) endAbove(base);
  if (load<u32>(base, HOME_CHILDREN) != 0) dropChildren(base);
  if (load<u32>(base, HOME_GRANTS) != 0) dropGrants(base);
  const isRetired = load<u32>(load<u32>(base, HOME_FUNCTION), FUNCTION_STATE) == FUNCTION_RETIRED;
  if (isRetired) reserveStack();
  return isRetired;
}

/** The second half. It calls nothing before the home is in its pool, and can be repeated where its thread was ended before. */
// @ts-ignore: decorator
@inline
export function closePd(base: u32, isRunning: bool, isRetired: bool): void {
  const descriptor = load<u32>(base, HOME_FUNCTION);
  const executor = load<u32>(base, HOME_EXECUTOR);
  const isFull = dropOwned(base);
  restoreHome(base, descriptor);
  if (isRunning) store<u32>(executor, load<u32>(base, HOME_CALLER), EXECUTOR_CURRENT);
  store<u32>(base, 0, HOME_PD);
  store<u32>(base, PD_FREE, HOME_STATE);
  store<u32>(executor, load<u32>(executor, EXECUTOR_PDS) - 1, EXECUTOR_PDS);
  if (load<u32>(descriptor, FUNCTION_CONCURRENCY) != 0) atomic.sub<u32>(descriptor, 1, FUNCTION_LIVE_PDS);
  const pool = poolOf(executor, descriptor);
  store<u64>(pool, load<u64>(pool, POOL_DESTROYED) + 1, POOL_DESTROYED);
  pushPool(pool, base);
  if (isRetired) trimPool(executor, descriptor, 0);
  if (isFull) spill(executor);
}

/**
 * The running PD waits for something on a stack of its own: its executor is the host's until `pdResume`. Also for a caller
 * of a suspended PD. For the executor itself, on its own thread.
 */
export function pdSuspend(base: u32): u32 {
  if (load<u32>(base, HOME_STATE) != PD_RUNNING) return WRONG_STATE;
  store<u32>(base, PD_SUSPENDED, HOME_STATE);
  executorIdle(load<u32>(base, HOME_EXECUTOR));
  return OK;
}

/** It runs again. WRONG_STATE, having done nothing, unless it is suspended and nothing else runs on its executor. */
export function pdResume(base: u32): u32 {
  const executor = load<u32>(base, HOME_EXECUTOR);
  const isIdle = load<u32>(executor, EXECUTOR_CURRENT) == load<u32>(executor, EXECUTOR_HOST);
  if (load<u32>(base, HOME_STATE) != PD_SUSPENDED || !isIdle) return WRONG_STATE;
  store<u32>(base, PD_RUNNING, HOME_STATE);
  store<u32>(executor, base, EXECUTOR_CURRENT);
  store<u32>(executor, load<u32>(base, HOME_INVOCATION), EXECUTOR_INVOCATION);
  return OK;
}

/** Nothing runs on an executor now but its host: also where a callee has just been left whose caller is suspended. */
export function executorIdle(executor: u32): void {
  store<u32>(executor, load<u32>(executor, EXECUTOR_HOST), EXECUTOR_CURRENT);
  store<u32>(executor, 0, EXECUTOR_INVOCATION);
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
