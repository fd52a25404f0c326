/**
 * What becomes of the invocations of an executor whose thread is ended in the midst of its work.
 *
 * A thread of V8 can be ended where a function begins and at the head of each loop, nowhere else. PrivLib is written so that
 * what is there at each of these points is either whole or can be repeated:
 *
 * - operations without a loop and without a call happen or do not;
 * - a loop over what a PD owns takes each thing off its list, or leaves it there;
 * - in what is under the lock no thread is ended: `executorDoom` sees to that;
 * - a home is PD_UNMADE while it is neither in a pool nor a PD's.
 *
 * So the free lists of the executor, its pools and its records are good as they are, and go to the thread that follows it.
 */
import { lock, unlock } from './address-space';
import { freeHome } from './home';
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
  HOME_EXECUTOR,
  HOME_STATE,
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
  PD_TABLE,
  PD_UNMADE,
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
}

/**
 * The thread has ended. Destroys the PDs of its executor; what ran or was suspended there has failed and goes back to who
 * asked, with CALLEE_DEADLINE where that has passed and CALLEE_EXECUTOR_LOST elsewhere; what its PDs had started is cancelled.
 * What is queued in its ring stays there. For another thread, before the one that follows begins. Returns how many have failed.
 */
export function executorRecover(executor: u32): u32 {
  atomic.store<u32>(executor, 0, EXECUTOR_DOOMED);
  const slots = load<u32>(CONTROL_PD_USED);
  for (let slot: u32 = 0; slot < slots; slot++) {
    const base = load<u32>(PD_TABLE + (slot << 2));
    // A free slot holds a small number or 0.
    if (base > <u32>PDS_MAX && load<u32>(base, HOME_EXECUTOR) == executor) recoverHome(base);
  }
  executorIdle(executor);
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
  atomic.store<u32>(executor, DOORBELL_AWAKE, EXECUTOR_DOORBELL);
  return failedCount;
}

function recoverHome(base: u32): void {
  const state = load<u32>(base, HOME_STATE);
  if (state == PD_HOST) dropOwned(base);
  else if (state == PD_UNMADE) freeHome(base);
  else if (state != PD_FREE) destroyPd(base);
}

/** Returns whether the invocation has failed by the loss of the executor. */
function recoverInvocation(record: u32, executor: u32): bool {
  const state = atomic.load<u32>(record, INVOCATION_STATE) & 0xffff;
  if (state == INVOCATION_RUNNING && load<u32>(record, INVOCATION_EXECUTOR) == executor) {
    const isLate = <i32>(load<u32>(CONTROL_NOW_MS) - load<u32>(record, INVOCATION_DEADLINE_MS)) >= 0;
    dropVmas(record, executor);
    store<u32>(record, isLate ? CALLEE_DEADLINE : CALLEE_EXECUTOR_LOST, INVOCATION_RESPONSE);
    store<u32>(record, 0, INVOCATION_HOME);
    invocationEnd(record);
    return true;
  }
  // Its parent is gone, but it had not been given up yet.
  if (state != INVOCATION_FREE && load<u32>(record, INVOCATION_ASKER) == executor) abandon(record, executor);
  return false;
}
