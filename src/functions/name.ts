import { JordError } from '../errors.ts';

export const FUNCTION_NAME_LENGTH_MAX = 64;

/** The rule in words, for messages and help. */
export const FUNCTION_NAME_RULE =
  'A name has 1 to 64 lower-case letters and digits, with "-", "_" and single "." inside, as in "image-resize.v2". ' +
  'Names of Windows devices (con, prn, aux, nul, com1-9, lpt1-9), alone or before a ".", are not possible.';

const PATTERN = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/;
/** On Windows these are devices in every folder, with any extension. A store may be copied there. */
const DEVICE = /^(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\.|$)/;
const SHOWN_LENGTH_MAX = 80;

/**
 * Whether a function can have this name. Names become file names and URL segments, so no name needs escaping, hides
 * a file, leaves its folder, is a device, or looks like an option of a command.
 */
export function isFunctionName(name: string): boolean {
  if (name.length > FUNCTION_NAME_LENGTH_MAX || !PATTERN.test(name)) return false;
  return !name.includes('..') && !DEVICE.test(name);
}

/** Throws FUNCTION_NAME_INVALID for a name that `isFunctionName` refuses. */
export function checkFunctionName(name: string): void {
  if (isFunctionName(name)) return;
  const shown = name.length > SHOWN_LENGTH_MAX ? `${name.slice(0, SHOWN_LENGTH_MAX)}…` : name;
  throw new JordError(
    'FUNCTION_NAME_INVALID',
    `${JSON.stringify(shown)} cannot be the name of a function. ${FUNCTION_NAME_RULE}`,
    {
      name: shown,
    },
  );
}

/** For a name that no function has. */
export function functionUnknown(name: string): JordError {
  return new JordError('FUNCTION_UNKNOWN', `No function "${name}" is deployed.`, { function: name });
}
