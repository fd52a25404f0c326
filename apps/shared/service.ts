/** Calls between services. */
import { ArgBuf, FunctionReference, Invocation, Response, Result, resolve, Status } from 'jord';
import { Code } from './codes';

/**
 * What the first word of every answer between services says: 0, what was asked for follows; up to CODE_MAX, the code of a
 * refusal and nothing else; above it, the answer is JSON, which begins with this word.
 */
const CODE_MAX: u32 = 255;

/** Another function, for the top level of a file: it is found when this one is deployed, or at a call if it came later. */
export class Service {
  private reference: FunctionReference;

  constructor(private name: string) {
    this.reference = resolve(name);
  }

  call(request: ArgBuf): Result {
    const result = this.reference.call(request);
    if (result.status != Status.UNKNOWN_FUNCTION) return result;
    // It was deployed later, or was away for a while.
    this.reference = resolve(this.name);
    return this.reference.call(request);
  }

  /** Calls it, and stops this function when that fails: the log of the other says why. */
  ask(request: ArgBuf): ArgBuf {
    const result = this.call(request);
    if (!result.ok) throw new Error(this.name + ': ' + result.statusName);
    return result.response;
  }

  start(request: ArgBuf): Invocation {
    if (!this.reference.ok) this.reference = resolve(this.name);
    return this.reference.start(request);
  }
}

/** The code of the refusal that a service answered with; 0 when it did what it was asked for. */
export function codeOf(result: Result): i32 {
  if (!result.ok || result.response.length < 4) return Code.SERVICE_FAILED;
  const first = load<u32>(result.response.pointer);
  return first <= CODE_MAX ? <i32>first : 0;
}

/** An answer that refuses. */
export function refuse(code: i32): Response {
  const refusal = new ArgBuf(4);
  refusal.store<i32>(0, code);
  return new Response(refusal);
}

/** An answer whose first word says that all is well; the others are its user's. */
export function newAnswer(length: i32): ArgBuf {
  const answer = new ArgBuf(length);
  answer.store<u32>(0, 0);
  return answer;
}

/** An answer that says nothing else. */
export function done(): Response {
  return new Response(newAnswer(4));
}
