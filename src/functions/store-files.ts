/** Files that survive a kill and a power cut: the primitives under the store. */

import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { JordError } from '../errors.ts';

/** Temporary files are named like this, so that opening the store can tell them from somebody else's files. */
const TEMPORARY = /^jord-\d+-\d+\.tmp$/;

let temporaryCount = 0;

/**
 * Writes a whole file so that at any moment, a kill or a power cut included, `target` holds its old content (or is
 * missing) or all of the new one. Both folders must be on one file system. When it returns, the content is on disk.
 */
export async function writeDurably(temporaryFolder: string, target: string, content: Uint8Array): Promise<void> {
  temporaryCount += 1;
  const temporary = join(temporaryFolder, `jord-${process.pid}-${temporaryCount}.tmp`);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(target));
}

/** Removes a file; when it returns, the removal is on disk. A file that is missing is no error. */
export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncFolder(dirname(path));
}

/** Removes what killed processes left in the folder for temporary files; returns how many there were. */
export async function removeTemporaryFiles(temporaryFolder: string): Promise<number> {
  const names = (await readdir(temporaryFolder)).filter((name) => TEMPORARY.test(name));
  for (const name of names) await rm(join(temporaryFolder, name), { force: true });
  return names.length;
}

/**
 * Makes the folder and those above it where they are missing. Not by Node's recursive `mkdir`, which never returns where the
 * file system says that a folder's parent is missing when it is not, as /proc does.
 */
export async function makeFolder(path: string): Promise<void> {
  if (await makeOneFolder(path)) return;
  const parent = dirname(path);
  await makeFolder(parent);
  if (await makeOneFolder(path)) return;
  throw new JordError('STORE_UNUSABLE', `Cannot make the folder ${path}: ${parent} does not take new ones.`, { path });
}

/** Whether the folder is there now; false when its parent is missing. */
async function makeOneFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
  } catch (error) {
    if (await isFolder(path)) return true;
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT' && dirname(path) !== path) return false;
    throw error;
  }
  await syncFolder(dirname(path));
  return true;
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

/** Renames and removals are on disk once their folder is. Windows has no such operation and does not need it. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** What a failed file operation means to a user, in a few words. */
export function storeError(action: string, path: string, error: unknown): JordError {
  if (error instanceof JordError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = REASONS[code] ?? (error instanceof Error ? error.message : String(error));
  return new JordError('STORE_UNUSABLE', `Cannot ${action} ${path}: ${reason}.`, { path }, { cause: error });
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'a file is in the way',
  EISDIR: 'there is a folder where a file should be',
  ENAMETOOLONG: 'the path is too long',
  EMFILE: 'too many files are open',
  EIO: 'the disk reports an error',
};
