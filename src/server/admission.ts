/** What a dispatcher refuses, so that what it accepts is not answered too late. */
import { JordError } from '../errors.ts';

export interface AdmissionOptions {
  /** Invocations that are accepted and not answered, at most. */
  readonly outstandingMax: number;
  /** New ones are refused while the oldest that waits has waited longer; 0: never. */
  readonly queueDelayMs: number;
}

/** What waits for an executor. */
export interface Waiting {
  /** Without those that are patient. */
  readonly count: number;
  /** How long the oldest has been waiting, patient ones too: the next one would wait behind them as well. */
  readonly oldestMs: number;
  /** For how long there has always been something. */
  readonly standingMs: number;
}

/**
 * Where more than so many have been waiting for each executor, and for longer than queueDelayMs, more come than can be done, and
 * new ones are refused until the oldest has waited for no more than STANDING_MS: a long queue would help nobody. This is how
 * controlled delay treats queues of requests (https://queue.acm.org/detail.cfm?id=2839461), with a number added so that a few
 * clients that wait for their responses are never refused for it.
 */
export const STANDING_MAX = 64;
export const STANDING_MS = 5;

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #standingMax: number;
  #refused = 0;

  constructor(options: AdmissionOptions, executors: number) {
    this.#options = options;
    this.#standingMax = STANDING_MAX * executors;
  }

  get refused(): number {
    return this.#refused;
  }

  /** An OVERLOADED, which counts as refused; undefined where one more may be accepted. A patient one may wait for any time. */
  refusal(outstanding: number, waiting: Waiting, isPatient: boolean): JordError | undefined {
    const { outstandingMax, queueDelayMs } = this.#options;
    if (outstanding >= outstandingMax) {
      return this.#refuse(`As many invocations are outstanding as may be (outstandingMax, ${outstandingMax}).`);
    }
    if (queueDelayMs === 0 || isPatient) return undefined;
    const isStanding = waiting.count > this.#standingMax && waiting.standingMs > queueDelayMs;
    if (waiting.oldestMs <= (isStanding ? Math.min(STANDING_MS, queueDelayMs) : queueDelayMs)) return undefined;
    return this.#refuse(`Invocations wait for ${Math.round(waiting.oldestMs)} ms already. Try again later.`);
  }

  /** Without a stack, which would take longer than all else and says nothing. */
  #refuse(message: string): JordError {
    this.#refused++;
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    const error = new JordError('OVERLOADED', message);
    Error.stackTraceLimit = stackTraceLimit;
    return error;
  }
}
