/** The traps of the specification, and the faults that stand for them here. */
import type { FaultDetails } from '../../src/server/types.ts';

/** Whether a fault is one of a kind whose reason begins as given. */
type Match = readonly [fault: FaultDetails['fault'], reason: RegExp];

const ANY = /^/;
const NULL_OR_MISMATCH: Match = ['trap', /^(null function or )?function signature mismatch/];
const NULL: Match = ['trap', /^dereferencing a null pointer/];
// At the beginning of an instance, V8 says where it comes from.
const OUTSIDE_TABLE: Match = ['trap', /^(WebAssembly\.Instance\(\): )?table index is out of bounds/];

/**
 * By the texts of the specification, which may go on behind these. V8 has one reason for two of them: an element that is
 * null and one of another type.
 */
const FAULTS: ReadonlyMap<string, readonly Match[]> = new Map<string, readonly Match[]>([
  [
    'out of bounds memory access',
    [
      ['memory-access', ANY],
      // A segment has a length, too.
      ['trap', /^memory access out of bounds|^memory\.init of a data segment that was dropped/],
    ],
  ],
  ['out of bounds table access', [OUTSIDE_TABLE]],
  ['undefined element', [OUTSIDE_TABLE]],
  ['uninitialized element', [NULL_OR_MISMATCH, NULL]],
  ['indirect call type mismatch', [NULL_OR_MISMATCH]],
  ['null function reference', [NULL]],
  ['null exception reference', [['trap', /^rethrowing null value/]]],
  ['integer divide by zero', [['trap', /^divide by zero|^remainder by zero/]]],
  ['integer overflow', [['trap', /^divide result unrepresentable|^float unrepresentable in integer range/]]],
  ['invalid conversion to integer', [['trap', /^float unrepresentable in integer range/]]],
  ['unreachable', [['trap', /^unreachable/]]],
  ['unaligned atomic', [['trap', /^operation does not support unaligned accesses/]]],
  ['expected shared memory', [['atomic-wait', ANY]]],
  ['exception', [['exception', ANY]]],
  ['call stack exhausted', [['stack-exhausted', ANY]]],
]);

/** Whether a fault is the trap that a test asks for. */
export function isTrap(text: string, { fault, reason }: FaultDetails): boolean {
  const known = [...FAULTS.keys()].find((key) => text.startsWith(key));
  if (known === undefined) throw new Error(`no fault is known for the trap "${text}"`);
  return FAULTS.get(known)?.some(([kind, pattern]) => kind === fault && pattern.test(reason)) ?? false;
}
