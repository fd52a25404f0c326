/**
 * Compiles PrivLib (core/*.ts) into build/privlib.wasm. Plain JavaScript, since set-up runs it on whatever Node there is.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const core = path.join(root, 'core');
export const PRIVLIB_PATH = path.join(root, 'build', 'privlib.wasm');

/** Options of the AssemblyScript compiler; `set-up` hashes them with the sources. */
export const PRIVLIB_OPTIONS = [
  '--runtime=stub',
  '--importMemory',
  '--sharedMemory',
  '--initialMemory=65536',
  '--maximumMemory=65536',
  '-O3',
  '--noAssert',
  '--enable=simd',
  '--enable=threads',
  '--enable=bulk-memory',
];

/**
 * Compiles. Throws with the compiler's own messages.
 * @returns {Promise<void>}
 */
export async function compilePrivLib() {
  const { default: asc } = await import('assemblyscript/asc');
  let messages = '';
  /** @type {Uint8Array | undefined} */
  let binary;
  const { error } = await asc.main(['privlib.ts', '--outFile=privlib.wasm', ...PRIVLIB_OPTIONS], {
    readFile: (/** @type {string} */ name) => readFile(path.join(core, name), 'utf8').catch(() => null),
    writeFile: (/** @type {string} */ _name, /** @type {string | Uint8Array} */ contents) => {
      if (typeof contents !== 'string') binary = contents;
    },
    listFiles: () => [],
    stderr: {
      write: (/** @type {string} */ text) => {
        messages += text;
      },
    },
    stdout: { write: () => true },
  });
  if (error !== null || binary === undefined)
    throw new Error(`PrivLib does not compile:\n${messages}`, { cause: error });
  await mkdir(path.dirname(PRIVLIB_PATH), { recursive: true });
  await writeFile(PRIVLIB_PATH, binary);
}
