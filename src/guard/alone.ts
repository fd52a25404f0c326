/**
 * What to do when the verifier refuses what the guard has made.
 *
 * The guard keeps translated pointers along the paths of a function and relies on the verifier to find out by itself that they are
 * good. The two follow the code with different means, so there may be functions, odd ones, of which the guard knows more. Such a
 * function is guarded again with each access by itself, which the verifier has no need to follow. So no module is refused for
 * what the guard has thought out; and what runs is proven, as ever.
 */
import { JordError } from '../errors.ts';
import type { Alone } from './types.ts';

/** So many functions are tried one by one; then all are guarded access by access. */
const TRIES_MAX = 8;

/** The functions to guard access by access next, after `alone` has led to this error; undefined when nothing is left to try. */
export function nextAlone(alone: Alone, error: unknown): Alone | undefined {
  if (alone === 'all' || !(error instanceof JordError) || error.code !== 'MODULE_UNPROVEN') return undefined;
  const index = error.details['functionIndex'];
  if (typeof index !== 'number' || alone.has(index) || alone.size === TRIES_MAX) return 'all';
  return new Set([...alone, index]);
}
