import { ArgBuf } from './argbuf';
import { Invocation } from './invocation';
import * as abi from './jord';
import { handOver, Result, resultOf, settleRequest } from './result';
import { isStatus, Status } from './status';
import { writeUtf8 } from './utf8';

/** A function found by its name, to call or start it without a further look-up. Made by `resolve`. */
export class FunctionReference {
  /** The id, or a status when the function is not there. */
  private id: usize;

  constructor(id: usize) {
    this.id = id;
  }

  /** The function is there. */
  get ok(): bool {
    return !isStatus(this.id);
  }

  /** Status.OK, or why there is no function. */
  get status(): i32 {
    return isStatus(this.id) ? <i32>this.id : Status.OK;
  }

  /** Calls the function; see `call`. Of a function that is not there, the result has the status. */
  call(request: ArgBuf | null = null): Result {
    if (isStatus(this.id)) return Result.empty(<i32>this.id);
    const returned = abi.call(this.id, handOver(request));
    settleRequest(request, returned);
    return resultOf(returned);
  }

  /** Starts the function; see `start`. Of a function that is not there, the invocation has the status. */
  start(request: ArgBuf | null = null): Invocation {
    if (isStatus(this.id)) return new Invocation(this.id);
    const returned = abi.start(this.id, handOver(request));
    settleRequest(request, returned);
    return new Invocation(returned);
  }
}

/** Finds a function by name. Costs about as much as the look-up that `call` by name makes each time. */
export function resolve(name: string): FunctionReference {
  const text = heap.alloc(<usize>name.length * 3 + 1);
  const id = abi.resolve(text, <i32>(writeUtf8(name, text) - text));
  heap.free(text);
  return new FunctionReference(id);
}

/**
 * Calls another function, by name or FunctionReference, and waits for its end. The callee gets the ArgBuf itself:
 * nothing is copied, and this function cannot use it any more, unless the call failed before the callee began
 * (`request.isHere`). Null or an empty ArgBuf is an empty request.
 */
export function call<T>(callee: T, request: ArgBuf | null = null): Result {
  if (isString<T>()) {
    const name = changetype<string>(callee);
    const text = heap.alloc(<usize>name.length * 3 + 1);
    const returned = abi.call_name(text, <i32>(writeUtf8(name, text) - text), handOver(request));
    heap.free(text);
    settleRequest(request, returned);
    return resultOf(returned);
  }
  return referenceOf(callee).call(request);
}

/**
 * Starts another function, by name or FunctionReference, and goes on; the invocation that it returns is what to wait for.
 * The request moves as with `call`: once the function is started, this one cannot use it any more. What nobody has waited
 * for when `handle` returns is cancelled.
 */
export function start<T>(callee: T, request: ArgBuf | null = null): Invocation {
  if (isString<T>()) return resolve(changetype<string>(callee)).start(request);
  return referenceOf(callee).start(request);
}

function referenceOf<T>(callee: T): FunctionReference {
  if (isReference<T>()) {
    if (callee instanceof FunctionReference) return callee;
  }
  ERROR('the name of a function or a FunctionReference is expected');
  return changetype<FunctionReference>(callee);
}
