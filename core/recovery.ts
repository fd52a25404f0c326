/**
 * What becomes of the invocations of an executor whose thread is ended in the midst of its work.
 *
 * A thread of V8 can be ended where a function begins, at the head of each loop, and where a function returns (in code that is
 * not optimised yet, when V8 counts its way to that), nowhere else. PrivLib is written so that what is there at each of these
 * points is either whole or can be repeated:
 *
 * - operations without a loop and without a call happen or do not;
 * - a loop over what a PD owns takes each thing off its list, or leaves it there;
 * - in what is under the lock no thread is ended: `executorDoom` sees to that;
 * - a home is PD_UNMADE while it is neither in a pool nor a PD's.
 *
 * So the free lists of the executor, its pools and its records are good as they are, and go to the thread that follows it.
 */
import { lock, reserveStack, unlock } from './address-space';
import { spill } from './free-lists';
import { trimPool } from './function';
import { dropGrants } from './grant';
import { freeHome, poolOf } from './home';
import { passLocks } from './kv-space';
import { abandon, dropVmas, invocationEnd } from './invocation';
import {
  CONTROL_INVOCATIONS_USED,
  CONTROL_NOW_MS,
  CONTROL_PD_USED,
  DOORBELL_AWAKE,
  EXECUTOR_ACTIVE,
  EXECUTOR_CANCELS,
  EXECUTOR_DOOMED,
  EXECUTOR_DOORBELL,
  EXECUTOR_MESSAGES,
  EXECUTOR_STACKS,
  EXECUTOR_SUSPENDED,
  EXECUTOR_SYNCED,
  EXECUTOR_SYNC_WAITS,
  FUNCTIONS_MAX,
  FUNCTION_RETIRED,
  FUNCTION_SIZE,
  FUNCTION_STATE,
  FUNCTION_TABLE,
  HOME_EXECUTOR,
  HOME_LEFT,
  HOME_STATE,
  HOME_VMA_BYTES,
  INVOCATION_ASKER,
  INVOCATION_DEADLINE_MS,
  INVOCATION_EXECUTOR,
  INVOCATION_FREE,
  INVOCATION_HOME,
  INVOCATION_RESPONSE,
  INVOCATION_RUNNING,
  INVOCATION_SIZE,
  INVOCATION_STATE,
  INVOCATION_TABLE,
  PDS_MAX,
  PD_FREE,
  PD_HOST,
  PD_SUSPENDED,
  PD_TABLE,
  PD_UNMADE,
  POOL_COUNT,
} from './layout';
import { destroyPd, executorIdle } from './protection-domain';
import { CALLEE_DEADLINE, CALLEE_EXECUTOR_LOST } from './status';
import { dropOwned } from './vma-table';

/**
 * The thread of this executor will be ended. When this returns it is not in what is under the lock, and does not get there
 * any more: either it has seen the word when it gets the lock, or it had the lock before and has given it back. For another
 * thread, before it ends that one.
 */
export function executorDoom(executor: u32): void {
  atomic.store<u32>(executor, 1, EXECUTOR_DOOMED);
  lock(0);
  unlock();
  passLocks();
}

/**
 * The thread has ended. Destroys the PDs of its executor; what ran or was suspended there has failed and goes back to who
 * asked, with CALLEE_DEADLINE where that has passed and CALLEE_EXECUTOR_LOST elsewhere; what its PDs had started is cancelled.
 * What is queued in its ring stays there. For another thread, before the one that follows begins. Returns how many have failed.
 */
export function executorRecover(executor: u32): u32 {
  reserveStack();
  atomic.store<u32>(executor, 0, EXECUTOR_DOOMED);
  executorIdle(executor);
  const slots = load<u32>(CONTROL_PD_USED);
  for (let slot: u32 = 0; slot < slots; slot++) {
    const base = homeIn(slot, executor);
    if (base != 0) recoverHome(base);
  }
  trimRetired(executor);
  let failedCount: u32 = 0;
  const records = load<u32>(CONTROL_INVOCATIONS_USED);
  for (let i: u32 = 0; i < records; i++) {
    if (recoverInvocation(INVOCATION_TABLE + i * INVOCATION_SIZE, executor)) failedCount++;
  }
  store<u32>(executor, 0, EXECUTOR_CANCELS);
  store<u32>(executor, 0, EXECUTOR_MESSAGES);
  store<u32>(executor, 0, EXECUTOR_ACTIVE);
  store<u32>(executor, 0, EXECUTOR_SUSPENDED);
  store<u32>(executor, 0, EXECUTOR_STACKS);
  store<u32>(executor, 0, EXECUTOR_SYNC_WAITS);
  store<u32>(executor, 0, EXECUTOR_SYNCED);
  atomic.store<u32>(executor, DOORBELL_AWAKE, EXECUTOR_DOORBELL);
  return failedCount;
}

/**
 * The home with a slot of the PD table, if it is one of this executor; 0 otherwise. Under the lock: a home of another executor
 * can go at any time, and then there is anything where its header was, a function's own words too.
 */
function homeIn(slot: u32, executor: u32): u32 {
  lock(0);
  const base = load<u32>(PD_TABLE + (slot << 2));
  // A free slot holds a small number or 0.
  const isOwn = base > <u32>PDS_MAX && load<u32>(base, HOME_EXECUTOR) == executor;
  unlock();
  return isOwn ? base : 0;
}

function recoverHome(base: u32): void {
  const state = load<u32>(base, HOME_STATE);
  if (state == PD_FREE) return;
  if (state == PD_UNMADE) freeHome(base);
  else if (state == PD_HOST) recoverHost(base);
  else {
    // It does not run any more, and neither does its caller.
    store<u32>(base, PD_SUSPENDED, HOME_STATE);
    destroyPd(base);
  }
}

function recoverHost(base: u32): void {
  dropGrants(base);
  const isFull = dropOwned(base);
  store<u32>(base, 0, HOME_VMA_BYTES);
  if (isFull) spill(load<u32>(base, HOME_EXECUTOR));
}

/** Gives back the homes that idle here of functions that are retired: the thread that should have is gone. */
function trimRetired(executor: u32): void {
  for (let i: u32 = 0; i < <u32>FUNCTIONS_MAX; i++) {
    const descriptor = FUNCTION_TABLE + i * FUNCTION_SIZE;
    const isRetired = load<u32>(descriptor, FUNCTION_STATE) == FUNCTION_RETIRED;
    if (isRetired && load<u32>(poolOf(executor, descriptor), POOL_COUNT) != 0) trimPool(executor, descriptor, 0);
  }
}

/** Returns whether the invocation has failed by the loss of the executor. */
function recoverInvocation(record: u32, executor: u32): bool {
  const state = atomic.load<u32>(record, INVOCATION_STATE) & 0xffff;
  const isAsker = load<u32>(record, INVOCATION_ASKER) == executor;
  const isRunner = state == INVOCATION_RUNNING && load<u32>(record, INVOCATION_EXECUTOR) == executor;
  if (isRunner) {
    const isLate = <i32>(load<u32>(CONTROL_NOW_MS) - load<u32>(record, INVOCATION_DEADLINE_MS)) >= 0;
    if (dropVmas(record, executor)) spill(executor);
    store<u32>(record, isLate ? CALLEE_DEADLINE : CALLEE_EXECUTOR_LOST, INVOCATION_RESPONSE);
    store<u32>(record, HOME_LEFT, INVOCATION_HOME);
    invocationEnd(record);
  } else if (isAsker && state != INVOCATION_FREE) abandon(record, executor);
  return isRunner;
}
