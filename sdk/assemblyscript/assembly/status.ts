/** The statuses of the ABI. docs/abi.md says what each means; a test keeps this list and the server's the same. */
export enum Status {
  OK = 0,

  // ArgBufs
  NOT_A_VMA = 1,
  NOT_THE_START = 2,
  NOT_THE_OWNER = 3,
  NOT_MAPPED = 4,
  TOO_LARGE = 5,
  CLASS_EXHAUSTED = 6,
  BAD_PERMISSION = 7,
  SHARED = 8,
  GRANT_REFUSED = 9,
  NOT_GRANTED = 10,

  // Protection domains
  STALE_PD = 16,
  WRONG_STATE = 17,
  HOMES_EXHAUSTED = 18,
  HOME_MEMORY_EXHAUSTED = 19,
  TABLE_EXHAUSTED = 20,
  BAD_PARAMETER = 21,

  // Calls
  UNKNOWN_FUNCTION = 32,
  CALL_DEPTH_EXCEEDED = 33,
  NO_HTTP_REQUEST = 35,
  NO_SUCH_FIELD = 36,
  BAD_FIELD = 37,
  BAD_POINTER = 38,
  CONCURRENCY_EXCEEDED = 39,
  INVOCATIONS_EXHAUSTED = 40,
  ARGBUFS_EXHAUSTED = 41,
  LOG_EXHAUSTED = 42,
  NO_SUCH_INVOCATION = 43,
  NOT_ALLOWED = 44,
  IO_FAILED = 45,

  // The key-value store
  KV_NO_SUCH_KEY = 48,
  KV_CONFLICT = 49,
  KV_FULL = 50,
  KV_BAD_KEY = 51,
  KV_NOT_A_COUNTER = 52,
  KV_BACKLOG = 53,
  KV_DISK_FAILED = 54,
  KV_NO_SUCH_SPACE = 55,

  // Faults of a callee
  CALLEE_MEMORY_FAULT = 64,
  CALLEE_TRAP = 65,
  CALLEE_STACK_EXHAUSTED = 66,
  CALLEE_EXCEPTION = 67,
  CALLEE_INTERNAL_ERROR = 68,
  CALLEE_BAD_RESPONSE = 69,
  CALLEE_DEADLINE = 70,
  CALLEE_CANCELLED = 71,
  CALLEE_EXECUTOR_LOST = 72,
  CALLEE_RESPONSE_TOO_LARGE = 73,
}

/** What the host returned is a status rather than an address or an id. */
export function isStatus(value: usize): bool {
  return value < 65536;
}

/** The name of a status, for people and logs: "UNKNOWN_FUNCTION". Of a number that is no status: "STATUS <number>". */
export function statusName(status: i32): string {
  switch (status) {
    case Status.OK:
      return 'OK';
    case Status.NOT_A_VMA:
      return 'NOT_A_VMA';
    case Status.NOT_THE_START:
      return 'NOT_THE_START';
    case Status.NOT_THE_OWNER:
      return 'NOT_THE_OWNER';
    case Status.NOT_MAPPED:
      return 'NOT_MAPPED';
    case Status.TOO_LARGE:
      return 'TOO_LARGE';
    case Status.CLASS_EXHAUSTED:
      return 'CLASS_EXHAUSTED';
    case Status.BAD_PERMISSION:
      return 'BAD_PERMISSION';
    case Status.SHARED:
      return 'SHARED';
    case Status.GRANT_REFUSED:
      return 'GRANT_REFUSED';
    case Status.NOT_GRANTED:
      return 'NOT_GRANTED';
    case Status.STALE_PD:
      return 'STALE_PD';
    case Status.WRONG_STATE:
      return 'WRONG_STATE';
    case Status.HOMES_EXHAUSTED:
      return 'HOMES_EXHAUSTED';
    case Status.HOME_MEMORY_EXHAUSTED:
      return 'HOME_MEMORY_EXHAUSTED';
    case Status.TABLE_EXHAUSTED:
      return 'TABLE_EXHAUSTED';
    case Status.BAD_PARAMETER:
      return 'BAD_PARAMETER';
    default:
      return callStatusName(status);
  }
}

function callStatusName(status: i32): string {
  switch (status) {
    case Status.UNKNOWN_FUNCTION:
      return 'UNKNOWN_FUNCTION';
    case Status.CALL_DEPTH_EXCEEDED:
      return 'CALL_DEPTH_EXCEEDED';
    case Status.NO_HTTP_REQUEST:
      return 'NO_HTTP_REQUEST';
    case Status.NO_SUCH_FIELD:
      return 'NO_SUCH_FIELD';
    case Status.BAD_FIELD:
      return 'BAD_FIELD';
    case Status.BAD_POINTER:
      return 'BAD_POINTER';
    case Status.CONCURRENCY_EXCEEDED:
      return 'CONCURRENCY_EXCEEDED';
    case Status.INVOCATIONS_EXHAUSTED:
      return 'INVOCATIONS_EXHAUSTED';
    case Status.ARGBUFS_EXHAUSTED:
      return 'ARGBUFS_EXHAUSTED';
    case Status.LOG_EXHAUSTED:
      return 'LOG_EXHAUSTED';
    case Status.NO_SUCH_INVOCATION:
      return 'NO_SUCH_INVOCATION';
    case Status.NOT_ALLOWED:
      return 'NOT_ALLOWED';
    case Status.IO_FAILED:
      return 'IO_FAILED';
    default:
      return kvStatusName(status);
  }
}

function kvStatusName(status: i32): string {
  switch (status) {
    case Status.KV_NO_SUCH_KEY:
      return 'KV_NO_SUCH_KEY';
    case Status.KV_CONFLICT:
      return 'KV_CONFLICT';
    case Status.KV_FULL:
      return 'KV_FULL';
    case Status.KV_BAD_KEY:
      return 'KV_BAD_KEY';
    case Status.KV_NOT_A_COUNTER:
      return 'KV_NOT_A_COUNTER';
    case Status.KV_BACKLOG:
      return 'KV_BACKLOG';
    case Status.KV_DISK_FAILED:
      return 'KV_DISK_FAILED';
    case Status.KV_NO_SUCH_SPACE:
      return 'KV_NO_SUCH_SPACE';
    default:
      return calleeStatusName(status);
  }
}

function calleeStatusName(status: i32): string {
  switch (status) {
    case Status.CALLEE_MEMORY_FAULT:
      return 'CALLEE_MEMORY_FAULT';
    case Status.CALLEE_TRAP:
      return 'CALLEE_TRAP';
    case Status.CALLEE_STACK_EXHAUSTED:
      return 'CALLEE_STACK_EXHAUSTED';
    case Status.CALLEE_EXCEPTION:
      return 'CALLEE_EXCEPTION';
    case Status.CALLEE_INTERNAL_ERROR:
      return 'CALLEE_INTERNAL_ERROR';
    case Status.CALLEE_BAD_RESPONSE:
      return 'CALLEE_BAD_RESPONSE';
    case Status.CALLEE_DEADLINE:
      return 'CALLEE_DEADLINE';
    case Status.CALLEE_CANCELLED:
      return 'CALLEE_CANCELLED';
    case Status.CALLEE_EXECUTOR_LOST:
      return 'CALLEE_EXECUTOR_LOST';
    case Status.CALLEE_RESPONSE_TOO_LARGE:
      return 'CALLEE_RESPONSE_TOO_LARGE';
    default:
      return `STATUS ${status}`;
  }
}
