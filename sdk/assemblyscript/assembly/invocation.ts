import { refused } from './failure';
import * as abi from './jord';
import { Result, resultOf } from './result';
import { isStatus, Status } from './status';

/** A function that was started. Made by `start`; a failure to start is a value, too: look at `ok`, or at the result. */
export class Invocation {
  /** Status.OK, or why it was not started. */
  readonly status: i32;
  /** The server's number for it, as the ABI takes it; a status when it was not started. */
  readonly id: usize;
  /** Once it was waited for or cancelled. */
  private result: Result | null = null;

  /** What `start` of the ABI returned. */
  constructor(id: usize) {
    this.status = isStatus(id) ? <i32>id : Status.OK;
    this.id = id;
  }

  /** It was started. */
  get ok(): bool {
    return this.status == Status.OK;
  }

  /** It was waited for or cancelled. */
  get isSettled(): bool {
    return this.result != null;
  }

  /** It was started, and neither waited for nor cancelled: the server knows of it. */
  get isPending(): bool {
    return this.ok && !this.isSettled;
  }

  /**
   * Waits for its end; the server does other work meanwhile. Waiting again gives the same result. Of one that was not
   * started, the result has the status; of one that was cancelled, CALLEE_CANCELLED.
   */
  wait(): Result {
    const known = this.result;
    if (known != null) return known;
    const result = this.ok ? resultOf(abi.wait(this.id)) : Result.empty(this.status);
    this.result = result;
    return result;
  }

  /** Ends it and forgets what it answered. NO_SUCH_INVOCATION when it was not started, waited for or cancelled already. */
  cancel(): i32 {
    if (!this.isPending) return Status.NO_SUCH_INVOCATION;
    const status = abi.cancel(this.id);
    if (status == Status.OK) this.result = Result.empty(Status.CALLEE_CANCELLED);
    return status;
  }
}

/**
 * Waits until one of them has ended, and returns its index, for `wait` to take the result at once. Those that were waited
 * for or cancelled already are passed over, and -1 says that no others are left, so that this sees each result once:
 *
 *     for (let i = waitAny(all); i >= 0; i = waitAny(all)) use(all[i].wait());
 *
 * One that was not started counts as ended. It is the first that is returned.
 */
export function waitAny(invocations: Invocation[]): i32 {
  for (let i = 0; i < invocations.length; i++) {
    if (!invocations[i].ok && !invocations[i].isSettled) return i;
  }
  const list = heap.alloc(<usize>invocations.length * sizeof<usize>() + 1);
  const count = listPending(invocations, list);
  const ended = count == 0 ? 0 : abi.wait_any(list, count);
  heap.free(list);
  if (count == 0) return -1;
  if (isStatus(ended)) refused('cannot wait for these invocations', <i32>ended);
  let index = 0;
  while (invocations[index].id != ended || !invocations[index].isPending) index++;
  return index;
}

/** Waits until all of them have ended; returns the result of each, in their order. */
export function waitAll(invocations: Invocation[]): Result[] {
  const list = heap.alloc(<usize>invocations.length * sizeof<usize>() + 1);
  const count = listPending(invocations, list);
  const status = count == 0 ? Status.OK : abi.wait_all(list, count);
  heap.free(list);
  if (status != Status.OK) refused('cannot wait for these invocations', status);
  const results = new Array<Result>(invocations.length);
  for (let i = 0; i < invocations.length; i++) results[i] = invocations[i].wait();
  return results;
}

/** Writes the server's numbers of those that it knows of, and returns how many there are. */
function listPending(invocations: Invocation[], list: usize): i32 {
  let to = list;
  for (let i = 0; i < invocations.length; i++) {
    if (!invocations[i].isPending) continue;
    store<usize>(to, invocations[i].id);
    to += sizeof<usize>();
  }
  return <i32>((to - list) / sizeof<usize>());
}
