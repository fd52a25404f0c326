/**
 * Status of PrivLib's operations and of the function ABI. Compiled by AssemblyScript and by TypeScript, like layout.ts.
 *
 * An operation that returns an address or an id returns one of these instead when it fails: addresses and ids are
 * 65,536 or more (as unsigned numbers), statuses are below. A failed operation has changed nothing.
 * docs/abi.md lists them for function authors; a test keeps the two the same.
 */
export const STATUS_MAX = 65535;
export const OK = 0;

// VMAs
/** No VMA was ever at this address. */
export const NOT_A_VMA = 1;
/** The address is inside a VMA, not at its start. */
export const NOT_THE_START = 2;
/** The VMA belongs to another PD. */
export const NOT_THE_OWNER = 3;
/** The VMA is not mapped (any more). */
export const NOT_MAPPED = 4;
/** Longer than the largest size class, or than this VMA's class. */
export const TOO_LARGE = 5;
/** No VMA of this size class is left. */
export const CLASS_EXHAUSTED = 6;
/** Not one of the permissions none, read, read and write; or more than the asker has. */
export const BAD_PERMISSION = 7;
/** Not while the VMA is shared. */
export const SHARED = 8;
/** The PD to share with holds too many shared VMAs, or holds this one already. */
export const GRANT_REFUSED = 9;
/** The VMA is not shared with this PD. */
export const NOT_GRANTED = 10;

// PDs
/** The PD does not exist (any more). */
export const STALE_PD = 16;
/** The PD is in a state that does not allow this. */
export const WRONG_STATE = 17;
/** The function's homes are all in use, and it may have no more. */
export const HOMES_EXHAUSTED = 18;
/** No memory left in the address space for another home. */
export const HOME_MEMORY_EXHAUSTED = 19;
/** No slot left in the PD table, the function table or the executor table. */
export const TABLE_EXHAUSTED = 20;
/** A parameter that no correct caller passes. */
export const BAD_PARAMETER = 21;

// Calls
export const UNKNOWN_FUNCTION = 32;
/** More nested calls than allowed. */
export const CALL_DEPTH_EXCEEDED = 33;
/** There is no HTTP request behind this invocation. */
export const NO_HTTP_REQUEST = 35;
/** No such field. */
export const NO_SUCH_FIELD = 36;
/** A field name or value that HTTP does not allow. */
export const BAD_FIELD = 37;
/** A pointer and length that the caller may not read or write. */
export const BAD_POINTER = 38;
/** As many invocations of this function run as may at once. */
export const CONCURRENCY_EXCEEDED = 39;
/** Too many invocations are outstanding: of the server, or started by this one. */
export const INVOCATIONS_EXHAUSTED = 40;
/** The invocation would own more bytes of ArgBufs than it may. */
export const ARGBUFS_EXHAUSTED = 41;
/** The invocation has logged as much as it may. */
export const LOG_EXHAUSTED = 42;
/** No invocation that the asker started has this handle (any more). */
export const NO_SUCH_INVOCATION = 43;
/** The function may not reach this address: it is not on its allow-list. */
export const NOT_ALLOWED = 44;
/** The host function failed in a way that is no fault of the function: nobody answered, the connection broke. */
export const IO_FAILED = 45;

// The key-value store
/** The space has no such key, or it has expired. */
export const KV_NO_SUCH_KEY = 48;
/** The key has another version than was expected. */
export const KV_CONFLICT = 49;
/** The space, or the store as a whole, has as many keys or bytes as it may. */
export const KV_FULL = 50;
/** A key of no bytes, or of more than KV_KEY_BYTES_MAX. */
export const KV_BAD_KEY = 51;
/** The value is not one of 8 bytes. */
export const KV_NOT_A_COUNTER = 52;
/** A durable space with too much that is not on disk yet. */
export const KV_BACKLOG = 53;
/** The disk refuses what is to be written: it is full, for example. */
export const KV_DISK_FAILED = 54;
/** The space was dropped. */
export const KV_NO_SUCH_SPACE = 55;

// Faults of a callee: it is gone, with all it owned, the request included.
/** An access outside its home and its VMAs. */
export const CALLEE_MEMORY_FAULT = 64;
/** A trap of WebAssembly: unreachable, division by zero, bad indirect call… */
export const CALLEE_TRAP = 65;
export const CALLEE_STACK_EXHAUSTED = 66;
/** It threw a WebAssembly exception that nobody caught. */
export const CALLEE_EXCEPTION = 67;
/** The server failed while running it; its log has more. */
export const CALLEE_INTERNAL_ERROR = 68;
/** It returned something that is neither 0 nor an ArgBuf of its own. */
export const CALLEE_BAD_RESPONSE = 69;
/** Its deadline passed, which was earlier than the caller's. */
export const CALLEE_DEADLINE = 70;
/** It was cancelled. */
export const CALLEE_CANCELLED = 71;
/** Its executor was replaced while it ran there. */
export const CALLEE_EXECUTOR_LOST = 72;
/** Its response is larger than the server allows. */
export const CALLEE_RESPONSE_TOO_LARGE = 73;

/** Not for functions: the host function has begun something, and the asker's stack is to be set aside until it has ended. */
export const WAITS = 65535;
