/**
 * Host functions that may take time, for functions on a stack of their own: a module by itself, between the functions and the
 * executor. Each asks the executor first, as any host function. Only when it says WAITS is the stack set aside: an import that
 * can suspend does so whenever it is called, and that costs several times as much as a call that does not.
 *
 * It must be WebAssembly, since no frame of JavaScript may be on a stack that is set aside.
 */
import { WAITS } from './status';

// @ts-ignore: decorator
@external('executor', 'call')
declare function tryCall(id: u32, request: u32, asker: u32): u32;
// @ts-ignore: decorator
@external('executor', 'call_name')
declare function tryCallName(name: u32, nameLength: u32, request: u32, asker: u32): u32;
// @ts-ignore: decorator
@external('executor', 'wait')
declare function tryWait(invocation: u32, asker: u32): u32;
// @ts-ignore: decorator
@external('executor', 'wait_any')
declare function tryWaitAny(invocations: u32, count: u32, asker: u32): u32;
// @ts-ignore: decorator
@external('executor', 'wait_all')
declare function tryWaitAll(invocations: u32, count: u32, asker: u32): u32;
// @ts-ignore: decorator
@external('executor', 'sleep')
declare function trySleep(milliseconds: u32, asker: u32): u32;
// @ts-ignore: decorator
@external('executor', 'fetch')
declare function tryFetch(request: u32, asker: u32): u32;
// @ts-ignore: decorator
@external('executor', 'kv_sync')
declare function trySync(space: u32, asker: u32): u32;
/** Sets the stack aside, and returns what the asker waited for. */
// @ts-ignore: decorator
@external('executor', 'suspend')
declare function suspend(asker: u32): u32;

// @ts-ignore: decorator
@inline
function settle(result: u32, asker: u32): u32 {
  return result == WAITS ? suspend(asker) : result;
}

export function call(id: u32, request: u32, asker: u32): u32 {
  return settle(tryCall(id, request, asker), asker);
}

export function call_name(name: u32, nameLength: u32, request: u32, asker: u32): u32 {
  return settle(tryCallName(name, nameLength, request, asker), asker);
}

export function wait(invocation: u32, asker: u32): u32 {
  return settle(tryWait(invocation, asker), asker);
}

export function wait_any(invocations: u32, count: u32, asker: u32): u32 {
  return settle(tryWaitAny(invocations, count, asker), asker);
}

export function wait_all(invocations: u32, count: u32, asker: u32): u32 {
  return settle(tryWaitAll(invocations, count, asker), asker);
}

export function sleep(milliseconds: u32, asker: u32): u32 {
  return settle(trySleep(milliseconds, asker), asker);
}

export function fetch(request: u32, asker: u32): u32 {
  return settle(tryFetch(request, asker), asker);
}

export function kv_sync(space: u32, asker: u32): u32 {
  return settle(trySync(space, asker), asker);
}
