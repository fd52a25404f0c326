/** Errors of the table for what PrivLib and functions report. */
import {
  CALL_DEPTH_EXCEEDED,
  CALLEE_CANCELLED,
  CALLEE_DEADLINE,
  CALLEE_EXECUTOR_LOST,
  CLASS_EXHAUSTED,
  CONCURRENCY_EXCEEDED,
  HOME_MEMORY_EXHAUSTED,
  HOMES_EXHAUSTED,
  INVOCATIONS_EXHAUSTED,
  TABLE_EXHAUSTED,
  TOO_LARGE,
  UNKNOWN_FUNCTION,
} from '../../core/status.ts';
import { JordError } from '../errors.ts';
import type { FaultDetails } from './types.ts';

/** The error for the fault of a root invocation. */
export function faultError(details: FaultDetails): JordError {
  const { function: name, reason } = details;
  switch (details.fault) {
    case 'deadline':
      return new JordError('DEADLINE_EXCEEDED', `${name} did not end before its deadline.`, { ...details });
    case 'cancelled':
      return new JordError('INVOCATION_CANCELLED', `The invocation of ${name} was cancelled.`, { ...details });
    case 'response-too-large':
      return new JordError('RESPONSE_TOO_LARGE', `${name} failed: ${reason}.`, { ...details });
    default:
      return new JordError('FUNCTION_FAULT', `${name} failed: ${reason}.`, { ...details });
  }
}

/** The error for a status that PrivLib gave the server itself, or with which a queued invocation came back. */
export function statusError(status: number, subject: string): JordError {
  switch (status) {
    case UNKNOWN_FUNCTION:
      return new JordError('FUNCTION_UNKNOWN', `There is no function ${subject}.`);
    case CONCURRENCY_EXCEEDED: {
      const message = `As many invocations of ${subject} run as its deployment allows. Try again later.`;
      return new JordError('CONCURRENCY_EXCEEDED', message);
    }
    case HOMES_EXHAUSTED:
      return new JordError('HOMES_EXHAUSTED', `All homes of ${subject} are in use. Try again later.`);
    case INVOCATIONS_EXHAUSTED:
      return new JordError(
        'OVERLOADED',
        `Too many invocations are outstanding for one of ${subject}. Try again later.`,
      );
    case HOME_MEMORY_EXHAUSTED:
    case CLASS_EXHAUSTED:
    case TABLE_EXHAUSTED:
      return new JordError('ADDRESS_SPACE_EXHAUSTED', `The address space has no room left for ${subject}.`, { status });
    case TOO_LARGE:
      return new JordError('BODY_TOO_LARGE', `No ArgBuf holds ${subject}; the largest has 256 MiB.`);
    case CALLEE_DEADLINE:
      return new JordError('DEADLINE_EXCEEDED', `${subject} did not end before its deadline.`);
    case CALLEE_CANCELLED:
      return new JordError('INVOCATION_CANCELLED', `The invocation of ${subject} was cancelled.`);
    case CALLEE_EXECUTOR_LOST:
      return new JordError('EXECUTOR_LOST', `The executor of ${subject} was replaced while it ran there.`);
    case CALL_DEPTH_EXCEEDED:
      return new JordError('INTERNAL', `No call depth is left for ${subject}.`, { status });
    default:
      return new JordError('INTERNAL', `PrivLib refused ${subject} with status ${status}.`, { status });
  }
}
