/** What the commands print. */

import { type ErrorCode, JordError } from '../errors.ts';

/** For commands whose output is their purpose: they end when nobody reads it any more, as `head` stops to. */
export function endWithReaders(): void {
  process.stdout.on('error', endQuietly);
  process.stderr.on('error', ignore);
}

/** For a server, which serves on when nobody reads what it prints and logs. */
export function outliveReaders(): void {
  process.stdout.off('error', endQuietly).on('error', ignore);
}

function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
}

function ignore(): void {}

/** Prints to standard output, with a line end. */
export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** JSON as the HTTP API has it. */
export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, 2));
}

/** For text that functions and servers choose: it must not be able to move the cursor or forge a line. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
  return text.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]/g, escapeCharacter);
}

/** The same for text of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Columns of printable text, as wide as they need to be; `right` has the indexes of those to align at the right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const cells = rows.map((row) => row.map(printable));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return cells.map(line).join('\n');
}

/** What to do about an error, where its message does not say. */
const HINTS: Partial<Readonly<Record<ErrorCode, string>>> = {
  UNAUTHORIZED: 'Give the token of the server with --token or JORD_TOKEN.',
  SERVER_UNREACHABLE: 'Start a server with `jord serve`, or say where it is with --server or JORD_URL.',
  OVERLOADED: 'Try again in a moment.',
  CONCURRENCY_EXCEEDED: 'Try again in a moment.',
  HOMES_EXHAUSTED: 'Try again in a moment.',
  SERVER_STARTING: 'Try again in a moment.',
};

/** The lines for standard error. Anything but a JordError is a bug, and comes with its stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof JordError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `jord: This is a bug in jord: ${printableLines(text)}\n`;
  }
  // The compiler's errors are a line each, and no server's: sources are compiled here.
  const message = error.code === 'SOURCE_REFUSED' ? printableLines(error.message) : printable(error.message);
  const lines = [`jord: ${message}`, ...describeFault(error)];
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
  const lines = [`  fault      ${printable(fault)}`];
  if (address !== undefined) {
    const size = sizeBytes === undefined ? '' : ` of ${String(sizeBytes)} bytes`;
    lines.push(printable(`  access     ${String(access)}${size} at ${String(address)}`));
  }
  if (Array.isArray(backtrace) && backtrace.length > 0) {
    lines.push(`  backtrace  ${backtrace.map((frame) => printable(String(frame))).join('\n             ')}`);
  }
  return lines;
}
