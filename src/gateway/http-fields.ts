/** Header fields on their way to a function and back. */

import { validateHeaderName, validateHeaderValue } from 'node:http';
import { JordError } from '../errors.ts';
import { CONNECTION_FIELDS, RESERVED_FIELDS } from '../server/reserved-fields.ts';
import type { FaultDetails } from '../server/types.ts';

type Field = readonly [name: string, value: string];

/**
 * Fields of a request as a function sees them, from Node's `rawHeaders` (name, value, name, value…): names in lower
 * case, repeated fields repeated, those for this hop left out, among them what `Connection` names.
 */
export function requestFields(
  rawHeaders: readonly string[],
  isSecret: (name: string, value: string) => boolean,
): Field[] {
  const fields: Field[] = [];
  const named = new Set<string>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    const value = rawHeaders[index + 1] ?? '';
    if (name === 'connection') for (const option of value.split(',')) named.add(option.trim().toLowerCase());
    else if (!CONNECTION_FIELDS.has(name) && !isSecret(name, value)) fields.push([name, value]);
  }
  return named.size === 0 ? fields : fields.filter(([name]) => !named.has(name));
}

/**
 * Fields that a function set, as Node takes them: those that no function sets are left out, repeated ones become
 * lists. Throws FUNCTION_FAULT for what HTTP does not allow.
 */
export function responseFields(functionName: string, fields: readonly Field[]): Map<string, string | string[]> {
  const result = new Map<string, string | string[]>();
  for (const [givenName, value] of fields) {
    const name = givenName.toLowerCase();
    checkField(functionName, name, value);
    if (RESERVED_FIELDS.has(name)) continue;
    const before = result.get(name);
    result.set(name, before === undefined ? value : [before, value].flat());
  }
  return result;
}

/** The status of a response. Throws FUNCTION_FAULT for one that is not final: a function answers once. */
export function responseStatus(functionName: string, status: number | undefined): number {
  if (status === undefined) return 200;
  if (Number.isInteger(status) && status >= 200 && status <= 599) return status;
  throw badResponse(functionName, `the status ${status} is not one from 200 to 599`);
}

function checkField(functionName: string, name: string, value: string): void {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  } catch {
    throw badResponse(
      functionName,
      `the header field ${JSON.stringify(name)} has a name or value that HTTP does not allow`,
    );
  }
}

function badResponse(functionName: string, reason: string): JordError {
  const details: FaultDetails = { function: functionName, fault: 'bad-response', reason, backtrace: [] };
  return new JordError('FUNCTION_FAULT', `The function "${functionName}" answered wrongly: ${reason}.`, { ...details });
}
