import { ArgBuf } from './argbuf';
import * as abi from './jord';
import { isStatus, Status, statusName } from './status';

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

  /** Without a response: of a callee that answered nothing, or that failed. */
  static empty(status: i32): Result {
    return new Result(status, new ArgBuf(0));
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

/** Makes a result of what `call` or `wait` of the ABI returned: an address, 0, or a status. */
export function resultOf(returned: usize): Result {
  if (isStatus(returned)) return Result.empty(<i32>returned);
  return new Result(Status.OK, ArgBuf.over(returned, abi.argbuf_length(returned)));
}

/** A request as `call` and `start` of the ABI take it. */
export function handOver(request: ArgBuf | null): usize {
  return request == null ? 0 : request.handOver;
}

/** Notes whether the request is still here, after `call` or `start` of the ABI had it and returned this. */
export function settleRequest(request: ArgBuf | null, returned: usize): void {
  if (request == null) return;
  // After a failure the callee may have had the request or not: only the server knows.
  const failed = isStatus(returned) && returned != 0;
  if (failed && !request.isEmpty && abi.argbuf_length(request.pointer) >= 0) return;
  request.gone();
}
