/** The log of a server: lines on standard error, JSON for programs, text for a terminal. */

import type { LogLevel } from '../server/types.ts';
import { printable, printableLines } from './output.ts';

export type LogThreshold = LogLevel | 'silent';
export const LOG_THRESHOLDS: readonly LogThreshold[] = ['debug', 'info', 'warn', 'error', 'silent'];
export type LogFormat = 'json' | 'text';
export const LOG_FORMATS: readonly LogFormat[] = ['json', 'text'];

export interface LogEntry {
  readonly level: LogLevel;
  /** The function that it is about; '' for the server. */
  readonly function: string;
  readonly message: string;
  /** More for programs, and `stack` for people. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Writes entries of this level and above. */
export function createLog(
  threshold: LogThreshold,
  format: LogFormat,
  write: (line: string) => void,
): (entry: LogEntry) => void {
  const least = LOG_THRESHOLDS.indexOf(threshold);
  const render = format === 'json' ? jsonLine : textLine;
  return (entry) => {
    if (LOG_THRESHOLDS.indexOf(entry.level) >= least) write(render(entry, new Date()));
  };
}

function jsonLine({ level, function: name, message, fields }: LogEntry, time: Date): string {
  const about = name === '' ? {} : { function: name };
  return `${JSON.stringify({ time: time.toISOString(), level, ...about, message, ...fields })}\n`;
}

function textLine({ level, function: name, message, fields }: LogEntry, time: Date): string {
  const about = name === '' ? '' : `${name}: `;
  const stack = typeof fields?.['stack'] === 'string' ? `\n${printableLines(fields['stack'])}` : '';
  return `${time.toTimeString().slice(0, 8)} ${level.padEnd(5)} ${about}${printable(message)}${stack}\n`;
}
