/** Which spaces of the key-value store a function may use: a list of entries like `carts:rw` and `catalog:ro`. */
import { JordError } from '../errors.ts';
import { isFunctionName } from './name.ts';

export const KV_SPACES_MAX = 16;
export const KV_RIGHTS_RULE =
  'An entry is the name of a space and what may be done there, as in catalog:ro or carts:rw.';

const ENTRY = /^([^:]+):(ro|rw)$/;
const SHOWN_LENGTH_MAX = 80;

/** One entry, taken apart. */
export interface KvRight {
  readonly space: string;
  readonly rights: 'ro' | 'rw';
}

/** Whether a space can have this name. The rule is that of function names. */
export function isSpaceName(name: string): boolean {
  return isFunctionName(name);
}

/** Throws KV_NAME_INVALID. */
export function checkSpaceName(name: unknown): void {
  if (typeof name === 'string' && isSpaceName(name)) return;
  const text = String(name);
  const shown = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
  throw new JordError(
    'KV_NAME_INVALID',
    `${JSON.stringify(shown)} cannot be the name of a space. A name has 1 to 64 lower-case letters and digits, with "-", "_" and single "." inside.`,
    { space: shown },
  );
}

/**
 * The same list, when it is one: entries of this form, each space once, 16 at most.
 *
 * Throws BAD_OPTION, and KV_NAME_INVALID for a name that no space can have.
 */
export function checkKvRights(list: readonly string[]): readonly string[] {
  if (!Array.isArray(list)) throw new JordError('BAD_OPTION', `kv is a list. ${KV_RIGHTS_RULE}`);
  if (list.length > KV_SPACES_MAX) {
    throw new JordError('BAD_OPTION', `A function may use ${KV_SPACES_MAX} spaces at most, not ${list.length}.`);
  }
  const seen = new Set<string>();
  for (const entry of list) {
    const { space } = parseKvRight(entry);
    if (seen.has(space)) throw new JordError('BAD_OPTION', `The space ${space} is there twice: name it once.`);
    seen.add(space);
  }
  return [...list];
}

/** Throws BAD_OPTION, and KV_NAME_INVALID for a name that no space can have. */
export function parseKvRight(entry: unknown): KvRight {
  const [, space, rights] = (typeof entry === 'string' && ENTRY.exec(entry)) || [];
  if (space === undefined || rights === undefined) {
    const text = String(entry);
    const shown = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
    throw new JordError('BAD_OPTION', `${JSON.stringify(shown)} says nothing about a space. ${KV_RIGHTS_RULE}`);
  }
  checkSpaceName(space);
  return { space, rights: rights === 'rw' ? 'rw' : 'ro' };
}
