/**
 * Compiles PrivLib (core/privlib.ts) and core/waiting.ts into build/. Plain JavaScript, since set-up runs it on whatever Node there is.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const core = path.join(root, 'core');
/** Options of the AssemblyScript compiler. */
const COMMON_OPTIONS = ['--runtime=stub', '-O3', '--noAssert'];
/** What is compiled: PrivLib itself, and the functions that can suspend, which know nothing of memory. */
const MODULES = [
  {
    name: 'privlib',
    options: [
      '--importMemory',
      '--sharedMemory',
      '--initialMemory=65536',
      '--maximumMemory=65536',
      '--enable=simd',
      '--enable=threads',
      '--enable=bulk-memory',
    ],
  },
  { name: 'waiting', options: ['--noExportMemory'] },
];

/**
 * Compiles. Throws with the compiler's own messages.
 * @returns {Promise<void>}
 */
export async function compilePrivLib() {
  await mkdir(path.join(root, 'build'), { recursive: true });
  for (const { name, options } of MODULES) await compile(name, options);
}

/**
 * @param {string} name
 * @param {readonly string[]} options
 */
async function compile(name, options) {
  const { default: asc } = await import('assemblyscript/asc');
  let messages = '';
  /** @type {Uint8Array | undefined} */
  let binary;
  const { error } = await asc.main([`${name}.ts`, `--outFile=${name}.wasm`, ...COMMON_OPTIONS, ...options], {
    readFile: (/** @type {string} */ file) => readFile(path.join(core, file), 'utf8').catch(() => null),
    writeFile: (/** @type {string} */ _file, /** @type {string | Uint8Array} */ contents) => {
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
    throw new Error(`core/${name}.ts does not compile:\n${messages}`, { cause: error });
  await writeFile(path.join(root, 'build', `${name}.wasm`), binary);
}
