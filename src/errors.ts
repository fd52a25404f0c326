/**
 * Every error a user can meet, in one table: code, HTTP status, exit code of the command line, and what it means.
 *
 * The code is stable and for programs; the message is for people and may change. `docs/errors.md` lists the same rows
 * (a test compares them).
 */

/** Exit codes of the command line: 1 internal, 2 wrong usage, 3 refused input, 4 not there, 5 function failed, 6 busy or unreachable. */
export interface ErrorRow {
  readonly status: number;
  readonly exit: number;
  readonly title: string;
}

export const ERRORS = {
  // The request
  BAD_REQUEST: { status: 400, exit: 2, title: 'The request is not understood' },
  UNAUTHORIZED: { status: 401, exit: 2, title: 'This needs a token' },
  FORBIDDEN: { status: 403, exit: 2, title: 'This is not allowed from here' },
  NOT_FOUND: { status: 404, exit: 4, title: 'There is nothing at this address' },
  METHOD_NOT_ALLOWED: { status: 405, exit: 2, title: 'This address does not take this method' },
  REQUEST_TIMEOUT: { status: 408, exit: 6, title: 'The request took too long to arrive' },
  BODY_TOO_LARGE: { status: 413, exit: 3, title: 'The body is larger than the limit' },
  HEADERS_TOO_LARGE: { status: 431, exit: 3, title: 'The header fields are larger than the limit' },
  BAD_OPTION: { status: 400, exit: 2, title: 'An option has a value it cannot have' },

  // Functions
  FUNCTION_UNKNOWN: { status: 404, exit: 4, title: 'No function has this name' },
  FUNCTION_NAME_INVALID: { status: 400, exit: 2, title: 'A function cannot have this name' },

  // Deploying
  MODULE_MALFORMED: { status: 422, exit: 3, title: 'These bytes are not a valid WebAssembly module' },
  MODULE_UNSUPPORTED: { status: 422, exit: 3, title: 'The module uses something that is not supported' },
  MODULE_IMPORT_UNKNOWN: { status: 422, exit: 3, title: 'The module imports something that the ABI does not have' },
  MODULE_EXPORT_MISSING: { status: 422, exit: 3, title: 'The module does not export what the ABI asks for' },
  MODULE_TOO_LARGE: { status: 422, exit: 3, title: 'The module asks for more than the limits allow' },
  MODULE_UNPROVEN: { status: 500, exit: 1, title: 'The guarded module could not be proven to be safe' },
  MODULE_INIT_FAILED: { status: 422, exit: 3, title: 'The module failed while it was initialised' },
  SOURCE_REFUSED: { status: 422, exit: 3, title: 'The source does not compile' },

  // Invoking
  FUNCTION_FAULT: { status: 502, exit: 5, title: 'The function failed' },
  DEADLINE_EXCEEDED: { status: 504, exit: 5, title: 'The function did not end before its deadline' },
  HOMES_EXHAUSTED: { status: 503, exit: 6, title: 'All homes of the function are in use' },
  CONCURRENCY_EXCEEDED: { status: 503, exit: 6, title: 'As many invocations of the function run as may at once' },
  OVERLOADED: { status: 503, exit: 6, title: 'The server has more to do than it can' },
  RESPONSE_TOO_LARGE: { status: 502, exit: 5, title: 'The response of the function is larger than the limit' },
  INVOCATION_CANCELLED: { status: 503, exit: 6, title: 'The invocation was cancelled' },
  EXECUTOR_LOST: { status: 503, exit: 6, title: 'The executor was replaced while the function ran' },
  ADDRESS_SPACE_EXHAUSTED: { status: 503, exit: 6, title: 'The address space has no room left for this' },

  // The key-value store
  KV_SPACE_UNKNOWN: { status: 404, exit: 4, title: 'No space has this name' },
  KV_KEY_UNKNOWN: { status: 404, exit: 4, title: 'The space has no such key' },
  KV_NAME_INVALID: { status: 400, exit: 2, title: 'A space cannot have this name' },
  KV_KEY_INVALID: { status: 400, exit: 2, title: 'This cannot be a key' },
  KV_CONFLICT: { status: 409, exit: 3, title: 'The key has another version' },
  KV_SPACE_DIFFERS: { status: 409, exit: 3, title: 'The space is there and of another kind' },
  KV_SPACE_IN_USE: { status: 409, exit: 3, title: 'A deployed function uses the space' },
  KV_NOT_A_COUNTER: { status: 409, exit: 3, title: 'The value is no counter' },
  KV_FULL: { status: 507, exit: 6, title: 'The key-value store has no room left for this' },
  KV_BACKLOG: { status: 503, exit: 6, title: 'More was changed than the disk has taken' },
  KV_DISK_FAILED: { status: 507, exit: 6, title: 'The disk does not take what was changed' },
  KV_IMPORT_INVALID: { status: 422, exit: 3, title: 'A line of the import is not what it should be' },
  KV_NOT_DURABLE: { status: 400, exit: 2, title: 'A durable space needs a data folder' },

  // The server
  STORE_UNUSABLE: { status: 500, exit: 3, title: 'The function store cannot be read or written' },
  STORE_IN_USE: { status: 503, exit: 6, title: 'Another server uses the function store' },
  LISTEN_FAILED: { status: 500, exit: 6, title: 'The server cannot listen at this address' },
  SERVER_UNREACHABLE: { status: 502, exit: 6, title: 'No server answers at this address' },
  SERVER_STARTING: { status: 503, exit: 6, title: 'The server is not ready yet' },
  SERVER_STOPPED: { status: 503, exit: 6, title: 'The worker server is stopped' },
  INTERNAL: { status: 500, exit: 1, title: 'Something went wrong that should not' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Further members of the problem document; plain JSON. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** An error of the table. `message` says what happened and what to do; `details` is for programs. */
export class JordError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JordError';
    this.code = code;
    this.details = details;
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }
}
