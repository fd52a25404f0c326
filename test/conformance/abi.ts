/**
 * What docs/abi.md says of modules that are not run, or not as the specification says. Nothing else may differ; the test
 * sees to it that each sentence still stands there.
 */
import type { JordError } from '../../src/errors.ts';

const NOT_USED =
  'It may not use: 64-bit memory or tables, more than one memory, garbage-collected types, typed function references, imported tables, globals or tags, a table that changes at run time (`table.set`, `table.grow`, `table.fill`, `table.copy`, `table.init`), a mutable global of a reference type.';
const IMPORTS =
  'It imports nothing else than functions of the module `jord`, all or some of [those below](#host-functions).';
const LIMITS =
  'Limits of a module: 64 MiB of bytes and 128 MiB with its guards, 512 MiB of initial memory, 1,000 imports, 10,000 types, 100,000 functions, exports and globals each, 999 parameters and 1,000 results of a function, 50,000 locals';

/** Why a module is refused, by code and message, and the sentence that says so. */
const REFUSALS: readonly (readonly [reason: RegExp, sentence: string])[] = [
  [/^MODULE_UNSUPPORTED: Not supported: more than one memory$/, NOT_USED],
  [/^MODULE_UNSUPPORTED: Not supported: a 64-bit (memory|table)$/, NOT_USED],
  [/^MODULE_UNSUPPORTED: Not supported: an imported (table|global|tag), …$/, NOT_USED],
  [/^MODULE_UNSUPPORTED: Not supported: table\.\w+, which changes a table at run time$/, NOT_USED],
  [/^MODULE_UNSUPPORTED: Not supported: a mutable global of type \w+ref \(global N\)$/, NOT_USED],
  [/^MODULE_UNSUPPORTED: Not supported: .*\(garbage collection\)$/, NOT_USED],
  [/^MODULE_UNSUPPORTED: Not supported: (a typed reference$|.*\(typed function references\)$)/, NOT_USED],
  [/^MODULE_IMPORT_UNKNOWN: /, IMPORTS],
  [/^MODULE_TOO_LARGE: /, LIMITS],
];

/** Differences in what a module does that runs. */
const DIFFERENCES = {
  'an access behind memory.size, within the limit and its red zone':
    'Memory between `memory.size` and the memory limit can be read (zeros) and written, and so can the 4,096 bytes behind the limit, by the constant offset of an instruction whose address is below it.',
  'an imported memory is the home, of the size that the module declares':
    'An imported memory has the size that the import declares as its minimum.',
  'memory.atomic.wait traps':
    '`memory.atomic.wait32` and `memory.atomic.wait64` always trap: they would hold up the executor.',
  'an exported global cannot be looked at':
    'Exports that are no functions are dropped: nobody can look at an exported memory, table, global or tag.',
  'more than one table, which was not valid once':
    'It may use: the MVP, sign extension, saturating conversion, bulk memory, multi-value, reference types,',
} as const satisfies Record<string, string>;

export type Difference = keyof typeof DIFFERENCES;

/** Code and message without the names and places that differ from module to module. */
export function reasonOf(error: JordError): string {
  return `${error.code}: ${error.message}`
    .replace(/ \((in .*, )?at byte 0x[0-9a-f]+\)$/, '')
    .replace(/"(?:[^"\\]|\\.)*"/g, '…')
    .replace(/\b\d+\b(?!-bit)/g, 'N');
}

/** Whether a reason to refuse a module is one that the ABI states. */
export function isStated(reason: string): boolean {
  return REFUSALS.some(([pattern]) => pattern.test(reason));
}

/** All sentences that are relied on. */
export const SENTENCES: readonly string[] = [
  ...new Set([...REFUSALS.map(([, sentence]) => sentence), ...Object.values(DIFFERENCES)]),
];
