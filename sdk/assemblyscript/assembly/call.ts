import { ArgBuf } from './argbuf';
import * as abi from './jord';
import { isStatus, Status, statusName } from './status';
import { writeUtf8 } from './utf8';

/** What a call came to. An error is a value: look at `ok` before the response. */
export class Result {
  /** Status.OK, or why there is no response. From 64 on, the callee ran and failed. */
  readonly status: i32;
  /** What the callee answered; empty when it answered nothing or the call failed. It belongs to this function now. */
  readonly response: ArgBuf;

  constructor(status: i32, response: ArgBuf) {
    this.status = status;
    this.response = response;
  }

  /** The callee ran to its end and answered. */
  get ok(): bool {
    return this.status == Status.OK;
  }

  /** The name of the status, such as "UNKNOWN_FUNCTION". */
  get statusName(): string {
    return statusName(this.status);
  }
}

/** A function found by its name, to call it without a further look-up. Made by `resolve`. */
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
    if (isStatus(this.id)) return new Result(<i32>this.id, new ArgBuf(0));
    return finish(abi.call(this.id, handOver(request)), request);
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
    return finish(returned, request);
  }
  return changetype<FunctionReference>(callee).call(request);
}

function handOver(request: ArgBuf | null): usize {
  return request == null ? 0 : request.handOver;
}

/** Makes a result of what `call` of the ABI returned: an address, 0, or a status. */
function finish(returned: usize, request: ArgBuf | null): Result {
  const failed = isStatus(returned) && returned != 0;
  // After a failure the callee may have had the request or not: only the server knows.
  if (request != null && !(failed && !request.isEmpty && abi.argbuf_length(request.pointer) >= 0)) request.gone();
  if (failed) return new Result(<i32>returned, new ArgBuf(0));
  if (returned == 0) return new Result(Status.OK, new ArgBuf(0));
  return new Result(Status.OK, ArgBuf.over(returned, abi.argbuf_length(returned)));
}
