/** What the commands print. */

import { type ErrorCode, JordError } from '../errors.ts';

/** Prints to standard output, with a line end. */
export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** JSON as the HTTP API has it. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, 2));
}

/** Columns of text, as wide as they need to be; `right` has the indexes of those to align at the right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

/** What to do about an error, where its message does not say. */
const HINTS: Partial<Readonly<Record<ErrorCode, string>>> = {
  UNAUTHORIZED: 'Give the token of the server with --token or JORD_TOKEN.',
  FUNCTION_UNKNOWN: '`jord list` shows what is deployed.',
  SERVER_UNREACHABLE: 'Start a server with `jord serve`, or say where it is with --server or JORD_URL.',
  HOMES_EXHAUSTED: 'Try again in a moment.',
  SERVER_STARTING: 'Try again in a moment.',
};

/** The lines for standard error. Anything but a JordError is a bug, and comes with its stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof JordError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `jord: This is a bug in jord: ${text}\n`;
  }
  const lines = [`jord: ${error.message}`, ...describeFault(error)];
  const hint = HINTS[error.code];
  if (hint !== undefined) lines.push(`      ${hint}`);
  return `${lines.join('\n')}\n`;
}

export function exitCodeOf(error: unknown): number {
  return error instanceof JordError ? error.row.exit : 1;
}

/** Fault, access and backtrace, for an error that has them (see FaultDetails). */
function describeFault({ details }: JordError): string[] {
  const { fault, access, sizeBytes, address, backtrace } = details;
  if (typeof fault !== 'string') return [];
  const lines = [`  fault      ${fault}`];
  if (address !== undefined) {
    const size = sizeBytes === undefined ? '' : ` of ${String(sizeBytes)} bytes`;
    lines.push(`  access     ${String(access)}${size} at ${String(address)}`);
  }
  if (Array.isArray(backtrace) && backtrace.length > 0) {
    lines.push(`  backtrace  ${backtrace.map(String).join('\n             ')}`);
  }
  return lines;
}
