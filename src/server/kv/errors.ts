/** Errors of the key-value store, for the statuses of PrivLib. */

import {
  KV_BACKLOG,
  KV_BAD_KEY,
  KV_CONFLICT,
  KV_DISK_FAILED,
  KV_FULL,
  KV_NO_SUCH_KEY,
  KV_NO_SUCH_SPACE,
  KV_NOT_A_COUNTER,
} from '../../../core/status.ts';
import { JordError } from '../../errors.ts';
import { statusError } from '../errors.ts';

export const KEY_BYTES_MAX = 1024;
export const VALUE_BYTES_MAX: number = 64 * 2 ** 20;

export function spaceUnknown(space: string): JordError {
  return new JordError('KV_SPACE_UNKNOWN', `There is no space "${space}". Create it first.`, { space });
}

/** For a space that cannot be dropped, since deployed functions name it. */
export function spaceInUse(space: string, functions: readonly string[]): JordError {
  const message = `The space "${space}" is used by ${functions.join(', ')}. Deploy without it, or remove, and drop it then.`;
  return new JordError('KV_SPACE_IN_USE', message, { space, functions });
}

/** For a key that is not there, where that is an error. */
export function keyUnknown(space: string): JordError {
  return new JordError('KV_KEY_UNKNOWN', `The space "${space}" has no such key.`, { space });
}

/** Throws KV_KEY_INVALID unless it can be a key. `least` is 0 for what is compared with keys and need not be one. */
export function checkKey(key: unknown, least: 0 | 1 = 1): void {
  if (!(key instanceof Uint8Array)) {
    throw new JordError('KV_KEY_INVALID', 'A key is a Uint8Array; encode text with `new TextEncoder()`.');
  }
  if (key.length >= least && key.length <= KEY_BYTES_MAX) return;
  const message = `A key has 1 to ${KEY_BYTES_MAX} bytes, not ${key.length}.`;
  throw new JordError('KV_KEY_INVALID', message, { sizeBytes: key.length });
}

export function valueTooLarge(sizeBytes: number): JordError {
  const message = `A value has 64 MiB at most, not ${sizeBytes} bytes.`;
  return new JordError('BODY_TOO_LARGE', message, { limitBytes: VALUE_BYTES_MAX });
}

/** The error for what PrivLib answered to an operation on a space. */
export function kvError(status: number, space: string): JordError {
  switch (status) {
    case KV_NO_SUCH_KEY:
      return keyUnknown(space);
    case KV_NO_SUCH_SPACE:
      return spaceUnknown(space);
    case KV_CONFLICT:
      return new JordError('KV_CONFLICT', 'The key has another version by now. Get it again, and put on top of that.', {
        space,
      });
    case KV_FULL: {
      const message = `There is no room in the space "${space}", or in all spaces together. Delete keys, or raise the limit.`;
      return new JordError('KV_FULL', message, { space });
    }
    case KV_BAD_KEY:
      return new JordError('KV_KEY_INVALID', `A key has 1 to ${KEY_BYTES_MAX} bytes.`, { space });
    case KV_NOT_A_COUNTER:
      return new JordError('KV_NOT_A_COUNTER', 'The value is no counter: it has other than 8 bytes.', { space });
    case KV_BACKLOG: {
      const message = `Too much of the space "${space}" is not on disk yet. Try again in a moment.`;
      return new JordError('KV_BACKLOG', message, { space });
    }
    case KV_DISK_FAILED: {
      const message = `The disk does not take what is put into the space "${space}"; the log of the server says why.`;
      return new JordError('KV_DISK_FAILED', message, { space });
    }
    default:
      return statusError(status, `a value of the space "${space}"`);
  }
}
