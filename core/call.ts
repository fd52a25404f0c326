/** Synchronous nested calls: what happens before and after the callee runs, each in one operation. */
import { HOME_CALLER, HOME_REQUEST_LENGTH, HOME_STATE, PD_FREE, PD_RUNNING, VTE_END } from './layout';
import { closePd, destroyPd, enterPd, letGo, makePd } from './protection-domain';
import { CALLEE_BAD_RESPONSE, OK, SHARED, STALE_PD, WRONG_STATE } from './status';
import { failed, isShared, mayAsk, moveVma, ownVte } from './vma-table';

/**
 * All that happens before a synchronous nested call: checks the request (an ArgBuf of the asker, or 0), creates the
 * callee's PD, moves the request into it and enters it. Returns the base of the callee's home, or a status.
 */
export function callEnter(descriptor: u32, request: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  let vte: u32 = 0;
  if (request != 0) {
    vte = ownVte(asker, request);
    if (failed(vte)) return vte;
    if (isShared(vte)) return SHARED;
  }
  const base = makePd(asker, descriptor);
  if (failed(base)) return base;
  let length: u32 = 0;
  if (vte != 0) {
    moveVma(vte, asker, base);
    length = load<u32>(vte, VTE_END) - request;
  }
  store<u32>(base, length, HOME_REQUEST_LENGTH);
  enterPd(base);
  return base;
}

/**
 * All that happens after it: exits the callee, moves its response (an ArgBuf of the callee, or 0) to the asker and
 * destroys the PD. Returns the response; CALLEE_BAD_RESPONSE when it is neither (then nothing of it is left); WRONG_STATE, having
 * done nothing, when the asker is not the caller.
 */
export function callLeave(response: u32, base: u32, asker: u32): u32 {
  if (load<u32>(base, HOME_STATE) != PD_RUNNING || load<u32>(base, HOME_CALLER) != asker) return WRONG_STATE;
  const isRetired = letGo(base, true);
  let result: u32 = response;
  if (response != 0) {
    const vte = ownVte(base, response);
    if (failed(vte) || isShared(vte)) result = CALLEE_BAD_RESPONSE;
    else moveVma(vte, base, asker);
  }
  closePd(base, true, isRetired);
  return result;
}

/** All that happens after a callee has faulted: what it owned goes, its home is restored. WRONG_STATE as `callLeave`. */
export function callAbort(base: u32, asker: u32): u32 {
  if (load<u32>(base, HOME_STATE) == PD_FREE || load<u32>(base, HOME_CALLER) != asker) return WRONG_STATE;
  destroyPd(base);
  return OK;
}
