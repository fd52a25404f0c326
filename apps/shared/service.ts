/** Another function of the application, found when this one is deployed. */
import { ArgBuf, FunctionReference, resolve, Result, Status } from 'jord';

export class Service {
  private reference: FunctionReference;

  /** For the top level of a file. */
  constructor(private name: string) {
    this.reference = resolve(name);
  }

  /** Calls it. The result may be a failure. */
  call(request: ArgBuf): Result {
    const result = this.reference.call(request);
    return result.status == Status.UNKNOWN_FUNCTION ? this.again(request) : result;
  }

  /** Calls it, and stops this function when that fails: the log of the other says why. */
  ask(request: ArgBuf): ArgBuf {
    const result = this.call(request);
    if (!result.ok) throw new Error(this.name + ': ' + result.statusName);
    return result.response;
  }

  /** It was deployed after this function, or was away for a while. */
  private again(request: ArgBuf): Result {
    this.reference = resolve(this.name);
    return this.reference.call(request);
  }
}
