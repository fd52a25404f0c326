/** What commands read: files that the user named, and standard input. */

import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { JordError } from '../errors.ts';

/** Where a body or a value comes from. */
export interface DataOptions {
  readonly data?: string;
  readonly dataFile?: string;
}

/**
 * From `--data`, `--data-file` or standard input; undefined where that is a terminal. Throws BAD_OPTION where both are given, or the
 * file cannot be read.
 */
export async function readData({ data, dataFile }: DataOptions): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (data !== undefined && dataFile !== undefined) {
    throw new JordError('BAD_OPTION', 'Give either --data or --data-file.');
  }
  if (data !== undefined) return new TextEncoder().encode(data);
  if (dataFile !== undefined && dataFile !== '-') return readInput(dataFile);
  if (dataFile === undefined && process.stdin.isTTY) return undefined;
  return new Uint8Array(await buffer(process.stdin));
}

/** The content of a file that the user named. Throws BAD_OPTION with the reason when it cannot be read. */
export async function readInput(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/** For a file that the user named and that cannot be read or written. */
export function fileError(operation: 'read' | 'write', path: string, error: unknown): JordError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: operation === 'read' ? 'there is no such file' : 'there is no such folder',
    EACCES: 'no permission',
    EISDIR: 'it is a folder',
    ENOSPC: 'the disk is full',
  };
  const reason = reasons[code] ?? (error instanceof Error ? error.message : String(error));
  return new JordError('BAD_OPTION', `Cannot ${operation} ${path}: ${reason}.`, {}, { cause: error });
}
