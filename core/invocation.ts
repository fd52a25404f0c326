/**
 * Invocations that are not nested calls: asked for on one thread, perhaps run on another, and back. Root invocations are
 * asked for by an orchestrator's host PD, the others by a PD that started them, their parent.
 *
 * A record goes through these states, and who may change it is always clear:
 *
 *     QUEUED    by who asked; whoever exchanges the state first has it: an executor, or who asked, to cancel it
 *     RUNNING   the executor's that took it
 *     ENDED     nobody's, on its way through returns or an inbox
 *     ARRIVED   that of the thread which asked, until it is collected
 *
 * The state word holds the record's generation too, and so does its handle: a handle of a record that is used for another
 * invocation by now is found out (unless 65,535 invocations have had the same record meanwhile).
 *
 * While a VMA is between two PDs, its owner is the record. No PD has such an address, so no check passes.
 *
 * What changes here is changed at one go: from the first change on, nothing loops and nothing is called until all is done. So
 * neither the end of the thread nor a stack overflow leaves anything half done; where one comes in the last call, or in one that
 * says that it can be taken up again, nothing is missing but that. Who asks is checked as everywhere; that `record` is one, and
 * `executor` the caller's own, is the server's to know.
 */
import { lock, reserveStack, unlock } from './address-space';
import { spill } from './free-lists';
import {
  CHILDREN_MAX,
  CONTROL_CALL_DEPTH_MAX,
  CONTROL_INVOCATIONS_COUNT,
  CONTROL_INVOCATIONS_FREE,
  CONTROL_INVOCATIONS_USED,
  CONTROL_NOW_MS,
  EXECUTOR_CANCELS,
  EXECUTOR_CURRENT,
  EXECUTOR_HOST,
  EXECUTOR_INVOCATION,
  EXECUTOR_INVOCATIONS,
  EXECUTOR_INVOCATIONS_COUNT,
  EXECUTOR_INVOCATIONS_FREE,
  EXECUTOR_ORCHESTRATOR,
  HOME_CALLER,
  HOME_CHILDREN,
  HOME_CHILD_COUNT,
  HOME_DEADLINE_MS,
  HOME_DEPTH,
  HOME_END_MS,
  HOME_EXECUTOR,
  HOME_INVOCATION,
  HOME_LEFT,
  HOME_PD,
  HOME_REQUEST_LENGTH,
  HOME_STATE,
  INVOCATIONS_MAX,
  INVOCATIONS_RESERVED,
  INVOCATION_ARRIVED,
  INVOCATION_ASKER,
  INVOCATION_CANCELLED,
  INVOCATION_DEADLINE_MS,
  INVOCATION_DEPTH,
  INVOCATION_ENDED,
  INVOCATION_EXECUTOR,
  INVOCATION_FIELDS,
  INVOCATION_FLAGS,
  INVOCATION_FREE,
  INVOCATION_FUNCTION,
  INVOCATION_HOME,
  INVOCATION_HTTP_STATUS,
  INVOCATION_IS_INSIDE,
  INVOCATION_IS_ORPHAN,
  INVOCATION_NEXT,
  INVOCATION_PARENT,
  INVOCATION_PARENT_PD,
  INVOCATION_QUEUED,
  INVOCATION_QUEUED_US,
  INVOCATION_REQUEST,
  INVOCATION_RESPONSE,
  INVOCATION_RUNNING,
  INVOCATION_SIBLING_NEXT,
  INVOCATION_SIBLING_PREVIOUS,
  INVOCATION_SIZE,
  INVOCATION_STATE,
  INVOCATION_TABLE,
  PD_RUNNING,
  VTE_END,
  VTE_OWNER,
} from './layout';
import { createPd, destroyPd, enterPd } from './protection-domain';
import { inboxPop, inboxPush, returnsPop, returnsPush, ringAdvance, wake } from './queue';
import {
  CALLEE_BAD_RESPONSE,
  CALLEE_CANCELLED,
  CALLEE_RESPONSE_TOO_LARGE,
  CALL_DEPTH_EXCEEDED,
  INVOCATIONS_EXHAUSTED,
  NO_SUCH_INVOCATION,
  OK,
  SHARED,
  STALE_PD,
  WRONG_STATE,
} from './status';
import { checkDeadline, failed, isShared, link, mayAsk, ownVte, release, unlink, vteOf } from './vma-table';

/** Records that a thread fetches at once when it has none, and how many free ones it keeps. */
const BATCH: u32 = 32;
const FREE_MAX: u32 = 256;
const STATE_MASK: u32 = 0xffff;

/** The record that a handle names; whether it is still the one that was meant, its state tells. */
// @ts-ignore: decorator
@inline
function recordOf(handle: u32): u32 {
  return INVOCATION_TABLE + (handle & (INVOCATIONS_MAX - 1)) * INVOCATION_SIZE;
}

/** The handle of a record, now. */
// @ts-ignore: decorator
@inline
function handleOf(record: u32): u32 {
  return (load<u32>(record, INVOCATION_STATE) & ~STATE_MASK) | ((record - INVOCATION_TABLE) / INVOCATION_SIZE);
}

// @ts-ignore: decorator
@inline
function stateOf(record: u32): u32 {
  return atomic.load<u32>(record, INVOCATION_STATE) & STATE_MASK;
}

// @ts-ignore: decorator
@inline
function setState(record: u32, state: u32): void {
  atomic.store<u32>(record, (load<u32>(record, INVOCATION_STATE) & ~STATE_MASK) | state, INVOCATION_STATE);
}

/** Takes a queued invocation. False: somebody else has, or it is gone. */
// @ts-ignore: decorator
@inline
function take(handle: u32, state: u32): bool {
  const queued = (handle & ~STATE_MASK) | INVOCATION_QUEUED;
  const record = recordOf(handle);
  return atomic.cmpxchg<u32>(record, queued, (handle & ~STATE_MASK) | state, INVOCATION_STATE) == queued;
}

/**
 * Queues an invocation: the request (an ArgBuf of the asker, or 0) and the fields (the same, the host's only) are the record's
 * from now on. The deadline is the asker's. `queuedUs` is the time now.
 * Returns its handle, or STALE_PD, a status of the request, SHARED, CALL_DEPTH_EXCEEDED, INVOCATIONS_EXHAUSTED.
 */
export function invocationNew(id: u32, request: u32, fields: u32, flags: u32, queuedUs: f64, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  let requestVte: u32 = 0;
  if (request != 0) {
    requestVte = ownVte(asker, request);
    if (failed(requestVte)) return requestVte;
    if (isShared(requestVte)) return SHARED;
  }
  let fieldsVte: u32 = 0;
  if (fields != 0) {
    fieldsVte = ownVte(asker, fields);
    if (failed(fieldsVte)) return fieldsVte;
  }
  const depth = load<u32>(asker, HOME_DEPTH);
  if (depth > load<u32>(CONTROL_CALL_DEPTH_MAX)) return CALL_DEPTH_EXCEEDED;
  if (load<u32>(asker, HOME_CHILD_COUNT) >= <u32>CHILDREN_MAX) return INVOCATIONS_EXHAUSTED;
  const executor = load<u32>(asker, HOME_EXECUTOR);
  const reserved: u32 = depth == 0 ? 0 : INVOCATIONS_RESERVED;
  if (load<u32>(executor, EXECUTOR_INVOCATIONS_FREE) == 0 && !refill(executor, reserved)) return INVOCATIONS_EXHAUSTED;
  const record = load<u32>(executor, EXECUTOR_INVOCATIONS_FREE);
  store<u32>(executor, load<u32>(record, INVOCATION_NEXT), EXECUTOR_INVOCATIONS_FREE);
  store<u32>(executor, load<u32>(executor, EXECUTOR_INVOCATIONS_COUNT) - 1, EXECUTOR_INVOCATIONS_COUNT);
  store<u32>(executor, load<u32>(executor, EXECUTOR_INVOCATIONS) + 1, EXECUTOR_INVOCATIONS);
  if (requestVte != 0) detach(requestVte, asker, record);
  if (fieldsVte != 0) detach(fieldsVte, asker, record);
  store<u32>(record, id, INVOCATION_FUNCTION);
  store<u32>(record, request, INVOCATION_REQUEST);
  store<u32>(record, 0, INVOCATION_RESPONSE);
  store<u32>(record, fields, INVOCATION_FIELDS);
  store<u32>(record, executor, INVOCATION_ASKER);
  store<u32>(record, 0, INVOCATION_EXECUTOR);
  store<u32>(record, 0, INVOCATION_HOME);
  store<u32>(record, load<u32>(asker, HOME_END_MS), INVOCATION_DEADLINE_MS);
  store<u32>(record, 0, INVOCATION_CANCELLED);
  store<u32>(record, depth, INVOCATION_DEPTH);
  store<f64>(record, queuedUs, INVOCATION_QUEUED_US);
  store<u32>(record, flags, INVOCATION_FLAGS);
  store<u32>(record, 0, INVOCATION_HTTP_STATUS);
  if (depth == 0) store<u32>(record, 0, INVOCATION_PARENT);
  else adoptChild(asker, record);
  // 1 to 65,535: with 0 a handle would look like a status.
  const generation = max<u32>(((load<u32>(record, INVOCATION_STATE) >>> 16) + 1) & 0xffff, 1);
  atomic.store<u32>(record, (generation << 16) | INVOCATION_QUEUED, INVOCATION_STATE);
  return (generation << 16) | ((record - INVOCATION_TABLE) / INVOCATION_SIZE);
}

/** Fills a thread's empty list of free records, but leaves so many. */
function refill(executor: u32, reserved: u32): bool {
  reserveStack();
  lock(executor);
  const left: u32 = INVOCATIONS_MAX - load<u32>(CONTROL_INVOCATIONS_USED) + load<u32>(CONTROL_INVOCATIONS_COUNT);
  const count: u32 = left > reserved ? min<u32>(left - reserved, BATCH) : 0;
  for (let i: u32 = 0; i < count; i++) {
    let record = load<u32>(CONTROL_INVOCATIONS_FREE);
    if (record != 0) {
      store<u32>(CONTROL_INVOCATIONS_FREE, load<u32>(record, INVOCATION_NEXT));
      store<u32>(CONTROL_INVOCATIONS_COUNT, load<u32>(CONTROL_INVOCATIONS_COUNT) - 1);
    } else {
      const used = load<u32>(CONTROL_INVOCATIONS_USED);
      store<u32>(CONTROL_INVOCATIONS_USED, used + 1);
      record = INVOCATION_TABLE + used * INVOCATION_SIZE;
    }
    pushFree(executor, record);
  }
  unlock();
  return load<u32>(executor, EXECUTOR_INVOCATIONS_FREE) != 0;
}

// @ts-ignore: decorator
@inline
function pushFree(executor: u32, record: u32): void {
  store<u32>(record, load<u32>(executor, EXECUTOR_INVOCATIONS_FREE), INVOCATION_NEXT);
  store<u32>(executor, record, EXECUTOR_INVOCATIONS_FREE);
  store<u32>(executor, load<u32>(executor, EXECUTOR_INVOCATIONS_COUNT) + 1, EXECUTOR_INVOCATIONS_COUNT);
}

// @ts-ignore: decorator
@inline
function detach(vte: u32, owner: u32, record: u32): void {
  unlink(vte, owner);
  store<u32>(vte, record, VTE_OWNER);
}

// @ts-ignore: decorator
@inline
function attach(vte: u32, owner: u32): void {
  link(vte, owner);
  store<u32>(vte, owner, VTE_OWNER);
}

// @ts-ignore: decorator
@inline
function adoptChild(parent: u32, record: u32): void {
  const first = load<u32>(parent, HOME_CHILDREN);
  store<u32>(record, parent, INVOCATION_PARENT);
  store<u32>(record, load<u32>(parent, HOME_PD), INVOCATION_PARENT_PD);
  store<u32>(record, first, INVOCATION_SIBLING_NEXT);
  store<u32>(record, 0, INVOCATION_SIBLING_PREVIOUS);
  if (first != 0) store<u32>(first, record, INVOCATION_SIBLING_PREVIOUS);
  store<u32>(parent, record, HOME_CHILDREN);
  store<u32>(parent, load<u32>(parent, HOME_CHILD_COUNT) + 1, HOME_CHILD_COUNT);
}

// @ts-ignore: decorator
@inline
function leaveParent(parent: u32, record: u32): void {
  const next = load<u32>(record, INVOCATION_SIBLING_NEXT);
  const previous = load<u32>(record, INVOCATION_SIBLING_PREVIOUS);
  if (next != 0) store<u32>(next, previous, INVOCATION_SIBLING_PREVIOUS);
  if (previous != 0) store<u32>(previous, next, INVOCATION_SIBLING_NEXT);
  else store<u32>(parent, next, HOME_CHILDREN);
  store<u32>(parent, load<u32>(parent, HOME_CHILD_COUNT) - 1, HOME_CHILD_COUNT);
}

/** Takes a queued invocation for an executor. Returns its record, or 0 when it is not queued any more. */
export function invocationTake(handle: u32, executor: u32): u32 {
  if (!take(handle, INVOCATION_RUNNING)) return 0;
  const record = recordOf(handle);
  atomic.store<u32>(record, executor, INVOCATION_EXECUTOR);
  return record;
}

/**
 * Takes one that the asker started and nobody has taken, for the asker to run it itself, inside. Returns its record, or STALE_PD,
 * NO_SUCH_INVOCATION; WRONG_STATE when somebody has, and for hosts.
 */
export function invocationTakeInside(handle: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const record = ownRecord(handle, asker);
  if (failed(record)) return record;
  if (load<u32>(asker, HOME_DEPTH) == 0 || !take(handle, INVOCATION_RUNNING)) return WRONG_STATE;
  atomic.store<u32>(record, load<u32>(asker, HOME_EXECUTOR), INVOCATION_EXECUTOR);
  store<u32>(record, load<u32>(record, INVOCATION_FLAGS) | INVOCATION_IS_INSIDE, INVOCATION_FLAGS);
  return record;
}

/** Whether this executor has taken it, and the PD with this base runs it; 0: it has not begun, HOME_LEFT: it is over. */
// @ts-ignore: decorator
@inline
function isTaken(record: u32, executor: u32, base: u32): bool {
  return (
    stateOf(record) == INVOCATION_RUNNING &&
    load<u32>(record, INVOCATION_EXECUTOR) == executor &&
    load<u32>(record, INVOCATION_HOME) == base
  );
}

/**
 * Begins one that was taken, for the host of its executor, or for its parent if that has taken it to run it inside: creates its
 * PD, gives that the request and enters it. Returns the base of its home, or a status of `createPd`; WRONG_STATE where the asker
 * is not the one, or it has begun; CALLEE_CANCELLED when it was cancelled meanwhile. Then it is as it was.
 */
export function invocationEnter(record: u32, descriptor: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  if (!isTaken(record, load<u32>(asker, HOME_EXECUTOR), 0)) return WRONG_STATE;
  const isHost = load<u32>(asker, HOME_DEPTH) == 0;
  const isInside = (load<u32>(record, INVOCATION_FLAGS) & INVOCATION_IS_INSIDE) != 0;
  if (isHost == isInside || (isInside && load<u32>(record, INVOCATION_PARENT) != asker)) return WRONG_STATE;
  // After the executor was set: who cancels does it in the other order.
  if (atomic.load<u32>(record, INVOCATION_CANCELLED) != 0) return CALLEE_CANCELLED;
  if (isHost) store<u32>(asker, load<u32>(record, INVOCATION_DEADLINE_MS), HOME_END_MS);
  const base = createPd(asker, descriptor);
  if (failed(base)) return base;
  // What the parent runs is part of the parent's invocation: who cancels that means both.
  if (isHost) store<u32>(base, record, HOME_INVOCATION);
  store<u32>(base, load<u32>(record, INVOCATION_DEPTH) + 1, HOME_DEPTH);
  const request = load<u32>(record, INVOCATION_REQUEST);
  let length: u32 = 0;
  if (request != 0) {
    const vte = vteOf(request);
    attach(vte, base);
    length = load<u32>(vte, VTE_END) - request;
  }
  store<u32>(base, length, HOME_REQUEST_LENGTH);
  store<u32>(record, base, INVOCATION_HOME);
  enterPd(base);
  store<u32>(load<u32>(base, HOME_EXECUTOR), load<u32>(base, HOME_INVOCATION), EXECUTOR_INVOCATION);
  return base;
}

/**
 * Ends one whose PD runs: the response (an ArgBuf of the PD, or 0) is the record's from now on, the PD is destroyed. Returns the
 * response; CALLEE_BAD_RESPONSE, CALLEE_RESPONSE_TOO_LARGE when nothing of it is left; WRONG_STATE, having done nothing, when it
 * does not run there, or the asker did not enter it. Where the stack overflows, the PD is destroyed with its caller at the
 * latest.
 */
export function invocationLeave(record: u32, response: u32, bytesMax: u32, base: u32, asker: u32): u32 {
  if (load<u32>(base, HOME_STATE) != PD_RUNNING || load<u32>(base, HOME_CALLER) != asker) return WRONG_STATE;
  if (!isTaken(record, load<u32>(base, HOME_EXECUTOR), base)) return WRONG_STATE;
  let result: u32 = response;
  if (response != 0) {
    const vte = ownVte(base, response);
    if (failed(vte) || isShared(vte)) result = CALLEE_BAD_RESPONSE;
    else if (load<u32>(vte, VTE_END) - response > bytesMax) result = CALLEE_RESPONSE_TOO_LARGE;
    else detach(vte, base, record);
  }
  store<u32>(record, result, INVOCATION_RESPONSE);
  closeHome(record, base, asker);
  return result;
}

/** Ends one that has failed, with a status; `base` is 0 when it never began. WRONG_STATE as `invocationLeave`. */
export function invocationAbort(record: u32, status: u32, base: u32, asker: u32): u32 {
  const executor = load<u32>(asker, HOME_EXECUTOR);
  if (!isTaken(record, executor, base)) return WRONG_STATE;
  if (base == 0) {
    store<u32>(record, status, INVOCATION_RESPONSE);
    store<u32>(record, HOME_LEFT, INVOCATION_HOME);
    const isFull = dropVma(record, load<u32>(record, INVOCATION_REQUEST), executor);
    store<u32>(record, 0, INVOCATION_REQUEST);
    if (isFull) spill(executor);
    return OK;
  }
  if (base == HOME_LEFT || load<u32>(base, HOME_CALLER) != asker) return WRONG_STATE;
  store<u32>(record, status, INVOCATION_RESPONSE);
  closeHome(record, base, asker);
  return OK;
}

// @ts-ignore: decorator
@inline
function closeHome(record: u32, base: u32, asker: u32): void {
  const executor = load<u32>(base, HOME_EXECUTOR);
  store<u32>(record, HOME_LEFT, INVOCATION_HOME);
  // Of a host 0.
  store<u32>(executor, load<u32>(asker, HOME_INVOCATION), EXECUTOR_INVOCATION);
  destroyPd(base);
}

/** Frees a VMA if it belongs to a record. Returns what `release` does. */
// @ts-ignore: decorator
@inline
function dropVma(record: u32, address: u32, executor: u32): bool {
  if (failed(address)) return false;
  // It can be gone by now, and its granule without a class: that of NOT_A_VMA has no owner.
  const vte = vteOf(address);
  return load<u32>(vte, VTE_OWNER) == record && release(vte, executor);
}

/**
 * Gives fields that the host made (of the response, or the details of a fault) to a record that was taken and has not ended yet;
 * 0 for none. WRONG_STATE, or a status of `fields`, having done nothing.
 */
export function invocationSetFields(record: u32, fields: u32, httpStatus: u32, host: u32): u32 {
  const executor = load<u32>(host, HOME_EXECUTOR);
  if (stateOf(record) != INVOCATION_RUNNING || load<u32>(record, INVOCATION_EXECUTOR) != executor) return WRONG_STATE;
  if (fields != 0) {
    const vte = ownVte(host, fields);
    if (failed(vte)) return vte;
    detach(vte, host, record);
  }
  const isFull = dropVma(record, load<u32>(record, INVOCATION_FIELDS), executor);
  store<u32>(record, fields, INVOCATION_FIELDS);
  store<u32>(record, httpStatus, INVOCATION_HTTP_STATUS);
  if (isFull) spill(executor);
  return OK;
}

/**
 * Sends one that was left or aborted back to who asked, also where that is the thread which ran it: a parent that waits for it
 * hears of it there. If it has a place in the ring, that is free before: who gets the answer finds the executor idle.
 * WRONG_STATE, having done nothing, when it was not.
 */
export function invocationEnd(record: u32): u32 {
  if (stateOf(record) != INVOCATION_RUNNING || load<u32>(record, INVOCATION_HOME) != HOME_LEFT) return WRONG_STATE;
  const executor = load<u32>(record, INVOCATION_EXECUTOR);
  const asker = load<u32>(record, INVOCATION_ASKER);
  const handle = handleOf(record);
  ringAdvance(executor, handle);
  setState(record, INVOCATION_ENDED);
  const isReturn = asker == load<u32>(executor, EXECUTOR_ORCHESTRATOR) && load<u32>(record, INVOCATION_PARENT) == 0;
  if (isReturn && returnsPush(executor, handle)) wake(asker);
  else inboxPush(asker, record);
  return OK;
}

/**
 * The same for one that was run inside its parent, which goes on with it at once. WRONG_STATE also where a stack overflow kept it
 * from being left: then it ends with its parent.
 */
export function invocationArrive(record: u32, executor: u32): u32 {
  const isInside = (load<u32>(record, INVOCATION_FLAGS) & INVOCATION_IS_INSIDE) != 0;
  if (!isTaken(record, executor, HOME_LEFT) || !isInside) return WRONG_STATE;
  setState(record, INVOCATION_ARRIVED);
  return OK;
}

/** The next invocation that arrived in a thread's inbox, its handle; 0 for none. Orphans are freed. */
export function invocationArrived(executor: u32): u32 {
  for (let i: u32 = 0; i < <u32>INVOCATIONS_MAX; i++) {
    const record = inboxPop(executor);
    if (record == 0) return 0;
    if (arrive(record, executor)) return handleOf(record);
  }
  return 0;
}

/** The same for what an executor has sent back to its orchestrator, which asks here. */
export function invocationReturned(executor: u32, orchestrator: u32): u32 {
  for (let i: u32 = 0; i < <u32>INVOCATIONS_MAX; i++) {
    const handle = returnsPop(executor);
    if (handle == 0) return 0;
    if (arrive(recordOf(handle), orchestrator)) return handle;
  }
  return 0;
}

/** False for an orphan, which is freed. */
// @ts-ignore: decorator
@inline
function arrive(record: u32, executor: u32): bool {
  setState(record, INVOCATION_ARRIVED);
  if ((load<u32>(record, INVOCATION_FLAGS) & INVOCATION_IS_ORPHAN) == 0) return true;
  freeRecord(record, executor);
  return false;
}

/** The record of an invocation that the asker asked for and has not collected, or NO_SUCH_INVOCATION. */
// @ts-ignore: decorator
@inline
function ownRecord(handle: u32, asker: u32): u32 {
  const record = recordOf(handle);
  const state = atomic.load<u32>(record, INVOCATION_STATE);
  if ((state & ~STATE_MASK) != (handle & ~STATE_MASK) || (state & STATE_MASK) == INVOCATION_FREE) return NO_SUCH_INVOCATION;
  if (load<u32>(record, INVOCATION_ASKER) != load<u32>(asker, HOME_EXECUTOR)) return NO_SUCH_INVOCATION;
  if (load<u32>(asker, HOME_DEPTH) == 0) return load<u32>(record, INVOCATION_PARENT) == 0 ? record : NO_SUCH_INVOCATION;
  const isParent = load<u32>(record, INVOCATION_PARENT_PD) == load<u32>(asker, HOME_PD);
  return isParent && load<u32>(record, INVOCATION_PARENT) == asker ? record : NO_SUCH_INVOCATION;
}

/** State of an invocation that the asker asked for, or NO_SUCH_INVOCATION, which is larger than any. */
export function invocationState(handle: u32, asker: u32): u32 {
  const record = ownRecord(handle, asker);
  return failed(record) ? record : stateOf(record);
}

/** The record of an invocation that the asker asked for, or NO_SUCH_INVOCATION. */
export function invocationRecord(handle: u32, asker: u32): u32 {
  return ownRecord(handle, asker);
}

/**
 * Takes what came of one that has arrived: its response is the asker's from now on, and so are its fields where the asker is
 * a host. Returns the response (an address, 0 or a status of the callee); NO_SUCH_INVOCATION, WRONG_STATE, STALE_PD, having done
 * nothing. Traps when the asker is over: then what it had started is over too, at the same deadline, and that is no news for it.
 */
export function invocationCollect(handle: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  checkDeadline(asker);
  const record = ownRecord(handle, asker);
  if (failed(record)) return record;
  if (stateOf(record) != INVOCATION_ARRIVED) return WRONG_STATE;
  const response = load<u32>(record, INVOCATION_RESPONSE);
  if (!failed(response)) {
    attach(vteOf(response), asker);
    store<u32>(record, 0, INVOCATION_RESPONSE);
  }
  const fields = load<u32>(record, INVOCATION_FIELDS);
  if (load<u32>(asker, HOME_DEPTH) == 0 && fields != 0) {
    attach(vteOf(fields), asker);
    store<u32>(record, 0, INVOCATION_FIELDS);
  }
  freeRecord(record, load<u32>(asker, HOME_EXECUTOR));
  return response;
}

/** Frees what belongs to a record. Returns what `release` does. */
// @ts-ignore: decorator
@inline
export function dropVmas(record: u32, executor: u32): bool {
  const isFullOfRequests = dropVma(record, load<u32>(record, INVOCATION_REQUEST), executor);
  const isFullOfResponses = dropVma(record, load<u32>(record, INVOCATION_RESPONSE), executor);
  const isFullOfFields = dropVma(record, load<u32>(record, INVOCATION_FIELDS), executor);
  store<u64>(record, 0, INVOCATION_REQUEST);
  store<u32>(record, 0, INVOCATION_FIELDS);
  return isFullOfRequests || isFullOfResponses || isFullOfFields;
}

/** Frees a record of this thread with what belongs to it. Nothing is left to do but what it calls at its end. */
// @ts-ignore: decorator
@inline
function freeRecord(record: u32, executor: u32): void {
  const parent = load<u32>(record, INVOCATION_PARENT);
  if (parent != 0) leaveParent(parent, record);
  const isFull = dropVmas(record, executor);
  setState(record, INVOCATION_FREE);
  store<u32>(executor, load<u32>(executor, EXECUTOR_INVOCATIONS) - 1, EXECUTOR_INVOCATIONS);
  pushFree(executor, record);
  if (load<u32>(executor, EXECUTOR_INVOCATIONS_COUNT) > FREE_MAX) spillRecords(executor);
  if (isFull) spill(executor);
}

/** Gives half of a thread's free records to the others. Calls nothing. */
function spillRecords(executor: u32): void {
  lock(executor);
  for (let i: u32 = 0; i < FREE_MAX / 2; i++) {
    const record = load<u32>(executor, EXECUTOR_INVOCATIONS_FREE);
    store<u32>(executor, load<u32>(record, INVOCATION_NEXT), EXECUTOR_INVOCATIONS_FREE);
    store<u32>(record, load<u32>(CONTROL_INVOCATIONS_FREE), INVOCATION_NEXT);
    store<u32>(CONTROL_INVOCATIONS_FREE, record);
  }
  store<u32>(CONTROL_INVOCATIONS_COUNT, load<u32>(CONTROL_INVOCATIONS_COUNT) + FREE_MAX / 2);
  store<u32>(executor, load<u32>(executor, EXECUTOR_INVOCATIONS_COUNT) - FREE_MAX / 2, EXECUTOR_INVOCATIONS_COUNT);
  unlock();
}

/**
 * Nobody wants it any more. One that is queued has arrived at once, with CALLEE_CANCELLED (or the status that is given);
 * one that runs traps at its next check, one that is suspended there is woken to do so, and it arrives as any other.
 * NO_SUCH_INVOCATION, STALE_PD, having done nothing; WRONG_STATE when it has arrived already.
 */
export function invocationCancel(handle: u32, status: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const record = ownRecord(handle, asker);
  if (failed(record)) return record;
  if (take(handle, INVOCATION_ARRIVED)) {
    const executor = load<u32>(asker, HOME_EXECUTOR);
    store<u32>(record, status, INVOCATION_RESPONSE);
    const isFull = dropVma(record, load<u32>(record, INVOCATION_REQUEST), executor);
    store<u32>(record, 0, INVOCATION_REQUEST);
    if (isFull) spill(executor);
    return OK;
  }
  if (stateOf(record) == INVOCATION_ARRIVED) return WRONG_STATE;
  interrupt(record);
  return OK;
}

/**
 * The same, and who asked forgets it: its record is freed when it arrives, or at once. NO_SUCH_INVOCATION, STALE_PD, having done
 * nothing.
 */
export function invocationForget(handle: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  const record = ownRecord(handle, asker);
  if (failed(record)) return record;
  abandon(record, load<u32>(asker, HOME_EXECUTOR));
  return OK;
}

// @ts-ignore: decorator
@inline
function interrupt(record: u32): void {
  atomic.store<u32>(record, 1, INVOCATION_CANCELLED);
  const executor = atomic.load<u32>(record, INVOCATION_EXECUTOR);
  if (executor == 0) return;
  atomic.store<u32>(executor, 1, EXECUTOR_CANCELS);
  wake(executor);
}

/**
 * Has the PD that runs on an executor look closer at its next check, if its invocation was cancelled. For another thread, at any
 * time. Under the lock, since the home could be given back meanwhile, and its memory be anybody's.
 */
export function invocationInterrupt(executor: u32): void {
  lock(0);
  const current = load<u32>(executor, EXECUTOR_CURRENT);
  const isCancelled = load<u32>(load<u32>(executor, EXECUTOR_INVOCATION), INVOCATION_CANCELLED) != 0;
  if (isCancelled && current != load<u32>(executor, EXECUTOR_HOST)) {
    store<u32>(current, load<u32>(CONTROL_NOW_MS), HOME_DEADLINE_MS);
  }
  unlock();
}

/**
 * For a PD that ends: what it started and has not collected is freed, or cancelled and freed when it arrives. Can be taken up
 * again where a stack overflow ended it.
 */
export function dropChildren(parent: u32): void {
  reserveStack();
  const executor = load<u32>(parent, HOME_EXECUTOR);
  for (let i: u32 = 0; i < <u32>INVOCATIONS_MAX; i++) {
    const record = load<u32>(parent, HOME_CHILDREN);
    if (record == 0) break;
    abandon(record, executor);
  }
}

/** Who asked is gone: one that is over is freed, one that is not becomes an orphan. */
export function abandon(record: u32, executor: u32): void {
  const flags = load<u32>(record, INVOCATION_FLAGS);
  // One that was run inside has nobody else to end it: see `invocationArrive`.
  const isInside = (flags & INVOCATION_IS_INSIDE) != 0 && stateOf(record) == INVOCATION_RUNNING;
  if (isInside || stateOf(record) == INVOCATION_ARRIVED || take(handleOf(record), INVOCATION_ARRIVED)) {
    freeRecord(record, executor);
    return;
  }
  const parent = load<u32>(record, INVOCATION_PARENT);
  if (parent != 0) leaveParent(parent, record);
  store<u32>(record, 0, INVOCATION_PARENT);
  store<u32>(record, flags | INVOCATION_IS_ORPHAN, INVOCATION_FLAGS);
  interrupt(record);
}

