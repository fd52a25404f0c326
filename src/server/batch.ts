/** Many invocations with one promise. */
import { JordError } from '../errors.ts';
import type { Answer } from './types.ts';

type Submit = (request: Uint8Array, answer: Answer) => void;

/** An invocation for each request, no more than `most` outstanding at a time. For one run. */
export class Batch {
  readonly #requests: readonly Uint8Array[];
  readonly #most: number;
  readonly #submit: Submit;
  readonly #results: (Uint8Array | JordError)[];
  #next = 0;
  #outstanding = 0;
  #isFilling = false;
  #done: () => void = () => {};

  constructor(requests: readonly Uint8Array[], most: number, submit: Submit) {
    this.#requests = requests;
    this.#most = most;
    this.#submit = submit;
    this.#results = new Array<Uint8Array | JordError>(requests.length);
  }

  /** Responses in the order of the requests, errors in the place of those that failed. */
  async run(): Promise<(Uint8Array | JordError)[]> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#done = resolve;
    this.#fill();
    await promise;
    return this.#results;
  }

  #fill(): void {
    // What is refused at once is answered from within.
    if (this.#isFilling) return;
    this.#isFilling = true;
    while (this.#outstanding < this.#most && this.#next < this.#requests.length) {
      if (!this.#begin(this.#next)) break;
      this.#next++;
    }
    this.#isFilling = false;
    if (this.#outstanding === 0 && this.#next === this.#requests.length) this.#done();
  }

  /** False: there is no room now, but there will be when one of its own has ended. */
  #begin(index: number): boolean {
    this.#outstanding++;
    const answer: Answer = (error, result) => {
      this.#results[index] = result?.body ?? error ?? new JordError('INTERNAL', 'An invocation was not answered.');
      this.#outstanding--;
      this.#fill();
    };
    try {
      this.#submit(this.#requests[index] ?? new Uint8Array(0), answer);
    } catch (error) {
      const isFull = error instanceof JordError && error.code === 'OVERLOADED';
      if (isFull && this.#outstanding > 1) {
        this.#outstanding--;
        return false;
      }
      answer(asJordError(error), undefined);
    }
    return true;
  }
}

/** The result of something, or the error that it threw. */
export function orError<T>(operation: () => T): T | JordError {
  try {
    return operation();
  } catch (error) {
    return asJordError(error);
  }
}

function asJordError(error: unknown): JordError {
  if (error instanceof JordError) return error;
  return new JordError('INTERNAL', error instanceof Error ? error.message : String(error), {}, { cause: error });
}
