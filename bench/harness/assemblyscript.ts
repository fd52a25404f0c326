/** Compiles AssemblyScript sources of the benchmarks, and keeps the result in build/bench as long as nothing changes. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CACHE = path.join(ROOT, 'build', 'bench');
const COMPILER = fileURLToPath(import.meta.resolve('assemblyscript/bin/asc.js'));
const COMPILER_MANIFEST = fileURLToPath(import.meta.resolve('assemblyscript/package.json'));

/** Optimised, nothing imported (a failed assertion traps), nothing collected, a memory of its own. */
export const KERNEL_OPTIONS: readonly string[] = ['-O3', '--runtime', 'stub', '--enable', 'simd', '--use', 'abort='];

/** Over everything that the result may depend on: the sources of the folder, the options, the compiler. */
async function cacheKey(source: string, options: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const folder = path.dirname(source);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ts')).sort();
  for (const name of names) hash.update(name).update(await readFile(path.join(folder, name)));
  hash.update(JSON.stringify([path.basename(source), options]));
  hash.update(await readFile(COMPILER_MANIFEST));
  return hash.digest('hex').slice(0, 16);
}

/**
 * `source` is a path relative to the folder of the benchmarks. Throws an Error with the compiler's messages when the
 * source does not compile.
 */
export async function compileAssemblyScript(source: string, options = KERNEL_OPTIONS): Promise<Uint8Array> {
  const file = path.join(ROOT, 'bench', source);
  const name = path.basename(source, '.ts');
  const target = path.join(CACHE, `${name}-${await cacheKey(file, options)}.wasm`);
  try {
    return await readFile(target);
  } catch {
    // Not there yet.
  }
  await mkdir(CACHE, { recursive: true });
  const unfinished = `${target}.${process.pid}`;
  await promisify(execFile)(process.execPath, [COMPILER, file, ...options, '-o', unfinished]);
  // Renamed when complete, so that an interrupted run leaves nothing that looks like a result.
  await rename(unfinished, target);
  return await readFile(target);
}

/** Writes a file of an experiment's own beside the compiled kernels. Returns its path. */
export async function writeCacheFile(name: string, content: Uint8Array): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  const target = path.join(CACHE, name);
  await writeFile(target, content);
  return target;
}
