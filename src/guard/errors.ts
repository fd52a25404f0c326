/** Errors of the guard with their places, and the limits it keeps. */
import { type ErrorCode, JordError } from '../errors.ts';

/** What a module may have at most. V8's own limits, less what the guard adds, or tighter where memory of ours depends on it. */
export const LIMITS = {
  moduleBytes: 64 * 1024 * 1024,
  guardedBytes: 128 * 1024 * 1024,
  types: 10_000,
  imports: 1_000,
  functions: 100_000,
  exports: 100_000,
  tables: 100,
  /** Of all tables together. */
  tableEntries: 131_072,
  tags: 10_000,
  globals: 100_000,
  elementSegments: 10_000,
  /** Of all element segments together. */
  elements: 200_000,
  dataSegments: 32_768,
  /** Mutable globals and the flags of data segments, in the home's header. */
  headerGlobalsBytes: 65_536,
  parameters: 999,
  results: 1_000,
  /** Parameters, `base` and temporaries included. */
  locals: 50_000,
  functionBytes: 7_654_321,
} as const;

export type ModuleLimits = { readonly [Limit in keyof typeof LIMITS]: number };

/** What a module may have that the guard made: a memory, a twin of each type, functions and an export more. */
export const GUARDED_LIMITS: ModuleLimits = {
  ...LIMITS,
  types: 2 * LIMITS.types + 16,
  imports: LIMITS.imports + 1,
  functions: LIMITS.functions + LIMITS.dataSegments + 16,
  exports: LIMITS.exports + 1,
  parameters: LIMITS.parameters + 1,
};

/** Names come from the module: clipped, without control characters. */
export function quoteName(name: string): string {
  const clipped = name.length > 80 ? `${name.slice(0, 80)}…` : name;
  return JSON.stringify(clipped);
}

function hex(offset: number): string {
  return `0x${offset.toString(16)}`;
}

/** The bytes are no module. `offset` is the place in the module. */
export function malformed(what: string, offset: number): JordError {
  return new JordError('MODULE_MALFORMED', `Not a valid WebAssembly module: ${what} (at byte ${hex(offset)})`, {
    offset,
  });
}

/** A construct that is refused; `where` adds to the message, e.g. the function. */
export function unsupported(construct: string, offset: number, where = ''): JordError {
  return refusal('MODULE_UNSUPPORTED', `Not supported: ${construct}`, offset, where);
}

/** A refusal of any code, with its place. */
export function refusal(code: ErrorCode, message: string, offset: number, where = ''): JordError {
  return new JordError(code, `${message} (${where === '' ? '' : `in ${where}, `}at byte ${hex(offset)})`, { offset });
}

/** Something that the guard should not have made: what cannot be proven is not run. */
export function unproven(reason: string, offset: number, where: string): JordError {
  return refusal('MODULE_UNPROVEN', `The guarded module is not proven to be safe: ${reason}`, offset, where);
}

/** The same of the body of a function that the module had before. */
export function unprovenBody(reason: string, offset: number, where: string, functionIndex: number): JordError {
  const { message } = unproven(reason, offset, where);
  return new JordError('MODULE_UNPROVEN', message, { offset, functionIndex });
}

export function tooLarge(what: string, count: number, most: number): JordError {
  return new JordError('MODULE_TOO_LARGE', `The module has ${count} ${what}; at most ${most} are allowed`, {
    count,
    most,
  });
}

/** A count that the module declares, checked before anything is allocated for it. */
export function checkCount(what: string, count: number, most: number): number {
  if (count > most) throw tooLarge(what, count, most);
  return count;
}
