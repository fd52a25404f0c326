/**
 * The Wasm file of a package. Imports and exports of these files have short names that change from build to build, so
 * a driver names the build it knows.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Throws an Error when the file is another build. */
export async function readBuild(specifier: string, sha256: string): Promise<Uint8Array> {
  const bytes = await readFile(fileURLToPath(import.meta.resolve(specifier)));
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== sha256) {
    throw new Error(
      `${specifier} is another build (SHA-256 ${found}): its short import and export names, and this hash, ` +
        'must be brought up to date in its driver in bench/applications',
    );
  }
  return bytes;
}
