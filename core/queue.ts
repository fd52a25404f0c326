/**
 * Queues between threads, of invocations. Each executor has four:
 *
 * - the dispatch ring: its orchestrator puts in, it takes out, in order and one at a time;
 * - the returns: the same the other way round, for what has ended;
 * - its offers: it puts in what its functions started, anybody takes out;
 * - its inbox: anybody puts in what has ended, it takes out. (An orchestrator has an inbox too, for where returns are full.)
 *
 * An entry of the ring or of returns that is not 0 is there: no index of the other side needs to be read, which would be one
 * more cache line on its way between the threads.
 *
 * An entry of a ring or of offers is a handle, which is stale when somebody took or cancelled the invocation meanwhile:
 * who takes an entry learns from `invocationTake` whether it means anything. All indices count up modulo 2^32.
 *
 * Who puts in wakes who waits. It puts in first and looks at the doorbell then, and who waits does it the other way round
 * (`executorPark`): all four are sequentially consistent, so one of the two sees the other.
 */
import {
  DOORBELL_AWAKE,
  DOORBELL_PARKED,
  EXECUTOR_ACTIVE,
  EXECUTOR_CANCELS,
  EXECUTOR_DOORBELL,
  EXECUTOR_INBOX_HEAD,
  EXECUTOR_INBOX_STUB,
  EXECUTOR_INBOX_TAIL,
  EXECUTOR_MESSAGES,
  EXECUTOR_OFFERS_HEAD,
  EXECUTOR_OFFERS_TAIL,
  EXECUTOR_ORCHESTRATOR,
  EXECUTOR_RETURNS_HEAD,
  EXECUTOR_RETURNS_TAIL,
  EXECUTOR_RING_HEAD,
  EXECUTOR_RING_TAIL,
  EXECUTOR_SIZE,
  EXECUTOR_SYNCED,
  EXECUTOR_TABLE,
  INVOCATION_NEXT,
  INVOCATION_QUEUED,
  INVOCATION_STATE,
  INVOCATION_TABLE,
  INVOCATION_SIZE,
  OFFERS_MAX,
  OFFERS_SIZE,
  OFFERS_TABLE,
  RETURNS_MAX,
  RETURNS_SIZE,
  RETURNS_TABLE,
  RING_MAX,
  RING_SIZE,
  RING_TABLE,
} from './layout';

/** How many stale offers a full queue of offers is freed of at once. */
const STALE_OFFERS_MAX: u32 = 64;
/** How often taking an offer is tried again when somebody else was quicker. */
const OFFER_TRIES_MAX: u32 = 64;

/** Wakes a thread that waits at its doorbell. */
// @ts-ignore: decorator
@inline
export function wake(executor: u32): void {
  if (atomic.load<u32>(executor, EXECUTOR_DOORBELL) != DOORBELL_PARKED) return;
  if (atomic.cmpxchg<u32>(executor, DOORBELL_PARKED, DOORBELL_AWAKE, EXECUTOR_DOORBELL) == DOORBELL_PARKED) {
    atomic.notify(executor + EXECUTOR_DOORBELL, 1);
  }
}

/** The same from outside. Returns 1 when the thread was parked. */
export function executorWake(executor: u32): u32 {
  const parked = atomic.load<u32>(executor, EXECUTOR_DOORBELL) == DOORBELL_PARKED;
  wake(executor);
  return parked ? 1 : 0;
}

/**
 * Says that this thread is about to wait at its doorbell. Returns 1 when it may; 0 when there is something to do, and then it
 * counts as awake.
 */
export function executorPark(executor: u32): u32 {
  store<u32>(executor, 0, EXECUTOR_ACTIVE);
  atomic.store<u32>(executor, DOORBELL_PARKED, EXECUTOR_DOORBELL);
  if (!hasWork(executor)) return 1;
  atomic.store<u32>(executor, DOORBELL_AWAKE, EXECUTOR_DOORBELL);
  return 0;
}

/** Whether anything waits for this thread: dispatched, ended, offered by itself, cancelled, on disk, or a message. */
export function executorHasWork(executor: u32): u32 {
  return hasWork(executor) ? 1 : 0;
}

// @ts-ignore: decorator
@inline
function hasWork(executor: u32): bool {
  return (
    ringPeek(executor) != 0 ||
    !isInboxEmpty(executor) ||
    atomic.load<u32>(executor, EXECUTOR_OFFERS_HEAD) != atomic.load<u32>(executor, EXECUTOR_OFFERS_TAIL) ||
    atomic.load<u32>(executor, EXECUTOR_CANCELS) != 0 ||
    atomic.load<u32>(executor, EXECUTOR_SYNCED) != 0 ||
    atomic.load<u32>(executor, EXECUTOR_MESSAGES) != 0
  );
}

/** Not as its control block says: that line is written to all the time. */
// @ts-ignore: decorator
@inline
function indexOf(executor: u32): u32 {
  return (executor - EXECUTOR_TABLE) / EXECUTOR_SIZE;
}

// @ts-ignore: decorator
@inline
function ringEntry(executor: u32, index: u32): u32 {
  return RING_TABLE + indexOf(executor) * RING_SIZE + ((index & (RING_MAX - 1)) << 2);
}

/** From now on this orchestrator puts into the ring of an executor, and is woken when there is room. */
export function ringBind(executor: u32, orchestrator: u32): void {
  store<u32>(executor, orchestrator, EXECUTOR_ORCHESTRATOR);
}

/**
 * Puts an invocation into the ring of an executor, which has one orchestrator only, if less than `bound` are there, the one
 * that runs included: the bound of JBSQ, RING_MAX at most. Returns 1 when it is there. Wakes the executor, unless more are to
 * come: then `executorWake` must follow.
 */
export function ringPush(executor: u32, handle: u32, bound: u32, moreToCome: bool): u32 {
  const tail = load<u32>(executor, EXECUTOR_RING_TAIL);
  if (tail - atomic.load<u32>(executor, EXECUTOR_RING_HEAD) >= min<u32>(bound, RING_MAX)) return 0;
  store<u32>(executor, tail + 1, EXECUTOR_RING_TAIL);
  atomic.store<u32>(ringEntry(executor, tail), handle);
  if (!moreToCome) wake(executor);
  return 1;
}

/** How many are in the ring, the one that runs included. */
export function ringLength(executor: u32): u32 {
  return atomic.load<u32>(executor, EXECUTOR_RING_TAIL) - atomic.load<u32>(executor, EXECUTOR_RING_HEAD);
}

/** The next entry of an executor's own ring, which stays there until `ringAdvance` or `invocationEnd`; 0 for none. */
// @ts-ignore: decorator
@inline
export function ringPeek(executor: u32): u32 {
  return atomic.load<u32>(ringEntry(executor, load<u32>(executor, EXECUTOR_RING_HEAD)));
}

/**
 * Gives up the next entry of an executor's own ring, if it is this one: it has run, or is suspended, or was stale. Wakes the
 * orchestrator, since there is room now.
 */
export function ringAdvance(executor: u32, handle: u32): void {
  const head = load<u32>(executor, EXECUTOR_RING_HEAD);
  const entry = ringEntry(executor, head);
  if (handle == 0 || load<u32>(entry) != handle) return;
  store<u32>(entry, 0);
  atomic.store<u32>(executor, head + 1, EXECUTOR_RING_HEAD);
  const orchestrator = load<u32>(executor, EXECUTOR_ORCHESTRATOR);
  if (orchestrator != 0) wake(orchestrator);
}

// @ts-ignore: decorator
@inline
function offerEntry(executor: u32, index: u32): u32 {
  return OFFERS_TABLE + indexOf(executor) * OFFERS_SIZE + ((index & (OFFERS_MAX - 1)) << 2);
}

/** Offers an invocation to all executors. Returns how many offers there are now; 0 when there is no room for this one. */
export function offerPush(executor: u32, handle: u32): u32 {
  const tail = load<u32>(executor, EXECUTOR_OFFERS_TAIL);
  let count = tail - atomic.load<u32>(executor, EXECUTOR_OFFERS_HEAD);
  if (count >= <u32>OFFERS_MAX) {
    dropStaleOffers(executor);
    count = tail - atomic.load<u32>(executor, EXECUTOR_OFFERS_HEAD);
    if (count >= <u32>OFFERS_MAX) return 0;
  }
  store<u32>(offerEntry(executor, tail), handle);
  atomic.store<u32>(executor, tail + 1, EXECUTOR_OFFERS_TAIL);
  return count + 1;
}

/** What was waited for was run by who waited, and its offer is left. */
function dropStaleOffers(executor: u32): void {
  for (let i: u32 = 0; i < STALE_OFFERS_MAX; i++) {
    const head = atomic.load<u32>(executor, EXECUTOR_OFFERS_HEAD);
    if (head == load<u32>(executor, EXECUTOR_OFFERS_TAIL)) return;
    const handle = load<u32>(offerEntry(executor, head));
    const state = atomic.load<u32>(INVOCATION_TABLE + (handle & 0xffff) * INVOCATION_SIZE, INVOCATION_STATE);
    if (state == ((handle & 0xffff0000) | INVOCATION_QUEUED)) return;
    atomic.cmpxchg<u32>(executor, head, head + 1, EXECUTOR_OFFERS_HEAD);
  }
}

/** Takes the oldest offer of an executor, one's own or another's; 0 for none. */
export function offerPop(executor: u32): u32 {
  for (let i: u32 = 0; i < OFFER_TRIES_MAX; i++) {
    const head = atomic.load<u32>(executor, EXECUTOR_OFFERS_HEAD);
    if (head == atomic.load<u32>(executor, EXECUTOR_OFFERS_TAIL)) return 0;
    // Not written over before the head has moved on, and then the exchange fails.
    const handle = load<u32>(offerEntry(executor, head));
    if (atomic.cmpxchg<u32>(executor, head, head + 1, EXECUTOR_OFFERS_HEAD) == head) return handle;
  }
  return 0;
}

// @ts-ignore: decorator
@inline
function returnsEntry(executor: u32, index: u32): u32 {
  return RETURNS_TABLE + indexOf(executor) * RETURNS_SIZE + ((index & (RETURNS_MAX - 1)) << 2);
}

/** Sends an invocation back to the orchestrator of its executor. False: there are so many that it has not taken yet. */
// @ts-ignore: decorator
@inline
export function returnsPush(executor: u32, handle: u32): bool {
  const tail = load<u32>(executor, EXECUTOR_RETURNS_TAIL);
  const entry = returnsEntry(executor, tail);
  if (atomic.load<u32>(entry) != 0) return false;
  store<u32>(executor, tail + 1, EXECUTOR_RETURNS_TAIL);
  atomic.store<u32>(entry, handle);
  return true;
}

/** Takes the next one, as the orchestrator; 0 for none. */
// @ts-ignore: decorator
@inline
export function returnsPop(executor: u32): u32 {
  const head = load<u32>(executor, EXECUTOR_RETURNS_HEAD);
  const entry = returnsEntry(executor, head);
  const handle = atomic.load<u32>(entry);
  if (handle == 0) return 0;
  store<u32>(executor, head + 1, EXECUTOR_RETURNS_HEAD);
  atomic.store<u32>(entry, 0);
  return handle;
}

/** Whether an executor has sent anything back that its orchestrator has not taken. */
export function hasReturned(executor: u32): u32 {
  return atomic.load<u32>(returnsEntry(executor, load<u32>(executor, EXECUTOR_RETURNS_HEAD)));
}

/*
 * The inbox is a linked queue with many who add and one who takes, after Vyukov's intrusive MPSC queue: who adds makes itself
 * the tail and links itself behind the one that was. In between, what is behind it cannot be seen yet; whoever adds goes on at
 * once, since no thread is ended there.
 */

/** Adds a record to the inbox of a thread, and wakes it. */
// @ts-ignore: decorator
@inline
export function inboxPush(executor: u32, record: u32): void {
  append(executor, record);
  wake(executor);
}

// @ts-ignore: decorator
@inline
function append(executor: u32, record: u32): void {
  atomic.store<u32>(record, 0, INVOCATION_NEXT);
  const before = atomic.xchg<u32>(executor, record, EXECUTOR_INBOX_TAIL);
  atomic.store<u32>(before, record, INVOCATION_NEXT);
}

// @ts-ignore: decorator
@inline
function isInboxEmpty(executor: u32): bool {
  const stub = executor + EXECUTOR_INBOX_STUB;
  return load<u32>(executor, EXECUTOR_INBOX_HEAD) == stub && atomic.load<u32>(executor, EXECUTOR_INBOX_TAIL) == stub;
}

/** Takes the first record out of this thread's inbox; 0 when there is none, or none yet. */
// @ts-ignore: decorator
@inline
export function inboxPop(executor: u32): u32 {
  const stub = executor + EXECUTOR_INBOX_STUB;
  let head = load<u32>(executor, EXECUTOR_INBOX_HEAD);
  let next = atomic.load<u32>(head, INVOCATION_NEXT);
  if (head == stub) {
    if (next == 0) return 0;
    store<u32>(executor, next, EXECUTOR_INBOX_HEAD);
    head = next;
    next = atomic.load<u32>(head, INVOCATION_NEXT);
  }
  if (next == 0) {
    // The last one, or somebody is just adding behind it.
    if (head != atomic.load<u32>(executor, EXECUTOR_INBOX_TAIL)) return 0;
    append(executor, stub);
    next = atomic.load<u32>(head, INVOCATION_NEXT);
    if (next == 0) return 0;
  }
  store<u32>(executor, next, EXECUTOR_INBOX_HEAD);
  return head;
}
