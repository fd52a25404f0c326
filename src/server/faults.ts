/** What a failing invocation becomes: a status for a caller that is a function, FaultDetails for everybody else. */
import {
  ACCESS_BULK,
  ACCESS_WRITE,
  FAULT_ACCESS,
  FAULT_ATOMIC_WAIT,
  FAULT_CANCELLED,
  FAULT_DEADLINE,
  FAULT_GROW_REFUSED,
  FAULT_SEGMENT,
  HOME_FAULT_ACCESS,
  HOME_FAULT_ADDRESS,
  HOME_FAULT_KIND,
} from '../../core/layout.ts';
import {
  CALLEE_BAD_RESPONSE,
  CALLEE_CANCELLED,
  CALLEE_DEADLINE,
  CALLEE_EXCEPTION,
  CALLEE_INTERNAL_ERROR,
  CALLEE_MEMORY_FAULT,
  CALLEE_STACK_EXHAUSTED,
  CALLEE_TRAP,
} from '../../core/status.ts';
import type { FaultDetails } from './types.ts';

/** A fault, and the status that a calling function gets for it. */
export interface Fault {
  readonly status: number;
  readonly details: FaultDetails;
}

/** An error that no function can cause: the server's own. `status` is for the caller. */
export const INTERNAL_ERROR_STATUS: number = CALLEE_INTERNAL_ERROR;

/** Names come from the module. Longer ones are cut. */
const NAME_LENGTH_MAX = 200;
const DEADLINE_REASON = 'its deadline has passed';
/** Functions that the guard adds, with the module's name before. */
const GUARD_FUNCTION = /(?:^|\.)jord:[a-z.-]+(?: \d+)?$/;
/** V8's words for a stack overflow. */
const OVERFLOW_MESSAGE = 'Maximum call stack size exceeded';

/**
 * Says what the error that ended an invocation was. `header` is the header of the PD's home, as words. The backtrace has
 * as many frames as `Error.stackTraceLimit` allows.
 * Returns undefined for an error of the server itself.
 */
export function classifyFault(
  name: string,
  error: unknown,
  header: Uint32Array,
  memoryLimit: number,
): Fault | undefined {
  const word = (offset: number): number => header[offset >>> 2] ?? 0;
  const backtrace = error instanceof Error ? wasmFrames(error.stack ?? '') : [];
  if (error instanceof WebAssembly.RuntimeError) {
    const refusal = describeRefusal(
      word(HOME_FAULT_KIND),
      word(HOME_FAULT_ADDRESS),
      word(HOME_FAULT_ACCESS),
      memoryLimit,
    );
    if (refusal !== undefined) {
      const status = REFUSAL_STATUS[refusal.fault] ?? CALLEE_TRAP;
      return { status, details: { function: name, ...refusal, backtrace } };
    }
    const isFull = word(HOME_FAULT_KIND) === FAULT_GROW_REFUSED;
    const reason = isFull
      ? `${error.message}, after its memory had reached the limit of ${memoryLimit} bytes`
      : error.message;
    return { status: CALLEE_TRAP, details: { function: name, fault: 'trap', reason, backtrace } };
  }
  if (error instanceof RangeError && error.message === OVERFLOW_MESSAGE) return stackExhausted(name, backtrace);
  if (error instanceof WebAssembly.Exception) {
    const reason = 'an exception that nothing caught';
    return { status: CALLEE_EXCEPTION, details: { function: name, fault: 'exception', reason, backtrace } };
  }
  return undefined;
}

/** The fault of a function that used up the stack. */
export function stackExhausted(name: string, backtrace: readonly string[]): Fault {
  const reason = 'the stack is exhausted: too deep or endless recursion';
  return { status: CALLEE_STACK_EXHAUSTED, details: { function: name, fault: 'stack-exhausted', reason, backtrace } };
}

/** The fault of a function that ended since a function that it called met both their deadlines, whose backtrace it is not. */
export function deadlinePassed(name: string): Fault {
  return {
    status: CALLEE_DEADLINE,
    details: { function: name, fault: 'deadline', reason: DEADLINE_REASON, backtrace: [] },
  };
}

/** The fault of a function that returned something other than 0 or an ArgBuf of its own. */
export function badResponse(name: string, response: number): Fault {
  const reason = `it returned ${hex(response)}, which is neither 0 nor the start of an ArgBuf that it owns`;
  return { status: CALLEE_BAD_RESPONSE, details: { function: name, fault: 'bad-response', reason, backtrace: [] } };
}

type Refusal = Omit<FaultDetails, 'function' | 'backtrace'>;

/** Refusals that are no traps for a caller. */
const REFUSAL_STATUS: Readonly<Partial<Record<FaultDetails['fault'], number>>> = {
  'memory-access': CALLEE_MEMORY_FAULT,
  deadline: CALLEE_DEADLINE,
  cancelled: CALLEE_CANCELLED,
};

/** What the guard (or PrivLib) recorded before its `unreachable`; undefined when the trap was not the guard's. */
function describeRefusal(kind: number, addressWord: number, access: number, memoryLimit: number): Refusal | undefined {
  if (kind === FAULT_ACCESS) {
    const write = (access & ACCESS_WRITE) !== 0;
    const sizeBytes = access & 0xff;
    const isBulk = (access & ACCESS_BULK) !== 0;
    // An access wholly below the limit is never refused. So this one wrapped: pointer and offset made 33 bits.
    const isWrapped = !isBulk && addressWord + sizeBytes <= memoryLimit;
    const address = isWrapped ? hex(addressWord).replace('0x', '0x1') : hex(addressWord);
    const what = isBulk ? 'a range' : `${sizeBytes} bytes`;
    const reason = `it may not ${write ? 'write' : 'read'} ${what} at ${address}`;
    const size = sizeBytes > 0 ? { sizeBytes } : {};
    return { fault: 'memory-access', reason, address, access: write ? 'write' : 'read', ...size };
  }
  if (kind === FAULT_ATOMIC_WAIT) {
    return { fault: 'atomic-wait', reason: 'memory.atomic.wait is not allowed: it would block the executor' };
  }
  if (kind === FAULT_DEADLINE) return { fault: 'deadline', reason: DEADLINE_REASON };
  if (kind === FAULT_CANCELLED) return { fault: 'cancelled', reason: 'it was cancelled' };
  if (kind === FAULT_SEGMENT) return { fault: 'trap', reason: 'memory.init of a data segment that was dropped' };
  return undefined;
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}

/**
 * Wasm frames of V8's stack text, innermost first, down to the first frame of the server's own. A line is
 * `at NAME (wasm://wasm/…:wasm-function[INDEX]:OFFSET)`, or without name and parentheses. Names can hold anything, so no
 * expression that backtracks may see them.
 */
function wasmFrames(stack: string): string[] {
  const frames: string[] = [];
  for (const line of stack.split('\n')) {
    const match = /wasm-function\[(\d+)\]:(0x[0-9a-f]+)\)?$/.exec(line.slice(-80));
    if (match === null) {
      if (frames.length > 0) break;
      continue;
    }
    const [, index, offset] = match;
    const name = frameName(line);
    // The guard's own functions in front of the one that made the access.
    if (frames.length === 0 && GUARD_FUNCTION.test(name)) continue;
    frames.push(`${name === '' ? `function ${index}` : name} at ${offset}`);
  }
  return frames;
}

function frameName(line: string): string {
  const start = line.indexOf('at ') + 3;
  const end = line.lastIndexOf(' (wasm://wasm/');
  const name = end < start ? '' : line.slice(start, end);
  const cut = name.length > NAME_LENGTH_MAX ? `${name.slice(0, NAME_LENGTH_MAX)}…` : name;
  return cut.replaceAll(/\p{Cc}/gu, '\ufffd');
}
